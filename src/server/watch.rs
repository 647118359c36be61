//! A watch of the store → Kubernetes' watch events, one JSON object a line, as the selectors see the changes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use masthead_api::kind::Kind;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use masthead_store::kv::{self, Event, EventKind, KeyRange, KeyValue, Revision, WatchBatch, WatchRequest, WatchStream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::clock;
use crate::server::metrics;
use crate::server::negotiate::Form;
use crate::server::path::Target;
use crate::server::query::Query;
use crate::server::read;
use crate::server::selector::Selector;
use crate::server::state::State;
use crate::server::status::Failure;
use crate::server::table::{self, ListHead, Style};

/// How often a quiet watch says how far it has seen (Kubernetes' watch cache does so about once a minute).
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long a watch lasts that names no time (Kubernetes' `--min-request-timeout`).
const LASTS_S: u64 = 1800;

/// How long a watch lasts at most.
const LASTS_MAX_S: u64 = 86_400;

/// Pieces that wait for a slow client before the store's own queue fills.
const WAITING_MAX: usize = 16;

/// The annotation of the bookmark behind what was there at the start.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What a watch begins with (`sendInitialEvents`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// What is there, unless a revision is named to start from.
    Unsaid,
    /// What is there, and a bookmark behind it.
    Present,
    /// Changes alone.
    Changes,
}

impl Begin {
    fn of(query: &Query) -> Begin {
        match query.get("sendInitialEvents") {
            None => Begin::Unsaid,
            Some(_) if query.flag("sendInitialEvents") => Begin::Present,
            Some(_) => Begin::Changes,
        }
    }
}

