//! Tables: a pod, what there is of it, and the status that is shown.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::PodStatus;
use serde_json::{Value, json};

use crate::pods::local::{Busy, Ending, Failure, Local, begun};
use crate::pods::observe::{Observed, Phase, Sandbox, Seen};
use crate::pods::plan::{Held, Plan};
use crate::pods::status::status;
use crate::pods::status_input::Input;

const NOW: i64 = 1_000_000_000;

fn pod(policy: &str, inits: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 3},
        "spec": {"restartPolicy": policy, "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}], "initContainers": inits},
    }))
    .unwrap()
}

/// `name:state`, the state being `r`, `R` for running and ready, `c` for made, or an exit code.
fn observed(text: &str) -> (Observed, Local) {
    let (mut observed, mut local) = (Observed::default(), Local { start_ms: NOW, ..Local::default() });
    for word in text.split_whitespace() {
        let (name, state) = word.split_once(':').unwrap();
        if name == "sandbox" {
            let ips = vec!["10.0.0.9".to_owned()];
            observed.note_sandbox(Sandbox { id: "s".into(), ready: state == "ready", ips, ..Sandbox::default() });
            continue;
        }
        let phase = match state {
            "r" | "R" => Phase::Running,
            "c" => Phase::Created,
            _ => Phase::Exited,
        };
        let attempt = observed.newest(name).map_or(0, |seen| seen.attempt + 1);
        let id = format!("{name}{attempt}");
        if state == "R" {
            let known = local.container_mut(name);
            (known.probed, known.started, known.ready) = (id.clone(), true, true);
        }
        let exit_code = state.parse().unwrap_or(0);
        let seen = Seen { id, sandbox_id: "s".into(), attempt, phase, exit_code, ..Seen::default() };
        observed.note(name, seen);
    }
    (observed, local)
}

fn shown(pod: &Pod, text: &str, change: impl FnOnce(&mut Local, &mut Plan)) -> PodStatus {
    let (observed, mut local) = observed(text);
    let mut plan = Plan::default();
    change(&mut local, &mut plan);
    status(Input { pod, observed: &observed, local: &local, plan: &plan, before: None, runtime: "rt", now_ms: NOW })
}

#[test]
fn an_end_that_was_told_stays_told() {
    let told = PodStatus { phase: "Succeeded".to_owned(), pod_ip: "10.0.0.7".to_owned(), ..PodStatus::default() };
    let pod = pod("Never", json!([]));
    let shown = |text: &str| shown(&pod, text, |local, _| local.over = Some(Box::new(told.clone())));
    assert_eq!(shown(""), told, "nothing is left of it");
    assert_eq!(shown("sandbox:gone a:0"), told, "one container is gone");
    assert_eq!(shown("sandbox:gone a:0 b:0").container_statuses.len(), 2, "what is left tells more");
}

#[test]
fn restarts_are_counted_on_where_the_records_of_the_runtime_are_gone() {
    let pod = pod("Always", json!([]));
    let count = |text: &str, known: u32| {
        let status = shown(&pod, text, |local, _| local.container_mut("a").begun = known);
        (status.container_statuses[0].restart_count, begun(&status.container_statuses[0]))
    };
    assert_eq!(count("sandbox:ready", 0), (0, 0), "never begun");
    assert_eq!(count("sandbox:ready a:R", 0), (0, 1), "begun once");
    assert_eq!(count("sandbox:ready", 1), (1, 1), "its records are gone, and it is begun a second time");
    assert_eq!(count("sandbox:ready a:1 a:R", 1), (1, 2), "what the runtime knows counts");
}

