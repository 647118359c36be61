//! A container made, started, stopped and removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal as KernelSignal;
use tokio::time::timeout;

use crate::runtime::embedded::guarded::blocking;
use crate::runtime::embedded::held::{Container, State};
use crate::runtime::embedded::record::{self, ContainerRecord};
use crate::runtime::embedded::remove::remove_directory;
use crate::runtime::embedded::store::{Sandbox, Store};
use crate::runtime::embedded::{devices, events, id, joining, shims, spec, spec_mounts};
use crate::runtime::error::{Error, Result};
use crate::runtime::images::ImageRootfs;
use crate::runtime::v1::{ContainerConfig, CreateContainerRequest, NamespaceMode, PodSandboxConfig, Signal};
use crate::shim::create::write_json;
use crate::shim::exit::now;
use crate::shim::protocol::Message;
use crate::shim::task::{LogOptions, Overlay, Task, files};
use crate::shim::zygote;

/// How long the kernel may take to kill a container.
const KILL: Duration = Duration::from_secs(30);

/// How often a zygote may die under a start.
const START_TRIES: usize = 3;

/// Makes a container, or gives the one that is already there.
pub async fn create(store: &Arc<Store>, request: CreateContainerRequest) -> Result<String> {
    let missing = |what: &str| Error::InvalidArgument(format!("a container without {what}"));
    let config = request.config.ok_or_else(|| missing("a configuration"))?;
    let metadata = config.metadata.as_ref().ok_or_else(|| missing("metadata"))?;
    let sandbox = store.sandbox(&request.pod_sandbox_id)?;
    let id = id::container(&request.pod_sandbox_id, metadata);
    let _making = store.making.enter(&id).await;
    if store.find_container(&id).is_some() {
        return Ok(id);
    }
    if sandbox.record().stopped {
        return Err(Error::FailedPrecondition("the sandbox was stopped".to_owned()));
    }
    let reference = config.image.as_ref().map_or("", |image| image.image.as_str());
    let image = store.layers.resolve(reference).await?;
    let (record, task) = plan(store, &sandbox, &id, config, &image)?;
    let directory = store.container_dir(&id);
    let written = (directory.clone(), record.clone());
    blocking("make a container", move || write(&written.0, &written.1, &task))
        .await?
        .map_err(|error| Error::internal("make a container", error))?;
    let container = Container::new(directory, record, State::Created);
    store.add_container(Arc::clone(&container));
    store.making.leave(&id);
    events::created(store, &container);
    Ok(id)
}

fn plan(
    store: &Store,
    sandbox: &Sandbox,
    id: &str,
    config: ContainerConfig,
    image: &ImageRootfs,
) -> Result<(ContainerRecord, Task)> {
    let pod = sandbox.record().clone();
    let (_, pid_mode, _, target) = spec::modes(&config);
    let target = match pid_mode {
        NamespaceMode::Target => Some(store.container(&target)?.running()?),
        _ => None,
    };
    let privileged = config
        .linux
        .as_ref()
        .and_then(|linux| linux.security_context.as_ref())
        .is_some_and(|security| security.privileged);
    let devices =
        devices::observe(&config.devices, privileged).map_err(|error| Error::InvalidArgument(error.to_string()))?;
    let cgroup = format!("{}/{id}", joining::cgroup_parent(store, &pod));
    let seen = store.container_dir(id).join(files::POD);
    let oci = spec::build(&spec::Input {
        config: &config,
        image: &image.config,
        hostname: &joining::hostname(&pod.config),
        joined: &joining::joined(sandbox, &seen, pid_mode, target)?,
        files: &joining::files(sandbox, &seen),
        cgroup: &cgroup,
        devices: &devices,
        host: &store.host,
    })?;
    let log = log_path(&pod.config, &config);
    let writable = store.writable_dir(id);
    let task = Task {
        id: id.to_owned(),
        spec: oci,
        user: spec::user(&config, &image.config)?,
        pod: sandbox.dir.clone(),
        rootfs: Overlay {
            lower: image.lower.clone(),
            upper: writable.join("upper"),
            work: writable.join("work"),
            on_host: spec_mounts::root_propagation(&config.mounts) == spec_mounts::SHARED,
        },
        log: log.clone().map(|path| LogOptions {
            path,
            max_bytes: store.options.log_max_bytes,
            max_files: store.options.log_max_files,
        }),
        tty: config.tty,
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        cgroup: cgroup.clone(),
    };
    let record = ContainerRecord {
        id: id.to_owned(),
        sandbox_id: pod.id,
        stop_signal: stop_signal(config.stop_signal(), &image.config.stop_signal)?,
        config,
        image_id: image.image_id.clone(),
        image_ref: image.image_ref.clone(),
        created_at: now(),
        log_path: log.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default(),
        cgroup,
        boot_id: store.host.boot_id.clone(),
    };
    Ok((record, task))
}

