//! Commits against states: what is made, changed, moved, replaced and deleted, and what must be confirmed.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::admit::families::Families;
use masthead_api::change::Change;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::{Applied, Cluster};
use crate::context::Context;
use crate::desired::{CommitFacts, Desired, Wanted};
use crate::network::ranges::{Network, PodRange};
use crate::origin::Origin;
use crate::report::json::digest;
use crate::report::text::diff_lines;
use crate::sync::entry::{Action, Record, SyncPlan};
use crate::sync::guard::Confirmed;
use crate::sync::plan::{Rules, plan};

fn desired(id: &str, manifests: &[(&str, Value)]) -> Desired {
    let mut desired =
        Desired { commit: CommitFacts { id: id.repeat(10), ..CommitFacts::default() }, ..Desired::default() };
    for (path, manifest) in manifests {
        let object = admit::create(manifest.clone(), "default").expect("a valid manifest");
        let object = Arc::new(Object::from_value(object).expect("an object"));
        let origin = Origin { path: (*path).into(), line: 1 };
        desired.objects.insert(object.key().clone(), Wanted { object, origin });
    }
    desired
}

/// Does what a plan says, as the store would.
fn apply(cluster: &mut Cluster, plan: &SyncPlan) {
    for entry in &plan.entries {
        for change in &entry.changes {
            let revision = cluster.revision() + 1;
            match change {
                Change::Create { object, .. } | Change::Update { object, .. } => {
                    let stored = Object::clone(object).at(revision);
                    cluster.apply(Event::Put(Arc::new(stored)));
                }
                Change::Delete { key, .. } => drop(cluster.apply(Event::Gone(key.clone(), revision))),
            }
        }
        let record = match &entry.record {
            Record::Set(wanted) => Some(Applied {
                commit: plan.commit.id.clone(),
                origin: wanted.origin.clone(),
                desired: wanted.object.clone(),
            }),
            Record::Clear => None,
        };
        cluster.set_applied(entry.key.clone(), record);
    }
}

fn run(cluster: &mut Cluster, desired: &Desired) -> SyncPlan {
    let (made, problems) = plan(desired, cluster, Rules::default(), &mut Context::new(1000, cluster.revision()));
    assert!(problems.is_empty(), "{problems:?}");
    apply(cluster, &made);
    let (again, _) = plan(desired, cluster, Rules::default(), &mut Context::new(2000, 7));
    assert!(again.entries.is_empty(), "planning after applying is empty, not {:?}", again.entries);
    made
}

fn config(name: &str, color: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"color": color}})
}

fn deployment(app: &str, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": image}]}}}})
}

fn actions(plan: &SyncPlan) -> Vec<(Action, String)> {
    plan.entries.iter().map(|e| (e.action, e.key.name.clone())).collect()
}

#[test]
fn objects_are_made_changed_moved_and_deleted() {
    let mut cluster = Cluster::default();
    let made =
        run(&mut cluster, &desired("a", &[("x.yaml", config("one", "blue")), ("x.yaml", deployment("web", "a:1"))]));
    assert_eq!(actions(&made), [(Action::Create, "one".into()), (Action::Create, "web".into())]);

    let made =
        run(&mut cluster, &desired("b", &[("x.yaml", config("one", "red")), ("y.yaml", deployment("web", "a:1"))]));
    assert_eq!(actions(&made), [(Action::Change, "one".into()), (Action::Move, "web".into())]);
    assert_eq!(made.entries[0].reason, "data.color");
    assert_eq!(made.summary(), "1 to change, 1 unchanged");

    let made = run(&mut cluster, &desired("c", &[("y.yaml", deployment("web", "a:2"))]));
    assert_eq!(actions(&made), [(Action::Change, "web".into()), (Action::Delete, "one".into())]);
    assert_eq!(made.entries[0].reason, "spec.template.spec.containers[0].image");
    assert!(made.entries[1].reason.contains("removed it from x.yaml"), "{}", made.entries[1].reason);
}

