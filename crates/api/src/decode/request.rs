//! A request's body held against its path: kind, namespace and name.

use serde_json::Value;

use crate::decode::{protobuf, strict, syntax};
use crate::kind::Kind;
use crate::problem::FieldProblem;

/// Bytes of a body that an answer shows.
const SHOWN: usize = 30;

/// A JSON body, and its fields that stand twice. An empty one is an object without fields, as `null` is to Go.
///
/// # Errors
/// It is no JSON of an object that says its kind as one does, in the API server's words for its 400.
pub fn read(kind: Kind, body: &[u8]) -> Result<(Value, Vec<FieldProblem>), String> {
    let unread = |fault: &str| {
        let why = format!("couldn't get version/kind; json parse error: {fault}");
        unrecognized(kind, &why, &summary(body))
    };
    let (value, repeated) = syntax::parse(body).map_err(|fault| unread(&fault))?;
    let map = match value {
        Value::Object(map) => map,
        Value::Null => serde_json::Map::new(),
        other => {
            let fault = format!("json: cannot unmarshal {} into Go value of type {HEAD}", strict::word(&other));
            return Err(unread(&fault));
        }
    };
    for field in ["apiVersion", "kind"] {
        if let Some(wrong) = map.get(field).filter(|value| !value.is_string() && !value.is_null()) {
            let word = strict::word(wrong);
            return Err(unread(&format!("json: cannot unmarshal {word} into Go struct field .{field} of type string")));
        }
    }
    let api_version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if api_version.matches('/').count() > 1 {
        return Err(unrecognized(kind, &malformed(api_version), &summary(body)));
    }
    Ok((Value::Object(map), repeated))
}

/// Go's type of what an object says about itself.
const HEAD: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

fn malformed(api_version: &str) -> String {
    format!("unexpected GroupVersion string: {api_version}")
}

/// How a body begins: as text when it may be JSON of an object, else in hexadecimal.
fn summary(body: &[u8]) -> String {
    let begin = &body[..body.len().min(SHOWN)];
    let mut out = match begin {
        [] => "<empty>".to_owned(),
        [b'{', ..] => String::from_utf8_lossy(begin).into_owned(),
        _ => begin.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if body.len() > SHOWN {
        out.push_str(" ...");
    }
    out
}

/// A protobuf body.
///
/// # Errors
/// It is none of an object of the kind, in the API server's words for its 400.
pub fn read_protobuf(kind: Kind, body: &[u8]) -> Result<Value, String> {
    protobuf::read(kind, body).map_err(|fault| unrecognized(kind, &fault.to_string(), &summary(body)))
}

/// What of a body does not fit the path it was sent to, in the API server's words for its 400.
///
/// An `apiVersion` or a `kind` that is left out is taken from the path and filled in.
pub fn fit_kind(kind: Kind, body: &mut Value) -> Option<String> {
    let info = kind.info();
    let Some(map) = body.as_object_mut() else {
        return Some(unrecognized(
            kind,
            "couldn't get version/kind; json parse error: not an object",
            &summary(body.to_string().as_bytes()),
        ));
    };
    for (field, value) in [("apiVersion", info.api_version()), ("kind", info.kind.to_owned())] {
        let given = map.get(field).and_then(Value::as_str).unwrap_or_default();
        if given.is_empty() {
            map.insert(field.to_owned(), value.into());
        }
    }
    let text = |field: &str| map.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, found) = (text("apiVersion"), text("kind"));
    if Kind::by_gvk(&api_version, &found) == Some(kind) {
        return None;
    }
    if api_version.matches('/').count() > 1 {
        return Some(unrecognized(kind, &malformed(&api_version), &summary(body.to_string().as_bytes())));
    }
    let begin = format!("{found} in version {:?} cannot be handled as a {}: ", version(&api_version), info.kind);
    Some(match Kind::by_gvk(&api_version, &found) {
        Some(other) => format!(
            "{begin}converting ({}.{}) to ({}.{}): unknown conversion",
            other.info().version,
            other.info().kind,
            internal_package(info.group),
            info.kind
        ),
        None => format!(
            "{begin}no kind {found:?} is registered for version {api_version:?} in scheme \
             \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\""
        ),
    })
}

/// What is said of a change whose object has no name.
pub fn no_name(name: &str) -> String {
    format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
}

/// On update the name of a body must be that of the path, and the namespace must be when it names one.
pub fn fit_name(body: &Value, namespace: &str, name: Option<&str>) -> Option<String> {
    let text = |field: &str| body["metadata"][field].as_str().unwrap_or_default();
    match (name, text("name")) {
        (Some(name), "") => return Some(no_name(name)),
        (Some(name), found) if found != name => {
            return Some(format!("the name of the object ({found}) does not match the name on the URL ({name})"));
        }
        _ => {}
    }
    (!namespace.is_empty() && !text("namespace").is_empty() && text("namespace") != namespace)
        .then(|| "the namespace of the provided object does not match the namespace sent on the request".to_owned())
}

fn version(api_version: &str) -> &str {
    api_version.rsplit('/').next().unwrap_or_default()
}

/// Go's package of the unversioned types of a group.
fn internal_package(group: &str) -> &str {
    match group.split('.').next().unwrap_or_default() {
        "" => "core",
        first => first,
    }
}

fn unrecognized(kind: Kind, why: &str, shown: &str) -> String {
    format!("the object provided is unrecognized (must be of type {}): {why} ({shown})", kind.info().kind)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::kind::registry::POD;

    #[test]
    fn bodies_that_do_not_say_what_they_are_are_refused_in_kubernetes_words() {
        let check = |body: &str, expect: &str| {
            let begin = "the object provided is unrecognized (must be of type Pod): ";
            let fault = read(POD, body.as_bytes()).unwrap_err();
            assert_eq!(fault.strip_prefix(begin), Some(expect), "{body}");
        };
        let head =
            r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
        let unread = "couldn't get version/kind; json parse error:";
        check("[{}]", &format!("{unread} json: cannot unmarshal array into Go value of type {head} (5b7b7d5d)"));
        check(r#""x""#, &format!("{unread} json: cannot unmarshal string into Go value of type {head} (227822)"));
        let field = "into Go struct field .kind of type string";
        check(r#"{"kind":1}"#, &format!(r#"{unread} json: cannot unmarshal number {field} ({{"kind":1}})"#));
        check("nul", &format!("{unread} invalid character ' ' in literal null (expecting 'l') (6e756c)"));
        check("", &format!("{unread} unexpected end of JSON input (<empty>)"));
        check(r#"{"apiVersion":"a/b/c"}"#, r#"unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})"#);
        check(
            r#"{"apiVersion":"v1","kind":"Pod","metadata":"#,
            &format!(r#"{unread} unexpected end of JSON input ({{"apiVersion":"v1","kind":"Pod ...)"#),
        );
        assert_eq!(read(POD, b"null").unwrap().0, serde_json::json!({}));
    }
}
