//! A data directory → everything that its node made on this machine is gone: containers, namespaces, mounts, cgroups, links.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use crate::network::destroy as network;
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
        remove_cgroups(&paths.cgroup_root()).context("removing the cgroups")
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

/// Removes the node's empty cgroups in every hierarchy, and `/masthead` itself when no other node uses it.
fn remove_cgroups(root: &str) -> io::Result<()> {
    let mut hierarchies = vec![Path::new("/sys/fs/cgroup").to_owned()];
    for entry in fs::read_dir("/sys/fs/cgroup")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            hierarchies.push(entry.path());
        }
    }
    for hierarchy in hierarchies {
        let own = hierarchy.join(root.trim_start_matches('/'));
        if own.is_dir() {
            remove_tree(&own)?;
            if let Some(shared) = own.parent() {
                // Others' are in it: then it stays.
                let _ = fs::remove_dir(shared);
            }
        }
    }
    Ok(())
}

/// A cgroup's files can't be removed, its directories can, the innermost first.
fn remove_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    gone(fs::remove_dir(dir))
}
