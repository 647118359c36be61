//! `pods`, `deploy/web`, `po,svc`, `all` → kinds and names, and the paths of the API that go with them.

use anyhow::{Result, bail};
use masthead_api::kind::Kind;
use masthead_api::kind::find::nearest;
use serde_json::Value;

use crate::client::rest::{Rest, encode};

/// In which namespace a command looks.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Namespace {
    /// The namespace.
    #[arg(short = 'n', long, value_name = "NAMESPACE", env = "MASTHEAD_NAMESPACE", default_value = "default")]
    pub namespace: String,
}

/// A kind, and which of its objects: all when there is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The kind.
    pub kind: Kind,
    /// The names.
    pub names: Vec<String>,
}

/// The kind a word names.
///
/// # Errors
/// There is none.
pub fn kind(word: &str) -> Result<Kind> {
    let Some(kind) = Kind::by_alias(word) else {
        let known = Kind::all().iter().flat_map(|kind| [kind.info().plural, kind.info().singular]);
        let hint = nearest(word, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        bail!("the server doesn't have a resource type {word:?}{hint}");
    };
    Ok(kind)
}

/// Reads `TYPE[,TYPE] [NAME…]` or `TYPE/NAME…`.
///
/// # Errors
/// A type is unknown, or the two forms are mixed.
pub fn parse(words: &[String]) -> Result<Vec<Asked>> {
    let Some((first, names)) = words.split_first() else { bail!("required resource not specified") };
    if words.iter().any(|word| word.contains('/')) {
        let mut out: Vec<Asked> = Vec::new();
        for word in words {
            let Some((one, name)) = word.split_once('/').filter(|(one, name)| !one.is_empty() && !name.is_empty())
            else {
                bail!(
                    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'get resource/<resource_name>' instead of 'get resource resource/<resource_name>')"
                );
            };
            let kind = kind(one)?;
            match out.iter_mut().find(|asked| asked.kind == kind) {
                Some(asked) => asked.names.push(name.to_owned()),
                None => out.push(Asked { kind, names: vec![name.to_owned()] }),
            }
        }
        return Ok(out);
    }
    let mut kinds: Vec<Kind> = Vec::new();
    for word in first.split(',').filter(|word| !word.is_empty()) {
        let category = Kind::by_category(word);
        let found = if category.is_empty() { vec![kind(word)?] } else { in_order(category) };
        kinds.extend(found.into_iter().filter(|kind| !kinds.contains(kind)).collect::<Vec<_>>());
    }
    Ok(kinds.into_iter().map(|kind| Asked { kind, names: names.to_vec() }).collect())
}

/// The order in which kubectl prints a category: core group first, by resource.
fn in_order(mut kinds: Vec<Kind>) -> Vec<Kind> {
    kinds.sort();
    kinds
}

/// One object: `pod NAME`, `pod/NAME`, or `NAME` alone for the kind that a command is about.
///
/// # Errors
/// The kind is unknown.
pub fn one(word: &str, usual: Kind) -> Result<(Kind, String)> {
    match word.split_once('/') {
        Some((one, name)) if !name.is_empty() => Ok((kind(one)?, name.to_owned())),
        Some(_) => bail!("arguments in resource/name form must have a single resource and name"),
        None => Ok((usual, word.to_owned())),
    }
}

/// The path of a collection; all namespaces when it is empty.
pub fn collection(kind: Kind, namespace: &str) -> String {
    let info = kind.info();
    let root = if info.group.is_empty() {
        format!("/api/{}", info.version)
    } else {
        format!("/apis/{}/{}", info.group, info.version)
    };
    if info.namespaced && !namespace.is_empty() {
        format!("{root}/namespaces/{}/{}", encode(namespace), info.plural)
    } else {
        format!("{root}/{}", info.plural)
    }
}

/// The path of an object.
pub fn object(kind: Kind, namespace: &str, name: &str) -> String {
    format!("{}/{}", collection(kind, namespace), encode(name))
}

/// A path with parameters; those without a value are left out.
pub fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<String> = parameters
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    if parameters.is_empty() { path.to_owned() } else { format!("{path}?{}", parameters.join("&")) }
}

/// `pod/web`, `deployment.apps/web`: as kubectl names an object.
pub fn display(kind: Kind, name: &str) -> String {
    let info = kind.info();
    if info.group.is_empty() {
        format!("{}/{name}", info.singular)
    } else {
        format!("{}.{}/{name}", info.singular, info.group)
    }
}

