//! The output of a session and its end → what a client is told, on whatever its streams travel.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::runtime::cri::channel::{self, ERROR, STDERR, STDOUT};
use crate::runtime::error::Result;
use crate::runtime::streams::BoxRead;

/// Bytes that are told at a time.
pub const CHUNK: usize = 32 << 10;
/// How long output is waited for after the exit, for a grandchild may hold it open.
const DRAIN: Duration = Duration::from_secs(2);

/// The way to a client.
pub trait Client: Send {
    /// Sends bytes on one of the channels of `channel.rs`; false when nobody is there any more.
    fn send(&mut self, channel: u8, bytes: &[u8]) -> impl Future<Output = bool> + Send;
}

/// What a client hears of.
pub struct Output {
    /// What the process prints.
    pub stdout: Option<BoxRead>,
    /// Its errors.
    pub stderr: Option<BoxRead>,
    /// Its exit code.
    pub exit: BoxFuture<'static, Result<i32>>,
}

/// Sends the output, and the outcome last.
pub async fn tell(to: &mut impl Client, output: Output) {
    let Output { mut stdout, mut stderr, mut exit } = output;
    let (mut out, mut err) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut outcome = None;
    let mut drained = None;
    while outcome.is_none() || stdout.is_some() || stderr.is_some() {
        let is_heard = tokio::select! {
            n = some(&mut stdout, &mut out) => match n {
                0 => { stdout = None; continue; }
                n => to.send(STDOUT, &out[..n]).await,
            },
            n = some(&mut stderr, &mut err) => match n {
                0 => { stderr = None; continue; }
                n => to.send(STDERR, &err[..n]).await,
            },
            ended = &mut exit, if outcome.is_none() => {
                outcome = Some(ended.map_err(|e| e.to_string()));
                drained = Some(Instant::now() + DRAIN);
                continue;
            }
            () = until(drained) => break,
        };
        if !is_heard {
            return;
        }
    }
    if let Some(outcome) = outcome {
        to.send(ERROR, &channel::status(&outcome)).await;
    }
}

/// Waits until then, for ever without a time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn some(from: &mut Option<BoxRead>, buffer: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
