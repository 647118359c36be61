//! News of containers, pushed to whoever listens.

use futures::stream::{BoxStream, StreamExt};
use tokio::sync::broadcast::error::RecvError;

use crate::runtime::embedded::convert;
use crate::runtime::embedded::held::Container;
use crate::runtime::embedded::store::Store;
use crate::runtime::error::{Error, Result};
use crate::runtime::v1::{ContainerEventResponse, ContainerEventType};
use crate::shim::exit::now;

/// A container was made.
pub fn created(store: &Store, container: &Container) {
    say(store, container, ContainerEventType::ContainerCreatedEvent);
}

/// A container's program runs.
pub fn started(store: &Store, container: &Container) {
    say(store, container, ContainerEventType::ContainerStartedEvent);
}

/// A container has ended.
pub fn stopped(store: &Store, container: &Container) {
    say(store, container, ContainerEventType::ContainerStoppedEvent);
}

/// A container was removed.
pub fn deleted(store: &Store, container: &Container) {
    say(store, container, ContainerEventType::ContainerDeletedEvent);
}

fn say(store: &Store, container: &Container, kind: ContainerEventType) {
    if store.events.receiver_count() == 0 {
        return;
    }
    let sandbox_id = container.record().sandbox_id.clone();
    let sandbox = store.find_sandbox(&sandbox_id);
    let status = convert::container_status(container);
    let _ = store.events.send(ContainerEventResponse {
        container_id: container.id.clone(),
        container_event_type: kind.into(),
        created_at: now(),
        pod_sandbox_status: sandbox.map(|sandbox| convert::sandbox_status(&sandbox.record(), &store.host.boot_id)),
        containers_statuses: vec![status],
    });
}

/// Events from now on; an error, then the end, when some were lost.
pub fn stream(store: &Store) -> BoxStream<'static, Result<ContainerEventResponse>> {
    let receiver = Some(store.events.subscribe());
    futures::stream::unfold(receiver, |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Ok(event) => Some((Ok(event), Some(receiver))),
            Err(RecvError::Lagged(lost)) => {
                Some((Err(Error::Unavailable(format!("{lost} container events were lost"))), None))
            }
            Err(RecvError::Closed) => None,
        }
    })
    .boxed()
}
