//! The change of a job to faults: most of what it runs may not change, unless it is suspended.

use serde::Serialize;

use crate::batch::job::{Job, JobSpec};
use crate::batch::selector::{CONTROLLER_UID, JOB_NAME};
use crate::core::affinity::Affinity;
use crate::core::container::Container;
use crate::core::pod::PodTemplateSpec;
use crate::schema::wire::Wire;
use crate::validate::error::Errors;
use crate::validate::internal;
use crate::validate::job::{SPEC, hide_uid, is_indexed, validate_job, validate_spec, with_uid};
use crate::validate::meta::validate_update as validate_meta;
use crate::validate::path::Path;

/// A job that replaces another. Kubernetes checks the whole and then the change, so some faults come twice.
pub fn validate_update(new: &Job, old: &Job, errors: &mut Errors) {
    let from = errors.len();
    let (full, before) = (with_uid(new), with_uid(old));
    let labels = &before.spec.template.metadata.labels;
    let prefixed = labels.contains_key(JOB_NAME) && labels.contains_key(CONTROLLER_UID);
    validate_job(&full, prefixed, errors);
    validate_meta(&new.metadata, &old.metadata, true, errors);
    validate_spec(&full.spec, errors);
    validate_changes(&full.spec, &before, errors);
    hide_uid(&new.metadata.uid, from, errors);
}

fn validate_changes(new: &JobSpec, before: &Job, errors: &mut Errors) {
    let old = &before.spec;
    validate_completions(new, old, errors);
    errors.immutable(&SPEC.child("selector"), &new.selector, &old.selector);
    validate_template_change(new, before, errors);
    errors.immutable(&SPEC.child("completionMode"), &new.completion_mode, &old.completion_mode);
    immutable(&SPEC.child("podFailurePolicy"), &new.pod_failure_policy, &old.pod_failure_policy, errors);
    errors.immutable(&SPEC.child("backoffLimitPerIndex"), &new.backoff_limit_per_index, &old.backoff_limit_per_index);
    errors.immutable(&SPEC.child("managedBy"), &new.managed_by, &old.managed_by);
    immutable(&SPEC.child("successPolicy"), &new.success_policy, &old.success_policy, errors);
}

/// A struct that may not change, shown as the server's own type.
fn immutable<T: Wire + Serialize + PartialEq>(path: &Path<'_>, new: &Option<T>, old: &Option<T>, errors: &mut Errors) {
    if new != old {
        let shown = new.as_ref().map_or_else(|| "null".to_owned(), internal::compact);
        errors.invalid_shown(path, shown, "field is immutable");
    }
}

/// An indexed job may have more or fewer completions when its parallelism goes along.
fn validate_completions(new: &JobSpec, old: &JobSpec, errors: &mut Errors) {
    let at = SPEC.child("completions");
    if !is_indexed(new) {
        return errors.immutable(&at, &new.completions, &old.completions);
    }
    if new.completions != old.completions && new.completions.is_some() && new.completions != new.parallelism {
        errors.invalid(&at, &new.completions, "can only be modified in tandem with spec.parallelism");
    }
}

fn validate_template_change(new: &JobSpec, before: &Job, errors: &mut Errors) {
    let mut old = before.spec.template.clone();
    if is_open(before) {
        free(&mut old, &new.template);
        // Metadata of the template are not compared.
        if new.template.spec != old.spec {
            let at = SPEC.child("template");
            errors.invalid_shown(&at.child("spec"), internal::compact(&new.template.spec), "field is immutable");
        }
    } else if new.template != old {
        errors.invalid_shown(&SPEC.child("template"), internal::compact(&new.template), "field is immutable");
    }
}

/// Whether nothing of the job runs, so that where its pods go and what they get may still change.
fn is_open(job: &Job) -> bool {
    let is_marked = job.status.conditions.iter().any(|c| c.type_ == "Suspended" && c.status == "True");
    job.spec.suspend == Some(true) && job.status.active == 0 && (job.status.start_time.is_none() || is_marked)
}

