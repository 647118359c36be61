//! Cases in JSON to results in JSON: values with Go's types, functions with parameters of every type.
use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::exec::limits::MissingKey;
use masthead_gotmpl::function::{Call, Function, FunctionMap, Param};
use masthead_gotmpl::kind::{IntKind, LIST_ANY, LIST_STR, MAP_ANY, MAP_STR, UintKind};
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::value::Value;
use serde_json::{Value as Json, json};

type Result = std::result::Result<Value, String>;

/// A few functions with parameters of every type.
pub struct Functions;

impl FunctionMap for Functions {
    fn find(&self, name: &[u8]) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name.as_bytes() == name)
    }
}

const fn function(
    name: &'static str,
    params: &'static [Param],
    variadic: Option<Param>,
    call: fn(&mut Call<'_>, &[Value]) -> Result,
) -> Function {
    Function { name, params, variadic, call }
}

static FUNCTIONS: &[Function] = &[
    function("needstr", &[Param::Str], None, |_, args| Ok(args[0].clone())),
    function("needint", &[Param::Int(IntKind::Int)], None, |_, args| Ok(args[0].clone())),
    function("needi8", &[Param::Int(IntKind::Int8)], None, |_, args| Ok(args[0].clone())),
    function("needu", &[Param::Uint(UintKind::Uint64)], None, |_, args| Ok(args[0].clone())),
    function("needfloat", &[Param::Float], None, |_, args| Ok(args[0].clone())),
    function("needbool", &[Param::Bool], None, |_, args| Ok(args[0].clone())),
    function("needmap", &[Param::Map], None, |_, args| Ok(args[0].clone())),
    function("needlist", &[Param::List], None, |_, args| Ok(args[0].clone())),
    function("two", &[Param::Str, Param::Any], None, |_, args| Ok(args[1].clone())),
    function("strs", &[], Some(Param::Str), |_, args| Ok(Value::List(List::new(&LIST_STR, args.to_vec())))),
    function("list", &[], Some(Param::Any), |_, args| Ok(Value::List(List::any(args.to_vec())))),
    function("none", &[], None, |_, _| Ok(Value::Nil)),
    function("fail", &[Param::Str], None, |_, args| Err(text(&args[0]))),
    function("dict", &[], Some(Param::Any), |_, args| {
        let pairs = args.chunks(2).map(|pair| match pair {
            [Value::Str(key), value] => Ok((key.clone(), value.clone())),
            _ => Err("dict wants pairs".to_owned()),
        });
        Ok(Value::Map(Map::from_pairs(&MAP_ANY, pairs.collect::<std::result::Result<_, _>>()?)))
    }),
    function("set", &[Param::Map, Param::Str, Param::Any], None, |_, args| match args {
        [Value::Map(map), Value::Str(key), value] => {
            map.insert(key.clone(), value.clone())?;
            Ok(args[0].clone())
        }
        _ => Err("set wants a map".to_owned()),
    }),
    function("include", &[Param::Str, Param::Any], None, |call, args| {
        let name = args[0].as_bytes().unwrap_or_default();
        Ok(Value::Str(call.execute(name, args[1].clone())?))
    }),
    function("tpl", &[Param::Str, Param::Any], None, |call, args| {
        let Value::Str(source) = &args[0] else { return Err("tpl wants a string".to_owned()) };
        let parsed = call.parse("gotpl", source)?;
        Ok(Value::Str(call.execute_parsed(parsed, args[1].clone())?))
    }),
];

fn text(value: &Value) -> String {
    value.as_string().map(ToString::to_string).unwrap_or_default()
}

/// A value of Go's type as the tags in the JSON say.
pub fn typed(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(0.0)),
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::List(List::any(items.iter().map(typed).collect())),
        Json::Object(fields) => {
            if let Some((tag, inner)) = fields.iter().next().filter(|(tag, _)| tag.starts_with('$')) {
                return tagged(tag, inner);
            }
            let pairs = fields.iter().map(|(key, value)| (key.into(), typed(value))).collect();
            Value::Map(Map::from_pairs(&MAP_ANY, pairs))
        }
    }
}

fn tagged(tag: &str, inner: &Json) -> Value {
    let int = inner.as_i64().unwrap_or(0);
    let text = inner.as_str().unwrap_or("");
    match tag {
        "$int" => Value::int(int),
        "$int64" => Value::Int(IntKind::Int64, int),
        "$int8" => Value::Int(IntKind::Int8, int),
        "$uint8" => Value::Uint(UintKind::Uint8, int as u64),
        "$uint" => Value::Uint(UintKind::Uint, int as u64),
        "$num" => Value::Number(text.into()),
        "$inf" => Value::Float(f64::INFINITY),
        "$nan" => Value::Float(f64::NAN),
        "$bytes" => Value::Bytes(text.into()),
        "$raw" => {
            let digits: Vec<u8> = text.bytes().map(|byte| (byte as char).to_digit(16).unwrap_or(0) as u8).collect();
            Value::Str(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into())
        }
        "$strs" => Value::List(List::strs(inner.as_array().into_iter().flatten().filter_map(Json::as_str))),
        "$nillist" => Value::List(List::nil(&LIST_ANY)),
        "$nilmap" => Value::Map(Map::nil(&MAP_ANY)),
        _ => {
            let pairs = inner.as_object().into_iter().flatten();
            Value::Map(Map::from_pairs(&MAP_STR, pairs.map(|(key, value)| (key.into(), typed(value))).collect()))
        }
    }
}

/// Runs one case; see the example `gotmpl_run` for what it is made of.
pub fn run(case: &Json) -> Json {
    let mut set = Set::new(&Functions);
    for template in case["templates"].as_array().into_iter().flatten() {
        let (name, source) = (template[0].as_str().unwrap_or(""), template[1].as_str().unwrap_or(""));
        if let Err(error) = set.parse(name, source.as_bytes()) {
            return json!({"error": error.to_string()});
        }
    }
    let missing_key = match case["missing"].as_str() {
        Some("zero") => MissingKey::Zero,
        Some("error") => MissingKey::Error,
        _ => MissingKey::Invalid,
    };
    let options = Options { missing_key, set_name: "gotpl", ..Options::default() };
    let mut host = ();
    let mut execution = Execution::new(&set, options, &mut host);
    match execution.execute(case["execute"].as_str().unwrap_or("").as_bytes(), typed(&case["data"])) {
        Ok(out) => json!({"out": out.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
        Err(failure) => json!({"error": failure.to_string()}),
    }
}
