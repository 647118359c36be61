//! The runtime contract over CRI's gRPC: containerd or CRI-O does the work.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tonic::Request;
use tonic::transport::Channel;

use crate::runtime::cri::dial;
use crate::runtime::cri::endpoint::channel;
use crate::runtime::cri::known::Known;
use crate::runtime::cri::spdy;
use crate::runtime::cri::wanted::Wanted;
use crate::runtime::error::Result;
use crate::runtime::streams::Session;
use crate::runtime::v1::image_service_client::ImageServiceClient;
use crate::runtime::v1::runtime_service_client::RuntimeServiceClient;

/// The kubelet's `runtimeRequestTimeout`.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// The kubelet's bound on a message.
const MESSAGE_MAX: usize = 16 << 20;

/// A CRI server behind a unix socket.
#[derive(Clone, Debug)]
pub struct CriRuntime {
    pub(crate) runtime: RuntimeServiceClient<Channel>,
    pub(crate) images: ImageServiceClient<Channel>,
    /// Set once the server has refused a WebSocket that can tell the end of stdin.
    needs_spdy: Arc<AtomicBool>,
    /// What it last said, where changes are found by listing.
    pub(crate) known: Arc<Known>,
}

impl CriRuntime {
    /// A runtime at `unix:///path/to/socket`; connects when it is first used.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an endpoint that is no unix socket.
    pub fn new(endpoint: &str) -> Result<Self> {
        let channel = channel(endpoint)?;
        Ok(Self {
            runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_MAX),
            images: ImageServiceClient::new(channel).max_decoding_message_size(MESSAGE_MAX),
            needs_spdy: Arc::default(),
            known: Arc::default(),
        })
    }

    pub(crate) fn client(&self) -> RuntimeServiceClient<Channel> {
        self.runtime.clone()
    }

    /// Connects to a streaming URL, which is good for one use: another try asks for another one.
    pub(crate) async fn connect<F>(&self, wanted: Wanted, url: impl Fn() -> F) -> Result<Session>
    where
        F: Future<Output = Result<String>>,
    {
        if !(wanted.stdin && self.needs_spdy.load(Ordering::Relaxed)) {
            if let Some(session) = dial::session(&url().await?, wanted).await? {
                return Ok(session);
            }
            self.needs_spdy.store(true, Ordering::Relaxed);
        }
        spdy::session(&url().await?, wanted).await
    }
}

pub(crate) fn timed<T>(message: T) -> Request<T> {
    within(message, CALL_TIMEOUT)
}

pub(crate) fn within<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}
