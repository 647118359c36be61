//! What a table's sets hold, as the kernel has it, and the changes that lead from one state to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nlink::netlink::nftables::{Chain, Rule, Set, SetElement, SetElementData, Verdict};
use nlink::netlink::{Connection, Nftables};

use crate::network::error::{IoContext, Result};
use crate::network::rules::apply::{ELEMENTS, commit, ensure};
use crate::network::rules::table::FAMILY;

/// A key: the bytes, and for a range its last.
pub type Key = (Vec<u8>, Option<Vec<u8>>);

/// What an element maps to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// It is in a set, not a map.
    None,
    /// Bytes.
    Bytes(Vec<u8>),
    /// A chain.
    Goto(String),
}

/// What each set holds.
pub type Contents<N> = BTreeMap<N, BTreeMap<Key, Value>>;

/// A table without what its sets hold.
#[derive(Clone, Debug)]
pub struct Skeleton {
    /// Chains, in the order in which they are made.
    pub chains: Vec<Chain>,
    /// Sets and maps.
    pub sets: Vec<Set>,
    /// Rules, in the order of their chains.
    pub rules: Vec<Rule>,
    /// The name of an empty chain by which a table is known to have this very skeleton.
    pub version: String,
}

/// A change of a table, made in one step.
#[derive(Clone, Debug, Default)]
pub struct Ops {
    /// Sets to make.
    pub new_sets: Vec<Set>,
    /// Chains to make, with their rules.
    pub new_chains: Vec<(Chain, Vec<Rule>)>,
    /// Elements to take out, by set.
    pub remove: BTreeMap<String, Vec<(Key, Value)>>,
    /// Elements to put in, by set.
    pub add: BTreeMap<String, Vec<(Key, Value)>>,
    /// Chains to take out with their rules.
    pub old_chains: Vec<String>,
    /// Sets to take out with what they hold.
    pub old_sets: Vec<String>,
}

impl Ops {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let elements = self.remove.is_empty() && self.add.is_empty();
        let chains = self.new_chains.is_empty() && self.old_chains.is_empty();
        elements && chains && self.new_sets.is_empty() && self.old_sets.is_empty()
    }

    /// Adds what leads from what a set holds to what it should hold.
    pub fn differ(&mut self, set: &str, held: &BTreeMap<Key, Value>, wanted: &BTreeMap<Key, Value>) {
        let lacks = |other: &BTreeMap<Key, Value>, key: &Key, value: &Value| other.get(key) != Some(value);
        let pick = |from: &BTreeMap<Key, Value>, other: &BTreeMap<Key, Value>| {
            let differs = from.iter().filter(|(key, value)| lacks(other, key, value));
            differs.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        let (gone, come) = (pick(held, wanted), pick(wanted, held));
        if !gone.is_empty() {
            self.remove.entry(set.to_owned()).or_default().extend(gone);
        }
        if !come.is_empty() {
            self.add.entry(set.to_owned()).or_default().extend(come);
        }
    }
}

/// As nftables takes it.
fn element(((key, end), value): (Key, Value)) -> SetElement {
    let element = match end {
        Some(end) => SetElement::range(key, end),
        None => SetElement::new(key),
    };
    match value {
        Value::None => element,
        Value::Bytes(bytes) => element.value(SetElement::new(bytes)),
        Value::Goto(chain) => match nlink::netlink::nftables::ChainName::new(chain.as_str()) {
            Ok(name) => element.verdict(Verdict::GotoTo(name)),
            // No chain of ours has such a name; an element without a verdict is refused with its set's name.
            Err(_) => element,
        },
    }
}

/// Replaces a table as a whole, in one step: no packet sees it missing.
///
/// # Errors
/// The kernel.
pub async fn replace(conn: &Connection<Nftables>, name: &str, skeleton: &Skeleton, ops: Ops) -> Result<()> {
    let mut batch = conn.transaction().raw(ensure(name)).del_table(name, FAMILY).add_table(name, FAMILY);
    for chain in skeleton.chains.iter().cloned() {
        batch = batch.add_chain(chain);
    }
    for set in skeleton.sets.iter().cloned() {
        batch = batch.add_set(set);
    }
    for rule in skeleton.rules.iter().cloned() {
        batch = batch.add_rule(rule);
    }
    batch = fill(batch, name, &skeleton.sets, ops);
    commit(conn, batch, &format!("replace the nftables table {name}")).await
}

