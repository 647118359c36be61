//! A container runtime that remembers: what was made, what runs, and why what ended did; it outlives its agent.

use std::collections::BTreeMap;

use masthead_agent::pods::observe::{Observed, Phase, Sandbox, Seen};
use masthead_plan::context::Ids;

/// Why a container is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Crashed,
    /// Its node went down.
    Node,
    /// The agent stopped it.
    Stopped,
}

#[derive(Clone, Debug)]
pub struct Container {
    pub name: String,
    pub seen: Seen,
    /// What its readiness probe would find.
    pub serves: bool,
    pub cause: Option<Cause>,
}

/// A pod in the runtime.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub app: String,
    pub sandboxes: Vec<Sandbox>,
    pub containers: Vec<Container>,
}

impl Pod {
    pub fn is_alive(&self) -> bool {
        self.containers.iter().any(|c| c.seen.phase == Phase::Running)
    }

    /// Whether it answers requests.
    pub fn serves(&self) -> bool {
        self.containers.iter().any(|c| c.seen.phase == Phase::Running && c.serves)
    }
}

/// All pods of one node.
#[derive(Default)]
pub struct Runtime {
    pub pods: BTreeMap<String, Pod>,
    made: u64,
}

/// What a container does after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It serves, or does not any more.
    Serves(bool),
    /// It ends by itself.
    Ends(i32),
}

impl Runtime {
    fn id(&mut self, prefix: &str, node: &str) -> String {
        self.made += 1;
        format!("{prefix}-{node}-{}", self.made)
    }

    pub fn run_sandbox(
        &mut self,
        node: &str,
        uid: &str,
        about: (&str, &str, &str),
        attempt: u32,
        now_ms: i64,
    ) -> Sandbox {
        let id = self.id("s", node);
        let pod = self.pods.entry(uid.to_owned()).or_default();
        assert!(!pod.sandboxes.iter().any(|s| s.ready), "pod {about:?} gets a second sandbox beside one that is ready");
        assert!(!pod.is_alive(), "pod {about:?} gets a sandbox while a container of an old one runs");
        (pod.namespace, pod.name, pod.app) = (about.0.to_owned(), about.1.to_owned(), about.2.to_owned());
        let ips = vec![format!("10.88.0.{}", self.made % 250)];
        let sandbox = Sandbox { id, attempt, ready: true, created_ms: now_ms, ips };
        pod.sandboxes.push(sandbox.clone());
        sandbox
    }

    /// Makes a container that does not run yet; nothing when its sandbox is gone.
    pub fn create(&mut self, node: &str, uid: &str, seen: Seen, name: &str) -> Option<Seen> {
        let id = self.id("c", node);
        let pod = self.pods.get_mut(uid)?;
        pod.sandboxes.iter().find(|s| s.ready && s.id == seen.sandbox_id)?;
        let seen = Seen { id, phase: Phase::Created, ..seen };
        pod.containers.push(Container { name: name.to_owned(), seen: seen.clone(), serves: false, cause: None });
        Some(seen)
    }

    /// Runs a container; what it will do follows from its image.
    pub fn start(
        &mut self,
        uid: &str,
        id: &str,
        probed: bool,
        now_ms: i64,
        rng: &mut Ids,
    ) -> Option<(Seen, Option<(i64, Turn)>)> {
        let pod = self.pods.get_mut(uid)?;
        let name = pod.containers.iter().find(|c| c.seen.id == id)?.name.clone();
        for other in pod.containers.iter().filter(|c| c.name == name && c.seen.id != id) {
            assert!(other.seen.phase != Phase::Running, "container {name} of pod {} runs twice", pod.name);
            let needed =
                other.seen.phase == Phase::Created || matches!(other.cause, Some(Cause::Crashed | Cause::Node));
            let done = other.seen.exit_code == 0 && other.seen.image.starts_with("job:");
            assert!(
                !done || other.seen.phase == Phase::Created,
                "container {name} of pod {} ended well and is started again",
                pod.name
            );
            assert!(
                needed,
                "container {name} of pod {} was stopped by its agent ({:?}) and started again",
                pod.name, other.cause
            );
        }
        let container = pod.containers.iter_mut().find(|c| c.seen.id == id)?;
        assert!(container.seen.phase == Phase::Created, "container {name} of pod {} is started twice", pod.name);
        (container.seen.phase, container.seen.started_ms) = (Phase::Running, now_ms);
        let turn = match container.seen.image.split(':').next() {
            Some("crash") => Some((100 + rng.below(2000) as i64, Turn::Ends(1))),
            Some("never") => None,
            Some("job") => Some((100 + rng.below(4000) as i64, Turn::Ends(0))),
            _ if probed => Some((10 + rng.below(3000) as i64, Turn::Serves(true))),
            _ => {
                container.serves = true;
                None
            }
        };
        Some((container.seen.clone(), turn))
    }

