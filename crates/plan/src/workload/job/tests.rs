//! Jobs by table, and random lives of jobs in which every write may be the last before a crash.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::batch::job::Job;
use masthead_api::core::pod::Pod;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{JOB, POD};
use masthead_api::meta::Time;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::Cluster;
use crate::context::Ids;
use crate::delete::{self, Propagation};
use crate::workload::job::backoff;
use crate::workload::job::condition;
use crate::workload::job::policy::{self, Verdict};
use crate::workload::pods::is_active;
use crate::workload::sim::manifest;
use crate::workload::sim::world::World;

fn key() -> ObjectKey {
    ObjectKey::new(JOB, "ns", "job")
}

fn job(spec: Value, image: &str) -> Value {
    let mut spec = spec;
    let restart = if spec["restart"].is_null() { json!("Never") } else { spec["restart"].take() };
    spec.as_object_mut().unwrap().remove("restart");
    spec["template"] = json!({"spec": {"restartPolicy": restart, "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "c", "image": image}]}});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": spec})
}

fn world(seed: u64, spec: Value, image: &str) -> World {
    let mut world = World::new(seed, false);
    let (uid, now) = (world.cx.ids.uid(), json!(world.time()));
    world.put(manifest::create(job(spec, image), uid, &now));
    world
}

fn live(world: &World) -> std::sync::Arc<Job> {
    world.cluster.typed::<Job>(&key()).expect("the job is there")
}

fn pods(world: &World) -> Vec<std::sync::Arc<Pod>> {
    world.cluster.list_all::<Pod>().collect()
}

/// The end of a job: condition and reason, counters.
fn end(world: &World) -> String {
    let job = live(world);
    let status = &job.status;
    let end = condition::end(status).map_or_else(|| "goes on".to_owned(), |c| format!("{} {}", c.type_, c.reason));
    let indexes = status.failed_indexes.clone().unwrap_or_default();
    format!(
        "{end}: {} active, {} succeeded, {} failed [{}|{indexes}]",
        status.active, status.succeeded, status.failed, status.completed_indexes
    )
}

#[test]
fn jobs_end_as_their_specification_says() {
    let check = |spec: Value, image: &str, minutes: i64, expect: &str| {
        let mut world = world(3, spec.clone(), image);
        world.pass(minutes * 60_000);
        assert_eq!(end(&world), expect, "{spec} {image}");
        world.settle();
        world.assert_silent();
        for pod in pods(&world).iter().filter(|_| condition::end(&live(&world).status).is_some()) {
            assert!(pod.metadata.finalizers.is_empty(), "{} is let go of", pod.metadata.name);
        }
    };
    check(
        json!({"completions": 5, "parallelism": 2}),
        "j:ok",
        1,
        "Complete CompletionsReached: 0 active, 5 succeeded, 0 failed [|]",
    );
    check(json!({"completions": 0}), "j:ok", 1, "Complete CompletionsReached: 0 active, 0 succeeded, 0 failed [|]");
    check(json!({"parallelism": 0}), "j:ok", 1, "goes on: 0 active, 0 succeeded, 0 failed [|]");
    check(json!({"suspend": true}), "j:ok", 1, "goes on: 0 active, 0 succeeded, 0 failed [|]");
    check(json!({"backoffLimit": 0}), "j:fail", 1, "Failed BackoffLimitExceeded: 0 active, 0 succeeded, 1 failed [|]");
    // 10, 20, 40 seconds between the four tries.
    check(json!({"backoffLimit": 3}), "j:fail", 1, "goes on: 0 active, 0 succeeded, 3 failed [|]");
    check(json!({"backoffLimit": 3}), "j:fail", 2, "Failed BackoffLimitExceeded: 0 active, 0 succeeded, 4 failed [|]");
    check(
        json!({"activeDeadlineSeconds": 30}),
        "j:run",
        1,
        "Failed DeadlineExceeded: 0 active, 0 succeeded, 1 failed [|]",
    );
    check(json!({"activeDeadlineSeconds": 90}), "j:run", 1, "goes on: 1 active, 0 succeeded, 0 failed [|]");
    let indexed = |rest: Value| {
        let mut spec = json!({"completionMode": "Indexed", "completions": 4, "parallelism": 4});
        spec.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
        spec
    };
    check(indexed(json!({})), "j:ok", 1, "Complete CompletionsReached: 0 active, 4 succeeded, 0 failed [0-3|]");
    check(
        indexed(json!({"backoffLimitPerIndex": 1})),
        "j:fail-idx2",
        2,
        "Failed FailedIndexes: 0 active, 3 succeeded, 2 failed [0,1,3|2]",
    );
    check(
        indexed(json!({"backoffLimitPerIndex": 0, "maxFailedIndexes": 0, "parallelism": 1})),
        "j:fail-idx1",
        1,
        "Failed MaxFailedIndexesExceeded: 0 active, 1 succeeded, 1 failed [0|1]",
    );
    check(
        indexed(
            json!({"successPolicy": {"rules": [{"succeededIndexes": "1-2", "succeededCount": 1}]}, "parallelism": 2}),
        ),
        "j:ok",
        1,
        "Complete SuccessPolicy: 0 active, 2 succeeded, 0 failed [0,1|]",
    );
    let rule = |action: &str, code: i32| json!({"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [code]}}]});
    check(
        json!({"podFailurePolicy": rule("FailJob", 42)}),
        "j:exit42",
        1,
        "Failed PodFailurePolicy: 0 active, 0 succeeded, 1 failed [|]",
    );
    check(
        json!({"podFailurePolicy": rule("Ignore", 42), "backoffLimit": 0, "activeDeadlineSeconds": 100}),
        "j:exit42",
        1,
        "goes on: 0 active, 0 succeeded, 0 failed [|]",
    );
    check(
        json!({"podFailurePolicy": rule("Ignore", 41), "backoffLimit": 0}),
        "j:exit42",
        1,
        "Failed BackoffLimitExceeded: 0 active, 0 succeeded, 1 failed [|]",
    );
}

#[test]
fn a_job_that_ends_is_gone_after_its_time() {
    let mut world = world(1, json!({"ttlSecondsAfterFinished": 100}), "j:ok");
    world.pass(60_000);
    assert_eq!(end(&world), "Complete CompletionsReached: 0 active, 1 succeeded, 0 failed [|]");
    world.pass(60_000);
    assert!(world.cluster.get(&key()).is_none() && pods(&world).is_empty());
    world.decide();
    world.assert_silent();
}

/// By the magnitude of their ages, by which replicas are given up, the pods would be equals.
#[test]
fn fewer_pods_at_once_leaves_the_one_that_has_run_longest() {
    let mut world = world(1, json!({"parallelism": 1, "completions": 9}), "j:run");
    let mut at_once = |parallelism: i32, s: i64| {
        let before = world.get(&key());
        let mut after = before.clone();
        after["spec"]["parallelism"] = parallelism.into();
        world.put(manifest::written(&before, after));
        world.pass(s * 1000);
        pods(&world).iter().map(|pod| pod.metadata.name.clone()).collect::<BTreeSet<String>>()
    };
    let first = at_once(1, 20);
    assert_eq!((first.len(), at_once(6, 40).len()), (1, 6));
    assert_eq!(at_once(1, 5), first);
}

#[test]
fn suspending_stops_pods_and_counts_none() {
    let mut world = world(1, json!({"parallelism": 2, "completions": 2, "activeDeadlineSeconds": 50}), "j:run");
    world.pass(30_000);
    assert_eq!(live(&world).status.active, 2);
    let started = live(&world).status.start_time;
    let suspend = |world: &mut World, is: bool| {
        let before = world.get(&key());
        let mut after = before.clone();
        after["spec"]["suspend"] = is.into();
        world.put(manifest::written(&before, after));
        world.pass(30_000);
    };
    suspend(&mut world, true);
    assert_eq!(end(&world), "goes on: 0 active, 0 succeeded, 0 failed [|]");
    assert!(pods(&world).is_empty() && started.is_some() && live(&world).status.start_time.is_none());
    // The deadline counts from when it goes on.
    suspend(&mut world, false);
    assert_eq!(end(&world), "goes on: 2 active, 0 succeeded, 0 failed [|]");
    world.pass(30_000);
    assert_eq!(end(&world), "Failed DeadlineExceeded: 0 active, 0 succeeded, 2 failed [|]");
    let events: Vec<&str> = world.events.iter().map(|e| e.reason.as_str()).collect();
    let said = |reason: &str| events.iter().filter(|e| **e == reason).count();
    assert_eq!(
        ["Suspended", "Resumed", "SuccessfulCreate", "SuccessfulDelete", "DeadlineExceeded"].map(said),
        [1, 1, 4, 4, 1]
    );
}

#[test]
fn a_pod_that_stops_is_replaced_at_once_or_when_it_has_stopped() {
    let check = |policy: &str, active: i32, failed: i32| {
        let mut world = world(1, json!({"podReplacementPolicy": policy}), "j:run");
        world.pass(5_000);
        let pod = world.cluster.of_kind(POD).next().expect("a pod").clone();
        let mark = delete::delete(&pod, None, Propagation::Background, world.time(), "test").unwrap().unwrap();
        world.change(mark);
        world.decide();
        let status = live(&world).status.clone();
        assert_eq!((status.active, status.terminating, status.failed), (active, Some(1), failed), "{policy}");
        world.pass(30_000);
        let status = live(&world).status.clone();
        assert_eq!((status.active, status.terminating, status.failed), (1, Some(0), 1), "{policy}");
        assert_eq!(pods(&world).len(), 1);
    };
    // A failure is followed by a wait, whoever replaces the pod.
    check("TerminatingOrFailed", 0, 1);
    check("Failed", 0, 0);
}

#[test]
fn pods_of_an_index_know_it() {
    let mut world = world(
        1,
        json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 3}),
        "j:fail-idx1",
    );
    world.pass(15_000);
    let mut seen: Vec<String> = pods(&world)
        .iter()
        .map(|pod| {
            let note = |key: &str| {
                pod.metadata.annotations.get(&format!("batch.kubernetes.io/{key}")).cloned().unwrap_or_default()
            };
            let field = pod.spec.containers[0].env[0]
                .value_from
                .as_ref()
                .unwrap()
                .field_ref
                .as_ref()
                .unwrap()
                .field_path
                .clone();
            assert_eq!(field, "metadata.labels['batch.kubernetes.io/job-completion-index']");
            assert_eq!(pod.spec.containers[0].env[0].name, "JOB_COMPLETION_INDEX");
            format!(
                "{} {} {} {}",
                pod.spec.hostname,
                note("job-completion-index"),
                note("job-index-failure-count"),
                pod.status.phase
            )
        })
        .collect();
    seen.sort();
    assert_eq!(seen, ["job-0 0 0 Succeeded", "job-1 1 0 Failed", "job-1 1 1 Failed"]);
}

#[test]
fn waits_double_up_to_ten_minutes() {
    for (failures, expect) in [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (40, 600)] {
        assert_eq!(backoff::left_s(failures, Time(100), Time(100)), expect, "{failures}");
    }
    assert_eq!(backoff::left_s(2, Time(100), Time(115)), 5);
    assert_eq!(backoff::left_s(2, Time(100), Time(1000)), 0);
}

/// A pod that is deleted counts as failed, and the next one waits although nothing is left of it.
#[test]
fn a_pod_that_was_deleted_is_replaced_after_the_wait() {
    let check = |image: &str| {
        let mut world = world(1, json!({}), image);
        world.pass(5_000);
        let mut waits = |runs_after_s: i64| {
            let pod = world.cluster.of_kind(POD).next().expect("it runs").clone();
            let mark = delete::delete(&pod, None, Propagation::Background, world.time(), "a user").unwrap();
            world.change(mark.expect("it was not marked"));
            world.pass(runs_after_s * 1000 - 2_000);
            assert_eq!(pods(&world).len(), 0, "{image}, {runs_after_s}");
            world.pass(3_000);
            assert_eq!(pods(&world).len(), 1, "{image}, {runs_after_s}");
        };
        waits(10);
        waits(20);
        waits(40);
        assert_eq!(end(&world), "goes on: 1 active, 0 succeeded, 3 failed [|]");
    };
    check("j:run");
    check("j:bad");
}

/// Pods that are suspended did not fail: the next ones come at once.
#[test]
fn a_job_that_goes_on_does_not_wait_for_what_was_suspended() {
    let mut world = world(1, json!({"parallelism": 2, "completions": 2}), "j:run");
    world.pass(5_000);
    for suspend in [true, false] {
        let before = world.get(&key());
        let mut after = before.clone();
        after["spec"]["suspend"] = suspend.into();
        world.put(manifest::written(&before, after));
        world.pass(1_000);
    }
    assert_eq!(end(&world), "goes on: 2 active, 0 succeeded, 0 failed [|]");
}

/// Times are whole seconds: by them alone the failure would not be after the success, and nothing would wait.
#[test]
fn a_failure_in_the_second_of_a_success_waits_when_it_is_counted_after_it() {
    let spec = |parallelism: i32| json!({"completionMode": "Indexed", "completions": 2, "parallelism": parallelism});
    let mut one_by_one = world(1, spec(1), "j:fail-idx1");
    one_by_one.pass(8_000);
    assert_eq!(end(&one_by_one), "goes on: 0 active, 1 succeeded, 1 failed [0|]");
    // Counted together the failure is not after the success; that of the next try is.
    let mut at_once = world(1, spec(2), "j:fail-idx1");
    at_once.together = true;
    at_once.pass(8_000);
    assert_eq!(end(&at_once), "goes on: 0 active, 1 succeeded, 2 failed [0|]");
}

/// A view that is loaded anew knows of the pods that are still there.
#[test]
fn failures_in_a_row_are_known_of_pods_that_are_there() {
    let mut world = world(1, json!({"backoffLimit": 9}), "j:fail");
    world.pass(60_000);
    let mut anew = Cluster::default();
    for object in world.cluster.objects() {
        anew.apply(Event::Put(object.clone()));
    }
    let uid = live(&world).metadata.uid.clone();
    let known = world.cluster.streak(&uid).failures();
    assert_eq!(known.map(|(count, _)| count), Some(3));
    assert_eq!(anew.streak(&uid).failures(), known);
}

/// What a job remembers goes with it, and is its own.
#[test]
fn nothing_is_remembered_of_a_job_that_is_gone() {
    let mut world = world(1, json!({"backoffLimit": 9}), "j:fail");
    world.pass(15_000);
    let uid = live(&world).metadata.uid.clone();
    assert_eq!((live(&world).status.failed, pods(&world).len()), (2, 2));
    assert_eq!(world.cluster.streak(&uid).failures().map(|(count, _)| count), Some(2));
    assert_eq!(world.cluster.streak("another").failures(), None);
    let job = world.cluster.get(&key()).expect("the job is there").clone();
    let gone = delete::delete(&job, None, Propagation::Background, world.time(), "a user").unwrap();
    world.change(gone.expect("a first delete does something"));
    world.settle();
    assert_eq!(world.cluster.streak(&uid).failures(), None);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": []},
        "status": {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}],
            "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 0}}}, {"name": "b", "state": {"terminated": {"exitCode": 7}}}],
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 9}}}]}}))
    .unwrap();
    let check = |rules: Value, expect: Verdict| {
        let job: Job = serde_json::from_value(
            json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": []}},
            "podFailurePolicy": {"rules": rules}}}),
        )
        .unwrap();
        assert_eq!(policy::judge(&job, &pod), expect, "{rules}");
    };
    let codes = |action: &str, operator: &str, values: Value, name: Value| {
        let mut rule = json!({"action": action, "onExitCodes": {"operator": operator, "values": values}});
        if !name.is_null() {
            rule["onExitCodes"]["containerName"] = name;
        }
        rule
    };
    check(json!([]), Verdict::Count);
    check(json!([codes("Ignore", "In", json!([0, 1]), json!(null))]), Verdict::Count);
    check(json!([codes("Ignore", "In", json!([7]), json!("a"))]), Verdict::Count);
    check(
        json!([codes("Ignore", "In", json!([9]), json!("i")), codes("FailIndex", "In", json!([7]), json!(null))]),
        Verdict::Ignore,
    );
    check(json!([codes("FailIndex", "NotIn", json!([1]), json!(null))]), Verdict::FailIndex);
    check(
        json!([codes("Ignore", "In", json!([3]), json!(null)), codes("FailJob", "NotIn", json!([0]), json!("b"))]),
        Verdict::FailJob("Container b for pod n/p failed with exit code 7 matching FailJob rule at index 1".to_owned()),
    );
    check(
        json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "False"}]}]),
        Verdict::Count,
    );
    check(
        json!([{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]),
        Verdict::FailJob("Pod n/p has condition DisruptionTarget matching FailJob rule at index 0".to_owned()),
    );
}

