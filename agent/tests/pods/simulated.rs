//! Workers on a runtime that only remembers, with a clock that runs fast: back-offs, kills of the agent at every moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use masthead_agent::node::host_only::HostOnly;
use masthead_agent::pods::clock::Clock;
use masthead_agent::pods::convert::sandbox::Site;
use masthead_agent::pods::fake::FakeRuntime;
use masthead_agent::pods::run;
use masthead_agent::pods::site::{Dirs, ImagesInUse, Shared};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::pods::bed::{Agent, Reports, pod};

const SPEED: u32 = 100;

struct World {
    runtime: FakeRuntime,
    clock: Clock,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let clock = Clock::simulated(1_700_000_000_000, SPEED);
        let runtime = FakeRuntime::new(clock);
        runtime.add_image("test/busybox:1");
        Self { runtime, clock, dir: tempfile::tempdir().unwrap() }
    }

    fn agent(&self) -> Agent {
        let reports = Arc::new(Reports::default());
        let (manifest, receiver) = watch::channel(None);
        let shared = Arc::new(Shared {
            node: "node-1".into(),
            runtime: Arc::new(self.runtime.clone()),
            runtime_name: "fake".into(),
            images: Arc::new(self.runtime.clone()),
            image_store: None,
            network: Arc::new(HostOnly),
            reporter: reports.clone(),
            clock: self.clock,
            dirs: Dirs { pods: self.dir.path().join("pods"), logs: self.dir.path().join("logs") },
            site: Site { node: "node-1".into(), ..Site::default() },
            host_ips: vec![[192, 0, 2, 1].into()],
            cpu_milli: 2000,
            memory_bytes: 1 << 30,
            slots: Semaphore::new(4),
            pulls: Semaphore::new(2),
            in_use: Arc::new(ImagesInUse::default()),
            manifest: receiver.clone(),
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(run::run(shared.clone(), receiver, stop.clone()));
        Agent::new(shared, reports, manifest, stop, task)
    }
}

fn runs(name: &str) -> serde_json::Value {
    pod(name, json!({"containers": [{"name": "main", "command": ["run"]}]}))
}

#[tokio::test]
async fn crashes_are_held_off_longer_and_longer() {
    let world = World::new();
    let agent = world.agent();
    agent.says(&[pod("c", json!({"containers": [{"name": "main", "command": ["exit", "1"]}]}))], &[]);
    agent.status("c", "fifth restart", |s| s["containerStatuses"][0]["restartCount"] == 5).await;
    let mut waits: Vec<String> = Vec::new();
    for status in agent.history("c") {
        let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap_or_default();
        let wait = message.strip_prefix("back-off ").and_then(|m| m.split(' ').next()).unwrap_or_default().to_owned();
        if !wait.is_empty() && waits.last() != Some(&wait) {
            waits.push(wait);
        }
    }
    // A machine that is busy for a tenth of a second may miss a short one, never their order.
    let all = ["10s", "20s", "40s", "1m20s", "2m40s"];
    let places: Vec<_> = waits.iter().map(|wait| all.iter().position(|known| known == wait).expect(wait)).collect();
    assert!(places.is_sorted() && places.iter().any(|place| *place >= 3), "{waits:?}");
    let creates = world.runtime.calls().iter().filter(|call| call.starts_with("create")).count();
    assert!(creates >= 6, "{:?}", world.runtime.calls());
    agent.stop().await;
}

#[tokio::test]
async fn a_stubborn_container_is_killed_after_its_grace() {
    let world = World::new();
    let agent = world.agent();
    agent.says(
        &[pod(
            "s",
            json!({"containers": [{"name": "main", "command": ["stubborn"]}], "terminationGracePeriodSeconds": 20}),
        )],
        &[],
    );
    agent.ready("s").await;
    let before = world.clock.now_ms();
    agent.says(&[], &[]);
    agent.gone("s").await;
    // No bound above: on this clock a hundredth of a second of the machine's is one second.
    let took = world.clock.now_ms() - before;
    assert!(took >= 20_000, "{took} ms");
    assert!(world.runtime.calls().iter().any(|call| call.starts_with("stop main ")), "{:?}", world.runtime.calls());
    agent.stop().await;
}

#[tokio::test]
async fn a_reboot_brings_everything_back() {
    let world = World::new();
    let agent = world.agent();
    agent.says(&[runs("r")], &[]);
    agent.ready("r").await;
    agent.killed().await;
    world.runtime.reboot();
    let agent = world.agent();
    agent.says(&[runs("r")], &[]);
    agent.status("r", "back", |s| s["containerStatuses"][0]["restartCount"] == 1 && s["phase"] == "Running").await;
    agent.ready("r").await;
    assert_eq!(world.runtime.calls(), ["sandbox r 0", "create main 0", "sandbox r 1", "create main 1"]);
    agent.stop().await;
}

#[tokio::test]
async fn last_words_outlive_the_agent_that_heard_them() {
    let world = World::new();
    let agent = world.agent();
    let pods = [pod("w", json!({"restartPolicy": "Never", "containers": [{"name": "main", "command": ["run"]}]}))];
    agent.says(&pods, &[]);
    agent.ready("w").await;
    std::fs::write(world.dir.path().join("pods/uid-w/main.0.message"), "words").unwrap();
    world.runtime.crash("main", 3);
    let words = async |agent: &Agent| {
        let status = agent.status("w", "ended", |status| status["phase"] == "Failed").await;
        status["containerStatuses"][0]["state"]["terminated"]["message"].clone()
    };
    assert_eq!(words(&agent).await, "words");
    agent.killed().await;
    let agent = world.agent();
    agent.says(&pods, &[]);
    assert_eq!(words(&agent).await, "words");
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_killed_at_any_moment_starts_nothing_twice() {
    for steps in 0..40_u64 {
        let world = World::new();
        let pods: Vec<_> = (0..3).map(|n| runs(&format!("p{n}"))).collect();
        let agent = world.agent();
        agent.says(&pods, &[]);
        tokio::time::sleep(Duration::from_micros(steps * 150)).await;
        agent.killed().await;
        let agent = world.agent();
        agent.says(&pods, &[]);
        for n in 0..3 {
            agent.ready(&format!("p{n}")).await;
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        world.runtime.calls().into_iter().for_each(|call| *counts.entry(call).or_default() += 1);
        let sandboxes = counts.keys().filter(|call| call.starts_with("sandbox")).count();
        let restarts: Vec<&String> =
            counts.keys().filter(|call| call.starts_with("create") && !call.ends_with(" 0")).collect();
        assert_eq!(
            (sandboxes, restarts.len(), counts.get("create main 0")),
            (3, 0, Some(&3)),
            "after {steps}: {counts:?}"
        );
        agent.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_done_at_rest() {
    let world = World::new();
    let agent = world.agent();
    agent.says(&[runs("q")], &[]);
    agent.ready("q").await;
    let done = || (world.runtime.calls().len(), agent.history("q").len());
    // What belongs to the start may come after the pod is ready.
    let mut before = (0, 0);
    while before != done() {
        before = done();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    agent.says(&[runs("q")], &[]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(done(), before);
    agent.stop().await;
}
