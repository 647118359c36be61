//! `labelSelector` and `fieldSelector` of a request → a test of objects, with the fields that Kubernetes knows per kind.

use masthead_api::kind::Kind;
use masthead_api::kind::registry::{EVENT, JOB, NAMESPACE, NODE, POD, SECRET, SERVICE};
use masthead_api::object::Object;
use serde_json::Value;

use crate::server::labels::{self, Requirement};

/// Bytes of a selector at most.
const SELECTOR_MAX: usize = 64 * 1024;

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Labels that are not of the grammar, in Kubernetes' words.
    #[error("{0}")]
    Labels(String),
    /// Not a pair.
    #[error("invalid selector: '{0}'; can't understand '{1}'")]
    Pair(String, String),
    /// A backslash before what needs none.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A sign that needs a backslash, as its number.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
    /// A field that cannot be selected by, in the words that the kind has for it.
    #[error("{0}")]
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
        let labels = labels::parse(labels).map_err(Error::Labels)?;
        Ok(Selector { labels, fields: parse_fields(kind, fields)? })
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

fn parse_fields(kind: Kind, text: &str) -> Result<Vec<Field>, Error> {
    let mut terms = terms(text);
    // Of several faults Kubernetes tells the first of the sorted terms, and unknown fields last.
    terms.sort_unstable();
    let pairs: Vec<(&str, String, bool)> =
        terms.into_iter().filter(|term| !term.is_empty()).map(|term| pair(text, term)).collect::<Result<_, _>>()?;
    let field = |(key, value, equal)| match known(kind, key) {
        Some(path) => Ok(Field { path, value, equal }),
        None => Err(Error::Field(not_known(kind, key))),
    };
    pairs.into_iter().map(field).collect()
}

/// A field, its value, and whether it must have it.
fn pair<'t>(text: &str, term: &'t str) -> Result<(&'t str, String, bool), Error> {
    let at = term.find("!=").into_iter().chain(term.find('=')).min();
    let Some(at) = at else { return Err(Error::Pair(text.to_owned(), term.to_owned())) };
    let (key, rest) = term.split_at(at);
    let operator = ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator)).unwrap_or_default();
    Ok((key, unescaped(&rest[operator.len()..])?, operator != "!="))
}

/// The parts between commas that no backslash stands before.
fn terms(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

fn unescaped(text: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => return Err(Error::Escape(std::iter::once('\\').chain(other).collect())),
            },
            ',' | '=' => return Err(Error::Unescaped(c.into())),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Whether a kind is none of Kubernetes' own, which has to be installed there: such kinds have fewer ways.
pub(in crate::server) fn is_installed(kind: Kind) -> bool {
    matches!(kind.info().group, "gateway.networking.k8s.io" | "masthead.dev")
}

/// What Kubernetes says of a field that a kind cannot be selected by: kinds with fields of their own and those that are
/// installed say one thing, others another.
fn not_known(kind: Kind, field: &str) -> String {
    match kind {
        JOB => format!("field label {field:?} not supported for batchv1.Job"),
        POD | NODE | NAMESPACE | SECRET | SERVICE | EVENT => format!("field label not supported: {field}"),
        _ if is_installed(kind) => format!("field label not supported: {field}"),
        _ => format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""),
    }
}

/// The fields of a kind that Kubernetes selects by (`pkg/apis/*/v1/conversion.go`, `GetAttrs` of each registry).
fn known(kind: Kind, field: &str) -> Option<&'static str> {
    let own: &[&str] = match kind {
        // Older clients write it so.
        POD if field == "spec.host" => return Some("spec.nodeName"),
        POD => &[
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
        NODE => &["spec.unschedulable"],
        NAMESPACE => &["status.phase"],
        SECRET => &["type"],
        SERVICE => &["spec.clusterIP", "spec.type"],
        JOB => &["status.successful"],
        EVENT => &[
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
    // Of the kinds without a namespace two know none, the others know it as empty.
    let meta: &[&str] =
        if matches!(kind, NODE | NAMESPACE) { &["metadata.name"] } else { &["metadata.name", "metadata.namespace"] };
    meta.iter().chain(own).find(|known| **known == field).copied()
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
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::{DEPLOYMENT, GATEWAY, LEASE, REPLICA_SET};
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
    fn a_selector_has_a_bound() {
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
        let default = "is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        refused(DEPLOYMENT, "status.phase=x", &format!("\"status.phase\" {default}"));
        refused(REPLICA_SET, "status.replicas=1", &format!("\"status.replicas\" {default}"));
        refused(LEASE, "spec.x=1", &format!("\"spec.x\" {default}"));
        refused(POD, "spec.x=1", "field label not supported: spec.x");
        refused(NODE, "metadata.namespace=x", "field label not supported: metadata.namespace");
        refused(GATEWAY, "spec.x=1", "field label not supported: spec.x");
        refused(JOB, "spec.x=1", "field label \"spec.x\" not supported for batchv1.Job");
        refused(POD, "a=b,status.phase", "invalid selector: 'a=b,status.phase'; can't understand 'status.phase'");
        refused(POD, r"metadata.name=a\b", r"invalid field selector: invalid escape sequence: \b");
        refused(POD, r"metadata.name=a\", r"invalid field selector: invalid escape sequence: \");
        refused(POD, "metadata.name=a=b", "invalid field selector: unescaped character in value: 61");
        check(r"metadata.name!=a\,b\=\\", true);
        check("spec.host=one", true);
        check(",,", true);
        assert!(Selector::parse(EVENT, "", "involvedObject.name=x,involvedObject.uid=y,type!=Normal").is_ok());
        assert!(Selector::parse(NODE, "", "spec.unschedulable=true").is_ok());
    }
}
