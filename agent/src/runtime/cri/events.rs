//! Tells of changes in a CRI server: by its event stream where it has one, else by listing at an interval.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use crate::runtime::contract::Runtime;
use crate::runtime::cri::client::CriRuntime;
use crate::runtime::cri::convert::{About, error};
use crate::runtime::cri::relist::{Change, Listing, Phase};
use crate::runtime::error::{Error, Result};
use crate::runtime::v1;

/// How often a server without events is listed; the kubelet's generic PLEG takes as long.
const RELIST_INTERVAL: Duration = Duration::from_secs(1);
/// Events that wait for their reader; beyond, the stream ends.
const QUEUE_MAX: usize = 1024;

type Out = mpsc::Sender<Result<v1::ContainerEventResponse>>;

/// The changes from now on. It ends after an error.
pub fn stream(runtime: CriRuntime) -> BoxStream<'static, Result<v1::ContainerEventResponse>> {
    let (out, events) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(async move {
        tokio::select! {
            () = out.closed() => {}
            failed = run(&runtime, &out) => {
                if let Err(e) = failed {
                    let _ = out.send(Err(e)).await;
                }
            }
        }
    });
    ReceiverStream::new(events).boxed()
}

async fn run(runtime: &CriRuntime, out: &Out) -> Result<()> {
    let about = About { kind: "runtime", id: "events" };
    match runtime.runtime.clone().get_container_events(Request::new(v1::GetEventsRequest {})).await {
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(event)) => give(out, event)?,
                    Ok(None) => return Err(Error::Unavailable("the event stream ended".to_owned())),
                    Err(status) if status.code() == Code::Unimplemented => return relist(runtime, out).await,
                    Err(status) => return Err(error(about, status)),
                }
            }
        }
        Err(status) if status.code() == Code::Unimplemented => relist(runtime, out).await,
        Err(status) => Err(error(about, status)),
    }
}

/// Never waits for a slow reader: an old event is worth less than a fresh listing.
fn give(out: &Out, event: v1::ContainerEventResponse) -> Result<()> {
    out.try_send(Ok(event)).map_err(|_| Error::Unavailable(format!("more than events = {QUEUE_MAX} are waiting")))
}

async fn relist(runtime: &CriRuntime, out: &Out) -> Result<()> {
    runtime.known.begin();
    let mut before = list(runtime).await?;
    let mut ticks = tokio::time::interval(RELIST_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = list(runtime).await?;
        runtime.known.retain(&now.ids());
        let changes = before.changes(&now);
        tell(runtime, out, &now, &changes).await?;
        before = now;
    }
}

async fn list(runtime: &CriRuntime) -> Result<Listing> {
    let (sandboxes, containers) = tokio::try_join!(
        runtime.list_pod_sandboxes(v1::PodSandboxFilter::default()),
        runtime.list_containers(v1::ContainerFilter::default()),
    )?;
    Ok(Listing::new(&sandboxes, &containers))
}

type State = (v1::PodSandboxStatus, Vec<v1::ContainerStatus>);

/// Sends the changes with the state of their sandboxes, which is asked for once each.
async fn tell(runtime: &CriRuntime, out: &Out, now: &Listing, changes: &[Change]) -> Result<()> {
    let mut states: HashMap<&str, State> = HashMap::new();
    for change in changes {
        if !states.contains_key(change.sandbox.as_str()) {
            states.insert(&change.sandbox, state(runtime, now, &change.sandbox).await?);
        }
        let (sandbox, containers) = &states[change.sandbox.as_str()];
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = v1::ContainerEventResponse {
            container_id: change.id.clone(),
            container_event_type: change.kind as i32,
            created_at: i64::try_from(at.as_nanos()).unwrap_or(i64::MAX),
            pod_sandbox_status: Some(sandbox.clone()),
            containers_statuses: containers.clone(),
        };
        give(out, event)?;
    }
    Ok(())
}

/// A sandbox with its containers. What somebody has asked for since it came to be what it is now is not asked for again:
/// of fifty pods that just started, everything is known.
async fn state(runtime: &CriRuntime, now: &Listing, sandbox: &str) -> Result<State> {
    let gone = || v1::PodSandboxStatus {
        id: sandbox.to_owned(),
        state: v1::PodSandboxState::SandboxNotready as i32,
        ..Default::default()
    };
    let known = now.sandbox(sandbox).and_then(|phase| {
        let ready = v1::PodSandboxState::SandboxReady;
        let state = if phase == Phase::Running { ready } else { v1::PodSandboxState::SandboxNotready };
        runtime.known.sandbox(sandbox, state)
    });
    let status = match known {
        Some(status) => status,
        None => match runtime.pod_sandbox_status(sandbox).await {
            Ok(status) => status,
            // Gone: the event still says whose it was.
            Err(e) if e.is_not_found() => gone(),
            Err(e) => return Err(e),
        },
    };
    let mut containers = Vec::new();
    for (id, phase) in now.containers_of(sandbox) {
        let state = match phase {
            Phase::Created => v1::ContainerState::ContainerCreated,
            Phase::Running => v1::ContainerState::ContainerRunning,
            Phase::Exited => v1::ContainerState::ContainerExited,
        };
        if let Some(status) = runtime.known.container(id, state) {
            containers.push(status);
            continue;
        }
        match runtime.container_status(id).await {
            Ok(status) => containers.push(status),
            Err(e) if e.is_not_found() => {}
            Err(e) => return Err(e),
        }
    }
    Ok((status, containers))
}