#[test]
fn what_git_never_asked_for_is_never_deleted() {
    let mut cluster = Cluster::default();
    let foreign =
        Object::from_value(admit::create(config("foreign", "x"), "default").expect("valid")).expect("an object");
    cluster.apply(Event::Put(Arc::new(foreign.at(5))));
    let made = run(&mut cluster, &desired("a", &[]));
    assert!(made.entries.is_empty());
    assert_eq!(cluster.len(), 1);
}

#[test]
fn labels_that_others_set_stay_and_those_git_drops_go() {
    let mut cluster = Cluster::default();
    let mut first = config("one", "blue");
    first["metadata"]["labels"] = json!({"ours": "1", "both": "git"});
    run(&mut cluster, &desired("a", &[("x.yaml", first)]));
    let key = cluster.objects().next().expect("one").key().clone();
    let mut live = cluster.get(&key).expect("live").value();
    live["metadata"]["labels"]["theirs"] = json!("2");
    live["metadata"]["labels"]["both"] = json!("controller");
    let live = Object::from_value(live).expect("an object").at(50);
    cluster.apply(Event::Put(Arc::new(live)));

    let mut second = config("one", "blue");
    second["metadata"]["labels"] = json!({"both": "git"});
    run(&mut cluster, &desired("b", &[("x.yaml", second)]));
    let labels = cluster.get(&key).expect("live").meta().labels.clone();
    let labels: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("both", "git"), ("theirs", "2")]);
}

#[test]
fn finalizers_are_gits_to_set_and_to_take_back() {
    let held = |finalizers: Value| {
        let mut config = config("one", "blue");
        config["metadata"]["finalizers"] = finalizers;
        desired("a", &[("x.yaml", config)])
    };
    let mut cluster = Cluster::default();
    run(&mut cluster, &held(json!(["x/git", "x/both"])));
    let key = cluster.objects().next().expect("one").key().clone();
    let mut live = cluster.get(&key).expect("live").value();
    live["metadata"]["finalizers"] = json!(["x/git", "x/both", "x/theirs"]);
    cluster.apply(Event::Put(Arc::new(Object::from_value(live).expect("an object").at(50))));
    run(&mut cluster, &held(json!(["x/both", "x/new"])));
    assert_eq!(cluster.get(&key).expect("live").meta().finalizers, ["x/both", "x/theirs", "x/new"]);

    run(&mut cluster, &desired("b", &[]));
    let marked = cluster.get(&key).expect("held");
    assert!(marked.meta().deletion_timestamp.is_some() && marked.meta().finalizers.len() == 3);
    // A commit that has it again, without what held it, lets it go; then it is made anew.
    for (asked, left) in [(json!(["x/new"]), &["x/new"][..]), (json!(["x/new"]), &["x/new"]), (json!([]), &[])] {
        let again = held(asked);
        let (made, _) = plan(&again, &cluster, Rules::default(), &mut Context::new(3000, cluster.revision()));
        assert_eq!(actions(&made), [(Action::Create, "one".into())]);
        assert!(made.entries[0].reason.starts_with("waits until the old"), "{}", made.entries[0].reason);
        apply(&mut cluster, &made);
        let going = cluster.get(&key).expect("on its way out");
        assert!(going.meta().deletion_timestamp.is_some());
        assert_eq!(going.meta().finalizers, left);
    }
}

