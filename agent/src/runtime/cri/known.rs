//! The last answer of a CRI server about each thing → the status of an event, without asking again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runtime::v1::{ContainerState, ContainerStatus, PodSandboxState, PodSandboxStatus};

/// What is remembered between two listings; beyond, nothing more is taken in.
const MAX: usize = 4096;

/// What the server said. A thing's status does not change while its state does not, but for limits that were changed.
#[derive(Debug, Default)]
pub struct Known {
    /// Whether anybody lists: with an event stream nothing needs to be remembered.
    wanted: AtomicBool,
    maps: Mutex<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    sandboxes: HashMap<String, PodSandboxStatus>,
    containers: HashMap<String, ContainerStatus>,
}

impl Known {
    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on answers are remembered.
    pub fn begin(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Takes an answer in.
    pub fn note_container(&self, status: &ContainerStatus) {
        if self.wanted.load(Ordering::Relaxed) {
            put(&mut self.maps().containers, &status.id, status);
        }
    }

    /// Takes an answer in.
    pub fn note_sandbox(&self, status: &PodSandboxStatus) {
        if self.wanted.load(Ordering::Relaxed) {
            put(&mut self.maps().sandboxes, &status.id, status);
        }
    }

    /// What was said of a container while it was in this state.
    pub fn container(&self, id: &str, state: ContainerState) -> Option<ContainerStatus> {
        self.maps().containers.get(id).filter(|known| known.state() == state).cloned()
    }

    /// What was said of a sandbox while it was in this state.
    pub fn sandbox(&self, id: &str, state: PodSandboxState) -> Option<PodSandboxStatus> {
        self.maps().sandboxes.get(id).filter(|known| known.state() == state).cloned()
    }

    /// Forgets a container, whose limits were changed.
    pub fn forget(&self, id: &str) {
        self.maps().containers.remove(id);
    }

    /// Forgets everything that is not among these.
    pub fn retain(&self, ids: &HashSet<&str>) {
        let mut maps = self.maps();
        maps.sandboxes.retain(|id, _| ids.contains(id.as_str()));
        maps.containers.retain(|id, _| ids.contains(id.as_str()));
    }
}

fn put<T: Clone>(map: &mut HashMap<String, T>, id: &str, status: &T) {
    if map.len() < MAX || map.contains_key(id) {
        map.insert(id.to_owned(), status.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_as_long_as_the_state() {
        let (running, exited) = (ContainerState::ContainerRunning, ContainerState::ContainerExited);
        let status = ContainerStatus { id: "c".into(), state: running as i32, ..Default::default() };
        let known = Known::default();
        known.note_container(&status);
        assert_eq!(known.container("c", running), None, "nobody lists");
        known.begin();
        known.note_container(&status);
        assert_eq!(known.container("c", running), Some(status.clone()));
        assert_eq!(known.container("c", exited), None);
        known.forget("c");
        assert_eq!(known.container("c", running), None);
        known.note_container(&status);
        known.note_sandbox(&PodSandboxStatus { id: "s".into(), ..Default::default() });
        known.retain(&HashSet::from(["s"]));
        assert_eq!(known.container("c", running), None);
        assert!(known.sandbox("s", PodSandboxState::SandboxReady).is_some());
        for n in 0..2 * MAX {
            known.note_container(&ContainerStatus { id: n.to_string(), ..Default::default() });
        }
        assert_eq!(known.maps().containers.len(), MAX);
    }
}
