//! `/healthz`, `/livez`, `/readyz` and `/version`: what probes and clients ask first.

use axum::extract::{RawQuery, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::server::query::Query;
use crate::server::state::State;

/// The version of Kubernetes whose API is served; clients warn when theirs is far from it.
const KUBERNETES: (&str, &str) = ("1", "32");

/// Whether the process answers.
pub async fn live(query: RawQuery) -> Response {
    answer("livez", &query, &[("ping", None)])
}

/// Whether requests can be served: the store answers, and its content is in memory.
pub async fn ready(Shared(state): Shared<State>, query: RawQuery) -> Response {
    let store = state.store.kv().revision().await.err().map(|error| error.to_string());
    let loaded = (state.view.revision() == 0).then(|| "the store is not read yet".to_owned());
    answer("readyz", &query, &[("ping", None), ("store", store), ("view", loaded)])
}

fn answer(name: &str, RawQuery(query): &RawQuery, checks: &[(&str, Option<String>)]) -> Response {
    let verbose =
        query.as_deref().and_then(|query| Query::parse(query).ok()).is_some_and(|query| query.flag("verbose"));
    let failed = checks.iter().any(|(_, why)| why.is_some());
    let mut text = String::new();
    for (check, why) in checks {
        match why {
            None => text.push_str(&format!("[+]{check} ok\n")),
            Some(why) => text.push_str(&format!("[-]{check} failed: {why}\n")),
        }
    }
    text.push_str(&format!("{name} check {}\n", if failed { "failed" } else { "passed" }));
    let code = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let body = if failed || verbose { text } else { "ok".to_owned() };
    (code, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// `/version`.
pub async fn version() -> axum::Json<Value> {
    axum::Json(document())
}

/// What `/version` answers: the API's level as Kubernetes', and our own version behind the plus sign.
pub fn document() -> Value {
    json!({
        "major": KUBERNETES.0,
        "minor": KUBERNETES.1,
        "gitVersion": format!("v{}.{}.0+masthead-{}", KUBERNETES.0, KUBERNETES.1, env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, match std::env::consts::ARCH { "x86_64" => "amd64", "aarch64" => "arm64", other => other }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_check_is_told() {
        let text = async |query: Option<&str>, why: Option<String>| {
            let response = answer("readyz", &RawQuery(query.map(str::to_owned)), &[("ping", None), ("store", why)]);
            let code = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            (code, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(text(None, None).await, (200, "ok".to_owned()));
        assert_eq!(
            text(Some("verbose"), None).await,
            (200, "[+]ping ok\n[+]store ok\nreadyz check passed\n".to_owned())
        );
        let (code, body) = text(None, Some("gone".into())).await;
        assert_eq!((code, body.as_str()), (500, "[+]ping ok\n[-]store failed: gone\nreadyz check failed\n"));
    }
}
