//! Turns an address and a TLS configuration into a gRPC channel.

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::limits::{CONNECTION_WINDOW, HANDSHAKE_TIMEOUT, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, STREAM_WINDOW};
use crate::pki::authority::SERVER_NAME;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or the other end is not the control plane.
    #[error("can't reach the control plane at {address}: {why}")]
    Dial {
        /// Where.
        address: String,
        /// Why, with every cause.
        why: String,
    },
}

/// Dials `address` (`HOST:PORT`). The name in the certificate is always [`SERVER_NAME`], so that
/// a control plane may be reached under any address; who it is, its authority says.
pub async fn dial(address: &str, config: Arc<rustls::ClientConfig>) -> Result<Channel, Error> {
    let target = address.to_owned();
    let connector = tower::service_fn(move |_| {
        let (target, config) = (target.clone(), config.clone());
        async move {
            let tcp = TcpStream::connect(&target).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from(SERVER_NAME).map_err(std::io::Error::other)?;
            let tls = TlsConnector::from(config).connect(name, tcp).await?;
            Ok::<_, std::io::Error>(TokioIo::new(tls))
        }
    });
    // The connector speaks TLS itself: towards tonic the scheme stays plain.
    Endpoint::from_static("http://control-plane.masthead.internal")
        .connect_timeout(HANDSHAKE_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .connect_with_connector(connector)
        .await
        .map_err(|e| Error::Dial { address: address.to_owned(), why: causes(&e) })
}

/// An error with all of its causes in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
