//! The node's manifests → a running Ingress: its sockets, its workers, its table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use masthead_wire::manifest::NodeManifest;
use masthead_wire::report;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::ingress::access::{To, Writer};
use crate::ingress::build::{Askers, Problem};
use crate::ingress::follow::Follower;
use crate::ingress::live::Live;
use crate::ingress::metrics::metrics;
use crate::ingress::opening::{Opening, Place, Taken};
use crate::ingress::options::Options;
use crate::ingress::tls;
use crate::ingress::worker::Common;
use crate::ingress::workers::{self, Listen, SOCKETS_MAX};

/// A running Ingress.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens, as far as it does. Nowhere before there is an Ingress of ours.
    pub listening: watch::Receiver<Vec<Place>>,
    /// What is wrong in the Ingresses, gateways and routes.
    pub problems: watch::Receiver<Vec<Problem>>,
    /// How many tables have been built.
    pub reloads: watch::Receiver<u64>,
    /// Ends after `stop`, when all connections have ended.
    pub task: JoinHandle<()>,
}

/// Starts the Ingress, which follows each manifest.
pub fn start(
    manifest: watch::Receiver<Option<Arc<NodeManifest>>>,
    options: Options,
    stop: CancellationToken,
) -> Handle {
    let (places, listening) = watch::channel(Vec::new());
    let (told, problems) = watch::channel(Vec::new());
    let (count, reloads) = watch::channel(0);
    let mut run = Run {
        options: Arc::new(options),
        live: Arc::default(),
        follower: Follower::default(),
        places: Arc::new(places),
        taken: Arc::default(),
        askers: Askers::default(),
        told,
        count,
        threads: Vec::new(),
        workers: Vec::new(),
        log: None,
        has_ingresses: false,
        open: BTreeMap::new(),
        stop: stop.clone(),
    };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = run.follow(manifest) => {}
            () = stop.cancelled() => {}
        }
        stop.cancelled().await;
        let (threads, log) = (run.threads, run.log);
        // They wait for connections that end; the runtime's own threads have other things to do.
        let join = move || {
            // Each of them is waited for: what it logs last has to be written.
            let broken = threads.into_iter().filter_map(|thread| thread.join().err()).count();
            log.into_iter().for_each(Writer::end);
            broken == 0
        };
        let joined = tokio::task::spawn_blocking(join).await;
        if !matches!(joined, Ok(true)) {
            tracing::error!("an Ingress worker broke");
        }
    });
    Handle { listening, problems, reloads, task }
}

struct Run {
    options: Arc<Options>,
    live: Arc<Live>,
    follower: Follower,
    places: Arc<watch::Sender<Vec<Place>>>,
    /// Ports that others have.
    taken: Arc<watch::Sender<Taken>>,
    /// Who asks for ports.
    askers: Askers,
    told: watch::Sender<Vec<Problem>>,
    count: watch::Sender<u64>,
    threads: Vec<std::thread::JoinHandle<()>>,
    workers: Vec<mpsc::Sender<Listen>>,
    log: Option<Writer>,
    /// There has been an Ingress: its ports stay open.
    has_ingresses: bool,
    /// Ports that are open, or on their way to be, with what closes them.
    open: BTreeMap<(u16, bool), CancellationToken>,
    stop: CancellationToken,
}

impl Run {
    async fn follow(&mut self, mut manifest: watch::Receiver<Option<Arc<NodeManifest>>>) {
        let mut taken = self.taken.subscribe();
        loop {
            let next = manifest.borrow_and_update().clone();
            if let Some(next) = next {
                self.take(&next);
                // Each request from now on finds its route in the new table.
                self.options.table.iter().for_each(|table| table.applied(next.generation, None));
                let gateways = self.of_gateways();
                self.has_ingresses |= !self.live.get().is_empty();
                if self.workers.is_empty() && (self.has_ingresses || !gateways.is_empty()) {
                    self.begin(&next);
                }
                if !self.workers.is_empty() {
                    self.listen(gateways);
                }
            }
            loop {
                self.tell_taken();
                tokio::select! {
                    changed = manifest.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    Ok(()) = taken.changed() => {}
                }
            }
        }
    }

    /// Tells at the Ingresses and gateways that another program has a port of theirs.
    fn tell_taken(&self) {
        let mut problems = Vec::new();
        for (place, why) in self.taken.borrow().iter() {
            let message = format!("can't listen at {place}, and goes on trying: {why}");
            let is_of_ingresses = [self.options.http_port, self.options.https_port].contains(&Some(place.port()));
            let ingresses = self.askers.ingresses.iter().filter(|_| is_of_ingresses).map(|id| ("Ingress", id));
            let gateways = self.askers.gateways.iter().filter(|(port, _)| *port == place.port());
            for (kind, id) in ingresses.chain(gateways.map(|(_, id)| ("Gateway", id))) {
                let problem = Problem { kind, ingress: id.clone(), reason: "PortInUse", message: message.clone() };
                problems.push(event(&problem));
            }
        }
        self.options.problems.set("ingress ports", problems);
    }

