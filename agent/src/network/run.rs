//! The loop that owns the network: takes one call after the other, observes, plans and applies.
//!
//! It is one thread with a runtime of its own, so that calls cannot race for an address, and so that
//! everything happens in the network namespace of whoever started it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use nlink::netlink::{Connection, Nftables, Route};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::network::apply::{self, Interrupt, Tools};
use crate::network::call::Call;
use crate::network::cidr::{self, Cidr};
use crate::network::contract::Attachment;
use crate::network::error::{Error, IoContext, Result};
use crate::network::host;
use crate::network::ipam::Ipam;
use crate::network::kernel;
use crate::network::names::{self, Names};
use crate::network::observe::{self, Pin, PodView};
use crate::network::options::Options;
use crate::network::plan;
use crate::network::pod_ports::{self, Asked};
use crate::network::pool::{Maker, Pool};
use crate::network::records::{self, HostRecord, PodRecord, Records};
use crate::network::reserve::{self, Reservations};
use crate::network::rules;
use crate::network::rules::ports::{Elements, HostPort, Protocol};
use crate::network::rules::watch::Watch;
use crate::network::wait::{due, heard};

/// Addresses given out between two writes of where the search goes on.
const CURSOR_STRIDE: u32 = 32;

/// How long after a change of nftables others' tables are looked at.
const QUIET: Duration = Duration::from_millis(100);

/// A pod whose place has been taken away.
struct Departure {
    uid: String,
    reply: oneshot::Sender<Result<()>>,
    done: Result<()>,
}

/// The state of the network.
pub struct Engine {
    host: Connection<Route>,
    nft: Connection<Nftables>,
    names: Names,
    records: Records,
    pool: Pool,
    ipam: Ipam,
    host_record: HostRecord,
    /// What the table's maps hold.
    elements: Elements,
    /// The ranges of all nodes' pods.
    cluster: Vec<Cidr>,
    /// Ports that were set as a list.
    given: Vec<HostPort>,
    /// Ports that pods ask for.
    asked: Asked,
    /// Those that are held.
    reserved: Reservations,
    /// Every pod with a record.
    pods: BTreeMap<String, PodRecord>,
    /// Addresses that may still be given out before the next cursor is written.
    stride: u32,
    interrupt: Option<Interrupt>,
    /// Pods whose place is being taken away, with the calls about them that wait for it.
    leaving: BTreeMap<String, Vec<Call>>,
    /// The threads that do it.
    departures: JoinSet<Departure>,
}

impl Engine {
    /// Adopts what an earlier life left, and removes what it left half done.
    pub async fn start(options: Options) -> Result<Self> {
        let host = Connection::<Route>::new().doing(|| "open netlink".to_owned())?;
        let records = Records::open(&options.data_dir)?;
        let names = Names::of(&records::home(&options.data_dir));
        let observed = observe::all(&host, &names, &records).await?;
        for step in plan::tidy(&observed) {
            if let plan::Step::RemoveLink { index, .. } = step {
                kernel::remove_link(&host, index).await?;
            }
        }
        let mtu = match options.mtu {
            Some(mtu) => mtu,
            None => kernel::uplink_mtu(&host).await?,
        };
        let pool = Pool::start(Maker::new(names.clone(), mtu), options.pool_size)?;
        let host_record = records.host()?;
        let mut engine = Self {
            host,
            nft: rules::apply::connect()?,
            names,
            records,
            pool,
            ipam: Ipam::default(),
            elements: Elements::of(&host_record.ports)?,
            cluster: cidr::node_cidrs(&host_record.cluster)?,
            given: Vec::new(),
            asked: Asked::new(),
            reserved: Reservations::default(),
            host_record,
            pods: BTreeMap::new(),
            stride: 0,
            interrupt: options.interrupt,
            leaving: BTreeMap::new(),
            departures: JoinSet::new(),
        };
        for (uid, pod) in observed.pods {
            engine.adopt(&uid, pod)?;
        }
        let (cidrs, cluster) = (engine.host_record.cidrs.clone(), engine.host_record.cluster.clone());
        if !cidrs.is_empty() {
            engine.set_ranges(&cidrs, &cluster).await?;
        }
        Ok(engine)
    }

