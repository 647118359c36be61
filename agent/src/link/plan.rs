//! (what the node holds, one part of a manifest) → (what it holds then, what it answers).
//!
//! Parts may be lost, doubled or late: the node ends with the newest content and never goes back.

use std::sync::Arc;

use masthead_wire::manifest::{Generation, Manifest, NodeManifest};
use masthead_wire::parts::{Assembly, Part};

/// What the node holds.
#[derive(Clone, Debug, Default)]
pub struct State {
    held: Option<Arc<NodeManifest>>,
    assembly: Option<Assembly>,
    /// Parts up to this one can't be completed any more; one answer about them is enough.
    abandoned: Generation,
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// A part.
    Part(Part),
    /// A part whose objects can't be read.
    Broken {
        /// Of which manifest.
        generation: Generation,
        /// What is wrong.
        why: String,
    },
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hold `next` from now on: store it, then act on it.
    Accept {
        /// All that the node holds then.
        next: Arc<NodeManifest>,
        /// How it came to that.
        step: Manifest,
    },
    /// Tell the control plane.
    Reply(Reply),
}

/// What the control plane is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The manifest is held.
    Ack(Generation),
    /// The manifest is not taken.
    Refused {
        /// Which.
        generation: Generation,
        /// What the node holds.
        held: Generation,
        /// Why.
        why: String,
    },
    /// The whole is needed.
    Resync {
        /// Which manifest could not be applied.
        generation: Generation,
        /// What the node holds.
        held: Generation,
        /// Why.
        why: String,
    },
}

impl State {
    /// A node that holds what was stored.
    pub fn new(held: Option<Arc<NodeManifest>>) -> Self {
        Self { held, ..Self::default() }
    }

    /// What the node holds.
    pub fn held(&self) -> Option<&Arc<NodeManifest>> {
        self.held.as_ref()
    }

    /// Which manifest the node holds; nothing before the first.
    pub fn generation(&self) -> Option<Generation> {
        self.held.as_ref().map(|m| m.generation)
    }

    /// A session began: parts of the last one don't count.
    pub fn reconnect(&mut self) {
        self.assembly = None;
        self.abandoned = Generation::default();
    }

    /// Takes one message.
    pub fn step(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Part(part) => self.part(part),
            Input::Broken { generation, why } => self.broken(generation, why),
        }
    }

    fn held_generation(&self) -> Generation {
        self.generation().unwrap_or_default()
    }

    fn part(&mut self, part: Part) -> Vec<Action> {
        let (generation, base) = (part.piece.generation, part.piece.base);
        let held = self.held_generation();
        if generation == held && self.held.is_some() {
            // Doubled. Only the last part was answered, so only it is answered again.
            return reply_if(part.last, Reply::Ack(held));
        }
        if generation <= held {
            let why = format!("the node holds {held}, which is newer");
            let refused = Reply::Refused { generation, held, why };
            return reply_if(part.last, refused);
        }
        if generation <= self.abandoned {
            return Vec::new();
        }
        if base.is_some_and(|base| base != held || self.held.is_none()) {
            let why = format!("it starts from {}", base.unwrap_or_default());
            return self.abandon(generation, why);
        }
        let newest = self.assembly.as_ref().map(Assembly::generation);
        if newest.is_some_and(|newest| newest > generation) {
            return Vec::new();
        }
        let same = |a: &Assembly| a.generation() == generation && a.base() == base;
        if !self.assembly.as_ref().is_some_and(same) {
            self.assembly = Some(Assembly::new(base, generation));
        }
        let Some(assembly) = &mut self.assembly else {
            return Vec::new();
        };
        match assembly.add(part) {
            Ok(false) => Vec::new(),
            Ok(true) => self.complete(),
            Err(masthead_wire::parts::Error::Gap { .. }) => self.abandon(generation, "a part of it is missing".into()),
            Err(error) => self.broken(generation, error.to_string()),
        }
    }

    fn complete(&mut self) -> Vec<Action> {
        let Some(assembly) = self.assembly.take() else {
            return Vec::new();
        };
        let generation = assembly.generation();
        let empty = NodeManifest::default();
        let held = self.held.as_deref().unwrap_or(&empty);
        let step = assembly.into_step();
        match held.after(&step) {
            Some(next) => {
                let next = Arc::new(next);
                self.held = Some(next.clone());
                let ack = Action::Reply(Reply::Ack(generation));
                vec![Action::Accept { next, step }, ack]
            }
            None => self.abandon(generation, "it starts from elsewhere".into()),
        }
    }

    fn abandon(&mut self, generation: Generation, why: String) -> Vec<Action> {
        self.assembly = None;
        self.abandoned = self.abandoned.max(generation);
        let held = self.held_generation();
        vec![Action::Reply(Reply::Resync { generation, held, why })]
    }

    fn broken(&mut self, generation: Generation, why: String) -> Vec<Action> {
        if generation <= self.abandoned {
            return Vec::new();
        }
        self.assembly = None;
        self.abandoned = generation;
        let held = self.held_generation();
        vec![Action::Reply(Reply::Refused { generation, held, why })]
    }
}