/// A store that was lost: the job comes from git with another uid, its pods from their nodes.
#[test]
fn a_job_finds_its_pods_again_after_the_store_was_lost() {
    let check = |image: &str, other: bool, expect: &str, runs: usize| {
        let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1});
        let mut before = world(1, spec.clone(), image);
        before.pass(5_000);
        let held: Vec<Value> = before.cluster.of_kind(POD).map(|pod| pod.value()).collect();
        assert_eq!(held.len(), 2);
        let mut after = World::new(2, false);
        for mut pod in held {
            let owner = format!("Job/{}", pod["metadata"]["ownerReferences"][0]["name"].as_str().unwrap());
            let meta = pod["metadata"].as_object_mut().unwrap();
            for field in ["ownerReferences", "resourceVersion"] {
                meta.remove(field);
            }
            meta.entry("annotations").or_insert_with(|| json!({}))["masthead.dev/recovered-owner"] = owner.into();
            after.put(pod);
        }
        after.decide();
        assert_eq!(pods(&after).len(), 2, "nothing goes before the commit is there");
        let (uid, now) = (after.cx.ids.uid(), json!(after.time()));
        after.put(manifest::create(job(spec, if other { "j:ok" } else { image }), uid, &now));
        after.applied("c1");
        after.pass(5_000);
        assert_eq!(end(&after), expect, "{image}");
        assert_eq!(after.events.iter().filter(|e| e.reason == "SuccessfulCreate").count(), runs, "{image}");
        after.settle();
        after.assert_silent();
    };
    check("j:ok", false, "Complete CompletionsReached: 0 active, 2 succeeded, 0 failed [0,1|]", 0);
    a_pod_that_comes_late(0, 1);
    a_pod_that_comes_late(-1, 0);
    check("j:run", false, "goes on: 2 active, 0 succeeded, 0 failed [|]", 0);
    // What ran for another template is none of this job's.
    check("j:run", true, "Complete CompletionsReached: 0 active, 2 succeeded, 0 failed [0,1|]", 2);
}