    fn find(&mut self, uid: &str, id: &str) -> Option<&mut Container> {
        self.pods.get_mut(uid)?.containers.iter_mut().find(|c| c.seen.id == id)
    }

    /// A container does what it does by itself; whether anything changed.
    pub fn turn(&mut self, uid: &str, id: &str, turn: Turn, now_ms: i64) -> bool {
        let Some(container) = self.find(uid, id).filter(|c| c.seen.phase == Phase::Running) else { return false };
        match turn {
            Turn::Serves(serves) => container.serves = serves,
            Turn::Ends(code) => end(container, code, Cause::Crashed, now_ms),
        }
        true
    }

    /// The agent stops a container.
    pub fn stop(&mut self, uid: &str, id: &str, now_ms: i64) -> Option<Seen> {
        let container = self.find(uid, id)?;
        if container.seen.phase == Phase::Running {
            end(container, 143, Cause::Stopped, now_ms);
        }
        Some(container.seen.clone())
    }

    pub fn remove_container(&mut self, uid: &str, id: &str) {
        if let Some(pod) = self.pods.get_mut(uid) {
            assert!(
                !pod.containers.iter().any(|c| c.seen.id == id && c.seen.phase == Phase::Running),
                "a container is removed while it runs"
            );
            pod.containers.retain(|c| c.seen.id != id);
        }
    }

    pub fn stop_sandboxes(&mut self, uid: &str) {
        if let Some(pod) = self.pods.get_mut(uid) {
            assert!(!pod.is_alive(), "the sandbox of {} is stopped under a container that runs", pod.name);
            pod.sandboxes.iter_mut().for_each(|s| s.ready = false);
        }
    }

    pub fn remove_sandbox(&mut self, uid: &str, id: &str) {
        if let Some(pod) = self.pods.get_mut(uid) {
            pod.sandboxes.retain(|s| s.id != id);
            pod.containers.retain(|c| c.seen.sandbox_id != id);
        }
    }

    /// Removes every trace of a pod.
    pub fn cleanup(&mut self, uid: &str) {
        if let Some(pod) = self.pods.remove(uid) {
            assert!(!pod.is_alive(), "pod {} is cleaned up while it runs", pod.name);
        }
    }

    /// The machine goes down; it may come back with a runtime that knows of nothing.
    pub fn power_off(&mut self, now_ms: i64, forgets: bool) {
        if forgets {
            self.pods.clear();
        }
        for pod in self.pods.values_mut() {
            pod.sandboxes.iter_mut().for_each(|s| s.ready = false);
            for container in pod.containers.iter_mut().filter(|c| c.seen.phase != Phase::Exited) {
                end(container, 137, Cause::Node, now_ms);
            }
        }
    }

    /// All that there is of a pod, as a list of the runtime shows it.
    pub fn observed(&self, uid: &str) -> Observed {
        let mut observed = Observed::default();
        if let Some(pod) = self.pods.get(uid) {
            (observed.namespace, observed.name) = (pod.namespace.clone(), pod.name.clone());
            for sandbox in &pod.sandboxes {
                observed.note_sandbox(sandbox.clone());
            }
            for container in &pod.containers {
                observed.note(&container.name, container.seen.clone());
            }
        }
        observed
    }
}

fn end(container: &mut Container, code: i32, cause: Cause, now_ms: i64) {
    container.seen.phase = Phase::Exited;
    container.seen.exit_code = code;
    container.seen.finished_ms = now_ms;
    container.seen.reason = if code == 137 { "OOMKilled" } else { "Error" }.to_owned();
    container.serves = false;
    container.cause = Some(cause);
}
