//! Long jobs, run by name: `cargo test --test tests network::long -- --ignored --nocapture`.

use std::time::Duration;

use super::lab::Lab;
use super::load::{Load, Manner};
use super::manifests::web;

/// What issue and README promise: replicas, connections, requests a second, rollouts.
const REPLICAS: usize = 20;
const KEPT: usize = 160;
const ANEW: usize = 40;
const RATE: f64 = 2000.0;
const ROLLOUTS: usize = 10;

#[test]
#[ignore = "takes minutes: ten rollouts of twenty replicas under load"]
fn ten_rollouts_of_twenty_replicas_lose_no_request() {
    let Some(lab) = Lab::up(2) else { return };
    let node = lab.names().remove(0);
    lab.site.write("web.yaml", &web(REPLICAS, "v0"));
    lab.site.push_healthy("v0");
    let (mut sent, mut failed, mut slowest) = (0, 0, f64::MAX);
    for run in 1..=ROLLOUTS {
        let groups = [(lab.service("web", 80), Manner::Anew, ANEW), (lab.address(&node, 80), Manner::Kept, KEPT)];
        let load = Load::start(&lab, &groups, Duration::from_millis(50));
        load.more(&lab, &format!(" v{} ", run - 1), 1000);
        lab.site.write("web.yaml", &web(REPLICAS, &format!("v{run}")));
        lab.site.push_healthy(&format!("v{run}"));
        lab.until("the old pods are gone", || lab.site.pods("web").len() == REPLICAS);
        load.more(&lab, &format!(" v{run} "), 1000);
        let outcome = load.end(&lab);
        println!("run {run}: {} requests, {:.0} a second, {} failed", outcome.sent, outcome.rate, outcome.failed.len());
        outcome.failed.iter().take(5).for_each(|why| println!("  {why}"));
        sent += outcome.sent;
        failed += outcome.failed.len();
        slowest = slowest.min(outcome.rate);
    }
    println!("{ROLLOUTS} rollouts: {sent} requests, {failed} failed; in the slowest run {slowest:.0} a second");
    if slowest < RATE {
        println!("this machine is too busy, or too slow, for {RATE:.0} requests a second");
    }
    lab.down();
    assert_eq!(failed, 0, "of {sent} requests");
}
