//! What deciders tell → Event objects; a repeat raises the count of the one that is there.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use masthead_api::change::{EventKind, EventNote};
use masthead_api::core::event::{Event, EventSource};
use masthead_api::core::reference::ObjectReference;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Resource;
use masthead_api::object::{Error, Object};
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Context;
use masthead_store::kv::{LeaseId, Op};

/// How long an event is kept, in seconds (kube-apiserver's `--event-ttl`).
pub const TTL_S: u64 = 3600;

/// The writes that keep `notes`; they are not guarded, for the control loop alone writes events.
///
/// # Errors
/// An event has no JSON form.
pub fn record(cluster: &Cluster, notes: &[EventNote], lease: LeaseId, cx: &mut Context) -> Result<Vec<Op>, Error> {
    let mut events: BTreeMap<ObjectKey, Event> = BTreeMap::new();
    for note in notes {
        let key = key_of(note);
        if !events.contains_key(&key) {
            let known = cluster.typed::<Event>(&key).map(|event| Event::clone(&event));
            events.insert(key.clone(), known.unwrap_or_else(|| first(&key, note, cx)));
        }
        if let Some(event) = events.get_mut(&key) {
            event.count += 1;
            event.last_timestamp = Some(cx.now);
        }
    }
    let put = |(key, mut event): (ObjectKey, Event)| {
        event.metadata.resource_version.clear();
        let value = Object::of(&event)?.body().clone();
        Ok(Op::Put { key: key.store_key().into(), value, lease })
    };
    events.into_iter().map(put).collect()
}

/// The same words about the same object have the same key.
fn key_of(note: &EventNote) -> ObjectKey {
    let mut hash = DefaultHasher::new();
    (&note.uid, &note.reason, &note.message, &note.source).hash(&mut hash);
    let namespace = if note.about.namespace.is_empty() { "default" } else { &note.about.namespace };
    ObjectKey::new(Event::KIND, namespace, format!("{}.{:016x}", note.about.name, hash.finish()))
}

fn first(key: &ObjectKey, note: &EventNote, cx: &mut Context) -> Event {
    let mut event = Event::default();
    event.metadata.name.clone_from(&key.name);
    event.metadata.namespace.clone_from(&key.namespace);
    event.metadata.uid = cx.ids.uid();
    event.metadata.creation_timestamp = Some(cx.now);
    event.involved_object = ObjectReference {
        api_version: note.about.kind.info().api_version(),
        kind: note.about.kind.info().kind.to_owned(),
        namespace: note.about.namespace.clone(),
        name: note.about.name.clone(),
        uid: note.uid.clone(),
        ..ObjectReference::default()
    };
    event.reason.clone_from(&note.reason);
    event.message.clone_from(&note.message);
    event.source = EventSource { component: note.source.clone(), ..EventSource::default() };
    event.reporting_component.clone_from(&note.source);
    event.type_ = match note.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    }
    .to_owned();
    event.first_timestamp = Some(cx.now);
    event
}
