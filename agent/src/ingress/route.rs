//! A rule of an Ingress or a gateway → who gets the requests that it matches.

use std::sync::Arc;

use crate::ingress::backend::Backend;
use crate::ingress::metrics::Counters;

/// Where requests go.
#[derive(Debug)]
pub struct Route {
    /// The Ingress, for messages.
    pub ingress: String,
    /// Who gets them.
    pub backend: Arc<Backend>,
    /// Clients without TLS are sent to where it is.
    pub to_https: bool,
    /// What is counted.
    pub counters: Option<Arc<Counters>>,
}
