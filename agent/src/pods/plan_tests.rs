//! Tables: a pod, what there is of it, what is known, and the steps that follow.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use serde_json::{Value, json};

use crate::pods::backoff::Backoff;
use crate::pods::convert::container::spec_hash;
use crate::pods::local::{Busy, Doom, Ending, Failure, Local, Stage};
use crate::pods::observe::{Observed, Phase, Sandbox, Seen};
use crate::pods::plan::{Plan, Step, View, plan};

const NOW: i64 = 1_000_000_000;

fn pod(spec: Value) -> Pod {
    let mut pod = json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"restartPolicy": "Always"}});
    spec.as_object().unwrap().iter().for_each(|(key, value)| pod["spec"][key] = value.clone());
    serde_json::from_value(pod).unwrap()
}

/// One main container `a`, or more by their names.
fn mains(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "image": "i"})).collect()
}

struct Case {
    pod: Pod,
    observed: Observed,
    local: Local,
}

impl Case {
    fn new(spec: Value) -> Self {
        let local = Local { volumes: Stage::Done, start_ms: NOW - 1000, ..Local::default() };
        Self { pod: pod(spec), observed: Observed::default(), local }
    }

    fn sandbox(mut self, attempt: u32, ready: bool) -> Self {
        self.observed.note_sandbox(Sandbox { id: format!("s{attempt}"), attempt, ready, ..Sandbox::default() });
        self
    }

    /// `r` runs, `c` is made only, a number is an exit code.
    fn has(mut self, name: &str, attempt: u32, state: &str) -> Self {
        let phase = match state {
            "r" => Phase::Running,
            "c" => Phase::Created,
            _ => Phase::Exited,
        };
        let all = self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers);
        let hash = all.filter(|c| c.name == name).map(spec_hash).next().unwrap_or_default();
        let sandbox_id = self.observed.sandboxes.first().map(|s| s.id.clone()).unwrap_or_default();
        let seen = Seen {
            id: format!("{name}{attempt}"),
            sandbox_id,
            attempt,
            phase,
            exit_code: state.parse().unwrap_or(0),
            finished_ms: if phase == Phase::Exited { NOW - 1000 } else { 0 },
            spec_hash: hash,
            ..Seen::default()
        };
        self.observed.note(name, seen);
        self
    }

    fn knows(mut self, change: impl FnOnce(&mut Local)) -> Self {
        change(&mut self.local);
        self
    }

    fn plan(&self) -> Plan {
        let all = self.pod.spec.containers.iter().chain(&self.pod.spec.init_containers);
        let hashes = all.map(|c| (c.name.clone(), spec_hash(c))).collect();
        plan(View { pod: &self.pod, observed: &self.observed, local: &self.local, hashes: &hashes, now_ms: NOW })
    }

    fn steps(&self) -> String {
        let plan = self.plan();
        let mut words: Vec<String> = plan
            .steps
            .iter()
            .map(|(step, why)| {
                assert!(!why.is_empty());
                match step {
                    Step::Fail(ending) => format!("fail:{}", ending.reason),
                    Step::Measure => "measure".to_owned(),
                    Step::PrepareVolumes => "volumes".to_owned(),
                    Step::RunSandbox { attempt } => format!("sandbox:{attempt}"),
                    Step::Start { name, attempt, .. } => format!("start:{name}:{attempt}"),
                    Step::Stop { name, grace_s, .. } => format!("stop:{name}:{grace_s}"),
                    Step::Remove { id } => format!("remove:{id}"),
                    Step::RemoveSandbox { id } => format!("remove:{id}"),
                    Step::StopSandbox => "stop-sandbox".to_owned(),
                    Step::Cleanup => "cleanup".to_owned(),
                }
            })
            .collect();
        words.extend(plan.held.iter().map(|(name, held)| format!("{name}={}", held.reason)));
        words.extend(plan.wake_ms.map(|at_ms| format!("wake:{}", at_ms - NOW)));
        words.join(" ")
    }
}

#[track_caller]
fn check(case: Case, expect: &str) {
    assert_eq!(case.steps(), expect);
}

/// A node that lost its containers, or all it knew, does not run a pod again whose end was told.
#[test]
fn what_is_over_is_not_run_again() {
    let over = || Some(Box::new(PodStatus { phase: "Succeeded".to_owned(), ..PodStatus::default() }));
    for policy in ["Never", "OnFailure", "Always"] {
        let new = || Case::new(json!({"restartPolicy": policy, "containers": mains(&["a"])}));
        check(new(), "sandbox:0");
        check(new().knows(|local| local.over = over()), "");
        check(new().sandbox(0, true).knows(|local| local.over = over()), "stop-sandbox");
        check(new().sandbox(0, true).has("a", 0, "r").knows(|local| local.over = over()), "stop:a:30");
        let removed =
            Ending { grace_s: 0, since_ms: NOW, removed: true, reason: String::new(), message: String::new() };
        check(new().knows(|local| (local.over, local.ending) = (over(), Some(removed))), "cleanup");
    }
}

