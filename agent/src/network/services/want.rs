//! A service and the slices of its endpoints → what the table must hold for it, as this node sees it.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest, Sha256};

use crate::network::rules::ports::Protocol;
use crate::network::services::model::{Endpoint, Here, Name, Net, Port, Service, Slice};
use crate::network::services::select::{self, Chosen, Target};

/// Endpoints of one port that the table can hold.
pub const ENDPOINTS_MAX: usize = 0x7fff;

/// Names a list of endpoints: a digest of whose it is, so that it is the same in every life of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId {
    /// Half a digest of service, port and policy.
    pub digest: [u8; 8],
    /// Of which family its endpoints are.
    pub is_v6: bool,
}

/// Who is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everybody.
    Inner,
    /// Who is neither of this node nor a pod: looked up first, and nothing changes his source.
    Outer,
}

/// Where a packet is sent to that is led elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// Who is led.
    pub scope: Scope,
    /// Of which family it is.
    pub is_v6: bool,
    /// The address; none for every address of the node.
    pub ip: Option<IpAddr>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lead {
    /// It goes to one of a list of endpoints.
    Pool {
        /// The list.
        id: PoolId,
        /// Its length, 1 to [`ENDPOINTS_MAX`].
        size: u16,
        /// Seconds for which a client stays; 0 for never.
        affinity_s: u32,
    },
    /// Nobody is there: the sender is told.
    Reject,
    /// Nobody is here: the packet is dropped, as load balancers expect of a node without endpoints.
    Drop,
}

/// A list of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub id: PoolId,
    /// The endpoints, sorted.
    pub targets: Vec<Target>,
    /// Whether clients stay, for which it must be known who is still there.
    pub is_sticky: bool,
    /// The protocol.
    pub protocol: Protocol,
}

/// What the table must hold for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where packets are led from, and where to.
    pub leads: Vec<(Spot, Lead)>,
    /// The lists of endpoints.
    pub pools: Vec<Pool>,
    /// Spots that only some may use, with the name of who may.
    pub guarded: Vec<(Spot, PoolId)>,
    /// Who may.
    pub ranges: Vec<(PoolId, Net)>,
    /// Endpoints of this node, which may be led back to themselves.
    pub near: Vec<IpAddr>,
    /// Where load balancers ask, and how many ready endpoints this node has.
    pub health: Option<(u16, usize)>,
    /// What is left out, and why.
    pub problems: Vec<String>,
}

/// What the table must hold.
pub fn want<'a>(
    here: &Here,
    name: &Name,
    service: &Service,
    slices: impl Iterator<Item = &'a Slice> + Clone,
) -> Wanted {
    let mut wanted = Wanted::default();
    let mut ready_here = 0;
    for own in &service.cluster_ips {
        let of_family = slices.clone().filter(|s| s.is_v6 == own.is_ipv6());
        for port in &service.ports {
            let mut chosen = select::choose(&endpoints(of_family.clone(), port));
            for list in [&mut chosen.cluster, &mut chosen.local] {
                if list.len() > ENDPOINTS_MAX {
                    let count = list.len();
                    let text = format!("port {} has {count} endpoints; {ENDPOINTS_MAX} are used", port.port);
                    wanted.problems.push(text);
                    list.truncate(ENDPOINTS_MAX);
                }
            }
            ready_here = ready_here.max(chosen.ready_here);
            PortWant { here, name, service, port, own: *own, chosen: &chosen }.fill(&mut wanted);
            wanted.near.extend(&chosen.near);
        }
    }
    wanted.near.sort_unstable();
    wanted.near.dedup();
    wanted.health = service.health_port.map(|port| (port, ready_here));
    wanted
}

/// The endpoints of a service's port: each slice says for itself which number it has.
fn endpoints<'a>(slices: impl Iterator<Item = &'a Slice>, port: &Port) -> Vec<(Endpoint, u16)> {
    let mut all = Vec::new();
    for slice in slices {
        for (name, protocol, number) in &slice.ports {
            if *name == port.name && *protocol == port.protocol {
                all.extend(slice.endpoints.iter().map(|e| (*e, *number)));
            }
        }
    }
    all
}

/// One port of a service in one family.
struct PortWant<'a> {
    here: &'a Here,
    name: &'a Name,
    service: &'a Service,
    port: &'a Port,
    own: IpAddr,
    chosen: &'a Chosen,
}

