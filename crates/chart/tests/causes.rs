//! Small charts and flags to what `helm template` v3.21.4 writes: one for each cause of a difference that was found.

use masthead_chart::command::{Surroundings, template};
use masthead_sprig::time::moment::Moment;

use crate::here::Here;

const V2: &str = "apiVersion: v2\nversion: 1.0.0\nname: ";

/// Renders a chart of these files with release name `r`; what begins with `@` is Chart.yaml's text behind the name.
fn run(files: &[(&str, &str)], flags: &[&str]) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder is made");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder is made");
        let head = if name.ends_with("Chart.yaml") { V2 } else { "" };
        std::fs::write(path, format!("{head}{text}")).expect("a file is written");
    }
    let surroundings = Surroundings {
        name: "helm template".to_owned(),
        namespace: "default".to_owned(),
        entropy: [7; 32],
        now: Moment::from_unix(1_790_000_000, 0),
        limits: Default::default(),
        begin: || {},
    };
    let args: Vec<String> = ["r", "."].iter().chain(flags).map(|&arg| arg.to_owned()).collect();
    let outcome = template(&args, &mut Here::new(folder.path()), &surroundings);
    if outcome.failed { Err(outcome.stderr) } else { Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()) }
}

fn check(files: &[(&str, &str)], flags: &[&str], expect: Result<&str, &str>) {
    let found = run(files, flags);
    assert_eq!(found.as_ref().map(String::as_str).map_err(String::as_str), expect, "{files:?} {flags:?}");
}

/// The copies of a chart under two names share what is below it, and that keeps its place under the chart's own name.
#[test]
fn what_is_below_a_chart_of_two_names_keeps_its_path() {
    check(
        &[
            (
                "Chart.yaml",
                "t\ndependencies: [{name: c, alias: a, version: 1.0.0}, {name: c, alias: b, version: 1.0.0}]\n",
            ),
            ("values.yaml", "a: {g: {v: 1}}\nb: {g: {v: 2}}\n"),
            ("charts/c/Chart.yaml", "c\n"),
            ("charts/c/charts/g/Chart.yaml", "g\n"),
            ("charts/c/charts/g/templates/x.yaml", "v: {{ .Values.v }}\n"),
        ],
        &[],
        Ok("---\n# Source: t/charts/c/charts/g/templates/x.yaml\nv: 2\n"),
    );
}

/// Helm leaves imports behind in a form that it does not read again, in a place that copies of a chart share.
#[test]
fn of_a_chart_of_two_names_the_first_imports() {
    let files = [
        ("Chart.yaml", "t\ndependencies: [{name: c, alias: a, version: 1.0.0}, {name: c, alias: b, version: 1.0.0}]\n"),
        (
            "charts/c/Chart.yaml",
            "c\ndependencies: [{name: g, version: 1.0.0, import-values: [{child: x, parent: p}]}]\n",
        ),
        ("charts/c/templates/x.yaml", "p: {{ toJson .Values.p }}\nleft: {{ toJson .Chart.Dependencies }}\n"),
        ("charts/c/charts/g/Chart.yaml", "g\n"),
        ("charts/c/charts/g/values.yaml", "x: {k: 1}\n"),
    ];
    let left = "left: [{\"name\":\"g\",\"version\":\"1.0.0\",\"repository\":\"\",\"enabled\":true}]\n";
    check(
        &files,
        &[],
        Ok(&format!(
            "---\n# Source: t/charts/a/templates/x.yaml\np: {{\"k\":1}}\n{left}\
             ---\n# Source: t/charts/b/templates/x.yaml\np: null\n{left}"
        )),
    );
}

/// A key too many in a `dict` prints a whole dot, with the pointers in it.
#[test]
fn a_dot_as_a_key_is_no_error() {
    check(
        &[
            ("Chart.yaml", "t\nmaintainers: [{name: m}]\n"),
            ("templates/x.yaml", "n: {{ len (dict \"a\" 1 . \"b\" \"c\" 2) }}\n"),
        ],
        &[],
        Ok("---\n# Source: t/templates/x.yaml\nn: 3\n"),
    );
}

/// A struct whose pointer has a `String` method is printed with it where it stands; a copy, which functions get, is not.
#[test]
fn versions_files_and_values_are_go_s() {
    let template = r#"{{ $v := .Capabilities.KubeVersion }}x: |
  {{ $v }} {{ with $v }}{{ . }}{{ end }} {{ or $v 1 }} {{ template "t" $v }} {{ $v.String }}
  {{ print $v }} {{ $v | toString }} {{ default 1 $v }} {{ include "t" $v }} {{ range list $v }}{{ . }}{{ end }} {{ $v | toJson }}
  {{ .Files.No }} {{ typeOf .Files.No }} {{ len .Files.No }} {{ .Files.No | default "d" }} {{ index .Files "no" }}
  {{ .Values.PathValue "a.b" }} {{ (.Values.Table "a").b }} {{ typeOf (.Values.Table "a") }} {{ typeOf .Values.AsMap }} {{ .Values.YAML | trim | quote }}
{{ define "t" }}{{ . }}{{ end }}
"#;
    let chart = |template| [("Chart.yaml", "t\n"), ("values.yaml", "a: {b: 1}\n"), ("templates/x.yaml", template)];
    let expect = r#"---
# Source: t/templates/x.yaml
x: |
  v1.36.0 v1.36.0 v1.36.0 v1.36.0 v1.36.0
  {v1.36.0 1 36} {v1.36.0 1 36} {v1.36.0 1 36} {v1.36.0 1 36} {v1.36.0 1 36} {"Version":"v1.36.0","Major":"1","Minor":"36"}
  [] []uint8 0 d []
  1 1 chartutil.Values map[string]interface {} "a:\n  b: 1"
"#;
    check(&chart(template), &[], Ok(expect));
    for (template, words) in [
        (
            "{{ (default 1 .Capabilities.KubeVersion).String }}",
            "27: executing \"t/templates/x.yaml\" at <.Capabilities.KubeVersion>: can't evaluate field String in type chartutil.KubeVersion",
        ),
        (
            "{{ .Files.No.x }}",
            "9: executing \"t/templates/x.yaml\" at <.Files.No.x>: can't evaluate field x in type []uint8",
        ),
        (
            "{{ .Values.PathValue \"a.c\" }}",
            "10: executing \"t/templates/x.yaml\" at <.Values.PathValue>: error calling PathValue: \"c\" is not a value",
        ),
        (
            "{{ .Values.Table \"x.y\" }}",
            "10: executing \"t/templates/x.yaml\" at <.Values.Table>: error calling Table: \"x\" is not a table",
        ),
        (
            "{{ .Values.Table }}",
            "10: executing \"t/templates/x.yaml\" at <.Values.Table>: wrong number of args for Table: want 1 got 0",
        ),
    ] {
        let found = run(&chart(template), &[]).expect_err("it fails");
        assert!(found.contains(&format!("template: t/templates/x.yaml:1:{words}\n")), "{template}: {found}");
    }
}
