//! What a user of kubectl sees who writes: with `--dry-run=server` what Kubernetes would make of it, else where it belongs.

use serde_json::{Value, json};

use super::objects;
use super::server::{Ended, Server};

async fn server() -> Option<Server> {
    let server = Server::start().await;
    server.has_kubectl().then_some(server)
}

/// The end of a command whose output is this.
fn says(ended: &Ended, out: &str) {
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), out), "{ended:?}");
}

/// The end of a command that fails with words like these.
fn fails(ended: &Ended, words: &str) {
    assert!(ended.code == Some(1) && ended.err.contains(words), "{words}: {ended:?}");
}

fn config(data: &Value) -> String {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "conf", "namespace": "default" }, "data": data })
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_are_judged() {
    let Some(server) = server().await else { return };
    let image = "-o jsonpath={.spec.template.spec.containers[0].image}";
    for (line, out) in [
        (r#"patch deploy web -p {"spec":{"replicas":3}} -o jsonpath={.spec.replicas}"#, "3"),
        (r#"patch deploy web --type=merge -p {"spec":{"replicas":4}} -o jsonpath={.spec.replicas}"#, "4"),
        (
            r#"patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":5}] -o jsonpath={.spec.replicas}"#,
            "5",
        ),
        (&format!("set image deploy/web app=web:2 {image}"), "web:2"),
        ("set env deploy/web A=1 -o jsonpath={.spec.template.spec.containers[0].env}", r#"[{"name":"A","value":"1"}]"#),
        ("label deploy web tier=front", "deployment.apps/web labeled (server dry run)\n"),
        ("annotate deploy web note=x", "deployment.apps/web annotated (server dry run)\n"),
    ] {
        says(&server.kubectl(&format!("{line} --dry-run=server")).await, out);
    }
    for (line, words) in [
        (r#"patch deploy web -p {"spec":{"replicas":"x"}}"#, "unrecognized type: int32"),
        (r#"patch deploy web -p {"spec":{"replicas":-1}}"#, "must be greater than or equal to 0"),
        (r#"patch deploy web -p {"spec":{"selector":{"matchLabels":{"x":"y"}}}}"#, "field is immutable"),
        (
            r#"patch deploy web --type=json -p [{"op":"remove","path":"/spec/none"}]"#,
            "the server rejected our request due to an error in our request",
        ),
        (r#"patch deploy web -p {"metadata":{"resourceVersion":"1"}}"#, "the object has been modified"),
        (r#"patch deploy gone -p {}"#, "deployments.apps \"gone\" not found"),
    ] {
        fails(&server.kubectl(&format!("{line} --dry-run=server")).await, words);
    }
    let unknown = server.kubectl(r#"patch deploy web --dry-run=server -p {"spec":{"bogus":1}}"#).await;
    assert!(unknown.code == Some(0) && unknown.err.contains("unknown field \"spec.bogus\""), "{unknown:?}");
    let grant = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": {"name": "g"}, "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}],
            "to": [{"group": "", "kind": "Service"}]}});
    server.put(objects::made(grant, "g-1")).await;
    let patch = r#"patch referencegrant g --dry-run=server -p {"spec":{"to":[{"group":"","kind":"Secret"}]}}"#;
    fails(
        &server.kubectl(patch).await,
        "application/strategic-merge-patch+json is not supported by gateway.networking",
    );
    says(&server.kubectl(&format!("{patch} --type=merge -o jsonpath={{.spec.to[0].kind}}")).await, "Secret");
    let live = server.kubectl("get deploy web -o jsonpath={.spec.replicas}").await;
    says(&live, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_are_judged() {
    let Some(server) = server().await else { return };
    let apply = async |line: &str, body: &str| server.with_input(false, &format!("{line} -f -"), body).await;
    let (old, new) = (config(&json!({ "a": "1" })), config(&json!({ "a": "2" })));
    says(&apply("apply --dry-run=server", &old).await, "configmap/conf created (server dry run)\n");
    says(&apply("create --dry-run=server", &old).await, "configmap/conf created (server dry run)\n");
    let mut made = objects::made(serde_json::from_str(&old).unwrap(), "c-1");
    made["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/last-applied-configuration": old });
    server.put(made).await;
    says(&apply("apply --dry-run=server", &new).await, "configmap/conf configured (server dry run)\n");
    says(&apply("replace --dry-run=server", &new).await, "configmap/conf replaced (server dry run)\n");
    fails(&apply("create --dry-run=server", &new).await, "configmaps \"conf\" already exists");
    let mut wrong: Value = serde_json::from_str(&new).unwrap();
    wrong["dta"] = json!({});
    fails(&apply("apply --dry-run=server", &wrong.to_string()).await, "unknown field \"dta\"");
    let diff = apply("diff", &new).await;
    if diff.err.contains("executable file not found") {
        eprintln!("skipped: diff is not installed");
    } else {
        assert!(diff.code == Some(1) && diff.out.contains("-  a: \"1\"\n+  a: \"2\"\n"), "{diff:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_dry_run_is_refused_and_told_where_it_belongs() {
    let Some(server) = server().await else { return };
    server.applied(objects::deployment(), ("apps/web.yaml", 3)).await;
    let git = "the API of this cluster is the git repository http://example/repo.git (branch main): ";
    let edit = format!("{git}edit apps/web.yaml:3, commit and push");
    for line in [
        r#"patch deploy web -p {"spec":{"replicas":3}}"#,
        "set image deploy/web app=web:2",
        "label deploy web tier=front",
        "rollout restart deploy/web",
        "scale deploy web --replicas=3",
    ] {
        fails(&server.kubectl(line).await, &edit);
    }
    let add = format!("{git}add a manifest there, commit and push");
    fails(&server.with_input(false, "apply -f -", &config(&json!({}))).await, &add);
    fails(&server.with_input(false, "create -f -", &config(&json!({}))).await, &add);
    fails(&server.with_input(false, "apply --server-side -f -", &config(&json!({}))).await, &add);
    // Some commands send protobuf.
    fails(&server.kubectl("create ns fresh").await, &format!("namespaces \"fresh\" is forbidden: {add}"));
    says(&server.kubectl("create ns fresh --dry-run=server").await, "namespace/fresh created (server dry run)\n");
    let made =
        "create deployment d --image=d:1 --port=80 --dry-run=server -o jsonpath={.spec.template.spec.containers}";
    let made = server.kubectl(made).await;
    assert!(
        made.code == Some(0) && made.out.contains(r#""ports":[{"containerPort":80,"protocol":"TCP"}]"#),
        "{made:?}"
    );
    says(&server.kubectl("auth can-i get pods").await, "yes\n");
    says(&server.kubectl("auth can-i delete pods").await, "yes\n");
    let no = server.kubectl("auth can-i create deployments.apps").await;
    assert!(no.code == Some(1) && no.out.starts_with("no - the API of this cluster is the git repository"), "{no:?}");
    let all = server.kubectl("auth can-i --list").await;
    assert!(
        all.code == Some(0) && all.out.lines().any(|line| line.starts_with("pods/exec ") && line.ends_with("[create]")),
        "{all:?}"
    );
    let apply = server.with_input(false, "apply --server-side --dry-run=server -f -", &config(&json!({}))).await;
    fails(&apply, "server-side apply is not served: objects of this cluster are applied from its git repository");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_are_explained() {
    let Some(server) = server().await else { return };
    for (line, words) in [
        (
            "explain deploy.spec.replicas",
            "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nFIELD: replicas <integer>",
        ),
        ("explain pod.spec.containers.env", "FIELD: env <[]EnvVar>"),
        ("explain svc", "FIELDS:\n  apiVersion\t<string>"),
        ("explain httproute.spec.rules", "KIND:       HTTPRoute"),
        ("explain release.spec", "GROUP:      masthead.dev"),
    ] {
        let ended = server.kubectl(line).await;
        assert!(ended.code == Some(0) && ended.out.contains(words), "{line}: {ended:?}");
    }
    fails(&server.kubectl("explain pod.spec.bogus").await, "field \"bogus\" does not exist");
    fails(&server.kubectl("explain nosuch").await, "the server doesn't have a resource type \"nosuch\"");
}
