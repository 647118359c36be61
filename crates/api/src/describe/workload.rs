//! Deployments and ReplicaSets, with what they own, to their descriptions.

use crate::apps::deployment::Deployment;
use crate::apps::replica_set::ReplicaSet;
use crate::core::pod::{Pod, PodTemplateSpec};
use crate::describe::container::containers;
use crate::describe::event::Events;
use crate::describe::page::{Page, controller, stamp};
use crate::describe::pod::{spread_constraints, tolerations};
use crate::describe::volume::volumes;
use crate::intstr::IntOrString;
use crate::meta::object_meta::ObjectMeta;
use crate::meta::selector::LabelSelector;

/// The label by which a deployment tells its replica sets apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// A deployment.
pub fn deployment(deployment: &Deployment, replica_sets: &[ReplicaSet], events: &Events) -> String {
    let (meta, spec, status) = (&deployment.metadata, &deployment.spec, &deployment.status);
    let mut page = Page::default();
    page.name(meta);
    page.field(0, "CreationTimestamp", stamp(meta.creation_timestamp));
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    let selector = spec.selector.as_ref().filter(|s| !s.is_empty()).map_or_else(String::new, ToString::to_string);
    page.field(0, "Selector", selector);
    page.put(
        0,
        format_args!(
            "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable\n",
            spec.replicas.unwrap_or_default(),
            status.updated_replicas,
            status.replicas,
            status.available_replicas,
            status.unavailable_replicas,
        ),
    );
    page.field(0, "StrategyType", &spec.strategy.type_);
    page.field(0, "MinReadySeconds", spec.min_ready_seconds);
    if let Some(rolling) = &spec.strategy.rolling_update {
        let text = |share: &Option<IntOrString>| share.as_ref().map_or_else(|| "<nil>".to_owned(), ToString::to_string);
        let (under, over) = (text(&rolling.max_unavailable), text(&rolling.max_surge));
        page.put(0, format_args!("RollingUpdateStrategy:\t{under} max unavailable, {over} max surge\n"));
    }
    template(&mut page, &spec.template);
    page.conditions(status.conditions.iter().map(|c| [c.type_.as_str(), &c.status, &c.reason]));
    let (old, new) = generations(deployment, replica_sets);
    if !old.is_empty() || new.is_some() {
        page.field(0, "OldReplicaSets", created(&old));
        page.field(0, "NewReplicaSet", created(new.as_slice()));
    }
    events.write(&mut page);
    page.finish()
}

/// Its older replica sets, oldest first, and the one of its current template.
fn generations<'a>(
    deployment: &Deployment,
    replica_sets: &'a [ReplicaSet],
) -> (Vec<&'a ReplicaSet>, Option<&'a ReplicaSet>) {
    let selector = deployment.spec.selector.as_ref();
    let mut owned: Vec<&ReplicaSet> =
        replica_sets.iter().filter(|set| is_owned(&set.metadata, &deployment.metadata, selector)).collect();
    owned.sort_by_key(|set| (set.metadata.creation_timestamp, set.metadata.name.as_str()));
    // The oldest one of the current template, should there be several.
    let new = owned.iter().position(|set| is_same_template(&set.spec.template, &deployment.spec.template));
    let new = new.map(|at| owned.remove(at));
    (owned, new)
}

fn is_owned(meta: &ObjectMeta, owner: &ObjectMeta, selector: Option<&LabelSelector>) -> bool {
    meta.namespace == owner.namespace
        && controller(meta).is_some_and(|reference| reference.uid == owner.uid)
        && selector.is_some_and(|selector| selector.matches(&meta.labels))
}

fn is_same_template(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let unmarked = |template: &PodTemplateSpec| {
        let mut meta = template.metadata.clone();
        meta.labels.remove(TEMPLATE_HASH);
        meta
    };
    a.spec == b.spec && unmarked(a) == unmarked(b)
}

fn created(sets: &[&ReplicaSet]) -> String {
    if sets.is_empty() {
        return "<none>".to_owned();
    }
    let one = |set: &&ReplicaSet| {
        let wanted = set.spec.replicas.unwrap_or_default();
        format!("{} ({}/{wanted} replicas created)", set.metadata.name, set.status.replicas)
    };
    sets.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A replica set.
pub fn replica_set(set: &ReplicaSet, pods: &[Pod], events: &Events) -> String {
    let meta = &set.metadata;
    let mut page = Page::default();
    page.name(meta);
    let selector = set.spec.selector.as_ref();
    page.field(0, "Selector", selector.map_or_else(|| "<none>".to_owned(), ToString::to_string));
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    if let Some(owner) = controller(meta) {
        page.put(0, format_args!("Controlled By:\t{}/{}\n", owner.kind, owner.name));
    }
    let wanted = set.spec.replicas.unwrap_or_default();
    page.put(0, format_args!("Replicas:\t{} current / {wanted} desired\n", set.status.replicas));
    let own = || pods.iter().filter(|pod| is_owned(&pod.metadata, meta, selector));
    let in_phase = |phase: &str| own().filter(|pod| pod.status.phase == phase).count();
    let [running, waiting, succeeded, failed] = ["Running", "Pending", "Succeeded", "Failed"].map(in_phase);
    page.put(
        0,
        format_args!("Pods Status:\t{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed\n"),
    );
    template(&mut page, &set.spec.template);
    page.conditions(set.status.conditions.iter().map(|c| [c.type_.as_str(), &c.status, &c.reason]));
    events.write(&mut page);
    page.finish()
}

/// The pods that a workload makes.
pub(in crate::describe) fn template(page: &mut Page, template: &PodTemplateSpec) {
    let spec = &template.spec;
    page.put(0, format_args!("Pod Template:\n"));
    page.labels("  Labels", &template.metadata.labels);
    if !template.metadata.annotations.is_empty() {
        page.annotations("  Annotations", &template.metadata.annotations);
    }
    if !spec.service_account_name.is_empty() {
        page.field(1, "Service Account", &spec.service_account_name);
    }
    if !spec.init_containers.is_empty() {
        containers(page, "Init Containers", &spec.init_containers, &[], None, "  ");
    }
    containers(page, "Containers", &spec.containers, &[], None, "  ");
    volumes(page, &spec.volumes, "  ");
    spread_constraints(page, &spec.topology_spread_constraints, "  ");
    if !spec.priority_class_name.is_empty() {
        page.field(1, "Priority Class Name", &spec.priority_class_name);
    }
    page.labels("  Node-Selectors", &spec.node_selector);
    tolerations(page, "  Tolerations", &spec.tolerations);
}
