//! Volumes of every kind, as containers see them, and as they change.

use serde_json::{Value, json};

use crate::pods::bed::{Agent, machine, pod, script};
use crate::pods::life::WAITS;

fn config(value: &str) -> (&'static str, Value) {
    ("ConfigMap", json!({"metadata": {"name": "conf", "namespace": "test"}, "data": {"a": value, "b": "two"}}))
}

fn secret() -> (&'static str, Value) {
    ("Secret", json!({"metadata": {"name": "keys", "namespace": "test"}, "data": {"token": "aHVudGVyMg=="}}))
}

async fn inside(agent: &Agent, pod: &str, command: &str) -> String {
    let containers = agent.shared.runtime.list_containers(Default::default()).await.unwrap();
    let found = containers.iter().find(|c| c.labels["io.kubernetes.pod.name"] == pod).unwrap();
    let output = agent
        .shared
        .runtime
        .exec_sync(&found.id, ["sh", "-c", command].map(String::from).to_vec(), None)
        .await
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_kind_is_there() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let mut main = script("main", WAITS);
        main["env"] = json!([
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}},
            {"name": "B", "value": "$(A)-$(IP)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ]);
        main["envFrom"] = json!([{"secretRef": {"name": "keys"}, "prefix": "K_"}]);
        main["volumeMounts"] = json!([
            {"name": "empty", "mountPath": "/empty"}, {"name": "memory", "mountPath": "/memory"},
            {"name": "conf", "mountPath": "/conf"}, {"name": "keys", "mountPath": "/keys"},
            {"name": "down", "mountPath": "/down"}, {"name": "all", "mountPath": "/all"},
            {"name": "conf", "mountPath": "/etc/one", "subPath": "a"},
            {"name": "empty", "mountPath": "/deep", "subPath": "x/y"},
        ]);
        let volumes = json!([
            {"name": "empty", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "conf", "configMap": {"name": "conf", "defaultMode": 0o440}},
            {"name": "keys", "secret": {"secretName": "keys", "items": [{"key": "token", "path": "in/side", "mode": 0o400}]}},
            {"name": "down", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"name": "all", "projected": {"sources": [
                {"configMap": {"name": "conf", "items": [{"key": "b", "path": "c/b"}]}}, {"secret": {"name": "keys"}},
                {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}},
        ]);
        let spec = json!({"containers": [main], "volumes": volumes, "securityContext": {"fsGroup": 4242}, "hostAliases": [{"ip": "10.9.9.9", "hostnames": ["friend"]}]});
        agent.says(&[pod("v", spec)], &[config("one"), secret()]);
        agent.ready("v").await;
        let check =
            async |command: &str, expect: &str| assert_eq!(inside(&agent, "v", command).await, expect, "{command}");
        check("cat /conf/a /conf/b", "onetwo").await;
        check("cat /keys/in/side", "hunter2").await;
        check("cat /down/labels", "app=\"v\"").await;
        check("cat /all/c/b /all/token /all/name", "twohunter2v").await;
        check("cat /etc/one", "one").await;
        check("echo $A $B $IP $K_token", "one one-$(IP) 10.42.0.2 hunter2\n").await;
        check("echo x > /conf/a", "sh: can't create /conf/a: Read-only file system\n").await;
        check("touch /empty/f /deep/g; stat -c %g /empty/f; ls /empty/x/y", "4242\ng\n").await;
        check("stat -L -c '%a %g' /conf/a", "440 4242\n").await;
        check("busybox dd if=/dev/zero of=/memory/big bs=1M count=2 2>/dev/null; echo $?", "1\n").await;
        check("busybox grep -c friend /etc/hosts; busybox grep -w v /etc/hosts; hostname", "1\n10.42.0.2\tv\nv\n")
            .await;
        check("busybox grep nameserver /etc/resolv.conf", "nameserver 10.0.0.2\n").await;
        // What changes is seen without a restart.
        let mut manifest = (**agent.manifest.borrow().as_ref().unwrap()).clone();
        manifest.generation.counter += 1;
        let changed =
            masthead_wire::object::Attachment::parse("ConfigMap", config("new").1.to_string().into()).unwrap();
        manifest.content.insert_attachment(changed.into());
        agent.manifest.send_replace(Some(manifest.into()));
        agent.look("the new content", async || (inside(&agent, "v", "cat /conf/a").await == "new").then_some(())).await;
        let mounts = || std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let dir = agent.shared.dirs.pod("uid-v");
        assert!(mounts().contains(dir.to_str().unwrap()));
        agent.says(&[], &[]);
        agent.gone("v").await;
        assert!(!mounts().contains(dir.to_str().unwrap()) && !dir.exists());
        agent.stop().await;
    });
}

#[test]
fn what_is_missing_or_not_supported_is_named_and_waited_for() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let with = |name: &str, volume: Value| {
            let mut main = script("main", WAITS);
            main["volumeMounts"] = json!([{"name": "x", "mountPath": "/x"}]);
            pod(name, json!({"containers": [main], "volumes": [volume]}))
        };
        let claim = with("claim", json!({"name": "x", "persistentVolumeClaim": {"claimName": "c"}}));
        let late = with("late", json!({"name": "x", "configMap": {"name": "conf"}}));
        let wrong = with("wrong", json!({"name": "x", "hostPath": {"path": "/etc/hostname", "type": "Directory"}}));
        let escape = {
            let mut pod = with("escape", json!({"name": "x", "emptyDir": {}}));
            let link = script("link", "busybox ln -s /etc /x/out");
            let mut link = link;
            link["volumeMounts"] = json!([{"name": "x", "mountPath": "/x"}]);
            link["image"] = json!("test/busybox:1");
            pod["spec"]["initContainers"] = json!([link]);
            pod["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = json!("out");
            pod
        };
        let pods = [claim, late, wrong, escape];
        agent.says(&pods, &[]);
        agent.event("FailedMount MountVolume.SetUp failed for volume \"x\" : volumes of kind persistentVolumeClaim are not supported by this node").await;
        agent.event("FailedMount MountVolume.SetUp failed for volume \"x\" : configmap \"conf\" not found").await;
        agent.event("hostPath type check failed: /etc/hostname is not a directory").await;
        agent.event("subPath \"out\" leads out of its volume").await;
        let status = agent.status("claim", "pending", |_| true).await;
        assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
        agent.says(&pods, &[config("one")]);
        agent.ready("late").await;
        agent.stop().await;
    });
}

