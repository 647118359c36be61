//! A JSON value held against a schema: unknown fields and wrong types, each with its path and Kubernetes' words.

use serde_json::Value;

use crate::bytes;
use crate::decode::time;
use crate::kind::find::nearest;
use crate::problem::{FieldProblem, ProblemKind};
use crate::quantity::Quantity;
use crate::schema::field::{Field, Schema, Shape};

/// All problems of an object of this schema, in the order of its keys; the one that Go would end at comes first.
pub fn check_shape(schema: &'static Schema, value: &mut Value) -> Vec<FieldProblem> {
    let mut walk = Walk { holder: schema.name, ..Walk::default() };
    walk.structure(schema, value, None);
    if let Some(at) = walk.end {
        walk.problems[..=at].rotate_right(1);
    }
    walk.problems
}

/// The first wrong type of a value alone, in Go's words.
pub fn check_value(shape: &'static Shape, value: &mut Value) -> Option<String> {
    let mut walk = Walk::default();
    walk.value(shape, value, None);
    walk.problems.into_iter().find(|problem| problem.kind == ProblemKind::Type).map(|problem| problem.message)
}

#[derive(Default)]
struct Walk {
    /// Where we are, with indexes: `spec.containers[0].image`.
    path: String,
    /// Where we are in Go's words, names only: `spec.containers.image`.
    names: String,
    /// The struct whose field we are in.
    holder: &'static str,
    problems: Vec<FieldProblem>,
    /// The first problem of a type that reads its JSON itself: there Go reads on no further.
    end: Option<usize>,
}

/// Go's name of a struct; of two that have one name there, one has another here.
fn go_name(schema: &'static Schema) -> &'static str {
    match schema.name {
        "DiscoveryPort" => "EndpointPort",
        name => name,
    }
}

/// Go's name of the struct that is embedded in this one.
fn embedded(schema: &Schema) -> &'static str {
    match schema.name {
        "EphemeralContainer" => "EphemeralContainerCommon",
        "IngressRule" => "IngressRuleValue",
        "Probe" => "ProbeHandler",
        "Volume" => "VolumeSource",
        _ => "LocalObjectReference",
    }
}

/// Go's word for the type of a JSON value.
pub fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Go's name of a type; `named` is the name of the field's type where it has one of its own.
fn go_type(shape: &Shape, named: Option<&str>) -> String {
    if let Some(named) = named {
        return named.to_owned();
    }
    match shape {
        Shape::String => "string".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::I32 | Shape::IntOrString => "int32".to_owned(),
        Shape::I64 => "int64".to_owned(),
        Shape::F64 => "float64".to_owned(),
        Shape::Bytes => "[]uint8".to_owned(),
        Shape::Quantity => "resource.Quantity".to_owned(),
        Shape::Time => "v1.Time".to_owned(),
        Shape::MicroTime => "v1.MicroTime".to_owned(),
        Shape::Any => "interface {}".to_owned(),
        Shape::Struct(schema) => format!("v1.{}", go_name(schema)),
        Shape::List(element) => format!("[]{}", go_type(element, None)),
        Shape::Map(element) => format!("map[string]{}", go_type(element, None)),
    }
}

/// The zero value of an element that is null.
fn zero(shape: &Shape) -> Option<Value> {
    match shape {
        Shape::String | Shape::Bytes => Some("".into()),
        Shape::Bool => Some(false.into()),
        Shape::I32 | Shape::I64 | Shape::F64 | Shape::IntOrString | Shape::Quantity => Some(0.into()),
        Shape::Struct(_) | Shape::Map(_) => Some(Value::Object(serde_json::Map::new())),
        Shape::List(_) => Some(Value::Array(Vec::new())),
        Shape::Time | Shape::MicroTime | Shape::Any => None,
    }
}

impl Walk {
    fn report(&mut self, kind: ProblemKind, message: String, hint: Option<String>) {
        self.problems.push(FieldProblem { path: self.path.clone(), message, kind, hint });
    }

    /// A fault of a type that reads its JSON itself.
    fn end(&mut self, message: String) {
        self.end.get_or_insert(self.problems.len());
        self.report(ProblemKind::Type, message, None);
    }

    fn wrong_type(&mut self, what: &str, shape: &Shape, named: Option<&str>) {
        let target = go_type(shape, named);
        let message = if self.names.is_empty() {
            format!("json: cannot unmarshal {what} into Go value of type {target}")
        } else {
            format!(
                "json: cannot unmarshal {what} into Go struct field {}.{} of type {target}",
                self.holder, self.names
            )
        };
        self.report(ProblemKind::Type, message, None);
    }

