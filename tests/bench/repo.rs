//! A repository of 10,000 objects → how long a cold start and one changed file take until the plan is there.
//!
//! `cargo bench --bench repo [-- OBJECTS [FILES]]`; 10,000 objects in 2,000 files unless told otherwise.
//! What the daemon logs at the end of each stage of a commit is timed; with `RUST_LOG` it is shown as well.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use git2::{Oid, Repository, Signature, Time};
use masthead::daemon::options::Options;
use masthead::daemon::serve;
use masthead::git::commit::CommitId;
use masthead::git::reader::Reader;
use masthead::sync::observe::{Observed, Source};
use masthead_api::change::Change;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Event;
use masthead_plan::cluster::view::{Applied, Cluster};
use masthead_plan::context::Context;
use masthead_plan::sync::entry::{Record, SyncPlan};
use masthead_plan::sync::plan::{Rules, plan};
use tracing::field::{Field, Visit};
use tracing::{Event as Logged, Subscriber};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Context as Layered, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Changed files whose times are taken.
const ROUNDS: usize = 50;

/// The stages from a ref's move to the plan in the store, by what is logged at the end of each.
const STAGES: [(&str, &str); 8] = [
    ("another tip", "the move is noticed"),
    ("taken up", "the sync has the tip"),
    ("listed", "the tree is listed"),
    ("rendered", "changed files are read and rendered"),
    ("read", "the desired state is put together"),
    ("planned", "the plan is made"),
    ("stored", "it is durable"),
    ("seen", "the view has it"),
];

/// When stages ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<(Instant, usize)>>>);

impl<S: Subscriber> Layer<S> for Ends {
    fn on_event(&self, event: &Logged<'_>, _: Layered<'_, S>) {
        struct Stage(Option<usize>);
        impl Visit for Stage {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    let said = format!("{value:?}");
                    self.0 = STAGES.iter().position(|(end, _)| *end == said);
                }
            }
        }
        let now = Instant::now();
        let mut stage = Stage(None);
        event.record(&mut stage);
        if let Some(stage) = stage.0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((now, stage));
        }
    }
}

impl Ends {
    /// How long each stage took since a moment; what was logged is forgotten.
    fn split(&self, began: Instant) -> Vec<Duration> {
        let ends = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut last = began;
        let took = |stage: usize| {
            let end = ends.iter().find(|(end, of)| *of == stage && *end >= last).map_or(last, |(end, _)| *end);
            end - std::mem::replace(&mut last, end)
        };
        (0..STAGES.len()).map(took).collect()
    }
}

