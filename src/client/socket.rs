//! A path → a WebSocket to the control plane that speaks one of the protocols offered.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::error::Error;
use crate::client::rest::Rest;

/// Bytes of a refusal at most.
const REFUSAL_MAX: usize = 1024 * 1024;

/// A WebSocket to the control plane.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Rest {
    /// Opens a WebSocket.
    ///
    /// # Errors
    /// What the server answers instead, or it does not speak the protocols.
    pub async fn websocket(&self, path: &str, protocols: &[&str]) -> Result<Socket> {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let request = Request::get(path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, protocols.join(", "))
            .body(Full::new(Bytes::new()))?;
        let response = self.raw(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let code = response.status().as_u16();
            let body = Limited::new(response.into_body(), REFUSAL_MAX)
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default();
            return Err(Error::of(code, &body).into());
        }
        let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if text(header::SEC_WEBSOCKET_ACCEPT) != derive_accept_key(key.as_bytes())
            || !protocols.contains(&text(header::SEC_WEBSOCKET_PROTOCOL))
        {
            bail!("{} answers the WebSocket handshake wrongly", self.url());
        }
        let upgraded = hyper::upgrade::on(response).await?;
        Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }
}
