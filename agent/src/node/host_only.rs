//! A pod network that leaves everything to the runtime, for CRI servers, which bring their own (CNI).

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::network::contract::{Attachment, PodNetwork, Result};

/// Gives neither namespace nor address.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostOnly;

impl PodNetwork for HostOnly {
    fn attach<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Attachment>> {
        async { Ok(Attachment::default()) }.boxed()
    }

    fn detach<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn attached(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        async { Ok(Vec::new()) }.boxed()
    }
}
