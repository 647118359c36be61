//! A note about an object → whether users were told already, so that a fault that stays is not told at every change.

use masthead_api::change::EventNote;
use masthead_api::core::event::Event;

use crate::cluster::view::Cluster;

/// Whether there is an event that says the same of the same object.
pub fn is_told(cluster: &Cluster, note: &EventNote) -> bool {
    // Events about what is in no namespace are kept in `default`.
    let namespace = if note.about.namespace.is_empty() { "default" } else { &note.about.namespace };
    cluster.list::<Event>(namespace).any(|event| {
        event.involved_object.uid == note.uid && event.reason == note.reason && event.message == note.message
    })
}
