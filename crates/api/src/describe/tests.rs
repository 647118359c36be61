//! Descriptions of what the recordings lack: related objects, events, sources of variables, volumes, nodes.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::describe::{Related, describe};
use crate::meta::time::Time;
use crate::object::Object;

fn list<T: DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values.iter().map(|value| serde_json::from_value(value.clone()).unwrap()).collect()
}

fn text(object: &Value, related: &Related) -> String {
    let now = Time::parse("2026-01-01T01:00:00Z").unwrap();
    describe(&Object::from_value(object.clone()).unwrap(), related, now).unwrap()
}

/// Whether these lines stand in the description, one after another.
fn check(object: &Value, related: &Related, expect: &str) {
    let text = text(object, related);
    assert!(text.contains(expect), "want\n{expect}\nin\n{text}");
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u1"}, "spec": spec})
}

#[test]
fn events_come_oldest_first_and_only_the_objects_own() {
    let event = |name: &str, uid: &str, rest: Value| {
        let mut event = json!({"metadata": {"name": name, "namespace": "n"}, "type": "Normal", "reason": name,
            "involvedObject": {"kind": "Pod", "namespace": "n", "name": "p", "uid": uid},
            "source": {"component": "kubelet"}, "message": " did it\n"});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event
    };
    let events = list(&[
        event(
            "Late",
            "u1",
            json!({"firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:50:00Z", "count": 3}),
        ),
        event("Other", "u2", json!({"lastTimestamp": "2026-01-01T00:10:00Z"})),
        event(
            "New",
            "u1",
            json!({"eventTime": "2026-01-01T00:30:00.000000Z", "reportingComponent": "us", "source": {}}),
        ),
        event(
            "Series",
            "u1",
            json!({"eventTime": "2026-01-01T00:30:00.000000Z", "lastTimestamp": "2026-01-01T00:59:00Z",
            "series": {"count": 7, "lastObservedTime": "2026-01-01T00:59:30.000000Z"}}),
        ),
    ]);
    let related = Related { events: Some(&events), ..Related::default() };
    let expect = "\
Events:
  Type    Reason  Age                From     Message
  ----    ------  ----               ----     -------
  Normal  New     30m                us       did it
  Normal  Late    10m (x3 over 60m)  kubelet  did it
  Normal  Series  30s (x7 over 30m)  kubelet  did it
";
    check(&pod(json!({"containers": []})), &related, expect);
    assert!(!text(&pod(json!({"containers": []})), &Related::default()).contains("Events"));
}

#[test]
fn containers_show_their_settings_and_no_secret() {
    let container = json!({"name": "c", "image": "i", "command": ["sh", "-c\nx"], "args": ["a"],
        "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "hostPort": 5353, "protocol": "UDP"}],
        "resources": {"limits": {"cpu": "1500m", "memory": "1Gi"}, "requests": {"cpu": "1"}},
        "livenessProbe": {"httpGet": {"path": "/a?b c", "port": "web", "scheme": "HTTP"}, "timeoutSeconds": 1,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
        "readinessProbe": {"exec": {"command": ["cat", "/x"]}},
        "startupProbe": {"tcpSocket": {"port": 1}},
        "envFrom": [{"configMapRef": {"name": "m"}}, {"prefix": "P_", "secretRef": {"name": "s", "optional": true}}],
        "env": [{"name": "A", "value": "1\n2"}, {"name": "NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k", "optional": true}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/z", "subPath": "q"}, {"name": "w", "mountPath": "/a", "readOnly": true}]});
    let expect = "\
Containers:
  c:
    Image:       i
    Ports:       80/TCP, 53/UDP
    Host Ports:  0/TCP, 5353/UDP
    Command:
      sh
      -c
      x
    Args:
      a
    Limits:
      cpu:     1500m
      memory:  1Gi
    Requests:
      cpu:      1
    Liveness:   http-get http://:web/a%3Fb%20c delay=0s timeout=1s period=10s #success=1 #failure=3
    Readiness:  exec [cat /x] delay=0s timeout=0s period=0s #success=0 #failure=0
    Startup:    tcp-socket :1 delay=0s timeout=0s period=0s #success=0 #failure=0
    Environment Variables from:
      m  ConfigMap                Optional: false
      s  Secret with prefix 'P_'  Optional: true
    Environment:
      A:     1
             2
      NAME:  p (v1:metadata.name)
      IP:     (v1:status.podIP)
      CPU:   2 (limits.cpu)
      MEM:   1024 (limits.memory)
      S:     <set to the key 'k' in secret 's'>         Optional: false
      M:     <set to the key 'k' of config map 'm'>     Optional: true
    Mounts:
      /a from w (ro)
      /z from v (rw,path=\"q\")
";
    // Spaces before the last column follow from the widest cell.
    let squeezed = |text: &str| {
        text.lines()
            .map(|l| l.split("  ").filter(|p| !p.is_empty()).map(str::trim).collect::<Vec<_>>().join("|"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let got = text(&pod(json!({"containers": [container]})), &Related::default());
    assert!(squeezed(&got).contains(&squeezed(expect)), "want\n{expect}\nin\n{got}");
}

#[test]
fn volumes_show_their_sources() {
    let volumes = json!([
        {"name": "h", "hostPath": {"path": "/x", "type": "Directory"}},
        {"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3607}},
            {"configMap": {"name": "ca"}}, {"downwardAPI": {}}]}},
        {"name": "c", "csi": {"driver": "d", "volumeAttributes": {"a": "1", "b": "2"}}},
        {"name": "x"}]);
    let expect = "\
Volumes:
  h:
    Type:          HostPath (bare host directory volume)
    Path:          /x
    HostPathType:  Directory
  e:
    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:     Memory
    SizeLimit:  64Mi
  p:
    Type:                    Projected (a volume that contains injected data from multiple sources)
    TokenExpirationSeconds:  3607
    ConfigMapName:           ca
    ConfigMapOptional:       <nil>
    DownwardAPI:             true
  c:
    Type:              CSI (a Container Storage Interface (CSI) volume source)
    Driver:            d
    FSType:            
    ReadOnly:          false
    VolumeAttributes:      a=1
                           b=2
  x:
  <unknown>
QoS Class:       BestEffort
";
    check(&pod(json!({"containers": [], "volumes": volumes})), &Related::default(), expect);
}

#[test]
fn a_deployment_names_its_replica_sets() {
    let template =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = |name: &str, owner: &str, image: &str, made: &str| {
        json!({"metadata": {"name": name, "namespace": "n", "labels": {"app": "web"}, "creationTimestamp": made,
                "ownerReferences": [{"kind": "Deployment", "name": "d", "uid": owner, "controller": true}]},
            "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web", "pod-template-hash": name}},
                "spec": {"containers": [{"name": "c", "image": image}]}}}, "status": {"replicas": 1}})
    };
    let replica_sets = list(&[
        set("b", "d1", "i", "2026-01-01T00:03:00Z"),
        set("z", "d1", "old", "2026-01-01T00:01:00Z"),
        set("y", "d1", "older", "2026-01-01T00:02:00Z"),
        set("q", "other", "i", "2026-01-01T00:00:00Z"),
    ]);
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "n", "uid": "d1"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Ok"}]}});
    let expect = "\
Conditions:
  Type           Status  Reason
  ----           ------  ------
  Available      True    Ok
OldReplicaSets:  z (1/2 replicas created), y (1/2 replicas created)
NewReplicaSet:   b (1/2 replicas created)
";
    check(&deployment, &Related { replica_sets: &replica_sets, ..Related::default() }, expect);
}

#[test]
fn a_service_shows_ready_endpoints() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"},
        "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"}]}});
    let slice = |service: &str, addresses: &[(&str, bool)]| {
        let endpoints: Vec<Value> =
            addresses.iter().map(|(a, ready)| json!({"addresses": [a], "conditions": {"ready": ready}})).collect();
        json!({"metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": service}},
            "endpoints": endpoints, "ports": [{"name": "http", "port": 8080}, {"name": "x", "port": 1}]})
    };
    let with = |slices: &[Value], expect: &str| {
        let slices = list(slices);
        let related = Related { endpoint_slices: &slices, ..Related::default() };
        check(&service, &related, &format!("TargetPort:        web/TCP\nEndpoints:         {expect}\n"));
    };
    with(&[slice("s", &[("10.0.0.1", true), ("10.0.0.2", false), ("fd00::1", true)])], "10.0.0.1:8080,[fd00::1]:8080");
    with(&[slice("t", &[("10.0.0.1", true)])], "<none>");
    let many = [("a", true), ("b", true), ("c", true), ("d", true), ("e", true)];
    with(&[slice("s", &many)], "a:8080,b:8080,c:8080 + 2 more...");
}

