//! What a git hook and the daemon say to each other: frames of JSON behind a length of four bytes.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::git::commit::CommitId;
use crate::git::error::Error;

/// Bytes of one frame.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Refs in one push.
pub const UPDATES_MAX: usize = 10_000;
/// Push options in one push.
pub const OPTIONS_MAX: usize = 100;
/// Bytes a socket path may have before it must be reached through its folder (`sun_path` is 108).
pub const SOCKET_PATH_BYTES_MAX: usize = 104;
/// The variable in which a hook finds the socket's path.
pub const SOCKET_ENV: &str = "MASTHEAD_HOOK_SOCKET";

/// Which of git's hooks speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookKind {
    /// Before any ref moves; may refuse.
    PreReceive,
    /// After the refs have moved.
    PostReceive,
}

/// One ref a push moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The full ref name.
    pub name: String,
    /// Where it was; None when it is new.
    pub old: Option<CommitId>,
    /// Where it goes; None when it is deleted. A tag may name an object that is no commit.
    pub new: Option<CommitId>,
}

impl RefUpdate {
    /// The branch's name when the ref is one.
    pub fn branch(&self) -> Option<&str> {
        self.name.strip_prefix("refs/heads/")
    }
}

/// A push as git's hook saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The repository, absolute.
    pub repository: PathBuf,
    /// What it moves, in the pusher's order.
    pub updates: Vec<RefUpdate>,
    /// What the pusher gave with `git push -o`.
    pub options: Vec<String>,
    /// Who pushes, if the server asked.
    pub pusher: Option<String>,
    /// Object directories with what is not accepted yet; empty after it is.
    pub quarantine: Vec<PathBuf>,
}

impl Push {
    /// Whether the pusher gave an option.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|o| o == name)
    }
}

/// The hook's first and only frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which hook.
    pub kind: HookKind,
    /// The push.
    pub push: Push,
}

/// A frame of the daemon; the last is a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A line for the pusher, sanitised.
    Line(String),
    /// Whether the push may go on; after it the connection ends.
    Verdict {
        /// False refuses the whole push.
        accept: bool,
    },
}

/// A value as one frame.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let body = serde_json::to_vec(value).map_err(|e| Error::Protocol(e.to_string()))?;
    let length = checked_length(body.len())?;
    Ok([length.to_be_bytes().as_slice(), &body].concat())
}

/// A frame's body as a value.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Protocol(e.to_string()))
}

/// The length of a frame from its head.
pub fn frame_length(head: [u8; 4]) -> Result<usize, Error> {
    checked_length(u32::from_be_bytes(head) as usize).map(|n| n as usize)
}

fn checked_length(bytes: usize) -> Result<u32, Error> {
    let limit = || Error::Limit {
        what: format!("a frame of {bytes} bytes"),
        limit: FRAME_BYTES_MAX as u64,
        name: "FRAME_BYTES_MAX",
    };
    u32::try_from(bytes).ok().filter(|n| *n as usize <= FRAME_BYTES_MAX).ok_or_else(limit)
}

/// Writes one frame and waits for it to be taken.
pub fn send<T: Serialize>(to: &mut impl Write, value: &T) -> Result<(), Error> {
    let frame = encode(value)?;
    to.write_all(&frame)
        .and_then(|()| to.flush())
        .map_err(|source| Error::Io { what: "writing to the control plane".into(), source })
}

/// Reads one frame; None at the end of the connection.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, Error> {
    let io = |source| Error::Io { what: "reading from the control plane".into(), source };
    let mut head = [0; 4];
    match from.read_exact(&mut head) {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other.map_err(io)?,
    }
    let mut body = vec![0; frame_length(head)?];
    from.read_exact(&mut body).map_err(io)?;
    decode(&body).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_lengths_are_bounded() {
        let reply = Reply::Line("tödlich".into());
        let mut bytes = encode(&reply).expect("small");
        bytes.extend(encode(&Reply::Verdict { accept: true }).expect("small"));
        let mut from = bytes.as_slice();
        assert_eq!(receive::<Reply>(&mut from).expect("frame"), Some(reply));
        assert_eq!(receive::<Reply>(&mut from).expect("frame"), Some(Reply::Verdict { accept: true }));
        assert_eq!(receive::<Reply>(&mut from).expect("end"), None);
        assert!(receive::<Reply>(&mut [0xff; 8].as_slice()).is_err(), "a length of 4 GiB is refused before allocation");
        assert!(receive::<Reply>(&mut [0, 0, 0, 9, b'{'].as_slice()).is_err(), "a torn frame is an error, not an end");
    }
}
