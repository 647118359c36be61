//! Keeps a session up: joins, dials, renews the certificate, waits and tries again.

use masthead_wire::channel::dial;
use masthead_wire::pki::identity::Identity;
use masthead_wire::pki::tls;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tonic::transport::Channel;

use super::state::{LinkState, Shared};
use super::{backoff, join, session};

/// A renewal that failed is tried again after this time.
const RENEW_AGAIN: Duration = Duration::from_secs(600);

/// How one attempt ended.
enum End {
    /// Another one follows at once.
    Again,
    /// Another one follows after a while.
    Later(String),
    /// No other one follows.
    Never(String),
}

pub(super) async fn run(shared: Arc<Shared>) {
    let (mut attempt, mut turn) = (0_u32, 0_usize);
    let servers = &shared.options.servers;
    // `start` refuses an empty list.
    while let Some(server) = servers.get(turn % servers.len().max(1)) {
        let mut welcomed = false;
        let ended = tokio::select! {
            ended = once(&shared, server, &mut welcomed) => ended,
            () = shared.stop.cancelled() => return,
        };
        if welcomed {
            attempt = 0;
        }
        let why = match ended {
            End::Again => continue,
            End::Later(why) => why,
            End::Never(why) => {
                tracing::error!(%why, "the link to the control plane has ended");
                shared.state.send_replace(LinkState::Failed { why });
                return;
            }
        };
        tracing::warn!(%server, %why, "no session with the control plane");
        shared.state.send_replace(LinkState::Down { why });
        let wait = backoff::delay(attempt, rand::random());
        attempt = attempt.saturating_add(1);
        turn = turn.wrapping_add(1);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

fn pki_dir(shared: &Shared) -> PathBuf {
    shared.options.state_dir.join("pki")
}

async fn once(shared: &Arc<Shared>, server: &str, welcomed: &mut bool) -> End {
    let options = &shared.options;
    let dir = pki_dir(shared);
    let identity = join::ensure(&dir, &options.node, server, options.token.as_ref()).await;
    let identity = match identity {
        Ok(identity) => identity,
        Err(error) if error.may_pass() => return End::Later(error.to_string()),
        Err(error) => return End::Never(error.to_string()),
    };
    let config = match tls::node(&identity) {
        Ok(config) => config,
        Err(error) => return End::Never(error.to_string()),
    };
    let channel = match dial(server, config).await {
        Ok(channel) => channel,
        Err(error) => return End::Later(error.to_string()),
    };
    let mut facts = shared.facts.subscribe();
    tokio::select! {
        ended = session::run(shared, channel.clone(), welcomed) => match ended {
            Ok(()) => End::Again,
            Err(error) => End::Later(error.to_string()),
        },
        () = renew(shared, &identity, &channel) => End::Again,
        // The sender lives in `shared`.
        _ = facts.changed() => End::Again,
    }
}

/// Ends once the certificate was renewed. Streams of the old connection live on: they hold it.
async fn renew(shared: &Shared, identity: &Identity, channel: &Channel) {
    let mut wait = identity.renew_in(SystemTime::now());
    loop {
        tokio::time::sleep(wait).await;
        match join::renew(&pki_dir(shared), identity, channel.clone()).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "can't renew the node's certificate"),
        }
        wait = RENEW_AGAIN;
    }
}
