//! Valid manifests → the very objects that a real server made of them.

use masthead_api::admit::admitted::Admitted;
use masthead_api::admit::{self, admission};
use masthead_api::core::config::ServiceAccount;
use masthead_api::core::pod::Pod;
use masthead_api::scheduling::priority_class::PriorityClass;
use serde_json::Value;

use crate::read::cases;
use crate::refuse::{Tally, kind_of};
use crate::types::without_nulls;

/// Drops what the server gave out: addresses, ports, generated names, times.
fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !matches!(v.as_str(), Some("<ALLOCATED>" | "<TIME>")));
            map.values_mut().for_each(mask);
        }
        Value::Array(list) => {
            list.retain(|v| v.as_str() != Some("<ALLOCATED>"));
            list.iter_mut().for_each(mask);
        }
        _ => {}
    }
}

fn tidy(object: &mut Value) {
    mask(object);
    without_nulls(object);
    if object["metadata"]["name"].as_str().is_none_or(|n| n.ends_with("<GENERATED>")) {
        object["metadata"].as_object_mut().unwrap().remove("name");
    }
    if object["kind"] == "Service" && object["spec"]["clusterIPs"].as_array().is_some_and(Vec::is_empty) {
        object["spec"].as_object_mut().unwrap().remove("clusterIPs");
    }
}

#[test]
fn defaults_agree() {
    let mut tally = Tally::default();
    for case in
        ["core-pods", "apps-batch", "core-config", "network"].iter().flat_map(|f| cases(&format!("defaults/{f}.json")))
    {
        if kind_of(&case["input"]).is_none() {
            tally.skip(&case, &format!("kind {} is not in scope", case["kind"]));
            continue;
        }
        let mut expect = case["output"].clone();
        tidy(&mut expect);
        let mut got = match admit::create(case["input"].clone(), "default") {
            // Jobs get their selector with their uid.
            Ok(mut got) if got["kind"] == "Job" => {
                got["metadata"]["uid"] = "<UID>".into();
                let mut got = admit::settle(got).unwrap();
                got["metadata"].as_object_mut().unwrap().remove("uid");
                got
            }
            Ok(got) => got,
            Err(problems) => Value::from(format!("{problems:?}")),
        };
        if got.is_object() {
            tidy(&mut got);
        }
        tally.compare(&case, &got, &expect);
    }
    tally.finish();
}

#[test]
fn admission_agrees() {
    let setup = cases("defaults/admission-setup.json");
    let of = |kind: &str| setup.iter().filter(|o| o["kind"] == kind).cloned().collect::<Vec<_>>();
    let classes: Vec<PriorityClass> =
        of("PriorityClass").into_iter().map(|o| serde_json::from_value(o).unwrap()).collect();
    let mut accounts: Vec<ServiceAccount> =
        of("ServiceAccount").into_iter().map(|o| serde_json::from_value(o).unwrap()).collect();
    let mut plain = ServiceAccount::default();
    plain.metadata.name = "default".into();
    plain.metadata.namespace = "default".into();
    accounts.push(plain);
    let mut tally = Tally::default();
    for case in cases("defaults/admission.json") {
        let reason = match (case["kind"].as_str().unwrap(), case["name"].as_str().unwrap()) {
            ("Pod", "admission-pod-runtime-class-merge") => "kind RuntimeClass is not in scope",
            ("Pod", "admission-pod-lim-partial") => "kind LimitRange is not in scope",
            ("Pod" | "Deployment", _) => "",
            (kind, _) => &format!("kind {kind} is not in scope"),
        };
        if !reason.is_empty() {
            tally.skip(&case, reason);
            continue;
        }
        let mut got = admit::create(case["input"].clone(), "default").unwrap();
        if case["kind"] == "Pod" {
            let mut pod: Pod = serde_json::from_value(got).unwrap();
            let name = admission::service_account_name(&mut pod.spec).to_owned();
            let account =
                accounts.iter().find(|a| a.metadata.name == name && a.metadata.namespace == pod.metadata.namespace);
            admission::service_account(&mut pod, account.unwrap(), "<GENERATED>");
            admission::default_tolerations(&mut pod.spec);
            admission::priority(&mut pod.spec, &classes).unwrap();
            pod.fill_defaults();
            got = serde_json::to_value(pod).unwrap();
        }
        let mut expect = case["output"].clone();
        tidy(&mut expect);
        tidy(&mut got);
        tally.compare(&case, &got, &expect);
    }
    tally.finish();
}
