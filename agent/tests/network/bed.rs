//! A machine for one test: its own network and mount namespace, a data directory, and ways to talk in it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use masthead_agent::network::contract::{Attachment, PodNetwork};
use masthead_agent::network::names::Names;
use masthead_agent::network::netns;
use masthead_agent::network::options::Options;
use masthead_agent::network::records::home;
use masthead_agent::network::routed::RoutedNetwork;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::link::VethLink;
use nlink::netlink::nftables::{BaseChain, Chain, Family, FilterHook, Policy, Priority};
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::{Connection, Nftables, Route};

/// How long a connection may take before it counts as refused; a lost first packet is sent again after 1 s.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(950);
/// How long an answer may take on a loaded machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a test on a machine of its own; `false` (after a plain message) where there is no root.
pub fn machine(test: impl FnOnce(&Bed) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "the network's tests need root in CI");
        eprintln!("skipped: the network's tests need root");
        return;
    }
    // It goes when the thread and what it had mounted have gone.
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
        runtime.block_on(async { Connection::<Route>::new().unwrap().set_link_up("lo").await }).unwrap();
        let bed = Bed { data, runtime };
        test(&bed);
    };
    if let Err(panic) = thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// The machine.
pub struct Bed {
    pub data: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    /// A network of the machine with addresses of 10.42.0.0/24.
    pub fn network(&self, pool_size: usize) -> RoutedNetwork {
        let network = self.start(Options { pool_size, ..Options::new(&self.data) });
        self.wait(network.set_cidrs(vec!["10.42.0.0/24".into()])).unwrap();
        network
    }

    pub fn start(&self, options: Options) -> RoutedNetwork {
        RoutedNetwork::start(options).unwrap()
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn attach(&self, network: &RoutedNetwork, uid: &str) -> Attachment {
        self.wait(network.attach(uid)).unwrap_or_else(|e| panic!("{e}"))
    }

    /// A machine beyond the node's uplink, 192.0.2.9, that knows nothing of pods. The node is 192.0.2.2.
    pub fn outside(&self) -> PathBuf {
        let ns = netns::create().unwrap();
        let path = self.data.join("outside");
        netns::pin(&ns, &path).unwrap();
        self.wait(async {
            let host = Connection::<Route>::new().unwrap();
            let pair = VethLink::new("up0", "eth0").peer_netns_fd(&ns);
            host.add_link(pair).await.unwrap();
            let far = Connection::<Route>::new_in(ns.as_fd()).unwrap();
            far.set_link_up("lo").await.unwrap();
            for (conn, name, last) in [(&host, "up0", 2), (&far, "eth0", 9)] {
                let ip = Ipv4Addr::new(192, 0, 2, last);
                conn.add_address(Ipv4Address::new(name, ip, 24)).await.unwrap();
                conn.set_link_up(name).await.unwrap();
            }
            let gateway = Ipv4Addr::new(192, 0, 2, 9);
            host.add_route(Ipv4Route::default_route().gateway(gateway)).await.unwrap();
        });
        path
    }

    /// Leads the machine outside to everything by way of the node.
    pub fn way_in(&self, outside: &Path) {
        let ns = netns::open(outside).unwrap();
        let gateway = Ipv4Route::default_route().gateway(Ipv4Addr::new(192, 0, 2, 2));
        self.wait(async { Connection::<Route>::new_in(ns.as_fd()).unwrap().replace_route(gateway).await.unwrap() });
    }

    /// The chains of a table of ours with their handles: who is there, and whether it was made anew.
    pub fn chains_of(&self, table: &str) -> Vec<(String, u64)> {
        let names = Names::of(&home(&self.data));
        let table = if table == "policy" { names.policy_table() } else { names.services_table() };
        self.wait(async {
            let nft = Connection::<Nftables>::new().unwrap();
            let chains = nft.list_chains_in(table.as_str(), Family::Inet).await.unwrap_or_default();
            chains.into_iter().map(|c| (c.name, c.handle)).collect()
        })
    }

    /// Removes all tables, as `nft flush ruleset` does.
    pub fn flush_ruleset(&self) {
        self.wait(async { Connection::<Nftables>::new().unwrap().flush_ruleset().await.unwrap() });
    }

    /// A firewall as Docker's: what is forwarded is dropped.
    pub fn drop_forwarded(&self) {
        self.wait(async {
            let nft = Connection::<Nftables>::new().unwrap();
            for family in [Family::Ip, Family::Ip6] {
                nft.add_table("filter", family).await.unwrap();
                let base = BaseChain::filter(FilterHook::Forward, Priority::Filter).policy(Policy::Drop);
                let chain = Chain::new("filter", "FORWARD").unwrap().family(family).base(base);
                nft.add_chain(chain).await.unwrap();
            }
        });
    }

    /// Everything the network could leave behind, as text to compare.
    pub fn world(&self) -> String {
        let mut world = Vec::new();
        self.wait(async {
            let host = Connection::<Route>::new().unwrap();
            for link in host.get_links().await.unwrap() {
                world.push(format!("link {:?} {:?}", link.name(), link.alias()));
            }
            for address in host.get_addresses().await.unwrap() {
                // Link-local addresses come when the kernel has tried them, which nobody waits for.
                if !matches!(address.primary_address(), Some(IpAddr::V6(v6)) if v6.is_unicast_link_local()) {
                    world.push(format!("address {:?}/{}", address.primary_address(), address.prefix_len()));
                }
            }
            for route in host.get_routes().await.unwrap().iter().filter(|r| r.is_ipv4()) {
                world.push(format!("route {:?}/{} {:?}", route.destination(), route.dst_len(), route.oif()));
            }
            let nft = Connection::<Nftables>::new().unwrap();
            for table in nft.list_tables().await.unwrap() {
                world.push(format!("table {}", table.name));
                for rule in nft.list_rules(&table.name, table.family).await.unwrap() {
                    world.push(format!("rule {} {:?}", rule.chain, rule.expression_bytes));
                }
            }
        });
        world.sort();
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        // Other tests' mounts, copied into this machine, go when their files go.
        let own = mounts.lines().filter(|l| l.contains(self.data.to_str().unwrap()));
        world.extend(own.map(|l| l.split(' ').skip(3).collect::<Vec<_>>().join(" ")));
        for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            let value = std::fs::read_to_string(format!("/proc/sys/net/{key}"));
            world.push(format!("{key} {}", value.unwrap_or_default()));
        }
        let files = std::fs::read_dir(self.data.join("node")).into_iter().flatten();
        world.extend(files.map(|f| format!("{:?}", f.unwrap().file_name())));
        world.join("\n")
    }
}

/// Runs `work` in the namespace pinned at `netns`.
pub fn inside<T: Send + 'static>(netns: &Path, work: impl FnOnce() -> T + Send + 'static) -> T {
    let ns = File::open(netns).unwrap();
    let run = move || {
        setns(ns, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    thread::spawn(run).join().unwrap()
}

/// Answers one connection on `port` with who asked, from the namespace at `netns`.
pub fn serve_in(netns: &Path, port: u16) -> JoinHandle<()> {
    let listener = inside(netns, move || TcpListener::bind(("0.0.0.0", port)).unwrap());
    serve(listener)
}

/// Answers one connection with the address of who asked.
pub fn serve(listener: TcpListener) -> JoinHandle<()> {
    thread::spawn(move || {
        let (mut peer, from) = listener.accept().unwrap();
        peer.write_all(from.ip().to_string().as_bytes()).unwrap();
    })
}

/// What a server at `ip:port` says about who asked.
pub fn ask(ip: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(ip, port), CONNECT_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
