//! A random history of a repository: each commit as YAML, and the desired state that the source makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use masthead::source::tree;
use masthead_plan::context::Ids;
use masthead_plan::desired::{CommitFacts, Desired};

use super::jobs::Task;

/// A Deployment as a commit asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    pub replicas: u64,
    pub image: String,
    pub surge: String,
    pub unavailable: String,
    pub recreate: bool,
    pub min_ready_s: u64,
    pub paused: bool,
    pub history: u64,
    pub config: bool,
    pub probe: bool,
}

/// What a commit's tree holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// By namespace and name.
    pub apps: BTreeMap<(String, String), App>,
    /// The content of each app's ConfigMap.
    pub configs: BTreeMap<(String, String), u64>,
    /// Jobs, by namespace and name.
    pub tasks: BTreeMap<(String, String), Task>,
    pub namespaces: BTreeSet<String>,
}

pub struct Commit {
    pub tree: Tree,
    pub desired: Desired,
    pub what: String,
}

/// The watched branch; the last commit is its tip.
#[derive(Default)]
pub struct Git {
    pub commits: Vec<Commit>,
}

const NAMESPACES: [&str; 2] = ["default", "team"];
const NAMES: [&str; 2] = ["web", "db"];
/// Images that come up.
const GOOD: [&str; 4] = ["app:1", "app:2", "app:3", "app:4"];
/// Images that cannot be pulled, never get ready, or end at once.
const BAD: [&str; 3] = ["bad:1", "never:1", "crash:1"];

fn pick<T: Clone>(rng: &mut Ids, from: &[T]) -> T {
    from[rng.below(from.len() as u64) as usize].clone()
}

/// One in `n`.
fn chance(rng: &mut Ids, n: u64) -> bool {
    rng.below(n) == 0
}

impl App {
    fn new(rng: &mut Ids) -> App {
        let mut app = App {
            replicas: 1 + rng.below(4),
            image: pick(rng, &GOOD).to_owned(),
            surge: "25%".to_owned(),
            unavailable: "25%".to_owned(),
            recreate: chance(rng, 8),
            min_ready_s: pick(rng, &[0, 0, 3]),
            paused: false,
            history: pick(rng, &[10, 1, 0]),
            config: chance(rng, 3),
            probe: !chance(rng, 4),
        };
        app.strategy(rng);
        app
    }

    fn strategy(&mut self, rng: &mut Ids) {
        let counts = ["0", "1", "2", "25%", "50%", "100%"];
        self.surge = pick(rng, &counts).to_owned();
        self.unavailable = if self.surge == "0" { pick(rng, &counts[1..]) } else { pick(rng, &counts) }.to_owned();
    }

    fn yaml(&self, namespace: &str, name: &str) -> String {
        let mut text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             replicas: {}\n  minReadySeconds: {}\n  paused: {}\n  revisionHistoryLimit: {}\n  progressDeadlineSeconds: 60\n  \
             selector: {{matchLabels: {{app: {name}}}}}\n",
            self.replicas, self.min_ready_s, self.paused, self.history
        );
        if self.recreate {
            text.push_str("  strategy: {type: Recreate}\n");
        } else {
            let (surge, unavailable) = (&self.surge, &self.unavailable);
            let _ =
                writeln!(text, "  strategy: {{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}");
        }
        let _ = write!(
            text,
            "  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      terminationGracePeriodSeconds: 2\n      \
             containers:\n      - name: main\n        image: {}\n        imagePullPolicy: IfNotPresent\n",
            self.image
        );
        if self.probe {
            text.push_str("        readinessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}\n");
        }
        if self.config {
            let _ = writeln!(text, "        envFrom: [{{configMapRef: {{name: {name}}}}}]");
        }
        text
    }
}

impl Tree {
    fn file(&self) -> String {
        let mut text = String::new();
        for namespace in &self.namespaces {
            let _ = writeln!(text, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}");
        }
        for ((namespace, name), content) in &self.configs {
            let _ = writeln!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{a: \"{content}\"}}"
            );
        }
        for ((namespace, name), app) in &self.apps {
            let _ = writeln!(text, "---\n{}", app.yaml(namespace, name));
        }
        for ((namespace, name), task) in &self.tasks {
            let _ = writeln!(text, "---\n{}", task.yaml(namespace, name));
        }
        text
    }

    fn add(&mut self, rng: &mut Ids) -> String {
        let (namespace, name) = (pick(rng, &NAMESPACES).to_owned(), pick(rng, &NAMES).to_owned());
        if namespace != "default" {
            self.namespaces.insert(namespace.clone());
        }
        let key = (namespace, name);
        self.configs.insert(key.clone(), rng.below(9));
        let app = App::new(rng);
        let what = format!("{key:?} is {app:?}");
        self.apps.insert(key, app);
        what
    }

