//! What git said when it failed into a kind, a sentence, and whether our own copy is to blame.

use std::time::SystemTime;

use serde::Serialize;

use crate::git::text;

/// Bytes of git's own words that are kept in a fault.
const WORDS_BYTES_MAX: usize = 400;

/// Why a repository can't be followed right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum FaultKind {
    /// The host's name is not known.
    Dns,
    /// No connection, or it broke.
    Network,
    /// No answer in time.
    Timeout,
    /// The certificate is not trusted.
    Tls,
    /// The ssh host key is unknown or has changed.
    HostKey,
    /// Login refused (401, 403, ssh).
    Auth,
    /// Too many requests (429).
    RateLimited,
    /// The server failed (5xx).
    Server,
    /// No repository there (404, missing path).
    Missing,
    /// Something answers that is no git repository, such as an HTML page.
    NotGit,
    /// A redirect that is not followed.
    Redirect,
    /// The pack was cut short or damaged on its way.
    TruncatedPack,
    /// More bytes than allowed.
    TooLarge,
    /// The repository has no commit.
    EmptyRepository,
    /// The branch is not there.
    BranchMissing,
    /// The branch's tip is no commit, or its tree has no entry.
    EmptyTree,
    /// The branch has no history in common with what was applied: another repository, most likely.
    Unrelated,
    /// Our own copy is damaged; it is being made anew.
    LocalCopy,
    /// No space for our copy.
    DiskFull,
    /// The repository uses something that is not supported.
    Unsupported,
    /// None of the above.
    Other,
}

/// A fault while the last good commit stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Since when nothing could be followed; the start of an unbroken row of faults.
    pub since: SystemTime,
    /// What happened, for people; sanitised, one line.
    pub why: String,
    /// What it is.
    pub kind: FaultKind,
}

/// A fault that has not been given its time yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is.
    pub kind: FaultKind,
    /// What happened.
    pub why: String,
}

impl Failure {
    /// A failure with its sentence, sanitised.
    pub fn new(kind: FaultKind, why: impl AsRef<str>) -> Self {
        Self { kind, why: text::line(why.as_ref()).into_owned() }
    }
}

/// Phrases of git, curl and ssh, and what they mean; the first that is found counts. Taken from their sources and from
/// runs against failing servers.
const PHRASES: &[(&str, FaultKind)] = &[
    ("no space left on device", FaultKind::DiskFull),
    ("disk quota exceeded", FaultKind::DiskFull),
    ("died of signal 25", FaultKind::TooLarge),
    ("file too large", FaultKind::TooLarge),
    ("could not resolve host", FaultKind::Dns),
    ("name or service not known", FaultKind::Dns),
    ("temporary failure in name resolution", FaultKind::Dns),
    ("host key verification failed", FaultKind::HostKey),
    ("remote host identification has changed", FaultKind::HostKey),
    ("authentication failed", FaultKind::Auth),
    ("could not read username", FaultKind::Auth),
    ("could not read password", FaultKind::Auth),
    ("permission denied (", FaultKind::Auth),
    ("returned error: 401", FaultKind::Auth),
    ("returned error: 403", FaultKind::Auth),
    ("returned error: 429", FaultKind::RateLimited),
    ("returned error: 5", FaultKind::Server),
    ("returned error: 404", FaultKind::Missing),
    ("unable to update url base from redirection", FaultKind::Redirect),
    ("http redirects", FaultKind::Redirect),
    ("returned error: 3", FaultKind::Redirect),
    ("ssl", FaultKind::Tls),
    ("certificate", FaultKind::Tls),
    ("operation too slow", FaultKind::Timeout),
    ("timed out", FaultKind::Timeout),
    ("couldn't find remote ref", FaultKind::BranchMissing),
    ("is this a git repository", FaultKind::NotGit),
    ("bad line length character", FaultKind::NotGit),
    ("invalid server response", FaultKind::NotGit),
    ("bad pack header", FaultKind::TruncatedPack),
    ("inflate: data stream error", FaultKind::TruncatedPack),
    ("serious inflate inconsistency", FaultKind::TruncatedPack),
    ("bytes of body are still expected", FaultKind::TruncatedPack),
    ("protocol error", FaultKind::NotGit),
    ("dubious ownership", FaultKind::Auth),
    ("' does not appear to be a git repository", FaultKind::Missing),
    ("repository not found", FaultKind::Missing),
    ("' does not exist", FaultKind::Missing),
    ("' not found", FaultKind::Missing),
    ("early eof", FaultKind::TruncatedPack),
    ("unexpected disconnect", FaultKind::TruncatedPack),
    ("index-pack", FaultKind::TruncatedPack),
    ("unpack-objects", FaultKind::TruncatedPack),
    ("pack has ", FaultKind::TruncatedPack),
    ("pack is corrupted", FaultKind::TruncatedPack),
    ("pack signature mismatch", FaultKind::TruncatedPack),
    ("protocol v2 packfile", FaultKind::TruncatedPack),
    ("transfer closed", FaultKind::TruncatedPack),
    ("did not send all necessary objects", FaultKind::TruncatedPack),
    ("remote did not send all", FaultKind::TruncatedPack),
    ("missing necessary objects", FaultKind::TruncatedPack),
    ("unexpected flush packet", FaultKind::TruncatedPack),
    ("expected 'packfile'", FaultKind::TruncatedPack),
    ("the remote end hung up", FaultKind::Network),
    ("connection refused", FaultKind::Network),
    ("failed to connect", FaultKind::Network),
    ("connection reset", FaultKind::Network),
    ("empty reply from server", FaultKind::Network),
    ("unable to access", FaultKind::Network),
    ("rpc failed", FaultKind::Network),
    ("unknown repository extension", FaultKind::Unsupported),
    ("unsupported extension", FaultKind::Unsupported),
    ("object-format", FaultKind::Unsupported),
    ("mismatched algorithms", FaultKind::Unsupported),
];

