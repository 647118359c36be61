//! Opens a gRPC channel to a unix socket.

use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use crate::runtime::error::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The path in `unix:///run/x.sock`, `unix:/run/x.sock` or `/run/x.sock`.
///
/// # Errors
/// [`Error::InvalidArgument`] for anything else.
pub fn socket_path(endpoint: &str) -> Result<PathBuf> {
    let path = endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:")).unwrap_or(endpoint);
    if path.starts_with('/') {
        return Ok(PathBuf::from(path));
    }
    Err(Error::InvalidArgument(format!("runtime endpoint {endpoint:?}: want unix:///path/to/socket")))
}

/// A channel that connects when it is first used, and again when the server comes back.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub fn channel(endpoint: &str) -> Result<Channel> {
    let path = socket_path(endpoint)?;
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The address is a formality: the connector knows where to go.
    let endpoint = Endpoint::from_static("http://localhost").connect_timeout(CONNECT_TIMEOUT);
    Ok(endpoint.connect_with_connector_lazy(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (text, expect) in [
            ("unix:///run/a.sock", Some("/run/a.sock")),
            ("unix:/run/a.sock", Some("/run/a.sock")),
            ("/run/a.sock", Some("/run/a.sock")),
            ("tcp://127.0.0.1:1", None),
            ("run/a.sock", None),
            ("", None),
        ] {
            assert_eq!(socket_path(text).ok(), expect.map(PathBuf::from), "{text}");
        }
    }
}
