//! A pod → the sandbox a runtime is asked for: names, namespaces, cgroup parent, DNS.

use std::collections::HashMap;

use masthead_api::core::pod::Pod;

use crate::pods::convert::env::Error;
use crate::pods::convert::names::Learned;
use crate::pods::convert::{labels, resources};
use crate::runtime::v1;

/// What a sandbox gets from its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The node's name.
    pub node: String,
    /// The directory of the pod's logs.
    pub log_directory: String,
    /// The node's nameservers, for pods that take the node's DNS.
    pub node_nameservers: Vec<String>,
    /// The node's search domains.
    pub node_searches: Vec<String>,
    /// Options of the node's resolver.
    pub node_options: Vec<String>,
    /// What the control plane tells of the cluster's DNS, and the node's hosts file.
    pub learned: Learned,
    /// The cluster's domain where the control plane tells none, `cluster.local`.
    pub cluster_domain: String,
    /// The cgroup below which pods have theirs, `/masthead`.
    pub cgroup_root: String,
}

impl Site {
    /// The cluster's domain.
    pub fn domain(&self) -> String {
        self.learned.get().domain.clone().unwrap_or_else(|| self.cluster_domain.clone())
    }
}

/// The longest host name the kernel takes.
const HOSTNAME_MAX: usize = 63;
/// The limit on nameservers that the C library reads.
const NAMESERVERS_MAX: usize = 3;
/// The limits on search domains, in number and in characters with the blanks between (the kubelet's
/// `MaxDNSSearchPaths` and `MaxDNSSearchListChars`).
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARS_MAX: usize = 2048;

/// The sandbox of a pod; `attempt` counts the sandboxes it had before.
///
/// # Errors
/// The pod asks for what is not supported: user namespaces.
pub fn config(pod: &Pod, site: &Site, attempt: u32) -> Result<v1::PodSandboxConfig, Error> {
    if pod.spec.host_users == Some(false) {
        return Err(Error("hostUsers: false (user namespaces) is not supported yet".to_owned()));
    }
    let security = pod.spec.security_context.as_ref();
    let sysctls: HashMap<String, String> =
        security.iter().flat_map(|s| &s.sysctls).map(|s| (s.name.replace('/', "."), s.value.clone())).collect();
    Ok(v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            namespace: pod.metadata.namespace.clone(),
            attempt,
        }),
        // With the node's network a pod has the node's name, which the runtime knows.
        hostname: if pod.spec.host_network { String::new() } else { hostname(pod, site) },
        log_directory: site.log_directory.clone(),
        dns_config: Some(dns(pod, site)),
        port_mappings: Vec::new(),
        labels: labels::sandbox(pod, &site.node),
        annotations: pod.metadata.annotations.clone().into_iter().collect(),
        linux: Some(v1::LinuxPodSandboxConfig {
            cgroup_parent: cgroup_parent(pod, &site.cgroup_root),
            security_context: Some(v1::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(pod)),
                run_as_user: security.and_then(|s| s.run_as_user).map(|value| v1::Int64Value { value }),
                run_as_group: security.and_then(|s| s.run_as_group).map(|value| v1::Int64Value { value }),
                supplemental_groups: security.map(|s| s.supplemental_groups.clone()).unwrap_or_default(),
                privileged: pod
                    .spec
                    .containers
                    .iter()
                    .any(|c| c.security_context.as_ref().is_some_and(|s| s.privileged == Some(true))),
                seccomp: Some(v1::SecurityProfile::default()),
                ..v1::LinuxSandboxSecurityContext::default()
            }),
            sysctls,
            overhead: None,
            resources: Some(resources::pod(pod)),
        }),
    })
}

/// Which namespaces a pod's containers share.
pub fn namespaces(pod: &Pod) -> v1::NamespaceOption {
    let node = i32::from(v1::NamespaceMode::Node);
    let own = i32::from(v1::NamespaceMode::Pod);
    let pid = match (pod.spec.host_pid, pod.spec.share_process_namespace) {
        (true, _) => node,
        (false, Some(true)) => own,
        (false, _) => i32::from(v1::NamespaceMode::Container),
    };
    v1::NamespaceOption {
        network: if pod.spec.host_network { node } else { own },
        pid,
        ipc: if pod.spec.host_ipc { node } else { own },
        ..v1::NamespaceOption::default()
    }
}

/// The pod's cgroup: by quality of service, then by uid, as the kubelet lays them out.
fn cgroup_parent(pod: &Pod, root: &str) -> String {
    let class = match resources::qos_class(pod) {
        "Burstable" => "/burstable",
        "BestEffort" => "/besteffort",
        _ => "",
    };
    format!("{root}{class}/pod{}", pod.metadata.uid)
}

