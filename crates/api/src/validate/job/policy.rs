//! The policies of a job, about failures of pods and about its success, to faults.

use std::collections::BTreeSet;

use crate::batch::indexes::Indexes;
use crate::batch::job::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;

/// Rules of a policy.
const RULES_MAX: usize = 20;
/// Exit codes of a rule.
const CODES_MAX: usize = 255;
/// Conditions of a rule.
const PATTERNS_MAX: usize = 20;
/// Bytes of a list of indexes.
const INDEXES_MAX: usize = 64 * 1024;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

/// As Go prints a list of quoted texts.
fn valid(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

/// A text must be there and one of those allowed, which are listed when it is not there.
fn required_one_of(path: &Path<'_>, text: &str, allowed: &[&str], errors: &mut Errors) {
    if text.is_empty() {
        errors.required(path, &valid(allowed));
    } else {
        errors.one_of(path, text, allowed);
    }
}

/// How failures of pods count.
pub fn validate_failure(path: &Path<'_>, policy: &PodFailurePolicy, spec: &JobSpec, errors: &mut Errors) {
    let rules = path.child("rules");
    if policy.rules.len() > RULES_MAX {
        errors.too_many(&rules, policy.rules.len(), RULES_MAX);
    }
    let pod = &spec.template.spec;
    let containers: BTreeSet<&str> =
        pod.containers.iter().chain(&pod.init_containers).map(|container| container.name.as_str()).collect();
    for (i, rule) in policy.rules.iter().enumerate() {
        validate_failure_rule(&rules.index(i), rule, spec, &containers, errors);
    }
}

fn validate_failure_rule(
    path: &Path<'_>,
    rule: &PodFailurePolicyRule,
    spec: &JobSpec,
    containers: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    let at = path.child("action");
    if rule.action == "FailIndex" {
        if spec.backoff_limit_per_index.is_none() {
            errors.invalid_named(&at, &rule.action, "requires the backoffLimitPerIndex to be set");
        }
    } else {
        required_one_of(&at, &rule.action, &ACTIONS, errors);
    }
    if let Some(codes) = &rule.on_exit_codes {
        validate_codes(&path.child("onExitCodes"), codes, containers, errors);
    }
    if !rule.on_pod_conditions.is_empty() {
        validate_patterns(&path.child("onPodConditions"), &rule.on_pod_conditions, errors);
    }
    // Kubernetes does not show the rule here.
    let whole = |why: &str, errors: &mut Errors| errors.invalid_shown(path, why.to_owned(), "");
    match (&rule.on_exit_codes, rule.on_pod_conditions.is_empty()) {
        (Some(_), false) => whole("specifying both OnExitCodes and OnPodConditions is not supported", errors),
        (None, true) => whole("specifying one of OnExitCodes and OnPodConditions is required", errors),
        _ => {}
    }
}

fn validate_patterns(path: &Path<'_>, patterns: &[PodFailurePolicyOnPodConditionsPattern], errors: &mut Errors) {
    if patterns.len() > PATTERNS_MAX {
        errors.too_many(path, patterns.len(), PATTERNS_MAX);
    }
    for (i, pattern) in patterns.iter().enumerate() {
        let at = path.index(i);
        errors.invalid_each(&at.child("type"), &pattern.type_, name::qualified_name(&pattern.type_));
        required_one_of(&at.child("status"), &pattern.status, &STATUSES, errors);
    }
}

fn validate_codes(
    path: &Path<'_>,
    codes: &PodFailurePolicyOnExitCodesRequirement,
    containers: &BTreeSet<&str>,
    errors: &mut Errors,
) {
    required_one_of(&path.child("operator"), &codes.operator, &OPERATORS, errors);
    if let Some(container) = codes.container_name.as_ref().filter(|name| !containers.contains(name.as_str())) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&path.child("containerName"), container, detail);
    }
    let at = path.child("values");
    if codes.values.is_empty() {
        errors.invalid(&at, &codes.values, "at least one value is required");
    } else if codes.values.len() > CODES_MAX {
        errors.too_many(&at, codes.values.len(), CODES_MAX);
    }
    let mut seen = BTreeSet::new();
    for (i, value) in codes.values.iter().enumerate() {
        let element = at.index(i);
        if codes.operator == "In" && *value == 0 {
            errors.invalid(&element, value, "must not be 0 for the In operator");
        }
        if !seen.insert(value) {
            errors.duplicate(&element, value);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(&at, &codes.values, "must be ordered");
    }
}

/// When an indexed job is done before all of its indexes are.
pub fn validate_success(path: &Path<'_>, policy: &SuccessPolicy, completions: Option<i32>, errors: &mut Errors) {
    let rules = path.child("rules");
    if policy.rules.is_empty() {
        errors.required(&rules, "at least one rules must be specified when the successPolicy is specified");
    }
    if policy.rules.len() > RULES_MAX {
        errors.too_many(&rules, policy.rules.len(), RULES_MAX);
    }
    // That completions are missing is another fault.
    let completions = completions.unwrap_or(i32::MAX);
    for (i, rule) in policy.rules.iter().enumerate() {
        validate_success_rule(&rules.index(i), rule, completions, errors);
    }
}

fn validate_success_rule(path: &Path<'_>, rule: &SuccessPolicyRule, completions: i32, errors: &mut Errors) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(text) = &rule.succeeded_indexes {
        let at = path.child("succeededIndexes");
        if text.len() > INDEXES_MAX {
            errors.too_long(&at, INDEXES_MAX);
        }
        match Indexes::parse(text, completions) {
            Ok(indexes) => total = indexes.total(),
            Err(error) => errors.invalid(&at, text, &format!("error parsing succeededIndexes: {error}")),
        }
    }
    let Some(count) = rule.succeeded_count else { return };
    let at = path.child("succeededCount");
    errors.non_negative(&at, i64::from(count));
    if count > completions {
        let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
        errors.invalid(&at, &count, &detail);
    }
    if rule.succeeded_indexes.is_some() && count > total {
        let detail = format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        );
        errors.invalid(&at, &count, &detail);
    }
}
