//! The index of a chart repository and a range of versions → the newest version that fits, with where it is.

use masthead_sprig::semver::{constraint, version};
use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::parse;
use serde::Deserialize;
use serde_json::Value;

use crate::charts::error::Error;

/// Largest index that is read as a whole, when it is not laid out as helm writes it.
const WHOLE_BYTES_MAX: usize = 8 << 20;
/// Versions of one chart.
const VERSIONS_MAX: usize = 50_000;

/// One version of a chart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The version.
    pub version: String,
    /// Where its archive is; relative to the index or absolute.
    #[serde(default)]
    pub urls: Vec<String>,
    /// SHA-256 of the archive in hexadecimal, when the index says it.
    #[serde(default)]
    pub digest: Option<String>,
}

/// The versions of one chart in an index.
///
/// An index of tens of megabytes is mostly about other charts: where it is laid out as helm writes it, only the chart's
/// own lines are read.
///
/// # Errors
/// The index does not read.
pub fn entries(url: &str, index: &[u8], name: &str) -> Result<Vec<Entry>, Error> {
    let fault = |why: String| Error::Index { url: url.to_owned(), why };
    if index.trim_ascii().is_empty() {
        return Err(fault("empty index.yaml file".to_owned()));
    }
    if let Some(lines) = own_lines(index, name) {
        return each(&lines).map_err(fault);
    }
    if index.len() > WHOLE_BYTES_MAX {
        return Err(fault(format!("it has {} bytes and is not laid out as helm writes an index", index.len())));
    }
    let value = read(index).map_err(fault)?;
    if !value.is_object() {
        return Err(fault("it is no index".to_owned()));
    }
    let Some(list) = value.get("entries").and_then(|entries| entries.get(name)) else { return Ok(Vec::new()) };
    let Some(list) = list.as_array() else { return Err(fault(format!("entries.{name} is no list"))) };
    if list.len() > VERSIONS_MAX {
        return Err(fault(too_many()));
    }
    // As helm does: an entry that does not read is left out.
    Ok(list.iter().filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect())
}

fn too_many() -> String {
    format!("it has more than {VERSIONS_MAX} versions of the chart")
}

/// The versions in a chart's own lines, read one by one, so that memory follows one of them and not all.
fn each(lines: &[u8]) -> Result<Vec<Entry>, String> {
    let Some(name) = lines.iter().position(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
    let (name, list) = (lines[..name].trim_ascii(), &lines[name + 1..]);
    let indent = list.iter().take_while(|byte| **byte == b' ').count();
    let is_item = |line: &[u8]| {
        let ends = matches!(line.get(indent + 1), None | Some(b' ' | b'\r' | b'\n'));
        line.get(indent) == Some(&b'-') && ends && line[..indent].iter().all(|byte| *byte == b' ')
    };
    let mut items: Vec<&[u8]> = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        if is_item(line) && at > 0 {
            items.push(&list[start..at]);
            start = at;
        }
        at += line.len();
        if items.len() >= VERSIONS_MAX {
            return Err(too_many());
        }
    }
    items.push(&list[start..]);
    let mut out = Vec::new();
    for item in items.into_iter().filter(|item| !item.trim_ascii().is_empty()) {
        let Some(list) = read(item)?.as_array().cloned() else {
            return Err(format!("entries.{} is no list", String::from_utf8_lossy(name).trim_end_matches(':')));
        };
        // As helm does: an entry that does not read is left out.
        out.extend(list.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok()));
    }
    Ok(out)
}

fn read(text: &[u8]) -> Result<Value, String> {
    let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
    parse::value(text, &limits).map_err(|errors| errors.first().map_or_else(String::new, ToString::to_string))
}

/// The lines of one chart below `entries:`, as helm writes them: names with two spaces, all else with more or a dash.
fn own_lines(index: &[u8], name: &str) -> Option<Vec<u8>> {
    let lines = || index.split_inclusive(|byte| *byte == b'\n');
    if !lines().any(|line| line.trim_ascii_end() == b"entries:") {
        return None;
    }
    let is_name = |line: &[u8]| line.starts_with(b"  ") && !matches!(line.get(2), None | Some(b' ' | b'-' | b'#'));
    let wanted = format!("  {name}:");
    let mut inside = lines().skip_while(|line| line.trim_ascii_end() != b"entries:").skip(1).peekable();
    // Any other indentation is somebody else's layout.
    if inside.peek().is_some_and(|line| !is_name(line) && !line.trim_ascii().is_empty()) {
        return None;
    }
    let own = inside
        .take_while(|line| line.starts_with(b" ") || line.trim_ascii().is_empty())
        .skip_while(|line| line.trim_ascii_end() != wanted.as_bytes());
    // Something follows the name on its line: not how helm writes it.
    if inside_has(index, &wanted) {
        return None;
    }
    let mut out = Vec::new();
    for line in own {
        if is_name(line) && !out.is_empty() {
            break;
        }
        out.extend_from_slice(line);
    }
    Some(out)
}

