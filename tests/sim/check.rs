//! The store after each transaction and the nodes at each moment → whether what was promised holds, counted anew here.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use masthead::control::view::View;
use masthead_agent::pods::observe::Phase;
use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::core::pod::Pod;
use masthead_api::intstr::IntOrString;
use masthead_api::key::{ObjectKey, STORE_ROOT};
use masthead_api::object::Object;
use masthead_plan::cluster::event::Changed;
use masthead_plan::cluster::view::Cluster;
use masthead_store::kv::{EventKind, KeyRange, Kv, Revision, WatchRequest, WatchStream};
use masthead_store::objects;

use super::agent::Agent;
use super::git::{App, Git};
use super::jobs::Seen;
use super::store::{Store, now};
use super::trace;

/// What a deployment was seen to keep.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// The most pods it may have while what was asked for earlier is still under way.
    ceiling: i64,
    /// The fewest pods that answer, once that many did.
    floor: i64,
    /// Promises of the last specs, by the time at which they ended.
    promises: Vec<(i64, i64)>,
    promise: i64,
    size: i64,
    uid: String,
}

/// How long a decision may be under way when a commit overtakes it.
const OVERTAKEN_MS: i64 = 3000;

pub struct Checker {
    view: View,
    watch: WatchStream,
    kept: BTreeMap<(String, String), Kept>,
    generations: BTreeMap<String, i64>,
    /// The restarts of each pod, by its uid.
    restarts: BTreeMap<String, i32>,
    applied: Option<usize>,
    /// Keys written since it was last reset.
    pub written: Vec<String>,
    /// Whether only rollouts take pods out of service in this run.
    pub is_calm: bool,
    pub writes: usize,
    jobs: Seen,
}

fn scaled(value: &IntOrString, size: i64, up: bool) -> i64 {
    match value {
        IntOrString::Int(n) => i64::from(*n),
        IntOrString::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            if up { (size * percent + 99) / 100 } else { size * percent / 100 }
        }
    }
}

/// The most pods and the fewest available ones that a deployment promises while it rolls.
fn bounds(deployment: &Deployment) -> (i64, i64) {
    let size = i64::from(deployment.spec.replicas.unwrap_or(1));
    let Some(rolling) = &deployment.spec.strategy.rolling_update else { return (size, 0) };
    let surge = rolling.max_surge.as_ref().map_or(0, |v| scaled(v, size, true));
    let unavailable = rolling.max_unavailable.as_ref().map_or(0, |v| scaled(v, size, false));
    (size + surge, size - if surge == 0 && unavailable == 0 { 1 } else { unavailable.min(size) })
}

fn is_active(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && pod.status.phase != "Succeeded" && pod.status.phase != "Failed"
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn deployment_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(masthead_api::kind::registry::DEPLOYMENT, namespace, name)
}

fn pods_of(cluster: &Cluster, namespace: &str, app: &str) -> Vec<Arc<Pod>> {
    cluster.list::<Pod>(namespace).filter(|p| p.metadata.labels.get("app").is_some_and(|l| l == app)).collect()
}

/// Pods that serve and that their sets will keep: by set the smaller of its size and its ready pods.
fn served(cluster: &Cluster, namespace: &str, app: &str) -> i64 {
    let pods = pods_of(cluster, namespace, app);
    let sets =
        cluster.list::<ReplicaSet>(namespace).filter(|rs| rs.metadata.labels.get("app").is_some_and(|l| l == app));
    sets.map(|rs| {
        let own = |p: &&Arc<Pod>| p.metadata.owner_references.iter().any(|o| o.uid == rs.metadata.uid);
        let ready = pods.iter().filter(own).filter(|p| is_active(p) && is_ready(p)).count();
        i64::from(rs.spec.replicas.unwrap_or(1)).min(ready as i64)
    })
    .sum()
}

fn watch(store: &Store) -> WatchStream {
    let request = WatchRequest::new(KeyRange::prefix(STORE_ROOT), Revision(store.now()).next());
    now(store.watch(request)).expect("the memory store answers")
}

impl Checker {
    pub fn new(store: &Store, is_calm: bool) -> Checker {
        Checker {
            view: View::default(),
            watch: watch(store),
            kept: BTreeMap::new(),
            generations: BTreeMap::new(),
            restarts: BTreeMap::new(),
            applied: None,
            written: Vec::new(),
            is_calm,
            writes: 0,
            jobs: Seen::default(),
        }
    }

    pub fn cluster(&self) -> Cluster {
        self.view.read().clone()
    }

    /// The store is another, and empty.
    pub fn replaced(&mut self, store: &Store) {
        (self.view, self.watch, self.applied) = (View::default(), watch(store), None);
        self.generations.clear();
        self.restarts.clear();
        self.jobs.lost = true;
    }

