//! The allocator held against its promises over long random histories.

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn ipam(cidrs: &[&str]) -> Ipam {
    let mut ipam = Ipam::default();
    let cidrs: Vec<Cidr> = cidrs.iter().map(|c| c.parse().unwrap()).collect();
    ipam.set_cidrs(&cidrs);
    ipam
}

#[test]
fn no_cidr_and_no_room_are_said() {
    assert!(matches!(Ipam::default().allocate(), Err(Error::NoCidr)));
    let mut small = ipam(&["10.0.0.0/30", "fd00::/120"]);
    assert_eq!(small.allocate().unwrap().len(), 2);
    let before = small.clone();
    let error = small.allocate().unwrap_err().to_string();
    assert_eq!(error, "no address left in pod CIDR 10.0.0.0/30");
    assert_eq!(small, before, "a failed allocation takes nothing from the other family");
}

#[test]
fn a_released_address_comes_last() {
    let mut ipam = ipam(&["10.0.0.0/29"]);
    let first = ipam.allocate().unwrap();
    ipam.release(&first);
    for _ in 0..4 {
        assert_ne!(ipam.allocate().unwrap(), first);
    }
    assert_eq!(ipam.allocate().unwrap(), first);
    assert!(ipam.allocate().is_err());
}

#[test]
fn the_round_goes_on_after_a_restart() {
    let mut before = ipam(&["10.0.0.0/24", "fd00::/64"]);
    for _ in 0..7 {
        let ips = before.allocate().unwrap();
        before.release(&ips);
    }
    let mut after = ipam(&["10.0.0.0/24", "fd00::/64"]);
    after.resume(&before.cursors());
    assert_eq!(after.allocate().unwrap(), before.allocate().unwrap());
}

#[test]
fn random_histories_never_give_an_address_twice_nor_lose_one() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let bits = rng.random_range(24..=29);
        let mut ipam = ipam(&[&format!("10.7.0.0/{bits}")]);
        let room = usize::try_from(ipam.cidrs().next().unwrap().pods()).unwrap();
        let mut held: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
        let mut recent: VecDeque<Vec<IpAddr>> = VecDeque::new();
        for step in 0..400u32 {
            if rng.random_bool(0.6) {
                match ipam.allocate() {
                    Ok(ips) => {
                        assert!(!held.values().any(|h| h == &ips), "seed {seed}: {ips:?} twice");
                        // With half the range free, what was just given back is not given out.
                        if held.len() * 2 < room {
                            assert!(recent.back() != Some(&ips), "seed {seed}: {ips:?} at once");
                        }
                        held.insert(step, ips);
                    }
                    Err(e) => assert_eq!(held.len(), room, "seed {seed}: {e}"),
                }
            } else if let Some(key) = held.keys().nth(rng.random_range(0..held.len().max(1))).copied() {
                let ips = held.remove(&key).unwrap();
                ipam.release(&ips);
                recent.push_back(ips);
            }
        }
    }
}
