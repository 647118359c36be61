//! The same line to kubectl and to us: the same text and the same exit code.

use super::server::{Ended, Server};

/// Lines whose answers must be the same to the letter.
const LINES: &[&str] = &[
    "get pods",
    "get po -o wide",
    "get pods --no-headers",
    "get pods --show-labels",
    "get pods -L app",
    "get pods -A",
    "get pods -n other",
    "get pods -l app=web",
    "get pods -l app!=web",
    "get pods --field-selector status.phase=Running,spec.nodeName=one",
    "get pod web-5d8f-aaaaa",
    "get pod web-5d8f-aaaaa -o yaml",
    "get pod web-5d8f-aaaaa -o json",
    "get pods -o name",
    "get pods -o json",
    "get pods -o yaml",
    "get pod/web-5d8f-aaaaa deploy/web -o name",
    "get deploy",
    "get deploy -o wide",
    "get rs",
    "get rs -o wide",
    "get jobs",
    "get job load -o wide",
    "get job load -o yaml",
    "get jobs --field-selector status.successful=3",
    "get svc -o wide",
    "get all",
    "get po,deploy",
    "get nodes",
    "get nodes -o wide",
    "get ns",
    "get cm",
    "get cm settings -o yaml",
    "get secret",
    "get sa",
    "get events",
    "get pods --sort-by=.metadata.name",
    "get pods nothing",
    "get pod web-5d8f-aaaaa nothing",
    "get pod nothing --ignore-not-found",
    "get deploy.apps/web",
    "get leases -A",
    "get pods --show-kind",
    "get pods --chunk-size=1",
    "get pods --chunk-size=1 -A -o name",
    "get pods/nothing svc/web",
    "get pod web-5d8f-aaaaa -l app=web",
    "get pods --field-selector spec.x=1",
    "get deploy -l a=b=c",
    "get --raw /healthz",
    "get --raw /api/v1/nothing",
    "get pods -o jsonpath={.items[?(@.metadata.labels.app==\"web\")].metadata.name}",
    "get pods -l app=web -o jsonpath={.items[-1:].metadata.name}",
    "get pods -o jsonpath={.items[0]['kind','apiVersion']}",
    "get svc web -o jsonpath={.spec.ports[*].port}",
    "get svc web -o jsonpath={.spec.ports[0,0].port}{\"\\n\"}",
    "get svc web -o jsonpath={..clusterIP}",
    "get deploy web -o jsonpath={.metadata.labels}",
    "get deploy web -o jsonpath={.metadata.nothing}",
    "get deploy web -o jsonpath={.metadata",
    "get pods -o jsonpath-as-json={.items[*].metadata.name}",
    "get pods -o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName,IMAGE:.spec.containers[*].image,X:.nothing",
    "get pods -o custom-columns=NAME:metadata.name --no-headers",
    "get svc web -o custom-columns=S:{.spec.selector},P:.spec.ports[*].port",
    "get pods -l app=nothing -o custom-columns=N:.metadata.name",
    "describe pod web-5d8f-aaaaa",
    "describe pods",
    "describe deploy web",
    "describe rs web-5d8f",
    "describe job load",
    "describe svc web",
    "describe node one",
    // A namespace is described with its quotas, which are no kind of ours: kubectl leaves the line out then.
    "describe cm settings",
    "describe secret key",
    "describe pod nothing",
    "events",
    "events --for pod/web-5d8f-aaaaa",
    "events -A",
    "events -n other",
    "delete cm settings",
    "delete pod nothing",
    "rollout status deploy/web",
    "rollout status deploy/nothing",
    "rollout status job/load",
    "wait --for=condition=Available deploy/web",
    "wait --for=condition=complete job/load",
    "wait --for=condition=Ready pod/web-5d8f-aaaaa --timeout=5s",
    "wait --for=jsonpath={.metadata.name}=web-5d8f-aaaaa pod/web-5d8f-aaaaa",
    "wait --for=delete pod/nothing",
    "logs nothing",
    "logs web-5d8f-aaaaa -c nothing",
];

/// How often two answers that differ are asked for.
const TRIES: usize = 5;

async fn both(server: &Server, line: &str) -> (Ended, Ended) {
    let (mut theirs, mut ours) = tokio::join!(server.kubectl(line), server.masthead(line));
    if line.starts_with("describe cm ") {
        // kubectl shows the data in the order of Go's maps, another one each time.
        for ended in [&mut theirs, &mut ours] {
            let mut lines: Vec<&str> = ended.out.split_inclusive('\n').collect();
            lines.sort_unstable();
            ended.out = lines.concat();
        }
    }
    // Why a service has no endpoints is told by ours alone.
    ours.out = ours.out.split_inclusive('\n').filter(|line| !line.starts_with("No Endpoints:")).collect();
    (theirs, ours)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_command_line_prints_what_kubectl_prints() {
    let server = Server::start().await;
    if !server.has_kubectl() {
        return;
    }
    let mut wrong = Vec::new();
    for line in LINES {
        let (mut theirs, mut ours) = both(&server, line).await;
        // Ages may move on between the two.
        for _ in 1..TRIES {
            if theirs != ours {
                (theirs, ours) = both(&server, line).await;
            }
        }
        if theirs != ours {
            wrong.push(format!(
                "{line}\n--- kubectl ({:?})\n{}{}--- masthead ({:?})\n{}{}",
                theirs.code, theirs.out, theirs.err, ours.code, ours.out, ours.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), LINES.len(), wrong.join("\n\n"));
}
