//! A commit object into plain data whose text is safe to print.

use std::fmt;
use std::str::FromStr;

use git2::Oid;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::git::error::Error;
use crate::git::text;

/// Bytes of a commit message that are kept; the rest is cut.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

macro_rules! id {
    ($name:ident, $what:literal) => {
        #[doc = concat!("The id of a git ", $what, ": 40 hex digits.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(in crate::git) Oid);

        impl $name {
            /// The first ten digits, for people.
            pub fn short(&self) -> String {
                let mut hex = self.0.to_string();
                hex.truncate(10);
                hex
            }

            /// The raw 20 bytes.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(hex: &str) -> Result<Self, Error> {
                let bad = |why| Error::BadName { what: concat!($what, " id"), text: text::line(hex).into_owned(), why };
                if hex.len() != 40 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(bad("must be 40 hex digits"));
                }
                Oid::from_str(hex).map($name).map_err(|_| bad("is not an object id"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(CommitId, "commit");
id!(TreeId, "tree");
id!(BlobId, "blob");

impl BlobId {
    /// A name for something that is made of files and no file itself, by the first 20 bytes of its digest.
    pub fn of_digest(digest: [u8; 32]) -> BlobId {
        let hex: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        // Forty digits are always an id.
        BlobId(Oid::from_str(&hex).unwrap_or(Oid::ZERO_SHA1))
    }
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name, sanitised.
    pub name: String,
    /// The mail address, sanitised.
    pub mail: String,
    /// Seconds since 1970 in UTC; whatever the writer's clock said, so it may be absurd.
    pub time_s: i64,
    /// The writer's offset from UTC in minutes.
    pub offset_min: i32,
}

impl Person {
    /// A person acting at `time_s` seconds since 1970, UTC.
    pub fn new(name: &str, mail: &str, time_s: i64) -> Self {
        Self { name: name.into(), mail: mail.into(), time_s, offset_min: 0 }
    }

    pub(in crate::git) fn signature(&self) -> Result<git2::Signature<'static>, Error> {
        git2::Signature::new(&self.name, &self.mail, &git2::Time::new(self.time_s, self.offset_min)).map_err(|_| {
            Error::BadName {
                what: "author",
                text: text::line(&format!("{} <{}>", self.name, self.mail)).into_owned(),
                why: "name and mail may not be empty nor hold < or >",
            }
        })
    }

    fn read(signature: &git2::Signature<'_>) -> Self {
        Self {
            name: text::line_of_bytes(signature.name_bytes()),
            mail: text::line_of_bytes(signature.email_bytes()),
            time_s: signature.when().seconds(),
            offset_min: signature.when().offset_minutes(),
        }
    }
}

/// A commit as data; every text in it is sanitised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id.
    pub id: CommitId,
    /// Its root tree.
    pub tree: TreeId,
    /// Its parents, the branch's own first.
    pub parents: Vec<CommitId>,
    /// Who wrote the change.
    pub author: Person,
    /// Who made the commit.
    pub committer: Person,
    /// The first paragraph on one line.
    pub subject: String,
    /// What follows the subject, trailers included.
    pub body: String,
    /// The trailers in their order, as git's `interpret-trailers` finds them.
    pub trailers: Vec<(String, String)>,
}

impl Commit {
    /// The value of a trailer; keys compare without case, the last one counts.
    pub fn trailer(&self, key: &str) -> Option<&str> {
        self.trailers.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    }

    pub(in crate::git) fn read(commit: &git2::Commit<'_>) -> Self {
        let raw = commit.message_bytes();
        let text = String::from_utf8_lossy(&raw[..raw.len().min(MESSAGE_BYTES_MAX)]).replace("\r\n", "\n");
        let (subject, body) = split_message(&text);
        Self {
            id: CommitId(commit.id()),
            tree: TreeId(commit.tree_id()),
            parents: commit.parent_ids().map(CommitId).collect(),
            author: Person::read(&commit.author()),
            committer: Person::read(&commit.committer()),
            subject: text::line(&subject).into_owned(),
            body: text::sanitize(body).into_owned(),
            trailers: trailers(body),
        }
    }
}

/// The subject (first paragraph, joined) and the rest.
fn split_message(message: &str) -> (String, &str) {
    let message = message.trim_matches('\n');
    let (subject, body) = message.split_once("\n\n").unwrap_or((message, ""));
    (subject.split('\n').map(str::trim).collect::<Vec<_>>().join(" "), body.trim_matches('\n'))
}

/// Trailers of the last paragraph by git's rule: all lines are trailers, or one of a known kind is there and a
/// quarter of the lines are trailers.
fn trailers(body: &str) -> Vec<(String, String)> {
    let last = body.trim_end().rsplit("\n\n").next().unwrap_or("");
    let (mut found, mut other, mut known) = (Vec::<(String, String)>::new(), 0, false);
    for l in last.lines() {
        if l.starts_with([' ', '\t']) {
            match found.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(&text::line(l.trim()));
                }
                None => other += 1,
            }
            continue;
        }
        match l.split_once(':') {
            Some((key, value)) if is_token(key.trim_end()) => {
                let key = key.trim_end();
                known |= key.eq_ignore_ascii_case("Signed-off-by") || key.to_ascii_lowercase().starts_with("masthead-");
                found.push((key.to_owned(), text::line(value.trim()).into_owned()));
            }
            _ if l.starts_with("(cherry picked from commit ") => known = true,
            _ => other += 1,
        }
    }
    if other == 0 || (known && found.len() * 3 >= other) { found } else { Vec::new() }
}

fn is_token(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_follow_gits_rule() {
        let check = |message: &str, expect: &[(&str, &str)]| {
            let (_, body) = split_message(message);
            let got = trailers(body);
            let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(got, expect, "{message:?}");
        };
        check("s\n\nbody\n\nMasthead-Confirm: delete\n", &[("Masthead-Confirm", "delete")]);
        check("s\n\nMasthead-Confirm: delete", &[("Masthead-Confirm", "delete")]);
        check("Masthead-Confirm: delete", &[]);
        check("s\n\nMasthead-Confirm: delete\n\nnot the last paragraph", &[]);
        check("s\n\nSee: this\nand that line", &[]);
        check("s\n\nsome text\nSigned-off-by: A <a@b>", &[("Signed-off-by", "A <a@b>")]);
        check("s\n\nA: 1\n  more\nB : 2", &[("A", "1 more"), ("B", "2")]);
        check("s\n\nA b: 1", &[]);
        check("s\n\nX: \x1b[2J", &[("X", "\\x1b[2J")]);
        check("", &[]);
    }

    #[test]
    fn ids_are_forty_hex_digits() {
        for bad in ["", "abc", "-h", &"g".repeat(40), &"a".repeat(41), "\n"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad:?}");
        }
        let id: CommitId = "0123456789abcdef0123456789abcdef01234567".parse().expect("valid");
        assert_eq!(id.short(), "0123456789");
        assert_eq!(serde_json::from_str::<CommitId>(&serde_json::to_string(&id).expect("text")).expect("id"), id);
    }

    #[test]
    fn the_subject_is_the_first_paragraph() {
        assert_eq!(split_message("\na\nb\n\nc\n\nd\n"), ("a b".into(), "c\n\nd"));
        assert_eq!(split_message(""), (String::new(), ""));
    }
}