    /// Takes in every transaction since the last look, one by one; whether there was any.
    pub fn look(&mut self, git: &Git, commit: Option<usize>, now_ms: i64) -> bool {
        let mut any = false;
        while let Some(Some(batch)) = self.watch.next().now_or_never() {
            let batch = batch.expect("the memory store keeps its watch");
            let before = self.cluster();
            let mut stored = Vec::new();
            for event in &batch.events {
                let value = (event.kind == EventKind::Put).then_some(&event.kv.value);
                stored.extend(objects::read(&event.kv.key, value, event.kv.mod_revision));
                self.written.push(String::from_utf8_lossy(&event.kv.key).into_owned());
            }
            let changed = self.view.take(stored, batch.revision.0);
            trace::line(|| format!("  store {}: {} keys", batch.revision, batch.events.len()));
            any = true;
            self.writes += 1;
            self.transaction(&before, &changed, git, commit, now_ms);
        }
        any
    }

    fn transaction(&mut self, before: &Cluster, changed: &[Changed], git: &Git, commit: Option<usize>, now_ms: i64) {
        let after = self.cluster();
        for change in changed {
            self.generation(change);
            self.restarts(change);
            deleted_for_a_reason(&after, change, git, commit);
            born_of_an_owner(&after, change);
        }
        if let Some(applied) = after.applied_commit() {
            let place = git.place(applied).expect("only commits of the repository are applied");
            assert!(
                self.applied.is_none_or(|last| last <= place),
                "commit {place} was applied after {:?}",
                self.applied
            );
            self.applied = Some(place);
        }
        self.jobs.transaction(&after, changed);
        for deployment in after.list_all::<Deployment>() {
            self.fences(before, &after, &deployment, changed, now_ms);
        }
    }

    /// What has restarted has restarted, whatever its node forgets.
    fn restarts(&mut self, change: &Changed) {
        let Some(pod) = change.new.as_ref().and_then(|new| new.typed::<Pod>().ok()) else { return };
        let now: i32 = pod.status.container_statuses.iter().map(|status| status.restart_count).sum();
        let last = self.restarts.insert(pod.metadata.uid.clone(), now).unwrap_or(0);
        assert!(now >= last, "the restarts of {} went back from {last} to {now}", pod.metadata.name);
    }

    fn generation(&mut self, change: &Changed) {
        let Some(new) = &change.new else { return };
        let (uid, generation) = (new.meta().uid.clone(), new.meta().generation);
        let last = self.generations.insert(uid, generation).unwrap_or(0);
        assert!(generation >= last, "the generation of {} went back from {last} to {generation}", new.key());
    }

    fn fences(&mut self, before: &Cluster, after: &Cluster, deployment: &Deployment, changed: &[Changed], now_ms: i64) {
        let (namespace, app) = (deployment.metadata.namespace.as_str(), deployment.metadata.name.as_str());
        let kept = self.kept.entry((namespace.to_owned(), app.to_owned())).or_default();
        let (most, fewest) = bounds(deployment);
        let size = i64::from(deployment.spec.replicas.unwrap_or(1));
        if kept.uid != deployment.metadata.uid {
            let floor = kept.floor.min(fewest);
            *kept = Kept { promise: fewest, size, uid: deployment.metadata.uid.clone(), floor, ..Kept::default() };
            kept.ceiling = i64::MAX;
            kept.promises.push((now_ms, 0));
        }
        if (kept.promise, kept.size) != (fewest, size) {
            kept.promises.push((now_ms, kept.promise));
            // Another size is spread over the sets in proportion, which may take more than one step.
            if kept.size != size {
                kept.promises.push((now_ms + OVERTAKEN_MS, 0));
            }
            (kept.promise, kept.size) = (fewest, size);
        }
        kept.promises.retain(|(at, _)| at + OVERTAKEN_MS > now_ms);
        // What a lost store left behind of earlier templates belongs to no set, and goes as a rollout allows.
        let is_counted = |p: &&Arc<Pod>| is_active(p) && !p.metadata.owner_references.is_empty();
        let active = |cluster: &Cluster| pods_of(cluster, namespace, app).iter().filter(is_counted).count() as i64;
        let sets: Vec<Arc<ReplicaSet>> = after
            .list::<ReplicaSet>(namespace)
            .filter(|rs| rs.metadata.labels.get("app").is_some_and(|l| l == app))
            .collect();
        let asked: i64 = sets.iter().map(|rs| i64::from(rs.spec.replicas.unwrap_or(1))).sum();
        let (count, was) = (active(after), active(before));
        kept.ceiling = if count.max(asked) <= most { most } else { kept.ceiling.max(most) };
        let created = changed.iter().any(|c| {
            let pod = c.new.as_ref().filter(|_| c.old.is_none()).and_then(|o| o.typed::<Pod>().ok());
            pod.is_some_and(|p| {
                p.metadata.namespace == namespace
                    && p.metadata.labels.get("app").is_some_and(|l| l == app)
                    && p.spec.node_name.is_empty()
            })
        });
        assert!(
            !created || count <= was || count <= kept.ceiling,
            "over maxSurge: {count} pods of {namespace}/{app}, {} at the most",
            kept.ceiling
        );
        let shrunk = changed.iter().any(|c| is_smaller_set(c, namespace, app));
        if shrunk && deployment.spec.strategy.type_ == "RollingUpdate" && !kept.promises.iter().any(|(_, p)| *p == 0) {
            let (left, had) = (served(after, namespace, app), served(before, namespace, app));
            let promise = kept.promises.iter().map(|(_, p)| *p).fold(fewest, i64::min);
            assert!(
                left >= had || left >= promise,
                "under maxUnavailable: {left} of {had} pods of {namespace}/{app} are left, {promise} are promised"
            );
        }
    }

