//! A running container → its hook, its stop signal, its grace, its end.

use std::time::Duration;

use tokio::time::Instant;

use crate::pods::apply::Cx;
use crate::pods::events::Note;
use crate::pods::hooks;
use crate::pods::observe;
use crate::pods::plan::GRACE_MIN_S;
use crate::pods::signal::Signal;
use crate::pods::start::container_of;

/// Stops a container and tells what is left of it.
pub async fn run(cx: Cx, name: String, id: String, sandbox_id: String, grace_s: i64, message: String) {
    cx.note(Note::normal("Killing", message).of(&name)).await;
    let mut grace = Duration::from_secs(u64::try_from(grace_s).unwrap_or(0));
    let container = container_of(&cx.pod, &name);
    let hook = container.and_then(|c| c.lifecycle.as_ref()).and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    if let (Some(hook), Some(container), false) = (hook, container, grace.is_zero()) {
        let began = Instant::now();
        match tokio::time::timeout(grace, hooks::run(&cx, hook, container, &id)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                tracing::info!(container = name, why, "the hook before the stop failed");
                cx.note(Note::warning("FailedPreStopHook", "PreStopHook failed").of(&name)).await;
            }
            Err(_) => cx.note(Note::warning("FailedPreStopHook", "PreStopHook failed").of(&name)).await,
        }
        grace = grace.saturating_sub(began.elapsed()).max(Duration::from_secs(GRACE_MIN_S.unsigned_abs()).min(grace));
    }
    if let Err(error) = cx.shared.runtime.stop_container(&id, grace).await {
        tracing::warn!(container = name, %error, "a container can't be stopped");
        cx.note(Note::warning("FailedKillPod", format!("error killing container {name}: {error}"))).await;
    }
    let status = cx.shared.runtime.container_status(&id).await.ok();
    let seen = status.and_then(|status| observe::seen(&status, &sandbox_id)).map(|(_, seen)| seen);
    cx.send(Signal::Stopped { name, seen }).await;
}