#[test]
fn what_takes_more_disk_than_it_may_is_evicted() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let writes = |name: &str, what: &str| {
            script(
                "main",
                &format!("busybox dd if=/dev/zero of={what} bs=1M count=4 2>/dev/null; echo {name}; {WAITS}"),
            )
        };
        let mut filler = writes("volume", "/x/big");
        filler["volumeMounts"] = json!([{"name": "x", "mountPath": "/x"}]);
        let volume = json!({"name": "x", "emptyDir": {"sizeLimit": "1Mi"}});
        let mut layer = writes("layer", "/big");
        layer["resources"] = json!({"limits": {"ephemeral-storage": "2Mi"}});
        let mut modest = writes("modest", "/big");
        modest["resources"] = json!({"limits": {"ephemeral-storage": "20Mi"}});
        let service = json!({"metadata": {"name": "data-base", "namespace": "test"},
            "spec": {"clusterIP": "10.0.0.9", "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]}});
        agent.says(
            &[
                pod("filler", json!({"containers": [filler], "volumes": [volume]})),
                pod("layer", json!({"containers": [layer]})),
                pod("modest", json!({"containers": [modest]})),
            ],
            &[("Service", service)],
        );
        let evicted = async |pod: &str| agent.status(pod, "evicted", |s| s["reason"] == "Evicted").await;
        let status = evicted("filler").await;
        assert_eq!(status["phase"], "Failed");
        assert_eq!(status["message"], "Usage of EmptyDir volume \"x\" exceeds the limit \"1Mi\". ");
        let message = "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ";
        assert_eq!(evicted("layer").await["message"], message);
        agent.event("Evicted Pod ephemeral local storage").await;
        agent.ready("modest").await;
        let said = inside(&agent, "modest", "echo $DATA_BASE_SERVICE_HOST $DATA_BASE_PORT_5432_TCP").await;
        assert_eq!(said, "10.0.0.9 tcp://10.0.0.9:5432\n");
        agent.stop().await;
    });
}
