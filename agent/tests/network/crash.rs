//! A crash between any two steps, and at any moment, leaves a state from which everything goes on.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use masthead_agent::network::contract::PodNetwork;
use masthead_agent::network::destroy::destroy;
use masthead_agent::network::names::Names;
use masthead_agent::network::options::Options;
use masthead_agent::network::routed::RoutedNetwork;
use nlink::netlink::{Connection, Route};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::bed::{Bed, ask, machine, serve_in};

/// Says in which directory a victim attaches and detaches until it is killed.
const VICTIM: &str = "MASTHEAD_TEST_NETWORK_VICTIM";

/// A network that abandons its `n`-th step.
fn crashing(bed: &Bed, pool_size: usize, n: usize) -> RoutedNetwork {
    let steps = AtomicUsize::new(0);
    let interrupt = Arc::new(move |_: &_| steps.fetch_add(1, Ordering::SeqCst) == n);
    bed.start(Options { pool_size, interrupt: Some(interrupt), ..Options::new(&bed.data) })
}

fn links(bed: &Bed) -> usize {
    let prefix = Names::of(&bed.data).link_prefix();
    bed.wait(async {
        let all = Connection::<Route>::new().unwrap().get_links().await.unwrap();
        all.iter().filter(|l| l.name_or("").starts_with(&prefix)).count()
    })
}

fn works(bed: &Bed, network: &RoutedNetwork, uid: &str) {
    let pod = bed.attach(network, uid);
    let served = serve_in(&pod.netns, 80);
    ask(pod.ips[0], 80).unwrap_or_else(|e| panic!("{uid} at {pod:?}: {e}\n{}", bed.world()));
    served.join().unwrap();
}

#[test]
fn a_crash_before_each_step_of_an_attach_and_of_a_detach() {
    machine(|bed| {
        bed.wait(bed.network(0).close()).unwrap();
        for pool_size in [0, 1] {
            let mut crashes = 0;
            for n in 0.. {
                let uid = format!("pod-{pool_size}-{n}");
                let network = crashing(bed, pool_size, n);
                let attached = bed.wait(network.attach(&uid));
                let detached = bed.wait(network.detach(&uid));
                drop(network);
                if attached.is_ok() && detached.is_ok() {
                    break;
                }
                crashes += 1;
                let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
                works(bed, &network, &uid);
                assert_eq!(links(bed), 1, "after a crash before step {n}");
                bed.wait(network.detach(&uid)).unwrap();
                assert_eq!(links(bed), 0, "after a crash before step {n}");
                assert!(bed.wait(network.attached()).unwrap().is_empty());
                bed.wait(network.close()).unwrap();
            }
            assert!(crashes >= 9, "{crashes} steps were interrupted");
        }
    });
}

#[test]
fn a_kill_at_any_moment() {
    if let Some(data) = std::env::var_os(VICTIM) {
        return victim(Options { pool_size: 2, ..Options::new(data) });
    }
    machine(|bed| {
        let before = bed.world();
        bed.wait(bed.network(0).close()).unwrap();
        let mut rng = StdRng::seed_from_u64(3);
        for round in 0..25 {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "network::crash::a_kill_at_any_moment"])
                .env(VICTIM, &bed.data)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(rng.random_range(20..150)));
            victim.kill().unwrap();
            victim.wait().unwrap();
            let network = bed.start(Options { pool_size: 0, ..Options::new(&bed.data) });
            let left = bed.wait(network.attached()).unwrap();
            for uid in left.iter().map(String::as_str).chain(["pod-new"]) {
                works(bed, &network, uid);
            }
            for uid in left.iter().map(String::as_str).chain(["pod-new"]) {
                bed.wait(network.detach(uid)).unwrap();
            }
            assert_eq!(links(bed), 0, "round {round}");
            bed.wait(network.close()).unwrap();
        }
        bed.wait(destroy(&bed.data)).unwrap();
        assert_eq!(bed.world(), before);
    });
}

/// Attaches and detaches for ever.
fn victim(options: Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let network = RoutedNetwork::start(options).unwrap();
    for n in 0u32.. {
        let (new, old) = (format!("pod-{}", n % 7), format!("pod-{}", (n + 4) % 7));
        runtime.block_on(network.attach(&new)).unwrap();
        runtime.block_on(network.detach(&old)).unwrap();
    }
}
