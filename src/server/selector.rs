//! `labelSelector` and `fieldSelector` of a request → a test of objects, with the fields that Kubernetes knows per kind.

use std::collections::BTreeMap;

use masthead_api::kind::Kind;
use masthead_api::object::Object;
use serde_json::Value;

/// Bytes of a selector at most.
const SELECTOR_MAX: usize = 64 * 1024;

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the grammar.
    #[error("unable to parse requirement: {0}")]
    Syntax(String),
    /// Not a pair.
    #[error("invalid selector: {0:?}; can't understand {1:?}")]
    Pair(String, String),
    /// A field that cannot be selected by.
    #[error("field label not supported: {0}")]
    Field(String),
    /// Too long.
    #[error("a selector has at most {SELECTOR_MAX} bytes")]
    Long,
}

/// Both selectors of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    path: &'static str,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both selectors; empty texts select everything.
    ///
    /// # Errors
    /// One is not of its grammar, or names a field that the kind has not.
    pub fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Selector, Error> {
        if labels.len() + fields.len() > SELECTOR_MAX {
            return Err(Error::Long);
        }
        Ok(Selector { labels: parse_labels(labels)?, fields: parse_fields(kind, fields)? })
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object matches.
    pub fn matches(&self, object: &Object) -> bool {
        if !self.labels.iter().all(|requirement| requirement.matches(&object.meta().labels)) {
            return false;
        }
        // The names stand in the key; only other fields need the body read.
        let mut body = None;
        self.fields.iter().all(|field| {
            let found = match field.path {
                "metadata.name" => object.key().name.clone(),
                "metadata.namespace" => object.key().namespace.clone(),
                path => read(body.get_or_insert_with(|| object.value()), path),
            };
            (found == field.value) == field.equal
        })
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|v| values.contains(v)),
            Operator::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::Above(bound) => number().is_some_and(|n| n > *bound),
            Operator::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// Splits at commas that are not within brackets.
fn clauses(text: &str) -> Result<Vec<&str>, Error> {
    let (mut out, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(Error::Syntax(format!("brackets do not match in {text:?}")));
    }
    out.push(text[start..].trim());
    Ok(out)
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    clauses(text)?.into_iter().map(requirement).collect()
}

fn requirement(clause: &str) -> Result<Requirement, Error> {
    let one = |text: &str| label_value(text).map(|value| vec![value]);
    let number = |text: &str| {
        text.trim().parse().map_err(|_| {
            Error::Syntax(format!("for 'Gt', 'Lt' operators, the value must be an integer: {:?}", text.trim()))
        })
    };
    let (key, operator) = if let Some(key) = clause.strip_prefix('!') {
        (key, Operator::Absent)
    } else if let Some((key, value)) = clause.split_once("!=") {
        (key, Operator::NotIn(one(value)?))
    } else if let Some((key, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
        (key, Operator::In(one(value)?))
    } else if let Some((key, value)) = clause.split_once('>') {
        (key, Operator::Above(number(value)?))
    } else if let Some((key, value)) = clause.split_once('<') {
        (key, Operator::Below(number(value)?))
    } else if clause.contains('(') {
        set(clause)?
    } else {
        (clause, Operator::Exists)
    };
    Ok(Requirement { key: label_key(key)?, operator })
}

/// `key in (a,b)`, `key notin (a,b)`.
fn set(clause: &str) -> Result<(&str, Operator), Error> {
    let wrong = || Error::Syntax(format!("found {clause:?}, expected: 'in', 'notin' and values in brackets"));
    let (head, values) = clause.strip_suffix(')').and_then(|c| c.split_once('(')).ok_or_else(wrong)?;
    let values: Vec<String> = values.split(',').map(label_value).collect::<Result<_, _>>()?;
    let mut words = head.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(key), Some("in"), None) => Ok((key, Operator::In(values))),
        (Some(key), Some("notin"), None) => Ok((key, Operator::NotIn(values))),
        _ => Err(wrong()),
    }
}

fn word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn label_key(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("", text));
    let fine = !name.is_empty()
        && name.len() <= 63
        && prefix.len() <= 253
        && word(name)
        && word(prefix)
        && !(text.contains('/') && prefix.is_empty());
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Error::Syntax(format!("key: Invalid value: {text:?}: a valid label key is expected")))
    }
}

fn label_value(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.len() <= 63 && word(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::Syntax(format!(
            "values[0]: Invalid value: {text:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
        )))
    }
}

