//! Plain requests: pages, revisions, negotiation, dry runs, and what is refused.

use masthead::client::error::Error;
use masthead::client::rest::{JSON, Rest, TABLE};
use serde_json::{Value, json};

use super::objects;
use super::server::Server;

fn code(error: &anyhow::Error) -> (u16, String, String) {
    match error.downcast_ref::<Error>() {
        Some(Error::Status { code, reason, message, .. }) => (*code, reason.clone(), message.clone()),
        _ => panic!("{error:#}"),
    }
}

async fn refused(rest: &Rest, path: &str) -> (u16, String) {
    let (code, reason, _) = code(&rest.get(path).await.expect_err(path));
    (code, reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_of_one_revision() {
    let server = Server::start().await;
    for i in 0..25 {
        let namespace = if i % 2 == 0 { "other" } else { "other-2" };
        server.put(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("c-{i:02}"), "namespace": namespace } })).await;
    }
    let rest = Rest::to(&server.url, None).unwrap();
    let all = rest.get("/api/v1/configmaps").await.unwrap();
    let mut names: Vec<Value> =
        all["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    let (mut paged, mut next, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = rest.get(&format!("/api/v1/configmaps?limit=4&continue={next}")).await.unwrap();
        assert_eq!(page["metadata"]["resourceVersion"], all["metadata"]["resourceVersion"]);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 4);
        paged.extend(items.iter().map(|i| i["metadata"]["name"].clone()));
        pages += 1;
        // What comes meanwhile belongs to none of these pages.
        server.put(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("later-{pages}"), "namespace": "default" } })).await;
        match page["metadata"]["continue"].as_str() {
            Some(token) => {
                assert_eq!(page["metadata"]["remainingItemCount"], names.len() - paged.len());
                next = token.to_owned();
            }
            None => break,
        }
    }
    paged.sort_by_key(ToString::to_string);
    assert_eq!((paged, pages), (names, 7));
    let selected =
        rest.get("/api/v1/namespaces/other/configmaps?limit=2&fieldSelector=metadata.name%3Dc-24").await.unwrap();
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
    assert_eq!(refused(&rest, "/api/v1/configmaps?continue=nonsense").await, (400, "BadRequest".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_mean_what_kubernetes_says() {
    let server = Server::start().await;
    let rest = Rest::to(&server.url, None).unwrap();
    let before = rest.get("/api/v1/namespaces/default/configmaps").await.unwrap()["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    server
        .put(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new", "namespace": "default" } }))
        .await;
    let count = async |query: &str| {
        rest.get(&format!("/api/v1/namespaces/default/configmaps?{query}")).await.unwrap()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("").await, 2);
    assert_eq!(count(&format!("resourceVersion={before}&resourceVersionMatch=Exact")).await, 1);
    assert_eq!(count(&format!("resourceVersion={before}&resourceVersionMatch=NotOlderThan")).await, 2);
    assert_eq!(refused(&rest, "/api/v1/pods?resourceVersion=x").await.0, 400);
    assert_eq!(refused(&rest, "/api/v1/pods?resourceVersion=999999").await, (504, "Timeout".to_owned()));
    let message = async |query: &str| code(&rest.get(&format!("/api/v1/pods?{query}")).await.expect_err(query)).2;
    let options = "ListOptions.meta.k8s.io \"\" is invalid:";
    let forbidden = |field: &str, why: &str| format!("{field}: Forbidden: {why}");
    let matched = |why: &str| forbidden("resourceVersionMatch", why);
    let unless = matched("resourceVersionMatch is forbidden unless resourceVersion is provided");
    assert_eq!(message("resourceVersionMatch=Exact").await, format!("{options} {unless}"));
    let initial = forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
    assert_eq!(
        message("resourceVersionMatch=New&sendInitialEvents=true").await,
        format!(
            "{options} [{unless}, resourceVersionMatch: Unsupported value: \"New\": supported values: \"Exact\", \
             \"NotOlderThan\", \"\", {initial}]"
        )
    );
    let requires = matched("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    assert_eq!(message("watch=true&sendInitialEvents=true").await, format!("{options} {requires}"));
    let unless = matched("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    assert_eq!(message("watch=true&resourceVersionMatch=NotOlderThan").await, format!("{options} {unless}"));
    // A watch from before sees what came after, and a compacted start is told.
    let mut events = rest
        .stream(&format!("/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={before}"), JSON)
        .await
        .unwrap();
    let event = events.line().await.unwrap().unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("new")));
    let now = server.kv.revision().await.unwrap();
    server.kv.compact(now).await.unwrap();
    let mut events = rest.stream("/api/v1/configmaps?watch=true&resourceVersion=2", JSON).await.unwrap();
    let event = events.line().await.unwrap().unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"], &event["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert_eq!(events.line().await.unwrap(), None);
    // A watch ends in its time, with a bookmark for those who want one.
    let mut events =
        rest.stream("/api/v1/nodes?watch=true&timeoutSeconds=1&allowWatchBookmarks=true", JSON).await.unwrap();
    assert_eq!(events.line().await.unwrap().unwrap()["type"], "ADDED");
    assert_eq!(events.line().await.unwrap().unwrap()["type"], "BOOKMARK");
    assert_eq!(events.line().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_begins_with_what_is_there_where_that_is_asked_for() {
    let server = Server::start().await;
    let rest = Rest::to(&server.url, None).unwrap();
    let path = "/api/v1/nodes?watch=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=60";
    for revision in ["", "&resourceVersion=1"] {
        let mut events = rest.stream(&format!("{path}&sendInitialEvents=true{revision}"), JSON).await.unwrap();
        let first = events.line().await.unwrap().unwrap();
        assert_eq!((&first["type"], &first["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("one")));
        let end = events.line().await.unwrap().unwrap();
        assert_eq!((&end["type"], &end["object"]["kind"]), (&json!("BOOKMARK"), &json!("Node")));
        assert_eq!(end["object"]["metadata"]["annotations"], json!({ "k8s.io/initial-events-end": "true" }));
        assert!(end["object"]["metadata"]["resourceVersion"].as_str().is_some_and(|text| text != "0"));
    }
    let mut events = rest.stream(&format!("{path}&sendInitialEvents=false"), JSON).await.unwrap();
    let mut later = rest.get("/api/v1/nodes/one").await.unwrap();
    later["metadata"]["name"] = "later".into();
    server.put(later).await;
    let first = events.line().await.unwrap().unwrap();
    assert_eq!((&first["type"], &first["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("later")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_in_the_form_that_is_asked_for() {
    let server = Server::start().await;
    let rest = Rest::to(&server.url, None).unwrap();
    let table = rest.get_as("/api/v1/namespaces/default/pods", TABLE).await.unwrap();
    assert_eq!(
        (&table["kind"], &table["rows"][0]["object"]["kind"]),
        (&json!("Table"), &json!("PartialObjectMetadata"))
    );
    let partial =
        rest.get_as("/api/v1/nodes/one", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await.unwrap();
    assert_eq!((&partial["kind"], &partial["status"]), (&json!("PartialObjectMetadata"), &Value::Null));
    let (code, ..) = code(&rest.get_as("/api/v1/nodes", "application/vnd.kubernetes.protobuf").await.unwrap_err());
    assert_eq!(code, 406);
    for (path, expect) in [
        ("/api/v1/nothing", 404),
        ("/apis/apps/v2/deployments", 404),
        ("/api/v1/namespaces/default/nodes", 404),
        ("/api/v1/pods/web", 404),
        ("/api/v1/namespaces/default/pods/x", 404),
        ("/api/v1/namespaces/default/pods/web-5d8f-aaaaa/nothing", 404),
        ("/api/v1/namespaces/%2e%2e/pods", 400),
        ("/api/v1/pods?labelSelector=a+b", 400),
        ("/api/v1/pods?fieldSelector=spec.x%3D1", 400),
        ("/openapi/v2", 404),
        ("/api/v1/namespaces/default/pods/web-5d8f-aaaaa/log?tailLines=-1", 422),
        ("/api/v1/namespaces/default/pods/web-5d8f-aaaaa/log?container=x", 400),
        ("/api/v1/namespaces/default/pods/web-5d8f-aaaaa/log", 500),
        ("/api/v1/namespaces/default/pods/web-5d8f-aaaaa/exec?command=ls&stdout=true", 400),
    ] {
        assert_eq!(refused(&rest, path).await.0, expect, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_judges_and_nothing_else_is_written() {
    let server = Server::start().await;
    let rest = Rest::to(&server.url, None).unwrap();
    let path = "/api/v1/namespaces/default/pods";
    let pod = |name: &str| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": { "containers": [{ "name": "a", "image": "b" }] } });
    let made = rest.post(&format!("{path}?dryRun=All"), &pod("fresh")).await.unwrap();
    assert_eq!((&made["spec"]["restartPolicy"], &made["metadata"]["namespace"]), (&json!("Always"), &json!("default")));
    assert!(made["metadata"]["uid"].is_string());
    let status = async |path: &str, body: &Value| code(&rest.post(path, body).await.expect_err(path));
    let mut wrong = pod("fresh");
    wrong["spec"]["containers"] = json!([]);
    let (code_, reason, message) = status(&format!("{path}?dryRun=All"), &wrong).await;
    assert_eq!(
        (code_, reason.as_str(), message.as_str()),
        (422, "Invalid", "Pod \"fresh\" is invalid: spec.containers: Required value")
    );
    wrong = pod("fresh");
    wrong["spec"]["nope"] = 1.into();
    assert_eq!(status(&format!("{path}?dryRun=All&fieldValidation=Strict"), &wrong).await.0, 400);
    let made = rest.post(&format!("{path}?dryRun=All"), &wrong).await.unwrap();
    assert_eq!(made["spec"]["nope"], Value::Null, "it is told in a warning, and dropped");
    assert_eq!(status(&format!("{path}?dryRun=All"), &pod("web-5d8f-aaaaa")).await.0, 409);
    assert_eq!(status("/api/v1/namespaces/absent/pods?dryRun=All", &pod("a")).await.0, 404);
    assert_eq!(status(&format!("{path}?dryRun=Some"), &pod("a")).await.0, 422);
    let (code_, _, message) = status(&format!("{path}?dryRun=All&fieldValidation=Loud"), &pod("a")).await;
    assert_eq!(
        (code_, message.as_str()),
        (
            422,
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Loud\": supported values: \
             \"\", \"Ignore\", \"Strict\", \"Warn\""
        )
    );
    let (code_, _, message) = status(path, &pod("fresh")).await;
    assert_eq!(code_, 403);
    assert!(
        message.contains("the git repository http://example/repo.git (branch main): add a manifest there"),
        "{message}"
    );
    assert_eq!(refused(&rest, &format!("{path}/fresh")).await.0, 404);
    // Preconditions, dry runs of deletes, and a body that is too long.
    let pod_path = format!("{path}/web-5d8f-aaaaa");
    let stale = rest.delete(&pod_path, &json!({ "preconditions": { "uid": "another" } })).await.unwrap_err();
    assert_eq!(code(&stale).0, 409);
    let dry = rest.delete(&pod_path, &json!({ "dryRun": ["All"] })).await.unwrap();
    assert_eq!(dry["metadata"]["deletionTimestamp"], Value::Null);
    assert_eq!(status(&format!("{path}?dryRun=All"), &json!({ "x": "y".repeat(4 << 20) })).await.0, 413);
    server.put(objects::pod("web-5d8f-aaaaa", "p-1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_is_followed() {
    let server = Server::start().await;
    let rest = Rest::to(&server.url, None).unwrap();
    let mut lines = rest.stream("/apis/masthead.dev/v1/status?watch=true", JSON).await.unwrap();
    let first = lines.line().await.unwrap().unwrap();
    assert_eq!(first["nodes"][0]["pods"], 2);
    server.put(objects::pod("web-5d8f-ddddd", "p-5")).await;
    let second = lines.line().await.unwrap().unwrap();
    assert_eq!(second["nodes"][0]["pods"], 3);
    let text = server.masthead("status").await;
    assert!(
        text.out.contains("repository  http://example/repo.git (branch main)")
            && text.out.contains("one  3 pods  embedded://0.1.0  ready"),
        "{text:?}"
    );
}
