//! `pods/log` → the text of a container's log, as its node sends it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use masthead_api::core::pod::Pod;
use masthead_api::meta::Time;
use masthead_wire::pb;
use masthead_wire::stream::{Exit, OutputFrame, StreamIo, StreamKind};
use serde_json::json;

use crate::server::query::Query;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::{channel, containers, streams};

/// How long an answer waits for the node's first word, which may be that there is no log: then the code can still say
/// so. A log that is quiet begins after this time.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// Reads or follows a log.
///
/// # Errors
/// 400, 404, 422, 500; what breaks later breaks the stream off.
pub async fn log(state: &State, pod: &Pod, query: &Query) -> Result<Response, Failure> {
    let container = containers::choose(pod, query.get("container"))?;
    let asked = options(pod, query, container)?;
    containers::has_log(pod, &asked.container, asked.previous)?;
    if pod.spec.node_name.is_empty() {
        // Kubernetes answers nothing for a pod that no node has.
        return Ok(text(Body::empty()));
    }
    let mut io = streams::open(state, pod, StreamKind::Logs(asked)).await?;
    let first = tokio::time::timeout(FIRST_WORD, io.next()).await.ok();
    let first = match first {
        Some(Some(OutputFrame::Exit(Exit::Failed { reason, message }))) => {
            let code = StatusCode::from_u16(channel::code_of(&reason)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(Failure::new(code, streams::known_reason(&reason), message));
        }
        Some(Some(OutputFrame::Exit(_)) | None) => return Ok(text(Body::empty())),
        Some(Some(OutputFrame::Stdout(bytes) | OutputFrame::Stderr(bytes))) => bytes,
        None => Bytes::new(),
    };
    Ok(text(Body::from_stream(stream::unfold((first, Some(io)), next))))
}

fn text(body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The next piece; an end that is none breaks the body off, so that a client can tell.
async fn next((waiting, io): (Bytes, Option<StreamIo>)) -> Option<(std::io::Result<Bytes>, (Bytes, Option<StreamIo>))> {
    let mut io = io?;
    if !waiting.is_empty() {
        return Some((Ok(waiting), (Bytes::new(), Some(io))));
    }
    match io.next().await? {
        OutputFrame::Stdout(bytes) | OutputFrame::Stderr(bytes) => Some((Ok(bytes), (Bytes::new(), Some(io)))),
        OutputFrame::Exit(Exit::Code(_)) => None,
        OutputFrame::Exit(Exit::Failed { message, .. }) => {
            Some((Err(std::io::Error::other(message)), (Bytes::new(), None)))
        }
    }
}

fn options(pod: &Pod, query: &Query, container: String) -> Result<pb::Logs, Failure> {
    let invalid = |field: &str, value: &str, why: &str| {
        let message =
            format!("PodLogOptions {:?} is invalid: {field}: Invalid value: {value}: {why}", pod.metadata.name);
        Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .details(json!({ "kind": "PodLogOptions", "name": pod.metadata.name }))
    };
    let at_least = |field: &str, least: i64, why: &str| match query.int(field)? {
        Some(value) if value < least => Err(invalid(field, &value.to_string(), why)),
        value => Ok(value),
    };
    let asked = pb::Logs {
        container,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: at_least("tailLines", 0, "must be greater than or equal to 0")?,
        since_s: at_least("sinceSeconds", 1, "must be greater than 0")?,
        since_time: query.get("sinceTime").map(str::to_owned),
        limit_bytes: at_least("limitBytes", 1, "must be greater than 0")?,
    };
    if let Some(since) = asked.since_time.as_deref().filter(|since| Time::parse(since).is_none()) {
        return Err(Failure::bad_request(format!("sinceTime: {since:?} is not an RFC 3339 time")));
    }
    if asked.since_s.is_some() && asked.since_time.is_some() {
        return Err(invalid("sinceSeconds", "", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    Ok(asked)
}
