//! Routes of all kinds to faults, as far as they are alike: parents, hosts, rules, and what backends refer to.

use crate::gateway::backend::To;
use crate::gateway::route::ParentReference;
use crate::meta::object_meta::ObjectMeta;
use crate::validate::error::Errors;
use crate::validate::gateway::schema::{
    HOSTNAME, NAME_MAX, SUBDOMAIN, can_go_on, header_name, items, list_rule, number, optional, port, reference,
    required, rule, text, unique,
};
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
/// Rules of a route.
const RULES_MAX: usize = 16;
/// Matches of a rule.
const MATCHES_MAX: usize = 64;
/// Matches of a route.
const MATCHES_SUM_MAX: usize = 128;
/// Services of a rule.
const BACKENDS_MAX: usize = 16;
/// Headers or parameters of one match.
const VALUES_MAX: usize = 16;
/// Characters of the value of a header that a match wants.
pub const HEADER_VALUE_MAX: usize = 4096;
const PARENTS_MAX: usize = 32;
const HOSTNAMES_MAX: usize = 16;
const WEIGHT_MAX: i32 = 1_000_000;

/// The form of parents.
fn form_of_parents(at: &Path<'_>, parents: &[ParentReference], errors: &mut Errors) {
    items(at, parents.len(), PARENTS_MAX, errors);
    for (i, parent) in parents.iter().enumerate() {
        let at = at.index(i);
        reference(&at, parent.group.as_ref(), parent.kind.as_ref(), parent.namespace.as_ref(), errors);
        required(&at.child("name"), &parent.name, NAME_MAX, None, errors);
        optional(&at.child("sectionName"), parent.section_name.as_ref(), NAME_MAX, Some(&SUBDOMAIN), errors);
        if let Some(number) = parent.port {
            port(&at.child("port"), number, errors);
        }
    }
}

/// The form of hosts.
fn form_of_hostnames(at: &Path<'_>, hostnames: &[String], errors: &mut Errors) {
    items(at, hostnames.len(), HOSTNAMES_MAX, errors);
    for (i, hostname) in hostnames.iter().enumerate() {
        text(&at.index(i), hostname, (1, NAME_MAX), Some(&HOSTNAME), errors);
    }
}

/// The form of a rule's name.
pub fn form_of_name(at: &Path<'_>, name: Option<&String>, errors: &mut Errors) {
    optional(&at.child("name"), name, NAME_MAX, Some(&SUBDOMAIN), errors);
}

/// A rule of a route of some kind.
pub trait Rule {
    /// A backend of it.
    type Backend: Backend;

    /// How many matches it has.
    fn matches(&self) -> usize;

    /// Its backends.
    fn backends(&self) -> &[Self::Backend];

