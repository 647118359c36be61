//! A state directory into what runs: after a restart nothing is started twice and nothing is lost.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::join_all;
use nix::fcntl::{Flock, FlockArg};

use crate::runtime::embedded::cgroup::Cgroup;
use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::held::{Container, State};
use crate::runtime::embedded::options::Options;
use crate::runtime::embedded::record::{self, ContainerRecord, SandboxRecord};
use crate::runtime::embedded::remove::remove_directory;
use crate::runtime::embedded::sandbox::tear_down;
use crate::runtime::embedded::store::{Sandbox, Store};
use crate::runtime::embedded::{exec, id, joining, layout, shims, zygote};
use crate::runtime::error::{Error, Result};
use crate::shim::exit::ExitRecord;
use crate::shim::task::files;

/// Finds the sandboxes and containers of an earlier agent.
pub async fn restore(store: &Arc<Store>) -> Result<()> {
    let root = store.options.state_dir.clone();
    let found = blocking("read the state directory", move || scan(&root))
        .await?
        .map_err(|error| Error::internal("read the state directory", error))?;
    for (directory, record) in found.sandboxes {
        store.add_sandbox(&record.id.clone(), Sandbox::new(directory, record));
    }
    let adopted = found.containers.into_iter().map(|(directory, record)| {
        let container = Container::new(directory, record, State::Created);
        store.add_container(Arc::clone(&container));
        adopt(store, container)
    });
    join_all(adopted).await.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(())
}

/// What a state directory holds.
#[derive(Default)]
struct Found {
    sandboxes: Vec<(PathBuf, SandboxRecord)>,
    containers: Vec<(PathBuf, ContainerRecord)>,
}

fn scan(root: &Path) -> io::Result<Found> {
    layout::mount_run(root)?;
    let mut found = Found::default();
    for directory in directories(&layout::sandboxes(root))? {
        match record::load::<SandboxRecord>(&directory)? {
            Some(record) => found.sandboxes.push((directory, record)),
            // Its maker died before it was whole, so nobody was told of it.
            None => {
                tear_down(&directory);
                remove_directory(&directory)?;
            }
        }
    }
    for directory in directories(&layout::containers(root))? {
        exec::sweep(&directory);
        match record::load::<ContainerRecord>(&directory)? {
            Some(record) => found.containers.push((directory, record)),
            None => remove_directory(&directory)?,
        }
    }
    // Layers of an earlier boot, and of containers that were never whole.
    for directory in directories(&layout::writable(root))? {
        if !found.containers.iter().any(|(known, _)| known.file_name() == directory.file_name()) {
            remove_directory(&directory)?;
        }
    }
    Ok(found)
}

fn directories(parent: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(parent)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if id::is_valid(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

async fn adopt(store: &Arc<Store>, container: Arc<Container>) -> Result<()> {
    let directory = container.dir.clone();
    if !directory.join(files::BEGUN).exists() && !directory.join(files::STARTING).exists() {
        return match ExitRecord::load(&directory) {
            Ok(None) => Ok(()),
            _ => shims::settle(store, &container, "it was stopped before it was started").await,
        };
    }
    // A shim that is just being started listens before it lets go of this lock.
    let listens = blocking("wait for a shim", move || starting_is_over(&directory)).await?;
    listens.map_err(|error| Error::internal("wait for a shim", error))?;
    match shims::connect(&container.dir) {
        Ok(stream) => {
            shims::watch(Arc::clone(store), Arc::clone(&container), stream).await;
            settled(&container).await;
            Ok(())
        }
        // The shim never got far enough to begin: the container is as it was made.
        Err(_) if !container.dir.join(files::BEGUN).exists() => Ok(()),
        Err(_) => {
            let why = match container.record().boot_id == store.host.boot_id {
                true => "its shim was killed",
                false => "the node was restarted",
            };
            shims::settle(store, &container, why).await
        }
    }
}

/// Waits for a shim's first word, so that the first list after a restart is right.
async fn settled(container: &Container) {
    let mut states = container.state.subscribe();
    let known = states.wait_for(|state| !matches!(state, State::Created));
    // One that is still being made says so when it is; that must not hold up all others.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), known).await;
}

fn starting_is_over(directory: &Path) -> io::Result<()> {
    let Ok(file) = File::open(directory.join(files::STARTING)) else { return Ok(()) };
    match Flock::lock(file, FlockArg::LockExclusive) {
        Ok(_lock) => Ok(()),
        Err((_, error)) => Err(error.into()),
    }
}

/// Removes everything of ours: containers, mounts, pinned namespaces, cgroups, directories; and
/// nothing else. Works without an agent, and again after it was broken off.
pub fn destroy_all(options: &Options) -> io::Result<()> {
    let root = &options.state_dir;
    let mut parents = Vec::new();
    for directory in directories(&layout::containers(root))? {
        let record = record::load::<ContainerRecord>(&directory)?;
        let cgroup = record.as_ref().map(|record| record.cgroup.clone());
        if let Some(cgroup) = &cgroup {
            // Its shim sees the end and cleans up; what it can't is swept here.
            Cgroup::open(cgroup).kill_all();
            shims::see_off(&directory);
            shims::sweep(&directory, cgroup);
        }
        remove_directory(&directory)?;
    }
    for directory in directories(&layout::sandboxes(root))? {
        if let Some(record) = record::load::<SandboxRecord>(&directory)? {
            parents.push(joining::cgroup_parent_of(options, &record));
        }
        tear_down(&directory);
        remove_directory(&directory)?;
    }
    zygote::unseal(root);
    // A parent can be removed only once its pods are gone, up to the root that is ours.
    for parent in parents {
        for path in Path::new(&parent).ancestors().filter(|path| path.parent().is_some()) {
            Cgroup::open(&path.to_string_lossy()).remove_if_empty();
        }
    }
    // All below this one is ours, whichever pods it was for; what still holds a process stays.
    Cgroup::open(&options.cgroup_root).remove();
    layout::unmount_run(root);
    remove_directory(&layout::run(root))?;
    remove_directory(&layout::writable(root))?;
    for name in [files::SHIM_LOG, "shim"] {
        let _ = fs::remove_file(root.join(name));
    }
    Ok(())
}
