//! Templates that know each other by name, from any number of sources. `Send + Sync`: parsed once, executed by many.
use crate::function::FunctionMap;
use crate::hash::Hashing;
use crate::parse::parser::{Error, parse, parse_shared};
use crate::parse::tree::Tree;
use crate::string::Str;
use std::collections::HashMap;
use std::sync::Arc;

/// A set of templates and the functions they may call.
#[derive(Clone)]
pub struct Set {
    trees: HashMap<Str, Arc<Tree>, Hashing>,
    functions: &'static dyn FunctionMap,
}

impl Set {
    /// An empty set.
    pub fn new(functions: &'static dyn FunctionMap) -> Set {
        Set { trees: HashMap::default(), functions }
    }

    /// The functions that templates may call besides text/template's own.
    pub fn functions(&self) -> &'static dyn FunctionMap {
        self.functions
    }

    /// Parses a source as `t.New(name).Parse(source)` does: it and what it defines replace what was there by their
    /// names, unless they are empty.
    pub fn parse(&mut self, name: &str, source: &[u8]) -> Result<(), Error> {
        for tree in parse(name, source, self.functions)? {
            self.add(tree);
        }
        Ok(())
    }

    /// The same of a source that others share: its bytes are not copied.
    pub fn parse_shared(&mut self, name: &str, source: &Str) -> Result<(), Error> {
        for tree in parse_shared(name, source.shared(), self.functions)? {
            self.add(tree);
        }
        Ok(())
    }

    /// Adds a template that was parsed elsewhere with the same functions, by the same rule.
    pub fn add(&mut self, tree: Arc<Tree>) {
        if !(tree.is_empty() && self.trees.contains_key(&tree.name)) {
            self.trees.insert(tree.name.clone(), tree);
        }
    }

    /// The template of a name.
    pub fn find(&self, name: &[u8]) -> Option<&Arc<Tree>> {
        self.trees.get(name)
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &Str> {
        let mut names: Vec<&Str> = self.trees.keys().collect();
        names.sort_unstable();
        names.into_iter()
    }
}
