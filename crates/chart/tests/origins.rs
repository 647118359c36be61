//! Where the lines of manifests and hooks come from: template, line and the key of the values that fed it.

use std::sync::Arc;

use masthead_chart::chart::File;
use masthead_chart::hook::Event;
use masthead_chart::load;
use masthead_chart::manifest::Manifest;
use masthead_chart::render::{Asks, Options, Rendered, render};
use masthead_chart::tree::Table;
use masthead_sprig::time::moment::Moment;

const FILES: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: t\nversion: 1.0.0\n"),
    ("values.yaml", "image: {tag: v1}\nnames: {first: a}\nc: {size: 3}\nnothing: \"\"\n"),
    ("templates/_h.tpl", "{{ define \"t.labels\" }}\napp: t\nname: {{ .Values.names.first }}\n{{- end }}\n"),
    (
        "templates/a.yaml",
        "# first\nkind: A\nlabels:\n  {{- include \"t.labels\" . | nindent 2 }}\nimage: {{ .Values.image.tag }}\n---\n\nkind: B\nempty: {{ .Values.no }}\nlast: {{ .Values.image.tag }}\n",
    ),
    (
        "templates/h.yaml",
        "kind: Job\nmetadata:\n  name: {{ .Values.names.first }}\n  annotations:\n    helm.sh/hook: pre-install\n",
    ),
    ("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
    ("charts/c/templates/s.yaml", "kind: S\nsize: {{ .Values.size }}\n"),
];

fn draw(trace: bool) -> Rendered {
    let files = FILES.iter().map(|(name, text)| File::new(*name, *text)).collect();
    let chart = Arc::new(load::files(files, &mut Vec::new()).expect("the chart is well-formed"));
    let options = Options { trace, ..Options::new("r", "n", [7; 32], Moment::from_unix(0, 0)) };
    render(&chart, &Table::new(), &options, Asks::default(), &mut Vec::new()).expect("the chart renders")
}

/// Each line with its origin: `text | template:line key`.
fn lines(rendered: &Rendered, manifest: &Manifest) -> Vec<String> {
    let origins = rendered.origins_of(manifest);
    assert_eq!(origins.len(), manifest.text.split('\n').count(), "{}", manifest.text);
    let line = |(text, origin): (&str, &masthead_chart::line_origin::LineOrigin)| {
        let template = origin.template.to_str_lossy();
        format!("{text} | {}:{} {}", template.strip_prefix("t/").unwrap_or(&template), origin.line, origin.key)
    };
    manifest.text.split('\n').zip(origins).map(line).collect()
}

#[test]
fn each_line_knows_its_template_and_key() {
    let rendered = draw(true);
    let of = |kind: &str| {
        let found = rendered.manifests.iter().find(|one| one.head.kind == kind);
        lines(&rendered, found.unwrap_or_else(|| panic!("no {kind}")))
    };
    assert_eq!(
        of("A"),
        [
            "# first | templates/a.yaml:1 ",
            "kind: A | templates/a.yaml:2 ",
            "labels: | templates/a.yaml:3 ",
            "   | templates/a.yaml:4 ",
            "  app: t | templates/_h.tpl:2 ",
            "  name: a | templates/_h.tpl:3 .Values.names.first",
            "image: v1 | templates/a.yaml:5 .Values.image.tag",
        ]
    );
    // What is not there is taken out after the engine wrote it.
    assert_eq!(
        of("B"),
        [
            "kind: B | templates/a.yaml:8 ",
            "empty:  | templates/a.yaml:9 .Values.no",
            "last: v1 | templates/a.yaml:10 .Values.image.tag",
        ]
    );
    assert_eq!(
        of("S"),
        ["kind: S | charts/c/templates/s.yaml:1 ", "size: 3 | charts/c/templates/s.yaml:2 .Values.c.size"]
    );
    let hooks = rendered.hooks_at(Event::PreInstall);
    assert_eq!(lines(&rendered, &hooks[0].manifest)[2], "  name: a | templates/h.yaml:3 .Values.names.first");
}

#[test]
fn nothing_is_recorded_unless_asked_for() {
    let (plain, traced) = (draw(false), draw(true));
    assert_eq!(plain.manifests, traced.manifests);
    assert!(plain.manifests.iter().all(|one| plain.origins_of(one).is_empty()));
}
