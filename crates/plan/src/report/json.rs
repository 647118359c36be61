//! A plan → JSON for programs, with a digest that an approval can bind to.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::diff::clean;
use crate::report::text;
use crate::sync::entry::{Action, SyncPlan};
use crate::sync::rollout::{HookState, HookStep, Rollout};

/// The plan as `kind: Plan` of `masthead.dev/v1`.
pub fn plan(plan: &SyncPlan) -> Value {
    let entries: Vec<Value> = plan
        .entries
        .iter()
        .map(|entry| {
            json!({
                "action": entry.action,
                "apiVersion": entry.key.kind.info().api_version(),
                "kind": entry.key.kind.info().kind,
                "namespace": entry.key.namespace,
                "name": entry.key.name,
                "reason": entry.reason,
                "origin": entry.origin.as_ref().map(ToString::to_string),
                "diff": if entry.action == Action::Move { String::new() } else { text::diff_lines(entry).join("\n") },
            })
        })
        .collect();
    json!({
        "apiVersion": "masthead.dev/v1",
        "kind": "Plan",
        "commit": plan.commit,
        "revision": plan.base,
        "summary": {
            "create": plan.count(Action::Create),
            "change": plan.count(Action::Change),
            "replace": plan.count(Action::Replace),
            "delete": plan.count(Action::Delete),
            "unchanged": plan.unchanged + plan.count(Action::Move),
            "hooks": plan.hooks_open(),
        },
        "refusals": plan.refusals,
        "entries": entries,
        "hooks": plan.hooks().map(|(release, hook)| self::hook(release, hook)).collect::<Vec<_>>(),
        "suspended": plan.suspended().map(|release| release.key.clone()).collect::<Vec<_>>(),
        "digest": digest(plan),
    })
}

/// A hook in the order in which it runs.
fn hook(release: &Rollout, hook: &HookStep) -> Value {
    let key = hook.object.key();
    json!({
        "release": release.key,
        "event": hook.event,
        "apiVersion": key.kind.info().api_version(),
        "kind": key.kind.info().kind,
        "namespace": key.namespace,
        "name": key.name,
        "weight": hook.weight,
        "state": match hook.state {
            HookState::Pending => "pending",
            HookState::Running => "running",
            HookState::Done => "done",
            HookState::Failed => "failed",
        },
        "origin": hook.origin.to_string(),
    })
}

/// SHA-256 over what the plan does: two plans with the same effect have the same digest, whatever uids they draw.
pub fn digest(plan: &SyncPlan) -> String {
    let mut hash = Sha256::new();
    for entry in plan.entries.iter().filter(|e| e.action != Action::Move) {
        for part in [entry.action.to_string(), entry.key.to_string()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        // The whole objects, secrets included, so that an approval is bound to their values too.
        for state in [&entry.before, &entry.after].into_iter().flatten() {
            hash.update(Sha256::digest(content(&state.value()).to_string().as_bytes()));
        }
    }
    for (release, hook) in plan.hooks().filter(|(_, hook)| hook.state != HookState::Done) {
        for part in [release.key.to_string(), hook.event.to_string(), content(&hook.object.value()).to_string()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An object without what differs from draw to draw and what controllers report.
fn content(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["uid", "creationTimestamp", "generation", "resourceVersion", "managedFields"] {
            meta.remove(field);
        }
    }
    clean::without_uid(&mut value);
    value
}
