//! The property that changes, applied one after the other, lead to the very table that is built as a whole.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::network::rules::contents::{Key, Value};
use crate::network::services::model::{Endpoint, Hint, Net, Port};

/// What the kernel would hold; it refuses what is there twice, and what is not there.
#[derive(Default)]
struct Kernel(BTreeMap<(&'static str, Key), Value>);

impl Kernel {
    fn apply(&mut self, change: &Change) {
        for element in &change.remove {
            let (set, key, value) = element.parts();
            assert_eq!(self.0.remove(&(set, key)), Some(value), "takes out what is not there: {element:?}");
        }
        for element in &change.add {
            let (set, key, value) = element.parts();
            assert_eq!(self.0.insert((set, key), value), None, "puts in over another: {element:?}");
        }
    }
}

/// The table's entries, lists of endpoints without their order.
fn normal(elements: impl Iterator<Item = Element>) -> (BTreeSet<Element>, BTreeMap<PoolId, Vec<Target>>) {
    let (mut plain, mut lists) = (BTreeSet::new(), BTreeMap::<PoolId, BTreeMap<u32, Target>>::new());
    for element in elements {
        if let Element::Slot(id, at, target) = element {
            assert_eq!(lists.entry(id).or_default().insert(at, target), None);
        } else {
            assert!(plain.insert(element), "twice: {element:?}");
        }
    }
    let list = |places: BTreeMap<u32, Target>| {
        assert!(places.keys().copied().eq(0..u32::try_from(places.len()).unwrap()), "a place is empty");
        let mut targets: Vec<Target> = places.into_values().collect();
        targets.sort_unstable();
        targets
    };
    (plain, lists.into_iter().map(|(id, places)| (id, list(places))).collect())
}

fn put<T>(all: &mut BTreeMap<Name, T>, name: Name, new: Option<T>) {
    match new {
        Some(new) => drop(all.insert(name, new)),
        None => drop(all.remove(&name)),
    }
}

fn here() -> Here {
    Here { name: "here".to_owned(), loopback: true, ..Here::default() }
}

fn ip(rng: &mut StdRng, v6: bool, net: u8) -> IpAddr {
    let last = rng.random_range(1..6);
    if v6 {
        IpAddr::from([0xfd00, u16::from(net), 0, 0, 0, 0, 0, last])
    } else {
        IpAddr::from([10, net, 0, last as u8])
    }
}

fn service(rng: &mut StdRng, number: u8) -> Service {
    let is_dual = rng.random_bool(0.3);
    let own = |v6: bool| {
        if v6 { IpAddr::from([0xfd96, 0, 0, 0, 0, 0, 0, number.into()]) } else { [10, 96, 0, number].into() }
    };
    let ports = (0..rng.random_range(1..3_u16))
        .map(|at| Port {
            name: format!("p{at}"),
            protocol: if rng.random_bool(0.3) { Protocol::Udp } else { Protocol::Tcp },
            port: 80 + at,
            node_port: rng.random_bool(0.5).then(|| rng.random_range(30_000..30_004)),
        })
        .collect();
    let some = |rng: &mut StdRng, net| if rng.random_bool(0.3) { vec![ip(rng, false, net)] } else { Vec::new() };
    Service {
        created: rng.random_range(0..3).to_string(),
        cluster_ips: if is_dual { vec![own(false), own(true)] } else { vec![own(false)] },
        external_ips: some(rng, 7),
        balancer_ips: some(rng, 8),
        ports,
        affinity_s: rng.random_bool(0.3).then_some(60),
        is_internal_local: rng.random_bool(0.2),
        is_external_local: rng.random_bool(0.4),
        source_ranges: if rng.random_bool(0.3) {
            vec![Net { base: [10, 0, 0, 0].into(), bits: 8 }]
        } else {
            Vec::new()
        },
        health_port: None,
    }
}

fn slice(rng: &mut StdRng, service: Name) -> Slice {
    let is_v6 = rng.random_bool(0.3);
    let hint = |rng: &mut StdRng| [Hint::None, Hint::Here, Hint::Elsewhere][rng.random_range(0..3)];
    let endpoints = (0..rng.random_range(0..6))
        .map(|_| Endpoint {
            ip: ip(rng, is_v6, 42),
            is_ready: rng.random_bool(0.7),
            is_serving: rng.random_bool(0.8),
            is_terminating: rng.random_bool(0.2),
            is_local: rng.random_bool(0.5),
            zone: hint(rng),
            node: hint(rng),
        })
        .collect();
    let mut ports = Vec::new();
    for at in 0..2 {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            ports.push((format!("p{at}"), protocol, 8080 + at));
        }
    }
    Slice { service, is_v6, ports, endpoints }
}

#[test]
fn changes_lead_to_the_table_that_is_built_as_a_whole() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut book, mut kernel) = (Book::new(here()), Kernel::default());
        let mut services: BTreeMap<Name, Service> = BTreeMap::new();
        let mut slices: BTreeMap<Name, Slice> = BTreeMap::new();
        for _ in 0..40 {
            for _ in 0..rng.random_range(1..4) {
                let number = rng.random_range(1..6_u8);
                let name = Name::new("n", &format!("s{number}"));
                if rng.random_bool(0.4) {
                    let new = rng.random_bool(0.8).then(|| service(&mut rng, number));
                    book.set_service(name.clone(), new.clone());
                    put(&mut services, name, new);
                } else {
                    let of = Name::new("n", &format!("{}-{}", name.name, rng.random_range(0..3)));
                    let new = rng.random_bool(0.8).then(|| slice(&mut rng, name));
                    book.set_slice(of.clone(), new.clone());
                    put(&mut slices, of, new);
                }
            }
            kernel.apply(&book.settle());
            let held: BTreeMap<_, _> =
                book.elements().map(|e| (e, e.parts())).map(|(_, (s, k, v))| ((s, k), v)).collect();
            assert_eq!(kernel.0, held, "seed {seed}: the kernel holds what the book says");
            let mut whole = Book::new(here());
            services.iter().for_each(|(name, s)| whole.set_service(name.clone(), Some(s.clone())));
            slices.iter().for_each(|(name, s)| whole.set_slice(name.clone(), Some(s.clone())));
            whole.settle();
            assert_eq!(normal(book.elements()), normal(whole.elements()), "seed {seed}");
            assert!(book.settle().is_empty(), "nothing changed");
        }
    }
}