#[test]
fn from_nothing_to_running() {
    let one = || Case::new(json!({"containers": mains(&["a"])}));
    check(one().knows(|l| l.volumes = Stage::Idle), "volumes");
    check(one().knows(|l| l.volumes = Stage::Busy), "");
    check(one(), "sandbox:0");
    check(one().knows(|l| l.sandbox = Stage::Busy), "");
    check(one().sandbox(0, true), "start:a:0");
    check(one().sandbox(0, true).knows(|l| l.container_mut("a").busy = Some(Busy::Starting)), "");
    check(one().sandbox(0, true).has("a", 0, "c"), "start:a:0");
    // A node that lost its power has no records, and its agent's last word is what counts.
    check(one().sandbox(0, true).knows(|l| l.container_mut("a").begun = 3), "start:a:3");
    check(one().sandbox(0, true).has("a", 3, "r").knows(|l| l.container_mut("a").begun = 3), "");
    check(one().sandbox(0, true).has("a", 3, "1").knows(|l| l.container_mut("a").begun = 3), "start:a:4");
    check(one().sandbox(0, true).has("a", 0, "r"), "");
    check(one().sandbox(0, true).has("a", 0, "r").knows(|l| l.volumes = Stage::Idle), "volumes");
    check(one().sandbox(0, true).knows(|l| l.volumes = Stage::Idle), "volumes");
    check(Case::new(json!({"containers": mains(&["a", "b"])})).sandbox(0, true), "start:a:0 start:b:0");
}

#[test]
fn what_failed_is_tried_again_in_time() {
    let one = || Case::new(json!({"containers": mains(&["a"])}));
    let at = |retry_ms: i64| Failure { reason: "x".into(), message: "y".into(), retry_ms: NOW + retry_ms };
    check(one().knows(|l| l.volumes = Stage::Failed(at(500))), "wake:500");
    check(one().knows(|l| l.volumes = Stage::Failed(at(0))), "volumes");
    check(one().knows(|l| l.sandbox = Stage::Failed(at(500))), "wake:500");
    check(one().knows(|l| l.sandbox = Stage::Failed(at(0))), "sandbox:0");
    check(one().sandbox(0, true).knows(|l| l.container_mut("a").failure = Some(at(500))), "wake:500");
    check(one().sandbox(0, true).knows(|l| l.container_mut("a").failure = Some(at(0))), "start:a:0");
}

#[test]
fn restart_policies() {
    let with = |policy: &str, state: &str| {
        Case::new(json!({"restartPolicy": policy, "containers": mains(&["a"])})).sandbox(0, true).has("a", 0, state)
    };
    check(with("Always", "0"), "start:a:1");
    check(with("Always", "1"), "start:a:1");
    check(with("OnFailure", "1"), "start:a:1");
    check(with("OnFailure", "0"), "stop-sandbox");
    check(with("Never", "0"), "stop-sandbox");
    check(with("Never", "7"), "stop-sandbox");
    let two = || Case::new(json!({"restartPolicy": "Never", "containers": mains(&["a", "b"])})).sandbox(0, true);
    check(two().has("a", 0, "0").has("b", 0, "r"), "");
    check(two().has("a", 0, "0").has("b", 0, "1"), "stop-sandbox");
    check(two().has("a", 0, "0").has("b", 0, "1").knows(|l| l.sandbox_stop = Stage::Busy), "");
}

#[test]
fn a_crash_waits_for_its_back_off() {
    let one = || Case::new(json!({"containers": mains(&["a"])})).sandbox(0, true).has("a", 1, "1");
    let once = |updated_ms: i64| {
        let mut backoff = Backoff::default();
        backoff.next(updated_ms, updated_ms);
        backoff
    };
    check(one().knows(|l| l.container_mut("a").crash = once(NOW - 2000)), "a=CrashLoopBackOff wake:9000");
    check(one().knows(|l| l.container_mut("a").crash = once(NOW - 700_000)), "start:a:2");
    let case = one().knows(|l| l.container_mut("a").crash = once(NOW - 2000));
    assert_eq!(case.plan().held["a"].message, "back-off 10s restarting failed container=a pod=p_n(u)");
}

