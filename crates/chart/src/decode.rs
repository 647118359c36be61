//! YAML text to typed fields, with the conversions and the words of Go's sigs.k8s.io/yaml and encoding/json.

use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::{go_words, number, parse};
use serde_json::{Map, Value as Json};

use crate::table_fast;
use crate::tree::{Table, Tree, table_from_json};

/// The bounds on a chart's YAML: a key set twice keeps its last value, as in Helm.
pub fn limits() -> Limits {
    Limits { duplicates: Duplicates::LastWins, ..Limits::default() }
}

/// The JSON of a YAML text's first document; floats stay floats.
///
/// # Errors
/// What `yaml.Unmarshal` says.
pub fn yaml(text: &[u8]) -> Result<Json, String> {
    let limits = limits();
    parse::value_keeping_floats(text, &limits)
        .map_err(|errors| format!("error converting YAML to JSON: {}", go_words::text(text, &errors, &limits)))
}

/// A text that must be a mapping, as `yaml.Unmarshal` into a `map[string]interface {}` reads it; none for null.
///
/// # Errors
/// What `yaml.Unmarshal` says.
pub fn table(text: &[u8]) -> Result<Option<Table>, String> {
    if let Some(table) = std::str::from_utf8(text).ok().and_then(table_fast::read) {
        return Ok(Some(table));
    }
    match yaml(text)? {
        Json::Null => Ok(None),
        Json::Object(fields) => Ok(Some(table_from_json(fields))),
        other => Err(unmarshaling(&format!(
            "cannot unmarshal {} into Go value of type map[string]interface {{}}",
            kind(&other)
        ))),
    }
}

fn unmarshaling(words: &str) -> String {
    format!("error unmarshaling JSON: while decoding JSON: json: {words}")
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Decodes into fields; what does not fit is skipped, and the first such fault is kept, as encoding/json does.
pub struct Decoder {
    /// The root's type in Go: `chart.Metadata`.
    root: &'static str,
    /// The innermost struct's name: `Metadata`.
    within: Vec<&'static str>,
    path: Vec<&'static str>,
    fault: Option<String>,
}

impl Decoder {
    /// A decoder for a struct, by Go's name of its type.
    pub fn new(root: &'static str) -> Decoder {
        Decoder { root, within: Vec::new(), path: Vec::new(), fault: None }
    }

    /// The first fault, if there was one.
    ///
    /// # Errors
    /// Go's words.
    pub fn finish(self) -> Result<(), String> {
        self.fault.map_or(Ok(()), |words| Err(unmarshaling(&words)))
    }

    fn unlike(&mut self, json: &Json, typ: &str) {
        if self.fault.is_some() {
            return;
        }
        let target = match self.within.last() {
            Some(within) => format!("Go struct field {within}.{} of type {typ}", self.path.join(".")),
            None => format!("Go value of type {typ}"),
        };
        self.fault = Some(format!("cannot unmarshal {} into {target}", kind(json)));
    }

    /// The root struct's fields: `each` gets the canonical name of every key that `names` knows, whatever its case.
    pub fn root(
        &mut self,
        json: Json,
        name: &'static str,
        names: &[&'static str],
        each: impl FnMut(&mut Self, &'static str, Json),
    ) {
        let typ = self.root;
        self.fields(json, name, typ, names, each);
    }

    /// The fields of a struct that stands where the decoder is; whether it was there and not null.
    pub fn fields(
        &mut self,
        json: Json,
        name: &'static str,
        typ: &str,
        names: &[&'static str],
        mut each: impl FnMut(&mut Self, &'static str, Json),
    ) -> bool {
        let fields = match json {
            Json::Null => return false,
            Json::Object(fields) => fields,
            other => {
                self.unlike(&other, typ);
                return true;
            }
        };
        self.within.push(name);
        for (key, value) in fields {
            let known = names
                .iter()
                .find(|name| **name == key)
                .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(&key)));
            if let Some(known) = known {
                self.path.push(known);
                each(self, known, value);
                self.path.pop();
            }
        }
        self.within.pop();
        true
    }

    /// A string; a number or a boolean becomes its text.
    pub fn string(&mut self, json: Json, into: &mut String) {
        match json {
            Json::Null => {}
            Json::String(text) => *into = text,
            other => match scalar_text(&other) {
                Some(text) => *into = text,
                None => self.unlike(&other, "string"),
            },
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, json: Json, into: &mut bool) {
        match json {
            Json::Null => {}
            Json::Bool(flag) => *into = flag,
            other => self.unlike(&other, "bool"),
        }
    }

    /// `[]string`; none for a nil slice.
    pub fn strings(&mut self, json: Json, into: &mut Option<Vec<String>>) {
        if let Some(items) = self.array(json, "[]string", into) {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                let mut text = String::new();
                self.string(item, &mut text);
                texts.push(text);
            }
            *into = Some(texts);
        }
    }

    /// The items of a slice of a type; null empties `into`.
    pub fn array<T>(&mut self, json: Json, typ: &str, into: &mut Option<Vec<T>>) -> Option<Vec<Json>> {
        match json {
            Json::Null => {
                *into = None;
                None
            }
            Json::Array(items) => Some(items),
            other => {
                self.unlike(&other, typ);
                None
            }
        }
    }

    /// `map[string]string`; none for a nil map.
    pub fn string_map(&mut self, json: Json, into: &mut Option<Vec<(String, String)>>) {
        match json {
            Json::Null => *into = None,
            Json::Object(fields) => *into = Some(self.string_entries(fields)),
            other => self.unlike(&other, "map[string]string"),
        }
    }

    fn string_entries(&mut self, fields: Map<String, Json>) -> Vec<(String, String)> {
        let mut entries = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            let mut text = String::new();
            self.string(value, &mut text);
            entries.push((key, text));
        }
        entries
    }

    /// `[]interface {}`; none for a nil slice.
    pub fn values(&mut self, json: Json, into: &mut Option<Vec<Tree>>) {
        if let Some(items) = self.array(json, "[]interface {}", into) {
            *into = Some(items.into_iter().map(Tree::from_json).collect());
        }
    }
}

/// The text that a number or a boolean has where a string is wanted.
fn scalar_text(json: &Json) -> Option<String> {
    match json {
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) if number.is_f64() => number.as_f64().map(number::format_key),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
