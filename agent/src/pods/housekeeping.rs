//! What a node does beside its pods: tells its conditions, collects images by disk use, removes what no pod owns.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use masthead_api::meta::time::Time;
use tokio_util::sync::CancellationToken;

use crate::images::collect_plan::{Plan, Policy};
use crate::images::error::Error;
use crate::images::store::ImageStore;
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
        collect(&shared, |store| store.collect(Policy::default())).await;
        turn_logs(&shared).await;
    }
}

/// Has images removed that nobody uses.
async fn collect<F>(shared: &Shared, remove: F)
where
    F: FnOnce(&ImageStore) -> Result<Plan, Error> + Send + 'static,
{
    let Some(store) = shared.image_store.clone() else { return };
    // Containers that an earlier agent has started use images, too.
    let before = shared.in_use.containers();
    match shared.runtime.list_containers(v1::ContainerFilter::default()).await {
        Ok(all) => shared.in_use.settle(&before, &all),
        Err(error) => return tracing::warn!(%error, "images are not collected: it is not known which are in use"),
    }
    match tokio::task::spawn_blocking(move || remove(&store)).await {
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

#[cfg(test)]
mod tests {
    use masthead_api::core::pod::Pod;
    use serde_json::json;

    use super::*;
    use crate::images::collect_plan::Usage;
    use crate::images::store::{Options, Ready, now_s};
    use crate::pods::clock::Clock;
    use crate::pods::fake::FakeRuntime;
    use crate::pods::testing;
    use crate::runtime::contract::{Runtime, SandboxRequest};

    /// Images without a file: one of a container, one of a start that is under way, one that nobody uses, one without a
    /// registry. Gives back their ids.
    fn images(store: &ImageStore) -> [String; 4] {
        ["used", "starting", "idle", "local"].map(|name| {
            let (scratch, writing) = (store.home().scratch().unwrap(), store.home().writing().unwrap());
            let config =
                json!({"os": "linux", "comment": name, "rootfs": {"type": "layers", "diff_ids": []}}).to_string();
            let ready = Ready {
                manifest: name.into(),
                config: config.into_bytes(),
                chains: Vec::new(),
                size_bytes: 0,
                names: vec![format!("docker.io/test/{name}:1")],
                local: name == "local",
            };
            store.commit(&scratch, &writing, ready).unwrap().id.to_string()
        })
    }

    async fn container(runtime: &FakeRuntime, image_id: &str) -> String {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p", "uid": "u"}})).unwrap();
        let config = crate::pods::convert::sandbox::config(&pod, &Default::default(), 0).unwrap();
        let sandbox = runtime.run_pod_sandbox(SandboxRequest { config, ..SandboxRequest::default() }).await.unwrap();
        let image = v1::ImageSpec { image: image_id.to_owned(), ..v1::ImageSpec::default() };
        let config = v1::ContainerConfig { image: Some(image), ..v1::ContainerConfig::default() };
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox,
            config: Some(config),
            ..v1::CreateContainerRequest::default()
        };
        runtime.create_container(request).await.unwrap()
    }

    /// Removes what may go, on a full disk and long after all images came.
    fn full(store: &ImageStore) -> Result<Plan, Error> {
        let usage = Usage { capacity_bytes: 100, available_bytes: 0 };
        store.collect_at(Policy::default(), usage, now_s() + 3600)
    }

    #[tokio::test]
    async fn images_of_an_earlier_agents_containers_and_local_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = ImageStore::open(&dir.path().join("images"), Options::default()).unwrap();
        let ids @ [used, starting, _, _] = &images(&store);
        let left = || -> Vec<bool> { ids.iter().map(|id| store.get(id).is_ok()).collect() };
        let runtime = FakeRuntime::new(Clock::System);
        let container = container(&runtime, used).await;
        // An agent as it begins: it has started nothing yet, and knows of no container.
        let shared = testing::shared(dir.path(), runtime.clone(), Some(store.clone()));
        let users = shared.in_use.clone();
        store.set_users(Arc::new(move |id| users.contains(id.as_str())));
        shared.in_use.begin("u/other", starting);

        runtime.refuse_lists(true);
        collect(&shared, full).await;
        assert_eq!(left(), [true; 4], "it is not known which are in use");

        runtime.refuse_lists(false);
        collect(&shared, full).await;
        assert_eq!(left(), [true, true, false, true]);

        // A container that went without a word of ours is no user for ever.
        shared.in_use.end("u/other", None);
        runtime.remove_container(&container).await.unwrap();
        collect(&shared, full).await;
        assert_eq!(left(), [false, false, false, true]);
    }
}