fn log_path(pod: &PodSandboxConfig, config: &ContainerConfig) -> Option<PathBuf> {
    let named = !pod.log_directory.is_empty() && !config.log_path.is_empty();
    named.then(|| Path::new(&pod.log_directory).join(&config.log_path))
}

/// The kernel's number of a signal by CRI's name, else by the image's name or number.
fn stop_signal(own: Signal, image: &str) -> Result<i32> {
    let name = match (own, image) {
        (Signal::RuntimeDefault, "") => return Ok(KernelSignal::SIGTERM as i32),
        (Signal::RuntimeDefault, image) => image.to_owned(),
        (own, _) => own.as_str_name().trim_start_matches("SIGNAL_").to_owned(),
    };
    if let Ok(number @ 1..=64) = name.parse() {
        return Ok(number);
    }
    let upper = name.to_ascii_uppercase();
    let short = upper.trim_start_matches("SIG");
    if let Some(number) = real_time(short) {
        return Ok(number);
    }
    let known = match short {
        "CLD" => "CHLD",
        "POLL" => "IO",
        "IOT" => "ABRT",
        other => other,
    };
    format!("SIG{known}")
        .parse::<KernelSignal>()
        .map(|signal| signal as i32)
        .map_err(|_| Error::InvalidArgument(format!("unknown stop signal {name:?}")))
}

/// glibc's range: RTMIN is 34, RTMAX 64.
fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: &str| match text {
        "" => Some(0),
        text => text.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        34 + offset(&rest.replace("PLUS", "+"), "+")?
    } else {
        64 - offset(&name.strip_prefix("RTMAX")?.replace("MINUS", "-"), "-")?
    };
    (34..=64).contains(&number).then_some(number)
}

fn write(directory: &Path, record: &ContainerRecord, task: &Task) -> io::Result<()> {
    // What a call that was killed half-way has left; it has no record and was never started.
    remove_directory(directory)?;
    for written in [&task.rootfs.upper, &task.rootfs.work] {
        remove_directory(written)?;
        fs::create_dir_all(written)?;
    }
    for name in [files::ROOTFS, files::STATE] {
        fs::create_dir_all(directory.join(name))?;
    }
    for mount in &record.config.mounts {
        let host = Path::new(&mount.host_path);
        // As containerd does: a missing source is an empty directory.
        if !mount.host_path.is_empty() && !host.exists() {
            fs::create_dir_all(host)?;
        }
    }
    write_json(&directory.join(files::TASK), task).map_err(io::Error::other)?;
    record::save(directory, record)
}

/// Runs its program; one that runs already is started.
pub async fn start(store: &Arc<Store>, id: &str) -> Result<()> {
    let container = store.container(id)?;
    let _lock = container.lock.lock().await;
    match container.state() {
        State::Running { .. } => return Ok(()),
        State::Exited { .. } => {
            return Err(Error::FailedPrecondition(format!("container {id} has ended")));
        }
        State::Created => {}
    }
    for _ in 0..START_TRIES {
        if container.control.lock().await.is_some() {
            // A shim that an earlier agent has asked for is at it.
            return began(&container).await;
        }
        let internal = |error: io::Error| Error::internal("start a shim", error);
        let stream = store.zygote.request(zygote::CONTAINER, &container.dir).map_err(internal)?;
        let heard = shims::watch(Arc::clone(store), Arc::clone(&container), stream).await;
        tokio::select! {
            outcome = began(&container) => return outcome,
            _ = heard => {}
        }
        // The zygote may have been killed with our request in its queue.
        if !matches!(container.state(), State::Created) {
            return began(&container).await;
        }
    }
    Err(Error::Unavailable(format!("no shim comes up for container {id}")))
}

