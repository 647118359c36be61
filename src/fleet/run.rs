//! The task of a fleet: keeps an agent running in each node that is switched on, and answers what is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use masthead_agent::fleet::plan::{Places, Prefix, Segment};
use masthead_agent::fleet::{apply, power};
use masthead_agent::node;
use masthead_wire::pki::token::{Token, TokenRecord};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock;
use crate::control::view::View;
use crate::daemon::tokens::Tokens;
use crate::fleet::agent::{self, Agent, Start};
use crate::fleet::config::{NodeSpec, Role, plain};
use crate::fleet::handle::{ASKS_MAX, Ask, Handle, NodeState};
use crate::fleet::ports::{self, Led};
use crate::fleet::record::{Member, Record, node_data};
use crate::fleet::routes;

/// First wait before an agent that ended is started again.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest such wait.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// An agent that ran for so long begins with the first wait again.
const STEADY: Duration = Duration::from_secs(30);
/// How long the agents of a daemon that is gone may take to end.
const AGENT_END_MAX: Duration = Duration::from_secs(15);
/// How long a node's own token is good.
const TOKEN_S: u64 = 600;

/// A fleet whose network is there, and whose agents are not started yet.
#[derive(Debug)]
pub struct Prepared {
    root: PathBuf,
    places: Places,
    record: Record,
}

/// What agents and their keepers need of the control plane.
#[derive(Clone)]
pub struct Plane {
    /// Where agents dial.
    pub join: String,
    /// Join tokens.
    pub tokens: Arc<Tokens>,
    /// SHA-256 of the CA.
    pub ca_digest: [u8; 32],
    /// The cluster.
    pub view: Arc<View>,
    /// The ranges of services, the preferred family first.
    pub services: Vec<Prefix>,
    /// Whether pods have addresses of IPv6.
    pub is_v6: bool,
}

/// Makes the network of a fleet in a data directory: that of an earlier run, with what is wanted now added.
///
/// # Errors
/// The machine refuses, or has no room for another segment.
pub async fn prepare(root: &Path, wanted: &[NodeSpec]) -> Result<Prepared> {
    std::fs::create_dir_all(root.join("logs")).with_context(|| format!("making {}", root.display()))?;
    let root = std::fs::canonicalize(root)?;
    let places = Places::new(&root);
    let known = Record::load(&root)?;
    let segment = match &known {
        Some(record) => record.segment.clone(),
        None => {
            let tag = places.table().bytes().fold(0u8, |tag, byte| tag.wrapping_mul(31).wrapping_add(byte));
            Segment::choose(tag, &apply::observe().await?)
                .context("no range of 172.29.0.0/16 is free for the nodes' network")?
        }
    };
    let before = apply::ensure(&places, &segment).await?;
    let mut record = known.unwrap_or(Record {
        segment,
        forward_before: before,
        settings_before: BTreeMap::new(),
        nodes: BTreeMap::new(),
    });
    record.add(wanted);
    record.save(&root)?;
    Ok(Prepared { root, places, record })
}

/// Takes everything of a fleet away: agents must have ended. Succeeds when there was none.
///
/// # Errors
/// Something is held.
pub async fn destroy(root: &Path) -> Result<()> {
    let Some(record) = Record::load(root)? else { return Ok(()) };
    for name in record.nodes.keys() {
        let data = node_data(root, name);
        let began = Instant::now();
        // The agents of a daemon that was killed end on their own, a moment later.
        while let Err(error) = node::destroy(&data).await {
            if began.elapsed() > AGENT_END_MAX {
                return Err(error).with_context(|| format!("removing node {name}"));
            }
            tokio::time::sleep(PAUSE_MIN).await;
        }
    }
    apply::remove(&Places::new(root), Some(&record.forward_before), &record.settings_before).await?;
    Ok(())
}

impl Prepared {
    /// The machine's address on the nodes' network, where agents can reach it.
    pub fn listen(&self) -> IpAddr {
        IpAddr::V4(self.record.segment.machine())
    }

    /// The data directories of all nodes.
    pub fn nodes(&self) -> Vec<PathBuf> {
        self.record.nodes.keys().map(|name| node_data(&self.root, name)).collect()
    }

    /// Gives the segment addresses of IPv6, those that it had before if any.
    async fn add_v6(&mut self) -> Result<()> {
        let record = &mut self.record;
        if record.segment.base_v6.is_none() {
            let base = Segment::choose_v6(&self.places.table(), &apply::observe().await?);
            record.segment.base_v6 = Some(base.context("no network of fd00::/8 is free for the nodes' network")?);
            record.save(&self.root)?;
        }
        let before = apply::ensure_v6(&self.places, &record.segment).await?;
        if !before.is_empty() {
            // What was on record first is what was there before us.
            let known = std::mem::take(&mut record.settings_before);
            record.settings_before = before.into_iter().chain(known).collect();
            record.save(&self.root)?;
        }
        Ok(())
    }

