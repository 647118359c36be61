//! Faulty objects and changes of our own making to the words in which Kubernetes 1.36.2 answered to the very same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admit;
use crate::admit::FieldProblem;
use crate::decode;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn faults(result: Result<Value, Vec<FieldProblem>>) -> Vec<FieldProblem> {
    result.err().into_iter().flatten().collect()
}

/// An object is refused for these faults, each `path: message`.
fn check(object: Value, expect: &[&str]) {
    let got: Vec<String> = faults(admit::create(object.clone(), "default"))
        .into_iter()
        .map(|fault| {
            format!("{}: {}", fault.path, fault.message).replace(LABEL, "LABEL").replace(SUBDOMAIN, "SUBDOMAIN")
        })
        .collect();
    assert_eq!(got, expect, "{object}");
}

fn object(api_version: &str, kind: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
    object.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap_or_default());
    object
}

fn pod(spec: Value) -> Value {
    let mut pod = object("v1", "Pod", json!({"spec": {"containers": [{"name": "c", "image": "c:1"}]}}));
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    pod
}

/// Kinds look at metadata more or less often on their way, and each time tell what is wrong.
#[test]
fn metadata_of_a_change_are_judged_as_often_as_kubernetes_does() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    let workload = json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let mut job = json!({"spec": {"template": {"spec": template["spec"]}}});
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    let backend = json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}});
    let slice = json!({"addressType": "IPv4", "endpoints": [], "ports": []});
    // Faults of a label's value and of a finalizer without a prefix.
    for (api_version, kind, rest, labels, finalizers) in [
        ("v1", "ConfigMap", json!({}), 4, 2),
        ("v1", "Secret", json!({}), 4, 2),
        ("v1", "ServiceAccount", json!({}), 4, 2),
        ("v1", "Namespace", json!({}), 4, 2),
        ("v1", "Node", json!({}), 4, 2),
        ("v1", "Endpoints", json!({}), 4, 2),
        ("v1", "Pod", template["spec"].clone(), 4, 2),
        ("v1", "Service", json!({"spec": {"ports": [{"port": 80}]}}), 3, 1),
        ("v1", "Event", json!({"involvedObject": {"namespace": "default"}}), 2, 0),
        ("apps/v1", "ReplicaSet", workload.clone(), 3, 1),
        ("apps/v1", "Deployment", workload, 3, 1),
        ("batch/v1", "Job", job, 4, 2),
        ("coordination.k8s.io/v1", "Lease", json!({}), 3, 0),
        ("discovery.k8s.io/v1", "EndpointSlice", slice, 3, 1),
        ("networking.k8s.io/v1", "Ingress", backend, 4, 2),
        ("networking.k8s.io/v1", "IngressClass", json!({"spec": {"controller": "a.b/c"}}), 4, 2),
        ("networking.k8s.io/v1", "NetworkPolicy", json!({"spec": {"podSelector": {}}}), 3, 1),
    ] {
        let rest = if kind == "Pod" { json!({"spec": rest}) } else { rest };
        let mut old = admit::create(object(api_version, kind, rest), "default").unwrap();
        old["metadata"]["uid"] = "5d3c1f6e-0000-4000-8000-00000000cafe".into();
        old["metadata"]["resourceVersion"] = "7".into();
        let old = admit::settle(old).unwrap();
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({"a": "b c"});
        new["metadata"]["finalizers"] = json!(["x"]);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for fault in faults(admit::update(&old, new)) {
            *counts.entry(fault.path).or_default() += 1;
        }
        let count = |path: &str| counts.get(path).copied().unwrap_or_default();
        assert_eq!(
            (count("metadata.labels"), count("metadata.finalizers[0]")),
            (labels, finalizers),
            "{kind}: {counts:?}"
        );
    }
}

