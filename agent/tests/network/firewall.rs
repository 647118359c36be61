//! Pods talk through a firewall that drops what it forwards, as Docker's does, and leave it as it was.

use std::net::IpAddr;

use masthead_agent::network::destroy::destroy;
use masthead_agent::network::names::Names;
use masthead_agent::network::records::home;
use masthead_agent::network::rules::forward;
use nlink::netlink::nftables::Family;
use nlink::netlink::{Connection, Nftables};

use super::bed::{ask, inside, machine, serve_in};

#[test]
fn a_firewall_that_drops_forwarded_packets_lets_pods_through() {
    machine(|bed| {
        let outside = bed.outside();
        bed.drop_forwarded();
        // As Docker sets it; absent where the kernel has no br_netfilter.
        let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", "1");
        let before = bed.world();

        let network = bed.network(1);
        let a = bed.attach(&network, "pod-a");
        let b = bed.attach(&network, "pod-b");
        let (ip_b, far): (IpAddr, IpAddr) = (b.ips[0], "192.0.2.9".parse().unwrap());
        let served = serve_in(&b.netns, 80);
        assert!(inside(&a.netns, move || ask(ip_b, 80)).is_ok(), "pod to pod");
        served.join().unwrap();
        let served = serve_in(&outside, 80);
        assert!(inside(&a.netns, move || ask(far, 80)).is_ok(), "pod to outside");
        served.join().unwrap();

        bed.wait(network.set_cidrs(vec!["10.42.0.0/24".into()])).unwrap();
        let rules = bed.wait(async {
            let nft = Connection::<Nftables>::new().unwrap();
            nft.list_rules("filter", Family::Ip).await.unwrap()
        });
        assert_eq!(rules.len(), 2, "said twice, put in once");

        // Without those two the firewall would have dropped it.
        bed.wait(async {
            let nft = Connection::<Nftables>::new().unwrap();
            forward::remove(&nft, &Names::of(&home(&bed.data))).await.unwrap();
        });
        let refused = inside(&a.netns, move || ask(ip_b, 80)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut, "dropped, not refused by the pod");

        bed.wait(network.close()).unwrap();
        bed.wait(destroy(&bed.data)).unwrap();
        assert_eq!(bed.world(), before);
    });
}
