//! A compiled schema: its keywords, with other schemas by their number.

use std::sync::Arc;

use masthead_sprig::regex::program::Regex;
use serde_json::Value as Json;

use super::decimal::Decimal;
use super::format::Format;

/// The number of a schema.
pub(crate) type Id = usize;

/// The types of JSON, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Types(pub u8);

/// Their names in the order in which messages list them.
pub(crate) const TYPE_NAMES: [&str; 7] = ["null", "boolean", "number", "integer", "string", "array", "object"];

impl Types {
    pub fn of_name(name: &str) -> Types {
        Types(TYPE_NAMES.iter().position(|known| *known == name).map_or(0, |at| 1 << at))
    }

    pub fn contains(self, other: Types) -> bool {
        self.0 & other.0 != 0
    }

    pub fn names(self) -> Vec<&'static str> {
        TYPE_NAMES.iter().enumerate().filter(|(at, _)| self.0 & 1 << at != 0).map(|(_, name)| *name).collect()
    }
}

/// `additionalProperties` and `additionalItems`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Additional {
    Flag(bool),
    Schema(Id),
}

/// `items` before 2020.
#[derive(Debug)]
pub(crate) enum Items {
    One(Id),
    Each(Vec<Id>),
}

/// `dependencies`
#[derive(Debug)]
pub(crate) enum Needs {
    Names(Vec<String>),
    Schema(Id),
}

/// A pattern that property names or strings are held against.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub text: String,
    pub regex: Regex,
}

/// Where a schema stands.
#[derive(Debug)]
pub(crate) enum Spot {
    /// In a document, at a pointer.
    Pointer(usize, String),
    /// Under a keyword of another schema.
    Below(Id, &'static str),
    /// The same, in a list.
    Item(Id, &'static str, usize),
    /// The same, under a name.
    Named(Id, &'static str, Arc<str>),
}

/// One schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub draft: u16,
    /// The schema of the resource it is part of.
    pub resource: Id,
    /// Schemas of `$dynamicAnchor`s, where it is a resource.
    pub dynamic_anchors: Vec<(String, Id)>,
    pub all_properties_evaluated: bool,
    pub all_items_evaluated: bool,
    pub items_evaluated: usize,
    pub flag: Option<bool>,
    pub reference: Option<Id>,
    pub recursive_ref: Option<Id>,
    pub recursive_anchor: bool,
    /// Its first target, and the anchor it names.
    pub dynamic_ref: Option<(Id, String)>,
    pub dynamic_anchor: String,
    pub types: Option<Types>,
    pub choices: Option<Vec<Json>>,
    pub constant: Option<Json>,
    pub not: Option<Id>,
    pub all_of: Vec<Id>,
    pub any_of: Vec<Id>,
    pub one_of: Vec<Id>,
    pub when: Option<Id>,
    pub then: Option<Id>,
    pub otherwise: Option<Id>,
    pub format: Option<Format>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub required: Vec<String>,
    pub property_names: Option<Id>,
    pub properties: Vec<(Arc<str>, Id)>,
    pub pattern_properties: Vec<(Pattern, Id)>,
    pub additional_properties: Option<Additional>,
    pub dependencies: Vec<(String, Needs)>,
    pub dependent_required: Vec<(String, Vec<String>)>,
    pub dependent_schemas: Vec<(Arc<str>, Id)>,
    pub unevaluated_properties: Option<Id>,
    pub min_items: Option<i64>,
    pub max_items: Option<i64>,
    pub unique_items: bool,
    pub contains: Option<Id>,
    pub min_contains: Option<i64>,
    pub max_contains: Option<i64>,
    pub items: Option<Items>,
    pub additional_items: Option<Additional>,
    pub prefix_items: Vec<Id>,
    pub items_2020: Option<Id>,
    pub unevaluated_items: Option<Id>,
    pub min_length: Option<i64>,
    pub max_length: Option<i64>,
    pub pattern: Option<Pattern>,
    pub maximum: Option<Decimal>,
    pub minimum: Option<Decimal>,
    pub exclusive_maximum: Option<Decimal>,
    pub exclusive_minimum: Option<Decimal>,
    pub multiple_of: Option<Decimal>,
}
