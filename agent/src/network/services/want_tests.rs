//! Leads of services by their policies and addresses.

use super::*;
use crate::network::services::model::Hint;

fn slice(locals: &[bool]) -> Slice {
    let endpoint = |(at, is_local): (u8, &bool)| Endpoint {
        ip: [10, 42, 0, at].into(),
        is_ready: true,
        is_serving: true,
        is_terminating: false,
        is_local: *is_local,
        zone: Hint::None,
        node: Hint::None,
    };
    Slice {
        service: Name::new("n", "a"),
        is_v6: false,
        ports: vec![(String::new(), Protocol::Tcp, 8080)],
        endpoints: (0..).zip(locals).map(endpoint).collect(),
    }
}

fn service() -> Service {
    let port = Port { name: String::new(), protocol: Protocol::Tcp, port: 80, node_port: Some(30_080) };
    Service { cluster_ips: vec![[10, 96, 0, 1].into()], ports: vec![port], ..Service::default() }
}

/// Leads as `scope address size`.
fn leads(service: &Service, locals: &[bool]) -> Vec<String> {
    let here = Here { loopback: true, served: vec![[10, 96, 0, 10].into()], ..Here::default() };
    let wanted = want(&here, &Name::new("n", "a"), service, [slice(locals)].iter());
    let lead = |lead: &Lead| match lead {
        Lead::Pool { size, .. } => size.to_string(),
        other => format!("{other:?}"),
    };
    let ip = |spot: &Spot| spot.ip.map_or("*".to_owned(), |ip| ip.to_string());
    let mut all: Vec<String> =
        wanted.leads.iter().map(|(s, l)| format!("{:?} {}:{} {}", s.scope, ip(s), s.port, lead(l))).collect();
    all.sort();
    all
}

#[test]
fn leads_follow_the_policies() {
    let plain = ["Inner *:30080 2", "Inner 10.96.0.1:80 2", "Inner 127.0.0.1:30080 1"];
    assert_eq!(leads(&service(), &[true, false]), plain);
    let local = Service { is_external_local: true, is_internal_local: true, ..service() };
    let expect = ["Inner *:30080 2", "Inner 10.96.0.1:80 1", "Inner 127.0.0.1:30080 1", "Outer *:30080 1"];
    assert_eq!(leads(&local, &[true, false]), expect);
    let expect = ["Inner *:30080 1", "Inner 10.96.0.1:80 Drop", "Outer *:30080 Drop"];
    assert_eq!(leads(&local, &[false]), expect);
    let expect = ["Inner *:30080 Reject", "Inner 10.96.0.1:80 Reject", "Outer *:30080 Reject"];
    assert_eq!(leads(&local, &[]), expect);
    let served = Service { cluster_ips: vec![[10, 96, 0, 10].into()], ..service() };
    assert_eq!(leads(&served, &[false]), ["Inner *:30080 1"], "this node answers the address itself");
}

#[test]
fn ranges_that_lie_in_others_are_left_out() {
    let net = |a: u8, bits| Net { base: [10, a, 0, 0].into(), bits };
    assert_eq!(disjoint([net(1, 16), net(0, 8), net(2, 24)].iter()), [net(0, 8)]);
    assert_eq!(disjoint([net(1, 16), net(2, 16)].iter()), [net(1, 16), net(2, 16)]);
}
