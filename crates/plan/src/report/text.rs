//! A plan → lines for a terminal or for the `remote:` lines of a push.

use crate::diff::unified;
use crate::sync::entry::{Action, Entry, SyncPlan};

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

/// The whole plan; `diffs` adds each object's unified diff.
pub fn plan(plan: &SyncPlan, diffs: bool) -> Vec<String> {
    let mut lines = vec![format!("plan for {} {:?}: {}", plan.commit.short(), plan.commit.subject, plan.summary())];
    for entry in plan.entries.iter().filter(|e| e.action != Action::Move) {
        lines.push(format!("  {} {}: {}", mark(entry.action), entry.key, entry.reason));
        if diffs && entry.action != Action::Create {
            lines.extend(diff_lines(entry).into_iter().map(|line| format!("      {line}")));
        }
    }
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
