//! Events of an object to the table at the end of its description.

use crate::core::event::Event;
use crate::describe::page::Page;
use crate::kind::registry;
use crate::meta::time::{MicroTime, Time};
use crate::object::Object;
use crate::table::age::since;

/// The events of one object, oldest first; absent when they were not asked for.
#[derive(Debug)]
pub struct Events<'a> {
    list: Option<Vec<&'a Event>>,
    now: Time,
}

impl<'a> Events<'a> {
    /// Those of `all` that are about the object.
    pub fn of(object: &Object, all: Option<&'a [Event]>, now: Time) -> Self {
        let list = all.map(|all| {
            let mut list: Vec<&Event> = all.iter().filter(|event| is_about(event, object)).collect();
            list.sort_by_key(|event| event.last_timestamp);
            list
        });
        Self { list, now }
    }

    /// Writes them.
    pub fn write(&self, page: &mut Page) {
        let Some(list) = &self.list else { return };
        if list.is_empty() {
            return page.field(0, "Events", "<none>");
        }
        page.put(0, format_args!("Events:\n  Type\tReason\tAge\tFrom\tMessage\n"));
        page.put(1, format_args!("----\t------\t----\t----\t-------\n"));
        for event in list {
            let from = match event.source.component.as_str() {
                "" => &event.reporting_component,
                component => component,
            };
            let (type_, reason, message) = (&event.type_, &event.reason, event.message.trim());
            let age = age(event, self.now);
            page.put(1, format_args!("{type_}\t{reason}\t{age}\t{from}\t{message}\n"));
        }
    }
}

/// Whether an event is about this object. Events of a node carry its uid or, from the node itself, its name as uid.
fn is_about(event: &Event, object: &Object) -> bool {
    let (of, meta) = (&event.involved_object, object.meta());
    of.name == meta.name
        && of.kind == object.kind().info().kind
        && of.namespace == meta.namespace
        && (meta.uid.is_empty() || of.uid == meta.uid || object.kind() == registry::NODE && of.uid == meta.name)
}

fn age(event: &Event, now: Time) -> String {
    let first = since(event.event_time.map(MicroTime::time).or(event.first_timestamp), now);
    match &event.series {
        Some(series) => {
            let last = since(series.last_observed_time.map(MicroTime::time), now);
            format!("{last} (x{} over {first})", series.count)
        }
        None if event.count > 1 => format!("{} (x{} over {first})", since(event.last_timestamp, now), event.count),
        None => first,
    }
}