/// What the scheduler and admission wrote is not git's to take back.
#[test]
fn a_pod_of_git_is_admitted_as_any_other_and_changes_where_a_pod_may() {
    let pod = |image: &str, more: Value| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "labels": {"image": image.replace(":", "-")}},
            "spec": {"containers": [{"name": "c", "image": image}]}});
        let spec = pod["spec"].as_object_mut().expect("an object");
        spec.extend(more.as_object().cloned().unwrap_or_default());
        pod
    };
    let critical =
        json!({"priorityClassName": "system-cluster-critical", "tolerations": [{"key": "a", "operator": "Exists"}]});
    let mut cluster = Cluster::default();
    run(&mut cluster, &desired("a", &[("x.yaml", pod("a:1", critical.clone()))]));
    let key = cluster.objects().next().expect("one").key().clone();
    let spec = |cluster: &Cluster| cluster.get(&key).expect("live").value()["spec"].clone();
    assert_eq!(spec(&cluster)["priority"], json!(2_000_000_000));
    assert_eq!(spec(&cluster)["serviceAccountName"], json!("default"));
    let tolerations = spec(&cluster)["tolerations"].clone();
    assert_eq!(tolerations.as_array().map(Vec::len), Some(3), "{tolerations}");
    let mut live = cluster.get(&key).expect("live").value();
    live["spec"]["nodeName"] = json!("here");
    cluster.apply(Event::Put(Arc::new(Object::from_value(live).expect("an object").at(50))));

    let check = |cluster: &Cluster, next: Value, expect: Action| {
        let (plan, problems) =
            plan(&desired("b", &[("x.yaml", next)]), cluster, Rules::default(), &mut Context::new(1000, 3));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(actions(&plan), [(expect, "one".into())]);
        plan
    };
    let mut more = critical.clone();
    more["tolerations"] = json!([{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]);
    let changed = check(&cluster, pod("a:2", more.clone()), Action::Change);
    check(&cluster, pod("a:1", json!({"priorityClassName": "system-cluster-critical"})), Action::Replace);
    check(&cluster, pod("a:1", json!({"tolerations": critical["tolerations"]})), Action::Replace);
    let mut other = critical.clone();
    other["hostNetwork"] = json!(true);
    check(&cluster, pod("a:1", other), Action::Replace);
    apply(&mut cluster, &changed);
    let after = spec(&cluster);
    assert_eq!((&after["nodeName"], &after["containers"][0]["image"]), (&json!("here"), &json!("a:2")));
    assert_eq!(after["tolerations"].as_array().map(Vec::len), Some(4));
    assert!(
        plan(&desired("b", &[("x.yaml", pod("a:2", more))]), &cluster, Rules::default(), &mut Context::new(1, 3))
            .0
            .entries
            .is_empty()
    );
}

#[test]
fn a_field_that_cannot_change_needs_a_confirmed_replacement() {
    let mut cluster = Cluster::default();
    run(&mut cluster, &desired("a", &[("x.yaml", deployment("web", "a:1"))]));
    let old_uid = cluster.objects().next().expect("one").meta().uid.clone();
    let next = desired("b", &[("x.yaml", deployment("other", "a:1"))]);
    let (refused, problems) = plan(&next, &cluster, Rules::default(), &mut Context::new(1000, 3));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(actions(&refused), [(Action::Replace, "web".into())]);
    assert_eq!(refused.refusals.len(), 1);
    assert_eq!(refused.refusals[0].trailer, "Masthead-Confirm: replace");

    let rules = Rules { confirmed: Confirmed::from_trailers(["replace"]), ..Rules::default() };
    let (made, _) = plan(&next, &cluster, rules, &mut Context::new(1000, 3));
    assert!(made.refusals.is_empty());
    apply(&mut cluster, &made);
    assert_ne!(cluster.objects().next().expect("one").meta().uid, old_uid);
}

#[test]
fn large_deletes_and_namespaces_must_be_confirmed() {
    let mut cluster = Cluster::default();
    let many: Vec<(String, Value)> = (0..20).map(|i| ("x.yaml".to_owned(), config(&format!("c{i}"), "x"))).collect();
    let refs: Vec<(&str, Value)> = many.iter().map(|(p, v)| (p.as_str(), v.clone())).collect();
    run(&mut cluster, &desired("a", &refs));
    let check = |keep: usize, confirmed: &[&str], refused: bool| {
        let rules = Rules { confirmed: Confirmed::from_trailers(confirmed.iter().copied()), ..Rules::default() };
        let (made, _) = plan(&desired("b", &refs[..keep]), &cluster, rules, &mut Context::new(1000, 3));
        assert_eq!(!made.refusals.is_empty(), refused, "keeping {keep}: {:?}", made.refusals);
        assert_eq!(made.count(Action::Delete), 20 - keep);
    };
    check(20, &[], false);
    check(10, &[], false);
    check(9, &[], true);
    check(0, &[], true);
    check(0, &["delete"], false);
    check(0, &["replace"], true);

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}});
    run(&mut cluster, &desired("c", &[&refs[..], &[("n.yaml", namespace)]].concat()));
    let (made, _) = plan(&desired("d", &refs), &cluster, Rules::default(), &mut Context::new(1000, 3));
    assert!(made.refusals[0].what.contains("namespace \"prod\""), "{:?}", made.refusals);
}