/// Phrases that mean that our own copy is damaged.
const LOCAL_PHRASES: &[&str] = &[
    "loose object",
    "object file",
    "does not match index",
    "is far too short to be a packfile",
    "bad object refs/",
    "unable to read tree",
    "does not point to a valid object",
    "unable to resolve reference",
    "not a git repository (or",
    "not a git repository: ",
    "bad config line",
    "failed to read object",
    "packed object",
];

/// What git's standard error means.
pub fn classify(stderr: &str) -> Failure {
    let lower = stderr.to_lowercase();
    let of = |(_, kind): &(&str, FaultKind)| *kind;
    let strong = PHRASES.iter().find(|(phrase, _)| lower.contains(phrase)).map(of);
    let local = LOCAL_PHRASES.iter().any(|p| lower.contains(p));
    let kind = match strong {
        // A pack that can't be put together may be the server's fault or that of a broken base in our copy.
        Some(FaultKind::TruncatedPack) | None if local => FaultKind::LocalCopy,
        Some(kind) => kind,
        None => FaultKind::Other,
    };
    Failure::new(kind, words(stderr))
}

/// Git's words on one line, the fatal ones first.
fn words(stderr: &str) -> String {
    let useful = |l: &&str| !l.trim().is_empty() && !l.starts_with("From ") && !l.starts_with("hint:");
    let mut lines: Vec<&str> = stderr.lines().filter(useful).collect();
    lines.sort_by_key(|l| !l.starts_with("fatal:"));
    let mut out = lines.join("; ");
    if out.len() > WORDS_BYTES_MAX {
        out.truncate(out.floor_char_boundary(WORDS_BYTES_MAX));
        out.push('…');
    }
    if out.is_empty() { "git failed without a word".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_words_have_kinds() {
        let check = |stderr: &str, expect: FaultKind| assert_eq!(classify(stderr).kind, expect, "{stderr}");
        check("fatal: unable to access 'https://h/': Could not resolve host: h", FaultKind::Dns);
        check("fatal: Authentication failed for 'https://h/p/'", FaultKind::Auth);
        check("fatal: unable to access 'https://h/p/': The requested URL returned error: 502", FaultKind::Server);
        check("fatal: couldn't find remote ref refs/heads/main", FaultKind::BranchMissing);
        check("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", FaultKind::TruncatedPack);
        check("error: object file ./objects/ab/cd is empty\nfatal: loose object abcd is corrupt", FaultKind::LocalCopy);
        check("fatal: protocol error: bad line length character: <!DO", FaultKind::NotGit);
        check("", FaultKind::Other);
    }

    #[test]
    fn words_are_safe_and_bounded() {
        let long = format!("remote: \x1b[2J{}\nfatal: the end", "ü".repeat(1000));
        let failure = classify(&long);
        assert!(failure.why.starts_with("fatal: the end") && !failure.why.contains('\x1b') && failure.why.len() < 500);
    }
}