    /// Starts the agents.
    ///
    /// # Errors
    /// A node's network can't be made.
    pub async fn run(mut self, plane: Plane) -> Result<Handle> {
        if plane.is_v6 {
            self.add_v6().await?;
        }
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let members = watch::Sender::new(routes::Members::new());
        tokio::spawn(routes::follow(
            self.places.clone(),
            plane.view.clone(),
            members.subscribe(),
            plane.services.clone(),
        ));
        let mut fleet = Fleet { prepared: self, plane, keepers: BTreeMap::new(), members };
        let names: Vec<String> = fleet.prepared.record.nodes.keys().cloned().collect();
        for name in names {
            fleet.bring_up(&name).await?;
        }
        tokio::spawn(fleet.run(asked));
        Ok(Handle::new(asks))
    }
}

struct Fleet {
    prepared: Prepared,
    plane: Plane,
    keepers: BTreeMap<String, Keeper>,
    members: watch::Sender<routes::Members>,
}

/// Keeps the agent of one node.
struct Keeper {
    stop: oneshot::Sender<Stop>,
    task: JoinHandle<()>,
    /// Why the agent is not running.
    trouble: watch::Receiver<Option<String>>,
    ports: Vec<Led>,
}

#[derive(Clone, Copy)]
enum Stop {
    Gently,
    AtOnce,
}

impl Keeper {
    async fn end(self, how: Stop) {
        // A keeper that has ended has ended its agent.
        let _ = self.stop.send(how);
        let _ = self.task.await;
    }
}

