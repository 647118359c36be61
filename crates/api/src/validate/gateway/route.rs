//! What routes of all kinds have, to faults: parents, hosts, names of rules, and references to services.

use crate::gateway::route::ParentReference;
use crate::validate::error::Errors;
use crate::validate::gateway::schema::{
    HOSTNAME, NAME_MAX, SUBDOMAIN, items, list_rule, number, optional, port, reference, required, rule, text,
};
use crate::validate::path::Path;

/// Rules of a route.
pub const RULES_MAX: usize = 16;
/// Matches of a rule.
pub const MATCHES_MAX: usize = 64;
/// Matches of a route.
const MATCHES_SUM_MAX: usize = 128;
/// Services of a rule.
pub const BACKENDS_MAX: usize = 16;
const PARENTS_MAX: usize = 32;
const HOSTNAMES_MAX: usize = 16;
const WEIGHT_MAX: i32 = 1_000_000;

/// The form of parents.
pub fn form_of_parents(at: &Path<'_>, parents: &[ParentReference], errors: &mut Errors) {
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
pub fn form_of_hostnames(at: &Path<'_>, hostnames: &[String], errors: &mut Errors) {
    items(at, hostnames.len(), HOSTNAMES_MAX, errors);
    for (i, hostname) in hostnames.iter().enumerate() {
        text(&at.index(i), hostname, (1, NAME_MAX), Some(&HOSTNAME), errors);
    }
}

/// The form of a rule's name.
pub fn form_of_name(at: &Path<'_>, name: Option<&String>, errors: &mut Errors) {
    optional(&at.child("name"), name, NAME_MAX, Some(&SUBDOMAIN), errors);
}

/// A service, as routes of all kinds and mirrors name it.
pub struct Service<'a> {
    /// API group.
    pub group: Option<&'a String>,
    /// Kind.
    pub kind: Option<&'a String>,
    /// Namespace.
    pub namespace: Option<&'a String>,
    /// Name.
    pub name: &'a str,
    /// Port.
    pub port: Option<i32>,
}

impl Service<'_> {
    /// The form of it.
    pub fn form(&self, at: &Path<'_>, errors: &mut Errors) {
        reference(at, self.group, self.kind, self.namespace, errors);
        required(&at.child("name"), self.name, NAME_MAX, None, errors);
        if let Some(number) = self.port {
            port(&at.child("port"), number, errors);
        }
    }

    /// Services need a port.
    pub fn rules(&self, at: &Path<'_>, errors: &mut Errors) {
        let is_service = self.group.is_none_or(String::is_empty) && self.kind.is_none_or(|kind| kind == "Service");
        rule(!is_service || self.port.is_some(), at, "Must have port for Service reference", errors);
    }
}

/// The form of a weight.
pub fn form_of_weight(at: &Path<'_>, weight: Option<i32>, errors: &mut Errors) {
    if let Some(weight) = weight {
        number(&at.child("weight"), weight, (0, WEIGHT_MAX), errors);
    }
}

/// The same gateway may be named several times, by different listeners only.
pub fn rules_of_parents(at: &Path<'_>, parents: &[ParentReference], errors: &mut Errors) {
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
pub fn rule_of_matches(at: &Path<'_>, count: usize, errors: &mut Errors) {
    let message = "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a \
                   route must be less than 128";
    list_rule(count <= MATCHES_SUM_MAX, at, message, errors);
}
