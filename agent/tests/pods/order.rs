//! Init containers, sidecars, hooks, exits: what follows what.

use serde_json::json;

use crate::pods::bed::{condition, machine, pod, script};
use crate::pods::life::WAITS;

#[test]
fn init_containers_and_sidecars_come_in_order() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let mut sidecar = script(
            "side",
            "until test -e /shared/first; do sleep 0.01; done; touch /shared/side; trap 'exit 0' TERM; while true; do sleep 1000 & wait; done",
        );
        sidecar["restartPolicy"] = json!("Always");
        sidecar["startupProbe"] =
            json!({"exec": {"command": ["test", "-e", "/shared/side"]}, "periodSeconds": 1, "failureThreshold": 1000});
        let mut first = script("first", "touch /shared/first");
        let mut main = script("main", &format!("test -e /shared/side || exit 9; {WAITS}"));
        let mount = json!([{"name": "shared", "mountPath": "/shared"}]);
        for container in [&mut sidecar, &mut first, &mut main] {
            container["volumeMounts"] = mount.clone();
        }
        let spec = json!({"initContainers": [first, sidecar], "containers": [main], "volumes": [{"name": "shared", "emptyDir": {}}]});
        agent.says(&[pod("order", spec)], &[]);
        let status = agent.ready("order").await;
        assert_eq!(condition(&status, "Initialized"), "True");
        let inits = status["initContainerStatuses"].as_array().unwrap();
        assert_eq!(inits[0]["state"]["terminated"]["reason"], "Completed");
        assert_eq!((&inits[1]["started"], &inits[1]["ready"]), (&json!(true), &json!(true)));
        assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
        agent.says(&[], &[]);
        agent.gone("order").await;
        let stops: Vec<String> = agent.events().into_iter().filter(|e| e.starts_with("Killing")).collect();
        assert_eq!(stops, ["Killing Stopping container main", "Killing Stopping container side"]);
        agent.stop().await;
    });
}

#[test]
fn a_pod_that_must_not_restart_succeeds_or_fails() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let once =
            |name: &str, text: &str| pod(name, json!({"restartPolicy": "Never", "containers": [script("main", text)]}));
        let mut words = once("words", "echo the last words; exit 4");
        words["spec"]["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
        agent.says(&[once("good", "exit 0"), words, once("none", "exec /no/such/program")], &[]);
        let good = agent.status("good", "succeeded", |s| s["phase"] == "Succeeded").await;
        assert_eq!(good["containerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
        let failed = agent.status("words", "failed", |s| s["phase"] == "Failed").await;
        let ended = &failed["containerStatuses"][0]["state"]["terminated"];
        assert_eq!((&ended["exitCode"], &ended["message"]), (&json!(4), &json!("the last words\n")));
        agent.status("none", "failed", |s| s["phase"] == "Failed").await;
        agent.stop().await;
    });
}

#[test]
fn programs_and_images_that_are_not_there_are_named() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let program = json!({"name": "main", "command": ["/no/such/program"]});
        let never = json!({"name": "main", "image": "test/none:1", "imagePullPolicy": "Never"});
        let absent = json!({"name": "main", "image": "127.0.0.1:1/none:1"});
        let bad = json!({"name": "main", "image": "Not A Name"});
        let all = [("program", program), ("never", never), ("absent", absent), ("bad", bad)];
        let pods: Vec<_> =
            all.into_iter().map(|(name, container)| pod(name, json!({"containers": [container]}))).collect();
        agent.says(&pods, &[]);
        let waits = |reason: &'static str| {
            move |s: &serde_json::Value| s["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
        };
        agent.status("program", "back-off", waits("CrashLoopBackOff")).await;
        assert!(
            agent
                .history("program")
                .iter()
                .any(|s| s["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "StartError"
                    || s["containerStatuses"][0]["state"]["waiting"]["reason"] == "RunContainerError")
        );
        let status = agent.status("never", "never", waits("ErrImageNeverPull")).await;
        assert_eq!(
            status["containerStatuses"][0]["state"]["waiting"]["message"],
            "Container image \"test/none:1\" is not present with pull policy of Never"
        );
        agent.status("absent", "back-off", waits("ImagePullBackOff")).await;
        assert!(agent.history("absent").iter().any(|s| {
            let reason = s["containerStatuses"][0]["state"]["waiting"]["reason"].as_str().unwrap_or("");
            reason == "ErrImagePull" || reason == "RegistryUnavailable"
        }));
        agent.status("bad", "invalid", waits("InvalidImageName")).await;
        agent.stop().await;
    });
}

#[test]
fn hooks_run_after_the_start_and_before_the_stop() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let mut main = script("main", WAITS);
        main["lifecycle"] = json!({
            "postStart": {"exec": {"command": ["touch", "/shared/after-start"]}},
            "preStop": {"exec": {"command": ["touch", "/shared/before-stop"]}},
        });
        main["volumeMounts"] = json!([{"name": "shared", "mountPath": "/shared"}]);
        let dir = tempfile::tempdir().unwrap();
        let volumes = json!([{"name": "shared", "hostPath": {"path": dir.path()}}]);
        let mut bad = script("main", WAITS);
        bad["lifecycle"] = json!({"postStart": {"exec": {"command": ["false"]}}});
        agent.says(
            &[
                pod("hooked", json!({"containers": [main], "volumes": volumes})),
                pod("bad", json!({"containers": [bad]})),
            ],
            &[],
        );
        agent.ready("hooked").await;
        assert!(dir.path().join("after-start").exists());
        assert!(!dir.path().join("before-stop").exists());
        agent.event("FailedPostStartHook PostStartHook failed").await;
        agent.status("bad", "restarted", |s| s["containerStatuses"][0]["restartCount"].as_i64() >= Some(1)).await;
        agent.says(&[], &[]);
        agent.gone("hooked").await;
        assert!(dir.path().join("before-stop").exists());
        agent.stop().await;
    });
}
