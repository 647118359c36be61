//! Faulty objects to the words of Kubernetes' own validation (1.36), where no recorded answer has them.

use serde_json::{Value, json};

use crate::admit;

/// `path: message` of each fault.
fn told(result: Result<Value, Vec<admit::FieldProblem>>) -> Vec<String> {
    result.err().into_iter().flatten().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list.push(value),
        parent => parent[field] = value,
    }
}

fn pod(changes: &[(&str, Value)]) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    changes.iter().for_each(|(pointer, value)| set(&mut pod, pointer, value.clone()));
    pod
}

/// A pod with these changes is refused for these faults.
fn check(changes: &[(&str, Value)], expect: &[&str]) {
    assert_eq!(told(admit::create(pod(changes), "default")), expect, "{changes:?}");
}

/// The same for one change.
fn one(pointer: &str, value: Value, expect: &[&str]) {
    check(&[(pointer, value)], expect);
}

#[test]
fn pods_are_refused_in_kubernetes_words() {
    one(
        "/spec/dnsPolicy",
        json!("<a&b>"),
        &[
            r#"spec.dnsPolicy: Unsupported value: "\u003ca\u0026b\u003e": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#,
        ],
    );
    one(
        "/spec/containers/0/image",
        json!(" <a>\u{7}"),
        &[r#"spec.containers[0].image: Invalid value: " <a>\a": must not have leading or trailing whitespace"#],
    );
    one(
        "/spec/volumes",
        json!([{"name": "v", "persistentVolumeClaim": {"claimName": "x"}, "iscsi": {}}]),
        &[
            "spec.volumes[0].iscsi.targetPortal: Required value",
            "spec.volumes[0].iscsi.iqn: Required value",
            "spec.volumes[0].persistentVolumeClaim: Forbidden: may not specify more than 1 volume type",
        ],
    );
    one("/spec/os", json!({"name": ""}), &["spec.os.name: Required value"]);
    check(
        &[("/spec/os", json!({"name": "windows"})), ("/spec/resources", json!({"limits": {"foo": "1"}}))],
        &["spec.resources: Forbidden: may not be set for a windows pod"],
    );
    one(
        "/spec/resources",
        json!({"claims": [{"name": "a"}]}),
        &[
            "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
            "spec.resources.claims[0]: Not found: \"a\": must be one of the names in pod.spec.resourceClaims which is empty",
        ],
    );
    check(
        &[
            ("/spec/resources", json!({"requests": {"cpu": "1"}})),
            ("/spec/containers/0/resources", json!({"requests": {"cpu": "2", "memory": "1Gi"}})),
        ],
        &["spec.resources.requests[cpu]: Invalid value: \"1\": must be greater than or equal to aggregate container \
           requests of 2"],
    );
    check(
        &[("/spec/hostUsers", json!(false)), ("/spec/hostPID", json!(true)), ("/spec/hostIPC", json!(true))],
        &["spec.HostPID: Forbidden: when `hostUsers` is false", "spec.HostIPC: Forbidden: when `hostUsers` is false"],
    );
    one(
        "/spec/hostnameOverride",
        json!("a".repeat(65)),
        &["spec.hostnameOverride: Too long: may not be more than 64 bytes"],
    );
}

#[test]
fn containers_are_refused_in_kubernetes_words() {
    let file = json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}}}]);
    one(
        "/spec/containers/0/env",
        file.clone(),
        &["spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: \"v\""],
    );
    check(
        &[("/spec/containers/0/env", file), ("/spec/volumes", json!([{"name": "v", "configMap": {"name": "m"}}]))],
        &[
            "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Invalid value: \"v\": referenced volume must be \
           of type emptyDir",
        ],
    );
    one(
        "/spec/containers/0/restartPolicyRules",
        json!([{"exitCodes": {}}]),
        &[
            "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
            "spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"\": supported values: \"Restart\", \
         \"RestartAllContainers\"",
            "spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: \"\": supported values: \
         \"In\", \"NotIn\"",
        ],
    );
    let init = |policy: &str| json!([{"name": "i", "image": "i:1", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": policy}]}]);
    one("/spec/initContainers", init("NotRequired"), &[]);
    one(
        "/spec/initContainers",
        init("RestartContainer"),
        &[
            "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to \
         'RestartContainer' for non-sidecar initContainers",
        ],
    );
}

#[test]
fn metadata_and_spread_are_refused_in_kubernetes_words() {
    one(
        "/spec/topologySpreadConstraints",
        json!([{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a b"]}]),
        &["spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is \
           not set"],
    );
    one(
        "/metadata/annotations",
        json!({"scheduler.alpha.kubernetes.io/tolerations": "["}),
        &[
            "metadata.annotations: Invalid value: \"scheduler.alpha.kubernetes.io/tolerations\": unexpected end of JSON \
         input",
        ],
    );
    one(
        "/metadata/ownerReferences",
        json!([{"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u"}]),
        &["metadata.ownerReferences.apiVersion: Invalid value: \"a/b/c\": version must not be empty"],
    );
    one(
        "/metadata/managedFields",
        json!([{"operation": "Apply", "manager": "a\tb"}]),
        &["metadata.managedFields[0].manager: Invalid value: \"a\\tb\": invalid character U+0009 (at position 1)"],
    );
}

#[test]
fn a_pod_s_negative_grace_is_a_second() {
    let made = admit::create(pod(&[("/spec/terminationGracePeriodSeconds", json!(-5))]), "default").unwrap();
    assert_eq!(made["spec"]["terminationGracePeriodSeconds"], 1);
}

#[test]
fn other_kinds_are_refused_in_kubernetes_words() {
    let check = |object: Value, expect: &[&str]| {
        assert_eq!(told(admit::create(object.clone(), "default")), expect, "{object}");
    };
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    let workload = |kind: &str, more: Value| {
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        more.as_object().unwrap().iter().for_each(|(field, value)| object["spec"][field] = value.clone());
        object
    };
    check(
        workload("Deployment", json!({"strategy": {"type": "Rolling"}})),
        &["spec.strategy: Unsupported value: {\"Type\":\"Rolling\",\"RollingUpdate\":null}: supported values: \
         \"Recreate\", \"RollingUpdate\""],
    );
    check(
        workload("Deployment", json!({"strategy": {"type": "X", "rollingUpdate": {"maxSurge": "10%"}}})),
        &["spec.strategy: Unsupported value: {\"Type\":\"X\",\"RollingUpdate\":{\"MaxUnavailable\":0,\"MaxSurge\":\
         \"10%\"}}: supported values: \"Recreate\", \"RollingUpdate\""],
    );
    let mut old = admit::create(workload("ReplicaSet", json!({})), "default").unwrap();
    old["metadata"]["resourceVersion"] = "7".into();
    let mut new = old.clone();
    new["spec"]["minReadySeconds"] = json!(-1);
    let fault = "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(told(admit::update(&old, new)), [fault]);

    let class = |spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "c"}, "spec": spec});
    check(
        class(json!({"controller": "a.b/c", "parameters": {}})),
        &["spec.parameters.kind: Required value", "spec.parameters.name: Required value"],
    );
    let endpoint = json!({"addresses": ["192.0.2.1"], "nodeName": "A_b",
        "hints": {"forZones": [{"name": "z"}, {"name": "z"}], "forNodes": [{"name": "n"}, {"name": "n"}]}});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s"},
        "addressType": "IPv4", "endpoints": [endpoint]});
    let got = told(admit::create(slice, "default"));
    assert!(got[0].starts_with("endpoints[0].nodeName: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain"));
    assert_eq!(
        &got[1..],
        [
            "endpoints[0].hints.forZones[1].name: Duplicate value: \"z\"",
            "endpoints[0].hints.forNodes[1].name: Duplicate value: \"n\"",
        ]
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
        "spec": {"podCIDRs": ["10.0.0.0/24", "x"]}});
    check(
        node,
        &[
            "spec.podCIDRs[1]: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            "spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[1]: \
         <nil> (invalid CIDR address: x)",
            "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"x\"]: may specify no more than one CIDR for each IP family",
        ],
    );
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{\"a\" 1}"}});
    check(
        secret,
        &[
            "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character '1' after object key",
        ],
    );
}
