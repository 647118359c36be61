//! Frames of SPDY/3.1 ↔ bytes (draft-mbelshe-httpbis-spdy-00, 2.2).

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Opens a stream.
pub const SYN_STREAM: u16 = 1;
/// Takes a stream that the other side has opened.
pub const SYN_REPLY: u16 = 2;
/// Breaks a stream off.
pub const RST_STREAM: u16 = 3;
/// Is sent back as it came.
pub const PING: u16 = 6;
/// No more streams are taken.
pub const GOAWAY: u16 = 7;
/// This side says no more on the stream.
pub const FIN: u8 = 1;

/// Bytes of one frame that are taken; Kubernetes' own send 32 KiB.
const FRAME_BYTES_MAX: usize = 1 << 20;
const VERSION: u16 = 3;
const IS_CONTROL: u32 = 1 << 31;

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of a stream.
    Data {
        /// Which stream.
        stream: u32,
        /// [`FIN`] or nothing.
        flags: u8,
        /// The bytes.
        payload: Bytes,
    },
    /// Everything else.
    Control {
        /// [`SYN_STREAM`], …
        kind: u16,
        /// [`FIN`] or nothing.
        flags: u8,
        /// What belongs to the kind.
        payload: Bytes,
    },
}

/// The next frame; none at the end, or for a frame that is too long.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 8];
    from.read_exact(&mut head).await.ok()?;
    let [a, b, c, d, flags, rest @ ..] = head;
    let first = u32::from_be_bytes([a, b, c, d]);
    let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
    if length > FRAME_BYTES_MAX {
        return None;
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await.ok()?;
    let payload = payload.into();
    Some(match first & IS_CONTROL {
        0 => Frame::Data { stream: first, flags, payload },
        _ => Frame::Control { kind: u16::from_be_bytes([c, d]), flags, payload },
    })
}

/// Bytes of a stream as a frame.
pub fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    write(stream & !IS_CONTROL, flags, payload)
}

/// A control frame.
pub fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    write(IS_CONTROL | u32::from(VERSION) << 16 | u32::from(kind), flags, payload)
}

fn write(first: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let mut frame = Vec::with_capacity(8 + payload.len());
    frame.extend_from_slice(&first.to_be_bytes());
    frame.push(flags);
    frame.extend_from_slice(&length);
    frame.extend_from_slice(payload);
    frame
}

/// The number at the beginning of a payload: a stream's id, without the bit that is reserved.
pub fn id(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) & !IS_CONTROL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back() {
        let ping = control(PING, 0, &7_u32.to_be_bytes());
        assert_eq!(ping, [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 7]);
        let mut wire = ping;
        wire.extend(data(5, FIN, b"end"));
        let mut from = wire.as_slice();
        let payload = Bytes::from_static(&[0, 0, 0, 7]);
        assert_eq!(read(&mut from).await, Some(Frame::Control { kind: PING, flags: 0, payload: payload.clone() }));
        assert_eq!(id(&payload), Some(7));
        let payload = Bytes::from_static(b"end");
        assert_eq!(read(&mut from).await, Some(Frame::Data { stream: 5, flags: FIN, payload }));
        assert_eq!(read(&mut from).await, None);
        assert_eq!(read(&mut [0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0].as_slice()).await, None, "too long");
        assert_eq!(id(b"abc"), None);
    }
}
