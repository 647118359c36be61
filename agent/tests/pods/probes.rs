//! Probes on real containers: what is ready, what is restarted.

use serde_json::json;

use crate::pods::bed::{condition, machine, pod, script};

#[test]
fn readiness_follows_a_web_server_and_liveness_restarts() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let serve = "mkdir -p /www; busybox httpd -f -p 8080 -h /www & echo $! > /pid; trap 'exit 0' TERM; while true; do sleep 1000 & wait; done";
        let mut web = script("main", &serve.replace("mkdir", "busybox mkdir"));
        web["ports"] = json!([{"name": "http", "containerPort": 8080}]);
        web["readinessProbe"] =
            json!({"httpGet": {"path": "/ok", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1});
        let mut tcp = script("main", &serve.replace("mkdir", "busybox mkdir"));
        tcp["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
        let mut sick = script("main", "trap 'exit 0' TERM; while true; do sleep 1000 & wait; done");
        sick["livenessProbe"] = json!({"exec": {"command": ["sh", "-c", "echo not well; exit 1"]}, "periodSeconds": 1, "failureThreshold": 2});
        let one = |name: &str, container| pod(name, json!({"containers": [container]}));
        agent.says(&[one("web", web), one("tcp", tcp), one("sick", sick)], &[]);
        agent.ready("tcp").await;
        agent.event("Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 404").await;
        let status = agent.status("web", "unready", |s| s["phase"] == "Running").await;
        assert_eq!(condition(&status, "Ready"), "False");
        let containers = agent.shared.runtime.list_containers(Default::default()).await.unwrap();
        let web = containers.iter().find(|c| c.labels["io.kubernetes.pod.name"] == "web").unwrap();
        let run =
            |text: &str| agent.shared.runtime.exec_sync(&web.id, ["sh", "-c", text].map(String::from).to_vec(), None);
        assert_eq!(run("touch /www/ok").await.unwrap().exit_code, 0);
        agent.ready("web").await;
        assert_eq!(run("rm /www/ok").await.unwrap().exit_code, 0);
        agent.status("web", "unready again", |s| condition(s, "Ready") == "False").await;
        agent.event("Unhealthy Liveness probe failed: not well").await;
        agent.event("Killing Container main failed liveness probe, will be restarted").await;
        agent.status("sick", "restarted", |s| s["containerStatuses"][0]["restartCount"].as_i64() >= Some(1)).await;
        agent.stop().await;
    });
}

#[test]
fn a_startup_probe_holds_the_others_off() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let mut slow = script(
            "main",
            "until test -e /go; do sleep 0.05; done; touch /up; trap 'exit 0' TERM; while true; do sleep 1000 & wait; done",
        );
        slow["startupProbe"] =
            json!({"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1, "failureThreshold": 1000});
        slow["livenessProbe"] =
            json!({"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1, "failureThreshold": 1});
        agent.says(&[pod("slow", json!({"containers": [slow]}))], &[]);
        let is_held = |s: &serde_json::Value| s["containerStatuses"][0]["started"] == false && s["phase"] == "Running";
        agent.status("slow", "running and not started", is_held).await;
        let containers = agent.shared.runtime.list_containers(Default::default()).await.unwrap();
        let go = ["touch", "/go"].map(String::from).to_vec();
        assert_eq!(agent.shared.runtime.exec_sync(&containers[0].id, go, None).await.unwrap().exit_code, 0);
        let status = agent.ready("slow").await;
        assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
        agent.stop().await;
    });
}
