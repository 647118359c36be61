//! What a node does beside its pods: tells its conditions, collects images by disk use, removes what no pod owns.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use masthead_api::meta::time::Time;
use tokio_util::sync::CancellationToken;

use crate::images::collect_plan::Policy;
use crate::link::handle::Handle;
use crate::logs::rotate;
use crate::node::facts;
use crate::pods::convert::labels;
use crate::pods::site::Shared;
use crate::runtime::v1;

/// How often the disk and the runtime are looked at.
const PERIOD: Duration = Duration::from_secs(60);

/// Keeps house until `stop`.
pub async fn run(shared: Arc<Shared>, link: Handle, data: PathBuf, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PERIOD);
    let mut before = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let status = shared.runtime.status().await;
        let fault = match &status {
            Ok(answer) => {
                let conditions = answer.status.iter().flat_map(|status| &status.conditions);
                let bad: Vec<String> =
                    conditions.filter(|c| !c.status).map(|c| format!("{}: {}", c.r#type, c.message)).collect();
                (!bad.is_empty()).then(|| bad.join(", "))
            }
            Err(error) => Some(error.to_string()),
        };
        let pressure = facts::pressure(&data);
        // The same conditions are not said twice: their times would be the only news.
        let now = (fault, pressure);
        if before.as_ref() != Some(&now) {
            let time = Time(shared.clock.now_ms().div_euclid(1000)).to_string();
            let why = now.0.clone().unwrap_or_default();
            link.set_conditions(facts::conditions(now.0.is_none(), &why, pressure, &time));
            before = Some(now);
        }
        collect(&shared).await;
        turn_logs(&shared).await;
    }
}

/// Removes images that nobody uses, when the disk is full enough for it.
async fn collect(shared: &Shared) {
    let Some(store) = shared.image_store.clone() else { return };
    // Containers that an earlier agent has started use images, too.
    match shared.runtime.list_containers(v1::ContainerFilter::default()).await {
        Ok(all) => all.iter().for_each(|container| shared.in_use.hold(&container.id, &container.image_id)),
        Err(error) => return tracing::warn!(%error, "images are not collected: it is not known which are in use"),
    }
    match tokio::task::spawn_blocking(move || store.collect(Policy::default())).await {
        Ok(Ok(plan)) if plan.remove.is_empty() => {}
        Ok(Ok(plan)) => {
            tracing::info!(images = plan.remove.len(), freed_bytes = plan.freed_bytes, "images were collected")
        }
        Ok(Err(error)) => tracing::warn!(%error, "images can't be collected"),
        Err(error) => tracing::warn!(%error, "images can't be collected"),
    }
}

/// Turns large logs, where the runtime does not do it by itself.
async fn turn_logs(shared: &Shared) {
    if shared.image_store.is_some() {
        return;
    }
    let label_selector = HashMap::from([(labels::NODE.to_owned(), shared.node.clone())]);
    let state = v1::ContainerStateValue { state: v1::ContainerState::ContainerRunning.into() };
    let filter = v1::ContainerFilter { label_selector, state: Some(state), ..v1::ContainerFilter::default() };
    let Ok(running) = shared.runtime.list_containers(filter).await else { return };
    for container in running {
        let Ok(status) = shared.runtime.container_status(&container.id).await else { continue };
        let stamp = Time(shared.clock.now_ms().div_euclid(1000)).to_string().replace([':', '-', 'T', 'Z'], "");
        let path = PathBuf::from(status.log_path);
        let turned = tokio::task::spawn_blocking(move || rotate::is_due(&path).then(|| rotate::turn(&path, &stamp)));
        match turned.await {
            Ok(None) => {}
            Ok(Some(Ok(()))) => {
                if let Err(error) = shared.runtime.reopen_container_log(&container.id).await {
                    tracing::warn!(id = container.id, %error, "a log can't be opened anew");
                }
            }
            Ok(Some(Err(error))) => tracing::warn!(id = container.id, %error, "a log can't be turned"),
            Err(error) => tracing::warn!(id = container.id, %error, "a log can't be turned"),
        }
    }
}
