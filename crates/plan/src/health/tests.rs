//! Health and lines by table.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{CONFIG_MAP, DEPLOYMENT, JOB, POD, REPLICA_SET};
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::health::assess::{assess, line};
use crate::health::verdict::Health;

fn cluster(objects: impl IntoIterator<Item = Value>) -> Cluster {
    let mut cluster = Cluster::default();
    for object in objects {
        cluster.apply(Event::Put(Arc::new(Object::from_value(object).unwrap())));
    }
    cluster
}

fn pod(spec: Value, status: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": status,
        "metadata": {"name": "p", "namespace": "d", "uid": "p", "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-x", "uid": "rs", "controller": true}]}})
}

fn bound() -> Value {
    json!({"nodeName": "n", "containers": [{"name": "c"}]})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": reason, "message": message}}}]})
}

#[test]
fn pods_tell_what_holds_them_up() {
    let check = |spec: Value, status: Value, expect: Health| {
        let key = ObjectKey::new(POD, "d", "p");
        assert_eq!(assess(&cluster([pod(spec, status.clone())]), &key), Some(expect), "{status}");
    };
    check(bound(), json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), Health::Healthy);
    check(bound(), json!({"phase": "Succeeded"}), Health::Healthy);
    check(json!({"containers": []}), json!({"phase": "Pending"}), Health::progressing("waits for a node"));
    let unschedulable = json!({"phase": "Pending", "conditions":
        [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]});
    check(json!({"containers": []}), unschedulable, Health::progressing("not scheduled: 0/1 nodes are available"));
    check(bound(), waiting("ContainerCreating", ""), Health::progressing("container c: ContainerCreating"));
    check(
        bound(),
        waiting("ImagePullBackOff", "Back-off pulling image \"nignx\""),
        Health::failed("ImagePullBackOff", "container c: Back-off pulling image \"nignx\""),
    );
    // One pull after the other tells one or the other: all are told alike.
    for reason in ["ErrImagePull", "ImageInspectError", "RegistryUnavailable"] {
        check(bound(), waiting(reason, "why"), Health::failed(reason, "container c: why"));
    }
    let mut looping = waiting("CrashLoopBackOff", "");
    looping["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
    check(
        bound(),
        looping,
        Health::failed("CrashLoopBackOff", "container c; it last exited with code 137 (OOMKilled)"),
    );
    let running = json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": false, "started": true, "state": {"running": {}}}]});
    check(bound(), running, Health::progressing("container c is not ready"));
    let ended = json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]});
    check(bound(), ended, Health::failed("Error", "container c exited with code 3"));
    check(
        bound(),
        json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}),
        Health::failed("Evicted", "disk"),
    );
}

#[test]
fn a_pod_is_what_it_is_once_its_node_has_seen_the_change() {
    let check = |observed: i64, expect: Health| {
        let ready = json!({"phase": "Running", "observedGeneration": observed, "conditions": [{"type": "Ready", "status": "True"}]});
        let mut changed = pod(bound(), ready);
        changed["metadata"]["generation"] = json!(2);
        assert_eq!(assess(&cluster([changed]), &ObjectKey::new(POD, "d", "p")), Some(expect), "{observed}");
    };
    check(2, Health::Healthy);
    check(1, Health::progressing("its node has yet to see the change"));
    // A node that tells no generation.
    check(0, Health::Healthy);
}

fn deployment(generation: i64, status: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "d", "uid": "d", "generation": generation},
        "spec": {"replicas": 5, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": []}}}, "status": status})
}

fn set() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": 5, "template": {"spec": {"containers": []}}},
        "status": {"replicas": 5, "readyReplicas": 2},
        "metadata": {"name": "web-x", "namespace": "d", "uid": "rs", "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d", "controller": true}]}})
}

#[test]
fn deployments_tell_how_far_they_are() {
    let check = |generation: i64, status: Value, pods: Vec<Value>, healthy: Option<bool>, expect: &str| {
        let cluster = cluster([deployment(generation, status), set()].into_iter().chain(pods));
        let key = ObjectKey::new(DEPLOYMENT, "d", "web");
        assert_eq!(line(&cluster, &key), expect);
        let found = assess(&cluster, &key).unwrap();
        let is = found.is_settled().then(|| found.is_healthy());
        assert_eq!(is, healthy, "{expect}");
    };
    let done = json!({"observedGeneration": 2, "replicas": 5, "updatedReplicas": 5, "readyReplicas": 5, "availableReplicas": 5});
    check(2, done.clone(), vec![], Some(true), "Deployment d/web: 5 of 5 updated, 5 available");
    check(3, done, vec![], None, "Deployment d/web: 5 of 5 updated, 5 available; waits to be seen by its controller");
    let part = json!({"observedGeneration": 2, "replicas": 6, "updatedReplicas": 3, "availableReplicas": 2});
    check(2, part.clone(), vec![], None, "Deployment d/web: 3 of 5 updated, 2 available, 3 old to go");
    let bad = || vec![pod(bound(), waiting("ErrImagePull", "not found"))];
    check(
        2,
        part,
        bad(),
        None,
        "Deployment d/web: 3 of 5 updated, 2 available, 3 old to go; p: ErrImagePull: container c: not found",
    );
    let late = json!({"observedGeneration": 2, "replicas": 6, "updatedReplicas": 1, "availableReplicas": 5, "conditions":
        [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-x\" has timed out progressing."}]});
    check(
        2,
        late,
        bad(),
        Some(false),
        "Deployment d/web: 1 of 5 updated, 5 available, 5 old to go; ProgressDeadlineExceeded: ReplicaSet \"web-x\" has timed out progressing. p: ErrImagePull: container c: not found",
    );
}