    /// The form of its own values, backends aside.
    fn form(&self, at: &Path<'_>, errors: &mut Errors);

    /// The rules among them.
    fn rules(&self, at: &Path<'_>, errors: &mut Errors);

    /// What is not served here.
    fn not_served(&self, at: &Path<'_>, errors: &mut Errors);
}

/// Who gets a part of the requests of a rule.
pub trait Backend {
    /// What it refers to.
    fn to(&self) -> To<'_>;

    /// Its part.
    fn weight(&self) -> Option<i32>;

    /// The form of its filters.
    fn form_of_filters(&self, at: &Path<'_>, errors: &mut Errors);

    /// The rules of its filters.
    fn rules_of_filters(&self, at: &Path<'_>, errors: &mut Errors);
}

/// A backend of a kind of routes: all but its filters is alike.
macro_rules! backend {
    ($ty:ty, $form_of_filters:path, $rules_of_filters:path) => {
        impl $crate::validate::gateway::route::Backend for $ty {
            fn to(&self) -> $crate::gateway::backend::To<'_> {
                self.to()
            }
            fn weight(&self) -> Option<i32> {
                self.weight
            }
            fn form_of_filters(&self, at: &Path<'_>, errors: &mut Errors) {
                $form_of_filters(at, &self.filters, errors);
            }
            fn rules_of_filters(&self, at: &Path<'_>, errors: &mut Errors) {
                $rules_of_filters(at, &self.filters, errors);
            }
        }
    };
}
pub(in crate::validate::gateway) use backend;

/// What routes of all kinds have.
pub struct Parts<'a, R> {
    /// Metadata.
    pub metadata: &'a ObjectMeta,
    /// Parents.
    pub parents: &'a [ParentReference],
    /// Hosts.
    pub hostnames: &'a [String],
    /// Rules.
    pub rules: &'a [R],
}

/// A route, new or in the place of another: first the form of each value, then the rules among them, then what is not
/// served here.
pub fn validate<R: Rule>(route: Parts<'_, R>, errors: &mut Errors) {
    validate_common(route.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let (parents, rules) = (SPEC.child("parentRefs"), SPEC.child("rules"));
    form_of_parents(&parents, route.parents, errors);
    form_of_hostnames(&SPEC.child("hostnames"), route.hostnames, errors);
    items(&rules, route.rules.len(), RULES_MAX, errors);
    for (i, one) in route.rules.iter().enumerate() {
        let at = rules.index(i);
        items(&at.child("matches"), one.matches(), MATCHES_MAX, errors);
        one.form(&at, errors);
        form_of_backends(&at.child("backendRefs"), one.backends(), errors);
    }
    if can_go_on(errors) {
        rules_of_parents(&parents, route.parents, errors);
        rule_of_matches(&rules, route.rules.iter().map(Rule::matches).sum(), errors);
        for (i, one) in route.rules.iter().enumerate() {
            let at = rules.index(i);
            one.rules(&at, errors);
            rules_of_backends(&at.child("backendRefs"), one.backends(), errors);
        }
    }
    for (i, one) in route.rules.iter().enumerate() {
        one.not_served(&rules.index(i), errors);
    }
}

fn form_of_backends(at: &Path<'_>, backends: &[impl Backend], errors: &mut Errors) {
    items(at, backends.len(), BACKENDS_MAX, errors);
    for (i, backend) in backends.iter().enumerate() {
        let at = at.index(i);
        form_of_reference(&at, backend.to(), errors);
        if let Some(weight) = backend.weight() {
            number(&at.child("weight"), weight, (0, WEIGHT_MAX), errors);
        }
        backend.form_of_filters(&at.child("filters"), errors);
    }
}

fn rules_of_backends(at: &Path<'_>, backends: &[impl Backend], errors: &mut Errors) {
    for (i, backend) in backends.iter().enumerate() {
        let at = at.index(i);
        rules_of_reference(&at, backend.to(), errors);
        backend.rules_of_filters(&at.child("filters"), errors);
    }
}

/// The form of what a backend or a mirror refers to.
pub fn form_of_reference(at: &Path<'_>, to: To<'_>, errors: &mut Errors) {
    reference(at, to.group, to.kind, to.namespace, errors);
    required(&at.child("name"), to.name, NAME_MAX, None, errors);
    if let Some(number) = to.port {
        port(&at.child("port"), number, errors);
    }
}

/// Services need a port.
pub fn rules_of_reference(at: &Path<'_>, to: To<'_>, errors: &mut Errors) {
    rule(!to.is_service() || to.port.is_some(), at, "Must have port for Service reference", errors);
}

/// The form of headers or parameters that a match wants: type, name and value of each.
pub fn form_of_values<'a>(
    at: &Path<'_>,
    values: impl Iterator<Item = (Option<&'a String>, &'a str, &'a str)> + Clone,
    value_max: usize,
    errors: &mut Errors,
) {
    items(at, values.clone().count(), VALUES_MAX, errors);
    for (i, (type_, name, value)) in values.clone().enumerate() {
        let at = at.index(i);
        if let Some(type_) = type_ {
            errors.one_of(&at.child("type"), type_, &["Exact", "RegularExpression"]);
        }
        header_name(&at.child("name"), name, errors);
        required(&at.child("value"), value, value_max, None, errors);
    }
    unique(at, "name", values.map(|(_, name, _)| name), errors);
}

/// The same gateway may be named several times, by different listeners only.
fn rules_of_parents(at: &Path<'_>, parents: &[ParentReference], errors: &mut Errors) {
    fn empty(text: &Option<String>) -> &str {
        text.as_deref().unwrap_or_default()
    }
    fn gateway(p: &ParentReference) -> (&Option<String>, &Option<String>, &str, &str) {
        (&p.group, &p.kind, p.name.as_str(), empty(&p.namespace))
    }
    let pairs = || {
        let each = parents.iter().enumerate();
        each.flat_map(|(i, a)| parents[..i].iter().map(move |b| (a, b))).filter(|(a, b)| gateway(a) == gateway(b))
    };
    let named = |p: &ParentReference| !empty(&p.section_name).is_empty();
    let message = "sectionName must be specified when parentRefs includes 2 or more references to the same parent";
    list_rule(pairs().all(|(a, b)| named(a) == named(b)), at, message, errors);
    let message = "sectionName must be unique when parentRefs includes 2 or more references to the same parent";
    list_rule(pairs().all(|(a, b)| empty(&a.section_name) != empty(&b.section_name)), at, message, errors);
}

/// Matches of all rules together.
fn rule_of_matches(at: &Path<'_>, count: usize, errors: &mut Errors) {
    let message = "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a \
                   route must be less than 128";
    list_rule(count <= MATCHES_SUM_MAX, at, message, errors);
}
