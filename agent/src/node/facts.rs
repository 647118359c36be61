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

/// The address of the way out, when there is one.
pub fn way_out() -> Option<IpAddr> {
    // Nothing is sent: connecting a datagram socket only looks the route up. The address is
    // one of those set aside for documentation.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// The address by which this machine reaches others: that of the way out, else the first that is
/// not the loopback's, else the loopback's.
pub fn addresses() -> Vec<IpAddr> {
    let first = || -> Option<IpAddr> {
        let interfaces = nix::ifaddrs::getifaddrs().ok()?;
        let mut ips = interfaces.filter_map(|interface| {
            let ip = interface.address?.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()))?;
            (!ip.is_loopback()).then_some(ip)
        });
        ips.next()
    };
    vec![way_out().or_else(first).unwrap_or(IpAddr::from([127, 0, 0, 1]))]
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
