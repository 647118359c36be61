//! A request's body held against its path: kind, namespace and name.

use serde_json::Value;

use crate::decode::{protobuf, syntax};
use crate::kind::Kind;
use crate::problem::FieldProblem;

/// A JSON body, and its fields that stand twice.
///
/// # Errors
/// It is no JSON, in the API server's words for its 400.
pub fn read(kind: Kind, body: &[u8]) -> Result<(Value, Vec<FieldProblem>), String> {
    syntax::parse(body).map_err(|fault| {
        let why = format!("couldn't get version/kind; json parse error: {fault}");
        let shown = if body.is_empty() { "<empty>".into() } else { String::from_utf8_lossy(body) };
        unrecognized(kind, &why, &shown)
    })
}

/// A protobuf body.
///
/// # Errors
/// It is none of an object of the kind, in the API server's words for its 400.
pub fn read_protobuf(kind: Kind, body: &[u8]) -> Result<Value, String> {
    protobuf::read(kind, body).map_err(|fault| unrecognized(kind, &fault.to_string(), &String::from_utf8_lossy(body)))
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
            &body.to_string(),
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
        let why = format!("unexpected GroupVersion string: {api_version}");
        return Some(unrecognized(kind, &why, &body.to_string()));
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

fn unrecognized(kind: Kind, why: &str, body: &str) -> String {
    // The server shows the first 30 bytes of what it was sent.
    let shown = match body.char_indices().nth(30) {
        Some((end, _)) => format!("{} ...", &body[..end]),
        None => body.to_owned(),
    };
    format!("the object provided is unrecognized (must be of type {}): {why} ({shown})", kind.info().kind)
}
