//! The tables of a TOML file while it is read: what a key names, and whether it may be named again.

use std::collections::{BTreeMap, HashSet};

use masthead_gotmpl::kind::{LIST_MAP, MAP_ANY};
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use super::encode::quoted_key;

/// A table's members.
pub type Members = BTreeMap<Vec<u8>, Node>;

/// What a key names.
pub enum Node {
    /// A finished value.
    Value(Value),
    /// A table that may get more members.
    Table(Members),
    /// An array of tables, of which the last may get more members.
    Tables(Vec<Members>),
}

/// A dotted key.
pub type Key = Vec<Vec<u8>>;

/// A key as errors name it.
pub fn name(key: &[Vec<u8>]) -> String {
    let parts: Vec<_> = key.iter().map(|part| quoted_key(part)).collect();
    String::from_utf8_lossy(&parts.join(&b'.')).into_owned()
}

/// All tables, and what is known about keys.
#[derive(Default)]
pub struct Tables {
    root: Members,
    implicit: HashSet<String>,
    arrays: HashSet<String>,
    /// The table that keys go to.
    pub context: Key,
}

impl Tables {
    /// The whole file as a value.
    pub fn finish(self) -> Map {
        members(self.root)
    }

    /// Says that a key was made by naming what is below it.
    pub fn add_implicit(&mut self, key: &[Vec<u8>]) {
        self.implicit.insert(name(key));
    }

    /// Says whether the key's value is an array in brackets.
    pub fn set_array(&mut self, key: &[u8], array: bool) {
        let mut full = self.context.clone();
        if !key.is_empty() {
            full.push(key.to_vec());
        }
        let name = if full.is_empty() { "\"\"".to_owned() } else { name(&full) };
        if array {
            self.arrays.insert(name);
        } else {
            self.arrays.remove(&name);
        }
    }

    /// Makes a key the context: a table, or a further one of an array of tables.
    pub fn enter(&mut self, key: &[Vec<u8>], array: bool) -> Result<(), String> {
        let (last, parents) = key.split_last().ok_or("a table without a name")?;
        let mut implicit = Vec::new();
        let mut at = &mut self.root;
        for (index, part) in parents.iter().enumerate() {
            if !at.contains_key(part) {
                implicit.push(name(&key[..=index]));
                at.insert(part.clone(), Node::Table(Members::new()));
            }
            at = match at.get_mut(part) {
                Some(Node::Table(table)) => table,
                Some(Node::Tables(tables)) if !tables.is_empty() => {
                    let last = tables.len() - 1;
                    &mut tables[last]
                }
                _ => {
                    self.implicit.extend(implicit);
                    return Err(format!("Key '{}' was already created as a hash.", name(&key[..=index])));
                }
            };
        }
        self.implicit.extend(implicit);
        if array {
            match at.entry(last.clone()).or_insert_with(|| Node::Tables(Vec::new())) {
                Node::Tables(tables) => tables.push(Members::new()),
                _ => {
                    self.context = parents.to_vec();
                    return Err(format!("Key '{}' was already created and cannot be used as an array.", name(key)));
                }
            }
            self.context = key.to_vec();
            return Ok(());
        }
        self.context = parents.to_vec();
        self.set(last, Node::Table(Members::new()))?;
        self.context = key.to_vec();
        Ok(())
    }

    /// Enters a table that is only named on the way to what is below it.
    pub fn enter_implicit(&mut self, part: &[u8]) -> Result<(), String> {
        let mut key = self.context.clone();
        key.push(part.to_vec());
        self.add_implicit(&key);
        self.enter(&key, false)
    }

    /// Sets a key of the context.
    pub fn set(&mut self, key: &[u8], value: Node) -> Result<(), String> {
        let mut at = &mut self.root;
        for (index, part) in self.context.iter().enumerate() {
            at = match at.get_mut(part) {
                Some(Node::Table(table)) => table,
                Some(Node::Tables(tables)) if !tables.is_empty() => {
                    let last = tables.len() - 1;
                    &mut tables[last]
                }
                _ => return Err(format!("Key '{}' has already been defined.", name(&self.context[..=index]))),
            };
        }
        let mut full = self.context.clone();
        full.push(key.to_vec());
        let full = name(&full);
        if at.contains_key(key) {
            if !self.implicit.remove(&full) {
                return Err(format!("Key '{full}' has already been defined."));
            }
            if !self.arrays.contains(&full) {
                // It is there as a table already.
                return Ok(());
            }
        }
        at.insert(key.to_vec(), value);
        Ok(())
    }
}

/// The value that a node is in the end.
pub fn value(node: Node) -> Value {
    match node {
        Node::Value(value) => value,
        Node::Table(table) => Value::Map(members(table)),
        Node::Tables(tables) => {
            Value::List(List::new(&LIST_MAP, tables.into_iter().map(|table| Value::Map(members(table))).collect()))
        }
    }
}

/// The map of a table.
pub fn members(table: Members) -> Map {
    Map::from_pairs(&MAP_ANY, table.into_iter().map(|(key, node)| (Str::from(key), value(node))).collect())
}
