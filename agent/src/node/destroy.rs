//! A data directory → everything that its node made on this machine is gone: containers, namespaces, mounts, cgroups, links.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use crate::network::destroy as network;
use crate::node::cgroups;
use crate::node::lock;
use crate::node::paths::Paths;
use crate::pods::volumes::apply;
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::runtime::Embedded;

/// Removes what the node of a data directory made, and nothing else. Images stay; files of the
/// node itself go.
///
/// # Errors
/// The node still runs, or something is held.
pub async fn destroy(data: &Path) -> Result<()> {
    let paths = Paths::new(data);
    if !paths.node.exists() {
        return Ok(());
    }
    let lock = lock::take(&paths)?;
    let containers = paths.clone();
    tokio::task::spawn_blocking(move || {
        let paths = containers;
        let options = Options { cgroup_root: paths.cgroup_root(), ..Options::new(&paths.runtime) };
        Embedded::destroy_all(&options).context("removing the containers")?;
        if paths.pods.exists() {
            apply::unmount_below(&paths.pods).context("unmounting the pods' volumes")?;
        }
        cgroups::remove(&paths.cgroup_root()).context("removing the cgroups")
    })
    .await??;
    // No container is in a namespace any more.
    network::destroy(&paths.data).await.context("removing the pods' network")?;
    tokio::task::spawn_blocking(move || {
        let _lock = lock;
        apply::unmount_below(&paths.node).context("unmounting what is left")?;
        gone(fs::remove_dir_all(&paths.logs)).with_context(|| format!("removing {}", paths.logs.display()))?;
        gone(fs::remove_dir_all(&paths.node)).with_context(|| format!("removing {}", paths.node.display()))
    })
    .await?
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