#[test]
fn one_endpoint_more_or_less_touches_few_entries() {
    let mut book = Book::new(here());
    let name = Name::new("n", "web");
    let port = Port { name: String::new(), protocol: Protocol::Tcp, port: 80, node_port: Some(30_080) };
    let service = Service { cluster_ips: vec![[10, 96, 0, 1].into()], ports: vec![port], ..Service::default() };
    let slice = |count: u8| Slice {
        service: name.clone(),
        is_v6: false,
        ports: vec![(String::new(), Protocol::Tcp, 8080)],
        endpoints: (0..count)
            .map(|at| Endpoint {
                ip: [10, 42, 1, at].into(),
                is_ready: true,
                is_serving: true,
                is_terminating: false,
                is_local: false,
                zone: Hint::None,
                node: Hint::None,
            })
            .collect(),
    };
    book.set_service(name.clone(), Some(service));
    book.set_slice(name.clone(), Some(slice(100)));
    assert_eq!(book.settle().remove, []);
    let mut fewer = slice(100);
    fewer.endpoints.remove(3);
    book.set_slice(name.clone(), Some(fewer));
    let change = book.settle();
    // Two spots and a shape each way; the last endpoint takes the place of the one that left.
    assert_eq!((change.remove.len(), change.add.len()), (5, 4), "{change:?}");
}
