//! Random lives of a deployment: at every write the fences hold, at the end it is as asked, and then all is silent.

use std::sync::Arc;

use masthead_api::apps::deployment::Deployment;
use masthead_api::apps::replica_set::ReplicaSet;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{DEPLOYMENT, POD};
use serde_json::{Value, json};

use crate::cluster::view::Cluster;
use crate::context::{Context, Ids};
use crate::delete::{self, Propagation};
use crate::workload::deployment::fences::{Fences, is_rolling, replicas};
use crate::workload::deployment::rollout::{DESIRED_REPLICAS, Set};
use crate::workload::pods::{is_active, is_finished, is_ready};
use crate::workload::sim::manifest;
use crate::workload::sim::world::World;

const CASES: u64 = 1000;

fn deployment_key() -> ObjectKey {
    ObjectKey::new(DEPLOYMENT, "ns", "web")
}

/// Counted here once more, so that a fault in the decider's own counting shows.
fn most(set: &Set) -> i32 {
    set.rs.spec.replicas.unwrap().max(set.pods.active)
}

fn available(set: &Set) -> i32 {
    set.rs.spec.replicas.unwrap().min(set.pods.available)
}

fn sets(cluster: &Cluster, cx: &Context) -> Vec<Set> {
    cluster
        .in_namespace(masthead_api::kind::registry::REPLICA_SET, "ns")
        .map(|object| Set::stored(cluster, object, cx.now).unwrap())
        .collect()
}

/// What must hold at each write of a controller, or after each round of writes that were decided on one view.
fn fences_hold(before: &Cluster, world: &World) {
    let Some(deployment) = world.cluster.typed::<Deployment>(&deployment_key()) else { return };
    let (old, new) = (sets(before, &world.cx), sets(&world.cluster, &world.cx));
    let sum = |sets: &[Set], of: fn(&Set) -> i32| sets.iter().map(of).sum::<i32>();
    let (fences, size) = (Fences::of(&deployment), replicas(&deployment.spec));
    // Sets are never asked for more pods than the upper bound leaves room for.
    if sum(&new, Set::replicas) > sum(&old, Set::replicas) {
        let count = sum(&new, most);
        let list = |sets: &[Set]| {
            format!("{:?}", sets.iter().map(|s| (&s.rs.metadata.name[..], s.replicas(), s.pods)).collect::<Vec<_>>())
        };
        assert!(
            count <= fences.most(size),
            "{count} pods where {size} and {fences:?} are asked for: {} → {}",
            list(&old),
            list(&new)
        );
    }
    // A set never makes more pods than it is asked for, nor gives up more than it has to, nor the wrong ones.
    for set in &new {
        let Some(was) = old.iter().find(|s| s.rs.metadata.uid == set.rs.metadata.uid) else { continue };
        let adopted = owned_names(&world.cluster, &set.rs)
            .iter()
            .any(|name| before.get(&ObjectKey::new(POD, "ns", name.as_str())).is_some());
        if set.pods.active > was.pods.active && !adopted {
            assert!(set.pods.active <= set.replicas().max(was.replicas()), "{} made too many", set.rs.metadata.name);
        }
        assert!(
            available(set) >= available(was).min(set.replicas()),
            "{} gave up pods that serve",
            set.rs.metadata.name
        );
    }
    let scaling = old.iter().any(|s| s.replicas() > 0 && s.annotated(DESIRED_REPLICAS).is_some_and(|n| n != size));
    if is_rolling(&deployment.spec) && !scaling && !deployment.spec.paused {
        let (was, is) = (sum(&old, available), sum(&new, available));
        assert!(
            is >= was || is >= fences.fewest_available(size),
            "{is} of {was} left where {size} and {fences:?} are asked for"
        );
    }
    if !is_rolling(&deployment.spec) {
        let running = new.iter().filter(|s| s.running).count();
        let was = old.iter().filter(|s| s.running).count();
        assert!(running <= was.max(1), "two versions run at once");
    }
}

fn owned_names(cluster: &Cluster, rs: &ReplicaSet) -> Vec<String> {
    cluster.owned_by(&rs.metadata.uid).map(|o| o.key().name.clone()).collect()
}

fn pick<T: Clone>(ids: &mut Ids, from: &[T]) -> T {
    from[ids.below(from.len() as u64) as usize].clone()
}

fn new_deployment(ids: &mut Ids) -> Value {
    let counts = [json!(0), json!(1), json!(2), json!("25%"), json!("50%"), json!("100%"), json!("0%")];
    let mut spec = json!({
        "replicas": ids.below(7),
        "minReadySeconds": pick(ids, &[0, 0, 2]),
        "progressDeadlineSeconds": pick(ids, &[600, 5]),
        "revisionHistoryLimit": pick(ids, &[10, 2, 0]),
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "web:1"}]}},
    });
    if ids.below(8) == 0 {
        spec["strategy"] = json!({"type": "Recreate"});
    } else {
        let surge = pick(ids, &counts);
        // Two plain zeros are refused; a percentage that rounds down to zero is not.
        let unavailable =
            if surge == json!(0) || surge == json!("0%") { pick(ids, &counts[1..6]) } else { pick(ids, &counts) };
        spec["strategy"] = json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
    }
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

