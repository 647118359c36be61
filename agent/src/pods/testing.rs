//! What all workers share, as tests make it up: a runtime that remembers, no network, nobody who is told.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use masthead_wire::report::{PodGone, PodStatus};
use tokio::sync::{Semaphore, watch};

use crate::images::store::ImageStore;
use crate::node::host_only::HostOnly;
use crate::pods::clock::Clock;
use crate::pods::convert::sandbox::Site;
use crate::pods::fake::FakeRuntime;
use crate::pods::site::{Dirs, ImagesInUse, Reporter, Shared};

struct Silent;

impl Reporter for Silent {
    fn status(&self, _: PodStatus) {}
    fn gone(&self, _: PodGone) {}
    fn event(&self, _: Bytes) {}
}

/// A site with its files below `dir`.
pub fn shared(dir: &Path, runtime: FakeRuntime, image_store: Option<ImageStore>) -> Shared {
    Shared {
        node: "n".into(),
        runtime: Arc::new(runtime.clone()),
        runtime_name: "fake".into(),
        images: Arc::new(runtime),
        image_store,
        network: Arc::new(HostOnly),
        reporter: Arc::new(Silent),
        clock: Clock::System,
        dirs: Dirs { pods: dir.join("pods"), logs: dir.join("logs") },
        site: Site::default(),
        host_ips: Vec::new(),
        cpu_milli: 1000,
        memory_bytes: 1 << 30,
        slots: Semaphore::new(1),
        pulls: Semaphore::new(1),
        in_use: Arc::new(ImagesInUse::default()),
        manifest: watch::channel(None).1,
    }
}
