//! A wish to delete one live object → the one write that starts or finishes it, as Kubernetes' registry would.

use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::meta::Time;
use masthead_api::object::{Error, Object};
use serde_json::{Value, json};

/// How dependents are treated (`propagationPolicy` of DeleteOptions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes at once, the garbage collector takes its dependents.
    #[default]
    Background,
    /// Dependents go first; the object waits behind the finalizer `foregroundDeletion`.
    Foreground,
    /// Dependents stay and lose their owner; the object waits behind the finalizer `orphan`.
    Orphan,
}

impl Propagation {
    fn finalizer(self) -> Option<&'static str> {
        match self {
            Propagation::Background => None,
            Propagation::Foreground => Some("foregroundDeletion"),
            Propagation::Orphan => Some("orphan"),
        }
    }
}

/// The grace of a pod that names none, in seconds (Kubernetes' `DefaultTerminationGracePeriodSeconds`).
const POD_GRACE_S: i64 = 30;

/// The write that deletes `live`, or starts to; `None` when the deletion is under way and this wish adds nothing.
///
/// A pod on a node goes gracefully: it is marked, and its node reports when it is gone. A namespace is marked and
/// emptied first. An object with finalizers is marked and waits for them. `grace_s` overrides the pod's own grace and
/// may only shorten one that runs.
///
/// # Errors
/// The object's body is not of its kind's shape.
pub fn delete(
    live: &Object,
    grace_s: Option<i64>,
    propagation: Propagation,
    now: Time,
    reason: &str,
) -> Result<Option<Change>, Error> {
    let gone = || Change::Delete { key: live.key().clone(), base: live.revision(), reason: reason.to_owned() };
    let mut value = live.value();
    let name = live.kind().info().kind;
    let marked = live.meta().deletion_timestamp.is_some();
    let mut finalizers = live.meta().finalizers.clone();
    if let Some(finalizer) = propagation.finalizer()
        && !marked
        && !finalizers.iter().any(|f| f == finalizer)
    {
        finalizers.push(finalizer.to_owned());
    }
    let grace_s = if name == "Pod" { pod_grace(&value, grace_s) } else { 0 };
    let waits_for_content = name == "Namespace"
        && value.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    if finalizers.is_empty() && grace_s == 0 && !waits_for_content {
        return Ok(Some(gone()));
    }
    if marked && live.meta().deletion_grace_period_seconds.is_none_or(|running| running <= grace_s) {
        return Ok(None);
    }
    let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Ok(Some(gone()));
    };
    meta.insert("deletionTimestamp".into(), json!(Time(now.0 + grace_s)));
    meta.insert("deletionGracePeriodSeconds".into(), json!(grace_s));
    if !finalizers.is_empty() {
        meta.insert("finalizers".into(), json!(finalizers));
    }
    if waits_for_content {
        value["status"]["phase"] = json!("Terminating");
    }
    let object = Arc::new(Object::from_value(value)?);
    Ok(Some(Change::Update { object, base: live.revision(), reason: reason.to_owned() }))
}

/// Seconds of grace: none for a pod that no node runs, or that has finished.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let at = |path: &str| pod.pointer(path);
    let unbound = at("/spec/nodeName").and_then(Value::as_str).unwrap_or_default().is_empty();
    let finished = matches!(at("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if unbound || finished {
        return 0;
    }
    asked.or_else(|| at("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64)).unwrap_or(POD_GRACE_S).max(0)
}
