{{- define "masthead.labels" -}}
app.kubernetes.io/name: masthead
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "masthead.selector" -}}
app.kubernetes.io/name: masthead
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "masthead.image" -}}
{{ required "image.repository has to be given" .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