    /// Adds a job, or removes one; a job that is there stays as it is.
    fn task(&mut self, rng: &mut Ids) -> String {
        let namespace = if self.namespaces.contains("team") { pick(rng, &NAMESPACES) } else { NAMESPACES[0] };
        let key = (namespace.to_owned(), pick(rng, &["task", "load"]).to_owned());
        if self.tasks.remove(&key).is_some() {
            return format!("job {key:?} removed");
        }
        let task = Task::new(rng);
        let what = format!("job {key:?} is {task:?}");
        self.tasks.insert(key, task);
        what
    }

    /// Changes something; says what.
    fn change(&mut self, rng: &mut Ids, is_rough: bool) -> String {
        let keys: Vec<_> = self.apps.keys().cloned().collect();
        let choice = rng.below(16);
        if keys.is_empty() || choice >= 14 {
            return self.add(rng);
        }
        let key = pick(rng, &keys);
        if choice == 13 {
            self.apps.remove(&key);
            self.configs.remove(&key);
            return format!("{key:?} removed");
        }
        if choice == 12 && self.namespaces.remove("team") {
            self.apps.retain(|(namespace, _), _| namespace != "team");
            self.configs.retain(|(namespace, _), _| namespace != "team");
            self.tasks.retain(|(namespace, _), _| namespace != "team");
            return "the namespace removed".to_owned();
        }
        let app = self.apps.get_mut(&key).expect("a key of the map");
        let what = match choice {
            0..=5 => {
                app.image = if is_rough && chance(rng, 4) { pick(rng, &BAD) } else { pick(rng, &GOOD) }.to_owned();
                format!("image {}", app.image)
            }
            6..=8 => {
                app.replicas = rng.below(6);
                format!("{} replicas", app.replicas)
            }
            9 => {
                app.strategy(rng);
                app.recreate = chance(rng, 6);
                format!("surge {} unavailable {} recreate {}", app.surge, app.unavailable, app.recreate)
            }
            10 => {
                app.paused = !app.paused;
                format!("paused {}", app.paused)
            }
            _ => {
                self.configs.insert(key.clone(), rng.below(99));
                "its config".to_owned()
            }
        };
        format!("{key:?}: {what}")
    }
}

impl Git {
    /// Commits a random change of the tip, sometimes the return to an earlier tree.
    pub fn commit(&mut self, rng: &mut Ids, is_rough: bool, now_s: i64) {
        let count = self.commits.len();
        let (tree, what) = if count > 1 && chance(rng, 5) {
            let to = rng.below(count as u64 - 1) as usize;
            (self.commits[to].tree.clone(), format!("revert to {to}"))
        } else {
            let mut tree = self.commits.last().map(|c| c.tree.clone()).unwrap_or_default();
            let mut what = tree.change(rng, is_rough);
            for _ in 0..rng.below(2) {
                what = format!("{what}; {}", tree.change(rng, is_rough));
            }
            if chance(rng, 3) {
                what = format!("{what}; {}", tree.task(rng));
            }
            (tree, what)
        };
        self.push(rng, tree, what, now_s);
    }

    /// Commits a tree all of which can come up.
    pub fn last(&mut self, rng: &mut Ids, now_s: i64) {
        let mut tree = self.commits.last().map(|c| c.tree.clone()).unwrap_or_default();
        if tree.apps.is_empty() {
            tree.add(rng);
        }
        for app in tree.apps.values_mut() {
            app.paused = false;
            if !app.image.starts_with("app:") {
                app.image = pick(rng, &GOOD).to_owned();
            }
        }
        self.push(rng, tree, "the last".to_owned(), now_s);
    }

    fn push(&mut self, rng: &mut Ids, tree: Tree, what: String, now_s: i64) {
        let id = format!("{:08x}{:016x}{:016x}", self.commits.len(), rng.bits(), rng.bits());
        let path: Arc<str> = "all.yaml".into();
        let text = tree.file();
        let file = tree::file(&path, text.as_bytes());
        assert!(file.problems.is_empty(), "{:?} in\n{text}", file.problems);
        let objects = file.wanted.into_iter().map(|w| (w.object.key().clone(), w)).collect();
        let commit = CommitFacts { id, time_s: now_s, subject: what.clone(), ..CommitFacts::default() };
        self.commits.push(Commit { tree, desired: Desired { commit, objects, ..Desired::default() }, what });
    }

    /// The place of a commit in the history.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.commits.iter().position(|commit| commit.desired.commit.id == id)
    }
}