    /// What the nodes really run at this moment.
    pub fn nodes(&mut self, agents: &[Agent]) {
        let mut places: BTreeMap<&str, &str> = BTreeMap::new();
        for agent in agents {
            for (uid, pod) in agent.runtime.pods.iter().filter(|(_, pod)| pod.is_alive()) {
                let other = places.insert(uid, &agent.name);
                assert!(other.is_none(), "pod {} runs on {} and on {other:?}", pod.name, agent.name);
            }
        }
        if !self.is_calm {
            return;
        }
        let cluster = self.cluster();
        for ((namespace, app), kept) in &mut self.kept {
            let Some(deployment) = cluster.typed::<Deployment>(&deployment_key(namespace, app)) else { continue };
            if deployment.metadata.deletion_timestamp.is_some()
                || deployment.spec.strategy.type_ != "RollingUpdate"
                || cluster.is_terminating(namespace)
            {
                kept.floor = 0;
                continue;
            }
            let all = agents.iter().flat_map(|a| &a.runtime.pods);
            let serving = all.filter(|(_, pod)| pod.namespace == *namespace && pod.app == *app && pod.serves()).filter(
                |(uid, pod)| {
                    let key = ObjectKey::new(masthead_api::kind::registry::POD, namespace.as_str(), pod.name.as_str());
                    cluster.typed::<Pod>(&key).is_none_or(|live| live.metadata.uid != **uid || is_active(&live))
                },
            );
            let serving: Vec<&String> = serving.map(|(uid, _)| uid).collect();
            // Of a pod that answers and that has not told so yet the control plane promises nothing.
            let known = pods_of(&cluster, namespace, app).into_iter().filter(|p| is_ready(p));
            let known = known.filter(|p| serving.contains(&&p.metadata.uid)).count() as i64;
            let serving = serving.len() as i64;
            let promised = kept.promises.iter().map(|(_, p)| *p).fold(kept.promise, i64::min);
            kept.floor = if known >= promised { promised } else { kept.floor.min(promised) };
            assert!(
                serving >= kept.floor,
                "under maxUnavailable: {serving} pods of {namespace}/{app} answer, {} did and are promised",
                kept.floor
            );
        }
    }

    /// Whether all is as the newest commit asks, and nothing else is there; else what is not.
    pub fn end(&self, git: &Git, agents: &[Agent]) -> Result<(), String> {
        let cluster = self.cluster();
        let commit = git.commits.last().ok_or("there is no commit")?;
        if cluster.applied_commit() != Some(&commit.desired.commit.id) {
            return Err(format!("commit {:?} is applied", cluster.applied_commit()));
        }
        for ((namespace, name), app) in &commit.tree.apps {
            is_up(&cluster, namespace, name, app, agents)?;
        }
        for ((namespace, name), task) in &commit.tree.tasks {
            task.is_done(&cluster, namespace, name)?;
        }
        for (key, content) in &commit.tree.configs {
            let key = ObjectKey::new(
                masthead_api::kind::Kind::by_gvk("v1", "ConfigMap").ok_or("no such kind")?,
                key.0.as_str(),
                key.1.as_str(),
            );
            let live = cluster.get(&key).ok_or_else(|| format!("{key} is missing"))?.value();
            if live["data"]["a"].as_str() != Some(&content.to_string()) {
                return Err(format!("{key} holds {}", live["data"]));
            }
        }
        nothing_else(&cluster, git, agents)
    }
}

fn is_smaller_set(change: &Changed, namespace: &str, app: &str) -> bool {
    let set = |object: &Option<Arc<Object>>| object.as_ref().and_then(|o| o.typed::<ReplicaSet>().ok());
    let (Some(old), Some(new)) = (set(&change.old), set(&change.new)) else { return false };
    let is_ours = new.metadata.namespace == namespace && new.metadata.labels.get("app").is_some_and(|l| l == app);
    is_ours && new.spec.replicas < old.spec.replicas
}

