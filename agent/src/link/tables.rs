//! How far each part of the agent has put manifests into its tables → how far the whole node has.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_wire::manifest::Generation;
use masthead_wire::report::Applied;
use tokio::sync::watch;

/// What the parts have said; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tables(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the node holds: without parts, that is all there is to do.
    held: Option<Generation>,
    /// The last manifest that each took, and why it is not in its table.
    parts: BTreeMap<&'static str, Option<(Generation, Option<String>)>>,
}

/// A part of the agent that has tables of its own, and says how far they are.
#[derive(Clone, Debug)]
pub struct Part {
    tables: Tables,
    name: &'static str,
}

impl Default for Tables {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Tables {
    /// Counts a part from now on: nothing is applied before it says so.
    pub fn part(&self, name: &'static str) -> Part {
        self.0.send_modify(|state| drop(state.parts.insert(name, None)));
        Part { tables: self.clone(), name }
    }

    /// Notes what the node holds.
    pub fn held(&self, generation: Generation) {
        self.0.send_modify(|state| state.held = Some(generation));
    }

    /// The manifest that all parts have taken, and why it is not in one's table; nothing before all have taken one.
    pub fn applied(&self) -> Option<Applied> {
        self.0.borrow().applied()
    }

    /// Hears of changes.
    pub(super) fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// Changes of what is applied.
pub(super) struct Changes(watch::Receiver<State>);

impl Changes {
    /// Waits for the next one; for ever when there can be none.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl State {
    fn applied(&self) -> Option<Applied> {
        if self.parts.is_empty() {
            return self.held.map(|generation| Applied { generation, why: String::new() });
        }
        let told: Option<Vec<&(Generation, Option<String>)>> = self.parts.values().map(Option::as_ref).collect();
        let generation = told?.into_iter().map(|(generation, _)| *generation).min()?;
        let faults = self.parts.iter().filter_map(|(name, told)| {
            let why = told.as_ref()?.1.as_ref()?;
            Some(format!("{name}: {why}"))
        });
        Some(Applied { generation, why: faults.collect::<Vec<_>>().join("; ") })
    }
}

impl Part {
    /// A manifest is in the part's tables, or was tried and why it is not.
    pub fn applied(&self, generation: Generation, why: Option<String>) {
        self.tables.0.send_if_modified(|state| {
            let told = Some((generation, why));
            let known = state.parts.entry(self.name).or_default();
            let is_new = *known != told;
            *known = told;
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(counter: u64) -> Generation {
        Generation { term: 1, counter }
    }

    #[test]
    fn the_slowest_part_counts_and_a_fault_is_told() {
        let short = |tables: &Tables| {
            tables.applied().map_or("-".to_owned(), |told| format!("{} {}", told.generation.counter, told.why))
        };
        let tables = Tables::default();
        assert_eq!(short(&tables), "-");
        tables.held(at(3));
        assert_eq!(short(&tables), "3 ", "there is nothing to put it into");
        let (names, services) = (tables.part("names"), tables.part("services"));
        assert_eq!(short(&tables), "-");
        names.applied(at(3), None);
        assert_eq!(short(&tables), "-", "one has said nothing yet");
        services.applied(at(2), None);
        assert_eq!(short(&tables), "2 ");
        services.applied(at(4), Some("no room".to_owned()));
        assert_eq!(short(&tables), "3 services: no room");
        services.applied(at(4), None);
        names.applied(at(4), None);
        assert_eq!(short(&tables), "4 ");
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let tables = Tables::default();
        let part = tables.part("names");
        let mut changes = tables.subscribe();
        part.applied(at(1), None);
        changes.changed().await;
        assert_eq!(tables.applied().map(|told| told.generation), Some(at(1)));
    }
}
