//! Values in plain block style to their tree; anything unusual is left to the full reader.

use masthead_gotmpl::string::Str;
use masthead_yaml::number::Number;
use masthead_yaml::plain_tree::{self, Make};
use masthead_yaml::resolve::Scalar;

use crate::tree::{Table, Tree};

/// The mapping that a text is, where it is plain enough to be sure.
pub(crate) fn read(text: &str) -> Option<Table> {
    plain_tree::read::<Trees>(text)
}

struct Trees;

impl Make for Trees {
    type Key = Str;
    type Value = Tree;
    type Map = Table;

    fn key(text: &str) -> Str {
        Str::from(text)
    }

    fn text(text: &str) -> Tree {
        Tree::str(text)
    }

    /// JSON has no NaN and no infinities, and every number of a file is a float.
    fn scalar(scalar: Scalar<'_>) -> Option<Tree> {
        Some(match scalar {
            Scalar::Null => Tree::Nil,
            Scalar::Bool(flag) => Tree::Bool(flag),
            Scalar::Number(Number::Int(int)) => Tree::Float(int as f64),
            Scalar::Number(Number::Uint(uint)) => Tree::Float(uint as f64),
            Scalar::Number(Number::Float(float)) if float.is_finite() => Tree::Float(float),
            Scalar::Number(_) | Scalar::Text(_) => return None,
        })
    }

    fn list(items: Vec<Tree>) -> Tree {
        Tree::List(items)
    }

    fn map(entries: Vec<(Str, Tree)>) -> Table {
        Table::from_unsorted(entries)
    }

    fn nested(map: Table) -> Tree {
        Tree::Map(map)
    }
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
