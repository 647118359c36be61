//! The messages between agent and shim, as length-prefixed frames on a unix socket.

use crate::shim::error::{Error, Result};

/// The largest payload in bytes; longer texts are cut.
pub const PAYLOAD_MAX: usize = 8 * 1024;
/// Kind and length.
pub const HEADER: usize = 3;

/// One message. The first group goes to the shim, the second comes from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Send a signal to the container's first process.
    Signal(i32),
    /// Open the log file by its path anew.
    ReopenLog,
    /// Run a command; `exec-N.json` says which. Three file descriptors come along.
    Exec(u32),
    /// Kill the command of this connection with all that it started.
    KillExec,
    /// Connect to the container's streams: bit 0 stdin, 1 stdout, 2 stderr. Two file
    /// descriptors come along, for stdout and stderr.
    Attach(u8),
    /// No more comes from this connection for the container's stdin, which ends there when it is for one client.
    CloseStdin,
    /// The container runs: pid and start in nanoseconds since the epoch.
    Started(i32, i64),
    /// The container could not be started.
    Failed(String),
    /// The container ended: an exit record as JSON.
    Exited(String),
    /// The command runs, with this pid.
    ExecStarted(i32),
    /// The command could not be run.
    ExecFailed(String),
    /// The command ended: its exit code.
    ExecExited(i32),
    /// Connected; stdin's file descriptor comes along when asked for.
    Attached,
    /// Done.
    Done,
    /// Can't be done now.
    Refused(String),
    /// Another shim has this container already.
    Busy,
}

impl Message {
    const fn kind(&self) -> u8 {
        match self {
            Self::Signal(_) => 1,
            Self::ReopenLog => 2,
            Self::Exec(_) => 3,
            Self::KillExec => 4,
            Self::Attach(_) => 5,
            Self::CloseStdin => 6,
            Self::Started(..) => 64,
            Self::Failed(_) => 65,
            Self::Exited(_) => 66,
            Self::ExecStarted(_) => 67,
            Self::ExecFailed(_) => 68,
            Self::ExecExited(_) => 69,
            Self::Attached => 70,
            Self::Done => 71,
            Self::Refused(_) => 72,
            Self::Busy => 73,
        }
    }

    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        match self {
            Self::Signal(number) | Self::ExecStarted(number) | Self::ExecExited(number) => {
                payload.extend(number.to_le_bytes());
            }
            Self::Exec(number) => payload.extend(number.to_le_bytes()),
            Self::Attach(bits) => payload.push(*bits),
            Self::Started(pid, at) => {
                payload.extend(pid.to_le_bytes());
                payload.extend(at.to_le_bytes());
            }
            Self::Failed(text) | Self::Exited(text) | Self::ExecFailed(text) | Self::Refused(text) => {
                payload.extend(cut(text).as_bytes())
            }
            Self::ReopenLog | Self::KillExec | Self::CloseStdin | Self::Attached | Self::Done | Self::Busy => {}
        }
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes();
        let mut frame = vec![self.kind(), length[0], length[1]];
        frame.append(&mut payload);
        frame
    }

    /// The first message of `bytes` and how many bytes it took; None while it is incomplete.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let [kind, low, high, rest @ ..] = bytes else { return Ok(None) };
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        if length > PAYLOAD_MAX {
            return Err(Error::Protocol(format!("a frame of {length} bytes")));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let message = match kind {
            1 => Self::Signal(i32_of(payload)?),
            2 => Self::ReopenLog,
            3 => Self::Exec(u32::from_le_bytes(array(payload)?)),
            4 => Self::KillExec,
            5 => Self::Attach(u8::from_le_bytes(array(payload)?)),
            6 => Self::CloseStdin,
            64 if length == 12 => {
                let at = i64::from_le_bytes(array(&payload[4..])?);
                Self::Started(i32_of(&payload[..4])?, at)
            }
            65 => Self::Failed(text(payload)),
            66 => Self::Exited(text(payload)),
            67 => Self::ExecStarted(i32_of(payload)?),
            68 => Self::ExecFailed(text(payload)),
            69 => Self::ExecExited(i32_of(payload)?),
            70 => Self::Attached,
            71 => Self::Done,
            72 => Self::Refused(text(payload)),
            73 => Self::Busy,
            other => return Err(Error::Protocol(format!("kind {other} with {length} bytes"))),
        };
        Ok(Some((message, HEADER + length)))
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(PAYLOAD_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| Error::Protocol(format!("{} bytes in place of {N}", bytes.len())))
}

fn i32_of(bytes: &[u8]) -> Result<i32> {
    Ok(i32::from_le_bytes(array(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_wire_cut_anywhere() {
        let all = [
            Message::Signal(15),
            Message::ReopenLog,
            Message::Exec(7),
            Message::KillExec,
            Message::Attach(5),
            Message::CloseStdin,
            Message::Started(42, 1_700_000_000_000_000_000),
            Message::Failed("no such file".into()),
            Message::Exited("{}".into()),
            Message::ExecStarted(3),
            Message::ExecFailed(String::new()),
            Message::ExecExited(-1),
            Message::Attached,
            Message::Done,
            Message::Refused("not now".into()),
            Message::Busy,
        ];
        for message in all {
            let frame = message.encode();
            for end in 0..frame.len() {
                assert_eq!(Message::decode(&frame[..end]).unwrap(), None, "{message:?} at {end}");
            }
            let taken = frame.len();
            assert_eq!(Message::decode(&frame).unwrap(), Some((message, taken)));
        }
    }

    #[test]
    fn what_is_not_a_message_is_refused() {
        for bytes in [&[9, 0, 0][..], &[1, 1, 0, 5], &[64, 3, 0, 1, 2, 3], &[2, 255, 255]] {
            assert!(Message::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let frame = Message::Failed("é".repeat(PAYLOAD_MAX)).encode();
        assert!(matches!(Message::decode(&frame), Ok(Some((Message::Failed(t), _))) if t.len() == PAYLOAD_MAX));
    }
}