/// The host name of a pod: its own, or its name, cut to what the kernel takes.
pub fn hostname(pod: &Pod, site: &Site) -> String {
    let wanted = match (&pod.spec.hostname_override, pod.spec.hostname.is_empty()) {
        (Some(name), _) => name.as_str(),
        (None, false) => pod.spec.hostname.as_str(),
        (None, true) => pod.metadata.name.as_str(),
    };
    let full = match fqdn(pod, wanted, site) {
        Some(full) if pod.spec.set_hostname_as_fqdn == Some(true) => full,
        _ => wanted.to_owned(),
    };
    let mut short: String = full.chars().take(HOSTNAME_MAX).collect();
    while short.ends_with(['-', '.']) {
        short.pop();
    }
    short
}

fn fqdn(pod: &Pod, hostname: &str, site: &Site) -> Option<String> {
    let subdomain = &pod.spec.subdomain;
    (!subdomain.is_empty()).then(|| format!("{hostname}.{subdomain}.{}.svc.{}", pod.metadata.namespace, site.domain()))
}

/// A pod's `/etc/hosts`: itself and its aliases; with the node's network, the node's file and its aliases.
pub fn hosts_file(pod: &Pod, ips: &[String], site: &Site) -> String {
    let mut out = String::from("# Written by Masthead for this pod.\n");
    if pod.spec.host_network {
        out.push_str(&site.learned.get().node_hosts);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        aliases(pod, &mut out);
        return out;
    }
    for line in [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ] {
        out.push_str(line);
        out.push('\n');
    }
    let hostname = hostname(pod, site);
    let names = fqdn(pod, &hostname, site).map_or_else(|| hostname.clone(), |full| format!("{full}\t{hostname}"));
    for ip in ips {
        out.push_str(&format!("{ip}\t{names}\n"));
    }
    aliases(pod, &mut out);
    out
}

fn aliases(pod: &Pod, out: &mut String) {
    if !pod.spec.host_aliases.is_empty() {
        out.push_str("\n# Entries added by HostAliases.\n");
        for alias in &pod.spec.host_aliases {
            out.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
    }
}

/// The resolver's settings after policy and the pod's own additions.
pub fn dns(pod: &Pod, site: &Site) -> v1::DnsConfig {
    let learned = site.learned.get();
    let in_cluster = match pod.spec.dns_policy.as_str() {
        "ClusterFirstWithHostNet" => true,
        "ClusterFirst" | "" => !pod.spec.host_network,
        _ => false,
    } && !learned.nameservers.is_empty();
    let mut dns = match pod.spec.dns_policy.as_str() {
        "None" => v1::DnsConfig::default(),
        _ if in_cluster => {
            let (namespace, domain) = (&pod.metadata.namespace, site.domain());
            let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain];
            extend_new(&mut searches, &site.node_searches);
            v1::DnsConfig { servers: learned.nameservers.clone(), searches, options: vec!["ndots:5".to_owned()] }
        }
        _ => v1::DnsConfig {
            servers: site.node_nameservers.clone(),
            searches: site.node_searches.clone(),
            options: site.node_options.clone(),
        },
    };
    if let Some(own) = &pod.spec.dns_config {
        extend_new(&mut dns.servers, &own.nameservers);
        extend_new(&mut dns.searches, &own.searches);
        for option in &own.options {
            let prefix = format!("{}:", option.name);
            dns.options.retain(|known| *known != option.name && !known.starts_with(&prefix));
            dns.options
                .push(option.value.as_ref().map_or_else(|| option.name.clone(), |value| format!("{prefix}{value}")));
        }
    }
    dns.servers.truncate(NAMESERVERS_MAX);
    dns.searches.truncate(SEARCHES_MAX);
    while dns.searches.iter().map(|search| search.len() + 1).sum::<usize>() > SEARCH_CHARS_MAX + 1 {
        dns.searches.pop();
    }
    dns
}

fn extend_new(list: &mut Vec<String>, more: &[String]) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

/// `/etc/resolv.conf` of these settings.
pub fn resolv_conf(dns: &v1::DnsConfig) -> String {
    let mut out = String::new();
    for server in &dns.servers {
        out.push_str(&format!("nameserver {server}\n"));
    }
    if !dns.searches.is_empty() {
        out.push_str(&format!("search {}\n", dns.searches.join(" ")));
    }
    if !dns.options.is_empty() {
        out.push_str(&format!("options {}\n", dns.options.join(" ")));
    }
    out
}
