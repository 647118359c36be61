//! Grants to faults.

use crate::gateway::grant::ReferenceGrant;
use crate::validate::error::Errors;
use crate::validate::gateway::schema::{NAME_MAX, group_kind, items, namespace, optional};
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
/// Elements of each list.
const ITEMS_MAX: usize = 16;

/// A grant, new or in the place of another.
pub fn validate(grant: &ReferenceGrant, errors: &mut Errors) {
    validate_common(&grant.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    let spec = &grant.spec;
    let (from, to) = (SPEC.child("from"), SPEC.child("to"));
    for (at, count) in [(&from, spec.from.len()), (&to, spec.to.len())] {
        if count == 0 {
            errors.required(at, "");
        }
        items(at, count, ITEMS_MAX, errors);
    }
    for (i, one) in spec.from.iter().enumerate() {
        let at = from.index(i);
        group_kind(&at, &one.group, &one.kind, errors);
        namespace(&at.child("namespace"), &one.namespace, errors);
    }
    for (i, one) in spec.to.iter().enumerate() {
        let at = to.index(i);
        group_kind(&at, &one.group, &one.kind, errors);
        optional(&at.child("name"), one.name.as_ref(), NAME_MAX, None, errors);
    }
}
