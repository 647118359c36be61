//! A JSON value to YAML text, byte for byte as sigs.k8s.io/yaml or Helm's `toYamlPretty` writes it.

use serde_json::Value;

use crate::order;
use crate::style::Dialect;
use crate::writer::Writer;

/// Text as `sigs.k8s.io/yaml.Marshal` writes it: keys sorted, lists at their key's column, lines folded after 80.
///
/// Strings that Go's way through JSON text refuses or damages (U+007F, U+0080 to U+009F, keys over 1,024 characters) are
/// written as the emitter alone would. A key `<<` is written plain, as in Go, and reads back as a merge.
pub fn to_string(value: &Value) -> String {
    emit(value, Dialect::V2)
}

/// Text as Helm's `toYamlPretty` writes it: lists indented below their key, no folding, a whole float as a float (`1e+06`).
///
/// As in Go, several lines of which the first starts with a tab come out in a form that does not read back.
pub fn pretty(value: &Value) -> String {
    emit(value, Dialect::V3)
}

fn emit(value: &Value, dialect: Dialect) -> String {
    let mut writer = Writer::new(dialect);
    write(value, &mut writer);
    writer.finish()
}

/// What is left of a collection.
enum Rest<'v> {
    Mapping(std::vec::IntoIter<(&'v str, &'v Value)>),
    Sequence(std::slice::Iter<'v, Value>),
}

/// Writes a value where the writer stands, without recursion.
pub fn write(value: &Value, writer: &mut Writer) {
    let mut open = Vec::new();
    let mut next = Some(value);
    loop {
        if let Some(value) = next.take() {
            open.extend(node(value, writer));
        }
        next = match open.last_mut() {
            None => return,
            Some(Rest::Sequence(items)) => items.next(),
            Some(Rest::Mapping(entries)) => entries.next().map(|(key, value)| {
                writer.key(key);
                value
            }),
        };
        if next.is_none() {
            open.pop();
            writer.end();
        }
    }
}

/// Writes a scalar, or begins a collection and gives what is in it.
fn node<'v>(value: &'v Value, writer: &mut Writer) -> Option<Rest<'v>> {
    match value {
        Value::Null => writer.null(),
        Value::Bool(flag) => writer.boolean(*flag),
        Value::Number(number) => writer.number(number),
        Value::String(text) => writer.text(text),
        Value::Array(items) if items.is_empty() => writer.empty_list(),
        Value::Object(map) if map.is_empty() => writer.empty_map(),
        Value::Array(items) => {
            writer.begin_list();
            return Some(Rest::Sequence(items.iter()));
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
            order::sort(&mut entries, writer.order());
            writer.begin_map();
            return Some(Rest::Mapping(entries.into_iter()));
        }
    }
    None
}
