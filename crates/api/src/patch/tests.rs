//! Patches to objects, where no recorded answer has them: after the rules of Kubernetes' `strategicpatch` and of the
//! libraries that it uses for the other two forms.

use serde_json::{Value, json};

use crate::kind::registry::{CONFIG_MAP, DEPLOYMENT, POD};
use crate::patch::apply::{Form, Validation, patch};
use crate::patch::error::Error;

/// A pod with two containers, a finalizer and a volume.
fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n", "labels": {"a": "1", "b": "2"}, "finalizers": ["x/1", "x/2", "x/3"]},
        "spec": {
            "containers": [
                {"name": "c1", "image": "i:1", "args": ["1"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}]},
                {"name": "c2", "image": "i:2"}],
            "volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 30}})
}

fn told(form: Form, live: &Value, body: &Value) -> Result<Value, String> {
    let kind = crate::kind::Kind::by_gvk(live["apiVersion"].as_str().unwrap(), live["kind"].as_str().unwrap()).unwrap();
    patch(kind, live, form, body.to_string().as_bytes(), Validation::Strict)
        .map(|patched| patched.object)
        .map_err(|error| format!("{} {}", error.status().code, error))
}

/// What stands at a place after a patch of the pod.
fn at(form: Form, body: Value, pointer: &str, expect: Value) {
    let object = told(form, &pod(), &body).unwrap_or_else(|fault| panic!("{body}: {fault}"));
    assert_eq!(object.pointer(pointer).cloned().unwrap_or_default(), expect, "{body}");
}

fn refused(form: Form, body: Value, expect: &str) {
    assert_eq!(told(form, &pod(), &body).unwrap_err(), expect, "{body}");
}

