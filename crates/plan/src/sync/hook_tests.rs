//! Changes of releases with hooks: which run, in which order, what waits for them, and that none runs twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::admit;
use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{CONFIG_MAP, POD};
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::{Applied, Cluster};
use crate::context::{Context, Ids};
use crate::desired::{CommitFacts, Desired, Wanted};
use crate::origin::Origin;
use crate::sync::entry::{Record, SyncPlan};
use crate::sync::guard::Confirmed;
use crate::sync::hooks::{Recovery, State, Write};
use crate::sync::installed::{Active, Installed};
use crate::sync::outcome::{End, end};
use crate::sync::plan::{Rules, plan};
use crate::sync::release::{Hook, HookEvent, ReleaseKey, WantedRelease};

fn origin(path: &str) -> Origin {
    Origin { path: path.into(), line: 1 }
}

fn object(manifest: Value) -> Arc<Object> {
    Arc::new(Object::from_value(admit::create(manifest, "default").expect("valid")).expect("an object"))
}

pub(super) fn config(name: &str, text: &str) -> Arc<Object> {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}}))
}

pub(super) fn pod(name: &str) -> Arc<Object> {
    object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}))
}

pub(super) fn hook(object: Arc<Object>, events: &str, weight: i64, policies: &str) -> Hook {
    Hook {
        origin: origin(&format!("c/templates/{}.yaml", object.key().name)),
        object,
        events: events.split(',').map(|name| HookEvent::parse(name).expect("an event")).collect(),
        weight,
        deletes_before: policies.is_empty() || policies.contains("before-hook-creation"),
        deletes_succeeded: policies.contains("hook-succeeded"),
        deletes_failed: policies.contains("hook-failed"),
    }
}

pub(super) fn shop() -> ReleaseKey {
    ReleaseKey { namespace: "default".to_owned(), name: "shop".to_owned() }
}

/// A commit with the release `shop` that consists of one ConfigMap with this text.
pub(super) fn commit(id: &str, text: &str, hooks: &[Hook]) -> Desired {
    let mut desired = nothing(id);
    let object = config("shop", text);
    let key = object.key().clone();
    let release = WantedRelease {
        key: shop(),
        origin: origin("apps/shop.yaml"),
        digest: format!("digest of {text} {hooks:?}"),
        inputs: format!("inputs of {text} {hooks:?}"),
        hooks: hooks.to_vec(),
        objects: vec![key.clone()],
        is_suspended: false,
        broken_tests: Vec::new(),
    };
    desired.objects.insert(key, Wanted { object, origin: origin("c/templates/shop.yaml") });
    desired.releases.insert(shop(), Arc::new(release));
    desired
}

pub(super) fn nothing(id: &str) -> Desired {
    Desired { commit: CommitFacts { id: id.repeat(10), ..CommitFacts::default() }, ..Desired::default() }
}

/// A cluster, and all that ever happened in it.
#[derive(Default)]
pub(super) struct World {
    pub cluster: Cluster,
    pub told: Vec<String>,
    seed: u64,
    pub recovery: Recovery,
}

impl World {
    pub fn plan(&mut self, desired: &Desired) -> SyncPlan {
        self.seed += 1;
        let rules =
            Rules { confirmed: Confirmed { delete: true, replace: true }, recovery: self.recovery, ..Rules::default() };
        let mut cx = Context::new(1000 + i64::try_from(self.seed).expect("small"), self.seed);
        let (made, problems) = plan(desired, &self.cluster, rules, &mut cx);
        assert!(problems.is_empty(), "{problems:?}");
        made
    }

    fn write(&mut self, change: &Change) {
        let revision = self.cluster.revision() + 1;
        match change {
            Change::Create { object, .. } | Change::Update { object, .. } => {
                let is_going = object.meta().deletion_timestamp.is_some();
                let is_new = self.cluster.get(object.key()).is_none_or(|old| old.meta().uid != object.meta().uid);
                if is_new || is_going {
                    self.told.push(format!("{} {}", if is_going { "ends" } else { "+" }, object.key().name));
                }
                let stored = Object::clone(object).at(revision);
                self.cluster.apply(Event::Put(Arc::new(stored)));
            }
            Change::Delete { key, .. } => {
                self.told.push(format!("- {}", key.name));
                self.cluster.apply(Event::Gone(key.clone(), revision));
            }
        }
    }

