//! The object of a hook that runs → whether it has come to its end, and to which.

use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::POD;
use serde_json::Value;

use crate::cluster::view::Cluster;
use crate::health::assess::assess;
use crate::health::pod;
use crate::health::verdict::Health;
use crate::sync::installed::Active;

/// Where a hook with an end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It runs, or waits to.
    Open {
        /// How far it is.
        line: String,
        /// What will not get better by itself, as far as can be told now.
        trouble: Option<String>,
    },
    /// It came to a good end.
    Succeeded,
    /// It came to a bad one.
    Failed(String),
}

impl End {
    fn open(line: impl Into<String>) -> End {
        End::Open { line: line.into(), trouble: None }
    }
}

/// The end of a Job or a Pod. A pod that is ready has none yet: hooks are over when they exit (Helm's
/// `WatchUntilReady`).
pub fn end(cluster: &Cluster, active: &Active) -> End {
    let Some(live) = cluster.get(&active.key).filter(|live| live.meta().uid == active.uid) else {
        return End::Failed("it was deleted before it came to its end".to_owned());
    };
    let health = assess(cluster, &active.key);
    let open = |health: Option<Health>| match health {
        Some(Health::Progressing { message }) => End::open(message),
        Some(failed @ Health::Failed { .. }) => {
            End::Open { line: failed.to_string(), trouble: Some(failed.to_string()) }
        }
        Some(Health::Healthy) | None => End::open("runs"),
    };
    if live.key().kind == POD {
        let Ok(found) = live.typed::<Pod>() else { return End::Failed("it cannot be read".to_owned()) };
        return match found.status.phase.as_str() {
            "Succeeded" => End::Succeeded,
            "Failed" => End::Failed(pod::assess(&found).to_string()),
            _ => open(health),
        };
    }
    let value = live.value();
    match job_condition(&value, "Failed") {
        Some(why) => End::Failed(why),
        None if job_condition(&value, "Complete").is_some() => End::Succeeded,
        None => open(health),
    }
}

/// `Reason: message` of a condition of a Job that is true.
fn job_condition(job: &Value, kind: &str) -> Option<String> {
    let conditions = job.pointer("/status/conditions")?.as_array()?;
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let found = conditions.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")?;
    Some(match (text(found, "reason"), text(found, "message")) {
        (reason, message) if message.is_empty() => reason,
        (reason, message) if reason.is_empty() => message,
        (reason, message) => format!("{reason}: {message}"),
    })
}
