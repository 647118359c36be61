//! Events about objects.

use crate::core::reference::ObjectReference;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::time::{MicroTime, Time};
use crate::schema::object::object;

object! {
    /// Something that happened to an object.
    pub struct Event {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [];
        involved_object: ObjectReference = "involvedObject", 2, [];
        reason: String = "reason", 3, [omitempty];
        message: String = "message", 4, [omitempty];
        source: EventSource = "source", 5, [omitempty];
        first_timestamp: Option<Time> = "firstTimestamp", 6, [optional];
        last_timestamp: Option<Time> = "lastTimestamp", 7, [optional];
        count: i32 = "count", 8, [omitempty];
        type_: String = "type", 9, [omitempty];
        event_time: Option<MicroTime> = "eventTime", 10, [optional];
        series: Option<EventSeries> = "series", 11, [omitempty];
        action: String = "action", 12, [omitempty];
        related: Option<ObjectReference> = "related", 13, [omitempty];
        reporting_component: String = "reportingComponent", 14, [optional];
        reporting_instance: String = "reportingInstance", 15, [optional];
    }

    /// Who saw an event.
    pub struct EventSource {
        component: String = "component", 1, [omitempty];
        host: String = "host", 2, [omitempty];
    }

    /// How often an event was seen and when last.
    pub struct EventSeries {
        count: i32 = "count", 1, [omitempty];
        last_observed_time: Option<MicroTime> = "lastObservedTime", 2, [optional];
    }
}