#[test]
fn a_node_shows_what_its_pods_ask_for() {
    let node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"taints": [{"key": "b", "effect": "NoSchedule"}, {"key": "a", "value": "v", "effect": "NoExecute"}]},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "110", "x.io/gpu": "1"}}});
    let pods = list(&[
        json!({"metadata": {"name": "a", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "resources": {
                "requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "512Mi", "x.io/gpu": "1"}}}]}}),
        json!({"metadata": {"name": "b", "namespace": "n"}, "spec": {"nodeName": "n1", "containers": []},
            "status": {"phase": "Succeeded"}}),
        json!({"metadata": {"name": "c", "namespace": "n"}, "spec": {"nodeName": "n2", "containers": []}}),
    ]);
    let related = Related { pods: &pods, ..Related::default() };
    check(&node, &related, "Roles:              control-plane\n");
    check(&node, &related, "Taints:             a=v:NoExecute\n                    b:NoSchedule\n");
    check(&node, &related, "Failed to get lease: leases.coordination.k8s.io \"n1\" not found\n");
    let expect = "\
Non-terminated Pods:          (1 in total)
  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  ---------                   ----    ------------  ----------  ---------------  -------------  ---
  n                           a       500m (25%)    0 (0%)      256Mi (25%)      512Mi (50%)    60m
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests     Limits
  --------           --------     ------
  cpu                500m (25%)   0 (0%)
  memory             256Mi (25%)  512Mi (50%)
  ephemeral-storage  0 (0%)       0 (0%)
  x.io/gpu           0            1
";
    check(&node, &related, expect);
}

#[test]
fn configuration_shows_text_and_hides_bytes() {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"},
        "data": {"a": "x\ny"}, "binaryData": {"b": "AAEC"}});
    let related = Related { events: Some(&[]), ..Related::default() };
    let expect = "\nData\n====\na:\n----\nx\ny\n\n\nBinaryData\n====\nb: 3 bytes\n\nEvents:  <none>\n";
    check(&map, &related, expect);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "n", "uid": "u"},
        "secrets": [{"name": "gone"}], "imagePullSecrets": [{"name": "pull"}]});
    let secrets = list(&[
        json!({"metadata": {"name": "pull", "namespace": "n"}}),
        json!({"metadata": {"name": "t", "namespace": "n", "annotations": {"kubernetes.io/service-account.name": "a",
            "kubernetes.io/service-account.uid": "u"}}, "type": "kubernetes.io/service-account-token"}),
    ]);
    let expect = "\
Image pull secrets:  pull
Mountable secrets:   gone (not found)
Tokens:              t
Events:              <none>
";
    check(&account, &Related { secrets: Some(&secrets), ..related }, expect);
}
