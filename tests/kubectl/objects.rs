//! The objects that the server under test begins with.

use std::time::{SystemTime, UNIX_EPOCH};

use masthead_api::admit;
use masthead_api::meta::Time;
use serde_json::{Value, json};

/// A time some seconds ago.
pub fn ago(seconds: i64) -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Time(i64::try_from(now).unwrap() - seconds)
}

/// Defaulted, with a uid and a time of creation two hours and a half ago.
pub fn made(manifest: Value, uid: &str) -> Value {
    let status = manifest.get("status").cloned();
    let owners = manifest.pointer("/metadata/ownerReferences").cloned();
    let mut value = admit::create(manifest, "default").unwrap_or_else(|problems| panic!("{problems:?}"));
    value["metadata"]["uid"] = uid.into();
    value["metadata"]["generation"] = 1.into();
    value["metadata"]["creationTimestamp"] = json!(ago(9000));
    value = admit::settle(value).expect("an admitted object");
    if let Some(owners) = owners {
        value["metadata"]["ownerReferences"] = owners;
    }
    if let Some(status) = status {
        value["status"] = status;
    }
    value
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true }])
}

fn template() -> Value {
    json!({
        "metadata": { "labels": { "app": "web", "pod-template-hash": "5d8f" } },
        "spec": { "containers": [{ "name": "app", "image": "web:1", "ports": [{ "name": "http", "containerPort": 8080 }], "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } } }] },
    })
}

/// A deployment that is up.
pub fn deployment() -> Value {
    let condition = |kind: &str, reason: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": "fine", "lastUpdateTime": ago(8000), "lastTransitionTime": ago(8000) });
    made(
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "annotations": { "deployment.kubernetes.io/revision": "1" }, "labels": { "app": "web" } },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": { "metadata": { "labels": { "app": "web" } }, "spec": template()["spec"] } },
            "status": {
                "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
                "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
            },
        }),
        "d-1",
    )
}

fn replica_set() -> Value {
    made(
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": "web-5d8f", "labels": { "app": "web", "pod-template-hash": "5d8f" }, "annotations": { "deployment.kubernetes.io/revision": "1" }, "ownerReferences": owner("Deployment", "web", "d-1") },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web", "pod-template-hash": "5d8f" } }, "template": template() },
            "status": { "observedGeneration": 1, "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2 },
        }),
        "r-1",
    )
}

/// A job that is done.
fn job() -> Value {
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "reason": "CompletionsReached", "message": "fine", "lastProbeTime": ago(7000), "lastTransitionTime": ago(7000) });
    made(
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "load" },
            "spec": { "completions": 3, "parallelism": 2, "completionMode": "Indexed", "ttlSecondsAfterFinished": 90000, "activeDeadlineSeconds": 3000,
                "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "app", "image": "load:1" }] } } },
            "status": { "conditions": [condition("SuccessCriteriaMet"), condition("Complete")], "startTime": ago(9000), "completionTime": ago(7000),
                "succeeded": 3, "completedIndexes": "0-2", "ready": 0, "terminating": 0, "uncountedTerminatedPods": {} },
        }),
        "j-1",
    )
}

/// A pod of the replica set.
pub fn pod(name: &str, uid: &str) -> Value {
    let condition =
        |kind: &str| json!({ "type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": ago(8990) });
    let running = json!({
        "name": "app", "ready": true, "started": true, "restartCount": 1, "image": "web:1", "imageID": "sha256:1", "containerID": "embedded://c1",
        "state": { "running": { "startedAt": ago(600) } },
        "lastState": { "terminated": { "exitCode": 1, "reason": "Error", "startedAt": ago(8980), "finishedAt": ago(601) } },
    });
    let mut pod = made(
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "labels": { "app": "web", "pod-template-hash": "5d8f" } },
            "spec": template()["spec"],
            "status": {
                "phase": "Running", "podIP": "10.244.0.5", "podIPs": [{ "ip": "10.244.0.5" }], "hostIP": "192.0.2.1", "startTime": ago(8999), "qosClass": "Burstable",
                "conditions": [condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")],
                "containerStatuses": [running],
            },
        }),
        uid,
    );
    pod["metadata"]["ownerReferences"] = owner("ReplicaSet", "web-5d8f", "r-1");
    pod["spec"]["nodeName"] = "one".into();
    pod
}

fn node() -> Value {
    let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "KubeletReady", "message": "fine", "lastHeartbeatTime": ago(5), "lastTransitionTime": ago(8000) });
    made(
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": "one", "labels": { "kubernetes.io/hostname": "one", "node-role.kubernetes.io/control-plane": "" } },
            "status": {
                "capacity": { "cpu": "2", "memory": "8Gi", "pods": "110" }, "allocatable": { "cpu": "2", "memory": "8Gi", "pods": "110" },
                "conditions": [condition("MemoryPressure", "False"), condition("Ready", "True")],
                "addresses": [{ "type": "InternalIP", "address": "192.0.2.1" }, { "type": "Hostname", "address": "one" }],
                "nodeInfo": {
                    "machineID": "m", "systemUUID": "s", "bootID": "b", "kernelVersion": "6.1.0", "osImage": "Linux", "containerRuntimeVersion": "embedded://0.1.0",
                    "kubeletVersion": "v1.32.0", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
                },
            },
        }),
        "n-1",
    )
}

/// An event about the first pod.
pub fn event(name: &str, reason: &str, count: i64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": name, "namespace": "default", "uid": name, "creationTimestamp": ago(1200) },
        "involvedObject": { "kind": "Pod", "apiVersion": "v1", "namespace": "default", "name": "web-5d8f-aaaaa", "uid": "p-1" },
        "reason": reason, "message": format!("{reason} it"), "type": "Normal", "count": count, "source": { "component": "kubelet", "host": "one" },
        "firstTimestamp": ago(1200), "lastTimestamp": ago(600), "reportingComponent": "kubelet", "reportingInstance": "one", "eventTime": null,
    })
}

/// All of them.
pub fn all() -> Vec<Value> {
    let namespace = |name: &str, uid: &str| {
        let mut value = made(
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } } }),
            uid,
        );
        value["status"] = json!({ "phase": "Active" });
        value
    };
    vec![
        namespace("default", "ns-1"),
        namespace("other", "ns-2"),
        node(),
        deployment(),
        replica_set(),
        job(),
        pod("web-5d8f-aaaaa", "p-1"),
        pod("web-5d8f-bbbbb", "p-2"),
        made(
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] } }),
            "s-1",
        ),
        made(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "a": "1", "b": "two\nlines\n" } }),
            "c-1",
        ),
        made(
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key" }, "type": "Opaque", "data": { "password": "aHVudGVyMg==" } }),
            "k-1",
        ),
        made(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } }), "a-1"),
        event("web.1", "Pulled", 1),
        event("web.2", "Started", 3),
    ]
}
