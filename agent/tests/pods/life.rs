//! A pod's life: it starts, becomes ready, is restarted with back-off, survives the agent, ends.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::pods::bed::{machine, pod, script};

/// Ends at once when it is asked to.
pub const WAITS: &str = "trap 'exit 0' TERM; while true; do sleep 1000 & wait; done";

#[test]
fn a_pod_starts_becomes_ready_and_ends() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let web = pod("web", json!({"containers": [script("main", WAITS)]}));
        let began = Instant::now();
        agent.says(std::slice::from_ref(&web), &[]);
        let status = agent.ready("web").await;
        println!("ready after {:?}", began.elapsed());
        assert_eq!(status["phase"], "Running");
        assert_eq!(status["podIP"], "10.42.0.2");
        assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
        assert!(status["containerStatuses"][0]["containerID"].as_str().unwrap().starts_with("masthead://"));
        // On a machine that takes long, one before it says that the pod is being made.
        let is_made = |s: &serde_json::Value| s["containerStatuses"][0]["state"]["waiting"].is_null();
        let told = agent.history("web").into_iter().filter(is_made).count();
        assert_eq!(told, 1, "one report says it all: {:#?}", agent.history("web"));
        // The runtime's own news may be faster than what the start has to tell.
        agent.event("Started Started").await;
        let expect = [
            "Pulled Container image \"test/busybox:1\" already present on machine",
            "Created Created container: main",
            "Started Started container main",
        ];
        assert_eq!(agent.events(), expect);
        let mut ending = web;
        ending["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
        ending["metadata"]["deletionGracePeriodSeconds"] = json!(1);
        agent.says(&[ending], &[]);
        agent.gone("web").await;
        assert!(!agent.shared.dirs.pod("uid-web").exists());
        assert!(agent.shared.network.attached().await.unwrap().is_empty());
        agent.stop().await;
    });
}

#[test]
fn an_agent_that_comes_back_adopts_and_restarts_nothing() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let web = pod("web", json!({"containers": [script("main", WAITS)]}));
        let stranger = pod("stranger", json!({"containers": [script("main", WAITS)]}));
        agent.says(&[web.clone(), stranger], &[]);
        let before = agent.ready("web").await;
        agent.ready("stranger").await;
        agent.killed().await;
        let agent = bed.agent().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(agent.events().is_empty(), "nothing is touched before a manifest is known");
        agent.says(&[web], &[]);
        let after = agent.ready("web").await;
        assert_eq!(before, after);
        agent.gone("stranger").await;
        assert_eq!(agent.events(), ["Killing Stopping container main"]);
        agent.says(&[], &[]);
        agent.gone("web").await;
        agent.stop().await;
    });
}

#[test]
fn a_crashing_container_is_restarted_with_back_off() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let crash = script("main", "echo words > /dev/termination-log; echo to-the-log; exit 3");
        agent.says(&[pod("crash", json!({"containers": [crash]}))], &[]);
        let status = agent
            .status("crash", "backing off", |s| {
                s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            })
            .await;
        let container = &status["containerStatuses"][0];
        assert_eq!(container["restartCount"], 1);
        assert_eq!(
            container["state"]["waiting"]["message"],
            "back-off 10s restarting failed container=main pod=crash_test(uid-crash)"
        );
        let last = &container["lastState"]["terminated"];
        assert_eq!(
            (&last["exitCode"], &last["reason"], &last["message"]),
            (&json!(3), &json!("Error"), &json!("words\n"))
        );
        assert_eq!(status["phase"], "Running");
        assert_eq!(agent.log("crash", "main", 0), "to-the-log\n");
        assert_eq!(agent.log("crash", "main", 1), "to-the-log\n");
        agent.says(&[], &[]);
        agent.gone("crash").await;
        agent.stop().await;
    });
}