fn ask(world: &mut World, patch: Value) {
    let before = world.get(&deployment_key());
    let mut after = before.clone();
    manifest::patch(&mut after, &patch);
    if after != before {
        world.put(manifest::written(&before, after));
    }
}

fn image(world: &mut World, tag: &str) {
    ask(world, json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": format!("web:{tag}")}]}}}}));
}

fn pods(world: &World) -> Vec<Arc<Pod>> {
    world.cluster.list_all::<Pod>().collect()
}

fn running(world: &World, ids: &mut Ids) -> Option<Arc<Pod>> {
    let running: Vec<Arc<Pod>> =
        pods(world).into_iter().filter(|p| is_active(p) && p.status.phase == "Running").collect();
    (!running.is_empty()).then(|| pick(ids, &running))
}

fn key_of(pod: &Pod) -> ObjectKey {
    ObjectKey::new(POD, "ns", pod.metadata.name.as_str())
}

fn disturb(world: &mut World, ids: &mut Ids) {
    match ids.below(12) {
        0..=3 => {
            let tag = pick(ids, &["1", "2", "3", "bad", "unready"]);
            image(world, tag);
        }
        4 | 5 => ask(world, json!({"spec": {"replicas": ids.below(8)}})),
        6 => ask(world, json!({"spec": {"paused": pick(ids, &[Value::Null, json!(true)])}})),
        kind => {
            let Some(pod) = running(world, ids) else { return };
            let key = key_of(&pod);
            match kind {
                7 => world.finish(&key, "Failed"),
                8 | 9 => world.set_ready(&key, !is_ready(&pod)),
                10 => {
                    let live = world.cluster.get(&key).unwrap().clone();
                    let now = world.time();
                    let change = delete::delete(&live, None, Propagation::Background, now, "a user asks for it")
                        .unwrap()
                        .unwrap();
                    world.change(change);
                }
                _ if ids.below(2) == 0 => world.edit(&key, |pod| pod["metadata"]["labels"]["app"] = json!("other")),
                _ => {
                    let mut extra = world.get(&key);
                    let name = format!("extra-{}", ids.suffix());
                    extra["metadata"] = json!({"name": name, "namespace": "ns", "uid": ids.uid(), "labels": extra["metadata"]["labels"],
                        "creationTimestamp": world.time()});
                    extra["status"] = json!({"phase": "Pending"});
                    extra["spec"].as_object_mut().unwrap().remove("nodeName");
                    world.put(extra);
                }
            }
        }
    }
}

fn live(seed: u64) {
    let mut ids = Ids::new(seed);
    let mut world = World::new(seed, true);
    world.watch = Some(fences_hold);
    world.rounds = seed % 2 == 1;
    let (uid, now) = (ids.uid(), json!(world.time()));
    world.put(manifest::create(new_deployment(&mut ids), uid, &now));
    for _ in 0..ids.below(12) {
        match ids.below(4) {
            0 => world.decide_some(ids.below(6) as usize),
            1 => world.decide(),
            2 => world.pass(ids.below(700) as i64),
            _ => world.pass(ids.below(9000) as i64),
        }
        disturb(&mut world, &mut ids);
    }
    image(&mut world, "last");
    ask(&mut world, json!({"spec": {"paused": null}}));
    for _ in 0..60 {
        for pod in pods(&world).iter().filter(|p| is_active(p) && p.status.phase == "Running" && !is_ready(p)) {
            if pod.spec.containers[0].image == "web:last" {
                world.set_ready(&key_of(pod), true);
            }
        }
        world.pass(1000);
    }
    at_the_end(&mut world);
}

fn at_the_end(world: &mut World) {
    world.assert_silent();
    let deployment = world.cluster.typed::<Deployment>(&deployment_key()).unwrap();
    let (size, status) = (replicas(&deployment.spec), &deployment.status);
    let counts = [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas];
    assert_eq!(counts, [size; 4], "{status:?}");
    assert_eq!((status.unavailable_replicas, status.terminating_replicas), (0, Some(0)));
    let condition =
        |kind: &str| status.conditions.iter().find(|c| c.type_ == kind).map(|c| (c.status.clone(), c.reason.clone()));
    assert_eq!(condition("Progressing"), Some(("True".into(), "NewReplicaSetAvailable".into())));
    assert_eq!(condition("Available"), Some(("True".into(), "MinimumReplicasAvailable".into())));
    let limit = deployment.spec.revision_history_limit.unwrap();
    assert!(world.cluster.list::<ReplicaSet>("ns").count() <= 1 + usize::try_from(limit).unwrap());
    let ours: Vec<Arc<Pod>> = pods(world)
        .into_iter()
        .filter(|p| !is_finished(p) && p.metadata.labels.get("app").is_some_and(|app| app == "web"))
        .collect();
    assert_eq!(ours.len(), usize::try_from(size).unwrap());
    assert!(
        ours.iter()
            .all(|p| p.spec.containers[0].image == "web:last" && is_ready(p) && p.metadata.owner_references.len() == 1)
    );
}

#[test]
fn deployments_keep_their_promises() {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let run = |first: u64| -> Vec<u64> {
        let seeds = (first..CASES).step_by(threads as usize);
        seeds.filter(|seed| std::panic::catch_unwind(|| live(*seed)).is_err()).collect()
    };
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|first| scope.spawn(move || run(first))).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "seeds {failed:?}");
}