    /// Takes a manifest.
    fn take(&mut self, manifest: &Arc<NodeManifest>) {
        let Some(next) = self.follower.follow(manifest) else { return };
        for fault in &next.faults {
            tracing::warn!(fault, "part of the Ingresses and gateways is left out");
        }
        let built = next.built;
        metrics().iter().for_each(|m| {
            m.reloads.inc();
            m.routes.set(i64::try_from(built.table.hosts.len() + built.table.wildcards.len()).unwrap_or(i64::MAX));
        });
        self.live.set(built.table);
        self.askers = built.askers;
        self.options
            .problems
            .set("ingress", built.problems.iter().filter(|problem| problem.is_of_node()).map(event).collect());
        if *self.told.borrow() != built.problems {
            for Problem { kind, ingress, message, .. } in &built.problems {
                tracing::warn!(kind, namespace = ingress.0, name = ingress.1, message, "not served as it asks");
            }
            self.told.send_replace(built.problems);
        }
        self.count.send_modify(|count| *count += 1);
    }

    /// Ports of gateways, and whether TLS is spoken there.
    fn of_gateways(&self) -> BTreeMap<u16, bool> {
        let table = self.live.get();
        let ports = table.gateways.iter().flat_map(|gateways| &gateways.ports);
        ports.map(|(number, port)| (*number, port.is_tls)).collect()
    }

    /// Starts the workers.
    fn begin(&mut self, manifest: &NodeManifest) {
        // They count when there is something to serve, and not again while the agent runs.
        let mut options = Options::clone(&self.options);
        for fault in options.take(&manifest.content.setup.facts) {
            tracing::warn!(fault, "a setting of the Ingress is left as it was");
        }
        self.options = Arc::new(options);
        if let To::File(path) = &self.options.access_log {
            match Writer::start(path.clone()) {
                Ok(writer) => self.log = Some(writer),
                Err(error) => tracing::error!(%error, "the access log can't be written"),
            }
        }
        let open = Arc::default();
        for number in 0..self.options.workers.max(1) {
            let (give, sockets) = mpsc::channel(SOCKETS_MAX);
            let common = Common {
                options: self.options.clone(),
                live: self.live.clone(),
                open: Arc::clone(&open),
                log: self.log.as_ref().map(Writer::giver),
                stop: self.stop.child_token(),
            };
            match workers::start(number, common, sockets) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    tracing::error!(%error, "an Ingress worker can't start");
                    continue;
                }
            }
            self.workers.push(give);
        }
    }

    /// Opens ports that are wanted, and closes those of gateways that are wanted no more.
    fn listen(&mut self, gateways: BTreeMap<u16, bool>) {
        let own = [(self.options.http_port, false), (self.options.https_port, true)];
        let own = own.into_iter().filter_map(|(port, is_tls)| Some((port?, is_tls)));
        // Ports of Ingresses stay, for the next one. A port that the system chooses is not told apart by its number.
        let mut wanted: Vec<(u16, bool)> = if self.has_ingresses { own.collect() } else { Vec::new() };
        for (port, is_tls) in gateways {
            match wanted.iter().find(|(known, _)| *known == port) {
                Some((_, spoken)) if *spoken != is_tls => {
                    tracing::warn!(port, "a gateway and the Ingresses want the same port, one of them with TLS");
                }
                Some(_) => {}
                None => wanted.push((port, is_tls)),
            }
        }
        let gone: Vec<(u16, bool)> = self.open.keys().filter(|place| !wanted.contains(place)).copied().collect();
        for place in gone {
            if let Some(stop) = self.open.remove(&place) {
                tracing::info!(port = place.0, "a gateway's port is closed");
                stop.cancel();
                self.places.send_modify(|all| all.retain(|known| known.address.port() != place.0));
            }
        }
        for (port, is_tls) in wanted {
            if self.open.contains_key(&(port, is_tls)) {
                continue;
            }
            match self.tls(port, is_tls) {
                Ok(tls) => self.open_port(port, tls),
                Err(error) => tracing::error!(%error, port, "the port can't be opened"),
            }
        }
    }

    fn tls(&self, port: u16, is_tls: bool) -> Result<Option<TlsAcceptor>, tls::Error> {
        let is_shared = self.options.https_port == Some(port);
        let config = || tls::config(self.live.clone(), port, is_shared);
        is_tls.then(config).transpose().map(|config| config.map(|config| TlsAcceptor::from(Arc::new(config))))
    }

    fn open_port(&mut self, port: u16, tls: Option<TlsAcceptor>) {
        let stop = self.stop.child_token();
        for address in &self.options.addresses {
            let opening = Opening {
                place: SocketAddr::new(*address, port),
                tls: tls.clone(),
                workers: self.workers.clone(),
                places: self.places.clone(),
                taken: self.taken.clone(),
                stop: stop.clone(),
            };
            tokio::spawn(opening.run());
        }
        self.open.insert((port, tls.is_some()), stop);
    }
}

/// A problem as the control plane makes an Event of it.
fn event(problem: &Problem) -> report::Problem {
    let (namespace, name) = problem.ingress.clone();
    report::Problem {
        kind: problem.kind.into(),
        namespace,
        name,
        reason: problem.reason.into(),
        message: problem.message.clone(),
        component: if problem.kind == "Ingress" { "ingress-controller" } else { "gateway-controller" }.into(),
    }
}
