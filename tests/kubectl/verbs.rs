//! What kubectl does with a server: discovers, watches, waits, deletes, is refused.

use std::time::Duration;

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{CONFIG_MAP, POD};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::objects;
use super::server::{LASTS, Server};

async fn server() -> Option<Server> {
    let server = Server::start().await;
    server.has_kubectl().then_some(server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_discovers() {
    let Some(server) = server().await else { return };
    let listed = server.kubectl("api-resources -o wide").await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    for kind in masthead_api::kind::Kind::all() {
        assert!(
            listed.out.lines().any(|line| line.split_whitespace().next() == Some(kind.info().plural)),
            "{kind} in {}",
            listed.out
        );
    }
    let all = masthead_api::kind::Kind::all().iter().map(|kind| kind.info());
    let versions = all.flat_map(|info| info.versions().map(|version| info.api_version_of(version) + "\n"));
    let versions: std::collections::BTreeSet<String> = versions.collect();
    assert_eq!(server.kubectl("api-versions").await.out, versions.into_iter().collect::<String>());
    let version = server.kubectl("version -o json").await;
    let version: Value = serde_json::from_str(&version.out).unwrap_or_else(|e| panic!("{e}: {version:?}"));
    assert_eq!(version["serverVersion"]["minor"], "32");
    let ours = server.masthead("version -o json").await;
    let ours: Value = serde_json::from_str(&ours.out).unwrap_or_else(|e| panic!("{e}: {ours:?}"));
    assert_eq!(ours["serverVersion"], version["serverVersion"]);
    assert_eq!(server.kubectl("get --raw /readyz").await.out, "ok");
    assert!(server.kubectl("get --raw /readyz?verbose").await.out.contains("[+]store ok"));
    let metrics = server.kubectl("get --raw /metrics").await.out;
    assert!(
        metrics.contains("masthead_store_revision") && metrics.contains("masthead_api_requests_total{code=\"200\""),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_is_read_in_each_of_its_versions() {
    let Some(server) = server().await else { return };
    let grant = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"name": "g", "namespace": "default", "uid": "g-1"},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}],
            "to": [{"group": "", "kind": "Service"}]}});
    server.put(grant).await;
    for version in ["v1", "v1beta1"] {
        let word = format!("referencegrants.{version}.gateway.networking.k8s.io");
        let table = server.kubectl(&format!("get {word}")).await;
        assert!(table.code == Some(0) && table.out.contains("NAME") && table.out.contains("\ng "), "{table:?}");
        let one = server.kubectl(&format!("get {word} g -o json")).await;
        let one: Value = serde_json::from_str(&one.out).unwrap_or_else(|e| panic!("{e}: {one:?}"));
        assert_eq!(one["apiVersion"], format!("gateway.networking.k8s.io/{version}"));
        let list =
            server.kubectl(&format!("get --raw /apis/gateway.networking.k8s.io/{version}/referencegrants")).await;
        let list: Value = serde_json::from_str(&list.out).unwrap_or_else(|e| panic!("{e}: {list:?}"));
        assert_eq!((&list["apiVersion"], &list["items"][0]["apiVersion"]), (&one["apiVersion"], &one["apiVersion"]));
    }
    let plain = server.kubectl("get referencegrant g -o jsonpath={.apiVersion}").await;
    assert_eq!(plain.out, "gateway.networking.k8s.io/v1", "the preferred version: {plain:?}");
    let none = server.kubectl("get grpcroutes.v1beta1.gateway.networking.k8s.io").await;
    assert!(none.code != Some(0) && none.err.contains("the server doesn't have a resource type"), "{none:?}");
}

