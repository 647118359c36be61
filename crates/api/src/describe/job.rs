//! A job to its description.

use std::fmt::Display;

use crate::batch::job::Job;
use crate::describe::event::Events;
use crate::describe::page::{Page, controller, stamp};
use crate::describe::workload::template;
use crate::table::age::human;

/// A list of indexes is cut at the first comma after so many bytes (kubectl's limit).
const INDEXES_MAX: usize = 50;

/// A job.
pub fn describe(job: &Job, events: &Events) -> String {
    let (meta, spec, status) = (&job.metadata, &job.spec, &job.status);
    let mut page = Page::default();
    page.name(meta);
    let selector = spec.selector.as_ref().filter(|s| !s.is_empty()).map_or_else(String::new, ToString::to_string);
    page.field(0, "Selector", selector);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    if let Some(owner) = controller(meta) {
        page.put(0, format_args!("Controlled By:\t{}/{}\n", owner.kind, owner.name));
    }
    given(&mut page, "Parallelism", spec.parallelism);
    match spec.completions {
        Some(completions) => page.field(0, "Completions", completions),
        None => page.field(0, "Completions", "<unset>"),
    }
    given(&mut page, "Completion Mode", spec.completion_mode.as_ref());
    given(&mut page, "Suspend", spec.suspend);
    given(&mut page, "Backoff Limit", spec.backoff_limit);
    given(&mut page, "TTL Seconds After Finished", spec.ttl_seconds_after_finished);
    given(&mut page, "Start Time", status.start_time.map(|time| stamp(Some(time))));
    given(&mut page, "Completed At", status.completion_time.map(|time| stamp(Some(time))));
    if let (Some(started), Some(completed)) = (status.start_time, status.completion_time) {
        page.field(0, "Duration", human(completed.since(started)));
    }
    given(&mut page, "Active Deadline Seconds", spec.active_deadline_seconds.map(|seconds| format!("{seconds}s")));
    let ready = status.ready.map(|ready| format!(" ({ready} Ready)")).unwrap_or_default();
    let (active, succeeded, failed) = (status.active, status.succeeded, status.failed);
    page.put(0, format_args!("Pods Statuses:\t{active} Active{ready} / {succeeded} Succeeded / {failed} Failed\n"));
    if spec.completion_mode.as_deref() == Some("Indexed") {
        page.field(0, "Completed Indexes", indexes(&status.completed_indexes));
    }
    template(&mut page, &spec.template);
    events.write(&mut page);
    page.finish()
}

fn given(page: &mut Page, label: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        page.field(0, label, value);
    }
}

fn indexes(text: &str) -> String {
    if text.is_empty() {
        return "<none>".to_owned();
    }
    match text.bytes().skip(INDEXES_MAX).position(|b| b == b',') {
        Some(at) => format!("{}...", text.get(..=INDEXES_MAX + at).unwrap_or(text)),
        None => text.to_owned(),
    }
}
