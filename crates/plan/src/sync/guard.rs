//! A plan → what in it must be confirmed in the commit's message before it may run.

use crate::sync::entry::{Action, Entry, Refusal};

/// The trailer's key: `Masthead-Confirm: delete`.
pub const CONFIRM_TRAILER: &str = "Masthead-Confirm";

/// What a commit's message confirms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// `Masthead-Confirm: delete`: large deletes and namespaces.
    pub delete: bool,
    /// `Masthead-Confirm: replace`: objects that are deleted and made anew because a field is immutable.
    pub replace: bool,
}

impl Confirmed {
    /// From the values of all `Masthead-Confirm` trailers; each may list several words.
    pub fn from_trailers<'a>(values: impl IntoIterator<Item = &'a str>) -> Confirmed {
        let mut confirmed = Confirmed::default();
        for word in values.into_iter().flat_map(|v| v.split([',', ' '])) {
            match word.trim().to_ascii_lowercase().as_str() {
                "delete" => confirmed.delete = true,
                "replace" => confirmed.replace = true,
                _ => {}
            }
        }
        confirmed
    }
}

/// How much a commit may delete without saying so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeleteBudget {
    /// The share of all objects that came from git, 0 to 1.
    pub share: f64,
    /// Up to this many are always allowed.
    pub count: usize,
}

impl Default for DeleteBudget {
    fn default() -> DeleteBudget {
        DeleteBudget { share: 0.3, count: 10 }
    }
}

/// What the entries need confirmed; `wanted` is how many objects the commit asks for, `managed` how many came from git
/// before this plan.
pub fn refusals(
    entries: &[Entry],
    wanted: usize,
    managed: usize,
    budget: DeleteBudget,
    confirmed: Confirmed,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let deletes: Vec<&Entry> = entries.iter().filter(|e| e.action == Action::Delete).collect();
    let refusal = |what: String, word: &str| Refusal { what, trailer: format!("{CONFIRM_TRAILER}: {word}") };
    if !confirmed.delete {
        for namespace in deletes.iter().filter(|e| e.key.kind.info().kind == "Namespace") {
            refusals.push(refusal(
                format!("it deletes the namespace {:?} and everything in it", namespace.key.name),
                "delete",
            ));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of objects are far below 2^52")]
        let over = deletes.len() > budget.count && deletes.len() as f64 > budget.share * managed as f64;
        if wanted == 0 && !deletes.is_empty() {
            // An empty tree is rather an accident than a wish, however few the objects are.
            refusals.push(refusal(
                format!("the tree asks for nothing at all, so it deletes all {managed} objects that came from git"),
                "delete",
            ));
        } else if over {
            refusals.push(refusal(
                format!(
                    "it deletes {} of {managed} objects, more than {} and more than {:.0} %",
                    deletes.len(),
                    budget.count,
                    budget.share * 100.0
                ),
                "delete",
            ));
        }
    }
    if !confirmed.replace {
        for entry in entries.iter().filter(|e| e.action == Action::Replace) {
            refusals.push(refusal(format!("it deletes and makes anew {}: {}", entry.key, entry.reason), "replace"));
        }
    }
    refusals
}
