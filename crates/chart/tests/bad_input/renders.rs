//! Templates that never end, that make too much, and that fail: each with the chart, the file and the line.

use masthead_chart::error::{Error, Stage};
use serde_json::json;

use crate::support::{CHART, memory_is_bounded, options, render_with, template};

/// The error of a template, which is in its third line.
fn fails(text: &str) -> Error {
    let error = template(&format!("a: 1\n# 2\n{text}\n")).err().unwrap_or_else(|| panic!("it renders: {text}"));
    assert_eq!((error.stage, error.chart.as_str()), (Stage::Render, "t"), "{text}");
    assert_eq!((error.file.as_deref(), error.line), (Some("t/templates/x.yaml"), Some(3)), "{text}: {error}");
    // Helm tells all of a thousand includes.
    assert!(error.text.len() < 1 << 20, "{text}: {} bytes of words", error.text.len());
    error
}

fn check(text: &str, expect: &str) {
    let error = fails(text);
    assert!(error.text.contains(expect), "{text}: {error}");
}

#[test]
fn loops_without_an_end_are_stopped() {
    check("{{ range 1000000000 }}x{{ end }}", "exceeded the limit of 300000 steps");
    check("{{ range $i := 1000000000 }}{{ range 1000000000 }}{{ end }}{{ end }}", "exceeded the limit of 300000 steps");
    for text in [
        "{{ range until 1000000000 }}x{{ end }}",
        "{{ range untilStep 0 1000000000 1 }}x{{ end }}",
        "{{ range (seq 1000000000 | split \" \") }}x{{ end }}",
        "{{ repeat 1000000000 \"abc\" }}",
        "{{ repeat 1000000 \"abc\" | repeat 1000000 }}",
        "{{ indent 1000000000 \"a\" }}",
        "{{ randAlphaNum 1000000000 }}",
    ] {
        fails(text);
    }
    memory_is_bounded();
}

#[test]
fn templates_that_call_themselves_are_stopped() {
    let same = "{{ define \"l\" }}{{ include \"l\" . }}{{ end }}{{ include \"l\" . }}";
    check(same, "rendering template has a nested reference name: l: unable to execute template");
    let pair = "{{ define \"p\" }}{{ include \"q\" . }}{{ end }}{{ define \"q\" }}{{ include \"p\" . }}{{ end }}{{ include \"p\" . }}";
    check(pair, "rendering template has a nested reference name");
    check("{{ define \"d\" }}{{ template \"d\" . }}{{ end }}{{ template \"d\" . }}", "exceeded");
    // Helm's words for each of the calls are too many to keep, so the line is lost among them.
    let error = template("{{ $t := \"{{ tpl .t . }}\" }}{{ tpl $t (dict \"t\" $t) }}").expect_err("it has no end");
    assert!(error.text.contains("exceeded"), "{}", error.text.len());
    assert_eq!((error.chart.as_str(), error.file.as_deref()), ("t", Some("t/templates/x.yaml")));
    memory_is_bounded();
}

#[test]
fn output_and_maps_without_an_end_are_stopped() {
    let mut options = options();
    options.limits.output_bytes = 1 << 20;
    let list = [CHART, ("templates/x.yaml", "a: 1\n# 2\n{{ range 100000 }}{{ $.Values.long }}{{ end }}\n")];
    let error = render_with(&list, json!({"long": "x".repeat(1000)}), &options).expect_err("it is too long");
    assert!(error.text.contains("exceeded the limit of 1048576 bytes of output"), "{error}");
    assert_eq!((error.file.as_deref(), error.line), (Some("t/templates/x.yaml"), Some(3)));
    // A map that holds itself can't be written down; Helm's toYaml is silent where it fails.
    for text in ["{{ $m }}", "{{ deepCopy $m }}", "{{ toYaml $m }}", "{{ toJson $m }}", "{{ merge (dict) $m }}"] {
        let done = template(&format!("{{{{ $m := dict }}}}{{{{ $_ := set $m \"m\" $m }}}}{text}"));
        assert!(
            done.as_ref().is_err_and(|error| error.line == Some(1)) || done.is_ok_and(|done| done.manifests.len() < 2)
        );
    }
}

#[test]
fn a_fault_in_the_notes_is_told_and_nothing_is_rendered() {
    let list = [
        CHART,
        ("templates/a.yaml", "a: 1\n"),
        ("templates/NOTES.txt", "Hello\n\n{{ .Values.a.b.c }}\n{{ fail \"x\" }}\n"),
    ];
    let error = render_with(&list, json!({}), &options()).expect_err("the notes fail");
    assert_eq!((error.file.as_deref(), error.line), (Some("t/templates/NOTES.txt"), Some(3)));
    assert!(error.text.contains("nil pointer evaluating interface {}.b"), "{error}");
    let list = [CHART, ("templates/NOTES.txt", "Hello\n{{ .Values.a\n")];
    let error = render_with(&list, json!({}), &options()).expect_err("the notes can't be parsed");
    assert_eq!((error.file.as_deref(), error.line), (Some("t/templates/NOTES.txt"), Some(3)), "{error}");
    assert!(error.text.ends_with("unclosed action started at t/templates/NOTES.txt:2"), "{error}");
}

#[test]
fn what_is_rendered_must_be_text_and_yaml() {
    let list = [CHART, ("templates/x.yaml", "a: {{ \"/w==\" | b64dec }}\n")];
    let error = render_with(&list, json!({}), &options()).expect_err("it is not UTF-8");
    assert!(error.text.starts_with("YAML parse error on t/templates/x.yaml: "), "{error}");
    assert_eq!(error.file.as_deref(), Some("t/templates/x.yaml"));
    let list = [CHART, ("templates/x.yaml", "kind: A\n---\nkind: B\nb: [\n")];
    let error = render_with(&list, json!({}), &options()).expect_err("it is no YAML");
    assert!(error.text.starts_with("YAML parse error on t/templates/x.yaml: "), "{error}");
}

#[test]
fn nothing_leaves_the_process() {
    for text in ["{{ getHostByName \"localhost\" }}", "{{ env \"HOME\" }}", "{{ expandenv \"$HOME\" }}"] {
        let done = template(text);
        let silent = done.as_ref().is_ok_and(|done| done.manifests.iter().all(|one| !one.text.contains('/')));
        assert!(done.is_err() || silent, "{text}: {done:?}");
    }
}