    fn record(&mut self, key: &ReleaseKey, write: &Write) {
        match write {
            Write::Keep => {}
            // Through the form that the store keeps.
            Write::Set(record) => {
                let text = serde_json::to_string(record).expect("JSON");
                let read: Installed = serde_json::from_str(&text).expect("what was written");
                assert_eq!(read, **record);
                self.cluster.set_installed(key.clone(), Some(Arc::new(read)));
            }
            Write::Clear => self.cluster.set_installed(key.clone(), None),
        }
    }

    /// Does what a plan says, as the store would: the objects and their records, then each release in one write.
    /// `stops_after` writes it is killed; true when all was done.
    pub fn apply(&mut self, plan: &SyncPlan, stops_after: usize) -> bool {
        let mut left = stops_after;
        let mut goes_on = || {
            let goes_on = left > 0;
            left = left.saturating_sub(1);
            goes_on
        };
        for entry in plan.entries.iter().filter(|entry| !entry.is_held) {
            if !goes_on() {
                return false;
            }
            entry.changes.iter().for_each(|change| self.write(change));
            let record = match &entry.record {
                Record::Set(wanted) => Some(Applied {
                    commit: plan.commit.id.clone(),
                    origin: wanted.origin.clone(),
                    desired: wanted.object.clone(),
                }),
                Record::Clear => None,
            };
            self.cluster.set_applied(entry.key.clone(), record);
        }
        for release in plan.releases.iter().filter(|release| release.step.opens) {
            if !goes_on() {
                return false;
            }
            self.record(&release.key, &release.step.write);
        }
        for release in plan.releases.iter().filter(|release| !release.step.opens && release.step.has_work()) {
            if !goes_on() {
                return false;
            }
            release.step.changes.iter().for_each(|change| self.write(change));
            self.record(&release.key, &release.step.write);
        }
        true
    }

    /// Plans and applies until nothing more is to be done at once; where the release is then.
    pub fn go(&mut self, desired: &Desired) -> State {
        for _ in 0..50 {
            let made = self.plan(desired);
            self.apply(&made, usize::MAX);
            let has_work = made.releases.iter().any(|release| release.step.has_work());
            if !has_work && made.entries.iter().all(|entry| entry.is_held) {
                return made.releases.into_iter().next().map_or(State::Rest, |release| release.step.state);
            }
        }
        panic!("it never rests: {:?}", self.told);
    }

    /// A pod comes to its end, or is gone where it was about to be.
    pub fn end(&mut self, name: &str, phase: &str) {
        let key = ObjectKey::new(POD, "default", name);
        let live = self.cluster.get(&key).expect("a pod").clone();
        let revision = self.cluster.revision() + 1;
        if live.meta().deletion_timestamp.is_some() {
            self.cluster.apply(Event::Gone(key, revision));
            return;
        }
        let mut value = live.value();
        value["status"] = json!({"phase": phase});
        self.cluster.apply(Event::Put(Arc::new(Object::from_value(value).expect("an object").at(revision))));
    }

    /// The store is lost: what is kept in git of releases is all that is known.
    pub fn lose_store(&mut self) {
        let kept: Vec<_> = self.cluster.installed().iter().map(|(key, known)| (key.clone(), known.witness())).collect();
        self.cluster = Cluster::default();
        for (key, witness) in kept {
            self.record(&key, &Write::Set(Box::new(witness.restored())));
        }
    }

    fn bind(&mut self, name: &str) {
        let key = ObjectKey::new(POD, "default", name);
        let mut value = self.cluster.get(&key).expect("a pod").value();
        value["spec"]["nodeName"] = json!("one");
        let revision = self.cluster.revision() + 1;
        self.cluster.apply(Event::Put(Arc::new(Object::from_value(value).expect("an object").at(revision))));
    }

