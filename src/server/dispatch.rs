//! A request that is none of Masthead's own → the handler of its verb and resource.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use masthead_api::core::pod::Pod;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::POD;

use crate::server::path::{self, Asked, Target, Verb};
use crate::server::query::Query;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::{discovery, exec, forward, judge, logs, metrics, openapi, read, watch, write};

/// Bytes of a request's body at most (Kubernetes' `MaxRequestBodyBytes`).
const BODY_MAX: usize = 3 * 1024 * 1024;

/// Answers a request.
pub async fn answer(Shared(state): Shared<State>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let (mut verb, mut resource) = ("other", "");
    let done = match split(&parts) {
        Ok((Asked::Resource(target), query)) => {
            verb = target.verb.word();
            let served = |kind: &Kind| kind.info().is_served_in(&target.version);
            match Kind::by_plural(&target.group, &target.resource).filter(served) {
                Some(kind) => {
                    resource = kind.info().plural;
                    resource_request(&state, kind, &target, &query, &mut parts, body).await
                }
                None => Err(Failure::no_such_path()),
            }
        }
        Ok((asked, _)) => document(&asked, &parts),
        Err(failure) => Err(failure),
    };
    let response = done.unwrap_or_else(IntoResponse::into_response);
    metrics::request(verb, resource, response.status());
    response
}

fn split(parts: &Parts) -> Result<(Asked, Query), Failure> {
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let asked = path::parse(&parts.method, parts.uri.path(), query.flag("watch")).map_err(|error| match error {
        path::Error::Method(_) => Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ),
        other => Failure::bad_request(other.to_string()),
    })?;
    Ok((asked, query))
}

fn document(asked: &Asked, parts: &Parts) -> Result<Response, Failure> {
    let found = match asked {
        Asked::Core => Some(discovery::core(&parts.headers)),
        Asked::Groups => Some(discovery::groups(&parts.headers)),
        Asked::Group(group) => discovery::group(group),
        Asked::Version(group, version) => discovery::version(group, version),
        Asked::Other => openapi::answer(parts.uri.path()),
        Asked::Resource(_) => None,
    };
    found.ok_or_else(Failure::no_such_path)
}

async fn resource_request(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    parts: &mut Parts,
    body: Body,
) -> Result<Response, Failure> {
    let info = kind.info();
    let is_collection = target.name.is_empty();
    if !info.namespaced && !target.namespace.is_empty()
        || info.namespaced && target.namespace.is_empty() && !is_collection
    {
        return Err(Failure::no_such_path());
    }
    if !target.subresource.is_empty() {
        return subresource(state, kind, target, query, parts, body).await;
    }
    match target.verb {
        Verb::Get => read::get(state, kind, target, query, &parts.headers).await,
        Verb::List => read::list(state, kind, target, query, &parts.headers).await,
        Verb::Watch => watch::watch(state, kind, target, query, &parts.headers).await,
        Verb::Delete => write::delete(state, kind, target, query, &whole(body).await?).await,
        Verb::Create if is_collection => {
            judge::judge(state, kind, target, query, &parts.headers, &whole(body).await?).await
        }
        Verb::Update | Verb::Patch if !is_collection => {
            judge::judge(state, kind, target, query, &parts.headers, &whole(body).await?).await
        }
        Verb::Create | Verb::Update | Verb::Patch | Verb::DeleteCollection => Err(not_allowed()),
    }
}

fn not_allowed() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
}

async fn whole(body: Body) -> Result<Bytes, Failure> {
    axum::body::to_bytes(body, BODY_MAX).await.map_err(|error| {
        let message = format!("Request entity too large: limit is {BODY_MAX} ({error})");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    })
}

async fn subresource(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    parts: &mut Parts,
    body: Body,
) -> Result<Response, Failure> {
    if !kind.info().has_subresource(&target.subresource) {
        return Err(Failure::no_such_path());
    }
    match (target.subresource.as_str(), target.verb) {
        // Objects are stored whole, with their status.
        ("status", Verb::Get) => return read::get(state, kind, target, query, &parts.headers).await,
        ("log" | "exec" | "attach" | "portforward", Verb::Get | Verb::Create) if kind == POD => {}
        ("eviction", Verb::Create) if kind == POD => {
            return write::delete(state, kind, target, query, &evicted(&whole(body).await?)?).await;
        }
        (_, Verb::Get) => return Err(not_allowed()),
        _ => return Err(write::refuse(state, kind, target, &whole(body).await?)),
    }
    state.settle(None).await?;
    let pod = read::live(state, kind, target)?.typed::<Pod>().map_err(Failure::internal)?;
    match (target.subresource.as_str(), target.verb) {
        ("log", Verb::Get) => logs::log(state, &pod, query).await,
        ("exec", _) => exec::exec(state, &pod, query, parts).await,
        ("attach", _) => exec::attach(state, &pod, query, parts).await,
        ("portforward", _) => forward::forward(state, &pod, query, parts).await,
        _ => Err(not_allowed()),
    }
}

/// The `deleteOptions` of an Eviction.
fn evicted(body: &Bytes) -> Result<Bytes, Failure> {
    let eviction: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}")))?;
    Ok(eviction.get("deleteOptions").map(|options| options.to_string().into()).unwrap_or_default())
}