#[test]
fn how_the_container_before_ended_is_told_where_its_record_is_gone() {
    let pod = pod("Always", json!([]));
    let told = |text: &str, before: Option<&PodStatus>| {
        let (observed, local) = observed(text);
        let plan = Plan::default();
        status(Input { pod: &pod, observed: &observed, local: &local, plan: &plan, before, runtime: "rt", now_ms: NOW })
    };
    let last = |status: &PodStatus| {
        let last = status.container_statuses[0].last_state.terminated.as_ref();
        last.map(|last| (last.exit_code, last.reason.clone()))
    };
    let unknown = Some((137, "ContainerStatusUnknown".to_owned()));
    let (first, running, ended) = (told("", None), told("a:R", None), told("a:3", None));
    for (before, text, expect) in [
        (&first, "a:R", None),
        (&running, "a:R", None),
        // A node that comes back without records: the container is to be made anew, then it is.
        (&running, "", unknown.clone()),
        (&ended, "", Some((3, "Error".to_owned()))),
        (&told("", Some(&running)), "", unknown.clone()),
        (&told("", Some(&running)), "a:R", unknown),
        // What the runtime knows counts.
        (&running, "a:5 a:R", Some((5, "Error".to_owned()))),
    ] {
        assert_eq!(last(&told(text, Some(before))), expect, "{text} after {:?}", before.container_statuses[0].state);
    }
}

#[test]
fn phases() {
    let check = |policy: &str, inits: Value, text: &str, expect: &str| {
        assert_eq!(shown(&pod(policy, inits), text, |_, _| {}).phase, expect, "{policy} {text}");
    };
    let none = json!([]);
    check("Always", none.clone(), "", "Pending");
    check("Always", none.clone(), "sandbox:ready a:c", "Pending");
    check("Always", none.clone(), "sandbox:ready a:R", "Pending");
    check("Always", none.clone(), "sandbox:ready a:R b:r", "Running");
    check("Always", none.clone(), "sandbox:ready a:0 b:0", "Running");
    check("Always", none.clone(), "sandbox:ready a:1", "Pending");
    check("Always", none.clone(), "sandbox:ready a:1 b:r", "Running");
    check("OnFailure", none.clone(), "sandbox:ready a:0 b:0", "Succeeded");
    check("OnFailure", none.clone(), "sandbox:ready a:0 b:1", "Running");
    check("Never", none.clone(), "sandbox:ready a:0 b:0", "Succeeded");
    check("Never", none.clone(), "sandbox:ready a:0 b:1", "Failed");
    check("Never", none, "sandbox:ready a:0 b:r", "Running");
    let init = json!([{"name": "i"}]);
    check("Always", init.clone(), "sandbox:ready i:r", "Pending");
    check("Always", init.clone(), "sandbox:ready i:1", "Pending");
    check("Never", init.clone(), "sandbox:ready i:1", "Failed");
    check("Always", init.clone(), "sandbox:ready i:0 a:R b:R", "Running");
    check("Always", init.clone(), "sandbox:ready a:R b:R", "Running");
    check("Always", init.clone(), "sandbox:ready a:0 b:0 i:0 i:r", "Pending");
    check("Always", init, "sandbox:ready a:0 b:0 i:0", "Running");
    let sidecar = json!([{"name": "s", "restartPolicy": "Always"}]);
    check("Never", sidecar.clone(), "sandbox:ready s:r", "Pending");
    check("Never", sidecar.clone(), "sandbox:ready s:R a:0 b:0", "Running");
    check("Never", sidecar.clone(), "sandbox:ready s:0 a:0 b:0", "Succeeded");
    check("Always", sidecar.clone(), "sandbox:ready s:1 s:r a:R b:R", "Running");
    check("Always", sidecar.clone(), "sandbox:ready s:1 a:R b:R", "Running");
    check("Always", sidecar.clone(), "sandbox:ready a:R b:R", "Pending");
    check("Always", sidecar, "sandbox:ready s:r a:1 b:1", "Pending");
}