    pub fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub fn text(&self) -> Option<String> {
        let key = ObjectKey::new(CONFIG_MAP, "default", "shop");
        Some(self.cluster.get(&key)?.value()["data"]["text"].as_str()?.to_owned())
    }

    /// Goes on, each hook with a good end, to rest.
    pub fn through(&mut self, desired: &Desired) {
        for _ in 0..50 {
            match self.go(desired) {
                State::Rest => return,
                State::Failed { why } => panic!("{why}"),
                _ => {
                    let pods: Vec<String> = self.cluster.of_kind(POD).map(|object| object.key().name.clone()).collect();
                    pods.iter().for_each(|name| self.end(name, "Succeeded"));
                }
            }
        }
        panic!("it never rests: {:?}", self.told);
    }
}

pub(super) fn waits(state: &State) -> &str {
    match state {
        State::Waits { line, .. } => line,
        other => panic!("{other:?} waits for nothing"),
    }
}

fn failed(state: &State) -> &str {
    match state {
        State::Failed { why } => why,
        other => panic!("{other:?} has not failed"),
    }
}

#[test]
fn hooks_run_by_weight_around_the_objects_and_leave_what_their_policies_say() {
    let hooks = [
        hook(pod("late"), "pre-install", 5, "hook-succeeded"),
        hook(config("settings", "a"), "pre-install,pre-upgrade", -5, "before-hook-creation,hook-succeeded"),
        hook(pod("early"), "pre-install", 0, ""),
        hook(pod("after"), "post-install,post-upgrade", 0, "hook-succeeded"),
        hook(pod("upgrade"), "pre-upgrade", 0, ""),
        hook(pod("try"), "test", 0, ""),
    ];
    let mut world = World::default();
    let first = commit("a", "one", &hooks);
    let state = world.go(&first);
    assert_eq!(waits(&state), "Release default/shop: pre-install hook Pod default/early: waits for a node");
    assert_eq!(world.told(), ["+ settings", "+ early"], "a ConfigMap is not waited for");
    assert_eq!(world.text(), None, "the release is applied before its hooks have run");
    world.end("early", "Succeeded");
    world.go(&first);
    assert_eq!(world.told(), ["+ late"]);
    world.end("late", "Succeeded");
    let state = world.go(&first);
    assert_eq!(
        world.told(),
        ["- late", "- settings", "+ shop", "+ after"],
        "what succeeded goes at the end of the event"
    );
    assert!(waits(&state).contains("post-install hook Pod default/after"), "{state:?}");
    world.end("after", "Succeeded");
    assert_eq!(world.go(&first), State::Rest);
    assert_eq!(world.told(), ["- after"]);
    // Another commit and a new start change nothing.
    assert_eq!(world.go(&commit("b", "one", &hooks)), State::Rest);
    assert!(world.told().is_empty());

    let second = commit("c", "two", &hooks);
    world.go(&second);
    assert_eq!(world.told(), ["+ settings", "+ upgrade"]);
    assert_eq!(world.text().as_deref(), Some("one"));
    world.end("upgrade", "Succeeded");
    world.go(&second);
    assert_eq!(world.text().as_deref(), Some("two"));
    world.through(&second);
    let left: Vec<String> = world.cluster.of_kind(POD).map(|object| object.key().name.clone()).collect();
    assert_eq!(left, ["early", "upgrade"], "what a hook of the chart left stays, as with Helm");
}

#[test]
fn what_a_hook_of_the_last_time_left_goes_first() {
    let hooks = [hook(pod("migrate"), "pre-install,pre-upgrade", 0, "")];
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks));
    world.told();
    world.bind("migrate");
    // A pod that has ended is gone at once.
    world.end("migrate", "Succeeded");
    let second = commit("b", "two", &hooks);
    let state = world.go(&second);
    assert_eq!(world.told(), ["- migrate", "+ migrate"]);
    assert!(waits(&state).contains("pre-upgrade hook Pod default/migrate"), "{state:?}");
    let kept = [hook(pod("migrate"), "pre-install,pre-upgrade", 0, "hook-failed")];
    let third = commit("c", "three", &kept);
    world.through(&second);
    let state = world.go(&third);
    assert!(failed(&state).contains("do not name before-hook-creation"), "{state:?}");
    assert_eq!(world.text().as_deref(), Some("two"));
}