/// Changes a table, in one step.
///
/// # Errors
/// The kernel; nothing is changed then.
pub async fn change(conn: &Connection<Nftables>, name: &str, sets: &[Set], ops: Ops) -> Result<()> {
    if ops.is_empty() {
        return Ok(());
    }
    let batch = fill(conn.transaction(), name, sets, ops);
    commit(conn, batch, &format!("change the nftables table {name}")).await
}

type Batch = nlink::netlink::nftables::Transaction;

fn fill(mut batch: Batch, name: &str, sets: &[Set], ops: Ops) -> Batch {
    for set in ops.new_sets.iter().cloned() {
        batch = batch.add_set(set);
    }
    for (chain, _) in &ops.new_chains {
        batch = batch.add_chain(chain.clone());
    }
    for (_, rules) in ops.new_chains {
        for rule in rules {
            batch = batch.add_rule(rule);
        }
    }
    let known: HashMap<&str, &Set> = sets.iter().chain(&ops.new_sets).map(|set| (set.name(), set)).collect();
    for (changes, add) in [(ops.remove, false), (ops.add, true)] {
        for (set, elements) in changes {
            let Some(set) = known.get(set.as_str()) else { continue };
            let mut elements = elements.into_iter().map(element).peekable();
            while elements.peek().is_some() {
                let part: Vec<SetElement> = elements.by_ref().take(ELEMENTS).collect();
                batch = if add { batch.add_set_elements(set, &part) } else { batch.del_set_elements(set, &part) };
            }
        }
    }
    for chain in &ops.old_chains {
        batch = batch.flush_chain(name, chain, FAMILY);
    }
    for chain in &ops.old_chains {
        batch = batch.del_chain(name, chain, FAMILY);
    }
    for set in &ops.old_sets {
        batch = batch.del_set(name, set, FAMILY);
    }
    batch
}

/// The names of a table's chains; none when there is no such table.
///
/// # Errors
/// The kernel.
pub async fn chains(conn: &Connection<Nftables>, name: &str) -> Result<BTreeSet<String>> {
    let all = conn.list_chains_in(name, FAMILY).await;
    let all = match all {
        Err(error) if error.is_not_found() => return Ok(BTreeSet::new()),
        all => all.doing(|| format!("list the chains of table {name}"))?,
    };
    Ok(all.into_iter().filter(|c| c.table == name).map(|c| c.name).collect())
}

/// The names of a table's sets.
///
/// # Errors
/// The kernel.
pub async fn sets(conn: &Connection<Nftables>, name: &str) -> Result<BTreeSet<String>> {
    let all = conn.list_sets_in(name, FAMILY).await.doing(|| format!("list the sets of table {name}"))?;
    Ok(all.into_iter().filter(|s| s.table == name).map(|s| s.name).collect())
}

/// What a set holds.
///
/// # Errors
/// The kernel.
pub async fn read(conn: &Connection<Nftables>, name: &str, set: &str) -> Result<BTreeMap<Key, Value>> {
    let all = conn.list_set_elements(name, set, FAMILY).await;
    let all = all.doing(|| format!("read the set {set} of table {name}"))?;
    let value = |element: &SetElement| match element.data() {
        None => Value::None,
        Some(SetElementData::Value(bytes)) => Value::Bytes(bytes.clone()),
        Some(SetElementData::Verdict(Verdict::GotoTo(chain) | Verdict::JumpTo(chain))) => {
            Value::Goto(chain.as_str().to_owned())
        }
        // Nothing that is wanted equals it: it is taken out.
        Some(other) => Value::Goto(format!("{other:?}")),
    };
    Ok(all.iter().map(|e| ((e.key().to_vec(), e.key_end().map(<[u8]>::to_vec)), value(e))).collect())
}
