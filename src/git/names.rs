//! Names from outside (branches, revisions, tree entries, paths) into accepted ones, or the reason against them.

use crate::git::error::Error;
use crate::git::text;

/// Bytes of a path in a tree.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of a branch name or revision.
pub const REVISION_BYTES_MAX: usize = 256;

/// Why a tree entry's name is refused wherever it stands: it could escape or reconfigure a check-out.
pub fn dangerous(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => return Some("is empty"),
        b"." | b".." => return Some("is not a file name"),
        _ => {}
    }
    if name.contains(&b'/') {
        return Some("holds a slash");
    }
    if name.contains(&0) {
        return Some("holds a NUL");
    }
    // HFS+ ignores some code points in names and Windows ignores case, trailing dots and streams: a check-out of this
    // tree elsewhere would write into `.git`.
    let folded: String = String::from_utf8_lossy(name)
        .chars()
        .filter(
            |c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .flat_map(char::to_lowercase)
        .collect();
    let stem = folded.split([':', '\\']).next().unwrap_or("").trim_end_matches(['.', ' ']);
    if stem == ".git" || stem == "git~1" {
        return Some("is git's own folder");
    }
    None
}

/// Why a name can't be shown or addressed, though it is harmless.
pub fn odd(name: &[u8]) -> Option<&'static str> {
    match std::str::from_utf8(name) {
        Err(_) => Some("is not UTF-8"),
        Ok(s) if s.chars().any(text::hostile) => Some("holds a control, invisible or bidirectional character"),
        Ok(_) => None,
    }
}

/// Checks a path to be written into a tree: relative, no odd or dangerous part.
pub fn path(path: &str) -> Result<(), Error> {
    let bad = |why| Err(Error::BadName { what: "path", text: text::line(path).into_owned(), why });
    if path.len() > PATH_BYTES_MAX {
        return bad("is too long");
    }
    for part in path.split('/') {
        if let Some(why) = dangerous(part.as_bytes()).or_else(|| odd(part.as_bytes())) {
            return bad(why);
        }
    }
    Ok(())
}

/// Checks and trims a sub-path of a repository: `""`, `.` and `/` mean the root; no leading or trailing slash remains.
pub fn sub_path(given: &str) -> Result<String, Error> {
    let trimmed = given.strip_prefix("./").unwrap_or(given).trim_matches('/');
    if trimmed.is_empty() || trimmed == "." {
        return Ok(String::new());
    }
    path(trimmed)?;
    Ok(trimmed.to_owned())
}

/// Checks a branch name (without `refs/heads/`) as `git check-ref-format --branch` does.
pub fn branch(name: &str) -> Result<(), Error> {
    let bad = |why| Err(Error::BadName { what: "branch", text: text::line(name).into_owned(), why });
    if name.starts_with('-') {
        return bad("begins with a dash");
    }
    if name.len() > REVISION_BYTES_MAX {
        return bad("is too long");
    }
    if !git2::Reference::is_valid_name(&format!("refs/heads/{name}")) || name == "HEAD" {
        return bad("is not a valid branch name");
    }
    if odd(name.as_bytes()).is_some() {
        return bad("holds a control, invisible or bidirectional character");
    }
    Ok(())
}

/// Checks a revision a user typed: a branch, tag, full ref, id or its beginning, with `~` and `^`.
pub fn revision(spec: &str) -> Result<(), Error> {
    let bad = |why| Err(Error::BadName { what: "revision", text: text::line(spec).into_owned(), why });
    match spec {
        "" => bad("is empty"),
        s if s.starts_with('-') => bad("begins with a dash"),
        s if s.len() > REVISION_BYTES_MAX => bad("is too long"),
        s if s.contains([':', ' ']) || odd(s.as_bytes()).is_some() => bad("holds a character no commit name has"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_escape_are_dangerous() {
        for bad in [
            "",
            ".",
            "..",
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git.",
            ".git ",
            ".git::$INDEX_ALLOCATION",
            ".git\\x",
            ".g\u{200c}it",
            "a/b",
            "a\0b",
        ] {
            assert!(dangerous(bad.as_bytes()).is_some(), "{bad:?}");
        }
        for good in ["a", ".gitignore", ".github", "..a", "git", "web.yaml", "ü", "CON"] {
            assert!(dangerous(good.as_bytes()).is_none(), "{good:?}");
        }
    }

    #[test]
    fn odd_names_are_told() {
        assert!(odd(b"a\nb").is_some() && odd(b"\xff").is_some() && odd("a\u{202e}b".as_bytes()).is_some());
        assert!(odd("weiß.yaml".as_bytes()).is_none());
    }

    #[test]
    fn branches_and_revisions_never_read_as_options() {
        for bad in [
            "-x",
            "--upload-pack=touch x",
            "a..b",
            "a b",
            "",
            "a\nb",
            "a.lock",
            "/a",
            "a/",
            "HEAD",
            "@{u}",
            "x\u{202e}y",
        ] {
            assert!(branch(bad).is_err(), "branch {bad:?}");
        }
        for good in ["main", "feature/x", "ünïcode", "a-b", "v1.2"] {
            assert!(branch(good).is_ok(), "branch {good:?}");
        }
        for bad in ["", "-x", "main:secret", "a b", ":/text", "x\0"] {
            assert!(revision(bad).is_err(), "revision {bad:?}");
        }
        assert!(revision("main~2^1").is_ok());
    }

    #[test]
    fn sub_paths_are_trimmed() {
        let check =
            |given: &str, expect: Option<&str>| assert_eq!(sub_path(given).ok().as_deref(), expect, "{given:?}");
        check("", Some(""));
        check(".", Some(""));
        check("/", Some(""));
        check("./a/b/", Some("a/b"));
        check("a/../b", None);
        check("a//b", None);
        check(".git/x", None);
    }
}