#[test]
fn a_failed_hook_keeps_the_change_away_and_runs_again_with_the_next_commit() {
    let hooks = [
        hook(config("settings", "a"), "pre-upgrade", -5, "hook-succeeded"),
        hook(pod("first"), "pre-upgrade", 0, ""),
        hook(pod("second"), "pre-upgrade", 1, "before-hook-creation,hook-failed"),
    ];
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks));
    world.told();
    let second = commit("b", "two", &hooks);
    world.go(&second);
    world.end("first", "Succeeded");
    world.go(&second);
    world.end("second", "Failed");
    let state = world.go(&second);
    assert_eq!(failed(&state), "Release default/shop: pre-upgrade hook Pod default/second failed: Failed");
    assert_eq!(world.told(), ["+ settings", "+ first", "+ second", "- second", "- settings"]);
    assert_eq!(world.text().as_deref(), Some("one"), "the change was kept away");
    // The same commit, at each start: it stays failed.
    assert!(matches!(world.go(&second), State::Failed { .. }));
    assert!(world.told().is_empty());
    // The next commit tries again, but what has run to a good end does not run twice.
    let third = commit("c", "two", &hooks);
    world.go(&third);
    assert_eq!(world.told(), ["+ settings", "+ second"]);
    world.end("second", "Succeeded");
    assert_eq!(world.go(&third), State::Rest);
    assert_eq!(world.text().as_deref(), Some("two"));
    // Back to where it failed, the other way round: the failed change is called off without a hook.
    let bad = commit("d", "three", &hooks);
    world.told();
    world.go(&bad);
    world.end("first", "Failed");
    world.go(&bad);
    world.told();
    assert_eq!(world.go(&commit("e", "two", &hooks)), State::Rest);
    assert!(world.told().iter().all(|told| told.starts_with('-')), "nothing is made");
}

#[test]
fn a_newer_commit_takes_the_place_of_a_hook_that_runs() {
    let hooks = [hook(pod("one"), "pre-install", 0, "")];
    let others = [hook(pod("two"), "pre-install", 0, "")];
    let mut world = World::default();
    world.go(&commit("a", "one", &hooks));
    world.bind("one");
    world.told();
    let second = commit("b", "two", &others);
    let state = world.go(&second);
    assert_eq!(waits(&state), "Release default/shop: waits until Pod default/one of the change before has ended");
    assert_eq!(world.told(), ["ends one"]);
    world.end("one", "Failed");
    world.go(&second);
    assert_eq!(world.told(), ["+ two"]);
    world.end("two", "Succeeded");
    assert_eq!(world.go(&second), State::Rest);
    assert_eq!(world.text().as_deref(), Some("two"));
}

#[test]
fn an_install_that_never_was_whole_goes_on_being_one() {
    let hooks = |post: &str| {
        [
            hook(pod("pre"), "pre-install", 0, ""),
            hook(pod("up"), "pre-upgrade", 0, ""),
            hook(pod(post), "post-install", 0, ""),
        ]
    };
    let mut world = World::default();
    let first = commit("a", "one", &hooks("post"));
    world.go(&first);
    world.end("pre", "Succeeded");
    world.go(&first);
    world.end("post", "Failed");
    assert!(matches!(world.go(&first), State::Failed { .. }));
    assert_eq!(world.text().as_deref(), Some("one"), "hooks after it take nothing back");
    world.told();
    // It was applied, so it is upgraded; it was never whole, so the hooks after an install run.
    let second = commit("b", "two", &hooks("mended"));
    world.go(&second);
    assert_eq!(world.told(), ["+ up"]);
    world.end("up", "Succeeded");
    world.go(&second);
    assert_eq!(world.told(), ["+ mended"]);
    world.end("mended", "Succeeded");
    assert_eq!(world.go(&second), State::Rest);
    assert_eq!(world.told(), ["- post"], "what a hook left that is no longer there");
}

