//! `.helmignore` to which files of a folder belong to its chart.

use masthead_gotmpl::string::lossy;

use crate::glob;

/// The name of the file with the rules.
pub const FILE: &str = ".helmignore";

/// Rules in their order; the first that decides counts.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    negate: bool,
    folders_only: bool,
    /// Whether the pattern is for the whole path and not for the last name in it.
    whole: bool,
}

/// A pattern; most are names, or a star with the end of one.
#[derive(Debug)]
enum Pattern {
    Name(String),
    /// What follows a star, which stops at slashes.
    End(String),
    /// What it begins with, and the whole of it.
    Glob(String, String),
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        const META: [char; 4] = ['*', '?', '[', '\\'];
        let is_plain = |text: &str| !text.contains(META);
        match text.strip_prefix('*') {
            _ if is_plain(text) => Pattern::Name(text.to_owned()),
            Some(end) if is_plain(end) => Pattern::End(end.to_owned()),
            _ => {
                let start = text.split(META).next().unwrap_or_default();
                Pattern::Glob(start.to_owned(), text.to_owned())
            }
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Name(text) => text == name,
            Pattern::End(end) => name.strip_suffix(end.as_str()).is_some_and(|start| !start.contains('/')),
            Pattern::Glob(start, glob) => {
                name.starts_with(start.as_str()) && glob::matches(glob, name).unwrap_or(false)
            }
        }
    }
}

impl Rules {
    /// The rules of a `.helmignore`, and the one that Helm adds: names with a dot under `templates/`.
    ///
    /// # Errors
    /// A pattern that can't be read, in Helm's words.
    pub fn parse(text: &[u8]) -> Result<Rules, String> {
        let mut rules = Rules::default();
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        for line in lossy(text).lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let rule = line.trim_matches(masthead_sprig::golang::unicode::is_space);
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        glob::matches(rule, "abc").map_err(str::to_owned)?;
        let (negate, rule) = rule.strip_prefix('!').map_or((false, rule), |rule| (true, rule));
        let (folders_only, rule) = rule.strip_suffix('/').map_or((false, rule), |rule| (true, rule));
        let rooted = rule.strip_prefix('/');
        let whole = rooted.is_some() || rule.contains('/');
        let pattern = Pattern::new(rooted.unwrap_or(rule));
        self.rules.push(Rule { pattern, negate, folders_only, whole });
        Ok(())
    }

    /// Whether a path (relative to the chart, with slashes) is left out.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if matches!(path, "" | "." | "./") {
            return false;
        }
        let last = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.rules {
            let matched = || rule.pattern.matches(if rule.whole { path } else { last });
            if rule.negate {
                // Helm's reading of `!`: what does not match is left out, what does goes on to the next rule.
                if (rule.folders_only && !is_folder) || !matched() {
                    return true;
                }
            } else if (is_folder || !rule.folders_only) && matched() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    fn check(rules: &str, path: &str, is_folder: bool, expect: bool) {
        assert_eq!(
            Rules::parse(rules.as_bytes()).map(|rules| rules.ignores(path, is_folder)),
            Ok(expect),
            "{rules} {path}"
        );
    }

    /// From the table of Helm's own test.
    #[test]
    fn as_helm_reads_it() {
        check("helm.txt", "helm.txt", false, true);
        check("helm.*", "helm.txt", false, true);
        check("helm.*", "rudder.txt", false, false);
        check("*.txt", "tiller.txt", false, true);
        check("tiller.txt", "cargo/a/tiller.txt", false, true);
        check("cargo", "cargo", true, true);
        check("cargo/", "cargo", true, true);
        check("cargo/", "mast/", false, false);
        check("helm.txt/", "helm.txt", false, false);
        check("!helm.txt", "helm.txt", false, false);
        check("!helm.txt", "tiller.txt", false, true);
        check("!*.txt", "cargo", true, true);
        check("!cargo/", "mast", true, true);
        check("a[b-d].txt", "ac.txt", false, true);
        check("cargo/a.txt", "cargo/a.txt", false, true);
        check("/a.txt", "a.txt", false, true);
        check("/a.txt", "cargo/a.txt", false, false);
        check("# comment", "a", false, false);
        check("", "templates/.hidden", false, true);
        check("", "templates/a/.hidden", false, false);
        check("*~", "a/b~", false, true);
        check("a/*~", "a/b/c~", false, false);
        check("*", "a/b", false, true);
        check("/*.tgz", "a.tgz", false, true);
        check("/*.tgz", "a/b.tgz", false, false);
        check("*/b", "a/b", false, true);
        check("*/b", "c/a/b", false, false);
        check("a\\*", "a*", false, true);
        assert_eq!(Rules::parse(b"a/**/b").err(), Some("double-star (**) syntax is not supported".to_owned()));
        assert_eq!(Rules::parse(b"[").err(), Some("syntax error in pattern".to_owned()));
    }
}