/// Lines of a child until one holds `wanted`.
async fn until(lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>, wanted: &str) -> String {
    let mut seen = String::new();
    let found = tokio::time::timeout(LASTS, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push_str(&line);
            seen.push('\n');
            if line.contains(wanted) {
                return;
            }
        }
        panic!("ended without {wanted:?}: {seen}");
    });
    assert!(found.await.is_ok(), "no {wanted:?}: {seen}");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sees_changes_as_they_come() {
    let Some(server) = server().await else { return };
    for mut child in [server.kubectl_in_background("get pods -w"), server.masthead_in_background("get pods -w")] {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        until(&mut lines, "web-5d8f-bbbbb").await;
        let mut pod = objects::pod("web-5d8f-ccccc", "p-3");
        server.put(pod.clone()).await;
        until(&mut lines, "web-5d8f-ccccc").await;
        pod["status"]["phase"] = "Failed".into();
        pod["status"]["reason"] = "Evicted".into();
        server.put(pod).await;
        until(&mut lines, "Evicted").await;
        child.kill().await.unwrap();
        server.remove(&ObjectKey::new(POD, "default", "web-5d8f-ccccc")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollouts_and_conditions_are_waited_for() {
    let Some(server) = server().await else { return };
    let done = server.kubectl("rollout status deploy/web --timeout=100s").await;
    assert_eq!((done.code, done.out.as_str()), (Some(0), "deployment \"web\" successfully rolled out\n"), "{done:?}");
    let history = server.kubectl("rollout history deploy/web").await;
    assert!(history.out.contains("REVISION"), "{history:?}");
    let waited = server.kubectl("wait --for=condition=Available deploy/web --timeout=100s").await;
    assert_eq!(waited.out, "deployment.apps/web condition met\n", "{waited:?}");
    // What comes true while it waits.
    let mut pending = objects::pod("slow", "p-4");
    pending["status"] = json!({ "phase": "Pending" });
    server.put(pending).await;
    let child = server.kubectl_in_background("wait --for=condition=Ready pod/slow --timeout=100s");
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.put(objects::pod("slow", "p-4")).await;
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "pod/slow condition met\n");
    // A kubectl that begins to wait for the end of what is gone already says that there is none: then it was too slow to
    // start, and is given longer.
    for tries in 1..=6 {
        let gone = server.kubectl_in_background("wait --for=delete pod/slow --timeout=100s");
        tokio::time::sleep(Duration::from_millis(500) * (1 << tries)).await;
        server.remove(&ObjectKey::new(POD, "default", "slow")).await;
        let ended = gone.wait_with_output().await.unwrap();
        if ended.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains("NotFound") && tries < 6, "{said}");
        server.put(objects::pod("slow", "p-4")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_is_deleted_gracefully_and_waited_for() {
    let Some(server) = server().await else { return };
    for (name, ours) in [("web-5d8f-aaaaa", false), ("web-5d8f-bbbbb", true)] {
        let line = format!("delete pod {name} --grace-period=7");
        let child = if ours { server.masthead_in_background(&line) } else { server.kubectl_in_background(&line) };
        // The node's part: it sees the mark, ends the pod, and the object goes.
        let key = ObjectKey::new(POD, "default", name);
        let marked = async {
            loop {
                let found = server
                    .kv
                    .get(key.store_key().into())
                    .await
                    .unwrap()
                    .expect("the pod is there until its node is done");
                let pod: Value = serde_json::from_slice(&found.value).unwrap();
                if pod.pointer("/metadata/deletionTimestamp").is_some() {
                    return pod;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let marked = tokio::time::timeout(LASTS, marked).await.expect("the pod is marked");
        assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 7);
        server.remove(&key).await;
        let ended = child.wait_with_output().await.unwrap();
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("pod \"{name}\" deleted\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_git_asks_for_is_refused_with_its_place() {
    let Some(server) = server().await else { return };
    let bare = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "bare", "namespace": "default" }, "spec": { "containers": [{ "name": "a", "image": "b" }] } });
    server.put(objects::made(bare.clone(), "p-9")).await;
    server.applied(bare, ("apps/bare.yaml", 3)).await;
    server.applied(objects::deployment(), ("apps/web.yaml", 12)).await;
    for (line, place) in [("delete pod bare", "apps/bare.yaml:3"), ("delete deploy web", "apps/web.yaml:12")] {
        for refused in [server.kubectl(line).await, server.masthead(line).await] {
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let wanted = format!(
                "is forbidden: commit 0123456789 of http://example/repo.git asks for it at {place}: remove it there, commit and push"
            );
            assert!(
                refused.err.starts_with("Error from server (Forbidden): ") && refused.err.contains(&wanted),
                "{refused:?}"
            );
        }
    }
    let refused = server.kubectl("delete ns other --wait=false").await;
    assert!(refused.err.contains("the API of this cluster is the git repository"), "{refused:?}");
    let scaled = server.kubectl("label deploy web a=b").await;
    assert!(scaled.err.contains("edit apps/web.yaml:12"), "{scaled:?}");
    let still = server.kv.get(ObjectKey::new(CONFIG_MAP, "default", "settings").store_key().into()).await.unwrap();
    assert!(still.is_some());
}