/// Takes over what may change while a job is suspended.
fn free(old: &mut PodTemplateSpec, new: &PodTemplateSpec) {
    old.metadata.labels.clone_from(&new.metadata.labels);
    old.metadata.annotations.clone_from(&new.metadata.annotations);
    let (spec, wanted) = (&mut old.spec, &new.spec);
    spec.node_selector.clone_from(&wanted.node_selector);
    spec.tolerations.clone_from(&wanted.tolerations);
    spec.scheduling_gates.clone_from(&wanted.scheduling_gates);
    match (&mut spec.affinity, &wanted.affinity) {
        (Some(before), after) => {
            before.node_affinity = after.as_ref().and_then(|a| a.node_affinity.clone());
            if after.is_none() && *before == Affinity::default() {
                spec.affinity = None;
            }
        }
        (none, Some(after)) => {
            *none = Some(Affinity { node_affinity: after.node_affinity.clone(), ..Affinity::default() });
        }
        (None, None) => {}
    }
    let resources = |to: &mut [Container], from: &[Container]| {
        for (to, from) in to.iter_mut().zip(from).filter(|(to, from)| to.name == from.name) {
            to.resources.clone_from(&from.resources);
        }
    };
    resources(&mut spec.containers, &wanted.containers);
    resources(&mut spec.init_containers, &wanted.init_containers);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::admit;

    fn job() -> Value {
        let mut job = admit::create(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": true,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}}),
            "default",
        )
        .unwrap();
        job["metadata"]["uid"] = "u".into();
        job["metadata"]["resourceVersion"] = "7".into();
        admit::settle(job).unwrap()
    }

    /// Changes `new` at `path`, `old` at `status`; says which fields are refused.
    fn check(suspend: bool, status: Value, path: &str, value: Value, expect: &[&str]) {
        let mut old = job();
        old["spec"]["suspend"] = suspend.into();
        let mut new = old.clone();
        old["status"] = status;
        let (parent, field) = path.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[field] = value;
        let got = match admit::update(&old, new) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|p| p.path).collect(),
        };
        assert_eq!(got, expect, "{path}, suspend {suspend}, {}", old["status"]);
    }

    #[test]
    fn a_suspended_job_may_move_and_get_other_resources() {
        let pod = "/spec/template/spec";
        let zone = json!({"zone": "a"});
        let cpu = json!({"requests": {"cpu": "2"}});
        let resources = format!("{pod}/containers/0/resources");
        let suspended =
            || json!({"startTime": "2026-01-02T03:04:05Z", "conditions": [{"type": "Suspended", "status": "True"}]});
        check(false, json!({}), &format!("{pod}/nodeSelector"), zone.clone(), &["spec.template"]);
        check(true, json!({}), &format!("{pod}/nodeSelector"), zone.clone(), &[]);
        check(true, json!({"active": 1}), &format!("{pod}/nodeSelector"), zone.clone(), &["spec.template"]);
        check(
            true,
            json!({"startTime": "2026-01-02T03:04:05Z"}),
            &format!("{pod}/nodeSelector"),
            zone.clone(),
            &["spec.template"],
        );
        check(true, suspended(), &format!("{pod}/nodeSelector"), zone, &[]);
        check(true, suspended(), &resources, cpu.clone(), &[]);
        check(false, json!({}), &resources, cpu, &["spec.template"]);
        check(true, json!({}), &format!("{pod}/containers/0/image"), json!("c:2"), &["spec.template.spec"]);
        let near = |field: &str| {
            json!({field: {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "host", "labelSelector": {"matchLabels": {"a": "b"}}}]}})
        };
        let node = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
            "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}});
        check(true, json!({}), &format!("{pod}/affinity"), node, &[]);
        check(true, json!({}), &format!("{pod}/affinity"), near("podAffinity"), &["spec.template.spec"]);
        check(true, json!({}), "/spec/template/metadata/finalizers", json!(["a.b/c"]), &[]);
        check(false, json!({}), "/spec/template/metadata/finalizers", json!(["a.b/c"]), &["spec.template"]);
    }

    #[test]
    fn what_a_job_is_may_not_change_and_how_fast_it_runs_may() {
        check(false, json!({}), "/spec/parallelism", json!(3), &[]);
        check(false, json!({}), "/spec/suspend", json!(true), &[]);
        check(false, json!({}), "/spec/backoffLimit", json!(1), &[]);
        check(false, json!({}), "/spec/ttlSecondsAfterFinished", json!(1), &[]);
        check(false, json!({}), "/spec/activeDeadlineSeconds", json!(1), &[]);
        check(false, json!({}), "/spec/completions", json!(3), &["spec.completions"]);
        check(
            false,
            json!({}),
            "/spec/selector",
            json!(null),
            &[
                "spec.selector",
                "spec.template.metadata.labels",
                "spec.selector",
                "spec.template.metadata.labels",
                "spec.selector",
            ],
        );
        check(false, json!({}), "/spec/manualSelector", json!(true), &[]);
    }
}
