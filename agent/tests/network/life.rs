//! Places outlive the agent, are given once, and are taken away without a trace.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use masthead_agent::network::contract::PodNetwork;
use masthead_agent::network::destroy::destroy;
use masthead_agent::network::options::Options;
use masthead_agent::network::routed::RoutedNetwork;

use super::bed::{Bed, ask, machine, serve_in};

fn inode(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).unwrap().ino()
}

fn again(bed: &Bed) -> RoutedNetwork {
    bed.start(Options { pool_size: 0, ..Options::new(&bed.data) })
}

#[test]
fn the_same_uid_has_the_same_place_now_and_after_a_restart() {
    machine(|bed| {
        let network = bed.network(2);
        let first = bed.attach(&network, "pod-a");
        let ns = inode(&first.netns);
        assert_eq!(bed.attach(&network, "pod-a"), first);
        drop(network);
        let network = again(bed);
        assert_eq!(bed.wait(network.attached()).unwrap(), ["pod-a"]);
        assert_eq!(bed.attach(&network, "pod-a"), first);
        assert_eq!(inode(&first.netns), ns, "the very namespace its containers run in");
        let served = serve_in(&first.netns, 80);
        assert!(ask(first.ips[0], 80).is_ok());
        served.join().unwrap();
        assert_ne!(bed.attach(&network, "pod-b").ips, first.ips);
    });
}

#[test]
fn what_somebody_broke_is_mended() {
    machine(|bed| {
        let network = bed.network(0);
        let first = bed.attach(&network, "pod-a");
        for damage in ["link", "route", "record"] {
            match damage {
                "link" => bed.wait(async {
                    let host = nlink::netlink::Connection::<nlink::netlink::Route>::new().unwrap();
                    host.del_link(first.interface.as_str()).await.unwrap();
                }),
                "route" => bed.wait(async {
                    let host = nlink::netlink::Connection::<nlink::netlink::Route>::new().unwrap();
                    let IpAddr::V4(ip) = first.ips[0] else { unreachable!("the CIDR is of IPv4") };
                    host.del_route_v4(ip, 32).await.unwrap();
                }),
                _ => std::fs::remove_file(bed.data.join("node/network/pods/pod-a")).unwrap(),
            }
            let network = again(bed);
            assert_eq!(bed.attach(&network, "pod-a"), first, "{damage}");
            let served = serve_in(&first.netns, 80);
            assert!(ask(first.ips[0], 80).is_ok(), "{damage}");
            served.join().unwrap();
        }
    });
}

#[test]
fn addresses_run_out_with_a_clear_error_and_come_back() {
    machine(|bed| {
        let network = again(bed);
        let none = bed.wait(network.attach("pod-0")).unwrap_err().to_string();
        assert_eq!(none, "attach pod pod-0: no pod CIDR is set for this node yet");
        bed.wait(network.set_cidrs(vec!["10.42.0.0/29".into()])).unwrap();
        for n in 0..5 {
            bed.attach(&network, &format!("pod-{n}"));
        }
        let full = bed.wait(network.attach("pod-5")).unwrap_err().to_string();
        assert_eq!(full, "attach pod pod-5: no address left in pod CIDR 10.42.0.0/29");
        assert_eq!(bed.wait(network.attached()).unwrap().len(), 5);
        bed.wait(network.detach("pod-3")).unwrap();
        assert_eq!(bed.attach(&network, "pod-5").ips[0].to_string(), "10.42.0.5");
        let bad = bed.wait(network.attach("../pod")).unwrap_err().to_string();
        assert!(bad.contains("is not 1 to 128 letters"), "{bad}");
    });
}

#[test]
fn detach_and_destroy_leave_nothing_and_nobody_elses_things_alone() {
    machine(|bed| {
        bed.outside();
        let before = bed.world();
        let other = tempfile::tempdir().unwrap();
        let neighbour = bed.start(Options { pool_size: 1, ..Options::new(other.path()) });
        bed.wait(neighbour.set_cidrs(vec!["10.43.0.0/24".into()])).unwrap();
        let kept = bed.attach(&neighbour, "pod-n");

        let network = bed.network(3);
        for n in 0..4 {
            bed.attach(&network, &format!("pod-{n}"));
        }
        bed.wait(network.detach("pod-0")).unwrap();
        bed.wait(network.detach("pod-0")).unwrap();
        bed.wait(network.detach("never-was")).unwrap();
        bed.wait(network.close()).unwrap();
        assert!(bed.wait(network.attach("pod-9")).is_err());
        bed.wait(destroy(&bed.data)).unwrap();
        bed.wait(destroy(&bed.data)).unwrap();
        let served = serve_in(&kept.netns, 80);
        assert!(ask(kept.ips[0], 80).is_ok(), "the neighbour's pod");
        served.join().unwrap();

        bed.wait(neighbour.close()).unwrap();
        bed.wait(destroy(other.path())).unwrap();
        // Each found forwarding as it was, or as the other had set it.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        assert_eq!(bed.world(), before);
    });
}

#[test]
fn calls_about_a_pod_that_is_leaving_have_their_turn_after_it() {
    machine(|bed| {
        let network = bed.network(2);
        let first = bed.attach(&network, "pod-a");
        let (gone, again, twice, back) = bed.wait(async {
            futures::join!(
                network.detach("pod-a"),
                network.detach("pod-a"),
                network.detach("pod-a"),
                network.attach("pod-a")
            )
        });
        gone.unwrap();
        again.unwrap();
        twice.unwrap();
        let back = back.unwrap();
        assert_ne!(back.ips, first.ips, "a new place");
        let served = serve_in(&back.netns, 80);
        assert!(ask(back.ips[0], 80).is_ok());
        served.join().unwrap();
    });
}

#[test]
fn a_hundred_attaches() {
    machine(|bed| {
        for (pool_size, width) in [(0, 1), (0, 8), (110, 1), (110, 8)] {
            let data = tempfile::tempdir().unwrap();
            let network = bed.start(Options { pool_size, ..Options::new(data.path()) });
            bed.wait(network.set_cidrs(vec!["10.44.0.0/24".into()])).unwrap();
            if pool_size > 0 {
                std::thread::sleep(Duration::from_secs(3));
            }
            let uids: Vec<String> = (0..100).map(|n| format!("pod-{n}")).collect();
            let begin = Instant::now();
            for part in uids.chunks(width) {
                for done in bed.wait(join_all(part.iter().map(|uid| network.attach(uid)))) {
                    done.unwrap();
                }
            }
            println!("100 attaches, pool {pool_size}, {width} at once: {} ms", begin.elapsed().as_millis());
            let begin = Instant::now();
            for part in uids.chunks(width) {
                for done in bed.wait(join_all(part.iter().map(|uid| network.detach(uid)))) {
                    done.unwrap();
                }
            }
            println!("100 detaches, {width} at once: {} ms", begin.elapsed().as_millis());
            bed.wait(network.close()).unwrap();
            bed.wait(destroy(data.path())).unwrap();
        }
    });
}
