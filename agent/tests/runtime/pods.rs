//! What the containers of a pod share, and what pods do not.

use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::v1;
use masthead_agent::runtime::v1::NamespaceMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bed::{Bed, bed, container, network, script, until};

const NAMESPACES: &str = "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done";

async fn exec(bed: &Bed, id: &str, text: &str) -> String {
    let command = vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()];
    let output = bed.runtime.exec_sync(id, command, None).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_ipc_and_name_a_pod() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("one").await;
    let first = bed.start(&pod, container("a", &["sleep", "1000"])).await;
    let second = bed.start(&pod, container("b", &["sleep", "1000"])).await;
    let (a, b) = (exec(&bed, &first, NAMESPACES).await, exec(&bed, &second, NAMESPACES).await);
    let (a, b): (Vec<_>, Vec<_>) = (a.lines().collect(), b.lines().collect());
    assert_eq!(a[..3], b[..3]);
    assert!(a[3] != b[3] && a[4] != b[4], "{a:?} {b:?}");
    assert_eq!(exec(&bed, &first, "hostname").await, "one\n");
    exec(&bed, &first, "echo shared >/dev/shm/x").await;
    assert_eq!(exec(&bed, &second, "cat /dev/shm/x").await, "shared\n");

    let netns = bed.dir.join("netns2");
    network(&netns);
    let mut request = bed.pod_request("two");
    request.netns_path = Some(netns.clone());
    let other = bed.runtime.run_pod_sandbox(request).await.unwrap();
    let third = bed.start(&other, container("c", &["sleep", "1000"])).await;
    let c = exec(&bed, &third, NAMESPACES).await;
    let c: Vec<_> = c.lines().collect();
    assert!((0..5).all(|at| a[at] != c[at]), "{a:?} {c:?}");
    assert_eq!(exec(&bed, &third, "ls /dev/shm").await, "");
    bed.runtime.remove_pod_sandbox(&other).await.unwrap();
    nix::mount::umount2(&netns, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_can_be_shared() {
    let Some(bed) = bed().await else { return };
    let mut request = bed.pod_request("p");
    let options = v1::NamespaceOption { pid: NamespaceMode::Pod.into(), ..Default::default() };
    request.config.linux = Some(v1::LinuxPodSandboxConfig {
        security_context: Some(v1::LinuxSandboxSecurityContext {
            namespace_options: Some(options),
            ..Default::default()
        }),
        ..Default::default()
    });
    let pod = bed.runtime.run_pod_sandbox(request).await.unwrap();
    let first = bed.start(&pod, container("a", &["sleep", "1001"])).await;
    let second = bed.start(&pod, container("b", &["sleep", "1002"])).await;
    let seen = exec(&bed, &second, "ps").await;
    assert!(seen.contains("sleep 1001") && seen.contains("sleep 1002"), "{seen}");
    assert!(exec(&bed, &second, "cat /proc/1/comm").await == "pause\n");
    let root = exec(&bed, &second, "ls /proc/1/root 2>&1").await;
    assert!(root.contains("denied"), "{root}");
    // An orphan left behind in the shared namespace dies with its container.
    exec(&bed, &first, "setsid sleep 1003 </dev/null >/dev/null 2>&1 &").await;
    until("the orphan", || !super::bed::processes_with("sleep 1003").is_empty()).await;
    bed.runtime.stop_container(&first, std::time::Duration::ZERO).await.unwrap();
    until("its end", || super::bed::processes_with("sleep 1003").is_empty()).await;
    assert!(exec(&bed, &second, "echo alive").await == "alive\n");
    bed.runtime.stop_pod_sandbox(&pod).await.unwrap();
    assert_eq!(bed.ended(&second).await.exit_code, 137);
    let status = bed.runtime.pod_sandbox_status(&pod).await.unwrap();
    assert_eq!(status.state(), v1::PodSandboxState::SandboxNotready);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_s_namespaces() {
    let Some(bed) = bed().await else { return };
    let mut request = bed.pod_request("p");
    request.netns_path = None;
    request.config.hostname = String::new();
    let node = NamespaceMode::Node.into();
    let options = v1::NamespaceOption { network: node, pid: node, ipc: node, ..Default::default() };
    request.config.linux = Some(v1::LinuxPodSandboxConfig {
        security_context: Some(v1::LinuxSandboxSecurityContext {
            namespace_options: Some(options.clone()),
            ..Default::default()
        }),
        ..Default::default()
    });
    let pod = bed.runtime.run_pod_sandbox(request).await.unwrap();
    let config = super::bed::security(script("c", NAMESPACES), |security| {
        security.namespace_options = Some(options);
    });
    let id = bed.start(&pod, config).await;
    bed.ended(&id).await;
    let text = bed.text("p", "c");
    let own = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let expect: Vec<_> = ["net", "ipc", "uts", "pid"].iter().map(|name| own(name)).collect();
    let found: Vec<_> = text.lines().take(4).map(std::path::PathBuf::from).collect();
    assert_eq!(found, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_forwarded() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    // The loopback of a fresh network namespace is down until somebody brings it up.
    let netns = bed.netns.clone();
    std::thread::spawn(move || {
        nix::sched::setns(std::fs::File::open(netns).unwrap(), nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let up = std::process::Command::new("/bin/busybox").args(["ifconfig", "lo", "up"]).status();
        assert!(up.unwrap().success());
    })
    .join()
    .unwrap();
    let id = bed.start(&pod, script("c", "echo ready; nc -l -p 8080 -e cat")).await;
    until("the server", || bed.text("p", "c").contains("ready")).await;
    let mut stream = None;
    for _ in 0..3000 {
        if let Ok(open) = bed.runtime.port_forward(&pod, 8080).await {
            stream = Some(open);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut stream = stream.expect("no connection");
    stream.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    drop(stream);
    assert!(bed.runtime.port_forward(&pod, 9).await.is_err());
    drop(id);
}