#[test]
fn conditions() {
    let check = |policy: &str, inits: Value, text: &str, expect: &[&str]| {
        let status = shown(&pod(policy, inits), text, |_, _| {});
        let got: Vec<String> = status
            .conditions
            .iter()
            .map(|c| [c.type_.as_str(), &c.status, &c.reason, &c.message].join("|").trim_end_matches('|').to_owned())
            .collect();
        assert_eq!(got, expect, "{policy} {text}");
    };
    let none = json!([]);
    let unready = "False|ContainersNotReady|containers with unready status: [a b]";
    check(
        "Always",
        none.clone(),
        "",
        &[
            "PodReadyToStartContainers|False",
            "Initialized|True",
            &format!("Ready|{unready}"),
            &format!("ContainersReady|{unready}"),
        ],
    );
    let half = "False|ContainersNotReady|containers with unready status: [b]";
    check(
        "Always",
        none.clone(),
        "sandbox:ready a:R b:r",
        &[
            "PodReadyToStartContainers|True",
            "Initialized|True",
            &format!("Ready|{half}"),
            &format!("ContainersReady|{half}"),
        ],
    );
    check(
        "Always",
        none.clone(),
        "sandbox:ready a:R b:R",
        &["PodReadyToStartContainers|True", "Initialized|True", "Ready|True", "ContainersReady|True"],
    );
    check(
        "Never",
        none.clone(),
        "sandbox:gone a:0 b:0",
        &[
            "PodReadyToStartContainers|False",
            "Initialized|True|PodCompleted",
            "Ready|False|PodCompleted",
            "ContainersReady|False|PodCompleted",
        ],
    );
    check(
        "Never",
        none,
        "sandbox:gone a:0 b:2",
        &[
            "PodReadyToStartContainers|False",
            "Initialized|True",
            "Ready|False|PodFailed",
            "ContainersReady|False|PodFailed",
        ],
    );
    let init = json!([{"name": "i"}, {"name": "j"}]);
    let incomplete = "Initialized|False|ContainersNotInitialized|containers with incomplete status: [j]";
    check(
        "Always",
        init,
        "sandbox:ready i:0 j:r",
        &[
            "PodReadyToStartContainers|True",
            incomplete,
            &format!("Ready|{unready}"),
            &format!("ContainersReady|{unready}"),
        ],
    );
}

/// Else whoever waits for a change would take the container of before for the new one.
#[test]
fn a_container_that_is_stopped_to_be_made_anew_is_ready_no_more() {
    let check = |ending: Option<Ending>, expect: bool| {
        let status = shown(&pod("Always", json!([])), "sandbox:ready a:R b:R", |local, _| {
            local.container_mut("a").busy = Some(Busy::Stopping);
            local.ending = ending;
        });
        assert_eq!(status.container_statuses[0].ready, expect);
    };
    check(None, false);
    let (reason, message) = (String::new(), String::new());
    check(Some(Ending { grace_s: 30, since_ms: NOW, removed: true, reason, message }), true);
}

#[test]
fn readiness_gates_hold_a_pod_back() {
    let mut pod = pod("Always", json!([]));
    pod.spec.readiness_gates = serde_json::from_value(json!([{"conditionType": "x.io/on"}])).unwrap();
    let ready = |pod: &Pod| {
        let status = shown(pod, "sandbox:ready a:R b:R", |_, _| {});
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        format!("{} {} {}", ready.status, ready.reason, ready.message)
    };
    assert_eq!(
        ready(&pod),
        "False ReadinessGatesNotReady corresponding condition of pod readiness gate \"x.io/on\" does not exist."
    );
    pod.status.conditions = serde_json::from_value(json!([{"type": "x.io/on", "status": "False"}])).unwrap();
    assert_eq!(
        ready(&pod),
        "False ReadinessGatesNotReady the status of pod readiness gate \"x.io/on\" is not \"True\", but False"
    );
    pod.status.conditions[0].status = "True".into();
    assert_eq!(ready(&pod), "True  ");
}

