//! What the embedded runtime knows: its sandboxes and containers, each with its directory and its state.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::broadcast;

use crate::runtime::embedded::guarded::unpoisoned;
use crate::runtime::embedded::held::Container;
use crate::runtime::embedded::host::Host;
use crate::runtime::embedded::layout;
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::record::SandboxRecord;
use crate::runtime::embedded::stats::Samples;
use crate::runtime::embedded::zygote::Zygote;
use crate::runtime::error::{Error, Result};
use crate::runtime::images::Layers;
use crate::runtime::v1::ContainerEventResponse;

/// The most events a slow listener may be behind.
const EVENTS_MAX: usize = 4096;

/// A sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// Its directory.
    pub dir: PathBuf,
    /// What it was made from.
    pub record: Mutex<SandboxRecord>,
    /// One change of it at a time.
    pub lock: tokio::sync::Mutex<()>,
}

impl Sandbox {
    /// A sandbox.
    pub fn new(dir: PathBuf, record: SandboxRecord) -> Arc<Self> {
        Arc::new(Self { dir, record: Mutex::new(record), lock: tokio::sync::Mutex::default() })
    }

    /// Its record, for a moment.
    pub fn record(&self) -> MutexGuard<'_, SandboxRecord> {
        unpoisoned(&self.record)
    }
}

/// All of it.
pub struct Store {
    /// Settings.
    pub options: Options,
    /// The host.
    pub host: Host,
    /// Images on disk.
    pub layers: Arc<dyn Layers>,
    /// What starts shims.
    pub zygote: Zygote,
    /// News.
    pub events: broadcast::Sender<ContainerEventResponse>,
    /// The last look at each container's CPU time.
    pub samples: Samples,
    sandboxes: Mutex<HashMap<String, Arc<Sandbox>>>,
    containers: Mutex<HashMap<String, Arc<Container>>>,
    /// Ids that are being made.
    pub making: Making,
}

/// A lock for each id that is being made.
#[derive(Debug, Default)]
pub struct Making(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Making {
    /// Waits until nobody else makes this id, and keeps others out.
    pub async fn enter(&self, id: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = unpoisoned(&self.0).entry(id.to_owned()).or_default().clone();
        lock.lock_owned().await
    }

    /// Forgets an id that is made.
    pub fn leave(&self, id: &str) {
        unpoisoned(&self.0).remove(id);
    }
}

impl Store {
    /// An empty one.
    pub fn new(options: Options, layers: Arc<dyn Layers>) -> Self {
        Self {
            zygote: Zygote::new(&options),
            host: Host::observe(),
            options,
            layers,
            events: broadcast::Sender::new(EVENTS_MAX),
            samples: Samples::default(),
            sandboxes: Mutex::default(),
            containers: Mutex::default(),
            making: Making::default(),
        }
    }

    /// Where a sandbox's directory is.
    pub fn sandbox_dir(&self, id: &str) -> PathBuf {
        layout::sandboxes(&self.options.state_dir).join(id)
    }

    /// Where a container's directory is.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        layout::containers(&self.options.state_dir).join(id)
    }

    /// Where a container's writable layer is.
    pub fn writable_dir(&self, id: &str) -> PathBuf {
        layout::writable(&self.options.state_dir).join(id)
    }

    /// A sandbox by its id.
    pub fn sandbox(&self, id: &str) -> Result<Arc<Sandbox>> {
        self.find_sandbox(id).ok_or_else(|| Error::not_found("sandbox", id))
    }

    /// A sandbox by its id, if it is there.
    pub fn find_sandbox(&self, id: &str) -> Option<Arc<Sandbox>> {
        unpoisoned(&self.sandboxes).get(id).cloned()
    }

    /// A container by its id.
    pub fn container(&self, id: &str) -> Result<Arc<Container>> {
        self.find_container(id).ok_or_else(|| Error::not_found("container", id))
    }

    /// A container by its id, if it is there.
    pub fn find_container(&self, id: &str) -> Option<Arc<Container>> {
        unpoisoned(&self.containers).get(id).cloned()
    }

    /// All sandboxes.
    pub fn sandboxes(&self) -> Vec<Arc<Sandbox>> {
        unpoisoned(&self.sandboxes).values().cloned().collect()
    }

    /// All containers.
    pub fn containers(&self) -> Vec<Arc<Container>> {
        unpoisoned(&self.containers).values().cloned().collect()
    }

    /// The containers of a sandbox.
    pub fn containers_of(&self, sandbox_id: &str) -> Vec<Arc<Container>> {
        let mut all = self.containers();
        all.retain(|container| container.record().sandbox_id == sandbox_id);
        all
    }

    /// Adds a sandbox.
    pub fn add_sandbox(&self, id: &str, sandbox: Arc<Sandbox>) {
        unpoisoned(&self.sandboxes).insert(id.to_owned(), sandbox);
    }

    /// Adds a container.
    pub fn add_container(&self, container: Arc<Container>) {
        unpoisoned(&self.containers).insert(container.id.clone(), container);
    }

    /// Forgets a sandbox.
    pub fn forget_sandbox(&self, id: &str) {
        unpoisoned(&self.sandboxes).remove(id);
    }

    /// Forgets a container.
    pub fn forget_container(&self, id: &str) {
        unpoisoned(&self.containers).remove(id);
        self.samples.forget(id);
    }
}
