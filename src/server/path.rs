//! Method, path and query of a request → what it asks for, as Kubernetes' API conventions split them.

use axum::http::Method;

/// What is to be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection, or one object.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch,
    /// Delete an object.
    Delete,
    /// Delete a collection.
    DeleteCollection,
}

impl Verb {
    /// As Kubernetes writes it in rules and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }
}

/// A request about a resource; absent parts are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What is to be done.
    pub verb: Verb,
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource, as in `pods`.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// As in `log`.
    pub subresource: String,
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A resource.
    Resource(Target),
    /// `/api`: the versions of the core group.
    Core,
    /// `/apis`: all groups.
    Groups,
    /// `/apis/apps`: one group.
    Group(String),
    /// `/api/v1` or `/apis/apps/v1`: the resources of a version.
    Version(String, String),
    /// Nothing of the API.
    Other,
}

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A `%` without two hexadecimal digits, or bytes that are no text.
    #[error("the path has a part that is not percent-encoded UTF-8: {0:?}")]
    Encoding(String),
    /// A part that no object can be called.
    #[error("the path has a part that cannot be a name: {0:?}")]
    Name(String),
    /// No API request has this method.
    #[error("the method {0} is not supported")]
    Method(String),
}

/// Splits a path, which is still percent-encoded. `watch` is the query's parameter of that name.
///
/// # Errors
/// A part of the path is broken, or the method is none of the API's.
pub fn parse(method: &Method, path: &str, watch: bool) -> Result<Asked, Error> {
    let parts = segments(path)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api"] => return Ok(Asked::Core),
        ["apis"] => return Ok(Asked::Groups),
        ["apis", group] => return Ok(Asked::Group((*group).to_owned())),
        ["api", version] => return Ok(Asked::Version(String::new(), (*version).to_owned())),
        ["apis", group, version] => return Ok(Asked::Version((*group).to_owned(), (*version).to_owned())),
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Ok(Asked::Other),
    };
    let (namespace, resource, name, sub) = match rest {
        // The subresources of a namespace look like a resource in it.
        ["namespaces", name, sub @ ("status" | "finalize")] => ("", "namespaces", *name, vec![*sub]),
        ["namespaces"] => ("", "namespaces", "", Vec::new()),
        ["namespaces", name] => ("", "namespaces", *name, Vec::new()),
        ["namespaces", namespace, resource] => (*namespace, *resource, "", Vec::new()),
        ["namespaces", namespace, resource, name, sub @ ..] => (*namespace, *resource, *name, sub.to_vec()),
        [resource] => ("", *resource, "", Vec::new()),
        [resource, name, sub @ ..] => ("", *resource, *name, sub.to_vec()),
        [] => return Ok(Asked::Other),
    };
    let verb = verb(method, !name.is_empty(), watch)?;
    Ok(Asked::Resource(Target {
        verb,
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: sub.join("/"),
    }))
}

fn verb(method: &Method, named: bool, watch: bool) -> Result<Verb, Error> {
    Ok(match *method {
        Method::GET | Method::HEAD if watch => Verb::Watch,
        Method::GET | Method::HEAD if named => Verb::Get,
        Method::GET | Method::HEAD => Verb::List,
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if named => Verb::Delete,
        Method::DELETE => Verb::DeleteCollection,
        _ => return Err(Error::Method(method.to_string())),
    })
}

/// The decoded parts; one trailing slash is nothing, an empty part between two is a fault.
fn segments(path: &str) -> Result<Vec<String>, Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/')
        .map(|part| {
            let text = decode(part, false).ok_or_else(|| Error::Encoding(part.to_owned()))?;
            // Kubernetes' rule for names in paths: not `.`, not `..`, and neither `/` nor `%` in them.
            if matches!(text.as_str(), "" | "." | "..") || text.contains(['/', '%', '\0']) {
                return Err(Error::Name(text));
            }
            Ok(text)
        })
        .collect()
}

