//! A session of a node: its two loops, from the welcome to why it ended.

use masthead_wire::limits::PROTOCOL;
use masthead_wire::parts;
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::report::Hello;
use std::convert::Infallible;
use std::sync::Arc;
use tonic::{Status, Streaming};

use super::convert;
use super::members::{Admitted, REPLACED};
use super::plan::Event;
use super::report::{Report, What};
use super::shared::Shared;

fn to_agent(message: pb::to_agent::Message) -> Result<pb::ToAgent, Status> {
    let message = Some(message);
    Ok(pb::ToAgent { message })
}

/// Runs a session until it ends.
pub(super) async fn run(shared: Arc<Shared>, admitted: Admitted, hello: Hello, messages: Streaming<pb::FromAgent>) {
    let welcome = pb::to_agent::Message::Welcome(pb::Welcome {
        protocol: PROTOCOL,
        lease_s: shared.lease_s,
        term: shared.nodes().term(),
        cluster: shared.cluster.clone(),
    });
    let session = async {
        // The queue is new: there is room.
        if admitted.to_agent.send(to_agent(welcome)).await.is_err() {
            return "the connection was lost".to_owned();
        }
        tokio::select! {
            why = write(&shared, &admitted) => why,
            why = read(&shared, &admitted, hello, messages) => why,
        }
    };
    let why = tokio::select! {
        why = session => why,
        () = admitted.stop.cancelled() => "another session of this node began, or the control plane stops".into(),
    };
    admitted.stop.cancel();
    tracing::info!(node = %admitted.node, %why, "a session has ended");
    let room = tokio::select! {
        room = shared.reports.reserve() => room.ok(),
        // Nobody waits for a report then.
        () = shared.stop.cancelled() => None,
    };
    // Under the lock, so that no report of a next session comes before this one.
    let mut nodes = shared.nodes();
    if nodes.leave(&admitted)
        && let Some(room) = room
    {
        let node = admitted.node;
        let what = What::Disconnected { why };
        room.send(Report { node, what });
    }
}

/// Waits for room. What a replaced session still has to say is not reported: the next one has
/// said it again. An error says why the session ends.
async fn report(shared: &Shared, admitted: &Admitted, what: What) -> Result<(), String> {
    let room = shared.reports.reserve().await;
    let room = room.map_err(|_| "nobody reads what nodes report".to_owned())?;
    let mut nodes = shared.nodes();
    if nodes.current(admitted).is_none() {
        return Err(REPLACED.into());
    }
    let node = admitted.node.clone();
    room.send(Report { node, what });
    Ok(())
}

/// Sends steps, part by part.
async fn write(shared: &Shared, admitted: &Admitted) -> String {
    loop {
        let step = match shared.nodes().current(admitted) {
            Some(node) => {
                let step = node.outbox.take();
                node.sending = step.is_some();
                step
            }
            None => return REPLACED.into(),
        };
        let Some(step) = step else {
            admitted.wake.notified().await;
            continue;
        };
        for part in parts::split(&step) {
            let part = pb::to_agent::Message::Manifest(part);
            if admitted.to_agent.send(to_agent(part)).await.is_err() {
                return "the connection was lost".into();
            }
        }
    }
}

async fn read(shared: &Shared, admitted: &Admitted, hello: Hello, messages: Streaming<pb::FromAgent>) -> String {
    match read_all(shared, admitted, hello, messages).await {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

async fn read_all(
    shared: &Shared,
    admitted: &Admitted,
    hello: Hello,
    mut messages: Streaming<pb::FromAgent>,
) -> Result<Infallible, String> {
    let begin = Event::Hello { held: hello.held, holding: hello.holding.clone() };
    report(shared, admitted, What::Hello(hello)).await?;
    step(shared, admitted, begin).await?;
    loop {
        let message = match messages.message().await {
            Ok(Some(pb::FromAgent { message: Some(m) })) => m,
            // A kind of message that a later version added.
            Ok(Some(pb::FromAgent { message: None })) => continue,
            Ok(None) => return Err("the agent closed the session".into()),
            Err(status) => return Err(format!("the connection was lost: {}", status.message())),
        };
        let (event, what) = take(shared, admitted, message).map_err(|error| {
            let why = format!("the agent sent a message that is not ours: {error}");
            let _ = admitted.to_agent.try_send(Err(Status::invalid_argument(&why)));
            why
        })?;
        if let Some(what) = what {
            report(shared, admitted, what).await?;
        }
        if let Some(event) = event {
            step(shared, admitted, event).await?;
        }
    }
}

async fn step(shared: &Shared, admitted: &Admitted, event: Event) -> Result<(), String> {
    let told = convert::told(&event);
    let rest = match shared.nodes().current(admitted) {
        Some(node) => node.step(event),
        None => return Err(REPLACED.into()),
    };
    for what in rest.into_iter().filter_map(convert::outcome).chain(told) {
        report(shared, admitted, what).await?;
    }
    Ok(())
}

/// What a message means to the plan, and what is reported of it.
fn take(
    shared: &Shared,
    admitted: &Admitted,
    message: Message,
) -> Result<(Option<Event>, Option<What>), masthead_wire::convert::Error> {
    if let Message::Pong(pong) = &message {
        shared.streams.pong(pong.nonce);
    }
    let all_sent = match shared.nodes().current(admitted) {
        Some(node) => !node.sending && node.outbox.is_none(),
        None => false,
    };
    convert::meaning(message, all_sent)
}