/// Whether a line begins with a chart's name and goes on.
fn inside_has(index: &[u8], wanted: &str) -> bool {
    let mut lines = index.split(|byte| *byte == b'\n');
    lines.any(|line| line.strip_prefix(wanted.as_bytes()).is_some_and(|rest| !rest.trim_ascii().is_empty()))
}

/// The newest of some versions that fits a range, as helm picks it; an empty range takes the newest that is no
/// pre-release.
///
/// # Errors
/// The range is none.
pub fn newest<'v>(versions: impl IntoIterator<Item = &'v str>, range: &str) -> Result<Option<&'v str>, Error> {
    // Helm's own meaning of no version.
    let asked = if range.is_empty() { "*" } else { range };
    let wrong = |why: String| Error::Version { text: range.to_owned(), why };
    let constraints = constraint::parse(asked.as_bytes()).map_err(|e| wrong(e.to_string()))?;
    let mut best: Option<(version::Version, &str)> = None;
    for text in versions {
        // Others' tags stand among those of charts.
        let Ok(parsed) = version::parse(text.as_bytes()) else { continue };
        // An exact version is that one, also when it is a pre-release or others differ from it in their build alone.
        if text == range {
            return Ok(Some(text));
        }
        if constraints.check(&parsed) && best.as_ref().is_none_or(|(known, _)| parsed.compare(known).is_gt()) {
            best = Some((parsed, text));
        }
    }
    Ok(best.map(|(_, text)| text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &[u8] = b"apiVersion: v1\nentries:\n  alpha:\n  - apiVersion: v2\n    version: 1.0.0\n    urls:\n    - alpha-1.0.0.tgz\n  beta:\n  - version: 2.1.0\n    digest: abc\n    urls: [https://x/beta-2.1.0.tgz]\n  - version: 2.0.0\n    urls: [beta-2.0.0.tgz]\n  - broken\ngenerated: \"2020\"\n";

    fn versions(index: &[u8], name: &str) -> Vec<String> {
        entries("u", index, name).unwrap().into_iter().map(|entry| entry.version).collect()
    }

    #[test]
    fn one_chart_is_read_out_of_an_index() {
        assert_eq!(versions(INDEX, "alpha"), ["1.0.0"]);
        assert_eq!(versions(INDEX, "beta"), ["2.1.0", "2.0.0"]);
        assert!(versions(INDEX, "bet").is_empty());
        assert!(versions(INDEX, "generated").is_empty());
    }

    #[test]
    fn another_layout_is_read_as_a_whole() {
        assert_eq!(versions(b"{\"entries\": {\"a\": [{\"version\": \"1.0.0\"}]}}", "a"), ["1.0.0"]);
        assert_eq!(versions(b"entries:\n    a:\n    - version: 1.0.0\n", "a"), ["1.0.0"]);
        assert!(entries("u", b"entries: [", "a").is_err());
        assert!(entries("u", b"entries:\n  a: text\n", "a").is_err());
        let long = [b"{\"x\": \"".as_slice(), &vec![b'x'; WHOLE_BYTES_MAX], b"\"}"].concat();
        assert!(entries("u", &long, "a").unwrap_err().to_string().contains("not laid out"));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let check = |index: &[u8], expect: &str| {
            let told = entries("u", index, "a").expect_err("refused").to_string();
            assert!(told.contains(expect), "{told}");
        };
        check(b"", "empty index.yaml file");
        check(b" \n", "empty index.yaml file");
        check(b"just text", "no index");
        check(b"entries:\n  a:\n  - version: [\n", "does not read");
        let many = "  - version: 1.0.0\n".repeat(VERSIONS_MAX + 1);
        check(format!("entries:\n  a:\n{many}").as_bytes(), "more than 50000 versions");
        let many = vec!["{version: 1.0.0}"; VERSIONS_MAX + 1].join(",");
        check(format!("{{entries: {{a: [{many}]}}}}").as_bytes(), "more than 50000 versions");
    }

    #[test]
    fn entries_with_lists_of_their_own_and_anchors_of_one_chart() {
        let index = b"entries:\n  a:\n  - dependencies:\n    - name: x\n      version: 9.9.9\n    version: 1.0.0\n    urls:\n    - u\n  - description: |\n      - version: 8.0.0\n    version: 2.0.0\n";
        assert_eq!(versions(index, "a"), ["1.0.0", "2.0.0"]);
        assert_eq!(versions(b"entries:\n  a:\n    - version: 1.0.0\n    - version: 2.0.0\n", "a"), ["1.0.0", "2.0.0"]);
        assert!(versions(b"entries:\n  a:\n  b:\n  - version: 1.0.0\n", "a").is_empty());
    }

    #[test]
    fn the_newest_that_fits() {
        let all = ["1.0.0", "1.2.0", "2.0.0-rc.1", "latest", "1.10.0"];
        let check = |range: &str, expect: Option<&str>| assert_eq!(newest(all, range).unwrap(), expect, "{range}");
        check("", Some("1.10.0"));
        check("~1.2", Some("1.2.0"));
        check("^1", Some("1.10.0"));
        check("2.0.0-rc.1", Some("2.0.0-rc.1"));
        check(">=2", None);
        check(">0.0.0-0", Some("2.0.0-rc.1"));
        assert!(newest(all, "no range").is_err());
    }
}
