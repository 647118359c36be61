//! The kernel's word on addresses and routes → the node's own address, whenever it is another.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::network::rules::watch::Addresses;
use crate::node::facts;

/// How long after a change it is looked: a new address comes with its routes, and a pod with both.
const QUIET: Duration = Duration::from_millis(300);

/// Follows the node's addresses from those that it began with, in the caller's network namespace. While there is no way
/// out, they stay as they were: a node that is cut off has not moved.
pub fn follow(first: Vec<IpAddr>, stop: CancellationToken) -> watch::Receiver<Vec<IpAddr>> {
    let (to, addresses) = watch::channel(first);
    match Addresses::open() {
        Ok(watch) => {
            tokio::spawn(async move {
                tokio::select! {
                    () = tell(&watch, &to) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        Err(error) => {
            tracing::warn!(%error, "a change of the node's address is not seen before the agent's next start")
        }
    }
    addresses
}

async fn tell(watch: &Addresses, to: &watch::Sender<Vec<IpAddr>>) {
    loop {
        if let Err(error) = watch.changed().await {
            tracing::warn!(%error, "a change of the node's address is not seen before the agent's next start");
            return;
        }
        tokio::time::sleep(QUIET).await;
        let Some(now) = facts::way_out().map(|ip| vec![ip]) else { continue };
        to.send_if_modified(|known| {
            let is_new = *known != now;
            if is_new {
                tracing::info!(from = ?known, to = ?now, "the node's address is another");
                *known = now;
            }
            is_new
        });
    }
}
