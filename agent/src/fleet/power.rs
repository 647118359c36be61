//! Switches a node off as a power failure would: its processes are gone at once, its disk stays.

use std::path::Path;

use anyhow::{Context, Result};

use crate::node::lock;
use crate::node::paths::Paths;
use crate::pods::volumes::apply;
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::runtime::Embedded;

/// Ends every container of the node in `data`. Its agent must have ended; images, logs and volumes stay.
///
/// # Errors
/// The agent still runs, or something is held.
pub async fn off(data: &Path) -> Result<()> {
    let paths = Paths::new(data);
    if !paths.node.exists() {
        return Ok(());
    }
    let held = lock::take(&paths)?;
    tokio::task::spawn_blocking(move || {
        let options = Options { cgroup_root: paths.cgroup_root(), ..Options::new(&paths.runtime) };
        Embedded::destroy_all(&options).context("ending the containers")?;
        if paths.pods.exists() {
            // What a machine that starts again does not find mounted.
            apply::unmount_below(&paths.pods).context("unmounting the pods' volumes")?;
        }
        drop(held);
        Ok(())
    })
    .await?
}