fn main() -> Result<()> {
    let ends = Ends::default();
    let of_sync = |target: &str| target.starts_with("masthead::sync") || target.starts_with("masthead::git");
    let timed = ends.clone().with_filter(filter_fn(move |told| told.is_event() && of_sync(told.target())));
    let is_shown = std::env::var_os("RUST_LOG").is_some();
    let shown = is_shown.then(|| tracing_subscriber::fmt::layer().with_filter(EnvFilter::from_default_env()));
    tracing_subscriber::registry().with(timed).with(shown).init();
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench").map(|arg| arg.parse::<usize>());
    let objects = args.next().transpose()?.unwrap_or(10_000);
    let files = args.next().transpose()?.unwrap_or(2_000).clamp(1, objects);
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("repository");
    let mut bed = Bed::new(&path, objects, files)?;
    println!("{objects} objects in {files} files, {} KiB", bed.bytes / 1024);
    cold_and_warm(&mut bed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(daemon(&mut bed, &dir.path().join("data"), &ends))
}

/// A work tree of manifests; each round changes one file.
struct Bed {
    path: PathBuf,
    repository: Repository,
    tip: CommitId,
    round: usize,
    files: usize,
    per_file: usize,
    bytes: usize,
}

impl Bed {
    fn new(path: &Path, objects: usize, files: usize) -> Result<Bed> {
        let repository = Repository::init_bare(path)?;
        let per_file = objects.div_ceil(files);
        let mut bytes = 0;
        let mut index = git2::Index::new()?;
        for file in 0..files {
            let here = (file * per_file..objects.min((file + 1) * per_file)).map(|i| manifest(i, 0));
            let text = here.collect::<Vec<_>>().join("---\n");
            bytes += text.len();
            index.add(&entry(&name(file), repository.blob(text.as_bytes())?))?;
        }
        let tree = index.write_tree_to(&repository)?;
        let tip = commit(&repository, tree, None)?;
        Ok(Bed { path: path.to_owned(), repository, tip, round: 0, files, per_file, bytes })
    }

    /// Commits one changed file.
    fn change(&mut self) -> Result<CommitId> {
        self.round += 1;
        let file = self.round * 37 % self.files;
        let text =
            (file * self.per_file..(file + 1) * self.per_file).map(|i| manifest(i, self.round)).collect::<Vec<_>>();
        let tip = self.repository.find_commit(self.tip.to_string().parse::<Oid>()?)?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        update.upsert(name(file), self.repository.blob(text.join("---\n").as_bytes())?, git2::FileMode::Blob);
        let tree = update.create_updated(&self.repository, &tip.tree()?)?;
        self.tip = commit(&self.repository, tree, Some(&tip))?;
        Ok(self.tip)
    }
}

fn name(file: usize) -> String {
    format!("teams/team-{}/file-{file}.yaml", file % 50)
}

fn entry(path: &str, id: Oid) -> git2::IndexEntry {
    let zero = git2::IndexTime::new(0, 0);
    git2::IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

/// A commit that no ref names yet.
fn commit(repository: &Repository, tree: Oid, parent: Option<&git2::Commit<'_>>) -> Result<CommitId> {
    let who = Signature::new("Bench", "bench@example.test", &Time::new(1_700_000_000, 0))?;
    let parents: Vec<&git2::Commit<'_>> = parent.into_iter().collect();
    let id = repository.commit(None, &who, &who, "bench", &repository.find_tree(tree)?, &parents)?;
    Ok(id.to_string().parse()?)
}

/// The i-th object: of ten, five ConfigMaps, three Services and two Deployments that ask for no pod.
fn manifest(i: usize, round: usize) -> String {
    match i % 10 {
        0..5 => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{i}\n  labels: {{app: a{i}}}\ndata:\n  round: \"{round}\"\n  text: |\n    one line\n    another line\n"
        ),
        5..8 => format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{i}\n  labels: {{app: a{i}, round: r{round}}}\nspec:\n  selector: {{app: a{i}}}\n  ports:\n    - {{name: http, port: 80, targetPort: 8080}}\n"
        ),
        _ => format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d{i}\n  labels: {{app: a{i}}}\nspec:\n  replicas: 0\n  selector:\n    matchLabels: {{app: a{i}}}\n  template:\n    metadata:\n      labels: {{app: a{i}}}\n    spec:\n      containers:\n        - name: app\n          image: app:v{round}\n          ports: [{{containerPort: 8080}}]\n          readinessProbe: {{httpGet: {{path: /ready, port: 8080}}}}\n          resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}\n"
        ),
    }
}

fn planned(observed: &Observed, cluster: &Cluster) -> Result<SyncPlan> {
    let (made, problems) = plan(&observed.desired, cluster, Rules::default(), &mut Context::new(1_700_000_000, 7));
    anyhow::ensure!(problems.is_empty(), "{problems:?}");
    Ok(made)
}

