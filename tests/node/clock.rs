//! A node whose clock is five minutes off, ahead or behind, and then set right.

use std::time::{SystemTime, UNIX_EPOCH};

use masthead_api::meta::Time;
use serde_json::Value;

use super::machine::machine;
use super::parts::{agent, serve};
use super::site::{Site, deployment};

/// Runs until it is told to end.
const SLEEPER: &str = "trap 'exit 0' TERM; /bin/busybox sleep 100000 & wait";
/// Gives a process another time.
const FAKE_TIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// How far it is off.
const OFF_S: i64 = 300;

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("not so late")
}

/// When the pods of the web server came to their node, by its agent's clock.
fn started_s(site: &Site) -> Vec<i64> {
    let of = |pod: &Value| {
        let at = pod["status"]["startTime"].as_str().unwrap_or_default();
        Time::parse(at).unwrap_or_else(|| panic!("{at:?}")).0
    };
    site.pods("web").iter().map(of).collect()
}

#[test]
fn a_node_whose_clock_is_ahead_or_behind() {
    for off_s in [OFF_S, -OFF_S] {
        machine(&["busybox", "ip", FAKE_TIME], move || {
            let Some(mut site) = Site::new() else { return };
            let off = format!("{off_s:+}");
            // Timers go by the monotonic clock, which is right on such a machine too, and files have the disk's time.
            let environment = [
                ("LD_PRELOAD", FAKE_TIME),
                ("FAKETIME", off.as_str()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                ("FAKETIME_DISABLE_SHM", "1"),
                ("NO_FAKE_STAT", "1"),
            ];
            serve(&mut site, &[]);
            agent(&mut site, &[], &environment);
            site.busybox();
            site.write("web.yaml", &deployment("web", 2, "v1", SLEEPER, ""));
            site.push_healthy("The first");
            let ahead_s = started_s(&site)[0] - now_s();
            let is_off = if off_s > 0 { ahead_s > OFF_S / 5 } else { ahead_s <= -OFF_S };
            assert!(is_off, "the clock is {ahead_s} s off, not {off_s}");
            site.write("web.yaml", &deployment("web", 2, "v2", SLEEPER, ""));
            site.push_healthy("The second");
            site.until("only the second is left", || site.pods("web").len() == 2);
            let before = site.processes_of("web");
            assert_eq!(site.status()["nodes"][0]["ready"], true);

            // Somebody sets the clock right.
            let mut ended = site.children.remove(1);
            ended.kill().expect("a kill");
            ended.wait().expect("its end");
            agent(&mut site, &[], &[]);
            site.write("more.yaml", &deployment("more", 1, "v1", SLEEPER, ""));
            site.push_healthy("The third");
            assert_eq!(site.processes_of("web"), before, "another time restarted containers");
            let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"] == 0;
            assert!(site.pods("web").iter().all(restarts));
            site.down();
        });
    }
}