#[test]
fn endpoints_are_refused_in_kubernetes_words() {
    let slice = |family: &str, endpoint: Value, ports: Value| {
        let rest = json!({"addressType": family, "endpoints": [endpoint], "ports": ports});
        object("discovery.k8s.io/v1", "EndpointSlice", rest)
    };
    let zones = json!([{"name": "z"}, {"name": "z"}]);
    check(
        slice("IPv4", json!({"addresses": ["fd00::1", "x"], "hints": {"forZones": zones}}), json!([{"name": "A"}])),
        &[
            "ports[0].name: Invalid value: \"A\": LABEL",
            "endpoints[0].addresses: Invalid value: \"fd00::1\": must be an IPv4 address",
            "endpoints[0].addresses[1]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            "endpoints[0].hints.forZones[1].name: Duplicate value: \"z\"",
        ],
    );
    check(
        slice("IPv6", json!({"addresses": ["FD00::1"]}), json!([])),
        &["endpoints[0].addresses[0]: Invalid value: \"FD00::1\": must be in canonical form (\"fd00::1\")"],
    );
    let long = "c".repeat(64);
    check(
        slice("FQDN", json!({"addresses": ["", "a", "a_b.c.", format!("a.b.{long}")]}), json!([])),
        &[
            "endpoints[0].addresses[0]: Required value",
            "endpoints[0].addresses[1]: Invalid value: \"a\": should be a domain with at least two segments separated by dots",
            "endpoints[0].addresses[2]: Invalid value: \"a_b.c\": SUBDOMAIN",
            &format!("endpoints[0].addresses[3]: Invalid value: {long:?}: must be no more than 63 characters"),
        ],
    );
    check(
        object("v1", "Endpoints", json!({"subsets": [{"addresses": [{"ip": "a"}]}]})),
        &[
            "subsets[0].addresses[0].ip: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            "subsets[0].addresses[0].ip: Invalid value: \"a\": must be a valid IP address",
        ],
    );
}

#[test]
fn claims_of_volumes_are_refused_in_kubernetes_words() {
    let claim = |meta: Value, spec: Value| {
        let mut whole = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        whole.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
        let template = json!({"metadata": meta, "spec": whole});
        pod(json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]}))
    };
    let told = |object: Value, expect: &[&str]| {
        let at = "spec.volumes[0].ephemeral.volumeClaimTemplate.";
        let expect: Vec<String> = expect.iter().map(|fault| format!("{at}{fault}")).collect();
        check(object, &expect.iter().map(String::as_str).collect::<Vec<_>>());
    };
    told(
        claim(
            json!({"generation": 1, "creationTimestamp": "2026-01-02T03:04:05Z"}),
            json!({"resources": {"requests": {"storage": "0"}}}),
        ),
        &[
            "metadata.generation: Forbidden: cannot be set",
            "metadata.creationTimestamp: Forbidden: cannot be set",
            "spec.resources[storage]: Invalid value: \"0\": must be greater than zero",
        ],
    );
    let other = json!({"kind": "PersistentVolumeClaim", "name": "n", "namespace": "A"});
    told(
        claim(json!({}), json!({"dataSource": {"kind": "K", "name": ""}, "dataSourceRef": other})),
        &[
            "spec.dataSource.name: Required value",
            "spec.dataSource: Invalid value: \"K\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
            "spec.dataSourceRef.namespace: Invalid value: \"A\": LABEL",
            "spec: Invalid value: {}: may not be specified when dataSourceRef.namespace is specified",
        ],
    );
    let (one, two) = (
        json!({"kind": "PersistentVolumeClaim", "name": "a"}),
        json!({"kind": "PersistentVolumeClaim", "name": "b", "apiGroup": "A_"}),
    );
    told(
        claim(json!({}), json!({"dataSource": one, "dataSourceRef": two})),
        &[
            "spec.dataSourceRef.apiGroup: Invalid value: \"A_\": SUBDOMAIN",
            "spec: Invalid value: {}: must match dataSourceRef",
        ],
    );
    told(
        claim(json!({}), json!({"volumeAttributesClassName": "A_"})),
        &["spec.volumeAttributesClassName: Invalid value: \"A_\": SUBDOMAIN"],
    );
}

