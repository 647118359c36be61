//! Two states of one object → unified diff text of their YAML.

use masthead_api::object::Object;
use similar::TextDiff;

use crate::diff::clean;

/// Unchanged lines around each change.
const CONTEXT_LINES: usize = 3;

/// The diff without file headers; empty when nothing a reader cares for differs.
pub fn diff(before: Option<&Object>, after: Option<&Object>) -> String {
    let (before, after) = clean::pair(before, after);
    let text = |value: Option<serde_json::Value>| value.map(|v| masthead_yaml::emit::to_string(&v)).unwrap_or_default();
    let (before, after) = (text(before), text(after));
    TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .missing_newline_hint(false)
        .to_string()
}