#[test]
fn the_way_back_is_a_rollback() {
    let hooks = [hook(pod("up"), "pre-upgrade", 0, ""), hook(pod("back"), "pre-rollback,post-rollback", 0, "")];
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks));
    world.through(&commit("b", "two", &hooks));
    assert_eq!(world.told(), ["+ shop", "+ up"]);
    world.through(&commit("c", "one", &hooks));
    assert_eq!(world.told(), ["+ back", "- back", "+ back"]);
    assert_eq!(world.text().as_deref(), Some("one"));
}

#[test]
fn a_removed_release_runs_its_last_hooks_and_leaves_nothing() {
    let hooks = [
        hook(pod("before"), "pre-delete", 0, ""),
        hook(pod("after"), "post-delete", 0, ""),
        hook(pod("install"), "pre-install", 0, ""),
    ];
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks));
    world.told();
    let gone = nothing("b");
    world.go(&gone);
    assert_eq!(world.told(), ["+ before"]);
    assert_eq!(world.text().as_deref(), Some("one"));
    world.end("before", "Succeeded");
    world.go(&gone);
    assert_eq!(world.told(), ["- shop", "+ after"]);
    world.end("after", "Succeeded");
    assert_eq!(world.go(&gone), State::Rest);
    assert_eq!(world.told(), ["- after", "- before", "- install"]);
    assert!(world.cluster.installed().is_empty() && world.cluster.is_empty());
    // Without hooks it takes one step.
    world.through(&commit("c", "one", &[]));
    let made = world.plan(&nothing("d"));
    assert!(world.apply(&made, usize::MAX) && world.cluster.installed().is_empty() && world.cluster.is_empty());
}

#[test]
fn a_suspended_release_is_left_as_it_is() {
    let hooks = [hook(pod("up"), "pre-upgrade", 0, "")];
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks));
    let suspended = |id: &str| {
        let mut desired = nothing(id);
        let mut release = WantedRelease::clone(&commit(id, "two", &hooks).releases[&shop()]);
        (release.is_suspended, release.objects, release.hooks) = (true, Vec::new(), Vec::new());
        desired.releases.insert(shop(), Arc::new(release));
        desired
    };
    world.told();
    assert_eq!(world.go(&suspended("b")), State::Suspended);
    let made = world.plan(&suspended("b"));
    assert_eq!((made.entries.len(), made.unchanged, made.suspended().count()), (0, 1, 1));
    assert!(world.told().is_empty());
    assert_eq!(world.text().as_deref(), Some("one"));
    // A hook that runs when it is suspended goes on; what follows waits.
    let second = commit("c", "two", &hooks);
    world.go(&second);
    world.told();
    assert_eq!(world.go(&suspended("d")), State::Suspended);
    world.end("up", "Succeeded");
    assert_eq!(world.go(&suspended("d")), State::Suspended);
    assert_eq!(world.text().as_deref(), Some("one"));
    assert_eq!(world.go(&commit("e", "two", &hooks)), State::Rest);
    assert_eq!((world.text().as_deref(), world.told().len()), (Some("two"), 0), "no hook ran twice");
    // Removed while suspended: that is asked for, and done.
    world.go(&suspended("f"));
    world.through(&nothing("g"));
    assert_eq!(world.text(), None);
}

/// As long as git does not say what it was, the commit is not applied, and nothing that nodes bring back is superfluous.
#[test]
fn a_suspended_release_that_a_lost_store_knows_nothing_of_keeps_its_pods() {
    let mut desired = commit("a", "one", &[]);
    let mut release = WantedRelease::clone(&desired.releases[&shop()]);
    release.is_suspended = true;
    desired.releases.insert(shop(), Arc::new(release));
    desired.objects.clear();
    for (recovery, holds) in [(Recovery::No, false), (Recovery::Waiting, true), (Recovery::Over, true)] {
        let mut world = World { recovery, ..World::default() };
        let made = world.plan(&desired);
        assert_eq!(made.releases[0].step.state, State::Suspended);
        assert_eq!(made.releases[0].step.holds, holds, "{recovery:?}");
    }
}

