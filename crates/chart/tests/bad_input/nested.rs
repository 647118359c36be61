//! Charts in charts: without an end, with more bytes than one archive may have, under more names than can be rendered.

use std::fmt::Write;

use masthead_chart::chart::File;
use masthead_chart::load;

use crate::support::{CHART, archive_of, fault, files, memory_is_bounded, options, render_with};

#[test]
fn charts_have_proper_names() {
    for (name, expect) in [
        ("..", "validation: chart.metadata.name \"..\" is not allowed"),
        (".", "validation: chart.metadata.name \".\" is not allowed"),
        ("a/b", "validation: chart.metadata.name \"a/b\" is invalid"),
        ("../../x", "validation: chart.metadata.name \"../../x\" is invalid"),
        ("", "validation: chart.metadata.name is required"),
    ] {
        let text = format!("apiVersion: v2\nname: {name:?}\nversion: 1.0.0\n");
        assert_eq!(fault(&[("Chart.yaml", &text)]), expect);
        let inner = fault(&[CHART, ("charts/c/Chart.yaml", &text)]);
        assert_eq!(inner, format!("error unpacking subchart c in t: {expect}"));
    }
}

#[test]
fn charts_within_charts_end() {
    let mut list = vec![CHART];
    let paths: Vec<String> = (1..=40).map(|at| "charts/c/".repeat(at) + "Chart.yaml").collect();
    list.extend(paths.iter().map(|path| (path.as_str(), CHART.1)));
    let said = fault(&list);
    assert!(said.ends_with("charts are nested deeper than 32 levels"), "{said}");
    assert!(said.starts_with("error unpacking subchart c in t: error unpacking subchart c in t: "), "{said}");
}

/// Archives in an archive, each within its bounds, together far beyond them.
#[test]
fn archives_in_archives_share_a_bound() {
    let zeros = vec![0; 4 << 20];
    let names: Vec<String> = (0..15).map(|at| format!("c/{at}")).collect();
    let mut inner: Vec<(&str, &[u8])> = vec![("c/Chart.yaml", b"apiVersion: v2\nname: c\nversion: 1.0.0\n")];
    let noise: Vec<u8> = (0..1_u32 << 16).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let file = [noise.as_slice(), &zeros].concat();
    inner.extend(names.iter().map(|name| (name.as_str(), file.as_slice())));
    let archive = archive_of(&inner);
    let mut all = files(&[CHART]);
    all.extend((0..8).map(|at| File::new(format!("charts/c-{at}.tgz"), archive.as_slice())));
    let said = load::files(all, &mut Vec::new()).expect_err("the archives hold too much");
    assert_eq!(
        said,
        "error unpacking subchart c-4.tgz in t: the archives in charts/ unpack to more than 268435456 bytes"
    );
    memory_is_bounded();
}

/// Each level asks for the one below it under twenty names. Helm's way of it does not multiply them, and ours ends too.
#[test]
fn aliases_of_aliases_end() {
    let dependencies = |level: usize| {
        let mut text = format!("apiVersion: v2\nname: c{level}\nversion: 1.0.0\ndependencies:\n");
        for alias in 0..20 {
            let below = level + 1;
            let _ = writeln!(text, "- {{name: c{below}, version: 1.0.0, repository: '', alias: a{alias}}}");
        }
        text
    };
    let mut list: Vec<(String, String)> = vec![("Chart.yaml".to_owned(), dependencies(0))];
    let mut folder = String::new();
    for level in 1..=10 {
        let _ = write!(folder, "charts/c{level}/");
        list.push((format!("{folder}Chart.yaml"), dependencies(level)));
    }
    let list: Vec<(&str, &str)> = list.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    render_with(&list, serde_json::Value::Null, &options()).expect("there is nothing to render");
    memory_is_bounded();
}

#[test]
fn charts_of_a_render_are_counted() {
    let mut text = format!("{}dependencies:\n", CHART.1);
    for alias in 0..10_001 {
        let _ = writeln!(text, "- {{name: c, version: 1.0.0, repository: '', alias: a{alias}}}");
    }
    let list = [("Chart.yaml", text.as_str()), ("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")];
    let error = render_with(&list, serde_json::Value::Null, &options()).expect_err("there are too many charts");
    assert_eq!(error.text, "more than 10000 charts take part, with the dependencies of t");
    assert_eq!(error.chart, "t");
}

#[test]
fn a_chart_that_asks_for_itself_is_no_circle() {
    let text = "apiVersion: v2\nname: t\nversion: 1.0.0\ndependencies:\n- {name: t, version: 1.0.0, repository: ''}\n";
    let rendered =
        render_with(&[("Chart.yaml", text), ("templates/a.yaml", "a: 1\n")], serde_json::Value::Null, &options());
    assert_eq!(rendered.expect("it has no chart within").manifests.len(), 1);
}

#[test]
fn yaml_bombs_are_refused_where_they_are() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..12 {
        let items = vec![format!("*a{}", at - 1); 9].join(", ");
        let _ = writeln!(bomb, "a{at}: &a{at} [{items}]");
    }
    for name in ["values.yaml", "Chart.lock", "requirements.yaml"] {
        let said = fault(&[CHART, (name, &bomb)]);
        assert!(said.starts_with(&format!("cannot load {name}: ")), "{said}");
    }
    let said = fault(&[("Chart.yaml", &bomb)]);
    assert!(said.starts_with("cannot load Chart.yaml: "), "{said}");
    let deep = format!("a: {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let said = fault(&[CHART, ("values.yaml", &deep)]);
    assert!(said.starts_with("cannot load values.yaml: "), "{said}");
    let lines: String = (0..5_000).fold(String::new(), |text, at| text + &" ".repeat(at) + "a:\n");
    let said = fault(&[CHART, ("values.yaml", &lines)]);
    assert!(said.starts_with("cannot load values.yaml: "), "{said}");
    memory_is_bounded();
}

#[test]
fn text_that_is_not_utf_8_is_told() {
    for (name, expect) in [("values.yaml", "cannot load values.yaml: "), ("Chart.lock", "cannot load Chart.lock: ")] {
        let mut all = files(&[CHART]);
        all.push(File::new(name, b"a: \xff\xfe\n".as_slice()));
        let said = load::files(all, &mut Vec::new()).expect_err("it is not UTF-8");
        assert!(said.starts_with(expect) && said.contains("UTF-8"), "{said}");
    }
}
