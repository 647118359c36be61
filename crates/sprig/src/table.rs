//! A function's name to the function: sprig's map with Helm's on top, less what Helm takes out.

use std::sync::LazyLock;

use masthead_gotmpl::function::{Function, FunctionMap};

use crate::funcs::{
    ciphers, dates, defaults, dicts, encodings, helm, lists, numbers, patterns, places, randoms, strings, types, words,
};

/// Slots of the table; most are empty, so that a name is found at once.
const SLOTS: usize = 2048;

type Slots = Box<[Option<&'static Function>]>;

/// All functions that Helm gives to templates, besides text/template's own.
pub struct Table {
    slots: LazyLock<Slots>,
}

static TABLE: Table = Table { slots: LazyLock::new(load) };

/// The functions of Helm v3.21: sprig v3.3 without `env` and `expandenv`, and Helm's own.
pub fn functions() -> &'static Table {
    &TABLE
}

/// Later ones replace those of the same name.
fn load() -> Slots {
    let parts: [&'static [Function]; 14] = [
        &strings::FUNCTIONS,
        &words::FUNCTIONS,
        &lists::FUNCTIONS,
        &dicts::FUNCTIONS,
        &numbers::FUNCTIONS,
        &defaults::FUNCTIONS,
        &types::FUNCTIONS,
        &encodings::FUNCTIONS,
        &patterns::FUNCTIONS,
        &places::FUNCTIONS,
        &dates::FUNCTIONS,
        &randoms::FUNCTIONS,
        &ciphers::FUNCTIONS,
        &helm::FUNCTIONS,
    ];
    let mut slots: Slots = vec![None; SLOTS].into();
    for function in parts.into_iter().flatten() {
        let at = slot(&slots, function.name.as_bytes());
        slots[at] = Some(function);
    }
    slots
}

/// Where a name stands, or where it would.
#[inline]
fn slot(slots: &[Option<&'static Function>], name: &[u8]) -> usize {
    let mut at = hash(name);
    // There are far fewer names than slots.
    while slots[at].is_some_and(|function| function.name.as_bytes() != name) {
        at = (at + 1) % SLOTS;
    }
    at
}

/// Of the length and of up to eight bytes at each end.
#[inline]
fn hash(name: &[u8]) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into()),
            _ => (name.iter().fold(0, |head, byte| head << 8 | u64::from(*byte)), 0),
        },
    };
    let mixed = (head ^ tail.rotate_left(29) ^ name.len() as u64).wrapping_mul(FACTOR);
    (mixed >> 32) as usize % SLOTS
}

impl Table {
    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.slots.iter().flatten().map(|function| function.name).collect();
        names.sort_unstable();
        names
    }
}

impl FunctionMap for Table {
    #[inline]
    fn find(&self, name: &[u8]) -> Option<&'static Function> {
        let slots = &*self.slots;
        slots[slot(slots, name)]
    }
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::function::FunctionMap;

    use super::{functions, hash};

    #[test]
    fn each_name_is_found_and_few_share_a_slot() {
        let table = functions();
        let names = table.names();
        let found = |name: &str| table.find(name.as_bytes()).map(|function| function.name);
        assert!(names.iter().all(|name| found(name) == Some(name)));
        assert_eq!((found(""), found("inclu"), found("env"), found("no-such-function")), (None, None, None, None));
        let mut slots: Vec<usize> = names.iter().map(|name| hash(name.as_bytes())).collect();
        slots.sort_unstable();
        slots.dedup();
        assert!(slots.len() * 10 > names.len() * 9, "{} of {}", slots.len(), names.len());
    }
}
