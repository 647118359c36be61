//! `masthead.lock`: for each chart that is asked for by a range, the version and digest that were found, committed.

use masthead_yaml::emit;
use masthead_yaml::limits::Limits;
use masthead_yaml::parse;
use serde::{Deserialize, Serialize};

/// The name of the file, at the root of the watched folder.
pub const FILE: &str = "masthead.lock";

/// What every lock file begins with.
const HEAD: &str = "# Written by `masthead chart lock`: which versions the Releases of this repository use.\n";

/// What a Release asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// `https://…` of a chart repository, or `oci://…` without the chart's name.
    pub repository: String,
    /// The chart.
    pub name: String,
    /// A range of versions; empty for the newest.
    #[serde(default)]
    pub version: String,
}

/// What was found for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// What was asked for.
    #[serde(flatten)]
    pub asked: Asked,
    /// The version.
    pub resolved: String,
    /// SHA-256 of the archive, `sha256:…`.
    pub digest: String,
    /// Where the archive is; for a registry `oci://…@sha256:…` of its manifest.
    pub url: String,
    /// The fingerprint of the key that signed the archive and its user id, when that was checked as it was locked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verified: String,
}

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The charts, sorted by what was asked for.
    #[serde(default)]
    pub charts: Vec<Locked>,
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &[u8]) -> Result<Lock, String> {
        let first = |errors: Vec<masthead_yaml::error::Error>| errors.first().map(ToString::to_string);
        let value = parse::value(text, &Limits::default()).map_err(|e| first(e).unwrap_or_default())?;
        let lock: Lock = serde_json::from_value(value).map_err(|e| e.to_string())?;
        for locked in &lock.charts {
            let hex = locked.digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(format!("digest {:?} of chart {} is none", locked.digest, locked.asked.name));
            }
        }
        Ok(lock)
    }

    /// As text, the same for the same charts.
    pub fn write(&self) -> String {
        let mut sorted = self.clone();
        sorted.charts.sort_by(|a, b| a.asked.cmp(&b.asked));
        // Plain maps of texts always have a JSON form.
        let value = serde_json::to_value(sorted).unwrap_or_default();
        format!("{HEAD}{}", emit::to_string(&value))
    }

    /// What was found for a question.
    pub fn find(&self, asked: &Asked) -> Option<&Locked> {
        self.charts.iter().find(|locked| locked.asked == *asked)
    }

    /// Takes in an answer, in place of an earlier one.
    pub fn put(&mut self, locked: Locked) {
        self.charts.retain(|known| known.asked != locked.asked);
        self.charts.push(locked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str) -> Locked {
        Locked {
            asked: Asked { repository: "https://x".to_owned(), name: name.to_owned(), version: "^1".to_owned() },
            resolved: "1.2.3".to_owned(),
            digest: format!("sha256:{}", "0a".repeat(32)),
            url: "https://x/a.tgz".to_owned(),
            verified: String::new(),
        }
    }

    #[test]
    fn who_signed_is_written_only_where_it_was_checked() {
        let mut lock = Lock::default();
        lock.put(locked("a"));
        assert!(!lock.write().contains("verified"), "{}", lock.write());
        lock.put(Locked { verified: "AB Ann <a@x>".to_owned(), ..locked("a") });
        assert_eq!(Lock::read(lock.write().as_bytes()).unwrap(), lock);
    }

    #[test]
    fn it_reads_what_it_wrote_sorted() {
        let mut lock = Lock::default();
        lock.put(locked("b"));
        lock.put(locked("a"));
        lock.put(locked("b"));
        let text = lock.write();
        assert!(text.find("name: a").unwrap() < text.find("name: b").unwrap(), "{text}");
        let read = Lock::read(text.as_bytes()).unwrap();
        assert_eq!(read.charts.len(), 2);
        assert_eq!(read.find(&locked("a").asked), Some(&locked("a")));
        assert_eq!(read.write(), text);
        assert_eq!(Lock::read(HEAD.as_bytes()).unwrap_or_default(), Lock::default());
    }

    #[test]
    fn a_digest_that_is_none_is_refused() {
        let text = "charts:\n- {repository: r, name: redis, resolved: '1', digest: 'sha256:12', url: u}\n";
        assert!(Lock::read(text.as_bytes()).unwrap_err().contains("is none"));
        assert!(Lock::read(b"charts: 5").is_err());
    }
}
