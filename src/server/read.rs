//! A get or a list → objects of the view, or of the store where an older revision or a page is asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use masthead_plan::cluster::view::Cluster;
use masthead_store::kv::{self, Range, Revision};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock;
use crate::server::negotiate;
use crate::server::path::Target;
use crate::server::query::Query;
use crate::server::selector::Selector;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::table::{self, ListHead, Style};

/// How long a read waits for a revision that is not here yet (Kubernetes' `blockTimeout` of the watch cache).
const REVISION_WAIT: Duration = Duration::from_secs(3);

/// Objects of one page of the store.
const PAGE: usize = 500;

/// Reads one object.
///
/// # Errors
/// 404, 406, 504.
pub async fn get(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let style = style(kind, target, query, headers)?;
    if !state.settle(revision(query)?).await? {
        tracing::debug!("a read is served from a view behind the store");
    }
    let object = live(state, kind, target)?;
    Ok(json_response(&table::one(style, &object)))
}

/// The live object of a request.
///
/// # Errors
/// 404.
pub fn live(state: &State, kind: Kind, target: &Target) -> Result<Arc<Object>, Failure> {
    let key = ObjectKey::new(kind, target.namespace.as_str(), target.name.as_str());
    let info = kind.info();
    state.view.read().get(&key).cloned().ok_or_else(|| Failure::not_found(info.plural, info.group, &target.name))
}

/// How the answer is written.
///
/// # Errors
/// 400, 406.
pub fn style(kind: Kind, target: &Target, query: &Query, headers: &HeaderMap) -> Result<Style, Failure> {
    let version = kind.info().other_versions.iter().find(|version| **version == target.version).copied();
    let (form, include) = (negotiate::form(headers)?, negotiate::include(query)?);
    Ok(Style { form, include, version, now: Time(clock::now_s()) })
}

/// The selectors of a request.
///
/// # Errors
/// 400.
pub fn selector(kind: Kind, query: &Query) -> Result<Selector, Failure> {
    let (labels, fields) =
        (query.get("labelSelector").unwrap_or_default(), query.get("fieldSelector").unwrap_or_default());
    Selector::parse(kind, labels, fields).map_err(|error| Failure::bad_request(error.to_string()))
}

/// `resourceVersion`; `None` when the newest state is asked for.
///
/// # Errors
/// 400.
pub fn revision(query: &Query) -> Result<Option<u64>, Failure> {
    let number =
        |text: &str| text.parse().map_err(|_| Failure::bad_request(format!("invalid resource version: {text:?}")));
    query.get("resourceVersion").map(number).transpose()
}

pub(in crate::server) fn json_response(body: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache, private")], body.to_string())
        .into_response()
}

impl State {
    /// Waits until the view is as new as asked: a revision, or whatever the store stands at now. Whether it is.
    ///
    /// # Errors
    /// 504: the revision lies in the future.
    pub async fn settle(&self, revision: Option<u64>) -> Result<bool, Failure> {
        let wanted = match revision {
            Some(0) => return Ok(true),
            Some(revision) => revision,
            None => self.store.kv().revision().await.map_err(|error| unavailable(&error))?.0,
        };
        if tokio::time::timeout(REVISION_WAIT, self.view.at_least(wanted)).await.is_ok() {
            return Ok(true);
        }
        if revision.is_none() {
            return Ok(false);
        }
        let current = self.view.revision();
        Err(Failure::new(
            StatusCode::GATEWAY_TIMEOUT,
            "Timeout",
            format!("Too large resource version: {wanted}, current: {current}"),
        )
        .details(json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        })))
    }
}

/// What a store's fault is to a client.
pub fn unavailable(error: &kv::Error) -> Failure {
    match error {
        kv::Error::Compacted { .. } => expired(
            "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
        ),
        kv::Error::FutureRevision => Failure::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", "Too large resource version"),
        other => Failure::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", other.to_string()),
    }
}

/// 410: what was asked for is no longer kept.
pub fn expired(message: &str) -> Failure {
    Failure::new(StatusCode::GONE, "Expired", message)
}

/// The objects of a kind that match, in a namespace or in all.
pub fn matching(cluster: &Cluster, kind: Kind, namespace: &str, selector: &Selector) -> Vec<Arc<Object>> {
    let fits = |object: &&Arc<Object>| selector.matches(object);
    if namespace.is_empty() {
        cluster.of_kind(kind).filter(fits).cloned().collect()
    } else {
        cluster.in_namespace(kind, namespace).filter(fits).cloned().collect()
    }
}

/// What a `continue` token holds.
#[derive(Serialize, Deserialize)]
struct Next {
    rv: u64,
    start: String,
}

