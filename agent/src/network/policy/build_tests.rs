//! Whatever the policies say, the image names nothing that is not in it, and what is the same has the same name.

use masthead_api::networking::resolved::{Block, ResolvedMeta};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn ip(rng: &mut StdRng) -> IpAddr {
    let last = rng.random_range(1..6_u8);
    if rng.random_bool(0.3) {
        IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])
    } else {
        [10, 0, 0, last].into()
    }
}

fn rule(rng: &mut StdRng) -> ResolvedRule {
    let port = |rng: &mut StdRng| {
        let port = rng.random_bool(0.7).then(|| rng.random_range(1..5));
        ResolvedPort {
            protocol: ["TCP", "UDP", "SCTP", "", "IPX"][rng.random_range(0..5)].to_owned(),
            end_port: port.filter(|_| rng.random_bool(0.3)).map(|port| port + 10),
            port,
            to_set: rng.random_bool(0.2).then(|| format!("s{}", rng.random_range(0..4))),
        }
    };
    let block = |rng: &mut StdRng| {
        let cidrs = ["10.0.0.0/8", "0.0.0.0/0", "fd00::/16", "::/0", "not one"];
        Block {
            cidr: cidrs[rng.random_range(0..5)].to_owned(),
            except: vec!["10.1.0.0/16".to_owned(); rng.random_range(0..2)],
        }
    };
    ResolvedRule {
        sets: (0..rng.random_range(0..3)).map(|_| format!("s{}", rng.random_range(0..4))).collect(),
        blocks: (0..rng.random_range(0..2)).map(|_| block(rng)).collect(),
        ports: (0..rng.random_range(0..3)).map(|_| port(rng)).collect(),
    }
}

fn policy(rng: &mut StdRng, number: usize) -> ResolvedPolicy {
    let rules = |rng: &mut StdRng| (0..rng.random_range(0..3)).map(|_| rule(rng)).collect();
    let types =
        [vec![], vec![Direction::Ingress], vec![Direction::Egress], vec![Direction::Ingress, Direction::Egress]];
    ResolvedPolicy {
        metadata: ResolvedMeta { namespace: "n".to_owned(), name: format!("p{number}") },
        pods: (0..rng.random_range(0..4)).map(|_| ip(rng)).collect(),
        policy_types: types[rng.random_range(0..4)].clone(),
        ingress: rules(rng),
        egress: rules(rng),
    }
}

/// Names of ours in the rules of a chain.
fn named(rules: &[Rule]) -> BTreeSet<String> {
    let prefixes = ["peers-", "nets-", "allow-", "ports-", "group-"];
    let text = format!("{rules:?}");
    let words = text.split('"').filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    words.map(str::to_owned).collect()
}

#[test]
fn an_image_names_nothing_that_is_not_in_it() {
    let mut names_seen = 0;
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let policies: Vec<ResolvedPolicy> = (0..rng.random_range(1..5)).map(|n| policy(&mut rng, n)).collect();
        // One selector is not known.
        let known = |rng: &mut StdRng| Addresses::of(&(0..3).map(|_| ip(rng)).collect::<Vec<_>>());
        let selectors: BTreeMap<String, Addresses> = (0..3).map(|n| (format!("s{n}"), known(&mut rng))).collect();
        let image = build("t", policies.iter(), &selectors).unwrap();
        for (chain, (_, rules)) in &image.chains {
            for name in named(rules) {
                names_seen += 1;
                let is_there = image.chains.contains_key(&name) || image.sets.contains_key(&name);
                assert!(is_there || &name == chain, "seed {seed}: chain {chain} names {name}");
            }
        }
        let mut groups = BTreeSet::new();
        for value in image.maps.values().flat_map(BTreeMap::values) {
            if let Value::Goto(group) = value {
                assert!(image.chains.contains_key(group), "seed {seed}: {group}");
                groups.insert(group.clone());
            }
        }
        let isolated = policies.iter().any(|p| !p.pods.is_empty() && !p.policy_types.is_empty());
        assert_eq!(groups.is_empty(), !isolated, "seed {seed}: a selected pod has its group");
        // The order of policies changes nothing, nor who the selectors stand for.
        let turned = build("t", policies.iter().rev(), &BTreeMap::new()).unwrap();
        assert!(
            image.chains.keys().eq(turned.chains.keys()) && image.sets.keys().eq(turned.sets.keys()),
            "seed {seed}"
        );
        assert_eq!(image.maps, turned.maps, "seed {seed}");
    }
    assert!(names_seen > 1000, "the names are looked for where they are: {names_seen}");
}