/// Percent-decodes a text; `None` when it is broken or no UTF-8. In forms a `+` is a space.
pub fn decode(text: &str, form: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
                out.push(u8::try_from(value).ok()?);
            }
            b'+' if form => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(verb: Verb, group: &str, resource: &str, namespace: &str, name: &str, subresource: &str) -> Asked {
        let [group, resource, namespace, name, subresource] =
            [group, resource, namespace, name, subresource].map(str::to_owned);
        Asked::Resource(Target { verb, group, version: "v1".to_owned(), resource, namespace, name, subresource })
    }

    #[test]
    fn paths_split_as_kubernetes_splits_them() {
        let check = |method: Method, path: &str, watch: bool, expect: Asked| {
            assert_eq!(parse(&method, path, watch), Ok(expect), "{method} {path}");
        };
        check(Method::GET, "/api", false, Asked::Core);
        check(Method::GET, "/apis/", false, Asked::Groups);
        check(Method::GET, "/apis/apps", false, Asked::Group("apps".into()));
        check(Method::GET, "/apis/apps/v1", false, Asked::Version("apps".into(), "v1".into()));
        check(Method::GET, "/api/v1", false, Asked::Version(String::new(), "v1".into()));
        check(Method::GET, "/", false, Asked::Other);
        check(Method::GET, "/healthz/ping", false, Asked::Other);
        check(Method::GET, "/api/v1/pods", false, target(Verb::List, "", "pods", "", "", ""));
        check(Method::GET, "/api/v1/pods", true, target(Verb::Watch, "", "pods", "", "", ""));
        check(Method::GET, "/api/v1/namespaces", false, target(Verb::List, "", "namespaces", "", "", ""));
        check(Method::GET, "/api/v1/namespaces/a", false, target(Verb::Get, "", "namespaces", "", "a", ""));
        check(
            Method::GET,
            "/api/v1/namespaces/a/status",
            false,
            target(Verb::Get, "", "namespaces", "", "a", "status"),
        );
        check(Method::GET, "/api/v1/namespaces/a/pods", false, target(Verb::List, "", "pods", "a", "", ""));
        check(
            Method::DELETE,
            "/api/v1/namespaces/a/pods",
            false,
            target(Verb::DeleteCollection, "", "pods", "a", "", ""),
        );
        check(Method::DELETE, "/api/v1/namespaces/a/pods/b", false, target(Verb::Delete, "", "pods", "a", "b", ""));
        check(Method::GET, "/api/v1/namespaces/a/pods/b/log", false, target(Verb::Get, "", "pods", "a", "b", "log"));
        check(
            Method::POST,
            "/apis/apps/v1/namespaces/a/deployments",
            false,
            target(Verb::Create, "apps", "deployments", "a", "", ""),
        );
        check(
            Method::PATCH,
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            false,
            target(Verb::Patch, "apps", "deployments", "a", "d", "scale"),
        );
        check(Method::PUT, "/api/v1/nodes/n/status", false, target(Verb::Update, "", "nodes", "", "n", "status"));
        check(
            Method::GET,
            "/api/v1/namespaces/a/pods/b/proxy/x/y",
            false,
            target(Verb::Get, "", "pods", "a", "b", "proxy/x/y"),
        );
        check(Method::GET, "/api/v1/namespaces/%61/pods/b%2Ec", false, target(Verb::Get, "", "pods", "a", "b.c", ""));
    }

    #[test]
    fn broken_paths_are_refused() {
        let check = |path: &str, expect: Error| assert_eq!(parse(&Method::GET, path, false), Err(expect), "{path}");
        check("/api/v1/pods/%2e%2e", Error::Name("..".into()));
        check("/api/v1/namespaces/a%2Fb/pods", Error::Name("a/b".into()));
        check("/api/v1//pods", Error::Name(String::new()));
        check("/api/v1/pods/%zz", Error::Encoding("%zz".into()));
        check("/api/v1/pods/%f", Error::Encoding("%f".into()));
        check("/api/v1/pods/%ff", Error::Encoding("%ff".into()));
        assert_eq!(parse(&Method::TRACE, "/api/v1/pods", false), Err(Error::Method("TRACE".into())));
    }
}
