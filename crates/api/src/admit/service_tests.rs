//! Families of services in clusters of every kind, against the rules of Kubernetes' `initIPFamilyFields`.

use serde_json::{Value, json};

use crate::admit::families::Families::{self, Unknown, V4, V4V6, V6, V6V4};
use crate::admit::{create_for, fit, update_for};
use crate::problem::FieldProblem;

const NOT_DUAL: &str = "this cluster is not configured for dual-stack services";

fn service(mut spec: Value) -> Value {
    if spec.get("ports").is_none() {
        spec["ports"] = json!([{"port": 80}]);
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"}, "spec": spec})
}

/// Policy, families and addresses in one line, or the faults.
fn told(made: Result<Value, Vec<FieldProblem>>) -> String {
    let list = |value: &Value| {
        let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(",")
    };
    match made {
        Ok(made) => {
            let spec = &made["spec"];
            let first = spec["clusterIPs"][0].as_str().unwrap_or_default();
            assert_eq!(spec["clusterIP"].as_str().unwrap_or_default(), first, "both fields say the same");
            let policy = spec["ipFamilyPolicy"].as_str().unwrap_or("-");
            [policy, &list(&spec["ipFamilies"]), &list(&spec["clusterIPs"])].join(" ").trim_end().to_owned()
        }
        Err(faults) => {
            let one = |fault: &FieldProblem| {
                format!("{}: {}", fault.path, fault.message.rsplit(": ").next().unwrap_or_default())
            };
            faults.iter().map(one).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn families_follow_from_the_cluster_and_the_policy() {
    let check = |families: Families, spec: Value, expect: &str| {
        let made = create_for(service(spec.clone()), "n", families);
        assert_eq!(told(made.clone()), expect, "{families:?} {spec}");
        // What is not known at first, and then is, comes out the same.
        let late = create_for(service(spec.clone()), "n", Unknown).and_then(|made| fit(made, families));
        assert_eq!(told(late.clone()), expect, "{families:?} {spec}, known late");
        if let (Ok(made), Ok(late)) = (made, late) {
            assert_eq!(made, late);
        }
    };
    let all = [(V4, "IPv4"), (V6, "IPv6"), (V4V6, "IPv4,IPv6"), (V6V4, "IPv6,IPv4")];
    for (families, both) in all {
        let first = both.split(',').next().unwrap();
        check(families, json!({}), &format!("SingleStack {first}"));
        check(families, json!({"ipFamilyPolicy": "SingleStack"}), &format!("SingleStack {first}"));
        check(families, json!({"ipFamilyPolicy": "PreferDualStack"}), &format!("PreferDualStack {both}"));
        let required = if families.is_dual() {
            format!("RequireDualStack {both}")
        } else {
            format!("spec.ipFamilyPolicy: {NOT_DUAL}")
        };
        check(families, json!({"ipFamilyPolicy": "RequireDualStack"}), &required);
        let headless = json!({"clusterIP": "None", "selector": {"a": "b"}, "ipFamilyPolicy": "PreferDualStack"});
        check(families, headless, &format!("PreferDualStack {both} None"));
        check(families, json!({"type": "ExternalName", "externalName": "a.b"}), "-");
        // Without a selector it may have addresses of any family.
        let (one, two) = if first == "IPv4" { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
        check(families, json!({"clusterIP": "None"}), &format!("RequireDualStack {one},{two} None"));
        let single = json!({"clusterIP": "None", "ipFamilyPolicy": "SingleStack"});
        check(families, single, &format!("SingleStack {one} None"));
        check(
            families,
            json!({"clusterIP": "None", "ipFamilies": ["IPv6"], "ipFamilyPolicy": "PreferDualStack"}),
            "PreferDualStack IPv6,IPv4 None",
        );
    }
    for families in [V4V6, V6V4] {
        check(families, json!({"ipFamilies": ["IPv6"]}), "SingleStack IPv6");
        check(
            families,
            json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}),
            "PreferDualStack IPv6,IPv4",
        );
        check(families, json!({"clusterIP": "fd00::7"}), "SingleStack IPv6 fd00::7");
        check(
            families,
            json!({"clusterIP": "fd00::7", "ipFamilyPolicy": "RequireDualStack"}),
            "RequireDualStack IPv6,IPv4 fd00::7",
        );
        check(
            families,
            json!({"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7", "fd00::7"], "ipFamilyPolicy": "PreferDualStack"}),
            "PreferDualStack IPv4,IPv6 10.0.0.7,fd00::7",
        );
    }
    check(V4, json!({"clusterIP": "fd00::7"}), "spec.clusterIPs[0]: IPv6 is not configured on this cluster");
    check(V6, json!({"clusterIP": "10.0.0.7"}), "spec.clusterIPs[0]: IPv4 is not configured on this cluster");
    check(V4, json!({"ipFamilies": ["IPv6"]}), "spec.ipFamilies[0]: not configured on this cluster");
    check(
        V6,
        json!({"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}),
        &format!("spec.ipFamilyPolicy: {NOT_DUAL}; spec.ipFamilies[1]: not configured on this cluster"),
    );
}

#[test]
fn what_contradicts_itself_is_refused_in_every_cluster() {
    let check = |spec: Value, expect: &str| {
        for families in [V4, V4V6, Unknown] {
            assert_eq!(told(create_for(service(spec.clone()), "n", families)), expect, "{families:?} {spec}");
        }
    };
    let several = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
    check(
        json!({"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7", "fd00::7"], "ipFamilies": ["IPv4", "IPv6"]}),
        &format!(
            "spec.ipFamilyPolicy: {several} cluster IPs are specified; spec.ipFamilyPolicy: {several} IP families are specified"
        ),
    );
    check(
        json!({"ipFamilies": ["IPv4", "IPv6"]}),
        &format!("spec.ipFamilyPolicy: {several} IP families are specified"),
    );
    check(
        json!({"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7", "10.0.0.8"], "ipFamilyPolicy": "PreferDualStack"}),
        "spec.clusterIPs: may specify no more than one IP for each IP family",
    );
    check(
        json!({"clusterIP": "10.0.0.7", "ipFamilies": ["IPv6"]}),
        "spec.clusterIPs[0]: expected an IPv6 value as indicated by `ipFamilies[0]`",
    );
    check(json!({"ipFamilies": ["IPv4", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}), "spec.ipFamilies[1]: \"IPv4\"");
    check(
        json!({"ipFamilyPolicy": "Triple"}),
        "spec.ipFamilyPolicy: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\"",
    );
    check(
        json!({"clusterIP": "10.0.0.7", "clusterIPs": ["fd00::7"]}),
        "spec.clusterIPs: first value must match `clusterIP`",
    );
}

/// What stands in the store: policy, families, addresses.
fn stored(policy: &str, families: &[&str], ips: &[&str]) -> Value {
    let mut spec = json!({"ipFamilyPolicy": policy, "ipFamilies": families, "clusterIPs": ips, "type": "ClusterIP",
        "selector": {"a": "b"}});
    spec["clusterIP"] = ips.first().copied().unwrap_or_default().into();
    service(spec)
}

#[test]
fn a_second_family_comes_and_goes_by_the_policy() {
    let check = |families: Families, old: &Value, spec: Value, expect: &str| {
        let mut spec = spec;
        spec["selector"] = json!({"a": "b"});
        assert_eq!(told(update_for(old, service(spec.clone()), families)), expect, "{families:?} {spec}");
    };
    let single = stored("SingleStack", &["IPv4"], &["10.0.0.7"]);
    let dual = stored("PreferDualStack", &["IPv4", "IPv6"], &["10.0.0.7", "fd00::7"]);
    let alone = stored("PreferDualStack", &["IPv4"], &["10.0.0.7"]);
    // Up: the second address is still to be given out.
    check(V4V6, &single, json!({"ipFamilyPolicy": "PreferDualStack"}), "PreferDualStack IPv4,IPv6 10.0.0.7");
    check(V4V6, &single, json!({"ipFamilyPolicy": "RequireDualStack"}), "RequireDualStack IPv4,IPv6 10.0.0.7");
    check(
        V4V6,
        &single,
        json!({"ipFamilyPolicy": "PreferDualStack", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7", "fd00::8"]}),
        "PreferDualStack IPv4,IPv6 10.0.0.7,fd00::8",
    );
    check(V4, &single, json!({"ipFamilyPolicy": "PreferDualStack"}), "PreferDualStack IPv4 10.0.0.7");
    check(V4, &single, json!({"ipFamilyPolicy": "RequireDualStack"}), &format!("spec.ipFamilyPolicy: {NOT_DUAL}"));
    // Left as it was, whatever the cluster has become.
    let same = json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"], "clusterIP": "10.0.0.7"});
    check(V4V6, &alone, same, "PreferDualStack IPv4 10.0.0.7");
    let same = json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.0.0.7"});
    check(V4, &dual, same, "PreferDualStack IPv4,IPv6 10.0.0.7,fd00::7");
    // Without a policy the one from before holds.
    check(V4V6, &dual, json!({}), "PreferDualStack IPv4,IPv6 10.0.0.7,fd00::7");
    // Down.
    check(V4V6, &dual, json!({"ipFamilyPolicy": "SingleStack"}), "SingleStack IPv4 10.0.0.7");
    check(
        V4V6,
        &dual,
        json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.0.0.7",
            "clusterIPs": ["10.0.0.7", "fd00::7"]}),
        "SingleStack IPv4 10.0.0.7",
    );
    check(
        V4V6,
        &dual,
        json!({"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "ipFamilies": ["IPv4"]}),
        "spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary cluster IP; \
         spec.ipFamilyPolicy: must be 'SingleStack' to release the secondary IP family",
    );
    // What is given out first stays.
    check(
        V4V6,
        &single,
        json!({"ipFamilies": ["IPv6"]}),
        "spec.clusterIPs[0]: expected an IPv6 value as indicated by `ipFamilies[0]`",
    );
    check(
        V4V6,
        &dual,
        json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"], "clusterIP": "fd00::7", "clusterIPs": ["fd00::7"]}),
        "spec.clusterIPs[0]: may not change once set; spec.ipFamilies[0]: may not change once set",
    );
    check(
        V4V6,
        &dual,
        json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "10.0.0.7",
            "clusterIPs": ["10.0.0.7", "fd00::8"]}),
        "spec.clusterIPs[1]: may not change once set",
    );
}

#[test]
fn services_without_addresses_change_their_families_freely() {
    let headless = |families: &[&str], policy: &str| {
        let mut old = stored(policy, families, &["None"]);
        old["spec"]["ports"] = json!([]);
        old
    };
    let old = headless(&["IPv4"], "SingleStack");
    let new = headless(&["IPv6"], "SingleStack");
    assert_eq!(told(update_for(&old, new, V4V6)), "SingleStack IPv6 None");
    let new = headless(&["IPv4"], "RequireDualStack");
    assert_eq!(told(update_for(&old, new, V4V6)), "RequireDualStack IPv4,IPv6 None");
    let external = service(json!({"type": "ExternalName", "externalName": "a.b"}));
    let external = create_for(external, "n", V4V6).unwrap();
    let mut own = service(json!({"ipFamilyPolicy": "PreferDualStack"}));
    own["metadata"]["resourceVersion"] = "1".into();
    assert_eq!(told(update_for(&external, own, V4V6)), "PreferDualStack IPv4,IPv6");
    let dual = stored("PreferDualStack", &["IPv4", "IPv6"], &["10.0.0.7", "fd00::7"]);
    let mut named = dual.clone();
    named["spec"]["type"] = "ExternalName".into();
    named["spec"]["externalName"] = "a.b".into();
    assert_eq!(told(update_for(&dual, named, V4V6)), "-", "what it was given goes with its type");
}

#[test]
fn an_address_that_is_asked_for_alone_is_the_whole_list() {
    let check = |old: &str, new: &str| {
        let mut live = create_for(service(json!({"clusterIP": old})), "n", V4).unwrap();
        live["metadata"]["resourceVersion"] = "7".into();
        let faults = update_for(&live, service(json!({"clusterIP": new})), V4).unwrap_err();
        let got: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
        assert_eq!(got, [format!("spec.clusterIPs[0]: Invalid value: [{new:?}]: may not change once set")]);
    };
    check("10.0.1.1", "10.0.9.9");
    check("10.0.1.1", "None");
}
