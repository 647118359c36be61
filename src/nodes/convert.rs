//! What an agent says in a session → what it means to the plan of its node, and what is reported of it.

use std::sync::Arc;

use masthead_wire::manifest::Generation;
use masthead_wire::object::PodEntry;
use masthead_wire::pb;
use masthead_wire::pb::from_agent::Message;
use masthead_wire::{convert, object};

use super::plan::{Action, Event};
use super::report::What;

/// The event and the report of a message; a pong is neither. `all_sent` says whether everything that the node is to have
/// is on its way: only then does it mean something which manifest a heartbeat names.
///
/// # Errors
/// The message is not one of ours.
pub fn meaning(message: Message, all_sent: bool) -> Result<(Option<Event>, Option<What>), convert::Error> {
    let generation = |g: Option<pb::Generation>| convert::required(g, "generation");
    Ok(match message {
        Message::Hello(_) | Message::Pong(_) => (None, None),
        Message::Status(status) => (None, Some(What::PodStatus(status.try_into()?))),
        Message::Gone(gone) => (None, Some(What::PodGone(gone.try_into()?))),
        Message::Heartbeat(beat) => {
            let held = beat.held.map(Generation::from);
            (all_sent.then_some(Event::Heartbeat { held }), Some(What::Heartbeat(beat.into())))
        }
        Message::Events(events) => {
            let dropped = events.dropped;
            let events = events.events.iter().map(convert::own).collect();
            (None, Some(What::Events { events, dropped }))
        }
        Message::Ack(ack) => (Some(Event::Ack(generation(ack.generation)?.into())), None),
        Message::Refused(refused) => {
            let event = Event::Refused {
                generation: generation(refused.generation)?.into(),
                held: refused.held.map(Into::into).unwrap_or_default(),
                why: refused.why,
            };
            (Some(event), None)
        }
        Message::Resync(resync) => (Some(Event::Resync { generation: generation(resync.generation)?.into() }), None),
        Message::Applied(applied) => (Some(Event::Applied(applied.try_into()?)), None),
        Message::Problems(problems) => (None, Some(What::Problems(problems.into()))),
        Message::Recalled(recalled) => {
            let pods = recalled.pods.iter().map(|b| PodEntry::parse(convert::own(b)).map(Arc::new));
            let pods = pods.collect::<Result<Vec<_>, object::Error>>()?;
            (None, Some(What::Recalled { pods, last: recalled.last }))
        }
    })
}

/// What is reported of an event that the node's plan takes, and of what the plan then does; what is sent is no report.
pub fn told(event: &Event) -> Option<What> {
    match event {
        Event::Ack(generation) => Some(What::Holds(*generation)),
        Event::Applied(applied) => Some(What::Applied(applied.clone())),
        _ => None,
    }
}

/// What is reported of an action; nothing of a step, which is sent.
pub fn outcome(action: Action) -> Option<What> {
    match action {
        Action::Ahead(held) => Some(What::Ahead(held)),
        Action::Rejected { generation, why } => Some(What::Rejected { generation, why }),
        Action::Send(_) => None,
    }
}