impl Next {
    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(text: &str) -> Option<Next> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

/// Reads a collection.
///
/// # Errors
/// 400, 406, 410, 504.
pub async fn list(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let style = style(kind, target, query, headers)?;
    let selector = selector(kind, query)?;
    let limit = match query.int("limit")? {
        None | Some(0) => None,
        Some(limit) => Some(usize::try_from(limit).map_err(|_| Failure::bad_request("limit must not be negative"))?),
    };
    let asked = revision(query)?;
    let matched = query.get("resourceVersionMatch");
    check_options(query)?;
    if let Some(token) = query.get("continue") {
        let next = Next::read(token).ok_or_else(|| Failure::bad_request("continue key is not valid"))?;
        let (head, objects) = page(state, kind, &target.namespace, &selector, limit, &next).await?;
        return Ok(json_response(&table::list(style, kind, &head, objects)));
    }
    state.settle(asked).await?;
    if let (Some("Exact"), Some(revision)) = (matched, asked) {
        let next = Next { rv: revision, start: String::new() };
        let (head, objects) = page(state, kind, &target.namespace, &selector, limit, &next).await?;
        return Ok(json_response(&table::list(style, kind, &head, objects)));
    }
    let (revision, objects) = {
        let cluster = state.view.read();
        (cluster.revision(), matching(&cluster, kind, &target.namespace, &selector))
    };
    if limit.is_none_or(|limit| objects.len() <= limit) {
        let head = ListHead { revision, ..ListHead::default() };
        return Ok(json_response(&table::list(style, kind, &head, objects)));
    }
    // The pages that follow are read from the store in the order of its keys, so the first is as well.
    let next = Next { rv: revision, start: String::new() };
    let (head, objects) = page(state, kind, &target.namespace, &selector, limit, &next).await?;
    Ok(json_response(&table::list(style, kind, &head, objects)))
}

/// Kubernetes' rules for `resourceVersionMatch` and `sendInitialEvents` of a list
/// (`apimachinery/pkg/apis/meta/internalversion/validation`).
fn check_options(query: &Query) -> Result<(), Failure> {
    let mut faults = Vec::new();
    if let Some(matched) = query.get("resourceVersionMatch") {
        let revision = query.get("resourceVersion");
        if revision.is_none() {
            faults.push(forbidden_match("resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if query.get("continue").is_some() {
            faults.push(forbidden_match("resourceVersionMatch is forbidden when continue is provided"));
        }
        if !["Exact", "NotOlderThan"].contains(&matched) {
            faults.push(unsupported_match(matched, r#""Exact", "NotOlderThan", """#));
        }
        if matched == "Exact" && revision == Some("0") {
            faults.push(forbidden_match(r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#));
        }
    }
    if query.get("sendInitialEvents").is_some() {
        let message = "Forbidden: sendInitialEvents is forbidden for list".to_owned();
        faults.push(("FieldValueForbidden", message, "sendInitialEvents"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::invalid_options("ListOptions", &faults)) }
}

/// A fault of `resourceVersionMatch` where it may not stand.
pub(in crate::server) fn forbidden_match(why: &str) -> (&'static str, String, &'static str) {
    ("FieldValueForbidden", format!("Forbidden: {why}"), "resourceVersionMatch")
}

/// A `resourceVersionMatch` that is none of these.
pub(in crate::server) fn unsupported_match(found: &str, supported: &str) -> (&'static str, String, &'static str) {
    let message = format!("Unsupported value: {found:?}: supported values: {supported}");
    ("FieldValueNotSupported", message, "resourceVersionMatch")
}

/// One page as the store had it at a revision.
async fn page(
    state: &State,
    kind: Kind,
    namespace: &str,
    selector: &Selector,
    limit: Option<usize>,
    next: &Next,
) -> Result<(ListHead, Vec<Object>), Failure> {
    let prefix = prefix(kind, namespace);
    let mut range = Range::prefix(prefix.clone()).at(Revision(next.rv)).limit(PAGE);
    if !next.start.is_empty() {
        range.keys.start = format!("{prefix}{}\0", next.start).into();
    }
    let (mut objects, mut head) = (Vec::new(), ListHead { revision: next.rv, ..ListHead::default() });
    loop {
        let found = state.store.kv().range(range.clone()).await.map_err(|error| unavailable(&error))?;
        let last = found.kvs.last().map(|kv| kv.key.clone());
        for (read, kv) in found.kvs.iter().enumerate() {
            let Ok(object) = Object::from_bytes(&kv.value, kv.mod_revision.0) else { continue };
            if !selector.matches(&object) {
                continue;
            }
            objects.push(object);
            let left = found.count.saturating_sub(read as u64 + 1);
            if limit.is_some_and(|limit| objects.len() >= limit) && left > 0 {
                let start = String::from_utf8_lossy(&kv.key).into_owned();
                head.next =
                    Next { rv: next.rv, start: start.strip_prefix(&prefix).unwrap_or(&start).to_owned() }.text();
                // With a selector nobody knows how many of the rest will match.
                head.remaining = selector.is_empty().then_some(left);
                return Ok((head, objects));
            }
        }
        match last {
            Some(last) if found.more => range.keys.start = [last.as_ref(), &[0]].concat().into(),
            _ => return Ok((head, objects)),
        }
    }
}

/// The prefix of the store keys of a collection.
pub fn prefix(kind: Kind, namespace: &str) -> String {
    let all = ObjectKey::store_prefix(kind);
    if namespace.is_empty() { all } else { format!("{all}{namespace}/") }
}
