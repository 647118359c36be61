//! Exit codes, signals, errors of a start, removal, events.

use std::time::{Duration, Instant};

use futures::StreamExt;
use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::error::Error;
use masthead_agent::runtime::v1::{self, ContainerEventType, ContainerState};

use super::bed::{bed, container, resources, script};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_ends_with_its_code() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    for (name, text, code, reason) in [
        ("zero", "exit 0", 0, "Completed"),
        ("seven", "exit 7", 7, "Error"),
        ("child", "sh -c 'kill -KILL $$'; exit $?", 137, "Error"),
    ] {
        let id = bed.start(&pod, script(name, text)).await;
        let status = bed.ended(&id).await;
        assert_eq!((status.exit_code, status.reason.as_str()), (code, reason), "{name}");
        assert!(status.started_at > 0 && status.finished_at >= status.started_at, "{status:?}");
        assert_eq!(bed.create(&pod, script(name, text)).await.unwrap(), id, "the same id again");
        let again = bed.runtime.start_container(&id).await.unwrap_err();
        assert!(matches!(again, Error::FailedPrecondition(_)), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_asks_then_kills() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let polite = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let id = bed.start(&pod, script("polite", polite)).await;
    super::bed::until("the trap", || bed.text("p", "polite").contains("up")).await;
    bed.runtime.stop_container(&id, Duration::from_secs(120)).await.unwrap();
    assert_eq!(bed.ended(&id).await.exit_code, 3);
    assert_eq!(bed.text("p", "polite"), "up\nbye\n");

    let id = bed.start(&pod, container("deaf", &["sleep", "1000"])).await;
    let begin = Instant::now();
    bed.runtime.stop_container(&id, Duration::from_millis(300)).await.unwrap();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert_eq!(bed.ended(&id).await.exit_code, 137);
    bed.runtime.stop_container(&id, Duration::ZERO).await.unwrap();
    bed.runtime.remove_container(&id).await.unwrap();
    bed.runtime.remove_container(&id).await.unwrap();
    assert!(bed.runtime.container_status(&id).await.unwrap_err().is_not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_start_says_why() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    for (name, command, expect) in [
        ("missing", "nope", "executable file not found in $PATH"),
        ("absent", "/bin/nope", "no such file or directory"),
        ("plain", "/script", "permission denied"),
        ("dir", "/bin", "permission denied"),
    ] {
        let id = bed.create(&pod, container(name, &[command])).await.unwrap();
        let error = bed.runtime.start_container(&id).await.unwrap_err();
        assert!(matches!(error, Error::Start(_)), "{error:?}");
        assert!(error.to_string().contains(expect), "{name}: {error}");
        let status = bed.runtime.container_status(&id).await.unwrap();
        assert_eq!((status.exit_code, status.reason.as_str()), (128, "StartError"));
        assert!(status.message.contains(expect), "{status:?}");
        bed.runtime.remove_container(&id).await.unwrap();
    }
    let missing = super::bed::security(script("user", "id"), |security| {
        security.run_as_username = "ghost".into();
    });
    let id = bed.create(&pod, missing).await.unwrap();
    let error = bed.runtime.start_container(&id).await.unwrap_err();
    assert!(error.to_string().contains("unable to find user ghost"), "{error}");
    let mut unknown = script("image", "id");
    unknown.image = Some(v1::ImageSpec { image: "ghost".into(), ..Default::default() });
    assert!(bed.create(&pod, unknown).await.unwrap_err().is_not_found());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_pushed_with_the_exit_code() {
    let Some(bed) = bed().await else { return };
    let mut events = bed.runtime.container_events();
    let pod = bed.pod("p").await;
    let id = bed.start(&pod, script("c", "exit 5")).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&ContainerEventType::ContainerStoppedEvent) {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event.container_id, id);
        seen.push(event.container_event_type());
        if event.container_event_type() == ContainerEventType::ContainerStoppedEvent {
            assert_eq!(event.containers_statuses[0].exit_code, 5);
            assert_eq!(event.pod_sandbox_status.unwrap().id, pod);
        }
    }
    use ContainerEventType::*;
    assert_eq!(seen, [ContainerCreatedEvent, ContainerStartedEvent, ContainerStoppedEvent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_in_the_cgroup_and_can_be_changed() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let wanted = v1::LinuxContainerResources {
        cpu_shares: 512,
        cpu_period: 100_000,
        cpu_quota: 20_000,
        memory_limit_in_bytes: 64 << 20,
        unified: [("pids.max".to_owned(), "32".to_owned())].into(),
        ..Default::default()
    };
    let id = bed.start(&pod, resources(container("c", &["sleep", "1000"]), wanted)).await;
    let group = format!("{}/pod{pod}/{id}", bed.options.cgroup_root);
    let read = |file: &str| {
        super::bed::cgroup_dirs(&group)
            .iter()
            .find_map(|dir| std::fs::read_to_string(dir.join(file)).ok())
            .map(|text| text.trim().to_owned())
    };
    let memory = || read("memory.limit_in_bytes").or_else(|| read("memory.max"));
    assert_eq!(memory().as_deref(), Some("67108864"));
    assert_eq!(read("pids.max").as_deref(), Some("32"));
    let quota = read("cpu.cfs_quota_us").or_else(|| read("cpu.max")).unwrap();
    assert!(quota == "20000" || quota == "20000 100000", "{quota}");
    let shares = read("cpu.shares").or_else(|| read("cpu.weight")).unwrap();
    assert!(shares == "512" || shares == "20", "{shares}");
    for bytes in [128 << 20, 32 << 20] {
        let change = v1::LinuxContainerResources { memory_limit_in_bytes: bytes, ..Default::default() };
        bed.runtime.update_container_resources(&id, change).await.unwrap();
        assert_eq!(memory(), Some(bytes.to_string()));
    }
    let stats = bed.runtime.container_stats(&id).await.unwrap();
    assert!(stats.memory.unwrap().usage_bytes.unwrap().value > 0);
    let status = bed.runtime.container_status(&id).await.unwrap();
    let kept = status.resources.unwrap().linux.unwrap();
    assert_eq!((kept.memory_limit_in_bytes, kept.cpu_shares), (32 << 20, 512));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_seen_as_such() {
    let Some(bed) = bed().await else { return };
    let limit = v1::LinuxContainerResources { memory_limit_in_bytes: 8 << 20, ..Default::default() };
    let hog = container("hog", &["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
    let (status, _) = bed.run(resources(hog, limit)).await;
    assert_eq!((status.exit_code, status.reason.as_str()), (137, "OOMKilled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let mut config = container("c", &["sleep", "1000"]);
    config.labels.insert("app".into(), "web".into());
    let id = bed.start(&pod, config).await;
    let count = async |filter: v1::ContainerFilter| bed.runtime.list_containers(filter).await.unwrap().len();
    let running = v1::ContainerStateValue { state: ContainerState::ContainerRunning.into() };
    let none = v1::ContainerFilter::default();
    assert_eq!(count(none.clone()).await, 1);
    assert_eq!(count(v1::ContainerFilter { state: Some(running), ..none.clone() }).await, 1);
    assert_eq!(count(v1::ContainerFilter { id: "x".into(), ..none.clone() }).await, 0);
    let web = [("app".to_owned(), "web".to_owned())].into();
    assert_eq!(count(v1::ContainerFilter { label_selector: web, ..none.clone() }).await, 1);
    bed.runtime.remove_pod_sandbox(&pod).await.unwrap();
    bed.runtime.remove_pod_sandbox(&pod).await.unwrap();
    assert_eq!(count(none).await, 0);
    assert!(bed.runtime.container_status(&id).await.unwrap_err().is_not_found());
}
