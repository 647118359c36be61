//! This machine → what its node is: capacity, addresses, software.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use masthead_wire::report::{NodeAddress, NodeFacts};

use crate::node::options::Options;

/// Pods on one node (the kubelet's `maxPods`).
const PODS_MAX: u32 = 110;

/// What the machine has, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Milli-cores.
    pub cpu_milli: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Bytes of the file system with the data directory.
    pub storage_bytes: i64,
}

/// Looks at the machine.
pub fn capacity(data: &Path) -> Capacity {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kib = field(&meminfo, "MemTotal:").and_then(|text| text.split_whitespace().next()?.parse::<i64>().ok());
    let storage = nix::sys::statvfs::statvfs(data).map(|stat| {
        let bytes = u128::from(stat.blocks()) * u128::from(stat.fragment_size());
        i64::try_from(bytes).unwrap_or(i64::MAX)
    });
    Capacity {
        cpu_milli: i64::try_from(cpus).unwrap_or(1) * 1000,
        memory_bytes: total_kib.unwrap_or(0) * 1024,
        storage_bytes: storage.unwrap_or(0),
    }
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The facts of a node.
pub fn facts(options: &Options, capacity: Capacity, addresses: &[IpAddr], runtime_version: &str) -> NodeFacts {
    let name = options.name.as_str();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let image = field(&release, "PRETTY_NAME=").map(|text| text.trim_matches('"').to_owned());
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut resources = BTreeMap::from([
        ("cpu".to_owned(), format!("{}m", capacity.cpu_milli)),
        ("memory".to_owned(), format!("{}Ki", capacity.memory_bytes / 1024)),
        ("ephemeral-storage".to_owned(), format!("{}Ki", capacity.storage_bytes / 1024)),
        ("pods".to_owned(), PODS_MAX.to_string()),
    ]);
    if capacity.cpu_milli % 1000 == 0 {
        resources.insert("cpu".to_owned(), (capacity.cpu_milli / 1000).to_string());
    }
    let address = |kind: &str, address: String| NodeAddress { kind: kind.to_owned(), address };
    let mut told: Vec<NodeAddress> = addresses.iter().map(|ip| address("InternalIP", ip.to_string())).collect();
    told.push(address("Hostname", name.to_owned()));
    let info = [
        ("kernelVersion", read("/proc/sys/kernel/osrelease")),
        ("osImage", image.unwrap_or_else(|| "Linux".to_owned())),
        ("containerRuntimeVersion", runtime_version.to_owned()),
        ("bootID", read("/proc/sys/kernel/random/boot_id")),
        ("machineID", read("/etc/machine-id")),
        ("systemUUID", read("/sys/class/dmi/id/product_uuid")),
        ("kubeletVersion", format!("v1.32.0-masthead.{}", env!("CARGO_PKG_VERSION"))),
        ("operatingSystem", "linux".to_owned()),
        ("architecture", arch.to_owned()),
    ];
    let labels = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", arch),
    ];
    let own = options.labels.clone().into_iter();
    NodeFacts {
        labels: own.chain(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()))).collect(),
        taints: options.taints.clone(),
        allocatable: resources.clone(),
        capacity: resources,
        addresses: told,
        node_info: info.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

/// The addresses of the ways out, one of a family, IPv4 first; none of a family without a way out.
pub fn ways_out() -> Vec<IpAddr> {
    // Nothing is sent: connecting a datagram socket only looks the route up. The addresses are
    // of those set aside for documentation.
    let of = |(from, to): (&str, &str)| {
        let socket = std::net::UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].into_iter().filter_map(of).collect()
}

/// The addresses by which this machine reaches others, one of a family, IPv4 first: that of the way out, else the first
/// that is not the loopback's; of IPv4 at least the loopback's, of IPv6 there may be none.
pub fn addresses() -> Vec<IpAddr> {
    let mut all = ways_out();
    if !all.iter().any(IpAddr::is_ipv4) {
        all.insert(0, first(false).unwrap_or(IpAddr::from([127, 0, 0, 1])));
    }
    if !all.iter().any(IpAddr::is_ipv6) {
        all.extend(first(true));
    }
    all
}

/// The first address of a family that others could send to; those of the loopback link are ours or nobody's.
fn first(is_v6: bool) -> Option<IpAddr> {
    let mut ips =
        nix::ifaddrs::getifaddrs().ok()?.filter(|interface| interface.interface_name != "lo").filter_map(|found| {
            let address = found.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            let v6 = address.as_sockaddr_in6().map(|address| address.ip());
            v4.or(v6.filter(|ip| !ip.is_unicast_link_local()).map(IpAddr::V6))
        });
    ips.find(|ip| ip.is_ipv6() == is_v6 && !ip.is_loopback())
}

/// What the node's conditions say: Kubernetes' four, as JSON.
pub fn conditions(is_runtime_ready: bool, why: &str, capacity_pressure: Pressure, now: &str) -> bytes::Bytes {
    let condition = |kind: &str, is_true: bool, reason: &str, message: &str| {
        serde_json::json!({
            "type": kind, "status": if is_true { "True" } else { "False" }, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let pressure = |kind: &str, is_high: bool, high: (&str, &str), low: (&str, &str)| {
        let (reason, message) = if is_high { high } else { low };
        condition(kind, is_high, reason, message)
    };
    let ready = if is_runtime_ready {
        condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
    } else {
        condition("Ready", false, "KubeletNotReady", why)
    };
    let list = serde_json::json!([
        pressure(
            "MemoryPressure",
            capacity_pressure.memory,
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ),
        pressure(
            "DiskPressure",
            capacity_pressure.disk,
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ),
        condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ready,
    ]);
    bytes::Bytes::from(list.to_string())
}

/// What runs short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Less than 100 MiB of memory is left (the kubelet's `memory.available`).
    pub memory: bool,
    /// Less than a tenth of the disk is left (the kubelet's `nodefs.available`).
    pub disk: bool,
}

/// Looks at what runs short.
pub fn pressure(data: &Path) -> Pressure {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free_kib =
        field(&meminfo, "MemAvailable:").and_then(|text| text.split_whitespace().next()?.parse::<i64>().ok());
    let disk = nix::sys::statvfs::statvfs(data).is_ok_and(|stat| stat.blocks_available() < stat.blocks() / 10);
    Pressure { memory: free_kib.is_some_and(|kib| kib < 100 << 10), disk }
}
