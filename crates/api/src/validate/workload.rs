//! Deployments and replica sets to faults.

use crate::apps::deployment::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use crate::apps::replica_set::{ReplicaSet, ReplicaSetSpec};
use crate::core::pod::PodTemplateSpec;
use crate::intstr::IntOrString;
use crate::meta::selector::LabelSelector;
use crate::validate::error::Errors;
use crate::validate::internal;
use crate::validate::meta::{Scope, validate_create as validate_meta, validate_update as validate_meta_update};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::validate_template;
use crate::validate::selector::{is_usable, validate_selector};

const SPEC: Path<'static> = Path::root("spec");

/// A new deployment.
pub fn validate_deployment(deployment: &Deployment, errors: &mut Errors) {
    validate_meta(&deployment.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_deployment_spec(&deployment.spec, errors);
}

/// A deployment that replaces another.
pub fn validate_deployment_update(new: &Deployment, old: &Deployment, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_deployment_spec(&new.spec, errors);
    errors.immutable(&SPEC.child("selector"), &new.spec.selector, &old.spec.selector);
}

/// A new replica set.
pub fn validate_replica_set(set: &ReplicaSet, errors: &mut Errors) {
    validate_meta(&set.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_replica_set_spec(&set.spec, errors);
}

/// A replica set that replaces another.
pub fn validate_replica_set_update(new: &ReplicaSet, old: &ReplicaSet, errors: &mut Errors) {
    validate_meta_update(&new.metadata, &old.metadata, true, errors);
    validate_replica_set_spec(&new.spec, errors);
    errors.immutable(&SPEC.child("selector"), &new.spec.selector, &old.spec.selector);
}

fn validate_deployment_spec(spec: &DeploymentSpec, errors: &mut Errors) {
    errors.non_negative(&SPEC.child("replicas"), i64::from(spec.replicas.unwrap_or_default()));
    validate_selector_and_template(spec.selector.as_ref(), &spec.template, errors);
    validate_strategy(&SPEC.child("strategy"), &spec.strategy, errors);
    errors.non_negative(&SPEC.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    if let Some(limit) = spec.revision_history_limit {
        errors.non_negative(&SPEC.child("revisionHistoryLimit"), i64::from(limit));
    }
    if let Some(seconds) = spec.progress_deadline_seconds {
        let at = SPEC.child("progressDeadlineSeconds");
        errors.non_negative(&at, i64::from(seconds));
        if seconds <= spec.min_ready_seconds {
            errors.invalid(&at, &seconds, "must be greater than minReadySeconds");
        }
    }
}

fn validate_replica_set_spec(spec: &ReplicaSetSpec, errors: &mut Errors) {
    errors.non_negative(&SPEC.child("replicas"), i64::from(spec.replicas.unwrap_or_default()));
    errors.non_negative(&SPEC.child("minReadySeconds"), i64::from(spec.min_ready_seconds));
    validate_selector_and_template(spec.selector.as_ref(), &spec.template, errors);
}

fn validate_selector_and_template(selector: Option<&LabelSelector>, template: &PodTemplateSpec, errors: &mut Errors) {
    let path = SPEC.child("selector");
    match selector {
        None => errors.required(&path, ""),
        Some(selector) => {
            validate_selector(&path, Some(selector), errors);
            if selector.is_empty() {
                errors.invalid(&path, selector, "empty selector is invalid for deployment");
            }
            if !is_usable(selector) {
                return errors.invalid(&path, selector, "invalid label selector");
            }
        }
    }
    let at = SPEC.child("template");
    // No selector matches nothing; an empty one is not held against the template.
    let fits = selector.is_some_and(|s| s.is_empty() || s.matches(&template.metadata.labels));
    if !fits {
        let labels = &template.metadata.labels;
        let meta = at.child("metadata");
        let shown = if labels.is_empty() { "null".to_owned() } else { crate::validate::error::Shown::shown(labels) };
        errors.invalid_shown(&meta.child("labels"), shown, "`selector` does not match template `labels`");
    }
    validate_template(&at, template, errors);
    let spec = at.child("spec");
    if template.spec.restart_policy != "Always" {
        errors.not_supported(&spec.child("restartPolicy"), &template.spec.restart_policy, &["Always"]);
    }
    if template.spec.active_deadline_seconds.is_some() {
        let detail = "activeDeadlineSeconds in ReplicaSet is not Supported";
        errors.forbidden(&spec.child("activeDeadlineSeconds"), detail);
    }
}

fn validate_strategy(path: &Path<'_>, strategy: &DeploymentStrategy, errors: &mut Errors) {
    let at = path.child("rollingUpdate");
    match (strategy.type_.as_str(), &strategy.rolling_update) {
        ("Recreate", Some(_)) => errors.forbidden(&at, "may not be specified when strategy `type` is 'Recreate'"),
        ("Recreate", None) => {}
        ("RollingUpdate", None) => errors.required(&at, "this should be defaulted and never be nil"),
        ("RollingUpdate", Some(rolling)) => validate_rolling(&at, rolling, errors),
        // Kubernetes shows the whole strategy here.
        _ => errors.not_supported_shown(path, internal::compact(strategy), &["Recreate", "RollingUpdate"]),
    }
}

fn validate_rolling(path: &Path<'_>, rolling: &RollingUpdateDeployment, errors: &mut Errors) {
    let zero = IntOrString::default();
    let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
    let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
    let (unavailable_at, surge_at) = (path.child("maxUnavailable"), path.child("maxSurge"));
    validate_count_or_percent(&unavailable_at, unavailable, errors);
    validate_count_or_percent(&surge_at, surge, errors);
    let amount = |value: &IntOrString| match value {
        IntOrString::Int(n) => *n,
        IntOrString::String(text) if name::percent(text).is_empty() => value.percent().unwrap_or_default(),
        // A number as text counts here, although it is refused.
        IntOrString::String(text) => text.parse().unwrap_or(0),
    };
    if amount(unavailable) == 0 && amount(surge) == 0 {
        errors.invalid(&unavailable_at, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    if unavailable.percent().is_some_and(|percent| percent > 100) {
        errors.invalid(&unavailable_at, unavailable, "must not be greater than 100%");
    }
}

fn validate_count_or_percent(path: &Path<'_>, value: &IntOrString, errors: &mut Errors) {
    match value {
        IntOrString::Int(n) => errors.non_negative(path, i64::from(*n)),
        IntOrString::String(text) => errors.invalid_each(path, text, name::percent(text)),
    }
}