    fn structure(&mut self, schema: &'static Schema, value: &mut Value, named: Option<&str>) {
        let Value::Object(map) = value else {
            return self.wrong_type(word(value), &Shape::Struct(schema), named);
        };
        let (path, names, holder) = (self.path.len(), self.names.len(), self.holder);
        for (key, value) in map.iter_mut() {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(key);
            match schema.field(key) {
                None => {
                    let hint = nearest(key, schema.fields.iter().map(|f| f.json)).map(str::to_owned);
                    self.report(ProblemKind::UnknownField, format!("unknown field \"{}\"", self.path), hint);
                }
                Some(Field { shape, go, json, within, .. }) => {
                    self.holder = go_name(schema);
                    for name in (*within > 0).then(|| embedded(schema)).into_iter().chain([*json]) {
                        if !self.names.is_empty() {
                            self.names.push('.');
                        }
                        self.names.push_str(name);
                    }
                    if !value.is_null() {
                        self.value(shape, value, *go);
                    }
                }
            }
            self.path.truncate(path);
            self.names.truncate(names);
        }
        self.holder = holder;
    }

    fn value(&mut self, shape: &'static Shape, value: &mut Value, named: Option<&str>) {
        match (shape, &mut *value) {
            (Shape::Struct(schema), _) => self.structure(schema, value, named),
            (Shape::List(element), Value::Array(items)) => {
                let path = self.path.len();
                let named = named.and_then(|name| name.strip_prefix("[]"));
                for (i, item) in items.iter_mut().enumerate() {
                    self.path.push_str(&format!("[{i}]"));
                    self.element(element, item, named);
                    self.path.truncate(path);
                }
            }
            (Shape::Map(element), Value::Object(map)) => {
                let path = self.path.len();
                let named = named.and_then(|name| name.strip_prefix("map[string]"));
                for (key, item) in map.iter_mut() {
                    self.path.push_str(&format!("[{key}]"));
                    self.element(element, item, named);
                    self.path.truncate(path);
                }
            }
            _ => self.scalar(shape, value, named),
        }
    }

    fn element(&mut self, shape: &'static Shape, value: &mut Value, named: Option<&str>) {
        if !value.is_null() {
            self.value(shape, value, named);
        } else if let Some(zero) = zero(shape) {
            *value = zero;
        }
    }

    fn scalar(&mut self, shape: &'static Shape, value: &Value, named: Option<&str>) {
        let fits = match (shape, value) {
            (Shape::String | Shape::IntOrString, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => true,
            (Shape::F64, Value::Number(_)) | (Shape::Any, _) => true,
            (Shape::I32 | Shape::IntOrString, Value::Number(n)) => {
                let fits = n.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
                if !fits {
                    if matches!(shape, Shape::IntOrString) {
                        self.end.get_or_insert(self.problems.len());
                    }
                    return self.wrong_type(&format!("number {n}"), shape, None);
                }
                true
            }
            (Shape::I64, Value::Number(n)) => {
                if n.as_i64().is_none() {
                    return self.wrong_type(&format!("number {n}"), shape, None);
                }
                true
            }
            (Shape::Bytes, Value::String(text)) => {
                if let Err(at) = bytes::decode(text) {
                    self.report(ProblemKind::Type, format!("illegal base64 data at input byte {at}"), None);
                }
                true
            }
            (Shape::Quantity, value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if let Err(fault) = Quantity::parse(text.trim()) {
                    self.end(fault.to_string());
                }
                true
            }
            (Shape::Time | Shape::MicroTime, Value::String(text)) => {
                if let Some(fault) = time::fault(text, matches!(shape, Shape::MicroTime)) {
                    self.end(fault);
                }
                true
            }
            (Shape::Time | Shape::MicroTime, value) => {
                self.end.get_or_insert(self.problems.len());
                return self.wrong_type(word(value), &Shape::String, None);
            }
            (Shape::IntOrString, _) => {
                self.end.get_or_insert(self.problems.len());
                false
            }
            _ => false,
        };
        if !fits {
            self.wrong_type(word(value), shape, named);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check_shape;
    use crate::core::pod::Pod;

    #[test]
    fn all_problems_come_at_once() {
        let mut value = json!({
            "spec": {"containers": [{"imag": "a", "args": [null, 1]}], "nodeSelector": {"a": 1}, "priority": 1.5},
        });
        let problems = check_shape(Pod::SCHEMA, &mut value);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.containers[0].args[1]: json: cannot unmarshal number into Go struct field \
                 Container.spec.containers.args of type string",
                "spec.containers[0].imag: unknown field \"spec.containers[0].imag\" (did you mean image?)",
                "spec.nodeSelector[a]: json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of \
                 type string",
                "spec.priority: json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32",
            ]
        );
        assert_eq!(value["spec"]["containers"][0]["args"][0], json!(""));
    }
}
