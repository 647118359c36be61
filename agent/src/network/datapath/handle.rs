//! The data path as a handle on the thread that owns it.

use std::sync::Arc;
use std::thread;

use masthead_wire::manifest::{Generation, NodeManifest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::link::problems::Problems;
use crate::link::tables::Part;
use crate::network::datapath::run::Engine;
use crate::network::datapath::state::{Options, State};
use crate::network::error::{Error, IoContext, Result};

/// A handle. The thread ends with `stop` or the manifest's sender; tables and routes stay.
#[derive(Clone, Debug)]
pub struct Datapath {
    state: watch::Receiver<State>,
}

impl Datapath {
    /// Starts it in the caller's network namespace.
    ///
    /// # Errors
    /// The kernel has no nftables, or no thread is to be had.
    pub fn start(
        options: Options,
        manifest: watch::Receiver<Option<Arc<NodeManifest>>>,
        stop: CancellationToken,
    ) -> Result<Self> {
        let (sender, state) = watch::channel(State::default());
        let (ready, started) = std::sync::mpsc::channel();
        thread::Builder::new()
            .name("datapath".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = match runtime.doing(|| "start the data path's runtime".to_owned()) {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                runtime.block_on(async {
                    match Engine::start(options, sender) {
                        Err(error) => drop(ready.send(Err(error))),
                        Ok(engine) => {
                            drop(ready.send(Ok(())));
                            engine.run(manifest, stop).await;
                        }
                    }
                });
            })
            .doing(|| "start the data path's thread".to_owned())?;
        started.recv().unwrap_or(Err(Error::Ended))?;
        Ok(Self { state })
    }

    /// How far it is, as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Tells how far it is, and what it can't do, until it ends.
    pub async fn tell(self, part: Part, problems: Problems) {
        let mut state = self.state;
        loop {
            {
                let state = state.borrow_and_update();
                problems.set("datapath", state.problems.clone());
                match (&state.refused, state.applied) {
                    (Some((generation, why)), _) => part.applied(*generation, Some(why.clone())),
                    (None, Some(generation)) => part.applied(generation, None),
                    (None, None) => {}
                }
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until a manifest, or a later one, is in the kernel.
    ///
    /// # Errors
    /// The thread has ended.
    pub async fn applied(&self, generation: Generation) -> Result<()> {
        let mut state = self.state.clone();
        let there = state.wait_for(|state| state.applied.is_some_and(|at| at >= generation)).await;
        there.map(drop).map_err(|_| Error::Ended)
    }
}