/// Waits until a container runs, or could not be started.
async fn began(container: &Container) -> Result<()> {
    let mut states = container.state.subscribe();
    let state = states.wait_for(|state| !matches!(state, State::Created)).await;
    match state.as_deref() {
        Ok(State::Exited { record, .. }) if record.started_at == 0 => Err(Error::Start(record.message.clone())),
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Unavailable(error.to_string())),
    }
}

/// Stops it with its stop signal, and after `grace` by force.
pub async fn stop(store: &Arc<Store>, id: &str, grace: Duration) -> Result<()> {
    let Some(container) = store.find_container(id) else { return Ok(()) };
    if !grace.is_zero() && matches!(container.state(), State::Running { .. }) {
        let signal = container.record().stop_signal;
        if signal_it(&container, signal).await? && ended(&container, grace).await {
            return Ok(());
        }
    }
    kill(store, &container).await
}

/// Stops it by force.
pub async fn kill(store: &Arc<Store>, container: &Arc<Container>) -> Result<()> {
    if matches!(container.state(), State::Created) {
        // Nobody may start it from here on.
        let _lock = container.lock.lock().await;
        if matches!(container.state(), State::Created) {
            return shims::settle(store, container, "it was stopped before it was started").await;
        }
    }
    if !signal_it(container, KernelSignal::SIGKILL as i32).await? || ended(container, KILL).await {
        return Ok(());
    }
    Err(Error::DeadlineExceeded(format!("kill container {}", container.id)))
}

/// Sends a signal; false when it has ended.
async fn signal_it(container: &Container, signal: i32) -> Result<bool> {
    if matches!(container.state(), State::Exited { .. }) {
        return Ok(false);
    }
    match shims::tell(container, &Message::Signal(signal)).await {
        Ok(()) => Ok(true),
        // The shim is just going: its last word is on the way.
        Err(_) if ended(container, KILL).await => Ok(false),
        Err(error) => Err(error),
    }
}

async fn ended(container: &Container, within: Duration) -> bool {
    let mut states = container.state.subscribe();
    let ended = states.wait_for(|state| matches!(state, State::Exited { .. }));
    timeout(within, ended).await.is_ok()
}

/// Removes it; one that is gone is removed.
pub async fn remove(store: &Arc<Store>, id: &str) -> Result<()> {
    let Some(container) = store.find_container(id) else { return Ok(()) };
    kill(store, &container).await?;
    let mut states = container.state.subscribe();
    let gone = states.wait_for(|state| matches!(state, State::Exited { gone: true, .. }));
    if timeout(KILL, gone).await.is_err() {
        return Err(Error::DeadlineExceeded(format!("remove container {id}")));
    }
    let _lock = container.lock.lock().await;
    let (directory, cgroup) = (container.dir.clone(), container.record().cgroup.clone());
    let writable = store.writable_dir(id);
    blocking("remove a container", move || {
        shims::sweep(&directory, &cgroup);
        remove_directory(&writable)?;
        remove_directory(&directory)
    })
    .await?
    .map_err(|error| Error::internal("remove a container", error))?;
    store.forget_container(id);
    events::deleted(store, &container);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_signals() {
        for (own, image, expect) in [
            (Signal::RuntimeDefault, "", Some(15)),
            (Signal::RuntimeDefault, "SIGQUIT", Some(3)),
            (Signal::RuntimeDefault, "quit", Some(3)),
            (Signal::RuntimeDefault, "3", Some(3)),
            (Signal::RuntimeDefault, "SIGRTMIN+3", Some(37)),
            (Signal::RuntimeDefault, "SIGNOPE", None),
            (Signal::RuntimeDefault, "65", None),
            (Signal::Sigusr1, "SIGQUIT", Some(10)),
            (Signal::Sigrtminplus3, "", Some(37)),
            (Signal::Sigrtmaxminus1, "", Some(63)),
            (Signal::Sigrtmax, "", Some(64)),
        ] {
            assert_eq!(stop_signal(own, image).ok(), expect, "{own:?} {image}");
        }
    }
}