fn names(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

/// The names of the pod's containers after a patch of its spec.
fn containers(spec: Value, expect: &[&str]) {
    let object =
        told(Form::Strategic, &pod(), &json!({"spec": spec})).unwrap_or_else(|fault| panic!("{spec}: {fault}"));
    let got: Vec<&str> =
        object["spec"]["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(got, expect, "{spec}");
}

#[test]
fn lists_merge_in_order() {
    let new = |name: &str| json!({"name": name, "image": "n"});
    // What the live list has not comes first.
    containers(json!({"containers": [new("c3")]}), &["c3", "c1", "c2"]);
    containers(json!({"containers": [new("c2"), new("c1")]}), &["c2", "c1"]);
    containers(json!({"containers": [new("c0"), {"name": "c1"}]}), &["c0", "c1", "c2"]);
    containers(json!({"$setElementOrder/containers": names(&["c2", "c1"])}), &["c2", "c1"]);
    containers(
        json!({"$setElementOrder/containers": names(&["c3", "c1"]), "containers": [new("c3")]}),
        &["c3", "c1", "c2"],
    );
    containers(
        json!({"$setElementOrder/containers": names(&["c2", "c3"]),
            "containers": [new("c3"), {"name": "c1", "$patch": "delete"}]}),
        &["c2", "c3"],
    );
    containers(json!({"containers": [{"$patch": "replace"}, new("c9")]}), &["c9"]);
    containers(
        json!({"containers": [{"name": "c2", "$patch": "delete"}, {"name": "gone", "$patch": "delete"}]}),
        &["c1"],
    );
    // What is new has no directives, wherever they stand in it.
    at(
        Form::Strategic,
        json!({"spec": {"tolerations": [{"key": "k"}, {"$patch": "delete", "key": "x"}]}}),
        "/spec/tolerations",
        json!([{"key": "k"}]),
    );
}

#[test]
fn elements_merge_by_their_keys() {
    let first = |container: Value| {
        let mut container = container;
        container["name"] = "c1".into();
        json!({"spec": {"containers": [container]}})
    };
    at(Form::Strategic, first(json!({"image": "new"})), "/spec/containers/0/args", json!(["1"]));
    at(Form::Strategic, first(json!({"args": ["2", "3"]})), "/spec/containers/0/args", json!(["2", "3"]));
    at(Form::Strategic, first(json!({"args": null})), "/spec/containers/0/args", Value::Null);
    at(
        Form::Strategic,
        first(json!({"ports": [{"containerPort": 81, "name": "web"}]})),
        "/spec/containers/0/ports",
        json!([{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP", "name": "web"}]),
    );
    at(
        Form::Strategic,
        first(json!({"env": [{"name": "A", "$patch": "delete"}, {"name": "C", "value": null}]})),
        "/spec/containers/0/env",
        json!([{"name": "C", "value": null}, {"name": "B", "value": "2"}]),
    );
    at(
        Form::Strategic,
        json!({"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "m"}}]}}),
        "/spec/volumes",
        json!([{"name": "v", "configMap": {"name": "m"}}]),
    );
    at(
        Form::Strategic,
        json!({"metadata": {"finalizers": ["x/4", "x/2"]}}),
        "/metadata/finalizers",
        json!(["x/4", "x/1", "x/2", "x/3"]),
    );
    at(
        Form::Strategic,
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/2", "other"]}}),
        "/metadata/finalizers",
        json!(["x/1", "x/3"]),
    );
    at(
        Form::Strategic,
        json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}}),
        "/metadata/labels",
        json!({"c": "3"}),
    );
    at(Form::Strategic, json!({"metadata": {"labels": {"a": null, "z": null}}}), "/metadata/labels", json!({"b": "2"}));
    at(Form::Strategic, json!({"spec": {"activeDeadlineSeconds": 3.0}}), "/spec/activeDeadlineSeconds", json!(3));
    at(
        Form::Strategic,
        json!({"$retainKeys": ["apiVersion", "kind", "metadata", "spec"]}),
        "/metadata/name",
        json!("p"),
    );
}

#[test]
fn a_strategic_patch_is_of_the_kind_of_its_path() {
    let body = json!({"apiVersion": "apps/v9", "kind": "Other", "spec": {"nodeName": "n"}});
    at(Form::Strategic, body.clone(), "/kind", json!("Pod"));
    at(Form::Strategic, body.clone(), "/apiVersion", json!("v1"));
    at(Form::Strategic, body, "/spec/nodeName", json!("n"));
    refused(
        Form::Merge,
        json!({"kind": 1}),
        "422 couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
    );
    refused(
        Form::Merge,
        json!({"apiVersion": null}),
        "422 strict decoding error: unknown field \"metadata\", unknown field \"spec\"",
    );
    let lenient = patch(POD, &pod(), Form::Merge, br#"{"apiVersion": ""}"#, Validation::Warn).unwrap_err();
    let expect = "the name of the object (p based on URL) was undeterminable: name must be provided";
    assert_eq!(lenient, Error::BadRequest(expect.to_owned()));
}

#[test]
fn elements_are_deleted_from_lists_of_scalars() {
    let from = |field: &str, gone: Value| json!({"metadata": {format!("$deleteFromPrimitiveList/{field}"): gone}});
    // On other fields the directive does what the plain name does, where the object has the like.
    at(Form::Strategic, from("labels", json!({"a": null})), "/metadata/labels", json!({"b": "2"}));
    at(Form::Strategic, from("labels", json!(null)), "/metadata/labels", Value::Null);
    at(Form::Strategic, from("labels", json!(["a"])), "/metadata/labels/a", json!("1"));
    at(Form::Strategic, from("annotations", json!({"x": "y"})), "/metadata/annotations", Value::Null);
    let gone = json!({"spec": {"containers": [{"name": "c1", "$deleteFromPrimitiveList/args": ["1"]}]}});
    at(Form::Strategic, gone, "/spec/containers/0/args", json!([]));
    let ports =
        json!({"spec": {"containers": [{"name": "c1", "$deleteFromPrimitiveList/ports": [{"containerPort": 80}]}]}});
    at(Form::Strategic, ports, "/spec/containers/0/ports/0/containerPort", json!(80));
    let env = json!({"spec": {"containers": [{"name": "c1", "$deleteFromPrimitiveList/args": [{"x": 1}]}]}});
    refused(Form::Strategic, env, "500 list element types are not identical: [[1] [map[x:1]]]");
}

#[test]
fn numbers_are_brought_to_their_types_as_go_brings_them() {
    let seconds = |value: Value| json!({"spec": {"activeDeadlineSeconds": value}});
    at(Form::Strategic, seconds(json!(1e30)), "/spec/activeDeadlineSeconds", json!(i64::MIN));
    let uid = |value: Value| json!({"spec": {"containers": [{"name": "c1", "ports": [{"containerPort": 80, "hostPort": value}]}]}});
    at(Form::Strategic, uid(json!(4_294_967_297_i64)), "/spec/containers/0/ports/0/hostPort", json!(1));
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    let bytes = |value: Value| {
        let body = json!({"binaryData": {"x": value}}).to_string();
        let patched = patch(CONFIG_MAP, &live, Form::Strategic, body.as_bytes(), Validation::Strict);
        patched.map(|patched| patched.object["binaryData"]["x"].clone()).map_err(|fault| fault.to_string())
    };
    assert_eq!(bytes(json!([1, null, 255, 2.0, 256])), Ok(json!("AQD/AgA=")));
    assert_eq!(bytes(json!(["x"])), Err("unrecognized type: uint8".to_owned()));
    assert_eq!(bytes(json!([1.5])), Err("cannot convert float64 to uint8".to_owned()));
    assert_eq!(bytes(json!({})), Err("cannot restore slice from map".to_owned()));
}

#[test]
fn what_is_wrong_with_a_strategic_patch_is_told_in_kubernetes_words() {
    let wrong = |body: Value, expect: &str| refused(Form::Strategic, body, expect);
    wrong(json!([]), "400 json: cannot unmarshal array into Go value of type map[string]interface {}");
    wrong(
        json!({"metadata": {"labels": {"$patch": "merge"}}}),
        "500 unknown patch type: merge in map: map[$patch:merge]",
    );
    wrong(
        json!({"spec": {"containers": [{"$patch": "merge"}]}}),
        "500 merging lists cannot yet be specified in the patch",
    );
    wrong(
        json!({"spec": {"containers": [{"image": "x", "tty": true, "args": ["a", "b"]}]}}),
        "500 map: map[args:[a b] image:x tty:true] does not contain declared merge key: name",
    );
    wrong(
        json!({"spec": {"containers": [{"$patch": "delete"}]}}),
        "500 map: map[$patch:delete] does not contain declared merge key: name",
    );
    wrong(json!({"spec": {"$setElementOrder": []}}), "400 invalid patch format of setElementOrder list");
    wrong(json!({"metadata": {"$deleteFromPrimitiveList": []}}), "400 invalid patch format of primitive list");
    wrong(json!({"spec": {"$retainKeys": "x"}}), "400 invalid patch format of retainKeys");
    wrong(json!({"spec": {"$retainKeys": ["volumes"], "nodeName": "n"}}), "400 invalid patch format of retainKeys");
    wrong(
        json!({"spec": {"$setElementOrder/containers": names(&["c1"]), "containers": names(&["c2"])}}),
        "500 The order in patch list:\n[map[name:c2]]\n doesn't match $setElementOrder list:\n[map[name:c1]]\n",
    );
    wrong(
        json!({"spec": {"containers": ["x"]}}),
        "500 list element types are not identical: [[map[args:[1] env:[map[name:A value:1] map[name:B value:2]] image:i:1 \
         name:c1 ports:[map[containerPort:80 protocol:TCP] map[containerPort:81 protocol:TCP]]] map[image:i:2 name:c2]] [x]]",
    );
    wrong(json!({"spec": {"containers": "x"}}), "422 cannot restore slice from string");
    wrong(json!({"spec": "x"}), "422 cannot restore struct from: string");
    wrong(json!({"metadata": {"labels": ["x"]}}), "422 cannot restore map from slice");
    wrong(json!({"spec": {"activeDeadlineSeconds": "x"}}), "422 unrecognized type: int64");
    wrong(json!({"spec": {"activeDeadlineSeconds": 1.5}}), "422 cannot convert float64 to int64");
    wrong(json!({"spec": {"nodeName": 1}}), "422 cannot convert int64 to string");
    wrong(json!({"spec": {"nodeName": true}}), "422 unrecognized type: string");
    wrong(json!({"spec": {"dnsPolicy": 1}}), "422 cannot convert int64 to v1.DNSPolicy");
    wrong(
        json!({"metadata": {"name": ""}, "$patch": 1.5}),
        "500 unknown patch type: %!s(float64=1.5) in map: map[$patch:1.5 metadata:map[name:]]",
    );
    wrong(json!({"spec": {"nope": 1}}), "422 strict decoding error: unknown field \"spec.nope\"");
}

#[test]
fn merge_patches_follow_the_rfc() {
    at(
        Form::Merge,
        json!({"metadata": {"labels": {"a": null, "c": "3"}}}),
        "/metadata/labels",
        json!({"b": "2", "c": "3"}),
    );
    at(Form::Merge, json!({"spec": {"containers": [{"name": "x"}]}}), "/spec/containers", json!([{"name": "x"}]));
    at(
        Form::Merge,
        json!({"metadata": {"annotations": {"a": "b", "n": null}}}),
        "/metadata/annotations",
        json!({"a": "b"}),
    );
    at(
        Form::Merge,
        json!({"spec": {"securityContext": {"seLinuxOptions": {"user": null}}}}),
        "/spec/securityContext",
        json!({"seLinuxOptions": {}}),
    );
    refused(Form::Merge, json!(null), "400 Invalid JSON Patch");
    refused(
        Form::Merge,
        json!("x"),
        "400 error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
    );
    refused(
        Form::Merge,
        json!({"spec": {"activeDeadlineSeconds": "x"}}),
        "422 json: cannot unmarshal string into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64",
    );
    refused(Form::Merge, json!({"kind": "Service"}), "422 converting (v1.Service) to (core.Pod): unknown conversion");
}

#[test]
fn json_patches_follow_the_rfc_and_the_library() {
    let op = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    at(
        Form::Json,
        op("add", "/metadata/labels/x~1y", json!("v")),
        "/metadata/labels",
        json!({"a": "1", "b": "2", "x/y": "v"}),
    );
    at(Form::Json, op("add", "/metadata/finalizers/0", json!("x/0")), "/metadata/finalizers/1", json!("x/1"));
    at(Form::Json, op("add", "/metadata/finalizers/-1", json!("x/9")), "/metadata/finalizers/3", json!("x/9"));
    at(Form::Json, op("replace", "/metadata/finalizers/-1", json!("x/9")), "/metadata/finalizers/2", json!("x/9"));
    at(Form::Json, op("replace", "/metadata/labels/new", json!("v")), "/metadata/labels/new", json!("v"));
    at(
        Form::Json,
        json!([{"op": "copy", "from": "/spec/containers/0/image", "path": "/spec/containers/1/image"}]),
        "/spec/containers/1/image",
        json!("i:1"),
    );
    at(
        Form::Json,
        json!([{"op": "move", "from": "/metadata/finalizers/0", "path": "/metadata/finalizers/-"}]),
        "/metadata/finalizers",
        json!(["x/2", "x/3", "x/1"]),
    );
    at(
        Form::Json,
        json!([{"op": "test", "path": "/metadata/labels/none", "value": null}, {"op": "remove", "path": "/metadata/labels"}]),
        "/metadata/labels",
        Value::Null,
    );
    for body in [
        op("remove", "/metadata/labels/none", Value::Null),
        op("add", "/metadata/finalizers/9", json!("x")),
        op("add", "/metadata/finalizers/-9", json!("x")),
        op("add", "/spec/none/x", json!("x")),
        op("add", "", json!({})),
        op("replace", "/metadata/finalizers/7", json!("x")),
        op("test", "/spec/containers/0/image", json!("other")),
        json!([{"op": "add"}]),
        json!([{"path": "/x"}]),
        json!([null]),
    ] {
        assert!(told(Form::Json, &pod(), &body).unwrap_err().starts_with("422 "), "{body}");
    }
    let decoding = |body: Value, why: &str| {
        refused(Form::Json, body, &format!("400 error decoding patch: json: cannot unmarshal {why}"));
    };
    decoding(json!({}), "object into Go value of type []handlers.jsonPatchOp");
    decoding(json!([1]), "number into Go value of type handlers.jsonPatchOp");
    decoding(json!([{"op": "add", "path": 1}]), "number into Go struct field jsonPatchOp.path of type string");
    let lenient = |body: &[u8]| patch(POD, &pod(), Form::Json, body, Validation::Ignore).unwrap_err().to_string();
    assert_eq!(lenient(b"{}"), "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
    assert_eq!(lenient(b"[1]"), "json: cannot unmarshal number into Go value of type jsonpatch.Operation");
    refused(
        Form::Json,
        json!([{"op": "remove", "path": "/metadata/labels", "why": 1}]),
        "422 strict decoding error: json patch unknown field \"[0].why\"",
    );
    let many: Vec<Value> = (0..10_001).map(|_| json!({"op": "test", "path": "/kind", "value": "Pod"})).collect();
    assert!(told(Form::Json, &pod(), &many.into()).unwrap_err().starts_with("413 "));
    let mut doubling = vec![json!({"op": "add", "path": "/metadata/labels/x", "value": "x".repeat(1 << 20)})];
    doubling.extend(
        (0..4).map(|i| json!({"op": "copy", "from": "/metadata/labels/x", "path": format!("/metadata/labels/{i}")})),
    );
    assert!(told(Form::Json, &pod(), &doubling.into()).unwrap_err().contains("copy more than"));
}

#[test]
fn fields_that_are_unknown_are_faults_warnings_or_nothing() {
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    let body = br#"{"data": {"a": "1", "a": "2"}, "dat": 1}"#;
    let all = ["duplicate field \"data.a\"", "unknown field \"dat\""];
    let with = |validation| patch(CONFIG_MAP, &live, Form::Merge, body, validation);
    let fault = with(Validation::Strict).unwrap_err().status();
    assert_eq!((fault.code, fault.reason.as_str()), (422, "Invalid"));
    assert!(fault.message.ends_with(&format!("strict decoding error: {}", all.join(", "))), "{}", fault.message);
    assert_eq!(with(Validation::Warn).unwrap().warnings, all);
    let ignored = with(Validation::Ignore).unwrap();
    assert_eq!((ignored.warnings.len(), &ignored.object["data"]["a"]), (0, &json!("2")));
    assert!(patch(POD, &pod(), Form::Strategic, b"{", Validation::Warn).is_err());
    assert!(patch(DEPLOYMENT, &json!({}), Form::Strategic, b"{}", Validation::Warn).is_ok());
}
