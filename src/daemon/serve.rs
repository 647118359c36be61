//! Options → a control plane that runs: store, nodes, control loop, repository, sync and API, joined in this order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use masthead_agent::fleet::plan::Prefix;
use masthead_store::embedded::store::Options as StoreOptions;
use masthead_store::kv::{Compare, Kv, Op, Txn};
use masthead_store::lease::leader::{Candidate, Leadership};
use masthead_store::objects::{OWN_ROOT, Objects};
use masthead_store::open;
use masthead_wire::pki::authority::{Authority, NODE_LIFETIME};
use masthead_wire::pki::token::{Token, TokenRecord};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock;
use crate::control::clock::{Clock, System};
use crate::control::run::Control;
use crate::control::view::View;
use crate::daemon::data::{Daemon, Data, write_private};
use crate::daemon::lacking::Lacking;
use crate::daemon::network;
use crate::daemon::options::Options;
use crate::daemon::repository;
use crate::daemon::tokens::Tokens;
use crate::fleet::run as fleet;
use crate::git::keep;
use crate::nodes::dispatcher;
use crate::server::api;
use crate::server::listen;
use crate::server::state::State;
use crate::sync::charts::Surroundings;
use crate::sync::handle::Tracked;
use crate::sync::run::Sync;
use crate::sync::{logs, lookup};

/// Seconds of silence after which an agent's session is taken for lost; agents beat four times as often.
const NODE_LEASE_S: u32 = 40;

/// Seconds that a leader's lease lives without renewal.
const LEADER_LEASE_S: u64 = 15;

/// How long a join token that `up` makes for its own node is good.
const OWN_TOKEN_S: u64 = 600;

/// A control plane that runs.
pub struct Running {
    /// Where it answers.
    pub daemon: Daemon,
    /// The data directory.
    pub data: Data,
    /// Its parts, for a node in the same process.
    pub api: State,
    authority: Arc<Authority>,
    tokens: Arc<Tokens>,
    /// The loops that have to run for as long as it does.
    tasks: JoinSet<()>,
    leader: Option<JoinHandle<()>>,
    /// The ranges of services.
    services: Vec<Prefix>,
    /// Whether pods have addresses of IPv6.
    is_v6: bool,
    /// Its ranges, which no other daemon of this machine takes while it runs.
    _claims: network::Claims,
}

/// Starts a control plane; returns when its API answers.
///
/// # Errors
/// The data directory is in use, an address is taken, the store or the repository cannot be opened.
pub async fn serve(options: &Options) -> Result<Running> {
    let data = Data::open_patiently(&options.data)?;
    let kv = match &options.store {
        Some(address) => open::open(address, StoreOptions::default()).await,
        None => open::open(&data.store().display().to_string(), StoreOptions::default()).await,
    }
    .context("opening the store")?;
    let (fence, leader) = lead(options, &kv).await?;
    let store = Objects::new(kv.clone(), fence);
    let born_s = born(&*kv).await?;

    let authority = Arc::new(Authority::open(&data.pki(), SystemTime::now()).context("opening the certificates")?);
    let tokens = Arc::new(Tokens::new(kv.clone()));
    let agents = listening(options.listen_nodes, "--listen-nodes").await?;
    let nodes_address = agents.local_addr()?;
    let (nodes, _) = dispatcher::start(dispatcher::Options {
        listener: agents,
        authority: authority.clone(),
        names: vec![nodes_address.ip().to_string(), "localhost".to_owned()],
        tokens: tokens.clone(),
        term: clock::now_ms(),
        lease_s: NODE_LEASE_S,
        node_lifetime: NODE_LIFETIME,
        cluster: BTreeMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
    })?;

    let (network, claims) =
        network::network(options, data.root(), &*kv).await.context("choosing the ranges of the cluster")?;
    let view = Arc::new(View::default());
    let services = network.services.iter().map(|range| (range.base(), range.bits())).collect();
    let is_v6 = network.pods.iter().any(|range| !range.cidr.is_ipv4());
    view.set_network(Arc::new(network));
    let clock: Arc<dyn Clock> = Arc::new(System::start());
    let reports = nodes.subscribe_reports()?;
    let mut control = Control::new(view.clone(), store.clone(), Arc::new(nodes.clone()), clock, reports, born_s);
    let watch = control.load().await.context("reading the store")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = control.run(watch).await {
            tracing::error!(%error, "the control loop has ended");
        }
    });

    let api_listener = listening(options.listen, "--listen").await?;
    let address = api_listener.local_addr()?;
    let api_url = format!("{}://{address}", if options.is_public() { "https" } else { "http" });
    let (repository, tracked, path) = repository::open(options, &data, &api_url).await?;
    let sync = Sync::new(tracked.clone(), path, view.clone(), store.clone());
    let handle = sync.handle();
    handle.surround(Surroundings {
        entropy: entropy(&*kv, &data).await?,
        find: Some(lookup::find(view.clone())),
        known: Some(lookup::known(view.clone())),
        store: data.charts(),
    });
    handle.read_logs(logs::of_nodes(nodes.clone()));
    handle.bear_witness_in(witness(&tracked, &data)?);
    tasks.spawn(sync.run());

    let daemon = Daemon {
        pid: std::process::id(),
        api_url,
        repository_url: tracked.url,
        branch: tracked.branch,
        nodes_address: nodes_address.to_string(),
        demo: None,
    };
    let api = State {
        view,
        store,
        nodes,
        sync: handle.clone(),
        daemon: daemon.clone(),
        poke: repository.poke(),
        tokens: tokens.clone(),
        ca_digest: authority.digest(),
        fleet: Arc::default(),
        started_s: clock::now_s(),
    };
    let routes = api::router(api.clone()).merge(repository.routes(&data));
    listen::serve(api_listener, routes, options.is_public(), &authority, &data)?;
    repository.run(handle, &mut tasks);
    data.announce(&daemon)?;
    Ok(Running { daemon, data, api, authority, tokens, tasks, leader, services, is_v6, _claims: claims })
}

