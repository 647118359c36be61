//! A container to be started → its image here, itself made, its program running, its hook done.

use std::path::Path;

use masthead_api::core::container::Container;

use crate::pods::apply::Cx;
use crate::pods::convert::container::{Making, config, verify_non_root};
use crate::pods::convert::sandbox;
use crate::pods::events::Note;
use crate::pods::observe::{self, Phase, Seen};
use crate::pods::pull::{self, History};
use crate::pods::signal::{Signal, StartFailure};
use crate::pods::slots::Slot;
use crate::pods::volumes::mounts;
use crate::pods::{hooks, kept};
use crate::runtime::error::Error;
use crate::runtime::v1;

/// The exit code of a container whose program could not be run (containerd's).
const START_ERROR: i32 = 128;

/// A container of a pod by its name.
pub fn container_of<'p>(pod: &'p masthead_api::core::pod::Pod, name: &str) -> Option<&'p Container> {
    pod.spec.containers.iter().chain(&pod.spec.init_containers).find(|container| container.name == name)
}

/// What a start begins with.
pub struct Start {
    /// The container's name.
    pub name: String,
    /// Counts the containers of this name.
    pub attempt: u32,
    /// The sandbox it starts in.
    pub sandbox_id: String,
    /// Its earlier pulls.
    pub history: History,
    /// The turn that its sandbox was made in.
    pub slot: Option<Slot>,
}

/// Starts a container and tells how it went.
pub async fn run(cx: Cx, start: Start) {
    let Start { name, attempt, sandbox_id, history, slot } = start;
    let Some(container) = container_of(&cx.pod, &name) else { return };
    let (seen, result) = match begin(&cx, container, attempt, &sandbox_id, &history, slot).await {
        Ok(seen) => (Some(seen), Ok(())),
        Err(failed) => {
            let (seen, failure) = *failed;
            if failure.reason != pull::BACK_OFF || !history.is_told {
                tracing::debug!(container = name, reason = failure.reason, message = failure.message, "not started");
                // What an image lacks was told by its own event.
                let text = if failure.is_image { &failure.reason } else { &failure.message };
                cx.note(Note::warning("Failed", format!("Error: {text}")).of(&name)).await;
            }
            (seen, Err(failure))
        }
    };
    let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
    if let (Some(hook), Some(running), Ok(())) =
        (hook, seen.as_ref().filter(|seen| seen.phase == Phase::Running), &result)
    {
        cx.send(Signal::Container(name.clone(), running.clone())).await;
        if let Err(why) = hooks::run(&cx, hook, container, &running.id).await {
            tracing::info!(container = name, why, "the hook after the start failed");
            cx.note(Note::warning("FailedPostStartHook", "PostStartHook failed").of(&name)).await;
            cx.send(Signal::HookFailed { name: name.clone(), id: running.id.clone() }).await;
        }
    }
    cx.send(Signal::Started { name, seen, result }).await;
}

/// What there is of the container nevertheless, and why it is not up.
type Failed = Box<(Option<Seen>, StartFailure)>;

fn config_error(message: String) -> Failed {
    Box::new((
        None,
        StartFailure { reason: "CreateContainerConfigError".to_owned(), message, ..StartFailure::default() },
    ))
}

fn create_error(message: String) -> Failed {
    Box::new((None, StartFailure { reason: "CreateContainerError".to_owned(), message, ..StartFailure::default() }))
}

async fn begin(
    cx: &Cx,
    container: &Container,
    attempt: u32,
    sandbox_id: &str,
    history: &History,
    mut slot: Option<Slot>,
) -> Result<Seen, Failed> {
    let image = tokio::select! {
        image = pull::ensure(cx, container, history, &mut slot) => image,
        () = cx.ending.cancelled() => return Err(config_error("the pod ends".to_owned())),
    };
    let image = image.map_err(|failure| Box::new((None, StartFailure { is_image: true, ..failure })))?;
    let user = format!("{}/{}", cx.pod.metadata.uid, container.name);
    cx.shared.in_use.begin(&user, &image.id);
    let made = make(cx, container, attempt, sandbox_id, &image, slot).await;
    let there = match &made {
        Ok(seen) => Some(seen),
        Err(failed) => failed.0.as_ref(),
    };
    cx.shared.in_use.end(&user, there.map(|seen| seen.id.as_str()));
    made
}