/// What has been seen of a job in a random life, counted here once more.
#[derive(Default)]
struct Seen {
    succeeded: BTreeSet<String>,
    indexes: BTreeMap<String, String>,
}

const CASES: u64 = 400;

/// At every write: no more pods run than may, no success is lost or counted twice, no index runs again after it
/// succeeded; whatever part of a reaction is written when everything stops.
#[test]
fn random_lives_of_jobs_lose_and_double_nothing() {
    for seed in 0..CASES {
        let mut ids = Ids::new(seed);
        let indexed = ids.below(2) == 0;
        let (completions, parallelism) = (ids.below(6) as i64, ids.below(5) as i64);
        let mut spec =
            json!({"completions": completions, "parallelism": parallelism, "backoffLimit": 3 + ids.below(40)});
        if indexed {
            spec["completionMode"] = "Indexed".into();
            if ids.below(2) == 0 {
                spec["backoffLimitPerIndex"] = ids.below(3).into();
                spec["backoffLimit"] = Value::Null;
            }
        }
        if ids.below(3) == 0 {
            spec["podReplacementPolicy"] = "Failed".into();
        }
        if spec["backoffLimit"].is_null() {
            spec.as_object_mut().unwrap().remove("backoffLimit");
        }
        let mut world = World::new(seed, true);
        world.tearing = true;
        let (uid, now) = (world.cx.ids.uid(), json!(world.time()));
        world.put(manifest::create(job(spec.clone(), "j:run"), uid, &now));
        let mut seen = Seen::default();
        for _ in 0..60 {
            world.decide();
            observe(&world, &spec, &mut seen, seed);
            act(&mut world, &mut ids);
            observe(&world, &spec, &mut seen, seed);
            world.pass(i64::try_from(ids.below(40)).unwrap() * 1000);
            observe(&world, &spec, &mut seen, seed);
        }
        world.tearing = false;
        finish(&mut world, &mut seen, &spec, seed);
    }
}

