//! A job and its pods at one moment: how they count, before anything is decided on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::batch::indexes::Indexes;
use masthead_api::batch::job::{Job, JobStatus, UncountedTerminatedPods};
use masthead_api::change::{Change, EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::kind::registry::POD;
use masthead_api::meta::{LabelSelector, Time};
use masthead_api::object::{Error, Object};

use crate::cluster::edit::{set_list, with_meta, without_finalizer};
use crate::cluster::view::Cluster;
use crate::context::Reaction;
use crate::workload::claim::claim;
use crate::workload::job::member::{INDEX_FAILURES, Member, ended_at, is_failed, is_indexed, number};
use crate::workload::job::policy::{self, Verdict};
use crate::workload::job::recover;
use crate::workload::job::streak::{End, TRACKING};
use crate::workload::pods::is_active;

/// Who tells the events.
const SOURCE: &str = "job-controller";

/// The revision of the write that counts what is not counted yet; no store comes so far.
const NEXT_WRITE: u64 = u64::MAX;

/// A job at one moment, and what is decided on it so far.
pub struct Run<'a> {
    /// The view.
    pub cluster: &'a Cluster,
    /// The job as stored.
    pub object: &'a Arc<Object>,
    /// The job.
    pub job: Arc<Job>,
    /// Its pods.
    pub members: Vec<Member>,
    /// Its status as it will be.
    pub status: JobStatus,
    /// Indexes that succeeded, those of this moment among them.
    pub succeeded_indexes: Indexes,
    /// Indexes that failed for good, where each has a limit of its own.
    pub failed_indexes: Option<Indexes>,
    /// Now.
    pub now: Time,
    /// Events, rechecks, and the writes that are decided already.
    pub reaction: Reaction,
}