impl Fleet {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        while let Some(ask) = asked.recv().await {
            match ask {
                Ask::List(reply) => drop(reply.send(self.list())),
                Ask::Add(spec, reply) => drop(reply.send(self.add(spec).await.map_err(|e| format!("{e:#}")))),
                Ask::Remove(name, reply) => {
                    drop(reply.send(self.remove(&name).await.map_err(|e| format!("{e:#}"))));
                }
                Ask::Start(name, reply) => {
                    drop(reply.send(self.switch(&name, true).await.map_err(|e| format!("{e:#}"))));
                }
                Ask::Stop(name, reply) => {
                    drop(reply.send(self.switch(&name, false).await.map_err(|e| format!("{e:#}"))));
                }
                Ask::Close(reply) => {
                    self.close().await;
                    // Who asked may be gone.
                    let _ = reply.send(());
                    return;
                }
            }
        }
        self.close().await;
    }

    async fn close(&mut self) {
        let keepers = std::mem::take(&mut self.keepers);
        let ends = keepers.into_values().map(|keeper| keeper.end(Stop::Gently));
        futures::future::join_all(ends).await;
    }

    /// The address of a node that its pods' ports are at: of the family that services prefer.
    fn address(&self, number: u8) -> IpAddr {
        let prefers_v6 = self.plane.services.first().is_some_and(|(base, _)| base.is_ipv6());
        let segment = &self.prepared.record.segment;
        let v6 = segment.node_v6(number).filter(|_| prefers_v6).map(IpAddr::V6);
        v6.unwrap_or_else(|| segment.node(number).into())
    }

    fn list(&self) -> Vec<NodeState> {
        let record = &self.prepared.record;
        let state = |(name, member): (&String, &Member)| {
            let keeper = self.keepers.get(name);
            let why = keeper.and_then(|keeper| keeper.trouble.borrow().clone());
            let word = match (member.is_stopped, &why) {
                (true, _) => "stopped",
                (false, Some(_)) => "restarting",
                (false, None) => "running",
            };
            NodeState {
                name: name.clone(),
                role: member.spec.role,
                state: word.to_owned(),
                address: self.address(member.number).to_string(),
                ports: keeper.into_iter().flat_map(|k| &k.ports).map(|led| led.text.clone()).collect(),
                why,
            }
        };
        record.nodes.iter().map(state).collect()
    }

    /// Makes a node's network and starts its agent, unless it is switched off.
    async fn bring_up(&mut self, name: &str) -> Result<()> {
        let record = &self.prepared.record;
        let member = record.nodes.get(name).cloned().ok_or_else(|| anyhow!("there is no node {name:?}"))?;
        let (places, segment) = (self.prepared.places.clone(), record.segment.clone());
        apply::ensure_node(&places, &segment, name, member.number).await?;
        apply::plug(&places, member.number, !member.is_stopped).await?;
        self.tell_members();
        if member.is_stopped {
            return Ok(());
        }
        let address = self.address(member.number);
        let mut led = Vec::new();
        for mapping in &member.spec.ports {
            led.push(ports::lead(mapping, address).await?);
        }
        for mount in &member.spec.mounts {
            let path = mount.host_path.display();
            std::fs::metadata(&mount.host_path)
                .with_context(|| format!("extraMounts of node {name}: hostPath {path}"))?;
        }
        let workers = record.nodes.values().any(|member| member.spec.role == Role::Worker);
        let start =
            Start { root: self.prepared.root.clone(), join: self.plane.join.clone(), taints_control_plane: workers };
        let (stop, stopped) = oneshot::channel();
        let (tell, trouble) = watch::channel(None);
        let task = tokio::spawn(keep(start, places, member, self.plane.clone(), stopped, tell));
        self.keepers.insert(name.to_owned(), Keeper { stop, task, trouble, ports: led });
        Ok(())
    }

    fn tell_members(&self) {
        let record = &self.prepared.record;
        let running = record.nodes.iter().filter(|(_, member)| !member.is_stopped);
        let members = running.map(|(name, member)| (name.clone(), record.segment.node_ips(member.number))).collect();
        self.members.send_replace(members);
    }

    async fn add(&mut self, mut spec: NodeSpec) -> Result<String> {
        let record = &mut self.prepared.record;
        if spec.name.is_empty() {
            let names = plain(masthead_agent::fleet::plan::NODES_MAX).into_iter().map(|spec| spec.name);
            spec.name = names.into_iter().find(|name| !record.nodes.contains_key(name)).unwrap_or_default();
        }
        let faults = masthead_api::validate::name::dns_subdomain(&spec.name);
        if let Some(fault) = faults.first() {
            bail!("{:?} can't be a node's name: {fault}", spec.name);
        }
        if record.nodes.contains_key(&spec.name) {
            bail!("there is a node {:?} already", spec.name);
        }
        if record.add(std::slice::from_ref(&spec)).is_empty() {
            bail!("{} nodes are the most", masthead_agent::fleet::plan::NODES_MAX);
        }
        record.save(&self.prepared.root)?;
        self.bring_up(&spec.name).await?;
        Ok(spec.name)
    }

    async fn switch(&mut self, name: &str, is_on: bool) -> Result<()> {
        let root = self.prepared.root.clone();
        let member = self.prepared.record.nodes.get_mut(name).ok_or_else(|| anyhow!("there is no node {name:?}"))?;
        let number = member.number;
        member.is_stopped = !is_on;
        self.prepared.record.save(&root)?;
        if is_on {
            if self.keepers.contains_key(name) {
                return Ok(());
            }
            return self.bring_up(name).await;
        }
        apply::plug(&self.prepared.places, number, false).await?;
        if let Some(keeper) = self.keepers.remove(name) {
            keeper.end(Stop::AtOnce).await;
        }
        self.tell_members();
        power::off(&node_data(&root, name)).await
    }

    async fn remove(&mut self, name: &str) -> Result<()> {
        let member = self.prepared.record.nodes.get(name).ok_or_else(|| anyhow!("there is no node {name:?}"))?;
        let number = member.number;
        if let Some(keeper) = self.keepers.remove(name) {
            keeper.end(Stop::AtOnce).await;
        }
        let data = node_data(&self.prepared.root, name);
        node::destroy(&data).await?;
        apply::remove_node(&self.prepared.places, name, number).await?;
        match std::fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", data.display()));
            }
            _ => {}
        }
        self.prepared.record.nodes.remove(name);
        self.prepared.record.save(&self.prepared.root)?;
        self.tell_members();
        Ok(())
    }
}

/// Keeps an agent running until it is told to stop.
async fn keep(
    start: Start,
    places: Places,
    member: Member,
    plane: Plane,
    mut stop: oneshot::Receiver<Stop>,
    trouble: watch::Sender<Option<String>>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let began = Instant::now();
        let why = match begin(&start, &places, &member, &plane).await {
            Err(error) => format!("{error:#}"),
            Ok(mut agent) => {
                trouble.send_replace(None);
                tokio::select! {
                    how = agent.ended() => {
                        let log = agent::log_path(&start.root, &member.spec.name);
                        format!("its agent ended with {how}, see {}", log.display())
                    }
                    how = &mut stop => {
                        match how {
                            Ok(Stop::AtOnce) => agent.kill().await,
                            Ok(Stop::Gently) | Err(_) => agent.stop().await,
                        }
                        return;
                    }
                }
            }
        };
        tracing::warn!(node = member.spec.name, why, "a node's agent is started again");
        trouble.send_replace(Some(why));
        if began.elapsed() > STEADY {
            pause = PAUSE_MIN;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = &mut stop => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn begin(start: &Start, places: &Places, member: &Member, plane: &Plane) -> Result<Agent> {
    let token = Token::generate(plane.ca_digest);
    plane.tokens.add(&TokenRecord::new(&token, Some(clock::now_ms() / 1000 + TOKEN_S), Some(1))).await?;
    let (start, places, member) = (start.clone(), places.clone(), member.clone());
    tokio::task::spawn_blocking(move || Agent::start(&start, &places, &member, &token.reveal())).await?
}
