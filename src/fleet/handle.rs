//! What can be asked of a running fleet, by the API and by the command line.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::fleet::config::{NodeSpec, Role};

/// Requests that may wait.
pub const ASKS_MAX: usize = 16;

/// Something asked of a fleet, with where the answer goes.
#[derive(Debug)]
pub enum Ask {
    /// Its nodes.
    List(oneshot::Sender<Vec<NodeState>>),
    /// Another node; an empty name asks for one.
    Add(NodeSpec, Reply<String>),
    /// One node less, with all that it ran.
    Remove(String, Reply<()>),
    /// Switches a node on.
    Start(String, Reply<()>),
    /// Switches a node off, as a power failure would.
    Stop(String, Reply<()>),
    /// Ends the agents, not their containers.
    Close(oneshot::Sender<()>),
}

/// Where the answer of something that may be refused goes.
pub type Reply<T> = oneshot::Sender<Result<T, String>>;

/// A node of a fleet, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// Name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// `running`, `stopped`, `restarting`.
    pub state: String,
    /// Address on the segment.
    pub address: String,
    /// Ports of the machine that lead to it, `127.0.0.1:8080->80/TCP`.
    pub ports: Vec<String>,
    /// Why its agent is not running, when that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A handle on a running fleet.
#[derive(Clone, Debug)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
}

const ENDED: &str = "the fleet has ended";

impl Handle {
    /// Over a channel to the fleet's task.
    pub fn new(asks: mpsc::Sender<Ask>) -> Handle {
        Handle { asks }
    }

    /// The nodes.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn list(&self) -> Result<Vec<NodeState>, String> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::List(reply)).await.map_err(|_| ENDED.to_owned())?;
        answer.await.map_err(|_| ENDED.to_owned())
    }

    /// Adds a node and says its name.
    ///
    /// # Errors
    /// The name is taken, or the machine refuses.
    pub async fn add(&self, spec: NodeSpec) -> Result<String, String> {
        self.ask(|reply| Ask::Add(spec, reply)).await
    }

    /// Removes a node and all that it ran.
    ///
    /// # Errors
    /// There is none of that name, or something is held.
    pub async fn remove(&self, name: String) -> Result<(), String> {
        self.ask(|reply| Ask::Remove(name, reply)).await
    }

    /// Switches a node on.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn start(&self, name: String) -> Result<(), String> {
        self.ask(|reply| Ask::Start(name, reply)).await
    }

    /// Switches a node off.
    ///
    /// # Errors
    /// There is none of that name, or something is held.
    pub async fn stop(&self, name: String) -> Result<(), String> {
        self.ask(|reply| Ask::Stop(name, reply)).await
    }

    /// Ends all agents; containers go on.
    pub async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.asks.send(Ask::Close(reply)).await.is_ok() {
            // An end without an answer is an end.
            let _ = answer.await;
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.map_err(|_| ENDED.to_owned())?;
        answer.await.unwrap_or_else(|_| Err(ENDED.to_owned()))
    }
}
