//! Opens the streaming URL of a CRI server over WebSocket, as a session or as a forwarded port.

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::runtime::cri::channel::{V4, V5};
use crate::runtime::cri::pump;
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxDuplex, Session};

/// Connects to an exec or attach URL; None when the server's WebSocket cannot tell the end of stdin and stdin is wanted.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Unsupported`] for a URL that is not plain HTTP.
pub async fn session(url: &str, wanted: Wanted) -> Result<Option<Session>> {
    let protocols: &[&str] = if wanted.stdin { &[V5] } else { &[V5, V4] };
    match open(url, protocols).await {
        Ok((socket, protocol)) => Ok(Some(pump::session(socket, wanted, protocol == V5))),
        // The server is there, but will not speak as asked.
        Err(Refusal::Handshake(_)) if wanted.stdin => Ok(None),
        Err(Refusal::Handshake(e) | Refusal::Other(e)) => Err(e),
    }
}

/// Connects to a port-forward URL.
///
/// # Errors
/// As [`session`].
pub async fn port(url: &str, port: u16) -> Result<BoxDuplex> {
    match open(url, &[V4]).await {
        Ok((socket, _)) => Ok(pump::port(socket, port)),
        Err(Refusal::Handshake(e) | Refusal::Other(e)) => Err(e),
    }
}

/// Why there is no socket: the server answered, and not with one, or something else.
enum Refusal {
    Handshake(Error),
    Other(Error),
}

async fn open(url: &str, protocols: &[&str]) -> std::result::Result<(WebSocketStream<TcpStream>, String), Refusal> {
    let unavailable = |e: &dyn std::fmt::Display| Error::Unavailable(format!("stream {url}: {e}"));
    let other = |e: &dyn std::fmt::Display| Refusal::Other(unavailable(e));
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(Refusal::Other(Error::Unsupported(format!("streaming URL {url:?}: want http"))));
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let mut request = format!("ws://{rest}").into_client_request().map_err(|e| other(&e))?;
    let offer = HeaderValue::from_str(&protocols.join(", ")).map_err(|e| other(&e))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
    let tcp = TcpStream::connect(&address).await.map_err(|e| other(&e))?;
    tcp.set_nodelay(true).map_err(|e| other(&e))?;
    let (socket, answer) = client_async(request, tcp).await.map_err(|e| Refusal::Handshake(unavailable(&e)))?;
    let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|h| h.to_str().ok()).unwrap_or_default();
    Ok((socket, chosen.to_owned()))
}
