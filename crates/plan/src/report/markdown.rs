//! A plan → Markdown fit for a pull-request comment: short, collapsible, within the forges' limit, free of injection.

use crate::report::text;
use crate::sync::entry::{Action, Entry, SyncPlan};

/// The forges' bound on a comment's length in characters (GitHub's; GitLab's is larger).
pub const COMMENT_CHARS_MAX: usize = 65_536;

/// Room kept for the closing line that says what was left out.
const TAIL_CHARS: usize = 200;

/// The plan as a comment.
pub fn plan(plan: &SyncPlan) -> String {
    let mut out = format!("### Masthead plan for `{}`\n\n{}\n", plan.commit.short(), plan.summary());
    for refusal in &plan.refusals {
        out += &format!(
            "\n> **Needs a confirmation:** {}. Add the trailer `{}` to the commit message.\n",
            escape(&refusal.what),
            refusal.trailer
        );
    }
    for release in plan.suspended() {
        let (key, why) = (escape(&release.key.to_string()), escape(&text::suspended(release)));
        out += &format!("\n**{key}**: {why}\n");
    }
    // They come in the order in which all happens; a comment has room for them before it has room for diffs.
    for (i, (release, hook)) in plan.hooks().enumerate() {
        let place = if i == 0 { "\n" } else { "" };
        let when = if text::is_before(hook.event) { "before" } else { "after" };
        out += &format!("{place}- {when} the objects: {}\n", escape(&text::hook_line(release, hook)));
        if out.chars().count() > COMMENT_CHARS_MAX / 2 {
            out += "- … and more hooks, `masthead plan` shows all\n";
            break;
        }
    }
    let mut left = COMMENT_CHARS_MAX.saturating_sub(TAIL_CHARS + out.chars().count());
    let mut left_out = 0;
    for entry in plan.entries.iter().filter(|e| e.action != Action::Move) {
        let whole = block(entry);
        let fitting =
            [whole, line(entry)].into_iter().map(|text| (text.chars().count(), text)).find(|(chars, _)| *chars <= left);
        match fitting {
            Some((chars, text)) => {
                left -= chars;
                out += &text;
            }
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        let noun = if left_out == 1 { "object is" } else { "objects are" };
        out +=
            &format!("\n{left_out} more {noun} left out: the comment would be too long. `masthead plan` shows all.\n");
    }
    out
}

/// One object with its diff, folded.
fn block(entry: &Entry) -> String {
    let diff = text::diff_lines(entry).join("\n");
    let fence = fence_for(&diff);
    format!(
        "\n<details><summary>{} <b>{}</b>: {}</summary>\n\n{fence}diff\n{diff}\n{fence}\n</details>\n",
        entry.action,
        escape(&entry.key.to_string()),
        escape(&entry.reason)
    )
}

/// One object without its diff.
fn line(entry: &Entry) -> String {
    let (key, reason) = (escape(&entry.key.to_string()), escape(&entry.reason));
    format!("\n{} <b>{key}</b>: {reason} (the diff is too long for a comment)\n", entry.action)
}

/// Text that no Markdown or HTML reads as markup, mention or command.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A code fence longer than any run of backticks in the text.
fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}
