//! The pod network of the embedded runtime, as a handle on the thread that owns it.

use std::thread;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::network::call::Call;
use crate::network::contract::{self, Attachment, PodNetwork};
use crate::network::error::{Error, IoContext, Result};
use crate::network::options::Options;
use crate::network::pod_ports::Asked;
use crate::network::rules::ports::HostPort;
use crate::network::run::Engine;

/// Calls that may wait; callers beyond that wait to be let in.
const CALLS: usize = 256;
/// Pods whose places are taken away at the same time.
const DEPARTURES: usize = 16;

/// A handle; the network's thread ends with the last of them, the pods keep their places.
#[derive(Clone, Debug)]
pub struct RoutedNetwork {
    calls: mpsc::Sender<Call>,
}

impl RoutedNetwork {
    /// Starts the network in the caller's network namespace, and adopts what is there of it.
    ///
    /// Blocks for as long as that takes: milliseconds, and a link's removal for each left-over one.
    pub fn start(options: Options) -> Result<Self> {
        let (calls, inbox) = mpsc::channel(CALLS);
        let (ready, started) = std::sync::mpsc::channel();
        thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(DEPARTURES).build();
                let runtime = match runtime.doing(|| "start the network's runtime".to_owned()) {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                runtime.block_on(async {
                    match Engine::start(options).await {
                        Err(error) => drop(ready.send(Err(error))),
                        Ok(engine) => {
                            drop(ready.send(Ok(())));
                            engine.run(inbox).await;
                        }
                    }
                });
            })
            .doing(|| "start the network's thread".to_owned())?;
        started.recv().unwrap_or(Err(Error::Ended))?;
        Ok(Self { calls })
    }

    /// Where pods' addresses come from: at most one CIDR of each family. Pods that have a place keep it.
    pub async fn set_cidrs(&self, cidrs: Vec<String>) -> Result<()> {
        self.set_ranges(cidrs, Vec::new()).await
    }

    /// The same, with the ranges of all nodes' pods: among these, packets keep their source.
    pub async fn set_ranges(&self, cidrs: Vec<String>, cluster: Vec<String>) -> Result<()> {
        self.call(|reply| Call::SetRanges(cidrs, cluster, reply)).await
    }

    /// Which ports of the node pods ask for. They lead to a pod from its attach to its detach; an attach fails
    /// while another pod or process has one of them.
    pub async fn set_pod_ports(&self, asked: Asked) -> Result<()> {
        self.call(|reply| Call::SetPodPorts(asked, reply)).await
    }

    /// Which ports of the node lead to pods: the whole list, of which only what changed is sent on.
    pub async fn set_host_ports(&self, ports: Vec<HostPort>) -> Result<()> {
        self.call(|reply| Call::SetHostPorts(ports, reply)).await
    }

    /// Ends the network's threads and gives back what waits in the pool; pods keep their places.
    pub async fn close(&self) -> Result<()> {
        self.call(Call::Close).await
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<Result<T>>) -> Call) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.calls.send(call(reply)).await.map_err(|_| Error::Ended)?;
        answer.await.unwrap_or(Err(Error::Ended))
    }
}

impl PodNetwork for RoutedNetwork {
    fn attach<'a>(&'a self, pod_uid: &'a str) -> BoxFuture<'a, contract::Result<Attachment>> {
        let done = self.call(|reply| Call::Attach(pod_uid.to_owned(), reply));
        async move { done.await.map_err(|e| e.during(&format!("attach pod {pod_uid}"))) }.boxed()
    }

    fn detach<'a>(&'a self, pod_uid: &'a str) -> BoxFuture<'a, contract::Result<()>> {
        let done = self.call(|reply| Call::Detach(pod_uid.to_owned(), reply));
        async move { done.await.map_err(|e| e.during(&format!("detach pod {pod_uid}"))) }.boxed()
    }

    fn attached(&self) -> BoxFuture<'_, contract::Result<Vec<String>>> {
        async move { self.call(Call::Attached).await.map_err(|e| e.during("list attached pods")) }.boxed()
    }
}
