//! Each line of an output knows template, line and the key of the values that fed it.
use crate::support;
use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::function::{Call, Function, FunctionMap, Param};
use masthead_gotmpl::json::{Numbers, from_json};
use masthead_gotmpl::set::Set;
use masthead_gotmpl::value::Value;
use serde_json::json;

/// The functions of the support module, and an indentation as Helm's charts use it.
struct Functions;

static INDENT: Function = Function { name: "nindent", params: &[Param::Str], variadic: None, call: nindent };

fn nindent(_: &mut Call<'_>, args: &[Value]) -> Result<Value, String> {
    let text = args[0].as_string().map(ToString::to_string).unwrap_or_default();
    Ok(Value::from(format!("\n  {}", text.replace('\n', "\n  "))))
}

impl FunctionMap for Functions {
    fn find(&self, name: &[u8]) -> Option<&'static Function> {
        if name == b"nindent" { Some(&INDENT) } else { support::Functions.find(name) }
    }
}

#[test]
fn lines() {
    let mut set = Set::new(&Functions);
    let helpers = "{{define \"labels\"}}\napp: {{.Values.name}}\ntier: web\n{{- end}}";
    let main = concat!(
        "kind: A\n{{- if .Values.on}}\nreplicas: {{.Values.count}}\n{{- end}}\n",
        "labels:\n{{- include \"labels\" . | nindent}}\nlast: {{.Values.name}}-{{.x}}\n",
    );
    set.parse("helpers.tpl", helpers.as_bytes()).unwrap();
    set.parse("main.yaml", main.as_bytes()).unwrap();
    let data = from_json(&json!({"Values": {"name": "n", "on": true, "count": 2}, "x": 1}), Numbers::Float);
    let values = data.as_map().and_then(|map| map.get(b"Values")).unwrap();
    values.as_map().unwrap().set_path_id(7);
    let mut host = ();
    let options = Options { trace: true, ..Options::default() };
    let mut execution = Execution::new(&set, options, &mut host);
    let out = execution.execute(b"main.yaml", data).unwrap();
    let text = String::from_utf8(out.clone()).unwrap();
    let trace = execution.trace().unwrap();
    let origins = trace.lines(&out);
    let singles: Vec<_> = (0..).map_while(|number| trace.line(&out, number)).collect();
    assert_eq!(singles, origins, "one by one they are the same");
    let found: Vec<String> = text
        .lines()
        .zip(&origins)
        .map(|(line, from)| format!("{line} <- {}:{} {}{}", from.template, from.line, from.path, from.key))
        .collect();
    let expect = [
        "kind: A <- main.yaml:1 0",
        "replicas: 2 <- main.yaml:3 7count",
        "labels: <- main.yaml:5 0",
        "   <- main.yaml:6 0",
        "  app: n <- helpers.tpl:2 7name",
        "  tier: web <- helpers.tpl:3 0",
        "last: n-1 <- main.yaml:7 7name",
    ];
    assert_eq!(found, expect);
}
