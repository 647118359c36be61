//! An `apiVersion` and a `kind` to a supported kind, or to why there is none and what may have been meant.

use crate::kind::known::UNSUPPORTED;
use crate::kind::{Kind, KindInfo};

/// Why a manifest's kind cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKind {
    /// Kubernetes has it, this program does not.
    #[error("kind {kind} of {api_version} is not supported yet")]
    NotSupported {
        /// As given.
        api_version: String,
        /// As given.
        kind: String,
    },
    /// The kind exists under another `apiVersion`.
    #[error("no kind {kind:?} in apiVersion {api_version:?}; it is in {found}")]
    OtherVersion {
        /// As given.
        api_version: String,
        /// As given.
        kind: String,
        /// Where it is.
        found: String,
    },
    /// No such kind.
    #[error("no such kind: {kind:?} in apiVersion {api_version:?}{}", hint.as_ref().map(|h| format!("; did you mean {h}?")).unwrap_or_default())]
    Unknown {
        /// As given.
        api_version: String,
        /// As given.
        kind: String,
        /// The nearest kind by spelling.
        hint: Option<String>,
    },
}

/// The supported kind of this `apiVersion` and `kind`.
///
/// # Errors
/// There is none; the error tells a kind not supported yet from one that does not exist.
pub fn find(api_version: &str, kind: &str) -> Result<Kind, NoKind> {
    if let Some(found) = Kind::by_gvk(api_version, kind) {
        return Ok(found);
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    if UNSUPPORTED.iter().any(|k| k.kind == kind && k.group == group && k.version == version) {
        return Err(NoKind::NotSupported { api_version, kind });
    }
    let same = |info: &&'static KindInfo| info.kind == kind;
    if let Some(info) = Kind::all().iter().map(|k| k.info()).find(same) {
        return Err(NoKind::OtherVersion { api_version, kind, found: info.api_version() });
    }
    if let Some(k) = UNSUPPORTED.iter().find(|k| k.kind == kind) {
        let found = if k.group.is_empty() { k.version.to_owned() } else { format!("{}/{}", k.group, k.version) };
        return Err(NoKind::OtherVersion { api_version, kind, found });
    }
    let names = Kind::all().iter().map(|k| k.info().kind).chain(UNSUPPORTED.iter().map(|k| k.kind));
    let hint = nearest(&kind, names).map(str::to_owned);
    Err(NoKind::Unknown { api_version, kind, hint })
}

/// The candidate nearest to `word` by edits, ignoring case; `None` when none is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words, ignoring ASCII case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replace.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{NoKind, find};

    #[test]
    fn errors_tell_apart() {
        let check = |api_version: &str, kind: &str, expect: &str| {
            assert_eq!(find(api_version, kind).map_err(|e| e.to_string()).unwrap_err(), expect);
        };
        check("batch/v1", "CronJob", "kind CronJob of batch/v1 is not supported yet");
        check("v1", "Deployment", "no kind \"Deployment\" in apiVersion \"v1\"; it is in apps/v1");
        check(
            "apps/v1",
            "Deploymnet",
            "no such kind: \"Deploymnet\" in apiVersion \"apps/v1\"; did you mean Deployment?",
        );
        check("x/v1", "Quux", "no such kind: \"Quux\" in apiVersion \"x/v1\"");
        assert!(matches!(find("apps/v1", "Deployment"), Ok(k) if k.info().plural == "deployments"));
        assert!(matches!(find("", ""), Err(NoKind::Unknown { .. })));
    }
}
