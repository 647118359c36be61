//! Limits: recursion, loops, output, what functions make, and the caller's probe. Each error names the limit and the place.
use crate::support;
use masthead_gotmpl::exec::execution::{Execution, Failure, Options};
use masthead_gotmpl::exec::limits::Limits;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::value::Value;

fn run(source: &str, limits: Limits) -> Result<Vec<u8>, Failure> {
    let mut set = Set::new(&support::Functions);
    set.parse("t", source.as_bytes()).expect("it can be parsed");
    let mut host = ();
    let options = Options { limits, set_name: "gotpl", ..Options::default() };
    Execution::new(&set, options, &mut host).execute(b"t", Value::int(1))
}

fn check(source: &str, limits: Limits, expect: &str) {
    let failure = run(source, limits).expect_err("a limit is reached");
    assert_eq!(failure.text, expect);
}

#[test]
fn templates_within_templates_end_where_go_ends_them() {
    let source = "{{define `x`}}{{template `x` .}}{{end}}{{template `x`}}";
    let expect =
        "template: t:1:25: executing \"x\" at <{{template \"x\" .}}>: exceeded maximum template depth (100000)";
    check(source, Limits::default(), expect);
}

#[test]
fn includes_within_includes_end() {
    let source = "{{define `x`}}{{include `x` .}}{{end}}{{include `x` .}}";
    let failure = run(source, Limits { depth: 1000, ..Limits::default() }).unwrap_err();
    assert!(failure.text.ends_with("error calling include: exceeded maximum template depth (1000)"));
    assert_eq!(failure.text.matches("error calling include").count(), 1001);
}

#[test]
fn functions_that_execute_templates_end() {
    let source = "{{define `x`}}{{tpl `{{template \"x\" .}}` .}}{{end}}{{include `x` .}}";
    let failure = run(source, Limits::default()).unwrap_err();
    let end = ": exceeded the limit of 10000 templates executed by functions within each other";
    assert!(failure.text.ends_with(end) && failure.exhausted);
    assert!(failure.text.len() < 1 << 20);
}

#[test]
fn loops_end() {
    let limits = Limits { steps: 10_000, ..Limits::default() };
    let failure = run("{{range $i := 1000000000}}{{end}}", limits).unwrap_err();
    assert!(failure.exhausted, "{failure}");
    assert!(failure.text.ends_with("exceeded the limit of 10000 steps"), "{failure}");
}

#[test]
fn outputs_and_texts_end() {
    let limits = Limits { output_bytes: 1000, ..Limits::default() };
    let failure = run("{{range 100000}}0123456789{{end}}", limits).unwrap_err();
    assert!(failure.text.ends_with("exceeded the limit of 1000 bytes of output"), "{failure}");
    let failure = run("{{$x := `ab`}}{{range 100}}{{$x = print $x $x}}{{end}}", limits).unwrap_err();
    assert!(failure.text.ends_with("error calling print: exceeded the limit of 1000 bytes for one text"), "{failure}");
    let limits = Limits { made_bytes: 1000, ..Limits::default() };
    let failure = run("{{range 1000}}{{$x := print `0123456789`}}{{end}}", limits).unwrap_err();
    assert!(failure.text.ends_with("exceeded the limit of 1000 bytes for all texts"), "{failure}");
    assert!(failure.exhausted);
}

#[test]
fn the_probe_is_asked() {
    let mut set = Set::new(&support::Functions);
    set.parse("t", b"{{range 100000}}{{end}}").unwrap();
    let mut host = ();
    let mut asked = 0;
    let probe = Box::new(|| {
        asked += 1;
        if asked == 3 { Err("the time is over".to_owned()) } else { Ok(()) }
    });
    let mut execution = Execution::new(&set, Options::default(), &mut host).with_probe(probe);
    let failure = execution.execute(b"t", Value::Nil).unwrap_err();
    assert!(failure.text.ends_with(": the time is over") && failure.exhausted, "{failure}");
    drop(execution);
    assert_eq!(asked, 3);
}

#[test]
fn deep_blocks_and_values() {
    let deep = format!("{}x{}", "{{if 1}}".repeat(9_000), "{{end}}".repeat(9_000));
    assert_eq!(run(&deep, Limits::default()).unwrap(), b"x");
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(9_000), ")".repeat(9_000));
    assert_eq!(run(&parens, Limits::default()).unwrap(), b"1");
    let failure = run("{{$x := list}}{{range 100000}}{{$x = list $x}}{{end}}{{$x}}", Limits::default()).unwrap_err();
    assert!(failure.text.ends_with("a value nests deeper than 1000: not supported"), "{failure}");
}