impl Running {
    /// What a fleet of nodes needs of this control plane.
    pub fn plane(&self) -> fleet::Plane {
        fleet::Plane {
            join: self.daemon.nodes_address.clone(),
            tokens: self.tokens.clone(),
            ca_digest: self.authority.digest(),
            view: self.api.view.clone(),
            services: self.services.clone(),
            is_v6: self.is_v6,
        }
    }

    /// A token with which a node may join once, soon.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn own_token(&self) -> Result<Token> {
        self.token(Some(clock::now_ms() / 1000 + OWN_TOKEN_S), Some(1)).await
    }

    /// A token with which nodes may join.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn token(&self, expires_unix_s: Option<u64>, uses: Option<u32>) -> Result<Token> {
        let token = Token::generate(self.authority.digest());
        self.tokens.add(&TokenRecord::new(&token, expires_unix_s, uses)).await?;
        Ok(token)
    }

    /// Waits until one of its loops ends: the control loop does when another control plane leads.
    pub async fn ended(&mut self) {
        // A panic of a loop ends the program, whose supervisor starts it again: without it nothing would be applied.
        if let Some(Err(error)) = self.tasks.join_next().await {
            tracing::error!(%error, "a loop of the control plane has ended");
        }
    }

    /// Stops serving, and waits until its loops have ended; containers go on running.
    pub async fn stop(mut self) {
        self.data.withdraw();
        self.api.nodes.stop();
        if let Some(leader) = &self.leader {
            leader.abort();
        }
        self.tasks.shutdown().await;
    }
}

/// Listens; the error names the flag that says where.
async fn listening(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = format!("stop what has that port, or give another {flag} ADDRESS:PORT");
        Lacking::error(format!("{address} cannot be listened on: {error}"), hint)
    })
}

/// Leads, with a shared store after whoever leads now; alone on a store of its own.
async fn lead(options: &Options, kv: &Arc<dyn Kv>) -> Result<(Option<Compare>, Option<JoinHandle<()>>)> {
    if options.store.is_none() {
        return Ok((None, None));
    }
    let candidate = Candidate {
        kv: kv.clone(),
        clock: Arc::new(masthead_store::clock::SystemClock::new()),
        key: format!("{OWN_ROOT}leader").into(),
        name: format!("{}:{}", nix::unistd::gethostname()?.to_string_lossy(), std::process::id()).into(),
        ttl_s: LEADER_LEASE_S,
    };
    tracing::info!("waiting to lead");
    let mut leadership: Leadership = candidate.campaign().await.context("electing a leader")?;
    let fence = leadership.fence().compare();
    let held = tokio::spawn(async move {
        let lost = leadership.hold().await;
        tracing::error!(?lost, "this control plane no longer leads");
        // Everything here was decided as the leader: start anew, behind the one that leads now.
        std::process::exit(75);
    });
    Ok((Some(fence), Some(held)))
}

/// The secret from which charts' random values are derived. The store has it for all control planes; a copy stays with the
/// data directory, so that a store that is lost takes no password with it.
async fn entropy(kv: &dyn Kv, data: &Data) -> Result<[u8; 32]> {
    let of =
        |bytes: &[u8]| <[u8; 32]>::try_from(bytes).context("the secret for charts' random values has another length");
    let (path, key) = (data.charts_secret(), format!("{OWN_ROOT}entropy"));
    let copy = match std::fs::read(&path) {
        Ok(bytes) => Some(of(&bytes).with_context(|| path.display().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let copy = match copy {
        // What the store has makes a copy that is broken good again.
        Some(Err(_)) if kv.get(key.clone().into()).await?.is_some() => None,
        copy => copy.transpose()?,
    };
    let secret: [u8; 32] = copy.unwrap_or_else(rand::random);
    let put = Op::put(key.clone(), secret.to_vec());
    // Whoever was faster has said it.
    kv.txn(Txn::of(vec![put]).when(Compare::absent(key.clone()))).await?;
    let found = kv.get(key.into()).await?.context("the store does not keep what it was given")?;
    let found = of(&found.value)?;
    if copy != Some(found) {
        write_private(&path, &found)?;
    }
    Ok(found)
}

/// The repository that bears witness of releases: the hosted one, or one for that alone.
fn witness(tracked: &Tracked, data: &Data) -> Result<PathBuf> {
    if tracked.hosted {
        return Ok(data.repository());
    }
    keep::ensure(&data.releases())?;
    Ok(data.releases())
}

/// When the store was made, in Unix seconds; this moment for a store that is new.
async fn born(kv: &dyn Kv) -> Result<i64> {
    let key = format!("{OWN_ROOT}born");
    if let Some(found) = kv.get(key.clone().into()).await? {
        return serde_json::from_slice(&found.value).context("reading when the store was made");
    }
    let now_s = clock::now_s();
    let put = Op::put(key.clone(), serde_json::to_vec(&now_s)?);
    // Whoever was faster has said it.
    kv.txn(Txn::of(vec![put]).when(Compare::absent(key))).await?;
    Ok(now_s)
}
