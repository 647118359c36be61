//! The sets of a deployment → which is of its template, its number in the history, and a new one where there is none.

use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::REPLICA_SET;
use masthead_api::meta::LabelSelector;

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::workload::claim::controller_reference;
use crate::workload::deployment::condition::{
    FOUND_NEW_REPLICA_SET, NEW_REPLICA_SET_CREATED, PROGRESSING, condition, get, set,
};
use crate::workload::deployment::hash::{POD_TEMPLATE_HASH, same_template, template_hash};
use crate::workload::deployment::progress::deadline_s;
use crate::workload::deployment::rollout::{DESIRED_REPLICAS, MAX_REPLICAS, Rollout, Set, annotate};
use crate::workload::deployment::{fences, rolling};
use crate::workload::pods::Counts;

/// Of deployments and sets: the number of the rollout.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Of sets: the numbers that a set had before rollbacks brought it back.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// The history annotation is kept this short, by dropping its oldest numbers.
const HISTORY_MAX_CHARS: usize = 2000;

/// Names are tried this often when hashes collide.
const COLLISIONS_MAX: usize = 16;

/// Annotations of a deployment that its sets do not inherit.
const NOT_INHERITED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// The number of a set in the history; 0 when it has none.
pub fn revision(rs: &ReplicaSet) -> i64 {
    rs.metadata.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Splits the sets into the one of the deployment's template, the oldest if there are several, and all others.
pub fn split(mut sets: Vec<Set>, template: &masthead_api::core::pod::PodTemplateSpec) -> (Option<Set>, Vec<Set>) {
    sets.sort_by(older_first);
    let new = sets.iter().position(|set| same_template(&set.rs.spec.template, template));
    (new.map(|index| sets.remove(index)), sets)
}

/// Orders sets by age, then by name.
pub fn older_first(a: &Set, b: &Set) -> std::cmp::Ordering {
    let (a, b) = (&a.rs.metadata, &b.rs.metadata);
    a.creation_timestamp.cmp(&b.creation_timestamp).then_with(|| a.name.cmp(&b.name))
}

/// Brings number, inherited annotations and minReadySeconds of the new set up to date, and the deployment's number.
pub fn sync(rollout: &mut Rollout) {
    let next = 1 + rollout.old.iter().map(|set| revision(&set.rs)).max().unwrap_or(0);
    let Some(new) = rollout.new.as_mut() else { return };
    let deployment = &mut rollout.deployment;
    inherit(&deployment.metadata.annotations, &mut new.rs);
    renumber(&mut new.rs, next, &mut new.reasons);
    new.rs.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
    if let Some(number) = new.rs.metadata.annotations.get(REVISION) {
        deployment.metadata.annotations.insert(REVISION.to_owned(), number.clone());
    }
    if deadline_s(&deployment.spec).is_some() && get(&deployment.status, PROGRESSING).is_none() {
        let message = format!("Found new replica set {:?}", new.rs.metadata.name);
        let found = condition(PROGRESSING, "True", FOUND_NEW_REPLICA_SET, message, rollout.now);
        set(&mut deployment.status, found);
    }
}

fn inherit(annotations: &std::collections::BTreeMap<String, String>, rs: &mut ReplicaSet) {
    for (key, value) in annotations.iter().filter(|(key, _)| !NOT_INHERITED.contains(&key.as_str())) {
        rs.metadata.annotations.insert(key.clone(), value.clone());
    }
}

/// Numbers a set; one that had a lower number is rolled back to, and remembers it.
fn renumber(rs: &mut ReplicaSet, next: i64, reasons: &mut Vec<String>) {
    let before = rs.metadata.annotations.get(REVISION).cloned();
    if revision(rs) >= next {
        return;
    }
    rs.metadata.annotations.insert(REVISION.to_owned(), next.to_string());
    reasons.push(format!("it is revision {next}"));
    let Some(before) = before else { return };
    let history = rs.metadata.annotations.entry(REVISION_HISTORY.to_owned()).or_default();
    if history.is_empty() {
        *history = before;
        return;
    }
    history.push(',');
    history.push_str(&before);
    while history.len() > HISTORY_MAX_CHARS {
        match history.find(',') {
            Some(comma) => drop(history.drain(..=comma)),
            None => break,
        }
    }
}

/// Makes the set of the deployment's template when there is none.
pub fn create_missing(cluster: &Cluster, rollout: &mut Rollout, cx: &mut Context) {
    if rollout.new.is_some() || cluster.is_terminating(&rollout.stored.key().namespace) {
        return;
    }
    let Some(name) = free_name(cluster, rollout) else { return };
    let hash = name.rsplit('-').next().unwrap_or_default().to_owned();
    let spec = &rollout.deployment.spec;
    let mut rs = ReplicaSet::default();
    rs.spec.template = spec.template.clone();
    rs.spec.template.metadata.labels.insert(POD_TEMPLATE_HASH.to_owned(), hash.clone());
    let mut selector: LabelSelector = spec.selector.clone().unwrap_or_default();
    selector.match_labels.insert(POD_TEMPLATE_HASH.to_owned(), hash);
    rs.spec.selector = Some(selector);
    rs.spec.min_ready_seconds = spec.min_ready_seconds;
    rs.spec.replicas = Some(0);
    let meta = &mut rs.metadata;
    meta.name = name;
    meta.namespace = rollout.stored.key().namespace.clone();
    meta.uid = cx.ids.uid();
    meta.creation_timestamp = Some(cx.now);
    meta.generation = 1;
    meta.labels = rs.spec.template.metadata.labels.clone();
    meta.owner_references = vec![controller_reference(&rollout.stored)];
    let mut set = Set { rs, stored: None, pods: Counts::default(), running: false, doomed: false, reasons: Vec::new() };
    set.reasons.push(format!("Deployment {} has a new template", rollout.stored.key().name));
    annotate(&mut set, rollout.size(), rollout.fences);
    rollout.new = Some(set);
    let size =
        if fences::is_rolling(&rollout.deployment.spec) { rolling::room_for_new(rollout) } else { rollout.size() };
    rollout.scale_new(size);
    if deadline_s(&rollout.deployment.spec).is_some()
        && let Some(new) = &rollout.new
    {
        let message = format!("Created new replica set {:?}", new.rs.metadata.name);
        let created = condition(PROGRESSING, "True", NEW_REPLICA_SET_CREATED, message, rollout.now);
        set_condition(rollout, created);
    }
    sync(rollout);
}

fn set_condition(rollout: &mut Rollout, condition: masthead_api::apps::deployment::DeploymentCondition) {
    set(&mut rollout.deployment.status, condition);
}

/// The name of the template's set; when another object has it, the deployment counts a collision and hashes anew.
fn free_name(cluster: &Cluster, rollout: &mut Rollout) -> Option<String> {
    let key = rollout.stored.key().clone();
    for _ in 0..COLLISIONS_MAX {
        let status = &mut rollout.deployment.status;
        let name = format!("{}-{}", key.name, template_hash(&rollout.deployment.spec.template, status.collision_count));
        if cluster.get(&ObjectKey::new(REPLICA_SET, key.namespace.as_str(), name.as_str())).is_none() {
            return Some(name);
        }
        status.collision_count = Some(status.collision_count.unwrap_or(0).saturating_add(1));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_comes_back_remembers_its_numbers() {
        let mut rs = ReplicaSet::default();
        let mut check = |next, expect: (&str, Option<&str>)| {
            renumber(&mut rs, next, &mut Vec::new());
            let annotations = &rs.metadata.annotations;
            assert_eq!((annotations[REVISION].as_str(), annotations.get(REVISION_HISTORY).map(String::as_str)), expect);
        };
        check(1, ("1", None));
        check(1, ("1", None));
        check(3, ("3", Some("1")));
        check(2, ("3", Some("1")));
        check(5, ("5", Some("1,3")));
        for next in 6..2000 {
            renumber(&mut rs, next, &mut Vec::new());
        }
        let history = &rs.metadata.annotations[REVISION_HISTORY];
        assert!(history.len() <= HISTORY_MAX_CHARS && history.ends_with(",1997,1998"), "{history}");
    }
}
