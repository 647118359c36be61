//! Jobs to the rows that `get` prints.

use serde_json::Value;

use crate::batch::job::{Job, JobStatus};
use crate::meta::time::Time;
use crate::table::age::{human, since};
use crate::table::column::{AGE, CONTAINERS, Column, IMAGES, NAME, Printed, column, wide};
use crate::table::objects::{age, names_and_images, selector};

/// Whether a condition of this type is true.
fn is(status: &JobStatus, condition: &str) -> bool {
    status.conditions.iter().any(|c| c.type_ == condition && c.status == "True")
}

/// The state of a job in a word.
pub fn state(job: &Job) -> &'static str {
    let status = &job.status;
    match () {
        () if is(status, "Complete") => "Complete",
        () if is(status, "Failed") => "Failed",
        () if job.metadata.deletion_timestamp.is_some() => "Terminating",
        () if is(status, "Suspended") => "Suspended",
        () if is(status, "FailureTarget") => "FailureTarget",
        () if is(status, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(job: &Job) -> String {
    let succeeded = job.status.succeeded;
    match (job.spec.completions, job.spec.parallelism.unwrap_or_default()) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Job, now: Time) -> String {
    match (job.status.start_time, job.status.completion_time) {
        (None, _) => String::new(),
        (started, None) => since(started, now),
        (Some(started), Some(completed)) => human(completed.since(started)),
    }
}

impl Printed for Job {
    const COLUMNS: &'static [Column] = &[
        NAME,
        column("Status", "Its state in a word."),
        column("Completions", "Pods that succeeded of those that must."),
        column("Duration", "How long it ran."),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The pods that belong to it."),
    ];

    fn cells(&self, now: Time) -> Vec<Value> {
        let [names, images] = names_and_images(&self.spec.template.spec.containers);
        vec![
            self.metadata.name.as_str().into(),
            state(self).into(),
            completions(self).into(),
            duration(self, now).into(),
            age(&self.metadata, now),
            names,
            images,
            selector(self.spec.selector.as_ref()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::state;
    use crate::batch::job::Job;
    use serde_json::json;

    #[test]
    fn the_last_word_counts() {
        let check = |conditions: &[(&str, &str)], deleted: bool, expect: &str| {
            let conditions: Vec<_> =
                conditions.iter().map(|(type_, status)| json!({"type": type_, "status": status})).collect();
            let mut job = json!({"metadata": {"name": "j"}, "status": {"conditions": conditions}});
            if deleted {
                job["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
            }
            assert_eq!(state(&serde_json::from_value::<Job>(job).unwrap()), expect);
        };
        check(&[], false, "Running");
        check(&[("Suspended", "False")], false, "Running");
        check(&[("Suspended", "True")], false, "Suspended");
        check(&[("FailureTarget", "True")], false, "FailureTarget");
        check(&[("SuccessCriteriaMet", "True")], false, "SuccessCriteriaMet");
        check(&[("FailureTarget", "True"), ("Suspended", "True")], true, "Terminating");
        check(&[("FailureTarget", "True"), ("Failed", "True")], true, "Failed");
        check(&[("SuccessCriteriaMet", "True"), ("Complete", "True")], false, "Complete");
    }
}
