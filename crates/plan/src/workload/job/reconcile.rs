//! (Cluster, a job) → the pods it takes in, makes, stops and counts, and its status.

use std::sync::Arc;

use masthead_api::batch::job::Job;
use masthead_api::change::{Change, EventKind};
use masthead_api::core::pod::Pod;
use masthead_api::object::{Error, Object};

use crate::cluster::view::Cluster;
use crate::context::{Context, Reaction};
use crate::workload::job::condition::{self, COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, SUSPENDED};
use crate::workload::job::finished;
use crate::workload::job::manage::manage;
use crate::workload::job::outcome::{self, Outcome};
use crate::workload::job::run::{Run, count};
use crate::workload::job::track::track;
use crate::workload::pods::{is_active, is_ready, is_terminating};

/// The controller that this is (Kubernetes' `JobControllerName`).
const CONTROLLER: &str = "kubernetes.io/job-controller";

/// The other controller that a job is left to, if it names one.
pub fn managed_by(job: &Job) -> Option<&str> {
    job.spec.managed_by.as_deref().filter(|controller| *controller != CONTROLLER)
}

/// What a job needs next.
///
/// # Errors
/// An object's body is not of its kind's shape.
pub fn reconcile(cluster: &Cluster, object: &Arc<Object>, cx: &mut Context) -> Result<Reaction, Error> {
    let job = object.typed::<Job>()?;
    if managed_by(&job).is_some() {
        return Ok(Reaction::default());
    }
    if let Some(end) = condition::end(&job.status) {
        return finished::reconcile(cluster, object, &job, end, cx);
    }
    // Validation refuses a job without a selector; one that comes in regardless must not take every pod.
    let Some(selector) = job.spec.selector.clone().filter(|selector| !selector.is_empty()) else {
        return Ok(Reaction::default());
    };
    let mut run = Run::of(cluster, object, job, &selector, cx.now)?;
    // What is taken in is counted when it is the job's: a status never tells of pods that are not.
    if run.members.iter().any(|m| m.adopted) {
        for member in run.members.iter().filter(|m| m.adopted) {
            run.reaction.changes.extend(member.write(&run.job.metadata.name, run.now)?.0);
        }
        return Ok(run.reaction);
    }
    let suspended = run.job.spec.suspend == Some(true);
    if run.status.start_time.is_none() && !suspended {
        run.status.start_time = Some(run.now);
    }
    let mut outcome = outcome::decide(&mut run);
    match &outcome {
        Some(outcome) => run.stop_active(&format!("its job is over: {}", outcome.message)),
        None => {
            if run.job.metadata.deletion_timestamp.is_none() {
                manage(&mut run, cx);
            }
            if is_complete(&run) {
                outcome = Some(Outcome::completions_reached());
            } else if run.job.metadata.deletion_timestamp.is_none() {
                suspend(&mut run, suspended);
            }
        }
    }
    let all_named = track(&mut run, outcome.as_ref());
    if let Some(outcome) = &outcome {
        let interim = if outcome.success { SUCCESS_CRITERIA_MET } else { FAILURE_TARGET };
        condition::set(&mut run.status, interim, true, &outcome.reason, &outcome.message, run.now);
    }
    finish(run, outcome, all_named)
}

/// Whether enough pods succeeded and none runs.
fn is_complete(run: &Run<'_>) -> bool {
    let succeeded = run.succeeded();
    let enough = run.job.spec.completions.map_or(succeeded > 0, |completions| succeeded >= completions);
    enough && run.active_count() == 0
}

/// Notes that the job is suspended or goes on.
fn suspend(run: &mut Run<'_>, suspended: bool) {
    let now = run.now;
    let (reason, message) = if suspended { ("JobSuspended", "Job suspended") } else { ("JobResumed", "Job resumed") };
    if condition::set(&mut run.status, SUSPENDED, suspended, reason, message, now) {
        // The time that a job may take counts from when it goes on.
        run.status.start_time = (!suspended).then_some(now);
        run.tell(EventKind::Normal, if suspended { "Suspended" } else { "Resumed" }, message);
    }
}

/// The writes: the status, which names the pods that ended, before the pods that are let go of.
fn finish(mut run: Run<'_>, outcome: Option<Outcome>, all_named: bool) -> Result<Reaction, Error> {
    let (mut changes, mut pods) = (Vec::new(), Vec::new());
    for member in &run.members {
        let (change, pod) = member.write(&run.job.metadata.name, run.now)?;
        changes.extend(change);
        pods.extend(pod);
    }
    let of = |rule: fn(&Pod) -> bool| count(pods.iter().filter(|pod| rule(pod)));
    let terminating = of(is_terminating);
    run.status.active = of(is_active);
    run.status.ready = Some(of(|pod| is_active(pod) && is_ready(pod)));
    run.status.terminating = Some(terminating);
    let uncounted = run.status.uncounted_terminated_pods.as_ref();
    let counted = uncounted.is_none_or(|u| u.succeeded.is_empty() && u.failed.is_empty());
    if let Some(outcome) = outcome.filter(|_| counted && all_named && terminating == 0) {
        end(&mut run, &outcome);
    }
    if run.status != run.job.status {
        let mut after = Job::clone(&run.job);
        let (status, name) = (&run.status, &run.job.metadata.name);
        let reason =
            format!("Job {name}: {} active, {} succeeded, {} failed", status.active, status.succeeded, status.failed);
        after.status.clone_from(&run.status);
        let base = run.object.revision();
        run.reaction.changes.push(Change::Update { object: Arc::new(Object::of(&after)?), base, reason });
    }
    run.reaction.changes.extend(changes);
    Ok(run.reaction)
}

/// Says that the job is over.
fn end(run: &mut Run<'_>, outcome: &Outcome) {
    let now = run.now;
    let kind = if outcome.success { COMPLETE } else { FAILED };
    condition::set(&mut run.status, kind, true, &outcome.reason, &outcome.message, now);
    if !outcome.success {
        return run.tell(EventKind::Warning, &outcome.reason, outcome.message.clone());
    }
    run.status.completion_time = Some(now);
    if run.job.spec.completions.is_some_and(|completions| run.status.succeeded > completions) {
        let message = "Too many succeeded pods running after completion count reached";
        run.tell(EventKind::Warning, "TooManySucceededPods", message);
    }
    run.tell(EventKind::Normal, "Completed", "Job completed");
}
