//! Jobs in the simulation: what commits ask for, and what must hold of them at each transaction and in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use masthead_api::batch::job::Job;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::JOB;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::context::Ids;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A Job as a commit asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    completions: u64,
    parallelism: u64,
    indexed: bool,
    ttl: bool,
    waits_for_end: bool,
}

impl Task {
    pub fn new(rng: &mut Ids) -> Task {
        Task {
            completions: 1 + rng.below(5),
            parallelism: 1 + rng.below(3),
            indexed: rng.below(2) == 0,
            ttl: rng.below(4) == 0,
            waits_for_end: rng.below(3) == 0,
        }
    }

    pub fn yaml(&self, namespace: &str, name: &str) -> String {
        let mut text = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  completions: {}\n  \
             parallelism: {}\n  backoffLimit: 1000\n",
            self.completions, self.parallelism
        );
        if self.indexed {
            text.push_str("  completionMode: Indexed\n");
        }
        if self.ttl {
            text.push_str("  ttlSecondsAfterFinished: 20\n");
        }
        if self.waits_for_end {
            text.push_str("  podReplacementPolicy: Failed\n");
        }
        let _ = write!(
            text,
            "  template:\n    spec:\n      restartPolicy: Never\n      terminationGracePeriodSeconds: 2\n      containers:\n      \
             - {{name: main, image: \"job:1\", imagePullPolicy: IfNotPresent}}\n"
        );
        text
    }

    /// Whether the job came to its end, and has gone if it had to.
    pub fn is_done(&self, cluster: &Cluster, namespace: &str, name: &str) -> Result<(), String> {
        let live = cluster.typed::<Job>(&ObjectKey::new(JOB, namespace, name));
        let Some(job) = live.filter(|_| !self.ttl) else {
            let is_gone = self.ttl && cluster.get(&ObjectKey::new(JOB, namespace, name)).is_none();
            return if is_gone { Ok(()) } else { Err(format!("job {namespace}/{name} is missing, or still there")) };
        };
        let is_complete = job.status.conditions.iter().any(|c| c.type_ == "Complete" && c.status == "True");
        if !is_complete || (job.status.succeeded as u64) < self.completions {
            return Err(format!("job {namespace}/{name} is {:?}", job.status));
        }
        Ok(())
    }
}

/// What was seen of each job, by its uid.
#[derive(Default)]
pub struct Seen {
    /// Pods that succeeded.
    succeeded: BTreeMap<String, BTreeSet<String>>,
    /// Indexes that succeeded.
    indexes: BTreeSet<(String, String)>,
    /// Whether the store was lost: where a job is back before all nodes are, some of its pods may run once more.
    pub lost: bool,
}

impl Seen {
    /// What must hold after a transaction.
    pub fn transaction(&mut self, after: &Cluster, changed: &[Changed]) {
        for change in changed {
            let Some(pod) = change.new.as_ref().and_then(|o| o.typed::<Pod>().ok()) else { continue };
            let owner = pod.metadata.owner_references.iter().find(|o| o.kind == "Job");
            let Some(job) = owner.map(|o| o.uid.clone()) else { continue };
            let index = pod.metadata.annotations.get(INDEX).cloned();
            if let Some(index) = index.clone().filter(|_| change.old.is_none()) {
                let again = self.indexes.contains(&(job.clone(), index.clone()));
                assert!(!again, "index {index} of a job gets a pod after its success was seen");
            }
            if pod.status.phase == "Succeeded" {
                self.indexes.extend(index.map(|index| (job.clone(), index)));
                self.succeeded.entry(job).or_default().insert(pod.metadata.uid.clone());
            }
        }
        for job in after.list_all::<Job>() {
            self.counts(after, &job);
        }
    }

    fn counts(&self, after: &Cluster, job: &Job) {
        let (name, uid, status) = (&job.metadata.name, &job.metadata.uid, &job.status);
        let uncounted = status.uncounted_terminated_pods.as_ref();
        let counted = status.succeeded as usize + uncounted.map_or(0, |u| u.succeeded.len());
        let seen = self.succeeded.get(uid).map_or(0, BTreeSet::len);
        assert!(counted <= seen, "job {name} counts {counted} successes of {seen}");
        let own = |pod: &Pod| pod.metadata.owner_references.iter().any(|o| o.uid == *uid);
        let is_active = |pod: &Pod| {
            pod.metadata.deletion_timestamp.is_none() && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
        };
        // Pods that a lost store brought back come beside those that were made meanwhile, until the next decision.
        let made = after.list::<Pod>(&job.metadata.namespace).filter(|p| own(p) && is_active(p)).count();
        assert!(made <= 2 * job.spec.parallelism.unwrap_or(1) as usize, "{made} pods of job {name} run");
        if status.conditions.iter().any(|c| c.type_ == "Complete" && c.status == "True") {
            assert!(status.active == 0 && seen >= status.succeeded as usize);
            let wanted = job.spec.completions.unwrap_or(0);
            assert!(
                status.succeeded == wanted || self.lost && status.succeeded > wanted,
                "job {name} is complete with {}",
                status.succeeded
            );
        }
    }
}