impl<'a> Run<'a> {
    /// Takes in what belongs to the job, lets go of what does no more, and counts.
    ///
    /// # Errors
    /// An object is not of its kind's shape.
    pub fn of(
        cluster: &'a Cluster,
        object: &'a Arc<Object>,
        job: Arc<Job>,
        selector: &LabelSelector,
        now: Time,
    ) -> Result<Run<'a>, Error> {
        let claims = claim(cluster, object, selector, POD)?;
        let mut reaction = Reaction::default();
        let name = &job.metadata.name;
        for released in &claims.released {
            let reason = format!("its labels no longer match Job {name}");
            let object = without_finalizer(released, TRACKING)?;
            reaction.changes.push(Change::Update { base: released.revision(), object, reason });
        }
        let mut members = Vec::with_capacity(claims.owned.len());
        for claimed in &claims.owned {
            let mut object = claimed.object.clone();
            if claimed.adopted {
                object = tracked(&object)?;
            }
            // A pod that does not decode is a fault of the view; it counts for nothing here.
            let Ok(pod) = object.typed::<Pod>() else { continue };
            members.push(Member { adopted: claimed.adopted, ..Member::of(&job, object, pod) });
        }
        for found in recover::found(cluster, &job) {
            let object = tracked(&*recover::take(found, object)?)?;
            let Ok(pod) = object.typed::<Pod>() else { continue };
            members.push(Member { adopted: true, ..Member::of(&job, object, pod) });
        }
        let mut status = job.status.clone();
        count_untracked(&mut status, &members);
        let mut run = Run {
            cluster,
            object,
            members,
            status,
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            now,
            reaction,
            job,
        };
        run.count_indexes();
        Ok(run)
    }

    /// The indexes of the status and those of pods that are not in it yet.
    fn count_indexes(&mut self) {
        if !is_indexed(&self.job.spec) {
            return;
        }
        let completions = self.job.spec.completions.unwrap_or_default();
        let known = Indexes::of_status(&self.status.completed_indexes, completions);
        let tracked = || self.members.iter().filter(|m| m.is_tracked());
        let new: Indexes = tracked().filter(|m| m.pod.status.phase == "Succeeded").filter_map(|m| m.index).collect();
        self.succeeded_indexes = known.union(&new);
        let Some(limit) = self.job.spec.backoff_limit_per_index else { return };
        let known = Indexes::of_status(self.status.failed_indexes.as_deref().unwrap_or_default(), completions);
        let has_failed = |m: &&Member| {
            is_failed(&self.job, &m.pod)
                && match policy::judge(&self.job, &m.pod) {
                    Verdict::FailIndex => true,
                    verdict => verdict.counts() && number(&m.pod, INDEX_FAILURES) >= limit,
                }
        };
        let new: Indexes = tracked().filter(has_failed).filter_map(|m| m.index).collect();
        self.failed_indexes = Some(known.union(&new));
    }

    /// Whether a pod that ended counts at all: of an indexed job those with an index.
    pub fn is_valid(&self, member: &Member) -> bool {
        !is_indexed(&self.job.spec) || member.index.is_some()
    }

    fn uncounted(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let Some(uncounted) = &self.status.uncounted_terminated_pods else { return Default::default() };
        (uids(&uncounted.succeeded), uids(&uncounted.failed))
    }

    /// Successes, counted and new.
    pub fn succeeded(&self) -> i32 {
        if is_indexed(&self.job.spec) {
            return self.succeeded_indexes.total();
        }
        let (succeeded, _) = self.uncounted();
        let new = self.members.iter().filter(|m| {
            m.is_tracked() && m.pod.status.phase == "Succeeded" && !succeeded.contains(m.pod.metadata.uid.as_str())
        });
        self.status.succeeded.saturating_add(count(new)).saturating_add(count(succeeded.iter()))
    }

    /// Failures that count against the limit, counted and new.
    pub fn failed(&self) -> i32 {
        let (_, failed) = self.uncounted();
        let new = self.members.iter().filter(|m| {
            m.is_tracked()
                && self.is_valid(m)
                && !failed.contains(m.pod.metadata.uid.as_str())
                && is_failed(&self.job, &m.pod)
                && policy::judge(&self.job, &m.pod).counts()
        });
        self.status.failed.saturating_add(count(new)).saturating_add(count(failed.iter()))
    }

    /// How many pods failed in a row, and when the last of them did: those that were counted, then those that ended since.
    pub fn failures(&self) -> Option<(i32, Time)> {
        let mut streak = self.cluster.streak(&self.job.metadata.uid);
        for member in self.members.iter().filter(|m| m.is_tracked() && self.is_valid(m)) {
            let failed = is_failed(&self.job, &member.pod);
            if failed || member.pod.status.phase == "Succeeded" {
                streak.count(NEXT_WRITE, End { at: ended_at(&member.pod, self.now), failed });
            }
        }
        streak.failures()
    }

    /// The pods that run and are not told to stop.
    pub fn active(&self) -> impl Iterator<Item = usize> {
        (0..self.members.len()).filter(|i| {
            let member = &self.members[*i];
            member.stopped.is_none() && is_active(&member.pod)
        })
    }

    /// How many these are.
    pub fn active_count(&self) -> i32 {
        count(self.active())
    }

    /// Tells users something about the job.
    pub fn tell(&mut self, kind: EventKind, reason: &str, message: impl Into<String>) {
        self.reaction.events.push(EventNote {
            about: self.object.key().clone(),
            uid: self.object.meta().uid.clone(),
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            source: SOURCE.to_owned(),
        });
    }

    /// Tells a pod to stop, and says so.
    pub fn stop(&mut self, index: usize, why: String) {
        let name = self.members[index].pod.metadata.name.clone();
        self.members[index].stopped = Some(why);
        self.tell(EventKind::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"));
    }

    /// Tells all pods that run to stop.
    pub fn stop_active(&mut self, why: &str) {
        for index in self.active().collect::<Vec<usize>>() {
            self.stop(index, why.to_owned());
        }
    }
}

fn uids(uids: &[String]) -> BTreeSet<&str> {
    uids.iter().map(String::as_str).collect()
}

/// How many there are, as the API counts.
pub fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap_or(i32::MAX)
}

/// The pod with the finalizer that keeps it until it is counted.
fn tracked(pod: &Object) -> Result<Arc<Object>, Error> {
    with_meta(pod, |meta| {
        let mut finalizers = pod.meta().finalizers.clone();
        if !finalizers.iter().any(|f| f == TRACKING) {
            finalizers.push(TRACKING.to_owned());
        }
        set_list(meta, "finalizers", &finalizers);
    })
}

/// Pods that the status names and that are kept no more, or gone, are counted: each is named once and counted once.
fn count_untracked(status: &mut JobStatus, members: &[Member]) {
    let uncounted = status.uncounted_terminated_pods.get_or_insert_with(UncountedTerminatedPods::default);
    let kept: BTreeSet<&str> = members.iter().filter(|m| m.is_tracked()).map(|m| m.pod.metadata.uid.as_str()).collect();
    for (uids, counter) in
        [(&mut uncounted.succeeded, &mut status.succeeded), (&mut uncounted.failed, &mut status.failed)]
    {
        let before = uids.len();
        uids.retain(|uid| kept.contains(uid.as_str()));
        *counter = counter.saturating_add(i32::try_from(before - uids.len()).unwrap_or(i32::MAX));
    }
}
