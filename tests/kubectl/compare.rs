//! The same line to kubectl and to us: the same text and the same exit code.

use super::server::Server;

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
    "wait --for=condition=Available deploy/web",
    "wait --for=condition=complete job/load",
    "wait --for=condition=Ready pod/web-5d8f-aaaaa --timeout=5s",
    "logs nothing",
    "logs web-5d8f-aaaaa -c nothing",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_command_line_prints_what_kubectl_prints() {
    let server = Server::start().await;
    if !server.has_kubectl() {
        return;
    }
    let mut wrong = Vec::new();
    for line in LINES {
        let (theirs, ours) = tokio::join!(server.kubectl(line), server.masthead(line));
        // Ages may move on between the two.
        let (theirs, ours) =
            if theirs == ours { (theirs, ours) } else { (server.kubectl(line).await, server.masthead(line).await) };
        // Why a service has no endpoints is told by ours alone.
        let mut ours = ours;
        ours.out = ours.out.split_inclusive('\n').filter(|line| !line.starts_with("No Endpoints:")).collect();
        if theirs != ours {
            wrong.push(format!(
                "{line}\n--- kubectl ({:?})\n{}{}--- masthead ({:?})\n{}{}",
                theirs.code, theirs.out, theirs.err, ours.code, ours.out, ours.err
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), LINES.len(), wrong.join("\n\n"));
}