fn reply_if(last: bool, reply: Reply) -> Vec<Action> {
    if last { vec![Action::Reply(reply)] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(term: u64, counter: u64) -> Generation {
        Generation { term, counter }
    }

    fn part(base: Option<Generation>, generation: Generation, index: u32, last: bool) -> Input {
        let piece = Manifest { base, generation, ..Manifest::default() };
        Input::Part(Part { index, last, piece })
    }

    /// What a step does, in short: A accept, a ack, r refused, s resync.
    fn short(actions: &[Action]) -> String {
        let letter = |action: &Action| match action {
            Action::Accept { .. } => 'A',
            Action::Reply(Reply::Ack(_)) => 'a',
            Action::Reply(Reply::Refused { .. }) => 'r',
            Action::Reply(Reply::Resync { .. }) => 's',
        };
        actions.iter().map(letter).collect()
    }

    #[test]
    fn the_conversation() {
        let check = |name: &str, steps: Vec<(Input, &str)>, end: Option<Generation>| {
            let mut state = State::default();
            for (index, (input, expect)) in steps.into_iter().enumerate() {
                let got = short(&state.step(input));
                assert_eq!(got, expect, "{name}, step {index}");
            }
            assert_eq!(state.generation(), end, "{name}");
        };
        let whole = |term, counter| part(None, at(term, counter), 0, true);
        let delta = |from: u64, to: u64| part(Some(at(1, from)), at(1, to), 0, true);
        check("whole then delta", vec![(whole(1, 1), "Aa"), (delta(1, 2), "Aa")], Some(at(1, 2)));
        check("doubled", vec![(whole(1, 1), "Aa"), (whole(1, 1), "a")], Some(at(1, 1)));
        check("older", vec![(whole(2, 1), "Aa"), (whole(1, 9), "r")], Some(at(2, 1)));
        check("later term", vec![(whole(1, 9), "Aa"), (whole(2, 1), "Aa")], Some(at(2, 1)));
        check("delta before any whole", vec![(delta(0, 1), "s")], None);
        check(
            "gap",
            vec![(whole(1, 1), "Aa"), (delta(2, 3), "s"), (delta(2, 3), ""), (whole(1, 4), "Aa")],
            Some(at(1, 4)),
        );
        check(
            "parts",
            vec![
                (part(None, at(1, 1), 0, false), ""),
                (part(None, at(1, 1), 0, false), ""),
                (part(None, at(1, 1), 1, true), "Aa"),
            ],
            Some(at(1, 1)),
        );
        check(
            "lost part",
            vec![
                (part(None, at(1, 1), 0, false), ""),
                (part(None, at(1, 1), 2, false), "s"),
                (part(None, at(1, 1), 3, true), ""),
            ],
            None,
        );
        check(
            "a newer step pushes the one under way aside",
            vec![
                (part(None, at(1, 1), 0, false), ""),
                (part(None, at(1, 2), 0, false), ""),
                (part(None, at(1, 1), 1, true), ""),
                (part(None, at(1, 2), 1, true), "Aa"),
            ],
            Some(at(1, 2)),
        );
        let why = String::new();
        let generation = at(1, 1);
        check("broken", vec![(Input::Broken { generation, why }, "r"), (part(None, generation, 1, true), "")], None);
    }
}