    /// Answers calls until nobody can make one.
    pub async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        let watch = Watch::open();
        if let Err(error) = &watch {
            tracing::warn!(%error, "firewalls that are set up later may keep pods' packets");
        }
        let mut watch = watch.ok();
        // Others' tables are looked at a moment after they changed, for a change seldom comes alone.
        let mut look_at: Option<Instant> = None;
        loop {
            tokio::select! {
                changed = heard(watch.as_mut()) => match changed {
                    Ok(()) => look_at = look_at.or_else(|| Some(Instant::now() + QUIET)),
                    Err(error) => {
                        tracing::warn!(%error, "firewalls that are set up later may keep pods' packets");
                        watch = None;
                    }
                },
                () = due(look_at) => {
                    look_at = None;
                    self.look_again().await;
                }
                Some(left) = self.departures.join_next() => self.departed(left).await,
                call = calls.recv() => match call {
                    Some(Call::Close(reply)) => {
                        calls.close();
                        drop(reply.send(self.close().await));
                    }
                    Some(call) => self.answer(call).await,
                    None => return,
                },
            }
        }
    }

    /// Leads pods through firewalls that came since.
    async fn look_again(&mut self) {
        if self.ipam.cidrs().next().is_some()
            && let Err(error) = rules::forward::ensure_with(&self.nft, &self.names, &self.cluster).await
        {
            tracing::warn!(%error, "a firewall of this machine may keep pods' packets");
        }
    }

    /// Who no longer waits for an answer has lost nothing: every call may be repeated.
    async fn answer(&mut self, call: Call) {
        match call {
            Call::Attach(uid, reply) => match self.leaving.get_mut(&uid) {
                Some(after) => after.push(Call::Attach(uid, reply)),
                None => drop(reply.send(self.attach(&uid).await)),
            },
            Call::Detach(uid, reply) => self.detach(uid, reply).await,
            Call::Attached(reply) => drop(reply.send(Ok(self.pods.keys().cloned().collect()))),
            Call::SetRanges(cidrs, cluster, reply) => drop(reply.send(self.set_ranges(&cidrs, &cluster).await)),
            Call::SetPodPorts(asked, reply) => drop(reply.send(self.set_pod_ports(asked).await)),
            Call::SetHostPorts(ports, reply) => drop(reply.send(self.set_host_ports(ports).await)),
            Call::Close(reply) => drop(reply.send(Ok(()))),
        }
    }

    /// Waits for those who are leaving, then gives back what waits in the pool.
    async fn close(&mut self) -> Result<()> {
        while let Some(left) = self.departures.join_next().await {
            self.departed(left).await;
        }
        self.pool.close(&self.host).await
    }

    fn adopt(&mut self, uid: &str, pod: PodView) -> Result<()> {
        // A pin of which nothing else is known is listed all the same, so that it is detached.
        let none = || PodRecord { ips: Vec::new(), interface: self.names.pod_link(uid, 0) };
        let record = pod.record.unwrap_or_else(none);
        if pod.pin != Pin::None || !record.ips.is_empty() {
            self.records.keep_pod(uid, &record)?;
            self.ipam.take(&record.ips);
            self.pods.insert(uid.to_owned(), record);
        }
        Ok(())
    }

    async fn attach(&mut self, uid: &str) -> Result<Attachment> {
        if !names::is_uid(uid) {
            return Err(Error::Uid(uid.to_owned()));
        }
        let known = self.pods.get(uid).filter(|r| !r.ips.is_empty()).cloned();
        let (record, view) = match known {
            Some(record) => {
                let view = self.view(uid, &record).await?;
                (record, view)
            }
            None => (self.choose(uid)?, PodView::default()),
        };
        if let Err(error) = self.claim(uid, &record) {
            let held = reserve::slots(self.pods_ports().iter());
            self.reserved.keep(&held);
            if !self.pods.contains_key(uid) {
                self.ipam.release(&record.ips);
            }
            return Err(error);
        }
        let steps = plan::attach(&view);
        self.pods.insert(uid.to_owned(), record.clone());
        let mut done = self.tools().run(uid, &record, &steps).await;
        if done.is_ok() && self.asked.contains_key(uid) {
            done = self.put_ports().await;
        }
        match done {
            Ok(()) => Ok(Attachment { netns: self.records.pin(uid), ips: record.ips, interface: record.interface }),
            Err(error @ Error::Interrupted(_)) => Err(error),
            Err(error) => {
                // A pod that had a place keeps what is left of it: its containers may be running.
                if view == PodView::default()
                    && let Err(left) = self.abandon(uid).await
                {
                    tracing::warn!(uid, error = %left, "removing a failed attachment failed too");
                }
                Err(error)
            }
        }
    }

    /// Begins to take a pod's place away. The kernel takes tens of milliseconds to remove a link, most
    /// of it waiting, so that is done on another thread while other calls are answered.
    async fn detach(&mut self, uid: String, reply: oneshot::Sender<Result<()>>) {
        if let Some(after) = self.leaving.get_mut(&uid) {
            return after.push(Call::Detach(uid, reply));
        }
        let Some(record) = self.pods.get(&uid).cloned() else {
            return drop(reply.send(Ok(())));
        };
        let steps = match self.view(&uid, &record).await {
            Ok(view) => plan::detach(&view),
            Err(error) => return drop(reply.send(Err(error))),
        };
        let (records, interrupt) = (self.records.clone(), self.interrupt.clone());
        self.leaving.insert(uid.clone(), Vec::new());
        self.departures.spawn_blocking(move || {
            let done = apply::leave(&uid, &records, &steps, interrupt.as_ref());
            Departure { uid, reply, done }
        });
    }

    /// A pod's place is gone, or could not be taken away; calls about it that came meanwhile have their turn.
    async fn departed(&mut self, left: std::result::Result<Departure, JoinError>) {
        let Ok(Departure { uid, reply, done }) = left else {
            // The thread panicked and took its caller's answer along; the pod stays listed.
            return self.leaving.clear();
        };
        let after = self.leaving.remove(&uid).unwrap_or_default();
        if done.is_ok()
            && let Some(record) = self.pods.remove(&uid)
        {
            self.ipam.release(&record.ips);
            if self.asked.contains_key(&uid)
                && let Err(error) = self.put_ports().await
            {
                tracing::warn!(uid, %error, "taking a pod's host ports away failed");
            }
        }
        drop(reply.send(done));
        for call in after {
            Box::pin(self.answer(call)).await;
        }
    }

    /// Takes back what a failed attach left, here and now.
    async fn abandon(&mut self, uid: &str) -> Result<()> {
        if let Some(record) = self.pods.get(uid).cloned() {
            let steps = plan::detach(&self.view(uid, &record).await?);
            self.tools().run(uid, &record, &steps).await?;
            self.pods.remove(uid);
            self.ipam.release(&record.ips);
        }
        Ok(())
    }

    async fn set_ranges(&mut self, cidrs: &[String], cluster: &[String]) -> Result<()> {
        let (cidrs, cluster) = (cidr::node_cidrs(cidrs)?, cidr::node_cidrs(cluster)?);
        if self.ipam.cidrs().eq(cidrs.iter().copied()) && self.cluster == cluster {
            return rules::forward::ensure_with(&self.nft, &self.names, &self.cluster).await;
        }
        self.host_record.cluster = cluster.iter().map(Cidr::to_string).collect();
        host::ensure(&self.host, &self.names, &self.records, &mut self.host_record, &cidrs).await?;
        let table = rules::table::table(&self.names, &cidrs, &cluster, &self.elements);
        rules::apply::replace(&self.nft, table.doing(|| "build the nftables table".to_owned())?).await?;
        self.cluster = cluster;
        rules::forward::ensure_with(&self.nft, &self.names, &self.cluster).await?;
        let fresh = self.ipam.cidrs().next().is_none();
        self.ipam.set_cidrs(&cidrs);
        if fresh {
            self.ipam.resume(&self.host_record.cursors);
        }
        Ok(())
    }

    async fn set_host_ports(&mut self, ports: Vec<HostPort>) -> Result<()> {
        let before = std::mem::replace(&mut self.given, ports);
        let done = self.put_ports().await;
        if done.is_err() {
            self.given = before;
        }
        done
    }

    async fn set_pod_ports(&mut self, asked: Asked) -> Result<()> {
        if self.asked == asked {
            return Ok(());
        }
        self.asked = asked;
        let held = reserve::slots(self.pods_ports().iter());
        if let Err((protocol, ip, port)) = self.reserved.take(&held) {
            // A pod of an earlier life of the agent: its rules hold, whoever has opened the port since.
            tracing::warn!(?protocol, %ip, port, "another process has the host port of a pod");
        }
        self.put_ports().await
    }

    /// What leads to the pods that have a place.
    fn pods_ports(&self) -> Vec<HostPort> {
        let placed = self.asked.iter().filter_map(|(uid, ports)| Some((ports, self.pods.get(uid)?)));
        placed.flat_map(|(ports, record)| pod_ports::of_pod(ports, &record.ips)).collect()
    }

    /// Makes sure that nobody else has the ports of the node that a pod asks for.
    fn claim(&mut self, uid: &str, record: &PodRecord) -> Result<()> {
        let Some(ports) = self.asked.get(uid) else { return Ok(()) };
        let fault = |protocol: Protocol, ip: Option<IpAddr>, port: u16, by: String| Error::HostPortTaken {
            protocol: protocol.name(),
            port,
            at: ip.filter(|ip| !ip.is_unspecified()).map_or_else(String::new, |ip| format!(" on {ip}")),
            by,
        };
        let holders: BTreeSet<&str> = self.pods.keys().map(String::as_str).collect();
        if let Some((port, other)) = pod_ports::taken(&self.asked, uid, &holders) {
            return Err(fault(port.protocol, port.host_ip, port.port, format!("pod {other}")));
        }
        let wanted: Vec<HostPort> = pod_ports::of_pod(ports, &record.ips).collect();
        let taken = self.reserved.take(&reserve::slots(wanted.iter()));
        taken.map_err(|(protocol, ip, port)| fault(protocol, Some(ip), port, "another process".to_owned()))
    }

    /// Brings the table's maps to what is set and what pods ask for.
    async fn put_ports(&mut self) -> Result<()> {
        let mut ports = self.pods_ports();
        self.reserved.keep(&reserve::slots(ports.iter()));
        ports.extend(self.given.iter().cloned());
        let wanted = Elements::of(&ports)?;
        if self.ipam.cidrs().next().is_none() && !ports.is_empty() {
            return Err(Error::NoCidr);
        }
        let change = self.elements.change_to(&wanted);
        rules::apply::change(&self.nft, &self.names.table(), &change).await?;
        self.elements = wanted;
        if self.host_record.ports != ports {
            self.host_record.ports = ports;
            self.records.keep_host(&self.host_record)?;
        }
        Ok(())
    }

    /// A new pod's addresses and link name.
    fn choose(&mut self, uid: &str) -> Result<PodRecord> {
        let ips = self.ipam.allocate()?;
        if self.stride == 0 {
            self.stride = CURSOR_STRIDE;
            self.keep_cursors(&ips)?;
        }
        self.stride -= 1;
        let taken = |name: &str| self.pods.iter().any(|(u, p)| u != uid && p.interface == name);
        // Each pod can spoil one attempt at most.
        let attempts = u32::try_from(self.pods.len()).unwrap_or(u32::MAX);
        let interface = (0..=attempts).map(|n| self.names.pod_link(uid, n)).find(|n| !taken(n));
        Ok(PodRecord { ips, interface: interface.unwrap_or_else(|| self.names.pod_link(uid, 0)) })
    }

    /// Writes a cursor beyond the next stride, so that a crash skips addresses and reuses none.
    fn keep_cursors(&mut self, ips: &[IpAddr]) -> Result<()> {
        let ahead = |cidr: Cidr| {
            let at = ips.iter().find_map(|ip| cidr.index(*ip))?;
            Some(cidr.pod((at + u128::from(CURSOR_STRIDE)) % cidr.pods()))
        };
        self.host_record.cursors = self.ipam.cidrs().filter_map(ahead).collect();
        self.records.keep_host(&self.host_record)
    }

    async fn view(&self, uid: &str, record: &PodRecord) -> Result<PodView> {
        observe::pod(&self.host, &self.names, &self.records, uid, record).await
    }

    fn tools(&self) -> Tools<'_> {
        Tools {
            host: &self.host,
            names: &self.names,
            records: &self.records,
            pool: &self.pool,
            node_ips: &self.host_record.node_ips,
            interrupt: self.interrupt.as_ref(),
        }
    }
}
