//! A name to the files of a new chart: a Deployment, a Service and a test of them, to be changed.

use masthead_gotmpl::quote::quote;

use crate::chart::File;

/// Letters of a chart's name.
const NAME_MAX: usize = 250;

/// The files of a new chart.
///
/// # Errors
/// A name that Helm would refuse, in its words.
pub fn files(name: &str) -> Result<Vec<File>, String> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(format!("chart name must be between 1 and {NAME_MAX} characters"));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(format!("chart name must match the regular expression {}", quote(b"^[a-zA-Z0-9._-]+$")));
    }
    let texts = [
        ("Chart.yaml", CHART),
        ("values.yaml", VALUES),
        (".helmignore", IGNORE),
        ("templates/_helpers.tpl", HELPERS),
        ("templates/deployment.yaml", DEPLOYMENT),
        ("templates/service.yaml", SERVICE),
        ("templates/NOTES.txt", NOTES),
        ("templates/tests/connection.yaml", TEST),
    ];
    Ok(texts.into_iter().map(|(path, text)| File::new(path, text.replace("CHARTNAME", name))).collect())
}

const CHART: &str = "apiVersion: v2
name: CHARTNAME
description: What CHARTNAME is, in one sentence
type: application
# The chart's own version: semantic, and larger at each change.
version: 0.1.0
# The version of what the chart installs.
appVersion: \"1.0.0\"
";

const VALUES: &str = "# What can be set when CHARTNAME is installed.
replicas: 1

image:
  repository: nginx
  # The chart's appVersion, unless set here.
  tag: \"\"
  pullPolicy: IfNotPresent

service:
  type: ClusterIP
  port: 80

# The port the container listens on.
containerPort: 80

resources: {}

podAnnotations: {}
";

const IGNORE: &str = ".DS_Store
.git/
.gitignore
.idea/
.vscode/
*.bak
*.orig
*.swp
*.tmp
*~
";

const HELPERS: &str = "{{/* The name of all objects: the release's, with the chart's unless that is in it. */}}
{{- define \"CHARTNAME.fullname\" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix \"-\" -}}
{{- else -}}
{{- printf \"%s-%s\" .Release.Name .Chart.Name | trunc 63 | trimSuffix \"-\" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods; it may not change between versions. */}}
{{- define \"CHARTNAME.selector\" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define \"CHARTNAME.labels\" -}}
{{ include \"CHARTNAME.selector\" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf \"%s-%s\" .Chart.Name .Chart.Version | replace \"+\" \"_\" }}
{{- end -}}
";

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include \"CHARTNAME.fullname\" . }}
  labels:
    {{- include \"CHARTNAME.labels\" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      {{- include \"CHARTNAME.selector\" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include \"CHARTNAME.labels\" . | nindent 8 }}
      {{- with .Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      containers:
        - name: {{ .Chart.Name }}
          image: \"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: {{ .Values.containerPort }}
          readinessProbe:
            httpGet:
              path: /
              port: http
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
";

const SERVICE: &str = "apiVersion: v1
kind: Service
metadata:
  name: {{ include \"CHARTNAME.fullname\" . }}
  labels:
    {{- include \"CHARTNAME.labels\" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  selector:
    {{- include \"CHARTNAME.selector\" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .Values.service.port }}
      targetPort: http
";

const NOTES: &str = "{{ .Chart.Name }} answers inside of the cluster at
  http://{{ include \"CHARTNAME.fullname\" . }}.{{ .Release.Namespace }}:{{ .Values.service.port }}/
";

const TEST: &str = "apiVersion: v1
kind: Pod
metadata:
  name: {{ include \"CHARTNAME.fullname\" . }}-test
  labels:
    {{- include \"CHARTNAME.labels\" . | nindent 4 }}
  annotations:
    helm.sh/hook: test
spec:
  restartPolicy: Never
  containers:
    - name: get
      image: busybox
      command: [wget, -q, -O, /dev/null, \"http://{{ include \"CHARTNAME.fullname\" . }}:{{ .Values.service.port }}/\"]
";
