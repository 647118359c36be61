//! Stores that are lost, and releases that git bears witness of: nothing runs twice, and nothing is taken for new.

use masthead_api::kind::registry::CONFIG_MAP;

use crate::sync::hook_tests::{World, commit, config, hook, nothing, pod, shop, waits};
use crate::sync::hooks::{Recovery, State};
use crate::sync::release::Hook;
use crate::sync::revision::Revision;

fn hooks() -> [Hook; 3] {
    let events = "pre-install,pre-upgrade";
    [
        hook(config("settings", "x"), events, -1, ""),
        hook(config("passing", "x"), events, -1, "hook-succeeded"),
        hook(pod("migrate"), events, 0, "hook-succeeded"),
    ]
}

#[test]
fn what_ran_does_not_run_again_and_what_it_made_is_made_again() {
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks()));
    world.told();
    world.lose_store();
    world.recovery = Recovery::Over;
    assert_eq!(world.go(&commit("a", "one", &hooks())), State::Rest);
    assert_eq!(world.told(), ["+ shop", "+ settings"]);
    assert!(world.cluster.installed()[&shop()].lost.is_empty());
    // Gone for another reason, it is not made again; and neither is anything at rest.
    let key = masthead_api::key::ObjectKey::new(CONFIG_MAP, "default", "settings");
    world.cluster.apply(crate::cluster::event::Event::Gone(key, 1000));
    assert_eq!(world.go(&commit("b", "one", &hooks())), State::Rest);
    assert!(world.told().is_empty());
}

#[test]
fn a_change_that_came_with_the_loss_is_an_upgrade() {
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks()));
    world.lose_store();
    world.told();
    let next = commit("b", "two", &hooks());
    let state = world.go(&next);
    assert!(waits(&state).contains("pre-upgrade hook Pod default/migrate"), "{state:?}");
    assert_eq!(world.text(), None, "its hooks come first");
    // Lost again while a hook runs, whose end nobody knows: it begins once more, and those before it do not.
    world.told();
    world.lose_store();
    world.go(&next);
    let told = world.told();
    assert!(told.contains(&"+ migrate".to_owned()) && !told.contains(&"+ shop".to_owned()), "{told:?}");
    world.through(&next);
    assert_eq!(world.text().as_deref(), Some("two"));
    let known = &world.cluster.installed()[&shop()];
    let inputs = format!("inputs of two {:?}", hooks());
    assert_eq!(known.changes.told(&inputs, true), Revision { number: 2, is_upgrade: true });
}

#[test]
fn a_release_that_went_with_the_store_is_forgotten() {
    let mut world = World::default();
    world.through(&commit("a", "one", &hooks()));
    world.lose_store();
    world.told();
    world.through(&nothing("b"));
    assert!(world.cluster.installed().is_empty());
    assert!(world.told().is_empty(), "nothing of it is known any more that could be deleted");
    // Asked for again, it is new.
    world.go(&commit("c", "one", &hooks()));
    assert!(world.told().contains(&"+ migrate".to_owned()));
}

#[test]
fn hooks_after_it_go_on_where_they_were() {
    let hooks = [hook(pod("first"), "pre-install", 0, ""), hook(pod("tell"), "post-install", 0, "")];
    let desired = commit("a", "one", &hooks);
    let mut world = World::default();
    world.go(&desired);
    world.end("first", "Succeeded");
    let state = world.go(&desired);
    assert!(waits(&state).contains("post-install hook Pod default/tell"), "{state:?}");
    world.lose_store();
    world.told();
    world.go(&desired);
    assert_eq!(world.told(), ["+ shop", "+ tell"], "it had not ended");
    world.through(&desired);
    world.lose_store();
    world.told();
    assert_eq!(world.go(&desired), State::Rest);
    assert_eq!(world.told(), ["+ shop"]);
}