/// Kubernetes' rules for `resourceVersionMatch` and `sendInitialEvents` of a watch.
fn check_options(query: &Query) -> Result<(), Failure> {
    const NOT_OLDER: &str = "NotOlderThan";
    let matched = query.get("resourceVersionMatch");
    let is_said = query.get("sendInitialEvents").is_some();
    let mut faults = Vec::new();
    if is_said && matched != Some(NOT_OLDER) {
        let why = format!("sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}");
        faults.push(read::forbidden_match(&why));
    }
    if let Some(matched) = matched {
        if !is_said {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            faults.push(read::forbidden_match(why));
        }
        if matched != NOT_OLDER {
            faults.push(read::unsupported_match(matched, r#""NotOlderThan""#));
        }
        if query.get("continue").is_some() {
            faults.push(read::forbidden_match("resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::invalid_options("ListOptions", &faults)) }
}

/// What happened to an object, as a watcher with selectors sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Added,
    Modified,
    Deleted,
}

impl Seen {
    fn word(self) -> &'static str {
        match self {
            Seen::Added => "ADDED",
            Seen::Modified => "MODIFIED",
            Seen::Deleted => "DELETED",
        }
    }
}

/// Begins a watch.
///
/// # Errors
/// 400, 406, 422; what goes wrong later is an event of the stream.
pub async fn watch(
    state: &State,
    kind: Kind,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let style = read::style(kind, target, query, headers)?;
    let mut fields = query.get("fieldSelector").unwrap_or_default().to_owned();
    if !target.name.is_empty() {
        // A watch of one object is one of its collection by name.
        fields = format!("metadata.name={}{}{fields}", target.name, if fields.is_empty() { "" } else { "," });
    }
    let labels = query.get("labelSelector").unwrap_or_default();
    let selector = Selector::parse(kind, labels, &fields).map_err(|error| Failure::bad_request(error.to_string()))?;
    check_options(query)?;
    let begin = Begin::of(query);
    let revision = read::revision(query)?;
    let lasts_s = query
        .int("timeoutSeconds")?
        .and_then(|s| u64::try_from(s).ok())
        .filter(|s| *s > 0)
        .unwrap_or(LASTS_S)
        .min(LASTS_MAX_S);

    let (from, present) = match (begin, revision) {
        (Begin::Changes | Begin::Unsaid, Some(revision)) if revision > 0 => (revision, Vec::new()),
        (begin, revision) => {
            // Without a start the watch begins with what is there.
            state.settle(revision).await?;
            let cluster = state.view.read();
            let present = || read::matching(&cluster, kind, &target.namespace, &selector);
            (cluster.revision(), if begin == Begin::Changes { Vec::new() } else { present() })
        }
    };
    let request = WatchRequest::new(KeyRange::prefix(read::prefix(kind, &target.namespace)), Revision(from).next())
        .prev_kv()
        .progress();
    let stream = state.store.kv().watch(request).await.map_err(|error| read::unavailable(&error))?;
    let (tx, rx) = mpsc::channel(WAITING_MAX);
    let watching = Watching {
        kind,
        style,
        selector,
        headed: false,
        revision: from,
        bookmarks: query.flag("allowWatchBookmarks"),
        tells_end: begin == Begin::Present,
        tx,
    };
    tokio::spawn(watching.run(present, stream, Instant::now() + Duration::from_secs(lasts_s)));
    let body =
        Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(rx).map(Ok::<_, std::convert::Infallible>));
    let form = if style.form == Form::Object { "application/json" } else { "application/json;stream=watch" };
    Ok(([(header::CONTENT_TYPE, form), (header::CACHE_CONTROL, "no-cache, private")], body).into_response())
}

struct Watching {
    kind: Kind,
    style: Style,
    selector: Selector,
    /// Whether the columns of the table have been sent.
    headed: bool,
    /// The newest revision that was seen.
    revision: u64,
    bookmarks: bool,
    /// Whether a bookmark says that what was there at the start has been told.
    tells_end: bool,
    tx: mpsc::Sender<Bytes>,
}

impl Watching {
    async fn run(mut self, present: Vec<Arc<Object>>, mut stream: WatchStream, until: Instant) {
        let _counted = metrics::Watcher::new();
        let mut out = Vec::new();
        for object in &present {
            self.write(&mut out, Seen::Added, object);
        }
        if self.tells_end {
            self.bookmark(&mut out, &json!({ INITIAL_EVENTS_END: "true" }));
        }
        let mut tick = interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ends = pin!(sleep_until(until));
        let mut last = false;
        loop {
            if !out.is_empty() && self.tx.send(std::mem::take(&mut out).into()).await.is_err() || last {
                return;
            }
            let closed = self.tx.clone();
            tokio::select! {
                () = closed.closed() => return,
                () = &mut ends => {
                    self.bookmark(&mut out, &Value::Null);
                    last = true;
                }
                _ = tick.tick(), if self.bookmarks => self.bookmark(&mut out, &Value::Null),
                batch = stream.next() => match batch {
                    Some(Ok(batch)) => self.take(&mut out, batch),
                    Some(Err(error)) => {
                        fault(&mut out, &error);
                        last = true;
                    }
                    None => last = true,
                },
            }
        }
    }

    fn take(&mut self, out: &mut Vec<u8>, batch: WatchBatch) {
        self.revision = self.revision.max(batch.revision.0);
        for event in &batch.events {
            if let Some((seen, object)) = judge(&self.selector, event) {
                self.style.now = Time(clock::now_s());
                self.write(out, seen, &object);
            }
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, seen: Seen, object: &Object) {
        let mut body = table::one(self.style, object);
        if matches!(self.style.form, Form::Table(_)) && std::mem::replace(&mut self.headed, true) {
            // Columns are told once.
            body["columnDefinitions"] = Value::Null;
        }
        line(out, seen.word(), &body);
    }

    /// How far the watch has seen, with annotations where there are any.
    fn bookmark(&self, out: &mut Vec<u8>, annotations: &Value) {
        if !self.bookmarks {
            return;
        }
        let mut meta = json!({ "resourceVersion": self.revision.to_string(), "creationTimestamp": null });
        if !annotations.is_null() {
            meta["annotations"] = annotations.clone();
        }
        let body = match self.style.form {
            Form::Object => {
                json!({ "kind": self.kind.info().kind, "apiVersion": table::api_version(self.style, self.kind), "metadata": meta })
            }
            Form::Metadata(version) => {
                json!({ "kind": "PartialObjectMetadata", "apiVersion": version, "metadata": meta })
            }
            Form::Table(version) => {
                let head = ListHead { revision: self.revision, ..ListHead::default() };
                let mut table = table::list(self.style, self.kind, &head, std::iter::empty::<Object>());
                if !annotations.is_null() {
                    // A table itself has no annotations: its one row carries them, as Kubernetes' does.
                    table["rows"] = json!([{ "cells": [], "object": { "kind": "PartialObjectMetadata", "apiVersion": version, "metadata": meta } }]);
                }
                table
            }
        };
        line(out, "BOOKMARK", &body);
    }
}

fn line(out: &mut Vec<u8>, word: &str, body: &Value) {
    // Writing JSON into memory cannot fail: the keys of a Value are texts.
    let _ = serde_json::to_writer(&mut *out, &json!({ "type": word, "object": body }));
    out.push(b'\n');
}

fn fault(out: &mut Vec<u8>, error: &kv::Error) {
    let failure = match error {
        kv::Error::Compacted { .. } => read::expired("The resourceVersion for the provided watch is too old."),
        // The client begins again at the last revision that it saw.
        kv::Error::SlowWatcher { .. } => return,
        other => Failure::internal(other),
    };
    line(out, "ERROR", &failure.body());
}

/// What one event of the store is to a watcher with these selectors; `None` when it does not concern it.
fn judge(selector: &Selector, event: &Event) -> Option<(Seen, Object)> {
    let read = |kv: &KeyValue| Object::from_bytes(&kv.value, kv.mod_revision.0).ok();
    let at = event.kv.mod_revision.0;
    let before = event.prev.as_ref().and_then(read);
    let was = before.as_ref().is_some_and(|object| selector.matches(object));
    match event.kind {
        EventKind::Delete => was.then_some(before).flatten().map(|object| (Seen::Deleted, object.at(at))),
        EventKind::Put => {
            let now = read(&event.kv)?;
            // A version before that is compacted says nothing; without selectors it was in the set all the same.
            let lost = before.is_none() && event.kv.create_revision != event.kv.mod_revision && selector.is_empty();
            match (was || lost, selector.matches(&now)) {
                (true, true) => Some((Seen::Modified, now)),
                (false, true) => Some((Seen::Added, now)),
                (true, false) => before.map(|object| (Seen::Deleted, object.at(at))),
                (false, false) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::POD;
    use masthead_store::kv::LeaseId;

    use super::*;

    fn version(label: &str, create: u64, revision: u64) -> KeyValue {
        let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "labels": {"app": label}}});
        KeyValue {
            key: "/masthead/core/pods/n/p".into(),
            value: value.to_string().into(),
            create_revision: Revision(create),
            mod_revision: Revision(revision),
            version: 1,
            lease: LeaseId::NONE,
        }
    }

    #[test]
    fn what_enters_or_leaves_the_selected_set_comes_and_goes() {
        let selector = Selector::parse(POD, "app=a", "").unwrap();
        let check = |kind: EventKind, kv: KeyValue, prev: Option<KeyValue>, expect: Option<(Seen, &str, u64)>| {
            let seen = judge(&selector, &Event { kind, kv, prev });
            let seen = seen.map(|(seen, object)| (seen, object.meta().labels["app"].clone(), object.revision()));
            assert_eq!(seen, expect.map(|(seen, label, revision)| (seen, label.to_owned(), revision)));
        };
        check(EventKind::Put, version("a", 5, 5), None, Some((Seen::Added, "a", 5)));
        check(EventKind::Put, version("a", 5, 6), Some(version("a", 5, 5)), Some((Seen::Modified, "a", 6)));
        check(EventKind::Put, version("a", 5, 6), Some(version("b", 5, 5)), Some((Seen::Added, "a", 6)));
        check(EventKind::Put, version("b", 5, 6), Some(version("a", 5, 5)), Some((Seen::Deleted, "a", 6)));
        check(EventKind::Put, version("b", 5, 6), Some(version("b", 5, 5)), None);
        check(EventKind::Delete, version("", 5, 7), Some(version("a", 5, 5)), Some((Seen::Deleted, "a", 7)));
        check(EventKind::Delete, version("", 5, 7), Some(version("b", 5, 5)), None);
        check(EventKind::Delete, version("", 5, 7), None, None);
        let event = Event { kind: EventKind::Put, kv: version("z", 5, 6), prev: None };
        let all = Selector::default();
        assert_eq!(judge(&all, &event).map(|(seen, _)| seen), Some(Seen::Modified), "the version before is compacted");
    }
}