/// One thing that happens to a pod of the job.
fn act(world: &mut World, ids: &mut Ids) {
    let running: Vec<ObjectKey> = world
        .cluster
        .of_kind(POD)
        .filter(|o| o.typed::<Pod>().is_ok_and(|p| is_active(&p) && p.status.phase == "Running"))
        .map(|o| o.key().clone())
        .collect();
    let Some(key) = running.get(ids.below(running.len() as u64) as usize).cloned() else { return };
    match ids.below(4) {
        0 => world.exit(&key, 1),
        1 => {
            let pod = world.cluster.get(&key).expect("it runs").clone();
            let mark = delete::delete(&pod, None, Propagation::Background, world.time(), "a user").unwrap();
            world.change(mark.expect("it was not marked"));
        }
        _ => world.exit(&key, 0),
    }
}

fn observe(world: &World, spec: &Value, seen: &mut Seen, seed: u64) {
    let job = live(world);
    let pods = pods(world);
    let active = pods.iter().filter(|p| is_active(p)).count() as i64;
    assert!(active <= spec["parallelism"].as_i64().unwrap(), "seed {seed}: {active} pods run");
    for pod in &pods {
        let meta = &pod.metadata;
        let index = meta.annotations.get("batch.kubernetes.io/job-completion-index");
        if pod.status.phase == "Succeeded" {
            seen.succeeded.insert(meta.uid.clone());
            if let Some(index) = index {
                let first = seen.indexes.entry(index.clone()).or_insert_with(|| meta.uid.clone());
                assert_eq!(*first, meta.uid, "seed {seed}: index {index} ran again after its success");
            }
        }
    }
    let uncounted = job.status.uncounted_terminated_pods.clone().unwrap_or_default();
    let counted = job.status.succeeded as usize + uncounted.succeeded.len();
    assert!(counted <= seen.succeeded.len(), "seed {seed}: {counted} successes of {}", seen.succeeded.len());
}

