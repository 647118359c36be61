//! Every bound of the channel, in one place.

use std::time::Duration;

/// Version of the contract; the two sides must have the same.
pub const PROTOCOL: u32 = 1;
/// Largest message that either side decodes.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Largest Kubernetes object that travels; etcd's own limit is 1.5 MiB.
pub const MAX_OBJECT_BYTES: usize = 4 << 20;
/// A part of a manifest is closed once it holds this many bytes.
pub const PART_BYTES: usize = 1 << 20;
/// A part of a manifest is closed once it holds this many entries.
pub const PART_ITEMS: usize = 512;
/// Most pods and attachments of one node.
pub const MAX_MANIFEST_ITEMS: usize = 100_000;
/// Most bytes of one node's manifest.
pub const MAX_MANIFEST_BYTES: usize = 512 << 20;
/// Largest piece of a stream in one frame.
pub const FRAME_BYTES: usize = 64 << 10;
/// Frames of one stream that wait in this process, in each direction.
pub const FRAME_QUEUE: usize = 16;
/// Messages of one session that wait in this process, in each direction.
pub const MESSAGE_QUEUE: usize = 16;
/// Kubernetes Events in one message.
pub const EVENTS_PER_MESSAGE: usize = 100;
/// Problems of one node in a report.
pub const MAX_PROBLEMS: usize = 100;
/// Bytes of a problem's sentence: with the node's name before it, it fits into an Event (Kubernetes' bound is 1024).
pub const MAX_PROBLEM_BYTES: usize = 700;
/// Streams that one connection carries at a time.
pub const MAX_STREAMS: u32 = 200;
/// Bytes of one HTTP/2 stream that may be under way.
pub const STREAM_WINDOW: u32 = 256 << 10;
/// Bytes of one connection that may be under way: more than all streams together, so that a
/// stream nobody reads can't stop the session.
pub const CONNECTION_WINDOW: u32 = STREAM_WINDOW * (MAX_STREAMS + 56);
/// A connection that is silent for this long is pinged.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// A ping that is not answered for this long ends the connection.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// A TCP connection and its TLS handshake take at most this long.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// TLS handshakes under way at a time.
pub const MAX_HANDSHAKES: usize = 256;
/// An agent dials a stream within this time.
pub const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
