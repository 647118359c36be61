//! A function's name to the function: sprig's map with Helm's on top, less what Helm takes out.

use std::collections::HashMap;
use std::sync::LazyLock;

use masthead_gotmpl::function::{Body, Function, FunctionMap, Param};
use masthead_gotmpl::hash::Hashing;
use masthead_gotmpl::kind::IntKind;

use crate::funcs::{
    ciphers, dates, defaults, dicts, encodings, helm, lists, numbers, patterns, places, randoms, strings, types, words,
};

/// `int`
pub(crate) const INT: Param = Param::Int(IntKind::Int);

/// A function with fixed parameters.
pub(crate) const fn fixed(name: &'static str, params: &'static [Param], call: Body) -> Function {
    Function { name, params, variadic: None, call }
}

/// A function whose last parameter may be given any number of times.
pub(crate) const fn many(name: &'static str, params: &'static [Param], variadic: Param, call: Body) -> Function {
    Function { name, params, variadic: Some(variadic), call }
}

/// All functions that Helm gives to templates, besides text/template's own.
pub struct Table {
    by_name: LazyLock<HashMap<&'static str, &'static Function, Hashing>>,
}

static TABLE: Table = Table { by_name: LazyLock::new(load) };

/// The functions of Helm v3.21: sprig v3.3 without `env` and `expandenv`, and Helm's own.
pub fn functions() -> &'static Table {
    &TABLE
}

fn load() -> HashMap<&'static str, &'static Function, Hashing> {
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
    parts.into_iter().flatten().map(|function| (function.name, function)).collect()
}

impl Table {
    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl FunctionMap for Table {
    fn find(&self, name: &str) -> Option<&'static Function> {
        self.by_name.get(name).copied()
    }
}