#[test]
fn times_of_conditions_stay_while_they_hold() {
    let pod = pod("Always", json!([]));
    let (observed, local) = observed("sandbox:ready a:R b:R");
    let plan = Plan::default();
    let input =
        Input { pod: &pod, observed: &observed, local: &local, plan: &plan, before: None, runtime: "rt", now_ms: NOW };
    let first = status(input);
    let later = status(Input { before: Some(&first), now_ms: NOW + 60_000, ..input });
    assert_eq!(first, later, "nothing changed, so nothing is news");
}

#[test]
fn containers() {
    let check = |inits: Value, text: &str, change: &dyn Fn(&mut Local, &mut Plan), expect: Value| {
        let status = shown(&pod("Always", inits), text, change);
        let got = serde_json::to_value(&status.container_statuses[0]).unwrap();
        for (key, value) in expect.as_object().unwrap() {
            assert_eq!(&got[key], value, "{text}: {key} of {got:#}");
        }
    };
    let nothing = |_: &mut Local, _: &mut Plan| {};
    let none = json!([]);
    check(
        none.clone(),
        "",
        &nothing,
        json!({"state": {"waiting": {"reason": "ContainerCreating"}}, "ready": false, "started": false, "image": "i"}),
    );
    check(
        json!([{"name": "i"}]),
        "sandbox:ready i:r",
        &nothing,
        json!({"state": {"waiting": {"reason": "PodInitializing"}}}),
    );
    check(
        none.clone(),
        "sandbox:ready a:R",
        &nothing,
        json!({"ready": true, "started": true, "containerID": "rt://a0", "restartCount": 0}),
    );
    check(none.clone(), "sandbox:ready a:1 a:R", &nothing, json!({"restartCount": 1, "ready": true}));
    let inits = |text: &str| {
        let pod = pod("Always", json!([{"name": "i"}, {"name": "j"}]));
        let status = shown(&pod, text, nothing);
        status.init_container_statuses.iter().map(|c| serde_json::to_value(c).unwrap()).collect::<Vec<_>>()
    };
    let started = inits("sandbox:ready i:r");
    assert_eq!((&started[0]["started"], &started[0]["ready"]), (&json!(true), &json!(false)));
    assert_eq!(started[1]["state"], json!({"waiting": {"reason": "PodInitializing"}}), "`Init:0/2` in tables");
    let done = inits("sandbox:ready i:0");
    assert_eq!((&done[0]["started"], &done[0]["ready"]), (&json!(false), &json!(true)));
    let failing = |local: &mut Local, _: &mut Plan| {
        let failure = Failure { reason: "ErrImagePull".into(), message: "no such image".into(), retry_ms: 0 };
        local.container_mut("a").failure = Some(failure);
    };
    check(
        none.clone(),
        "sandbox:ready a:c",
        &failing,
        json!({"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}),
    );
    let held = |_: &mut Local, plan: &mut Plan| {
        plan.held.insert("a".into(), Held { reason: "CrashLoopBackOff".into(), message: "back-off".into() });
    };
    let last = json!({"terminated": {"exitCode": 3, "reason": "Error", "startedAt": null, "finishedAt": null, "containerID": "rt://a0"}});
    check(
        none.clone(),
        "sandbox:ready a:3",
        &held,
        json!({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, "lastState": last, "restartCount": 0}),
    );
    let ended = |local: &mut Local, _: &mut Plan| {
        local.ending = Some(Ending {
            grace_s: 1,
            since_ms: NOW,
            removed: false,
            reason: "DeadlineExceeded".into(),
            message: "m".into(),
        });
    };
    check(
        none,
        "sandbox:gone",
        &ended,
        json!({"state": {"terminated": {
        "exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": null, "finishedAt": null,
        "message": "The container could not be located when the pod was terminated"}}}),
    );
    let status = shown(&pod("Always", json!([])), "sandbox:gone", |local, plan| ended(local, plan));
    assert_eq!(
        (status.phase.as_str(), status.reason.as_str(), status.message.as_str()),
        ("Failed", "DeadlineExceeded", "m")
    );
}
