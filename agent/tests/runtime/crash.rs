//! The agent gone and back, a shim killed, a start broken off: nothing twice, nothing lost.

use std::time::Duration;

use masthead_agent::runtime::contract::{Runtime, SandboxRequest};
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::v1::{self, ContainerState};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bed::{Bed, bed, container, ended, processes_with, script, until};

fn init_of(bed: &Bed, id: &str) -> i32 {
    let text = std::fs::read_to_string(bed.container_dir(id).join("pid")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn parent_of(pid: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    text[text.rfind(')').unwrap() + 1..].split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_agent_finds_everything() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let running = bed.start(&pod, container("run", &["sleep", "1000"])).await;
    let exited = bed.start(&pod, script("exit", "exit 3")).await;
    bed.ended(&exited).await;
    let created = bed.create(&pod, script("created", "echo late")).await.unwrap();
    let dying = bed.start(&pod, script("dying", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 8")).await;
    let go = vec!["touch".to_owned(), "/tmp/go".to_owned()];
    let pid = init_of(&bed, &running);

    let second = bed.reopen().await;
    let state = async |runtime: &Embedded, id: &str| runtime.container_status(id).await.unwrap();
    let status = state(&second, &running).await;
    assert_eq!(status.state(), ContainerState::ContainerRunning);
    assert!(status.started_at > 0);
    assert_eq!(state(&second, &exited).await.exit_code, 3);
    assert_eq!(state(&second, &created).await.state(), ContainerState::ContainerCreated);
    assert_eq!(second.run_pod_sandbox(bed.pod_request("p")).await.unwrap(), pod);
    second.start_container(&running).await.unwrap();
    assert_eq!(init_of(&bed, &running), pid, "started twice");
    second.start_container(&created).await.unwrap();
    assert_eq!(ended(&second, &created).await.exit_code, 0);

    // One that ends while nobody looks.
    second.exec_sync(&dying, go, None).await.unwrap();
    drop(second);
    until("its record", || bed.container_dir(&dying).join("exit.json").exists()).await;
    let third = bed.reopen().await;
    assert_eq!(state(&third, &dying).await.exit_code, 8);
    third.stop_container(&running, Duration::ZERO).await.unwrap();
    assert_eq!(ended(&third, &running).await.exit_code, 137);
    assert_eq!(ended(&bed.runtime, &running).await.exit_code, 137, "the first one hears it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_fails_its_container_visibly() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let id = bed.start(&pod, container("c", &["sleep", "3001"])).await;
    let init = init_of(&bed, &id);
    let shim = parent_of(init);
    let name = std::fs::read_to_string(format!("/proc/{shim}/comm")).unwrap();
    assert_eq!(name, "masthead-shim\n");
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    let status = bed.ended(&id).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (137, "ContainerStatusUnknown"));
    assert!(status.message.contains("shim was killed"), "{status:?}");
    until("its processes' end", || processes_with("sleep 3001").is_empty()).await;
    // The same, seen by an agent that comes back later.
    let id = bed.start(&pod, container("d", &["sleep", "3002"])).await;
    let shim = parent_of(init_of(&bed, &id));
    kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    let second = bed.reopen().await;
    let status = ended(&second, &id).await;
    assert_eq!(status.reason, "ContainerStatusUnknown");
    until("its processes' end", || processes_with("sleep 3002").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_zygote_is_replaced() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let first = bed.start(&pod, container("a", &["sleep", "1000"])).await;
    let zygote = parent_of(parent_of(init_of(&bed, &first)));
    let name = std::fs::read_to_string(format!("/proc/{zygote}/comm")).unwrap();
    assert_eq!(name, "masthead-zygote\n");
    kill(Pid::from_raw(zygote), Signal::SIGKILL).unwrap();
    let second = bed.start(&pod, container("b", &["sleep", "1000"])).await;
    for id in [first, second] {
        let status = bed.runtime.container_status(&id).await.unwrap();
        assert_eq!(status.state(), ContainerState::ContainerRunning);
    }
}

const ROUNDS: u64 = 24;
const ONCE: &str = "echo once >>/dev/shm/starts; sleep 1000";

async fn run_all(runtime: &Embedded, request: SandboxRequest, name: &str) -> (String, String) {
    let pod = runtime.run_pod_sandbox(request).await.unwrap();
    let request = v1::CreateContainerRequest {
        pod_sandbox_id: pod.clone(),
        config: Some(script(name, ONCE)),
        sandbox_config: None,
    };
    let id = runtime.create_container(request).await.unwrap();
    runtime.start_container(&id).await.unwrap();
    (pod, id)
}

/// Not a test: the agent that `an_agent_killed_while_starting_repeats_itself` kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a helper process of another test"]
async fn agent_to_be_killed() {
    let Ok(arguments) = std::env::var("MASTHEAD_TEST_KILLED_AGENT") else { return };
    let [dir, cgroup, name] = arguments.split('|').collect::<Vec<_>>()[..] else { return };
    let (runtime, request) = super::bed::agent_in(std::path::Path::new(dir), cgroup, name).await;
    std::fs::write(format!("{dir}/go-{name}"), "").unwrap();
    run_all(&runtime, request, name).await;
    std::fs::write(format!("{dir}/done-{name}"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_while_starting_repeats_itself() {
    let Some(bed) = bed().await else { return };
    let dir = bed.dir.to_string_lossy().into_owned();
    let mut finished = 0;
    for round in 0..ROUNDS {
        let name = format!("c{round}");
        let mut agent = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runtime::crash::agent_to_be_killed", "--ignored", "--nocapture"])
            .env("MASTHEAD_TEST_KILLED_AGENT", format!("{dir}|{}|{name}", bed.options.cgroup_root))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let go = bed.dir.join(format!("go-{name}"));
        let begin = std::time::Instant::now();
        while !go.exists() {
            assert!(begin.elapsed() < Duration::from_secs(120), "the agent does not start");
            std::thread::sleep(Duration::from_micros(200));
        }
        // Steps of 1.3 ms: a whole start takes about 25 ms in a debug build.
        std::thread::sleep(Duration::from_micros(round * 1300));
        agent.kill().unwrap();
        agent.wait().unwrap();
        finished += u64::from(bed.dir.join(format!("done-{name}")).exists());

        let again = bed.reopen().await;
        let (pod, id) = run_all(&again, bed.pod_request(&name), &name).await;
        let status = again.container_status(&id).await.unwrap();
        assert_eq!(status.state(), ContainerState::ContainerRunning, "round {round}");
        let text = "until [ -e /dev/shm/starts ]; do sleep 0.05; done; wc -l </dev/shm/starts";
        let count = ["sh", "-c", text].map(str::to_owned).to_vec();
        let output = again.exec_sync(&id, count, None).await.unwrap();
        assert_eq!(output.stdout, b"1\n", "round {round}");
        let filter = v1::ContainerFilter { pod_sandbox_id: pod.clone(), ..Default::default() };
        assert_eq!(again.list_containers(filter).await.unwrap().len(), 1);
        again.remove_pod_sandbox(&pod).await.unwrap();
    }
    assert!(finished < ROUNDS, "none was killed in the middle");
}

/// The bed's own end checks that nothing is left of a cgroup parent that pods have named.
#[tokio::test(flavor = "multi_thread")]
async fn destroying_takes_shared_cgroups_along() {
    let Some(bed) = bed().await else { return };
    let parent = format!("{}/burstable/podx", bed.options.cgroup_root);
    let mut request = bed.pod_request("p");
    request.config.linux = Some(v1::LinuxPodSandboxConfig { cgroup_parent: parent.clone(), ..Default::default() });
    let pod = bed.runtime.run_pod_sandbox(request).await.unwrap();
    let id = bed.start(&pod, container("c", &["sleep", "1000"])).await;
    assert!(!super::bed::cgroup_dirs(&format!("{parent}/{id}")).is_empty());
    bed.runtime.remove_pod_sandbox(&pod).await.unwrap();
    assert!(super::bed::cgroup_dirs(&parent).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_leaves_nothing() {
    let Some(bed) = bed().await else { return };
    let before = std::fs::read_to_string("/proc/self/mounts").unwrap().matches(&*bed.dir.to_string_lossy()).count();
    for _ in 0..3 {
        let pod = bed.pod("p").await;
        let a = bed.start(&pod, container("a", &["sleep", "1000"])).await;
        bed.start(&pod, script("b", "exit 0")).await;
        bed.create(&pod, script("c", "exit 0")).await.unwrap();
        bed.runtime.stop_container(&a, Duration::ZERO).await.unwrap();
        bed.runtime.remove_pod_sandbox(&pod).await.unwrap();
        for kind in ["run/containers", "run/sandboxes", "writable"] {
            let left = std::fs::read_dir(bed.options.state_dir.join(kind)).unwrap().count();
            assert_eq!(left, 0, "{kind}");
        }
        assert!(super::bed::cgroup_dirs(&format!("{}/pod{pod}", bed.options.cgroup_root)).is_empty());
    }
    let after = std::fs::read_to_string("/proc/self/mounts").unwrap().matches(&*bed.dir.to_string_lossy()).count();
    assert!(after <= before + 1, "mounts: {before} before, {after} after");
}
