//! Messages of `channel.k8s.io` WebSockets → channels and bytes, and back: exec, attach and port-forward speak in them.

use axum::body::Bytes;
use masthead_wire::stream::{Exit, Size};
use serde::Deserialize;
use serde_json::{Value, json};

/// Channels of exec and attach (`apimachinery/pkg/util/remotecommand`).
pub const STDIN: u8 = 0;
/// Standard output.
pub const STDOUT: u8 = 1;
/// Standard error.
pub const STDERR: u8 = 2;
/// How it ended, as a `Status`.
pub const STATUS: u8 = 3;
/// Sizes of the terminal.
pub const RESIZE: u8 = 4;
/// Ends another channel; since v5.
pub const CLOSE: u8 = 255;

/// The versions that are spoken, the best first.
pub const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// The version of port-forward over a WebSocket.
pub const FORWARD_PROTOCOL: &str = "v4.channel.k8s.io";

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Bytes for the process.
    Stdin(Bytes),
    /// No more bytes come.
    StdinEnds,
    /// The terminal has another size.
    Resize(Size),
    /// Nothing that concerns us.
    Nothing,
}

#[derive(Deserialize)]
struct TerminalSize {
    #[serde(rename = "Width")]
    width: u16,
    #[serde(rename = "Height")]
    height: u16,
}

/// Reads a message of exec or attach.
pub fn read(message: &Bytes) -> Said {
    match message.first() {
        Some(&STDIN) if message.len() > 1 => Said::Stdin(message.slice(1..)),
        Some(&RESIZE) => serde_json::from_slice::<TerminalSize>(&message[1..])
            .map_or(Said::Nothing, |size| Said::Resize(Size { width: size.width, height: size.height })),
        Some(&CLOSE) if message.get(1) == Some(&STDIN) => Said::StdinEnds,
        _ => Said::Nothing,
    }
}

/// A message on a channel.
pub fn write(channel: u8, bytes: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(channel);
    message.extend_from_slice(bytes);
    message.into()
}

/// The first message of each channel of a forwarded port: the port, little endian.
pub fn port(channel: u8, port: u16) -> Bytes {
    write(channel, &port.to_le_bytes())
}

/// How a process ended, as the `Status` of channel 3.
pub fn status(exit: &Exit) -> Value {
    match exit {
        Exit::Code(0) => json!({ "metadata": {}, "status": "Success" }),
        Exit::Code(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        Exit::Failed { reason, message } => json!({
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code_of(reason),
        }),
    }
}

/// Reads what [`status`] wrote.
pub fn exit(status: &Value) -> Exit {
    let text = |field: &str| status.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("status") == "Success" {
        return Exit::Code(0);
    }
    let causes = status.pointer("/details/causes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = causes.iter().find(|cause| cause.get("reason").and_then(Value::as_str) == Some("ExitCode"));
    match code.and_then(|cause| cause.get("message")).and_then(Value::as_str).and_then(|code| code.parse().ok()) {
        Some(code) => Exit::Code(code),
        None => Exit::Failed { reason: text("reason"), message: text("message") },
    }
}

/// The HTTP code that goes with a reason of Kubernetes.
pub fn code_of(reason: &str) -> u16 {
    match reason {
        "NotFound" => 404,
        "BadRequest" => 400,
        "Forbidden" => 403,
        "Conflict" => 409,
        "ServiceUnavailable" => 503,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_channels_and_bytes() {
        let check = |message: &'static [u8], expect: Said| assert_eq!(read(&Bytes::from_static(message)), expect);
        check(b"\x00abc", Said::Stdin(Bytes::from_static(b"abc")));
        check(b"\x00", Said::Nothing);
        check(b"\xff\x00", Said::StdinEnds);
        check(b"\xff\x01", Said::Nothing);
        check(b"\xff", Said::Nothing);
        check(b"\x04{\"Width\":80,\"Height\":24}", Said::Resize(Size { width: 80, height: 24 }));
        check(b"\x04{\"Width\":-1}", Said::Nothing);
        check(b"\x01abc", Said::Nothing);
        check(b"", Said::Nothing);
        assert_eq!(&write(STDOUT, b"x")[..], b"\x01x");
        assert_eq!(&port(1, 0x1f90)[..], b"\x01\x90\x1f");
    }

    #[test]
    fn an_exit_goes_there_and_back() {
        for end in [
            Exit::Code(0),
            Exit::Code(7),
            Exit::Failed { reason: "NotFound".into(), message: "no such container".into() },
        ] {
            assert_eq!(exit(&status(&end)), end);
        }
        assert_eq!(status(&Exit::Code(7))["details"]["causes"][0]["message"], "7");
    }
}