fn parse_fields(kind: Kind, text: &str) -> Result<Vec<Field>, Error> {
    let mut out = Vec::new();
    for clause in text.split(',').filter(|clause| !clause.is_empty()) {
        let (key, value, equal) = if let Some((key, value)) = clause.split_once("!=") {
            (key, value, false)
        } else if let Some((key, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
            (key, value, true)
        } else {
            return Err(Error::Pair(text.to_owned(), clause.to_owned()));
        };
        let path = known(kind, key).ok_or_else(|| Error::Field(key.to_owned()))?;
        out.push(Field { path, value: value.to_owned(), equal });
    }
    Ok(out)
}

/// The fields of a kind that Kubernetes selects by (`pkg/apis/*/v1/conversion.go`, `GetAttrs` of each registry).
fn known(kind: Kind, field: &str) -> Option<&'static str> {
    const ALL: &[&str] = &["metadata.name", "metadata.namespace"];
    let own: &[&str] = match kind.info().kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "Node" => &["spec.unschedulable"],
        "Namespace" => &["status.phase"],
        "Secret" => &["type"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "ReplicaSet" => &["status.replicas"],
        "Job" => &["status.successful"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    };
    ALL.iter().chain(own).find(|known| **known == field).copied()
}

/// A field as the text that selectors compare; what is absent is the field's zero.
fn read(body: &Value, path: &str) -> String {
    let at = |path: &str| path.split('.').try_fold(body, |value, part| value.get(part));
    match (path, at(path)) {
        ("source", _) => {
            let component = at("source.component").or_else(|| at("reportingComponent"));
            component.and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        // The field is named otherwise in the selector than in the object.
        ("status.successful", _) => at("status.succeeded").and_then(Value::as_i64).unwrap_or(0).to_string(),
        ("status.podIPs", _) => at("status.podIP").and_then(Value::as_str).unwrap_or_default().to_owned(),
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(Value::Bool(on))) => on.to_string(),
        (_, Some(Value::Number(number))) => number.to_string(),
        ("spec.unschedulable" | "spec.hostNetwork", _) => "false".to_owned(),
        ("status.replicas", _) => "0".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::{DEPLOYMENT, EVENT, JOB, NODE, POD};
    use serde_json::json;

    use super::*;

    fn pod() -> Object {
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web", "n": "5"}},
            "spec": {"nodeName": "one", "containers": []}, "status": {"phase": "Running"},
        }))
        .unwrap()
    }

    #[test]
    fn labels_select() {
        let check = |text: &str, expect: bool| {
            let selector = Selector::parse(POD, text, "").unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.matches(&pod()), expect, "{text}");
        };
        check("", true);
        check("app=web", true);
        check("app==web", true);
        check("app = web , n", true);
        check("app!=web", false);
        check("other!=web", true);
        check("app in (a, web)", true);
        check("app notin (a,b),n=5", true);
        check("x notin (a)", true);
        check("!app", false);
        check("!x", true);
        check("n>4", true);
        check("n<5", false);
        check("app=", false);
        check("example.com/x", false);
    }

    #[test]
    fn wrong_label_selectors_are_refused() {
        for text in ["a b", "=x", "a in b", "a in (b", "a,,b", "a=b c", "/x=1", "n>x", "a within (b)"] {
            assert!(Selector::parse(POD, text, "").is_err(), "{text}");
        }
        assert_eq!(Selector::parse(POD, &"a".repeat(70_000), ""), Err(Error::Long));
    }

    #[test]
    fn fields_select() {
        let check = |text: &str, expect: bool| {
            let selector = Selector::parse(POD, "", text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.matches(&pod()), expect, "{text}");
        };
        check("metadata.name=web-1,metadata.namespace=default", true);
        check("metadata.name!=web-1", false);
        check("spec.nodeName=one,status.phase==Running", true);
        check("spec.nodeName=", false);
        check("status.podIP=", true);
        check("spec.hostNetwork=false", true);
        let job = |status: Value| {
            let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "d"}, "status": status});
            Object::from_value(job).unwrap()
        };
        let successful = Selector::parse(JOB, "", "status.successful=2").unwrap();
        assert!(successful.matches(&job(json!({"succeeded": 2}))) && !successful.matches(&job(json!({}))));
        assert!(Selector::parse(JOB, "", "status.successful=0").unwrap().matches(&job(json!({}))));
        let refused = |kind, text: &str, expect: &str| {
            assert_eq!(Selector::parse(kind, "", text).unwrap_err().to_string(), expect)
        };
        refused(DEPLOYMENT, "status.phase=x", "field label not supported: status.phase");
        refused(POD, "status.phase", "invalid selector: \"status.phase\"; can't understand \"status.phase\"");
        assert!(Selector::parse(EVENT, "", "involvedObject.name=x,involvedObject.uid=y,type!=Normal").is_ok());
        assert!(Selector::parse(NODE, "", "spec.unschedulable=true").is_ok());
    }
}
