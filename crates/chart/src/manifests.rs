//! Rendered files to manifests and hooks, split and sorted as Helm does it.

use masthead_gotmpl::quote::quote;
use masthead_sprig::golang::unicode;

use crate::head::Head;
use crate::head_fast;
use crate::hook::{HOOK, Hook};
use crate::kinds;
use crate::manifest::Manifest;

/// The parts of a file between `---`, trimmed, and where each begins.
pub fn split(text: &str) -> Vec<(usize, &str)> {
    let trimmed = text.trim_start_matches(unicode::is_space);
    let base = text.len() - trimmed.len();
    let text = trimmed.trim_end_matches(unicode::is_space);
    let bytes = text.as_bytes();
    let blank = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0C);
    let mut parts = Vec::new();
    let mut put = |start: usize, end: usize| {
        if start < end {
            let part = &text[start..end];
            let inner = part.trim_start_matches(unicode::is_space);
            let at = base + start + part.len() - inner.len();
            parts.push((at, inner.trim_end_matches(unicode::is_space)));
        }
    };
    // `start` is where the part begins, and where the last separator's match ended.
    let (mut start, mut from) = (0, 0);
    let dashes = memchr::memmem::Finder::new("---");
    while let Some(found) = dashes.find(&bytes[from..]) {
        let at = from + found;
        if at == 0 || (at > start && bytes[at - 1] == b'\n') {
            let mut end = at;
            while end > start && blank(bytes[end - 1]) {
                end -= 1;
            }
            put(start, end);
            start = at + 3;
            while start < bytes.len() && blank(bytes[start]) {
                start += 1;
            }
            from = start;
        } else {
            from = at + 1;
        }
    }
    put(start, text.len());
    parts
}

/// Manifests and hooks of all files, in the order of installation.
pub struct Sorted {
    /// What is not a hook.
    pub manifests: Vec<Manifest>,
    /// What is.
    pub hooks: Vec<Hook>,
}

/// Splits files, which are sorted by path, and sorts what is in them.
///
/// # Errors
/// The path of the first file with a manifest that can't be read, and Helm's words.
pub fn sort<'f>(
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
    warnings: &mut Vec<String>,
) -> Result<Sorted, (String, String)> {
    sort_parts(files.map(|(path, bytes)| (path, parts(bytes))), warnings)
}

/// The manifests of a file in their order, and why it can't be read further.
#[derive(Default)]
pub(crate) struct Parts {
    parts: Vec<Part>,
    fault: Option<String>,
}

struct Part {
    text: String,
    head: Head,
    first_line: usize,
}

/// Splits a file and reads what is in it.
pub(crate) fn parts(bytes: &[u8]) -> Parts {
    let mut all = Parts::default();
    let Ok(text) = std::str::from_utf8(bytes) else {
        // What is not UTF-8 is no YAML either; reading it says so in Helm's words.
        all.fault = Some(crate::decode::yaml(bytes).err().unwrap_or_else(|| "invalid UTF-8".to_owned()));
        return all;
    };
    let (mut first_line, mut counted) = (0, 0);
    for (start, part) in split(text) {
        match head_fast::read(part) {
            Ok(head) => {
                first_line += memchr::memchr_iter(b'\n', &text.as_bytes()[counted..start]).count();
                counted = start;
                all.parts.push(Part { text: part.to_owned(), head, first_line });
            }
            Err(fault) => {
                all.fault = Some(fault);
                break;
            }
        }
    }
    all
}

/// The same of files whose parts are known.
pub(crate) fn sort_parts<'f>(
    files: impl Iterator<Item = (&'f str, Parts)>,
    warnings: &mut Vec<String>,
) -> Result<Sorted, (String, String)> {
    let mut sorted = Sorted { manifests: Vec::new(), hooks: Vec::new() };
    for (path, Parts { parts, fault }) in files {
        if path.rsplit('/').next().unwrap_or(path).starts_with('_') {
            continue;
        }
        for Part { text, head, first_line } in parts {
            let manifest = Manifest { path: path.to_owned(), text, head, first_line };
            match manifest.head.annotation(HOOK).map(str::to_owned) {
                None => sorted.manifests.push(manifest),
                Some(events) => match Hook::of(manifest, &events) {
                    Some(hook) => sorted.hooks.push(hook),
                    None => warnings.push(format!(
                        "manifest_sorter.go:199: info: skipping unknown hook: {}",
                        quote(events.as_bytes())
                    )),
                },
            }
        }
        if let Some(error) = fault {
            return Err((path.to_owned(), format!("YAML parse error on {path}: {error}")));
        }
    }
    sorted.manifests.sort_by(|a, b| kinds::install_order(&a.head.kind).cmp(&kinds::install_order(&b.head.kind)));
    sorted
        .hooks
        .sort_by(|a, b| kinds::install_order(&a.manifest.head.kind).cmp(&kinds::install_order(&b.manifest.head.kind)));
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::{sort, split};
    use crate::hook::Event;

    fn check(text: &str, expect: &[&str]) {
        let parts = split(text);
        for (at, part) in &parts {
            assert_eq!(&text[*at..*at + part.len()], *part);
        }
        assert_eq!(parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>(), expect, "{text:?}");
    }

    /// Every expectation is what Go's regular expression gives.
    #[test]
    fn files_are_split_at_dashes() {
        check("", &[]);
        check("a", &["a"]);
        check("---\na\n---\nb", &["a", "b"]);
        check("a\n\n---\n\n\nb\n", &["a", "b"]);
        check("---\n---\na", &["---\na"]);
        check("a\n---b", &["a", "b"]);
        check("a\n----", &["a", "-"]);
        check("a ---\nb", &["a ---\nb"]);
        check("  ---\na", &["a"]);
        check("a\n ---\nb", &["a\n ---\nb"]);
        check("a\n---\n# c\n---\n", &["a", "# c"]);
    }

    #[test]
    fn hooks_are_told_apart() {
        let files = [
            (
                "c/templates/a.yaml",
                "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: Pre-Install, test\n    helm.sh/hook-weight: \"-5\"\n    helm.sh/hook-delete-policy: hook-succeeded,Hook-Failed\n",
            ),
            ("c/templates/b.yaml", "kind: Deployment\n---\nkind: Service\n"),
            ("c/templates/c.yaml", "kind: X\nmetadata:\n  annotations:\n    helm.sh/hook: crd-install\n"),
        ];
        let mut warnings = Vec::new();
        let sorted = sort(files.into_iter().map(|(path, text)| (path, text.as_bytes())), &mut warnings)
            .expect("the files are well-formed");
        assert_eq!(
            sorted.manifests.iter().map(|m| m.head.kind.as_str()).collect::<Vec<_>>(),
            ["Service", "Deployment"]
        );
        assert_eq!(sorted.hooks.len(), 1);
        let hook = &sorted.hooks[0];
        assert_eq!(
            (hook.weight, hook.events.as_slice(), hook.is_test()),
            (-5, [Event::PreInstall, Event::Test].as_slice(), true)
        );
        assert_eq!(hook.delete_policies, ["hook-succeeded", "hook-failed"]);
        assert_eq!(warnings, ["manifest_sorter.go:199: info: skipping unknown hook: \"crd-install\""]);
        let bad = [("c/templates/a.yaml", b"foo".as_slice())];
        assert_eq!(
            sort(bad.into_iter(), &mut warnings).err().map(|error| error.1).as_deref(),
            Some(
                "YAML parse error on c/templates/a.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type releaseutil.SimpleHead"
            )
        );
    }
}
