//! A plan → lines for a terminal or for the `remote:` lines of a push.

use crate::diff::unified;
use crate::sync::entry::{Action, Entry, SyncPlan};
use crate::sync::release::HookEvent;
use crate::sync::rollout::{HookState, HookStep, Rollout};

/// Diff lines shown of one object before the rest is counted; a push must stay readable.
pub const DIFF_LINES_MAX: usize = 400;

/// The mark before an object's name.
pub fn mark(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Change => "~",
        Action::Replace => "±",
        Action::Delete => "-",
        Action::Move => ">",
    }
}

/// The mark before a hook.
pub const HOOK: &str = "*";

/// The mark before a release that is left alone.
pub const SUSPENDED: &str = "=";

/// `pre-upgrade hook Job default/migrate will run: Release default/shop, charts/shop/templates/migrate.yaml:1`.
pub fn hook_line(release: &Rollout, hook: &HookStep) -> String {
    let state = match hook.state {
        HookState::Pending => "will run",
        HookState::Running => "runs",
        HookState::Done => "has run",
        HookState::Failed => "has failed",
    };
    format!("{} hook {} {state}: {}, {}", hook.event, hook.object.key(), release.key, hook.origin)
}

/// Why nothing of a release changes.
pub fn suspended(release: &Rollout) -> String {
    format!("suspended at {}, nothing of it changes", release.origin)
}

/// Whether hooks of an event come before the objects.
pub fn is_before(event: HookEvent) -> bool {
    matches!(event, HookEvent::PreInstall | HookEvent::PreUpgrade | HookEvent::PreRollback | HookEvent::PreDelete)
}

/// The whole plan; `diffs` adds each object's unified diff.
pub fn plan(plan: &SyncPlan, diffs: bool) -> Vec<String> {
    let mut lines = vec![format!("plan for {} {:?}: {}", plan.commit.short(), plan.commit.subject, plan.summary())];
    lines.extend(plan.suspended().map(|release| format!("  {SUSPENDED} {}: {}", release.key, suspended(release))));
    let steps = |before: bool| {
        let chosen = plan.hooks().filter(move |(_, hook)| is_before(hook.event) == before);
        chosen.map(|(release, hook)| format!("  {HOOK} {}", hook_line(release, hook)))
    };
    lines.extend(steps(true));
    for entry in plan.entries.iter().filter(|e| e.action != Action::Move) {
        lines.push(format!("  {} {}: {}", mark(entry.action), entry.key, entry.reason));
        if diffs && entry.action != Action::Create {
            lines.extend(diff_lines(entry).into_iter().map(|line| format!("      {line}")));
        }
    }
    lines.extend(steps(false));
    for refusal in &plan.refusals {
        lines.push(format!(
            "needs a confirmation: {}; to confirm, add the trailer {:?} to the commit message",
            refusal.what, refusal.trailer
        ));
    }
    lines
}

/// The diff of one entry, cut after [`DIFF_LINES_MAX`] lines.
pub fn diff_lines(entry: &Entry) -> Vec<String> {
    let text = unified::diff(entry.before.as_deref(), entry.after.as_deref());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let more = lines.len().saturating_sub(DIFF_LINES_MAX);
    lines.truncate(DIFF_LINES_MAX);
    if more > 0 {
        lines.push(format!("… {more} more lines"));
    }
    lines
}
