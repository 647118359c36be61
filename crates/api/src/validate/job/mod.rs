//! Jobs to faults.

use std::borrow::Cow;

use crate::batch::job::{Job, JobSpec};
use crate::batch::selector::{self, CONTROLLER_UID, JOB_NAME, OLD_CONTROLLER_UID, OLD_JOB_NAME};
use crate::core::pod::PodTemplateSpec;
use crate::validate::error::{Errors, Shown};
use crate::validate::internal;
use crate::validate::meta::{Scope, validate_create as validate_meta};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::validate_template;
use crate::validate::selector::{is_usable, validate_selector};

pub mod policy;
pub mod update;

const SPEC: Path<'static> = Path::root("spec");
const META: Path<'static> = Path::root("metadata");

/// So many pods of an indexed job run at once, and so many of its indexes may fail.
const INDEXED_MAX: i32 = 100_000;
/// From here on limits are tighter when each index has its own.
const COMPLETIONS_MANY: i32 = 100_000;
/// The limit of parallelism and of failed indexes of a job of that many completions.
const MANY_MAX: i32 = 10_000;
/// Bytes of the name of another controller.
const MANAGED_BY_MAX: usize = 63;
/// Stands for the uid of a job that has none yet while its rules are checked.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// A new job.
pub fn validate_create(job: &Job, errors: &mut Errors) {
    let from = errors.len();
    validate_job(&with_uid(job), true, errors);
    hide_uid(&job.metadata.uid, from, errors);
}

/// The job with its selector: a job that has no uid yet has no selector yet either.
fn with_uid(job: &Job) -> Cow<'_, Job> {
    if !job.metadata.uid.is_empty() {
        return Cow::Borrowed(job);
    }
    let mut job = job.clone();
    job.metadata.uid = NO_UID.to_owned();
    // Labels of the template become the job's own before the rules are checked, generated ones alone after that.
    let labelled = !job.spec.template.metadata.labels.is_empty();
    selector::generate(&mut job);
    if labelled {
        selector::label(&mut job);
    }
    Cow::Owned(job)
}

/// Messages show `<UID>` where a uid will stand that is not given yet.
fn hide_uid(uid: &str, from: usize, errors: &mut Errors) {
    if uid.is_empty() {
        for error in errors.0.iter_mut().skip(from).filter(|error| error.message.contains(NO_UID)) {
            error.message = error.message.replace(NO_UID, "<UID>");
        }
    }
}

fn validate_job(job: &Job, prefixed: bool, errors: &mut Errors) {
    validate_meta(&job.metadata, Scope::Namespaced, name::dns_subdomain, errors);
    validate_generated(job, prefixed, errors);
    validate_spec(&job.spec, errors);
    let completions = job.spec.completions.unwrap_or_default();
    if is_indexed(&job.spec) && completions > 0 {
        let hostname = format!("{}-{}", job.metadata.name, completions - 1);
        if !name::dns_label(&hostname).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
            errors.invalid(&META.child("name"), &job.metadata.name, &detail);
        }
    }
}

fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// The generated selector selects the job's own pods and no others; `prefixed` asks for the newer labels too.
fn validate_generated(job: &Job, prefixed: bool, errors: &mut Errors) {
    let Some(selector) = job.spec.selector.as_ref().filter(|_| job.spec.manual_selector != Some(true)) else { return };
    let labels = &job.spec.template.metadata.labels;
    let template = SPEC.child("template");
    let meta = template.child("metadata");
    let at = meta.child("labels");
    let (uid, name) = (&job.metadata.uid, &job.metadata.name);
    let mut expected = vec![(OLD_CONTROLLER_UID, uid), (OLD_JOB_NAME, name)];
    if prefixed {
        expected.extend([(CONTROLLER_UID, uid), (JOB_NAME, name)]);
    }
    for (key, value) in &expected {
        let detail = format!("must be '{value}'");
        match labels.get(*key) {
            None => errors.required(&at.key(key), &detail),
            Some(given) if given != *value => errors.invalid(&at.key(key), labels, &detail),
            Some(_) => {}
        }
    }
    let expected = expected.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    if is_usable(selector) && !selector.matches(&expected) {
        errors.invalid(&SPEC.child("selector"), selector, "`selector` not auto-generated");
    }
}

fn validate_spec(spec: &JobSpec, errors: &mut Errors) {
    validate_counts(spec, errors);
    validate_mode(spec, errors);
    if let Some(policy) = &spec.pod_failure_policy {
        policy::validate_failure(&SPEC.child("podFailurePolicy"), policy, spec, errors);
    }
    if let Some(success) = &spec.success_policy {
        let at = SPEC.child("successPolicy");
        if is_indexed(spec) {
            policy::validate_success(&at, success, spec.completions, errors);
        } else {
            errors.invalid_shown(&at, internal::compact(success), "requires indexed completion mode");
        }
    }
    if let Some(replaced) = &spec.pod_replacement_policy {
        let allowed: &[&str] =
            if spec.pod_failure_policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        errors.one_of(&SPEC.child("podReplacementPolicy"), replaced, allowed);
    }
    let at = SPEC.child("template");
    validate_template(&at, &spec.template, errors);
    validate_restart(&at, spec, errors);
    validate_match(&at, spec, &spec.template, errors);
}