#[test]
fn other_objects_are_healthy_when_stored() {
    let mut leaving = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}});
    let key = ObjectKey::new(CONFIG_MAP, "d", "c");
    assert_eq!(assess(&cluster([leaving.clone()]), &key), Some(Health::Healthy));
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    leaving["metadata"]["finalizers"] = json!(["x/y"]);
    assert_eq!(line(&cluster([leaving]), &key), "ConfigMap d/c: being deleted, waits for x/y");
    assert_eq!(line(&cluster([]), &key), "ConfigMap d/c: gone");
    let rs = ObjectKey::new(REPLICA_SET, "d", "web-x");
    assert_eq!(line(&cluster([set()]), &rs), "ReplicaSet d/web-x: 2 of 5 ready");
}

#[test]
fn jobs_tell_how_they_ended_and_what_holds_them_up() {
    let check = |spec: Value, status: Value, pods: Vec<Value>, healthy: Option<bool>, expect: &str| {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "d", "uid": "rs"},
            "spec": {"completions": 2, "template": {"spec": {"containers": []}}}, "status": status});
        job["spec"].as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap());
        let key = ObjectKey::new(JOB, "d", "once");
        let mut marked = job.clone();
        let cluster = cluster([job].into_iter().chain(pods.clone()));
        assert_eq!(line(&cluster, &key), expect);
        let found = assess(&cluster, &key).unwrap();
        assert_eq!(found.is_settled().then(|| found.is_healthy()), healthy, "{expect}");
        // What came of it stands while it goes.
        marked["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let leaving = assess(&self::cluster([marked]), &key).unwrap();
        let ended = found.is_settled() && !status["conditions"].is_null();
        assert_eq!(leaving == found, ended, "{expect}");
    };
    let done = |kind: &str, reason: &str, message: &str| json!({"conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}], "succeeded": 2});
    let pending = || vec![pod(bound(), waiting("ImagePullBackOff", "no such image"))];
    check(json!({}), json!({}), vec![], None, "Job d/once: 0 of 2 succeeded, 0 active");
    check(json!({"completions": null}), json!({"active": 3}), vec![], None, "Job d/once: 0 succeeded, 3 active");
    check(
        json!({}),
        json!({"succeeded": 1, "active": 1, "failed": 2}),
        pending(),
        None,
        "Job d/once: 1 of 2 succeeded, 1 active, 2 failed; p: ImagePullBackOff: container c: no such image",
    );
    check(
        json!({}),
        done("Complete", "CompletionsReached", ""),
        vec![],
        Some(true),
        "Job d/once: 2 of 2 succeeded, 0 active",
    );
    check(
        json!({}),
        done("FailureTarget", "DeadlineExceeded", "too long"),
        vec![],
        None,
        "Job d/once: 2 of 2 succeeded, 0 active; DeadlineExceeded: too long",
    );
    check(
        json!({}),
        done("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        vec![],
        Some(false),
        "Job d/once: 2 of 2 succeeded, 0 active; BackoffLimitExceeded: Job has reached the specified backoff limit",
    );
    let mut indexes = done("Failed", "FailedIndexes", "Job has failed indexes");
    indexes["failedIndexes"] = "1,4-6".into();
    check(
        json!({"completionMode": "Indexed"}),
        indexes,
        vec![],
        Some(false),
        "Job d/once: 2 of 2 succeeded, 0 active; FailedIndexes: Job has failed indexes (failed indexes: 1,4-6)",
    );
    check(json!({"suspend": true}), json!({}), vec![], Some(true), "Job d/once: 0 of 2 succeeded, 0 active");
    check(
        json!({"managedBy": "example.com/queue"}),
        json!({}),
        vec![],
        Some(false),
        "Job d/once: 0 of 2 succeeded, 0 active; ManagedByOther: its pods are left to the controller example.com/queue, which is not here",
    );
}