/// What git asks for is deleted only when a commit removed it.
fn deleted_for_a_reason(after: &Cluster, change: &Changed, git: &Git, commit: Option<usize>) {
    let Some(old) = &change.old else { return };
    let marked = change
        .new
        .as_ref()
        .is_some_and(|new| new.meta().deletion_timestamp.is_some() && old.meta().deletion_timestamp.is_none());
    let kind = old.kind().info().kind;
    if !(marked || change.new.is_none())
        || !matches!(kind, "Deployment" | "ConfigMap" | "Namespace")
        || old.meta().deletion_timestamp.is_some()
    {
        return;
    }
    let wanted = commit.is_some_and(|place| git.commits[place].desired.objects.contains_key(old.key()));
    let goes = after.is_terminating(&old.key().namespace);
    assert!(!wanted || goes, "{} is deleted, and commit {commit:?} asks for it", old.key());
}

/// A pod that a controller makes has an owner that is there.
fn born_of_an_owner(after: &Cluster, change: &Changed) {
    let (None, Some(new)) = (&change.old, &change.new) else { return };
    let Some(owner) = new.meta().owner_references.iter().find(|o| o.controller == Some(true)) else { return };
    if new.kind().info().kind == "Pod" {
        let key = ObjectKey::new(
            masthead_api::kind::Kind::by_gvk(&owner.api_version, &owner.kind).expect("a kind that makes pods"),
            new.key().namespace.as_str(),
            owner.name.as_str(),
        );
        let is_there = after.get(&key).is_some_and(|rs| rs.meta().uid == owner.uid);
        assert!(
            is_there || after.get(&key).is_none(),
            "{} belongs to an owner that another took the name of",
            new.key()
        );
    }
}

fn is_up(cluster: &Cluster, namespace: &str, name: &str, app: &App, agents: &[Agent]) -> Result<(), String> {
    let live = cluster
        .typed::<Deployment>(&deployment_key(namespace, name))
        .ok_or_else(|| format!("{namespace}/{name} is missing"))?;
    let pods = pods_of(cluster, namespace, name);
    if pods.len() as u64 != app.replicas {
        return Err(format!("{} pods of {namespace}/{name}, {} are asked for", pods.len(), app.replicas));
    }
    for pod in &pods {
        let image = &pod.spec.containers[0].image;
        if !is_active(pod) || !is_ready(pod) || *image != app.image {
            return Err(format!(
                "pod {} is {} with {image}, ready: {}",
                pod.metadata.name,
                pod.status.phase,
                is_ready(pod)
            ));
        }
        let node = agents.iter().find(|a| a.name == pod.spec.node_name).ok_or("a pod is on no node")?;
        let real = node
            .runtime
            .pods
            .get(&pod.metadata.uid)
            .ok_or_else(|| format!("{} does not run {}", node.name, pod.metadata.name))?;
        let running = real.containers.iter().filter(|c| c.seen.phase == Phase::Running).count();
        if running != 1 || !real.serves() {
            return Err(format!("{running} containers of {} run, serving: {}", pod.metadata.name, real.serves()));
        }
    }
    let size = i32::try_from(app.replicas).unwrap_or(i32::MAX);
    let status = &live.status;
    let counts = [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas];
    if counts != [size; 4] || status.observed_generation != live.metadata.generation {
        return Err(format!("the status of {namespace}/{name} says {counts:?} of {size}"));
    }
    Ok(())
}

/// No object that no commit asks for, no pod without an owner, no container without a pod.
fn nothing_else(cluster: &Cluster, git: &Git, agents: &[Agent]) -> Result<(), String> {
    let commit = git.commits.last().ok_or("there is no commit")?;
    for object in cluster.objects() {
        let meta = object.meta();
        let is_owned =
            || meta.owner_references.iter().any(|owner| cluster.objects().any(|o| o.meta().uid == owner.uid));
        let known = match object.kind().info().kind {
            "Deployment" | "ConfigMap" | "Job" => commit.desired.objects.contains_key(object.key()),
            "Namespace" => {
                commit.desired.objects.contains_key(object.key())
                    || ["default", "kube-node-lease", "kube-public", "kube-system"].contains(&&*object.key().name)
            }
            "Pod" | "ReplicaSet" => is_owned(),
            _ => true,
        };
        if !known || meta.deletion_timestamp.is_some() {
            return Err(format!("{} is left over", object.key()));
        }
    }
    for agent in agents {
        for (uid, pod) in &agent.runtime.pods {
            if !cluster.list_all::<Pod>().any(|p| p.metadata.uid == *uid && p.spec.node_name == agent.name) {
                return Err(format!("{} holds pod {}, which nobody knows", agent.name, pod.name));
            }
        }
    }
    Ok(())
}