/// Does what a plan says, as the store would.
fn apply(cluster: &mut Cluster, made: &SyncPlan) {
    for entry in &made.entries {
        for change in &entry.changes {
            if let Change::Create { object, .. } | Change::Update { object, .. } = change {
                let revision = cluster.revision() + 1;
                cluster.apply(Event::Put(Arc::new(Object::clone(object).at(revision))));
            }
        }
        if let Record::Set(wanted) = &entry.record {
            let applied = Applied {
                commit: made.commit.id.clone(),
                origin: wanted.origin.clone(),
                desired: wanted.object.clone(),
            };
            cluster.set_applied(entry.key.clone(), Some(applied));
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The middle and the largest of some times.
fn told(mut times: Vec<Duration>) -> String {
    times.sort();
    let last = times.len().saturating_sub(1);
    format!("median {:.1} ms, worst {:.1} ms", ms(times[last / 2]), ms(times[last]))
}

/// The code that production runs, without daemon and store.
fn cold_and_warm(bed: &mut Bed) -> Result<()> {
    let source = Source::default();
    let began = Instant::now();
    let observed = source.observe(&Reader::open(&bed.path)?, bed.tip)?;
    let read = began.elapsed();
    let mut cluster = Cluster::default();
    let first = planned(&observed, &cluster)?;
    println!(
        "cold: read, render, validate {:.0} ms, plan {:.0} ms, together {:.0} ms (at most 1500)",
        ms(read),
        ms(began.elapsed() - read),
        ms(began.elapsed())
    );
    apply(&mut cluster, &first);
    let (mut reads, mut plans, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let tip = bed.change()?;
        let began = Instant::now();
        let observed = source.observe(&Reader::open(&bed.path)?, tip)?;
        let read = began.elapsed();
        let made = planned(&observed, &cluster)?;
        both.push(began.elapsed());
        reads.push(read);
        plans.push(began.elapsed() - read);
        anyhow::ensure!(!made.is_empty() && made.entries.len() <= bed.per_file, "{} entries", made.entries.len());
        apply(&mut cluster, &made);
    }
    println!("one changed file: read {}", told(reads));
    println!("one changed file: plan that looks at everything {}", told(plans));
    println!("one changed file: together {} (at most 20)", told(both));
    Ok(())
}

/// The same through a running control plane that hosts the repository: from the ref's move to the plan in the store.
async fn daemon(bed: &mut Bed, data: &Path, ends: &Ends) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hosted = data.join("repo.git");
    let address: std::net::SocketAddr = "127.0.0.1:0".parse()?;
    let running = serve::serve(&Options {
        program: std::env::current_exe()?,
        data: data.to_owned(),
        listen: address,
        listen_nodes: address,
        store: None,
        repo: None,
        branch: None,
        path: String::new(),
        pod_cidr: Vec::new(),
        service_cidr: Vec::new(),
        families: None,
        ingress: Default::default(),
        runs_pods: false,
    })
    .await?;
    // Both share their objects, so that a commit is there before its ref moves.
    std::fs::write(hosted.join("objects/info/alternates"), format!("{}\n", bed.path.join("objects").display()))?;
    let repository = Repository::open_bare(&hosted)?;
    let view = running.api.view.clone();
    let (mut times, mut splits) = (Vec::new(), vec![Vec::new(); STAGES.len()]);
    for round in 0..=ROUNDS {
        let tip = if round == 0 { bed.tip } else { bed.change()? };
        tracing::debug!(round, "the ref moves");
        let id = tip.to_string();
        let mut revisions = view.subscribe();
        let began = Instant::now();
        repository.reference("refs/heads/main", id.parse()?, true, "bench").context("moving the ref")?;
        while view.read().applied_commit() != Some(id.as_str()) {
            revisions.changed().await?;
        }
        // This task may be woken later than that.
        let split = ends.split(began);
        let took = split.iter().sum();
        tracing::debug!(round, took_ms = ms(took), "the plan is stored");
        match round {
            0 => println!("daemon: the first commit's plan is stored after {:.0} ms", ms(took)),
            _ => times.push(took),
        }
        if round == 1 {
            println!("daemon: one changed file right after it: {:.1} ms", ms(took));
            for ((_, what), took) in STAGES.iter().zip(&split) {
                println!("    {what}: {:.1} ms", ms(*took));
            }
        }
        if round > 0 {
            splits.iter_mut().zip(split).for_each(|(of, took)| of.push(took));
        }
        // At rest before the next one.
        while view.commit(&id).is_none_or(|record| !record.outcome.is_final()) {
            revisions.changed().await?;
        }
    }
    println!("daemon: one changed file, from the ref's move to the stored plan: {} (at most 20)", told(times));
    for ((_, what), times) in STAGES.iter().zip(splits) {
        println!("    {what}: {}", told(times));
    }
    running.stop().await;
    Ok(())
}
