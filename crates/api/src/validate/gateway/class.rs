//! Classes of gateways to faults.

use crate::gateway::class::GatewayClass;
use crate::validate::error::Errors;
use crate::validate::gateway::schema::{
    CONTROLLER, NAME_MAX, can_go_on, group_kind, reference, required, text, text_rule,
};
use crate::validate::meta::{Scope, validate_common};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");
const DESCRIPTION_MAX: usize = 64;

/// A new class.
pub fn validate_create(class: &GatewayClass, errors: &mut Errors) {
    validate(class, errors);
    can_go_on(errors);
}

/// A class that replaces another.
pub fn validate_update(new: &GatewayClass, old: &GatewayClass, errors: &mut Errors) {
    validate(new, errors);
    if can_go_on(errors) {
        let same = new.spec.controller_name == old.spec.controller_name;
        text_rule(same, &SPEC.child("controllerName"), "Value is immutable", errors);
    }
}

fn validate(class: &GatewayClass, errors: &mut Errors) {
    validate_common(&class.metadata, Scope::Cluster, name::dns_subdomain, errors);
    let spec = &class.spec;
    required(&SPEC.child("controllerName"), &spec.controller_name, NAME_MAX, Some(&CONTROLLER), errors);
    if let Some(description) = &spec.description {
        text(&SPEC.child("description"), description, (0, DESCRIPTION_MAX), None, errors);
    }
    if let Some(parameters) = &spec.parameters_ref {
        let at = SPEC.child("parametersRef");
        group_kind(&at, &parameters.group, &parameters.kind, errors);
        required(&at.child("name"), &parameters.name, NAME_MAX, None, errors);
        reference(&at, None, None, parameters.namespace.as_ref(), errors);
    }
}