/// Lets every pod succeed: the job must come to its end, with every success counted.
fn finish(world: &mut World, seen: &mut Seen, spec: &Value, seed: u64) {
    for _ in 0..400 {
        world.pass(400_000);
        observe(world, spec, seen, seed);
        let job = live(world);
        if condition::end(&job.status).is_some() || spec["parallelism"] == 0 && spec["completions"] != 0 {
            break;
        }
        let running: Vec<ObjectKey> = world
            .cluster
            .of_kind(POD)
            .filter(|o| o.typed::<Pod>().is_ok_and(|p| is_active(&p) && p.status.phase == "Running"))
            .map(|o| o.key().clone())
            .collect();
        for key in running {
            world.exit(&key, 0);
            observe(world, spec, seen, seed);
        }
    }
    world.settle();
    world.assert_silent();
    observe(world, spec, seen, seed);
    let job = live(world);
    assert_eq!(job.status.succeeded as usize, seen.succeeded.len(), "seed {seed}: every success counts once");
    if spec["parallelism"] != 0 || spec["completions"] == 0 {
        let end = condition::end(&job.status).unwrap_or_else(|| panic!("seed {seed}: no end: {:?}", job.status));
        let all = job.status.succeeded as i64 >= spec["completions"].as_i64().unwrap();
        assert_eq!(end.type_ == condition::COMPLETE, all, "seed {seed}: {:?}", job.status);
    }
}

