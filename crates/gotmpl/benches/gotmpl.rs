//! Times of parsing and of executing a template like those of charts, printed as microseconds.
//!
//! `cargo bench -p masthead-gotmpl --bench gotmpl [-- ROUNDS]`; `--case` prints the case itself, to be
//! timed with Go's text/template.
use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::exec::limits::MissingKey;
use masthead_gotmpl::json::{Numbers, from_json};
use masthead_gotmpl::set::Set;
use serde_json::json;
use std::time::{Duration, Instant};

#[path = "../tests/engine/support.rs"]
mod support;

const HELPERS: &str = r#"{{- define "name" -}}{{ or .Values.nameOverride .Chart.Name }}{{- end -}}
{{- define "fullname" -}}{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}{{- else -}}
{{ printf "%s-%s" .Release.Name (include "name" .) }}{{- end -}}{{- end -}}
{{- define "labels" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}"#;

const MAIN: &str = r#"{{- range $i, $w := .Values.workers }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "fullname" $ }}-{{ $w.name }}
  labels: {{ include "labels" $ | printf "%q" }}
spec:
  replicas: {{ $w.replicas }}
  {{- with $w.strategy }}
  strategy:
    type: {{ .type }}
  {{- end }}
  template:
    spec:
      containers:
        - name: {{ $.Chart.Name }}
          image: "{{ $.Values.image.registry }}/{{ $.Values.image.repository }}:{{ or $.Values.image.tag $.Chart.AppVersion }}"
          {{- if and $w.ports (gt (len $w.ports) 0) }}
          ports:
            {{- range $w.ports }}
            - name: {{ .name }}
              containerPort: {{ .port }}
              protocol: {{ if eq .name "dns" "udp" }}UDP{{ else }}TCP{{ end }}
            {{- end }}
          {{- end }}
          env:
            {{- range $key, $value := $w.env }}
            - name: {{ $key }}
              value: {{ $value | printf "%q" }}
            {{- end }}
          resources:
            {{- if not $w.resources }}
            {}
            {{- else }}
            limits:
              cpu: {{ $w.resources.limits.cpu }}
              memory: {{ index $w.resources "limits" "memory" }}
            {{- end }}
{{- end }}
"#;

fn main() {
    let rounds: usize =
        std::env::args().filter(|arg| arg != "--bench").nth(1).and_then(|text| text.parse().ok()).unwrap_or(300);
    let worker = |at: usize| {
        json!({
            "name": format!("w{at}"), "replicas": at, "strategy": {"type": "Recreate"},
            "ports": [{"name": "http", "port": 80}, {"name": "dns", "port": 53}],
            "env": {"A": "1", "B": "two", "LONGER_NAME": "a longer value, that is quoted"},
            "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}},
        })
    };
    let data = json!({
        "Chart": {"Name": "demo", "AppVersion": "1.2.3"}, "Release": {"Name": "one", "Service": "Helm"},
        "Values": {
            "nameOverride": "", "image": {"registry": "docker.io", "repository": "library/demo"},
            "workers": (0..100).map(worker).collect::<Vec<_>>(),
        },
    });
    let templates = json!([["helpers.tpl", HELPERS], ["main.yaml", MAIN]]);
    let case = json!({"templates": templates, "execute": "main.yaml", "data": data, "missing": "zero"});
    if std::env::args().any(|arg| arg == "--case") {
        return println!("{case}");
    }
    assert!(support::run(&case)["out"].is_string(), "it renders before it is timed");
    let parsed = || {
        let mut set = Set::new(&support::Functions);
        set.parse("helpers.tpl", HELPERS.as_bytes()).expect("the helpers can be parsed");
        set.parse("main.yaml", MAIN.as_bytes()).expect("the template can be parsed");
        set
    };
    report("parse", rounds, || parsed().names().count());
    let set = parsed();
    for trace in [false, true] {
        let value = from_json(&data, Numbers::Float);
        if let Some(values) = value.as_map().and_then(|map| map.get(b"Values")) {
            values.as_map().inspect(|map| map.set_path_id(1));
        }
        let options = Options { missing_key: MissingKey::Zero, trace, set_name: "gotpl", ..Options::default() };
        let mut length = 0;
        report(if trace { "execute, traced" } else { "execute" }, rounds, || {
            let mut host = ();
            let mut execution = Execution::new(&set, options, &mut host);
            length = execution.execute(b"main.yaml", value.clone()).expect("it renders").len();
            length
        });
        println!("{length} bytes of output");
    }
}

fn report<T>(what: &str, rounds: usize, mut one: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(one());
            started.elapsed()
        })
        .collect();
    times.sort();
    println!("{what}: median {} µs, least {} µs", times[rounds / 2].as_micros(), times[0].as_micros());
}