#[test]
fn init_containers_one_after_the_other_and_sidecars_beside() {
    let spec = json!({
        "containers": mains(&["a"]),
        "initContainers": [{"name": "i1"}, {"name": "s", "restartPolicy": "Always"}, {"name": "i2"}],
    });
    let all = || Case::new(spec.clone()).sandbox(0, true);
    let started = |l: &mut Local| l.container_mut("s").started = true;
    check(all(), "start:i1:0");
    check(all().has("i1", 0, "r"), "");
    check(all().has("i1", 0, "1"), "start:i1:1");
    check(all().has("i1", 0, "0"), "start:s:0");
    check(all().has("i1", 0, "0").has("s", 0, "r"), "");
    check(all().has("i1", 0, "0").has("s", 0, "r").knows(started), "start:i2:0");
    check(all().has("i1", 0, "0").has("s", 0, "0"), "start:s:1");
    check(all().has("i1", 0, "0").has("s", 0, "r").has("i2", 0, "0").knows(started), "start:a:0");
    check(all().has("i1", 0, "0").has("s", 0, "1").has("i2", 0, "0").has("a", 0, "r"), "start:s:1");
    check(all().has("i1", 0, "0").has("s", 0, "r").has("i2", 0, "0").has("a", 0, "1").knows(started), "start:a:1");
    // What collection took away was done: a main container was begun after it.
    check(all().has("s", 0, "r").has("a", 0, "r").knows(started), "");
    let never = json!({"restartPolicy": "Never", "containers": mains(&["a"]), "initContainers": [{"name": "i"}]});
    check(Case::new(never).sandbox(0, true).has("i", 0, "1"), "stop-sandbox");
}

#[test]
fn a_lost_sandbox_is_made_anew_and_everything_in_it() {
    let spec = json!({"containers": mains(&["a"]), "initContainers": [{"name": "i"}]});
    let lost = || Case::new(spec.clone()).sandbox(0, false).has("i", 0, "0").has("a", 0, "255");
    check(lost(), "sandbox:1");
    check(lost().sandbox(1, true), "start:i:1");
    check(lost().sandbox(1, true).has("i", 1, "0"), "start:a:1");
    let alive = Case::new(json!({"containers": mains(&["a"])})).sandbox(0, false).has("a", 0, "r");
    check(alive, "stop:a:30");
    let done = json!({"restartPolicy": "OnFailure", "containers": mains(&["a", "b"])});
    let half = Case::new(done).sandbox(0, false).has("a", 0, "0").has("b", 0, "255").sandbox(1, true);
    check(half, "start:b:1");
}

#[test]
fn probes_and_changes_stop_what_runs() {
    let one = || Case::new(json!({"containers": mains(&["a"])})).sandbox(0, true).has("a", 0, "r");
    let doom = |id: &str, grace_s: Option<i64>| Some(Doom { id: id.into(), message: "m".into(), grace_s });
    check(one().knows(|l| l.container_mut("a").doom = doom("a0", None)), "stop:a:30");
    check(one().knows(|l| l.container_mut("a").doom = doom("a0", Some(7))), "stop:a:7");
    check(one().knows(|l| l.container_mut("a").doom = doom("other", None)), "");
    let mut changed = one();
    changed.pod.spec.containers[0].image = "another".into();
    check(changed, "stop:a:30");
    let mut resized = one();
    resized.pod.spec.containers[0].resources.limits.insert("cpu".into(), masthead_api::quantity::Quantity::new(1));
    check(resized, "");
}

#[test]
fn the_deadline_ends_a_pod() {
    let with = |seconds: i64| {
        Case::new(json!({"activeDeadlineSeconds": seconds, "containers": mains(&["a"])}))
            .sandbox(0, true)
            .has("a", 0, "r")
    };
    check(with(5), "wake:4000");
    check(with(1), "fail:DeadlineExceeded");
}

#[test]
fn a_pod_whose_disk_space_is_bounded_is_measured_and_ends_when_it_takes_more() {
    let bounded = || {
        let volume = json!({"name": "v", "emptyDir": {"sizeLimit": "1Mi"}});
        Case::new(json!({"volumes": [volume], "containers": mains(&["a"])})).sandbox(0, true).has("a", 0, "r")
    };
    let uses = |bytes: u64| {
        move |local: &mut Local| {
            local.measure_ms = NOW + 10_000;
            local.usage.volumes.insert("v".into(), bytes);
        }
    };
    check(bounded(), "measure");
    check(bounded().knows(|l| l.measuring = Stage::Busy), "");
    check(bounded().knows(uses(1 << 20)), "wake:10000");
    check(bounded().knows(uses((1 << 20) + 1)), "fail:Evicted");
}