/// A pod whose job is gone is kept for nobody.
#[test]
fn pods_of_a_job_that_went_go_with_it_or_stay_behind() {
    let check = |propagation: Propagation, left: usize| {
        let mut world = world(1, json!({"parallelism": 2, "completions": 2}), "j:run");
        world.pass(5_000);
        let job = world.cluster.get(&key()).expect("the job").clone();
        let change = delete::delete(&job, None, propagation, world.time(), "a user").unwrap().expect("a first delete");
        world.change(change);
        world.pass(5_000);
        assert!(world.cluster.get(&key()).is_none(), "{propagation:?}");
        let pods = pods(&world);
        assert_eq!(pods.len(), left, "{propagation:?}");
        assert!(pods.iter().all(|pod| pod.metadata.finalizers.is_empty()), "{propagation:?}");
        world.settle();
        world.assert_silent();
    };
    check(Propagation::Background, 0);
    check(Propagation::Foreground, 0);
    check(Propagation::Orphan, 2);
}

/// A job that is left to another controller is left alone.
#[test]
fn a_job_of_another_controller_is_left_alone() {
    let mut world = world(1, json!({"managedBy": "example.com/queue"}), "j:ok");
    world.pass(60_000);
    assert_eq!(live(&world).status, Default::default());
    assert!(pods(&world).is_empty() && world.events.is_empty());
}

/// A node that comes back when the job is over brings a pod that ended with this code, or still runs when it is negative.
fn a_pod_that_comes_late(code: i32, kept: usize) {
    let mut world = world(1, json!({}), "j:ok");
    world.pass(5_000);
    let mut late = world.cluster.of_kind(POD).next().expect("a pod").value();
    late["metadata"]["name"] = "job-late".into();
    late["metadata"]["uid"] = "late".into();
    late["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    late["metadata"]["annotations"] = json!({"masthead.dev/recovered-owner": "Job/job"});
    late["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    late["status"]["phase"] = if code < 0 { "Running" } else { "Succeeded" }.into();
    world.put(late);
    world.applied("c1");
    world.pass(5_000);
    assert_eq!(end(&world), "Complete CompletionsReached: 0 active, 1 succeeded, 0 failed [|]");
    let found = pods(&world).into_iter().filter(|p| p.metadata.name == "job-late").collect::<Vec<_>>();
    assert_eq!(found.len(), kept);
    assert!(found.iter().all(|p| p.metadata.finalizers.is_empty() && p.metadata.owner_references.len() == 1));
    world.settle();
    world.assert_silent();
}
