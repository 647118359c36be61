//! Values in plain block style to their tree; anything unusual is left to the full reader.

use masthead_gotmpl::string::Str;
use masthead_yaml::number::Number;
use masthead_yaml::plain::{self, Sink, Value};
use masthead_yaml::resolve::{self, Scalar};

use crate::tree::{Table, Tree};

/// The mapping that a text is, where it is plain enough to be sure.
pub(crate) fn read(text: &str) -> Option<Table> {
    let mut trees = Trees { open: Vec::with_capacity(16), root: None };
    plain::read(text, &mut trees)?;
    trees.root
}

/// A mapping or a sequence that is open.
enum Open {
    Map(Vec<(Str, Tree)>, Str),
    List(Vec<Tree>),
}

struct Trees {
    open: Vec<Open>,
    root: Option<Table>,
}

impl Trees {
    fn put(&mut self, tree: Tree) {
        match (self.open.last_mut(), tree) {
            (Some(Open::Map(entries, key)), tree) => entries.push((std::mem::take(key), tree)),
            (Some(Open::List(items)), tree) => items.push(tree),
            (None, Tree::Map(table)) => self.root = Some(table),
            (None, _) => {}
        }
    }
}

impl Sink for Trees {
    fn mapping(&mut self) -> Option<()> {
        self.open.push(Open::Map(Vec::new(), Str::EMPTY));
        Some(())
    }

    fn sequence(&mut self) -> Option<()> {
        self.open.push(Open::List(Vec::new()));
        Some(())
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Map(entries, _)) => self.put(Tree::Map(Table::from_unsorted(entries))),
            Some(Open::List(items)) => self.put(Tree::List(items)),
            None => {}
        }
    }

    fn key(&mut self, name: &str) -> Option<()> {
        if let Some(Open::Map(_, key)) = self.open.last_mut() {
            *key = Str::from(name);
        }
        Some(())
    }

    fn value(&mut self, value: Value<'_>) -> Option<()> {
        let tree = match value {
            Value::Null => Tree::Nil,
            Value::EmptyMapping => Tree::Map(Table::new()),
            Value::Plain(text) => plain_tree(text)?,
            Value::List(inner) => {
                let item = |item: Option<Value<'_>>| match item? {
                    Value::Plain(text) => plain_tree(text),
                    item => plain::string(item).map(Tree::str),
                };
                Tree::List(plain::items(inner).map(item).collect::<Option<_>>()?)
            }
            value => Tree::str(plain::string(value)?),
        };
        self.put(tree);
        Some(())
    }
}

/// What a plain scalar is. JSON has no NaN and no infinities, and every number of a file is a float.
fn plain_tree(text: &str) -> Option<Tree> {
    Some(match resolve::implicit(text) {
        None => Tree::str(text),
        Some(Scalar::Null) => Tree::Nil,
        Some(Scalar::Bool(flag)) => Tree::Bool(flag),
        Some(Scalar::Number(Number::Int(int))) => Tree::Float(int as f64),
        Some(Scalar::Number(Number::Uint(uint))) => Tree::Float(uint as f64),
        Some(Scalar::Number(Number::Float(float))) if float.is_finite() => Tree::Float(float),
        Some(_) => return None,
    })
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
