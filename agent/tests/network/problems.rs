//! What the node can't do for a service is told; what changes of the node itself is seen.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use masthead_agent::network::datapath::handle::Datapath;
use masthead_agent::node::addresses;
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::{Connection, Route};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::bed::{Bed, machine};
use super::cluster::{PATIENCE, Told, on};

/// Waits until exactly these are told, as reason and name.
fn told(bed: &Bed, datapath: &Datapath, expect: &[(&str, &str)]) {
    let mut state = datapath.state();
    let is = |state: &masthead_agent::network::datapath::state::State| {
        let found: Vec<(&str, &str)> = state.problems.iter().map(|p| (p.reason.as_str(), p.name.as_str())).collect();
        found == expect
    };
    let seen = bed.wait(async { tokio::time::timeout(PATIENCE, state.wait_for(is)).await.map(drop) });
    seen.unwrap_or_else(|_| panic!("{expect:?} is not told: {:?}", datapath.state().borrow().problems));
}

#[test]
fn ports_of_the_node_that_somebody_has_are_told() {
    machine(|bed| {
        let process = TcpListener::bind("0.0.0.0:30080").unwrap();
        let other = TcpListener::bind("0.0.0.0:30090").unwrap();
        let mut cluster = Told::new("10.42.0.0/24");
        let datapath = cluster.start(bed, "here");
        let spec = |port: u16, health: u16| {
            json!({"type": "LoadBalancer", "clusterIP": "10.96.1.1", "externalTrafficPolicy": "Local",
                "healthCheckNodePort": health, "ports": [{"port": 80, "nodePort": port}]})
        };
        let endpoint = json!([on("here", "10.42.0.9".parse::<IpAddr>().unwrap())]);
        cluster.service("web", spec(30080, 30090), endpoint.clone(), 8080);
        cluster.tell_anyway(bed, &datapath);
        told(bed, &datapath, &[("FailedToStartServiceHealthcheck", "web"), ("NodePortInUse", "web")]);
        // Another port for one; the other is free now, and tried again with the next change.
        drop(other);
        cluster.service("web", spec(30081, 30090), endpoint, 8080);
        cluster.tell_anyway(bed, &datapath);
        told(bed, &datapath, &[]);
        drop(process);
    });
}

#[test]
fn what_does_not_read_is_told_until_it_does() {
    machine(|bed| {
        let mut cluster = Told::new("10.42.0.0/24");
        let datapath = cluster.start(bed, "here");
        let service = |ip: &str| json!({"metadata": {"namespace": "n", "name": "odd"}, "spec": {"clusterIP": ip, "ports": [{"port": 80}]}});
        cluster.put("Service", &service("10.96.1.999"));
        cluster.tell_anyway(bed, &datapath);
        told(bed, &datapath, &[("NotUnderstood", "odd")]);
        cluster.put("Service", &service("10.96.1.9"));
        cluster.tell_anyway(bed, &datapath);
        told(bed, &datapath, &[]);
    });
}

#[test]
fn the_node_sees_that_its_address_is_another() {
    machine(|bed| {
        bed.outside();
        let first: IpAddr = [192, 0, 2, 2].into();
        let stop = CancellationToken::new();
        bed.wait(async {
            let (_nobody, manifest) = tokio::sync::watch::channel(None);
            let mut own = addresses::follow(vec![first], manifest, stop.clone());
            let host = Connection::<Route>::new().unwrap();
            // Without a way out the node has not moved.
            host.del_address("up0", first, 24).await.unwrap();
            let second = Ipv4Addr::new(192, 0, 2, 77);
            host.add_address(Ipv4Address::new("up0", second, 24)).await.unwrap();
            host.replace_route(Ipv4Route::default_route().gateway(Ipv4Addr::new(192, 0, 2, 9))).await.unwrap();
            let wanted = vec![IpAddr::V4(second)];
            let seen = tokio::time::timeout(PATIENCE, own.wait_for(|ips| *ips == wanted)).await.map(drop);
            assert!(seen.is_ok(), "{:?}", own.borrow());
            stop.cancel();
        });
    });
}
