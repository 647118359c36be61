//! Values to JSON, YAML, TOML, base64 and base32, and back.

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::json::{self, Numbers};
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;
use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::parse;
use masthead_yaml::style::Dialect;

use crate::args::ZERO_VALUE;
use crate::args::{any_list, at, text};
use crate::codec::json_write::{Style, write};
use crate::codec::{base32, base64, json_read, yaml_plain, yaml_write};
use crate::signature::fixed;
use crate::toml;

const S: Param = Param::Str;
const ANY: Param = Param::Any;
const COMPACT: Style = Style { html: true, pretty: false };
const PRETTY: Style = Style { html: true, pretty: true };
const RAW: Style = Style { html: false, pretty: false };

/// `toYaml`, `fromJson`, `b64enc` and their kind; where both have one, Helm's.
pub static FUNCTIONS: [Function; 19] = [
    fixed("toJson", &[ANY], |_, a| Ok(Value::str(write(at(a, 0), COMPACT).unwrap_or_default()))),
    fixed("mustToJson", &[ANY], |_, a| write(at(a, 0), COMPACT).map(Value::str)),
    fixed("toPrettyJson", &[ANY], |_, a| Ok(Value::str(write(at(a, 0), PRETTY).unwrap_or_default()))),
    fixed("mustToPrettyJson", &[ANY], |_, a| write(at(a, 0), PRETTY).map(Value::str)),
    fixed("toRawJson", &[ANY], |_, a| write(at(a, 0), RAW).map(Value::str)),
    fixed("mustToRawJson", &[ANY], |_, a| write(at(a, 0), RAW).map(Value::str)),
    fixed("fromJson", &[S], from_json),
    fixed("fromJsonArray", &[S], from_json_array),
    fixed("mustFromJson", &[S], |_, a| {
        let read = json_read::read(text(a, 0))?;
        read.fault.map_or(Ok(read.value), Err)
    }),
    // Helm swallows errors of this one.
    fixed("toYaml", &[ANY], |_, a| Ok(yaml(at(a, 0), Dialect::V2).unwrap_or_else(|_| Value::from("")))),
    // What this one can't write makes the library panic.
    fixed("toYamlPretty", &[ANY], |_, a| yaml(at(a, 0), Dialect::V3)),
    fixed("fromYaml", &[S], from_yaml),
    fixed("fromYamlArray", &[S], from_yaml_array),
    fixed("toToml", &[ANY], |_, a| match at(a, 0) {
        Value::Nil => Err(ZERO_VALUE.to_owned()),
        value => Ok(Value::str(toml::encode::encode(value).unwrap_or_else(String::into_bytes))),
    }),
    fixed("fromToml", &[S], |_, a| Ok(with_error(toml::parse::parse(text(a, 0))))),
    fixed("b64enc", &[S], |_, a| Ok(Value::from(base64::encode(text(a, 0))))),
    fixed("b64dec", &[S], |_, a| Ok(base64::decode(text(a, 0)).map_or_else(Value::from, Value::str))),
    fixed("b32enc", &[S], |_, a| Ok(Value::from(base32::encode(text(a, 0))))),
    fixed("b32dec", &[S], |_, a| Ok(base32::decode(text(a, 0)).map_or_else(Value::from, Value::str))),
];

/// Text without its last line break.
fn yaml(value: &Value, dialect: Dialect) -> Result<Value, String> {
    let text = yaml_write::write(value, dialect)?;
    Ok(Value::from(text.strip_suffix('\n').unwrap_or(&text)))
}

/// Helm's way to tell an error: the member `Error` beside what was read until then.
fn error_in(map: Map, error: &str) -> Value {
    // A map that was just made takes a member.
    let written = map.insert("Error".into(), Value::from(error));
    debug_assert!(written.is_ok());
    Value::Map(map)
}

fn with_error(result: Result<Map, String>) -> Value {
    match result {
        Ok(map) => Value::Map(map),
        Err(error) => error_in(Map::any(), &error),
    }
}

fn from_json(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(match json_read::read(text(a, 0)) {
        Err(error) => error_in(Map::any(), &error),
        Ok(read) => match (read.value, read.fault) {
            (Value::Map(map), None) => Value::Map(map),
            (Value::Map(map), Some(fault)) => error_in(map, &fault),
            (Value::Nil, None) => Value::Map(Map::nil(&MAP_ANY)),
            (other, _) => error_in(Map::any(), &json_read::type_fault(&other, MAP_ANY.name)),
        },
    })
}

fn from_json_array(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let fault = |error: String| any_list(vec![Value::from(error)]);
    Ok(match json_read::read(text(a, 0)) {
        Err(error) => fault(error),
        Ok(read) => match (read.value, read.fault) {
            (Value::List(_), Some(error)) => fault(error),
            (Value::List(list), None) => Value::List(list),
            (Value::Nil, None) => Value::List(List::nil(&masthead_gotmpl::kind::LIST_ANY)),
            (other, _) => fault(json_read::type_fault(&other, "[]interface {}")),
        },
    })
}

/// The first YAML document, as `sigs.k8s.io/yaml.Unmarshal` reads it, or its error.
fn read_yaml(source: &[u8]) -> Result<Value, String> {
    let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
    match parse::value_keeping_floats(source, &limits) {
        Ok(json) => Ok(json::from_json(&json, Numbers::Float)),
        Err(errors) => {
            Err(format!("error converting YAML to JSON: {}", masthead_yaml::go_words::text(source, &errors, &limits)))
        }
    }
}

fn from_yaml(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    if let Some(map) = yaml_plain::read(text(a, 0)) {
        return Ok(Value::Map(map));
    }
    Ok(match read_yaml(text(a, 0)) {
        Err(error) => error_in(Map::any(), &error),
        Ok(Value::Map(map)) => Value::Map(map),
        Ok(Value::Nil) => Value::Map(Map::any()),
        Ok(other) => error_in(Map::any(), &decoding(&other, MAP_ANY.name)),
    })
}

fn from_yaml_array(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    Ok(match read_yaml(text(a, 0)) {
        Err(error) => any_list(vec![Value::from(error)]),
        Ok(Value::List(list)) => Value::List(list),
        Ok(Value::Nil) => any_list(Vec::new()),
        Ok(other) => any_list(vec![Value::from(decoding(&other, "[]interface {}"))]),
    })
}

fn decoding(value: &Value, wanted: &str) -> String {
    format!("error unmarshaling JSON: while decoding JSON: {}", json_read::type_fault(value, wanted))
}
