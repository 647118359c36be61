//! A container's image → the image on this node, by its policy, with the kubelet's events and reasons.

use masthead_api::core::container::Container;
use tokio::time::Instant;

use crate::images::policy::{Decision, PullPolicy, decide};
use crate::images::reference::Reference;
use crate::pods::apply::Cx;
use crate::pods::backoff::Backoff;
use crate::pods::events::Note;
use crate::pods::references;
use crate::pods::signal::StartFailure;
use crate::pods::slots::Slot;
use crate::runtime::error::{Error, ImageReason};
use crate::runtime::v1;

/// The waiting reason of a container whose image is pulled again later.
pub const BACK_OFF: &str = "ImagePullBackOff";

/// What is known of the container's earlier pulls.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its back-off.
    pub backoff: Backoff,
    /// The last failure's text.
    pub error: String,
    /// That it waits for its next pull was told.
    pub is_told: bool,
}

/// Has the image of a container here; gives the turn back before it waits for a registry.
///
/// # Errors
/// With the reason of a waiting container.
pub async fn ensure(
    cx: &Cx,
    container: &Container,
    history: &History,
    slot: &mut Option<Slot>,
) -> Result<v1::Image, StartFailure> {
    let name = container.image.as_str();
    let fail = |reason: ImageReason, message: String| StartFailure {
        reason: reason.as_str().to_owned(),
        message,
        ..StartFailure::default()
    };
    let reference = Reference::parse(name).map_err(|_| {
        let message = format!(
            "Failed to apply default image tag {name:?}: couldn't parse image name {name:?}: invalid reference format"
        );
        cx.later(Note::warning("InspectFailed", message.clone()).of(&container.name));
        fail(ImageReason::InvalidImageName, message)
    })?;
    let spec =
        v1::ImageSpec { image: name.to_owned(), user_specified_image: name.to_owned(), ..v1::ImageSpec::default() };
    let here = cx.shared.images.image_status(spec.clone()).await.map_err(|error| {
        let message = format!("Failed to inspect image {name:?}: {error}");
        cx.later(Note::warning("InspectFailed", message.clone()).of(&container.name));
        fail(ImageReason::ImageInspectError, message)
    })?;
    let policy = match container.image_pull_policy.as_str() {
        "Always" => PullPolicy::Always,
        "Never" => PullPolicy::Never,
        "IfNotPresent" => PullPolicy::IfNotPresent,
        _ => PullPolicy::default_for(&reference),
    };
    let is_local = policy == PullPolicy::Always && here.is_some() && is_local(cx, name).await;
    match (decide(policy, here.is_some(), is_local), here) {
        (Decision::Use, Some(image)) => {
            let message = format!("Container image {name:?} already present on machine");
            cx.note(Note::normal("Pulled", message).of(&container.name)).await;
            Ok(image)
        }
        (Decision::Refuse, _) => {
            let message = format!("Container image {name:?} is not present with pull policy of Never");
            cx.note(Note::warning("ErrImageNeverPull", message.clone()).of(&container.name)).await;
            Err(fail(ImageReason::ErrImageNeverPull, message))
        }
        _ => {
            drop(slot.take());
            pull(cx, container, &reference, spec, history).await
        }
    }
}

/// Whether an image has no registry: it was imported or put together here.
async fn is_local(cx: &Cx, name: &str) -> bool {
    let (Some(store), name) = (cx.shared.image_store.clone(), name.to_owned()) else { return false };
    let found = tokio::task::spawn_blocking(move || store.get(&name).is_ok_and(|image| image.local));
    found.await.unwrap_or(false)
}

async fn pull(
    cx: &Cx,
    container: &Container,
    reference: &Reference,
    spec: v1::ImageSpec,
    history: &History,
) -> Result<v1::Image, StartFailure> {
    let name = container.image.as_str();
    let now_ms = cx.shared.clock.now_ms();
    // A pull's failure and the note of it fall together.
    if history.backoff.holds_until(history.backoff.updated_ms(), now_ms).is_some() {
        let message = format!("Back-off pulling image {name:?}");
        if !history.is_told {
            cx.note(Note::normal("BackOff", message.clone()).of(&container.name)).await;
        }
        let message = if history.error.is_empty() { message } else { format!("{message}: {}", history.error) };
        return Err(StartFailure { reason: BACK_OFF.to_owned(), message, ..StartFailure::default() });
    }
    cx.note(Note::normal("Pulling", format!("Pulling image {name:?}")).of(&container.name)).await;
    let waited = Instant::now();
    let Ok(_permit) = cx.shared.pulls.acquire().await else {
        return Err(StartFailure {
            reason: "ErrImagePull".to_owned(),
            message: "the agent stops".to_owned(),
            ..StartFailure::default()
        });
    };
    let began = Instant::now();
    let mut error = None;
    let keys = references::keyring(&cx.pod, &cx.attached).lookup(reference);
    let auths = if keys.is_empty() {
        vec![None]
    } else {
        keys.into_iter().map(|key| Some(v1::AuthConfig::from(key))).collect()
    };
    for auth in auths {
        match cx.shared.images.pull_image(spec.clone(), auth).await {
            Ok(id) => {
                let found = v1::ImageSpec { image: id.clone(), ..v1::ImageSpec::default() };
                let image = cx.shared.images.image_status(found).await.ok().flatten();
                let image = image.unwrap_or_else(|| v1::Image { id, ..v1::Image::default() });
                let text = format!(
                    "Successfully pulled image {name:?} in {} ({} including waiting). Image size: {} bytes.",
                    short(began.elapsed()),
                    short(waited.elapsed()),
                    image.size
                );
                cx.note(Note::normal("Pulled", text).of(&container.name)).await;
                return Ok(image);
            }
            Err(failed) => error = Some(failed),
        }
    }
    let error = error.unwrap_or_else(|| Error::InvalidArgument("no way to pull".to_owned()));
    let reason = match &error {
        Error::Image { reason, .. } => *reason,
        _ => ImageReason::ErrImagePull,
    };
    cx.note(Note::warning("Failed", format!("Failed to pull image {name:?}: {error}")).of(&container.name)).await;
    Err(StartFailure {
        reason: reason.as_str().to_owned(),
        message: error.to_string(),
        is_pull: true,
        ..StartFailure::default()
    })
}

/// `1.234s`, `56ms`.
fn short(took: std::time::Duration) -> String {
    let ms = took.as_millis();
    if ms < 1000 { format!("{ms}ms") } else { format!("{}.{:03}s", ms / 1000, ms % 1000) }
}