fn ends(grace_s: i64, since_ms: i64, removed: bool) -> impl FnOnce(&mut Local) {
    move |local| {
        local.ending =
            Some(Ending { grace_s, since_ms: NOW + since_ms, removed, reason: String::new(), message: String::new() });
    }
}

#[test]
fn a_deleted_pod_ends_sidecars_last() {
    let spec = json!({
        "containers": mains(&["a", "b"]),
        "initContainers": [{"name": "s1", "restartPolicy": "Always"}, {"name": "s2", "restartPolicy": "Always"}],
    });
    let all = || Case::new(spec.clone()).sandbox(0, true);
    let running = || all().has("s1", 0, "r").has("s2", 0, "r").has("a", 0, "r").has("b", 0, "r");
    check(running().knows(ends(30, 0, true)), "stop:a:30 stop:b:30");
    check(running().has("a", 0, "0").knows(ends(30, -10_000, true)), "stop:b:20");
    check(running().has("a", 0, "0").has("b", 0, "0").knows(ends(30, -10_000, true)), "stop:s2:20");
    check(running().has("a", 0, "0").has("b", 0, "0").has("s2", 0, "0").knows(ends(30, -90_000, true)), "stop:s1:2");
    check(running().knows(ends(0, 0, true)), "stop:a:0 stop:b:0");
    check(all().has("a", 0, "0").knows(ends(30, 0, true)), "cleanup");
    check(all().has("a", 0, "0").knows(ends(30, 0, false)), "stop-sandbox");
    check(Case::new(spec.clone()).knows(ends(30, 0, true)), "cleanup");
    check(all().knows(ends(30, 0, true)).knows(|l| l.container_mut("a").busy = Some(Busy::Starting)), "");
    check(all().knows(ends(30, 0, true)).knows(|l| l.sandbox = Stage::Busy), "");
    check(all().knows(ends(30, 0, true)).knows(|l| l.cleanup = Stage::Busy), "");
}

#[test]
fn the_last_two_of_a_name_are_kept() {
    let one = || Case::new(json!({"containers": mains(&["a"])}));
    let case = one().sandbox(0, true).has("a", 0, "1").has("a", 1, "1").has("a", 2, "r");
    check(case, "remove:a0");
    let moved =
        one().sandbox(0, false).has("a", 0, "1").sandbox(1, false).has("a", 1, "1").sandbox(2, true).has("a", 2, "r");
    check(moved, "remove:a0 remove:s0");
}

/// Whatever a worker does with a plan, the same view never plans one thing twice.
#[test]
fn a_step_under_way_is_not_planned_again() {
    let mut seed = 7_u64;
    let mut next = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for _ in 0..2000 {
        let policy = ["Always", "OnFailure", "Never"][next(3) as usize];
        let spec = json!({
            "restartPolicy": policy, "containers": mains(&["a", "b"]),
            "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
        });
        let mut case = Case::new(spec);
        for attempt in 0..next(3) as u32 {
            case = case.sandbox(attempt, next(4) > 0);
        }
        for name in ["i", "s", "a", "b"] {
            for attempt in 0..next(4) as u32 {
                case = case.has(name, attempt, ["r", "c", "0", "1"][next(4) as usize]);
            }
        }
        if next(3) == 0 {
            case = case.knows(ends(next(40) as i64, 0, next(2) == 0));
        }
        for _ in 0..8 {
            let steps = case.plan().steps;
            for (index, (step, _)) in steps.iter().enumerate() {
                assert!(!steps[..index].iter().any(|(other, _)| other == step), "{step:?} twice in {steps:?}");
            }
            steps.into_iter().for_each(|(step, _)| begin(&mut case.local, step));
        }
        assert_eq!(
            case.steps().replace("wake", "").split(' ').filter(|w| w.contains(':') && !w.starts_with(':')).count(),
            0,
            "silence while all is under way"
        );
    }
}

/// What the worker notes when it begins a step.
fn begin(local: &mut Local, step: Step) {
    match step {
        Step::Fail(ending) => local.ending = Some(ending),
        Step::Measure => local.measuring = Stage::Busy,
        Step::PrepareVolumes => local.volumes = Stage::Busy,
        Step::RunSandbox { .. } => local.sandbox = Stage::Busy,
        Step::Start { name, .. } => local.container_mut(&name).busy = Some(Busy::Starting),
        Step::Stop { name, .. } => local.container_mut(&name).busy = Some(Busy::Stopping),
        Step::Remove { id } | Step::RemoveSandbox { id } => local.removing.push(id),
        Step::StopSandbox => local.sandbox_stop = Stage::Busy,
        Step::Cleanup => local.cleanup = Stage::Busy,
    }
}
