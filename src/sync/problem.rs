//! What is wrong with a tree, as what is wrong with what is written in it.

use masthead_plan::desired::Problem;

use crate::git::entry;
use crate::source::words;

/// A fault of the tree as one of what is written in it.
pub(super) fn as_problem(problem: &entry::Problem) -> Problem {
    Problem {
        path: words::short(&problem.path),
        line: 0,
        object: String::new(),
        field: String::new(),
        message: problem.what.clone(),
        hint: problem.hint.to_owned(),
    }
}