async fn make(
    cx: &Cx,
    container: &Container,
    attempt: u32,
    sandbox_id: &str,
    image: &v1::Image,
    slot: Option<Slot>,
) -> Result<Seen, Failed> {
    let shared = &cx.shared;
    let uid = image.uid.as_ref().map(|uid| uid.value);
    verify_non_root(&cx.pod, container, uid, &image.username).map_err(|error| config_error(error.to_string()))?;
    let request = request(cx, container, attempt, sandbox_id, &image.id).await?;
    let slot = match slot {
        Some(slot) => Some(slot),
        None => Slot::take(shared).await,
    };
    let id = match shared.runtime.create_container(request).await {
        Ok(id) => id,
        Err(error) => return Err(create_error(error.to_string())),
    };
    cx.note(Note::normal("Created", format!("Created container: {}", container.name)).of(&container.name)).await;
    let started = shared.runtime.start_container(&id).await;
    drop(slot);
    let status = shared.runtime.container_status(&id).await;
    let seen = status.ok().and_then(|status| observe::seen(&status, sandbox_id)).map(|(_, seen)| seen);
    match started {
        Ok(()) => {
            cx.note(Note::normal("Started", format!("Started container {}", container.name)).of(&container.name)).await;
            seen.ok_or_else(|| create_error(format!("container {id} is gone right after its start")))
        }
        Err(error) => Err(Box::new((Some(unstarted(cx, seen, id, sandbox_id, attempt, &error)), run_error(&error)))),
    }
}

fn run_error(error: &Error) -> StartFailure {
    StartFailure { reason: "RunContainerError".to_owned(), message: error.to_string(), ..StartFailure::default() }
}

/// A container whose program could not be run counts as ended, whatever the runtime calls it.
fn unstarted(cx: &Cx, seen: Option<Seen>, id: String, sandbox_id: &str, attempt: u32, error: &Error) -> Seen {
    match seen {
        Some(seen) if seen.phase == Phase::Exited => seen,
        seen => Seen {
            id,
            sandbox_id: sandbox_id.to_owned(),
            attempt,
            phase: Phase::Exited,
            finished_ms: cx.shared.clock.now_ms(),
            exit_code: START_ERROR,
            reason: "StartError".to_owned(),
            message: error.to_string(),
            ..seen.unwrap_or_default()
        },
    }
}

async fn request(
    cx: &Cx,
    container: &Container,
    attempt: u32,
    sandbox_id: &str,
    image_ref: &str,
) -> Result<v1::CreateContainerRequest, Failed> {
    let shared = &cx.shared;
    let placed = shared.placed_now(&cx.pod, &cx.ips);
    let pod_dir = shared.pod_dir(&cx.pod);
    let (inner, owned, log_dir) = (cx.clone(), container.clone(), shared.site_of(&cx.pod).log_directory);
    let worked = {
        let placed = placed.clone();
        tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(Path::new(&log_dir).join(&owned.name))
                .map_err(|error| create_error(error.to_string()))?;
            let message = match owned.termination_message_path.as_str() {
                "" => None,
                _ => {
                    let file = kept::termination_message(&pod_dir, &owned.name, attempt);
                    Some(file.map_err(|error| create_error(error.to_string()))?)
                }
            };
            mounts::of(&inner.pod, &owned, &pod_dir, &inner.places, message.as_deref(), &placed, &*inner.attached)
                .map_err(|error| config_error(error.to_string()))
        })
    };
    let mounts = worked.await.map_err(|error| create_error(error.to_string()))??;
    let making = Making {
        pod: &cx.pod,
        container,
        attempt,
        node: &shared.node,
        image_ref,
        placed: &placed,
        refs: &*cx.attached,
        mounts: &mounts,
    };
    let config = config(&making).map_err(|error| config_error(error.to_string()))?;
    let sandbox =
        sandbox::config(&cx.pod, &shared.site_of(&cx.pod), 0).map_err(|error| config_error(error.to_string()))?;
    Ok(v1::CreateContainerRequest {
        pod_sandbox_id: sandbox_id.to_owned(),
        config: Some(config),
        sandbox_config: Some(sandbox),
    })
}