/// A release with a Deployment, and the pod that a node brings back of it.
fn with_deployment(id: &str, hooks: &[Hook]) -> (Desired, Arc<Object>) {
    let mut desired = commit(id, "one", hooks);
    let template =
        json!({"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "shop"}}, "template": template}}));
    let mut release = WantedRelease::clone(&desired.releases[&shop()]);
    release.objects.push(deployment.key().clone());
    release.objects.sort();
    desired.releases.insert(shop(), Arc::new(release));
    desired.objects.insert(deployment.key().clone(), Wanted { object: deployment, origin: origin("d.yaml") });
    let mut brought = pod("shop-x").value();
    brought["metadata"]["labels"] = json!({"app": "shop"});
    (desired, Arc::new(Object::from_value(brought).expect("an object").at(1)))
}

#[test]
fn after_the_store_was_lost_nodes_say_what_was_installed() {
    let hooks = [hook(pod("migrate"), "pre-install", 0, "")];
    let (desired, brought) = with_deployment("a", &hooks);
    // Not yet told: it waits, and nothing of it is touched.
    let mut world = World { recovery: Recovery::Waiting, ..World::default() };
    let state = world.go(&desired);
    assert!(waits(&state).contains("until the nodes have told"), "{state:?}");
    assert!(world.told().is_empty());
    // A pod of it: it was there, and its hooks have run.
    world.cluster.apply(Event::Put(brought.clone()));
    assert_eq!(world.go(&desired), State::Rest);
    assert_eq!(world.told(), ["+ shop", "+ shop"]);
    // All have told, and none has it: it is new.
    let mut world = World { recovery: Recovery::Over, ..World::default() };
    world.go(&desired);
    assert_eq!(world.told(), ["+ migrate"]);
    // The same pod says nothing in a store that knows all it ever did.
    let mut world = World::default();
    world.cluster.apply(Event::Put(brought));
    world.go(&desired);
    assert_eq!(world.told(), ["+ migrate"]);
    // A hook that was under way is no sign that it ended; one that did is.
    for (phase, expect) in [("Running", vec!["- migrate", "+ migrate"]), ("Succeeded", vec!["+ shop", "+ shop"])] {
        let mut world = World { recovery: Recovery::Over, ..World::default() };
        let mut left = pod("migrate").value();
        left["metadata"]["annotations"] = json!({"masthead.dev/release": "default/shop"});
        left["status"] = json!({"phase": phase});
        world.cluster.apply(Event::Put(Arc::new(Object::from_value(left).expect("an object").at(1))));
        world.go(&desired);
        assert_eq!(world.told(), expect, "{phase}");
    }
}

#[test]
fn names_that_are_not_a_hooks_own_are_left_alone() {
    let hooks = [hook(pod("migrate"), "pre-install", 0, "")];
    let mut world = World::default();
    world.cluster.apply(Event::Put(Arc::new(Object::clone(&pod("migrate")).at(1))));
    let state = world.go(&commit("a", "one", &hooks));
    assert!(failed(&state).ends_with("there is an object of this name that no hook made"), "{state:?}");
    assert!(world.told().is_empty());
    // What git asked for before under this name makes room.
    let mut world = World::default();
    let mut before = nothing("a");
    let plain = pod("migrate");
    before.objects.insert(plain.key().clone(), Wanted { object: plain, origin: origin("p.yaml") });
    world.go(&before);
    world.told();
    world.go(&commit("b", "one", &hooks));
    assert_eq!(world.told(), ["- migrate", "+ migrate"]);
}

/// Random commits, ends of hooks and kills in the middle of writes.
#[test]
fn no_hook_that_ended_well_runs_again_whenever_it_is_killed() {
    for seed in 0..150 {
        let mut rng = Ids::new(seed);
        let mut world = World::default();
        let hooks = |version: u64| {
            vec![
                hook(config("settings", "x"), "pre-install,pre-upgrade", -1, "hook-succeeded"),
                hook(
                    pod("pre-a"),
                    "pre-install,pre-upgrade,pre-rollback",
                    0,
                    ["", "before-hook-creation,hook-succeeded"][(version % 2) as usize],
                ),
                hook(pod("pre-b"), "pre-install,pre-upgrade", 1, "before-hook-creation,hook-failed"),
                hook(pod("post"), "post-install,post-upgrade,post-rollback", 0, ""),
            ]
        };
        let mut version = 0;
        let mut desired = commit("0", "0", &hooks(0));
        // How often a pod of a name was made since the release changed, and which have come to a good end.
        let mut ended: BTreeSet<(u64, String, String)> = BTreeSet::new();
        let mut uids: BTreeMap<String, (u64, String, String)> = BTreeMap::new();
        for number in 1..60 {
            match rng.below(10) {
                0 => {
                    version = number;
                    desired = commit(&format!("{number}"), &format!("{number}"), &hooks(number));
                }
                // The same state with another commit: failed hooks run again.
                1 => desired.commit.id = format!("again {number}"),
                // What has ended is noted, and then the store is lost.
                2 if rng.below(2) == 0 => {
                    let made = world.plan(&desired);
                    world.apply(&made, usize::MAX);
                    world.lose_store();
                }
                _ => {}
            }
            let made = world.plan(&desired);
            let stops_after = if rng.below(3) == 0 { rng.below(3) as usize } else { usize::MAX };
            for entry in &made.entries {
                assert!(
                    entry.is_held || may_apply(&world, version),
                    "{seed}: applied before its hooks: {:?}",
                    world.told
                );
            }
            world.apply(&made, stops_after);
            for pod in world.cluster.of_kind(POD) {
                let event = pod.meta().annotations["masthead.dev/hook-event"].clone();
                let run = (version, pod.key().name.clone(), event);
                if !uids.contains_key(&pod.meta().uid) {
                    uids.insert(pod.meta().uid.clone(), run.clone());
                    assert!(!ended.contains(&run), "seed {seed}: {run:?} runs again: {:?}", world.told);
                }
            }
            let pods: Vec<Arc<Object>> = world.cluster.of_kind(POD).cloned().collect();
            for pod in pods {
                let is_over = pod.value()["status"]["phase"].as_str().is_some_and(|phase| phase != "Pending");
                if is_over || rng.below(2) == 0 {
                    continue;
                }
                let phase = if rng.below(4) == 0 { "Failed" } else { "Succeeded" };
                let is_going = pod.meta().deletion_timestamp.is_some();
                world.end(&pod.key().name, phase);
                if phase == "Succeeded" && !is_going {
                    ended.insert(uids[&pod.meta().uid].clone());
                }
            }
        }
        // In the end, and in peace, it comes to rest; a hook that has failed is heard of first.
        desired.commit.id = "the last but one".to_owned();
        world.go(&desired);
        desired.commit.id = "the last".to_owned();
        world.through(&desired);
        assert_eq!(world.text(), Some(version.to_string()), "seed {seed}");
    }
}

/// Whether the hooks before the objects of a version have run, by the record.
fn may_apply(world: &World, version: u64) -> bool {
    let known = world.cluster.installed().get(&shop());
    known.is_some_and(|known| {
        let is_it = known.applied.as_ref().is_some_and(|digest| digest.starts_with(&format!("digest of {version} ")));
        // The last of them may have ended just now, and have left nothing to be deleted.
        let has_ended = |active: &Active| end(&world.cluster, active) == End::Succeeded;
        let pre = known.run.as_ref().is_some_and(|run| {
            !run.done.is_empty() && run.active.as_ref().is_none_or(has_ended) && run.failed.is_none()
        });
        is_it || pre
    })
}
