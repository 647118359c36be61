//! What each part of the agent can't do → one bounded list for the control plane, which makes Events of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_wire::report::{Problem, Problems as Report};
use tokio::sync::watch;

type Sources = BTreeMap<&'static str, Vec<Problem>>;

/// All that can't be done on this node; cheap to clone. A default one is told to nobody.
#[derive(Clone, Debug)]
pub struct Problems(Arc<watch::Sender<Sources>>);

impl Default for Problems {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Sources::new())))
    }
}

impl Problems {
    /// Says all that one source can't do now, in place of what it said before.
    pub fn set(&self, source: &'static str, problems: Vec<Problem>) {
        self.0.send_if_modified(|sources| {
            let is_new = sources.get(source).map_or(!problems.is_empty(), |known| *known != problems);
            if is_new {
                sources.insert(source, problems);
            }
            is_new
        });
    }

    /// Everything, as it is told.
    pub fn report(&self) -> Report {
        Report::new(self.0.borrow().values().flatten().cloned())
    }

    /// Hears of changes.
    pub fn subscribe(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

/// Changes of the list.
#[derive(Debug)]
pub struct Changes(watch::Receiver<Sources>);

impl Changes {
    /// Waits for the next one; for ever when there can be none.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str) -> Problem {
        Problem { kind: "Service".to_owned(), name: name.to_owned(), ..Problem::default() }
    }

    #[test]
    fn a_source_replaces_what_it_said() {
        let problems = Problems::default();
        let mut changes = problems.0.subscribe();
        problems.set("a", Vec::new());
        assert!(!changes.has_changed().unwrap(), "nothing is wrong still");
        problems.set("a", vec![problem("x"), problem("y")]);
        problems.set("b", vec![problem("y"), problem("z")]);
        let names = |problems: &Problems| {
            problems.report().problems.into_iter().map(|problem| problem.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&problems), ["x", "y", "z"]);
        changes.mark_unchanged();
        problems.set("b", vec![problem("y"), problem("z")]);
        assert!(!changes.has_changed().unwrap());
        problems.set("a", Vec::new());
        assert!(changes.has_changed().unwrap());
        assert_eq!(names(&problems), ["y", "z"]);
    }
}