#[test]
fn single_fields_are_refused_in_kubernetes_words() {
    let event = json!({"involvedObject": {"namespace": "default"}, "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingComponent": "a/", "reportingInstance": "i", "action": "a", "reason": "r"});
    let refused = faults(admit::create(object("v1", "Event", event), "default"));
    assert!(refused.iter().all(|fault| fault.path == "reportingComponent") && !refused.is_empty(), "{refused:?}");
    check(
        object("networking.k8s.io/v1", "IngressClass", json!({"spec": {"controller": "a.b/c", "parameters": {}}})),
        &["spec.parameters.kind: Required value", "spec.parameters.name: Required value"],
    );
    let far = json!({"securityContext": {"seLinuxChangePolicy": "MountOption"},
        "tolerations": [{"key": "k", "operator": "Gt", "value": "1"}]});
    check(
        pod(far),
        &[
            "spec.securityContext.seLinuxChangePolicy: Unsupported value: \"MountOption\": supported values: \"Recursive\"",
            "spec.tolerations[0].operator: Unsupported value: \"Gt\": supported values: \"Equal\", \"Exists\", \"Lt\", \"Gt\"",
        ],
    );
    check(
        pod(json!({"overhead": {"a<b": "1"}})).clone(),
        &[
            "spec.overhead.limits[a<b]: Invalid value: \"a\\u003cb\": name part must consist of alphanumeric characters, \
             '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
             '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            "spec.overhead.limits[a<b]: Invalid value: \"a\\u003cb\": must be a standard resource for containers",
        ],
    );
    check(
        object("v1", "Service", json!({"spec": {"ports": [{"port": 80}], "trafficDistribution": "<a>"}})),
        &[
            "spec.trafficDistribution: Unsupported value: \"<a>\": supported values: \"PreferClose\", \"PreferSameZone\", \
           \"PreferSameNode\"",
        ],
    );
    let mut marked = object("coordination.k8s.io/v1", "Lease", json!({}));
    marked["metadata"]["finalizers"] = json!(["mine"]);
    check(marked, &[]);
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", "controller": true});
    let mut owned = object("v1", "ConfigMap", json!({}));
    owned["metadata"]["ownerReferences"] = json!([owner, owner]);
    let stored = admit::create(owned, "default").unwrap();
    assert_eq!(stored["metadata"]["ownerReferences"], json!([owner]));
    let mut classed = pod(json!({}));
    classed["status"] = json!({"qosClass": "Burstable", "phase": "Running"});
    let stored = admit::create(classed, "default").unwrap();
    assert_eq!(stored["status"], json!({"phase": "Pending", "qosClass": "Burstable"}));
    let file = json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "/p", "key": "k"}}}]);
    let volumes = json!([{"name": "v", "emptyDir": {}}]);
    check(pod(json!({"volumes": volumes, "containers": [{"name": "c", "image": "c:1", "env": file}]})), &[]);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "3"}});
    let spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": template, "strategy": rolling});
    check(
        object("apps/v1", "Deployment", json!({"spec": spec})),
        &[
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"3\": a valid percent string must be a numeric string \
           followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        ],
    );
    let outside = json!({"type": "ExternalName", "externalName": "a.b", "internalTrafficPolicy": "Local"});
    let stored = admit::create(object("v1", "Service", json!({"spec": outside})), "default").unwrap();
    assert_eq!(stored["spec"].get("internalTrafficPolicy"), None);
}

#[test]
fn bodies_that_cannot_be_typed_are_refused_in_kubernetes_words() {
    let check = |object: Value, expect: &str| {
        let kind = decode::kind_of(&object).unwrap();
        let begin = format!("{0} in version \"v1\" cannot be handled as a {0}: ", kind.info().kind);
        let failure = decode::failure(kind, &decode::check(kind, &mut object.clone())).unwrap();
        assert_eq!(failure.strip_prefix(&begin), Some(expect), "{object}");
    };
    let field = |field: &str, of: &str, found: &str| {
        format!("json: cannot unmarshal {found} into Go struct field {field} of type {of}")
    };
    let hosts = json!({"volumes": [{"name": "v", "hostPath": 1}]});
    check(pod(hosts), &field("Volume.spec.volumes.VolumeSource.hostPath", "v1.HostPathVolumeSource", "number"));
    let probe = json!({"containers": [{"name": "c", "readinessProbe": {"grpc": 1}}]});
    check(pod(probe), &field("Probe.spec.containers.readinessProbe.ProbeHandler.grpc", "v1.GRPCAction", "number"));
    let secret =
        json!({"containers": [{"name": "c", "env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": 1}}}]}]});
    let at = "SecretKeySelector.spec.containers.env.valueFrom.secretKeyRef.LocalObjectReference.name";
    check(pod(secret), &field(at, "string", "number"));
    let http = object("networking.k8s.io/v1", "Ingress", json!({"spec": {"rules": [{"http": 1}]}}));
    let at = "IngressRule.spec.rules.IngressRuleValue.http";
    check(http, &field(at, "v1.HTTPIngressRuleValue", "number"));
    let lease = object("coordination.k8s.io/v1", "Lease", json!({"spec": {"renewTime": 1}}));
    check(lease, &field("LeaseSpec.spec.renewTime", "string", "number"));
    let slice = |port: Value| {
        object("discovery.k8s.io/v1", "EndpointSlice", json!({"addressType": "IPv4", "endpoints": [], "ports": [port]}))
    };
    check(slice(json!({"port": "a"})), &field("EndpointPort.ports.port", "int32", "string"));
    check(slice(json!(1)), &field("EndpointSlice.ports", "v1.EndpointPort", "number"));
    // Types that read their JSON themselves end the reading, whatever was wrong before.
    let quantities = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    check(pod(json!({"hostNetwork": 1, "overhead": {"cpu": "x"}})), quantities);
    let ports = json!({"ports": [{"port": "a", "targetPort": true}], "clusterIP": 1});
    check(
        object("v1", "Service", json!({"spec": ports})),
        &field("ServicePort.spec.ports.targetPort", "int32", "bool"),
    );
}