/// A pod of what a word names: the pod itself, or the best one behind a deployment, a replica set or a service.
///
/// # Errors
/// There is none.
pub async fn pod_of(rest: &Rest, namespace: &str, word: &str) -> Result<Value> {
    Ok(pod_of_several(rest, namespace, word).await?.0)
}

/// As [`pod_of`], and how many pods there are behind the word.
///
/// # Errors
/// There is none.
pub async fn pod_of_several(rest: &Rest, namespace: &str, word: &str) -> Result<(Value, usize)> {
    use masthead_api::kind::registry::POD;
    let (kind, name) = one(word, POD)?;
    let found = rest.get(&object(kind, namespace, &name)).await?;
    if kind == POD {
        return Ok((found, 1));
    }
    let Some(selector) = selector(&found) else {
        bail!("cannot attach to {}: it selects no pods", display(kind, &name))
    };
    let mut pods = rest.list(&with_query(&collection(POD, namespace), &[("labelSelector", &selector)])).await?;
    // Ready ones first and those that go last, as kubectl prefers active pods.
    let ready = |pod: &Value| {
        let conditions =
            pod.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    pods.sort_by_key(|pod| (pod.pointer("/metadata/deletionTimestamp").is_some(), !ready(pod)));
    let count = pods.len();
    match pods.into_iter().next() {
        Some(pod) => Ok((pod, count)),
        None => bail!("no pods of {} are there yet", display(kind, &name)),
    }
}

/// The label selector of a workload or a service, as a query takes it.
pub fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector").filter(|selector| selector.is_object())?;
    let text = if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() {
        let selector: masthead_api::meta::LabelSelector = serde_json::from_value(selector.clone()).ok()?;
        selector.to_string()
    } else {
        let pairs =
            selector.as_object()?.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        pairs.collect::<Vec<_>>().join(",")
    };
    (!text.is_empty() && text != "<none>").then_some(text)
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::{DEPLOYMENT, JOB, NAMESPACE, POD, REPLICA_SET, SERVICE};

    use super::*;

    #[test]
    fn words_name_kinds_and_objects() {
        let check = |words: &str, expect: &[(Kind, &[&str])]| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let expect: Vec<Asked> = expect
                .iter()
                .map(|(kind, names)| Asked { kind: *kind, names: names.iter().map(|n| (*n).to_owned()).collect() })
                .collect();
            assert_eq!(parse(&words).unwrap(), expect, "{words:?}");
        };
        check("po", &[(POD, &[])]);
        check("pods a b", &[(POD, &["a", "b"])]);
        check("po,deploy", &[(POD, &[]), (DEPLOYMENT, &[])]);
        check("pod/a deploy/b po/c", &[(POD, &["a", "c"]), (DEPLOYMENT, &["b"])]);
        check("all", &[(POD, &[]), (SERVICE, &[]), (DEPLOYMENT, &[]), (REPLICA_SET, &[]), (JOB, &[])]);
        let refused = |words: &str| {
            parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap_err().to_string()
        };
        assert_eq!(refused("pots"), "the server doesn't have a resource type \"pots\"; did you mean pods?");
        assert!(refused("pod pod/a").starts_with("there is no need"));
        assert_eq!(refused(""), "required resource not specified");
    }

    #[test]
    fn paths_are_kubernetes_own() {
        assert_eq!(object(POD, "default", "a b"), "/api/v1/namespaces/default/pods/a%20b");
        assert_eq!(collection(DEPLOYMENT, ""), "/apis/apps/v1/deployments");
        assert_eq!(object(NAMESPACE, "default", "x"), "/api/v1/namespaces/x");
        assert_eq!(with_query("/p", &[("a", "x=y"), ("b", "")]), "/p?a=x%3Dy");
        assert_eq!((display(POD, "a"), display(DEPLOYMENT, "b")), ("pod/a".to_owned(), "deployment.apps/b".to_owned()));
    }

    #[test]
    fn selectors_of_both_forms_become_queries() {
        assert_eq!(
            selector(&serde_json::json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}})).as_deref(),
            Some("a=b")
        );
        assert_eq!(
            selector(&serde_json::json!({"spec": {"selector": {"a": "b", "c": "d"}}})).as_deref(),
            Some("a=b,c=d")
        );
        assert_eq!(selector(&serde_json::json!({"spec": {}})), None);
    }
}