impl PortWant<'_> {
    fn fill(&self, wanted: &mut Wanted) {
        let service = self.service;
        let inside = if service.is_internal_local { self.local(wanted) } else { self.cluster(wanted) };
        if !self.here.served.contains(&self.own) {
            wanted.leads.push((self.spot(Scope::Inner, Some(self.own)), inside));
        }
        let is_v6 = self.own.is_ipv6();
        let of_family = |ips: &[IpAddr]| ips.iter().filter(|ip| ip.is_ipv6() == is_v6).copied().collect::<Vec<_>>();
        let balanced = of_family(&service.balancer_ips);
        let mut outside: Vec<IpAddr> = of_family(&service.external_ips);
        outside.extend(&balanced);
        outside.sort_unstable();
        outside.dedup();
        outside.retain(|ip| *ip != self.own);
        if outside.is_empty() && self.port.node_port.is_none() {
            return;
        }
        // Traffic of the cluster for outer addresses may go to any endpoint, as if it had come in somewhere else.
        let cluster = self.cluster(wanted);
        let kept = service.is_external_local.then(|| self.local(wanted));
        for ip in outside {
            wanted.leads.push((self.spot(Scope::Inner, Some(ip)), cluster));
            wanted.leads.extend(kept.map(|lead| (self.spot(Scope::Outer, Some(ip)), lead)));
        }
        if let Some(port) = self.port.node_port {
            let spot = |scope, ip| Spot { port, ip, ..self.spot(scope, None) };
            wanted.leads.push((spot(Scope::Inner, None), cluster));
            wanted.leads.extend(kept.map(|lead| (spot(Scope::Outer, None), lead)));
            if self.here.loopback && !is_v6 && !self.chosen.local.is_empty() {
                // A packet from the loopback address cannot leave the machine.
                let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let local = self.local(wanted);
                wanted.leads.push((spot(Scope::Inner, Some(loopback)), local));
            }
        }
        self.guard(&balanced, wanted);
    }

    /// Only those in the source ranges may use the load balancer's addresses.
    fn guard(&self, balanced: &[IpAddr], wanted: &mut Wanted) {
        if self.service.source_ranges.is_empty() {
            return;
        }
        let id = self.id("ranges");
        for ip in balanced {
            wanted.guarded.push((self.spot(Scope::Inner, Some(*ip)), id));
        }
        let fits = |net: &&Net| net.base.is_ipv6() == self.own.is_ipv6();
        if !balanced.is_empty() {
            wanted.ranges.extend(disjoint(self.service.source_ranges.iter().filter(fits)).into_iter().map(|n| (id, n)));
        }
    }

    fn spot(&self, scope: Scope, ip: Option<IpAddr>) -> Spot {
        Spot { scope, is_v6: self.own.is_ipv6(), ip, protocol: self.port.protocol, port: self.port.port }
    }

    fn cluster(&self, wanted: &mut Wanted) -> Lead {
        if self.chosen.cluster.is_empty() {
            return Lead::Reject;
        }
        self.pool(wanted, "cluster", &self.chosen.cluster)
    }

    fn local(&self, wanted: &mut Wanted) -> Lead {
        match (self.chosen.local.is_empty(), self.chosen.is_any) {
            (true, true) => Lead::Drop,
            (true, false) => Lead::Reject,
            (false, _) => self.pool(wanted, "local", &self.chosen.local),
        }
    }

    fn pool(&self, wanted: &mut Wanted, policy: &str, targets: &[Target]) -> Lead {
        let id = self.id(policy);
        let affinity_s = self.service.affinity_s.unwrap_or(0);
        if wanted.pools.iter().all(|pool| pool.id != id) {
            let (targets, protocol) = (targets.to_vec(), self.port.protocol);
            wanted.pools.push(Pool { id, targets, is_sticky: affinity_s > 0, protocol });
        }
        Lead::Pool { id, size: u16::try_from(targets.len()).unwrap_or(u16::MAX), affinity_s }
    }

    fn id(&self, policy: &str) -> PoolId {
        let mut hash = Sha256::new();
        for part in [&self.name.namespace, &self.name.name, &self.port.name, self.port.protocol.name(), policy] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(self.port.port.to_be_bytes());
        let is_v6 = self.own.is_ipv6();
        hash.update([u8::from(is_v6)]);
        let mut digest = [0; 8];
        digest.copy_from_slice(&hash.finalize()[..8]);
        PoolId { digest, is_v6 }
    }
}

/// Without those that lie in others: an interval set has no room for two that meet.
fn disjoint<'a>(nets: impl Iterator<Item = &'a Net>) -> Vec<Net> {
    let mut all: Vec<Net> = nets.copied().collect();
    // A range sorts after those it lies in.
    all.sort_unstable();
    let mut kept: Vec<Net> = Vec::with_capacity(all.len());
    for net in all {
        if !kept.iter().any(|other| covers(other, net.base)) {
            kept.push(net);
        }
    }
    kept
}

/// Whether a range has an address in it.
pub fn covers(net: &Net, ip: IpAddr) -> bool {
    match (net.base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(net.bits)).unwrap_or(0);
            u32::from(ip) & mask == u32::from(base)
        }
        (IpAddr::V6(base), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(net.bits)).unwrap_or(0);
            u128::from(ip) & mask == u128::from(base)
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "want_tests.rs"]
mod tests;