#[test]
fn a_tree_that_asks_for_nothing_must_be_confirmed() {
    let mut cluster = Cluster::default();
    run(&mut cluster, &desired("a", &[]));
    run(&mut cluster, &desired("b", &[("x.yaml", config("one", "x"))]));
    let (made, _) = plan(&desired("c", &[]), &cluster, Rules::default(), &mut Context::new(1000, 3));
    assert!(made.refusals[0].what.contains("nothing at all"), "{:?}", made.refusals);
    let rules = Rules { confirmed: Confirmed::from_trailers(["delete"]), ..Rules::default() };
    let (made, _) = plan(&desired("c", &[]), &cluster, rules, &mut Context::new(1000, 3));
    assert!(made.refusals.is_empty());
    apply(&mut cluster, &made);
    run(&mut cluster, &desired("c", &[]));
}

fn job(parallelism: i64, image: &str, ttl: Option<i64>) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {
        "parallelism": parallelism, "completions": 3,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}}});
    if let Some(ttl) = ttl {
        job["spec"]["ttlSecondsAfterFinished"] = ttl.into();
    }
    job
}

#[test]
fn a_job_keeps_the_selector_that_it_was_made_with() {
    let mut cluster = Cluster::default();
    let made = run(&mut cluster, &desired("a", &[("x.yaml", job(1, "a:1", None))]));
    let first = made.entries[0].after.clone().expect("it is made").value();
    let uid = first["metadata"]["uid"].as_str().expect("a uid").to_owned();
    assert_eq!(first["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"], uid);
    assert_eq!(first["spec"]["template"]["metadata"]["labels"]["job-name"], "once");

    let made = run(&mut cluster, &desired("b", &[("x.yaml", job(2, "a:1", None))]));
    assert_eq!(actions(&made), [(Action::Change, "once".into())]);
    assert_eq!(made.entries[0].reason, "spec.parallelism");
    assert_eq!(
        made.entries[0].after.as_ref().expect("it changes").value()["spec"]["selector"],
        first["spec"]["selector"]
    );

    let (made, problems) =
        plan(&desired("c", &[("x.yaml", job(2, "a:2", None))]), &cluster, Rules::default(), &mut Context::new(1000, 9));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(actions(&made), [(Action::Replace, "once".into())]);
    assert_eq!(made.entries[0].reason, "spec.template cannot be changed");
    let (again, _) = plan(
        &desired("c", &[("x.yaml", job(2, "a:2", None))]),
        &cluster,
        Rules::default(),
        &mut Context::new(1000, 77),
    );
    assert_eq!(digest(&made), digest(&again), "whatever uid is drawn");
    let shown = diff_lines(&made.entries[0]).join("\n");
    assert!(shown.contains("image: a:2") && !shown.contains("uid"), "{shown}");
    let after = made.entries[0].after.as_ref().expect("it is made anew").value();
    assert_ne!(after["metadata"]["uid"], uid.as_str());
    assert_eq!(
        after["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"],
        after["metadata"]["uid"]
    );
}