fn validate_counts(spec: &JobSpec, errors: &mut Errors) {
    for (field, number) in [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ] {
        if let Some(number) = number {
            errors.non_negative(&SPEC.child(field), number);
        }
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errors.required(&SPEC.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(controller) = &spec.managed_by {
        let at = SPEC.child("managedBy");
        validate_prefixed_path(&at, controller, errors);
        if controller.len() > MANAGED_BY_MAX {
            errors.too_long(&at, MANAGED_BY_MAX);
        }
    }
}

/// A DNS name, a slash, and a path of what HTTP allows in one.
fn validate_prefixed_path(path: &Path<'_>, text: &str, errors: &mut Errors) {
    if errors.required_text(path, text) {
        return;
    }
    let Some((host, rest)) = text.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        return errors.invalid(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    };
    errors.invalid_each(path, host, name::dns_subdomain(host));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !rest.bytes().all(allowed) {
        let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.invalid(path, rest, detail);
    }
}

fn validate_mode(spec: &JobSpec, errors: &mut Errors) {
    let (failed_at, parallelism_at) = (SPEC.child("maxFailedIndexes"), SPEC.child("parallelism"));
    if let Some(mode) = &spec.completion_mode {
        errors.one_of(&SPEC.child("completionMode"), mode, &["NonIndexed", "Indexed"]);
    }
    if is_indexed(spec) {
        if spec.completions.is_none() {
            errors.required(&SPEC.child("completions"), "when completion mode is Indexed");
        }
        let too_many = |value: Option<i32>, max: i32| value.filter(|value| *value > max);
        if let Some(value) = too_many(spec.parallelism, INDEXED_MAX) {
            let detail = format!("must be less than or equal to {INDEXED_MAX} when completion mode is Indexed");
            errors.invalid(&parallelism_at, &value, &detail);
        }
        if let Some(value) = spec.completions.and_then(|completions| too_many(spec.max_failed_indexes, completions)) {
            errors.invalid(&failed_at, &value, "must be less than or equal to completions");
        }
        if let Some(value) = too_many(spec.max_failed_indexes, INDEXED_MAX) {
            errors.invalid(&failed_at, &value, &format!("must be less than or equal to {INDEXED_MAX}"));
        }
        if too_many(spec.completions, COMPLETIONS_MANY).is_some() && spec.backoff_limit_per_index.is_some() {
            if spec.max_failed_indexes.is_none() {
                let detail = format!("must be specified when completions is above {COMPLETIONS_MANY}");
                errors.required(&failed_at, &detail);
            }
            let detail = format!(
                "must be less than or equal to {MANY_MAX} when completions are above {COMPLETIONS_MANY} and used with \
                 backoff limit per index"
            );
            if let Some(value) = too_many(spec.parallelism, MANY_MAX) {
                errors.invalid(&parallelism_at, &value, &detail);
            }
            if let Some(value) = too_many(spec.max_failed_indexes, MANY_MAX) {
                errors.invalid(&failed_at, &value, &detail);
            }
        }
    }
    if spec.completion_mode.as_deref().is_none_or(|mode| mode == "NonIndexed") {
        for (at, value) in
            [(SPEC.child("backoffLimitPerIndex"), spec.backoff_limit_per_index), (failed_at, spec.max_failed_indexes)]
        {
            if let Some(value) = value {
                errors.invalid(&at, &value, "requires indexed completion mode");
            }
        }
    }
}

fn validate_restart(template: &Path<'_>, spec: &JobSpec, errors: &mut Errors) {
    let at = template.child("spec");
    let at = at.child("restartPolicy");
    match spec.template.spec.restart_policy.as_str() {
        // Left out, it was filled in as for any pod.
        "" | "Always" => errors.required(&at, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if spec.pod_failure_policy.is_none() => {}
        given @ "OnFailure" => {
            errors.invalid(&at, given, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        other => errors.not_supported(&at, other, &["OnFailure", "Never"]),
    }
}

fn validate_match(path: &Path<'_>, spec: &JobSpec, template: &PodTemplateSpec, errors: &mut Errors) {
    let at = SPEC.child("selector");
    match &spec.selector {
        None => errors.required(&at, ""),
        Some(selector) => validate_selector(&at, Some(selector), errors),
    }
    let labels = &template.metadata.labels;
    // Without a selector nothing is selected; one that cannot be used is not held against the labels too.
    if spec.selector.as_ref().is_none_or(|selector| is_usable(selector) && !selector.matches(labels)) {
        let shown = if labels.is_empty() { "null".to_owned() } else { labels.shown() };
        let meta = path.child("metadata");
        errors.invalid_shown(&meta.child("labels"), shown, "`selector` does not match template `labels`");
    }
}
