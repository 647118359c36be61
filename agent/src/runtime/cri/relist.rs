//! Compares two listings of a node and says what happened between them.

use std::collections::{BTreeMap, HashSet};

use crate::runtime::v1::{Container, ContainerEventType, ContainerState, PodSandbox, PodSandboxState};

/// Everything a node runs, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing(BTreeMap<String, Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    sandbox: String,
    phase: Phase,
}

/// Where a thing is in its life; a sandbox is never only created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Made, not started.
    Created,
    /// Runs, or is ready.
    Running,
    /// Ended.
    Exited,
}

/// A change of one container or sandbox; for a sandbox the two ids are the same, as in CRI's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The container, or the sandbox.
    pub id: String,
    /// The sandbox.
    pub sandbox: String,
    /// What happened.
    pub kind: ContainerEventType,
}

impl Listing {
    /// Takes down a listing.
    pub fn new(sandboxes: &[PodSandbox], containers: &[Container]) -> Self {
        let sandboxes = sandboxes.iter().map(|s| {
            let phase = if s.state() == PodSandboxState::SandboxReady { Phase::Running } else { Phase::Exited };
            (s.id.clone(), Item { sandbox: s.id.clone(), phase })
        });
        let containers = containers.iter().map(|c| {
            let phase = match c.state() {
                ContainerState::ContainerCreated => Phase::Created,
                ContainerState::ContainerRunning => Phase::Running,
                ContainerState::ContainerExited | ContainerState::ContainerUnknown => Phase::Exited,
            };
            (c.id.clone(), Item { sandbox: c.pod_sandbox_id.clone(), phase })
        });
        Self(sandboxes.chain(containers).collect())
    }

    /// A sandbox's phase; none when it is not there.
    pub fn sandbox(&self, id: &str) -> Option<Phase> {
        self.0.get(id).map(|item| item.phase)
    }

    /// The containers of a sandbox.
    pub fn containers_of<'a>(&'a self, sandbox: &'a str) -> impl Iterator<Item = (&'a str, Phase)> {
        let of = move |(id, item): &(&String, &Item)| item.sandbox == sandbox && id.as_str() != sandbox;
        self.0.iter().filter(of).map(|(id, item)| (id.as_str(), item.phase))
    }

    /// Every id.
    pub fn ids(&self) -> HashSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// What happened from `self` to `next`, in the order of ids; each step a thing passed through is told.
    pub fn changes(&self, next: &Self) -> Vec<Change> {
        use ContainerEventType::{
            ContainerCreatedEvent, ContainerDeletedEvent, ContainerStartedEvent, ContainerStoppedEvent,
        };
        let mut changes = Vec::new();
        let mut tell = |id: &String, item: &Item, kinds: &[ContainerEventType]| {
            let change =
                |kind: &ContainerEventType| Change { id: id.clone(), sandbox: item.sandbox.clone(), kind: *kind };
            changes.extend(kinds.iter().map(change));
        };
        let steps = [ContainerCreatedEvent, ContainerStartedEvent, ContainerStoppedEvent];
        for (id, item) in &next.0 {
            let reached = item.phase as usize + 1;
            let from = self.0.get(id).map_or(0, |old| old.phase as usize + 1);
            tell(id, item, steps.get(from..reached).unwrap_or_default());
        }
        for (id, item) in &self.0 {
            if !next.0.contains_key(id) {
                let stopped = if item.phase == Phase::Running { 2 } else { 3 };
                tell(id, item, &steps[stopped..]);
                tell(id, item, &[ContainerDeletedEvent]);
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(items: &[(&str, ContainerState)]) -> Listing {
        let container = |(id, state): &(&str, ContainerState)| Container {
            id: (*id).into(),
            pod_sandbox_id: "s".into(),
            state: *state as i32,
            ..Default::default()
        };
        Listing::new(&[], &items.iter().map(container).collect::<Vec<_>>())
    }

    #[test]
    fn every_step_is_told_once() {
        use ContainerEventType::{
            ContainerCreatedEvent as C, ContainerDeletedEvent as D, ContainerStartedEvent as S,
            ContainerStoppedEvent as X,
        };
        use ContainerState::{ContainerCreated as Created, ContainerExited as Exited, ContainerRunning as Running};
        for (before, after, expect) in [
            (None, None, vec![]),
            (None, Some(Created), vec![C]),
            (None, Some(Running), vec![C, S]),
            (None, Some(Exited), vec![C, S, X]),
            (Some(Created), Some(Created), vec![]),
            (Some(Created), Some(Running), vec![S]),
            (Some(Created), Some(Exited), vec![S, X]),
            (Some(Running), Some(Exited), vec![X]),
            (Some(Running), None, vec![X, D]),
            (Some(Exited), None, vec![D]),
            (Some(Created), None, vec![D]),
        ] {
            let of = |state: Option<ContainerState>| listing(&state.map(|s| ("c", s)).into_iter().collect::<Vec<_>>());
            let changes = of(before).changes(&of(after));
            assert_eq!(changes.iter().map(|c| c.kind).collect::<Vec<_>>(), expect, "{before:?} {after:?}");
            assert!(of(after).changes(&of(after)).is_empty());
            assert!(changes.iter().all(|c| c.sandbox == "s" && c.id == "c"));
        }
    }
}
