//! Kubernetes' stream framing over WebSocket: a channel byte before each message, an exit code as a Status object.

use serde::Deserialize;

use crate::runtime::streams::TerminalSize;

/// Stdin, and the data of a forwarded port.
pub const STDIN: u8 = 0;
/// Stdout, and the error text of a forwarded port.
pub const STDOUT: u8 = 1;
/// Stderr.
pub const STDERR: u8 = 2;
/// The outcome.
pub const ERROR: u8 = 3;
/// Terminal sizes.
pub const RESIZE: u8 = 4;
/// "This channel ends here", with the channel as payload; since version 5.
pub const CLOSE: u8 = 255;

/// With [`CLOSE`].
pub const V5: &str = "v5.channel.k8s.io";
/// Without it: the end of stdin cannot be told.
pub const V4: &str = "v4.channel.k8s.io";

/// Longest error text passed on.
const MESSAGE_MAX: usize = 4 << 10;

/// A message on a channel.
pub fn frame(channel: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(payload.len() + 1);
    message.push(channel);
    message.extend_from_slice(payload);
    message
}

/// The terminal size as `remotecommand.TerminalSize`.
pub fn resize(size: TerminalSize) -> Vec<u8> {
    frame(RESIZE, format!(r#"{{"Width":{},"Height":{}}}"#, size.columns, size.rows).as_bytes())
}

/// Reads a terminal size.
pub fn parse_resize(payload: &[u8]) -> Option<TerminalSize> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Size {
        width: u16,
        height: u16,
    }
    let size: Size = serde_json::from_slice(payload).ok()?;
    Some(TerminalSize { columns: size.width, rows: size.height })
}

/// The outcome as a `metav1.Status`: `Ok` with the exit code, `Err` with a text when there is none.
pub fn status(outcome: &Result<i32, String>) -> Vec<u8> {
    let value = match outcome {
        Ok(0) => serde_json::json!({"metadata": {}, "status": "Success"}),
        Ok(code) => serde_json::json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(message) => serde_json::json!({
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": "InternalError",
            "code": 500,
        }),
    };
    value.to_string().into_bytes()
}

/// Reads an outcome.
pub fn parse_status(payload: &[u8]) -> Result<i32, String> {
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        #[serde(default)]
        causes: Vec<Cause>,
    }
    #[derive(Deserialize)]
    struct Cause {
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }
    let text = || String::from_utf8_lossy(payload).chars().take(MESSAGE_MAX).collect::<String>();
    let status: Status = serde_json::from_slice(payload).map_err(|_| text())?;
    if status.status == "Success" {
        return Ok(0);
    }
    let causes = status.details.map(|d| d.causes).unwrap_or_default();
    let code = causes.iter().find(|c| c.reason == "ExitCode").and_then(|c| c.message.parse().ok());
    code.ok_or(if status.message.is_empty() { text() } else { status.message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back() {
        for outcome in [Ok(0), Ok(1), Ok(137), Err("no such file".to_owned())] {
            assert_eq!(parse_status(&status(&outcome)), outcome);
        }
        assert_eq!(parse_status(b"plain text"), Err("plain text".to_owned()));
        assert_eq!(parse_status(br#"{"status":"Failure"}"#), Err(r#"{"status":"Failure"}"#.to_owned()));
    }

    #[test]
    fn sizes_come_back() {
        let size = TerminalSize { columns: 80, rows: 24 };
        assert_eq!(parse_resize(&resize(size)[1..]), Some(size));
        assert_eq!(parse_resize(br#"{"Width":-1}"#), None);
    }
}
