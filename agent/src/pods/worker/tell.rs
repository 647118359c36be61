//! What a worker knows of its pod → the status that is reported and kept, and the word that the pod is gone.

use std::time::Duration;

use bytes::Bytes;
use masthead_api::core::container::Container;
use masthead_api::core::pod_status::PodStatus;
use masthead_wire::report;
use tokio::time::Instant;

use crate::pods::kept;
use crate::pods::local::Stage;
use crate::pods::metrics::metrics;
use crate::pods::status;
use crate::pods::status_input::Input;
use crate::pods::worker::Worker;

/// A status that says only that the pod is being made waits this long for a better one.
const UNIMPORTANT: Duration = Duration::from_secs(2);
/// A status that a restarted agent would find anew waits this long until it is kept: starting pods comes first.
const KEPT_AFTER: Duration = Duration::from_secs(1);

impl Worker {
    /// Reports the status when it is another; one that only says that the pod is being made can wait.
    pub(super) fn tell(&mut self, is_due: bool) {
        let now_ms = self.shared.clock.now_ms();
        let input = Input {
            pod: &self.order.pod,
            observed: &self.observed,
            local: &self.local,
            plan: &self.plan,
            before: self.before.as_ref(),
            runtime: &self.shared.runtime_name,
            now_ms,
        };
        let status = status::status(input);
        if self.is_dropped || self.before.as_ref() == Some(&status) && !self.told.is_empty() {
            self.tell_at = None;
            return;
        }
        if !is_due && is_unimportant(&status) {
            self.tell_at.get_or_insert_with(|| Instant::now() + UNIMPORTANT);
            return;
        }
        self.tell_at = None;
        let Ok(json) = serde_json::to_vec(&status) else { return };
        self.count(&status);
        self.before = Some(status);
        self.told = Bytes::from(json);
        if self.is_found_anew() {
            self.keep_at.get_or_insert_with(|| Instant::now() + KEPT_AFTER);
        } else {
            self.keep();
        }
        let meta = &self.order.pod.metadata;
        self.shared.reporter.status(report::PodStatus {
            uid: meta.uid.as_str().into(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            status: self.told.clone(),
            observed: self.order.generation,
            sequence: 0,
        });
    }

    /// Whether an agent that starts anew comes to this status by itself, save the times in it: not what a probe said, and
    /// not how the pod ended.
    fn is_found_anew(&self) -> bool {
        let spec = &self.order.pod.spec;
        let is_probed = |c: &Container| c.startup_probe.is_some() || c.readiness_probe.is_some();
        let is_over =
            self.before.as_ref().is_some_and(|status| status.phase == "Failed" || status.phase == "Succeeded");
        !is_over && !spec.containers.iter().chain(&spec.init_containers).any(is_probed)
    }

    /// Keeps what was told for a restart; not beside the removal of the pod's files, which would find them again.
    pub(super) fn keep(&mut self) {
        self.keep_at = None;
        if self.local.cleanup != Stage::Idle || self.told.is_empty() {
            return;
        }
        if let Err(error) = kept::save_status(&self.shared.pod_dir(&self.order.pod), &self.told) {
            tracing::warn!(pod = self.order.pod.metadata.name, %error, "a status can't be kept for a restart");
        }
    }

    fn count(&self, status: &PodStatus) {
        let Some(metrics) = metrics() else { return };
        metrics.statuses.inc();
        let is_ready = |status: &PodStatus| status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let was_ready = self.before.as_ref().is_some_and(is_ready);
        let is_new = !self.observed.all().any(|(_, seen)| seen.attempt > 0);
        if is_ready(status) && !was_ready && is_new {
            let took_ms = self.shared.clock.now_ms() - self.local.start_ms;
            metrics.ready_seconds.observe(took_ms as f64 / 1000.0);
        }
    }

    pub(super) fn told_gone(&self) {
        let meta = &self.order.pod.metadata;
        if meta.name.is_empty() {
            // Traces of a pod that nobody remembers.
            return;
        }
        let (namespace, name) = (meta.namespace.clone(), meta.name.clone());
        self.shared.reporter.gone(report::PodGone { uid: meta.uid.as_str().into(), namespace, name });
    }
}

impl Drop for Worker {
    /// An agent that ends in good order keeps what it told last.
    fn drop(&mut self) {
        if self.keep_at.is_some() {
            self.keep();
        }
    }
}

/// Nothing but "it is being made".
fn is_unimportant(status: &PodStatus) -> bool {
    let is_making = |reason: &str| reason == "ContainerCreating" || reason == "PodInitializing";
    status.phase == "Pending"
        && status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .all(|c| c.state.waiting.as_ref().is_some_and(|waiting| is_making(&waiting.reason)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use masthead_api::core::pod::Pod;
    use serde_json::json;

    use super::*;
    use crate::pods::clock::Clock;
    use crate::pods::fake::FakeRuntime;
    use crate::pods::observe::Observed;
    use crate::pods::pull::BACK_OFF;
    use crate::pods::signal::{Order, StartFailure};
    use crate::pods::testing;

    fn worker(dir: &std::path::Path, spec: serde_json::Value) -> Worker {
        let shared = testing::shared(dir, FakeRuntime::new(Clock::System), None);
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}))
                .unwrap();
        let order = Order { pod: Arc::new(pod), attached: Arc::default(), generation: Default::default() };
        Worker::new(Arc::new(shared), order, Observed::default()).0
    }

    /// Seen once in an agent's log: "a pod can't be cleaned up … Directory not empty".
    #[tokio::test]
    async fn nothing_is_written_beside_the_removal_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("pods/u/status.json");
        for (stage, expect) in [(Stage::Busy, false), (Stage::Done, false), (Stage::Idle, true)] {
            let mut worker = worker(dir.path(), json!({"containers": [{"name": "c"}]}));
            worker.local.cleanup = stage.clone();
            worker.tell(true);
            worker.keep();
            assert_eq!(kept.exists(), expect, "{stage:?}");
        }
    }

    #[tokio::test]
    async fn an_image_that_comes_in_another_way_is_seen_before_it_is_pulled_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut worker = worker(dir.path(), json!({"containers": [{"name": "c"}]}));
        let now_ms = worker.shared.clock.now_ms();
        (0..5).for_each(|_| worker.local.container_mut("c").pull.next(now_ms, now_ms));
        let failure = StartFailure { reason: BACK_OFF.to_owned(), ..StartFailure::default() };
        worker.started("c", Err(failure));
        let local = worker.local.container("c");
        let wait_ms = local.failure.unwrap().retry_ms - now_ms;
        assert_eq!(local.pull.delay_ms(), 160_000);
        assert!(wait_ms < 160_000, "{wait_ms}");
    }

    #[tokio::test]
    async fn what_an_agent_would_find_anew_is_kept_later_and_at_its_end() {
        for (container, expect) in [
            (json!({"name": "c"}), false),
            (json!({"name": "c", "livenessProbe": {"exec": {}}}), false),
            (json!({"name": "c", "readinessProbe": {"exec": {}}}), true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let kept = dir.path().join("pods/u/status.json");
            let mut worker = worker(dir.path(), json!({"containers": [container]}));
            worker.tell(true);
            assert_eq!((kept.exists(), worker.keep_at.is_none()), (expect, expect), "{container}");
            drop(worker);
            assert!(kept.exists(), "{container}");
        }
    }
}