/// A job goes by itself when its time after its end is over; git still asks for it, and it ran.
#[test]
fn a_job_that_ran_and_went_is_not_made_again() {
    let check = |ttl: Option<i64>, expect: &[Action]| {
        let mut cluster = Cluster::default();
        let made = run(&mut cluster, &desired("a", &[("x.yaml", job(1, "a:1", ttl))]));
        let key = made.entries[0].key.clone();
        cluster.apply(Event::Gone(key, cluster.revision() + 1));
        let plan_of = |id: &str, path: &str, manifest: Value| {
            let (made, problems) =
                plan(&desired(id, &[(path, manifest)]), &cluster, Rules::default(), &mut Context::new(1000, 9));
            assert!(problems.is_empty(), "{problems:?}");
            made.entries.iter().map(|e| e.action).collect::<Vec<_>>()
        };
        assert_eq!(plan_of("a", "x.yaml", job(1, "a:1", ttl)), expect);
        let moved: &[Action] = if expect.is_empty() { &[Action::Move] } else { expect };
        assert_eq!(plan_of("b", "y.yaml", job(1, "a:1", ttl)), moved);
        // Any change of the manifest asks for another run.
        assert_eq!(plan_of("b", "x.yaml", job(1, "a:2", ttl)), [Action::Create]);
        assert_eq!(plan_of("b", "x.yaml", job(2, "a:1", ttl)), [Action::Create]);
    };
    check(Some(60), &[]);
    // Without a time nothing but a user removes it, and git wants it back.
    check(None, &[Action::Create]);
}

#[test]
fn services_are_made_for_the_families_of_their_cluster() {
    let range = |text: &str| PodRange::new(text.parse().unwrap()).unwrap();
    let dual = Network {
        pods: vec![range("10.88.0.0/16"), range("fd00:10:88::/56")],
        services: vec!["10.96.0.0/16".parse().unwrap(), "fd00:10:96::/112".parse().unwrap()],
        ..Network::default()
    };
    let wanted = |spec: Value| {
        let mut spec = spec;
        spec["ports"] = json!([{"port": 80}]);
        let manifest = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec});
        // As a commit is read: for a cluster of whatever families.
        let object = admit::create_for(manifest, "default", Families::Unknown).expect("a valid manifest");
        let object = Arc::new(Object::from_value(object).expect("an object"));
        let origin = Origin { path: "web.yaml".into(), line: 1 };
        let mut desired =
            Desired { commit: CommitFacts { id: "a".repeat(40), ..CommitFacts::default() }, ..Desired::default() };
        desired.objects.insert(object.key().clone(), Wanted { object, origin });
        desired
    };
    let both = wanted(json!({"ipFamilyPolicy": "RequireDualStack"}));
    let (_, problems) = plan(&both, &Cluster::default(), Rules::default(), &mut Context::new(0, 1));
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["web.yaml:1: Service/web: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": \
          this cluster is not configured for dual-stack services"]
    );
    let mut cluster = Cluster::default();
    cluster.set_network(Arc::new(dual));
    let made = run(&mut cluster, &both);
    let after = made.entries[0].after.clone().unwrap().value();
    assert_eq!(after["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    // It is given addresses; then git asks for one family, and for the other.
    let mut live = after.clone();
    live["spec"]["clusterIP"] = "10.96.0.50".into();
    live["spec"]["clusterIPs"] = json!(["10.96.0.50", "fd00:10:96::50"]);
    let revision = cluster.revision() + 1;
    cluster.apply(Event::Put(Arc::new(Object::from_value(live).unwrap().at(revision))));
    let made = run(&mut cluster, &wanted(json!({})));
    let after = made.entries[0].after.clone().unwrap().value();
    assert_eq!(actions(&made), [(Action::Change, "web".into())]);
    assert_eq!(
        (&after["spec"]["ipFamilies"], &after["spec"]["clusterIPs"]),
        (&json!(["IPv4"]), &json!(["10.96.0.50"]))
    );
    let made = run(&mut cluster, &wanted(json!({"ipFamilies": ["IPv6"]})));
    let after = made.entries[0].after.clone().unwrap().value();
    assert_eq!(
        (actions(&made), &after["spec"]["ipFamilies"]),
        (vec![(Action::Replace, "web".into())], &json!(["IPv6"]))
    );
    assert!(after["spec"]["clusterIPs"].is_null(), "it gets another address");
}
