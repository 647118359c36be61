//! Events and leases to faults.

use crate::coordination::lease::Lease;
use crate::core::event::Event;
use crate::validate::error::Errors;
use crate::validate::meta::{Scope, validate_common, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;

const SPEC: Path<'static> = Path::root("spec");

/// An event, new or replacing another: the older rules, which v1 keeps to.
pub fn validate_event(event: &Event, errors: &mut Errors) {
    let namespace = event.metadata.namespace.as_str();
    let object = Path::root("involvedObject");
    let at = object.child("namespace");
    let involved = event.involved_object.namespace.as_str();
    const DETAIL: &str = "does not match event.namespace";
    if event.event_time.is_none() {
        let agrees = if involved.is_empty() { ["", "default"].contains(&namespace) } else { involved == namespace };
        if !agrees {
            errors.invalid(&at, involved, DETAIL);
        }
    } else {
        if involved.is_empty() && !["default", "kube-system"].contains(&namespace) {
            errors.invalid(&at, involved, DETAIL);
        }
        validate_reporter(event, errors);
    }
    errors.invalid_each(&Path::root("namespace"), namespace, name::dns_subdomain(namespace));
}

fn validate_reporter(event: &Event, errors: &mut Errors) {
    let controller = Path::root("reportingComponent");
    errors.required_text(&controller, &event.reporting_component);
    errors.invalid_each(&controller, &event.reporting_component, name::qualified_name(&event.reporting_component));
    for (field, value, max, needed) in [
        ("reportingInstance", &event.reporting_instance, 128, true),
        ("action", &event.action, 128, true),
        ("reason", &event.reason, 128, true),
        ("message", &event.message, 1024, false),
    ] {
        let at = Path::root(field);
        if needed {
            errors.required_text(&at, value);
        }
        if value.len() > max {
            errors.invalid(&at, "", &format!("can have at most {max} characters"));
        }
    }
}

/// A new lease, whose finalizers need no prefix.
pub fn validate_lease(lease: &Lease, errors: &mut Errors) {
    validate_common(&lease.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_lease_spec(lease, errors);
}

fn validate_lease_spec(lease: &Lease, errors: &mut Errors) {
    let spec = &lease.spec;
    if let Some(seconds) = spec.lease_duration_seconds
        && seconds <= 0
    {
        errors.invalid(&SPEC.child("leaseDurationSeconds"), &seconds, "must be greater than 0");
    }
    if let Some(count) = spec.lease_transitions
        && count < 0
    {
        errors.invalid(&SPEC.child("leaseTransitions"), &count, "must be greater than or equal to 0");
    }
}

/// A lease that replaces another.
pub fn validate_lease_update(new: &Lease, old: &Lease, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, false, errors);
    validate_lease_spec(new, errors);
}
