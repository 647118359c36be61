//! Recorded scenarios of kubectl against a real Kubernetes → the same answers here, of all commands that write nothing.

use std::path::PathBuf;

use masthead_api::kind::Kind;
use masthead_yaml::limits::Limits;
use serde_json::{Value, json};

use super::objects;
use super::server::Server;

const NAMESPACE: &str = "scenario";

/// Scenarios that need what is not here: kinds, other users, pods that run, or writes.
const WRITING: &[&str] = &[
    "annotate",
    "apply",
    "auth-can-i",
    "autoscale",
    "create-file",
    "create-job",
    "create-misc",
    "create-rbac",
    "create-secret",
    "create-service",
    "custom-resource",
    "delete-file",
    "events",
    "label",
    "patch",
    "replace",
    "rollout",
    "scale",
    "set-",
];

fn skipped(name: &str) -> Option<&'static str> {
    match name {
        "get-table" | "describe-deployment" => Some("the pods are run by the recorder's nodes"),
        "cluster-info-version" => Some("names and versions are Masthead's own"),
        _ if WRITING.iter().any(|begin| name.starts_with(begin)) => Some("objects are written in git"),
        _ => None,
    }
}

/// Commands that are asked about what is not here.
fn is_left_out(args: &[&str]) -> bool {
    args.contains(&"--show-managed-fields")
        // Each namespace of the recorder has a ConfigMap of its own.
        || args == ["get", "pods,cm", "-o", "name"]
        // No enumerations are told.
        || args == ["explain", "pod.spec.containers.imagePullPolicy"]
        || args == ["explain", "deploy.spec.strategy.type"]
        || args == ["explain", "svc.spec.type"]
}

fn scenarios() -> Vec<Value> {
    let shared = std::env::var_os("MASTHEAD_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let path = shared.join("corpus/api/kubectl/kubectl.json");
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).unwrap(),
        Err(_) => {
            eprintln!("skipped: no {}", path.display());
            Vec::new()
        }
    }
}

/// The text with what the recordings mask.
fn masked(text: &str) -> String {
    let lines = text.lines().filter_map(|line| {
        // Where the two sides of a difference were.
        if ["diff -u", "--- ", "+++ "].iter().any(|begin| line.starts_with(begin)) {
            return None;
        }
        let mut line = line.replace(NAMESPACE, "<NS>");
        for (field, mask) in [("creationTimestamp", "<TIME>"), ("uid", "<UID>"), ("resourceVersion", "\"<RV>\"")] {
            for (begin, quote) in [(format!("{field}: "), ""), (format!("\"{field}\": "), ",")] {
                let Some(at) = line.find(&begin) else { continue };
                let value = line[at + begin.len()..].trim_end_matches(',').to_owned();
                if value != "\"\"" && !value.contains('<') {
                    let end = if quote == "," && line.ends_with(',') { "," } else { "" };
                    let mask = if quote == "," && field == "uid" { "\"<UID>\"" } else { mask };
                    line = format!("{}{begin}{mask}{end}", &line[..at]);
                }
            }
        }
        Some(line.trim_end().to_owned())
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

async fn set_up(server: &Server, manifests: &str) {
    let (documents, faults) = masthead_yaml::parse::documents(manifests.as_bytes(), &Limits::default());
    assert!(faults.is_empty(), "{faults:?}");
    for (at, document) in documents.into_iter().enumerate() {
        let mut manifest = document.value;
        let text = |field: &str| manifest[field].as_str().unwrap_or_default().to_owned();
        let kind = Kind::by_gvk(&text("apiVersion"), &text("kind")).expect("a kind that is here");
        if kind.info().namespaced {
            manifest["metadata"]["namespace"] = NAMESPACE.into();
        }
        let mut made = objects::made(manifest, &format!("uid-{at}"));
        // Only kinds that have a spec have one.
        if made.get("spec").is_none() {
            made["metadata"].as_object_mut().unwrap().remove("generation");
        }
        server.put(made).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_write_nothing_answer_as_recorded() {
    let (mut ran, mut wrong) = (0, Vec::new());
    for case in scenarios() {
        let name = case["name"].as_str().unwrap();
        if let Some(why) = skipped(name) {
            println!("skipped: {name}: {why}");
            continue;
        }
        let server = Server::start().await;
        if !server.has_kubectl() {
            return;
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        server.put(objects::made(namespace, "ns-1")).await;
        set_up(&server, case["setup"].as_str().unwrap_or_default()).await;
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in case["files"].as_object().into_iter().flatten() {
            std::fs::write(dir.path().join(file), text.as_str().unwrap()).unwrap();
        }
        for command in case["commands"].as_array().unwrap() {
            let Some(args) = command["args"].as_array() else { continue };
            let args: Vec<&str> = args.iter().map(|arg| arg.as_str().unwrap()).collect();
            if is_left_out(&args) {
                println!("skipped: {name}: {args:?}");
                continue;
            }
            let ended = server.kubectl_at(dir.path(), NAMESPACE, &args).await;
            ran += 1;
            let (out, expect) = (masked(&ended.out), masked(command["stdout"].as_str().unwrap()));
            let expect = expect.replace("<DESCRIPTION>", "<empty>");
            // kubectl shows the data of ConfigMaps and Secrets in the order of Go's maps, another one each time.
            let is_shuffled = matches!(args[..], ["describe", "cm" | "configmap" | "secret", ..]);
            let same = if is_shuffled { sorted(&out) == sorted(&expect) } else { out == expect };
            if ended.code.map(i64::from) != command["exit"].as_i64() || !same {
                wrong.push(format!("{name} {args:?}: {ended:?}\n  got    {out:?}\n  expect {expect:?}"));
            }
        }
    }
    println!("{ran} commands");
    assert!(wrong.is_empty(), "{} of {ran} differ:\n{}", wrong.len(), wrong.join("\n"));
}
