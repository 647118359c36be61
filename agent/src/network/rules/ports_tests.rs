//! Host ports to elements, and the property that applying a change leads to what was wanted.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn port(host_ip: Option<&str>, port: u16, pod: &str, pod_port: u16) -> HostPort {
    HostPort {
        protocol: Protocol::Tcp,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        port,
        pod_ip: pod.parse().unwrap(),
        pod_port,
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for (ports, expect) in [
        (vec![port(None, 0, "10.0.0.2", 80)], "port 0 is none"),
        (vec![port(None, 80, "10.0.0.2", 0)], "port 0 is none"),
        (vec![port(Some("::1"), 80, "10.0.0.2", 80)], "of another family"),
        (vec![port(Some("::1"), 80, "fd00::2", 80)], "loopback"),
        (vec![port(None, 80, "10.0.0.2", 80), port(None, 80, "10.0.0.3", 80)], "leads both to"),
    ] {
        let error = Elements::of(&ports).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn one_port_twice_to_the_same_pod_is_one_element() {
    let twice = [port(None, 80, "10.0.0.2", 80), port(Some("0.0.0.0"), 80, "10.0.0.2", 80)];
    assert_eq!(Elements::of(&twice).unwrap().ports.len(), 1);
    let apart = [port(None, 80, "10.0.0.2", 80), port(Some("192.0.2.1"), 80, "10.0.0.3", 80)];
    assert_eq!(Elements::of(&apart).unwrap().ports.len(), 2);
}

#[test]
fn applying_a_change_leads_to_what_was_wanted_and_then_nothing_is_left_to_do() {
    let random = |rng: &mut StdRng| {
        let count = rng.random_range(0..12);
        let ports: Vec<HostPort> = (0..count)
            .map(|_| {
                let host = rng.random_bool(0.3).then_some("192.0.2.9");
                port(host, rng.random_range(1..8), &format!("10.0.0.{}", rng.random_range(2..6)), 80)
            })
            .collect();
        Elements::of(&ports).unwrap_or_default()
    };
    for seed in 0..2000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (from, to) = (random(&mut rng), random(&mut rng));
        let change = from.change_to(&to);
        let mut state = from.clone();
        for (key, target) in &change.remove.ports {
            assert_eq!(state.ports.remove(key), Some(*target), "seed {seed}: takes out what is not there");
        }
        for (key, target) in &change.add.ports {
            assert_eq!(state.ports.insert(*key, *target), None, "seed {seed}: puts in over another");
        }
        state.hairpins.retain(|ip| !change.remove.hairpins.contains(ip));
        state.hairpins.extend(&change.add.hairpins);
        assert_eq!(state, to, "seed {seed}");
        assert_eq!(to.change_to(&to), Change::default());
    }
}
