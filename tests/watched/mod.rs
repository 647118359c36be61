//! Repositories of somebody else's on this machine, watched by a running control plane: what is applied stays whatever
//! happens to them, the trouble says since when and why, and what is mended goes on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use masthead::daemon::options::Options;
use masthead::daemon::serve::{self, Running};

use crate::push::git;

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(120);

/// A repository with a work tree, and a control plane that watches it or its bare copy.
struct Watched {
    dir: tempfile::TempDir,
    running: Option<Running>,
    /// No trouble is older than the test.
    began_s: i64,
}

fn config(name: &str, color: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  color: {color}\n")
}

impl Watched {
    fn new() -> Watched {
        let began_s = masthead::clock::now_s();
        let watched = Watched { dir: tempfile::tempdir().expect("a temporary directory"), running: None, began_s };
        watched.run(&["init", "-q", "-b", "main", "work"], ".");
        watched.run(&["config", "gc.auto", "0"], "work");
        watched
    }

    fn run(&self, args: &[&str], folder: &str) -> String {
        let output = git(&self.dir.path().join(folder), args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path("work").join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn commit(&self, message: &str) -> String {
        self.run(&["add", "-A"], "work");
        self.run(&["commit", "-q", "--allow-empty", "-m", message], "work");
        self.run(&["rev-parse", "HEAD"], "work")
    }

    /// Writes a ConfigMap of this colour and commits it.
    fn color(&self, color: &str) -> String {
        self.write("apps/settings.yaml", &config("settings", color));
        self.commit(color)
    }

    async fn watch(&mut self, repo: &Path, branch: Option<&str>, path: &str) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_masthead")),
            data: self.path("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            listen_nodes: "127.0.0.1:0".parse().expect("an address"),
            store: None,
            repo: Some(repo.display().to_string()),
            branch: branch.map(str::to_owned),
            path: path.to_owned(),
            pod_cidr: Vec::new(),
            service_cidr: Vec::new(),
            families: None,
            ingress: Default::default(),
            runs_pods: false,
        };
        self.running = Some(serve::serve(&options).await.expect("the control plane starts"));
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// The colour that is applied.
    fn applied(&self) -> Option<String> {
        let cluster = self.running().api.view.read();
        let object = cluster.objects().find(|object| object.key().to_string() == "ConfigMap default/settings")?;
        object.value().pointer("/data/color").and_then(|c| c.as_str()).map(str::to_owned)
    }

    fn trouble(&self) -> Option<String> {
        self.running().api.sync.trouble().map(|trouble| trouble.why)
    }

    /// Waits until a colour is applied and nothing is in trouble; tells how long it took.
    async fn until_applied(&self, color: &str) -> Duration {
        let began = Instant::now();
        self.until(&format!("{color} to be applied"), || {
            self.applied().as_deref() == Some(color) && self.trouble().is_none()
        })
        .await;
        began.elapsed()
    }

    /// Waits for a trouble with these words, while a colour stays applied.
    async fn until_trouble(&self, words: &str, color: Option<&str>) {
        self.until(&format!("trouble {words:?}"), || self.trouble().is_some_and(|why| why.contains(words))).await;
        let trouble = self.running().api.sync.trouble().expect("trouble");
        assert!((self.began_s..=masthead::clock::now_s()).contains(&trouble.since_s), "since {trouble:?}");
        assert_eq!(self.applied().as_deref(), color, "what is applied stays");
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(
                began.elapsed() < SOON,
                "waited for {what}; applied {:?}, trouble {:?}",
                self.applied(),
                self.trouble()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Removes the work tree, of which a copy is kept.
    fn remove(&self) {
        std::fs::rename(self.path("work"), self.path("moving")).expect("it moves");
        let copied =
            std::process::Command::new("cp").args(["-r", "moving", "away"]).current_dir(self.dir.path()).status();
        assert!(copied.is_ok_and(|status| status.success()), "cp -r");
        std::fs::remove_dir_all(self.path("moving")).expect("it goes");
    }

    async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_in_a_work_tree_are_seen() {
    let mut site = Watched::new();
    site.color("blue");
    site.watch(&site.path("work"), None, "").await;
    site.until_applied("blue").await;
    site.color("red");
    let took = site.until_applied("red").await;
    println!("a commit in a work tree is applied after {took:?}");
    // Files that are not committed are nothing.
    site.write("apps/settings.yaml", &config("settings", "dirty"));
    site.run(&["pack-refs", "--all"], "work");
    site.run(&["gc", "-q"], "work");
    site.color("green");
    site.until_applied("green").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_repository_is_watched() {
    let mut site = Watched::new();
    site.color("blue");
    site.run(&["clone", "-q", "--bare", "work", "bare.git"], ".");
    site.run(&["pack-refs", "--all"], "bare.git");
    site.watch(&site.path("bare.git"), Some("main"), "").await;
    site.until_applied("blue").await;
    site.color("red");
    site.run(&["push", "-q", "../bare.git", "HEAD:main"], "work");
    let took = site.until_applied("red").await;
    println!("a push to a bare repository is applied after {took:?}");
    site.run(&["pack-refs", "--all"], "bare.git");
    site.color("green");
    site.run(&["push", "-q", "../bare.git", "HEAD:main"], "work");
    site.until_applied("green").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_is_gone_for_a_while_deletes_nothing() {
    let mut site = Watched::new();
    site.color("blue");
    site.watch(&site.path("work"), None, "").await;
    site.until_applied("blue").await;
    site.remove();
    site.until_trouble("is not there", Some("blue")).await;
    std::fs::create_dir(site.path("work")).expect("an empty folder");
    site.until_trouble("repository", Some("blue")).await;
    std::fs::remove_dir(site.path("work")).expect("an empty folder");
    std::fs::rename(site.path("away"), site.path("work")).expect("it comes back");
    site.until_applied("blue").await;
    site.color("red");
    site.until_applied("red").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrite_is_held_until_it_is_confirmed() {
    let mut site = Watched::new();
    site.color("grey");
    site.color("blue");
    site.watch(&site.path("work"), None, "").await;
    site.until_applied("blue").await;
    site.run(&["reset", "-q", "--hard", "HEAD~1"], "work");
    let red = site.color("red");
    site.until_trouble(&format!("..{}; what is applied stays", &red[..10]), Some("blue")).await;
    // A commit on top of the rewritten history does not make it good, nor does a repository that comes and goes.
    let green = site.color("green");
    site.until_trouble(&format!("..{}; what is applied stays", &green[..10]), Some("blue")).await;
    site.remove();
    site.until_trouble("is not there", Some("blue")).await;
    std::fs::rename(site.path("away"), site.path("work")).expect("it comes back");
    site.until_trouble(&format!("..{}; what is applied stays", &green[..10]), Some("blue")).await;
    site.commit("meant\n\nMasthead-Confirm: rewrite");
    site.until_applied("green").await;
    site.color("white");
    site.until_applied("white").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unrelated_history_is_held_until_it_is_confirmed() {
    let mut site = Watched::new();
    site.color("blue");
    site.watch(&site.path("work"), None, "").await;
    site.until_applied("blue").await;
    site.run(&["checkout", "-q", "--orphan", "other"], "work");
    site.color("red");
    site.run(&["branch", "-q", "-f", "main", "HEAD"], "work");
    site.run(&["checkout", "-q", "main"], "work");
    site.until_trouble("shares no history with", Some("blue")).await;
    site.commit("meant\n\nMasthead-Confirm: rewrite");
    site.until_applied("red").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_tree_a_bad_tree_and_a_missing_branch_delete_nothing() {
    let mut site = Watched::new();
    site.color("blue");
    site.watch(&site.path("work"), Some("main"), "").await;
    site.until_applied("blue").await;
    site.run(&["rm", "-q", "-r", "apps"], "work");
    site.commit("nothing is left");
    site.until_trouble("empty tree is never applied", Some("blue")).await;
    site.write("README.md", "hello\n");
    site.commit("no manifest is left");
    site.until_trouble("asks for nothing at all", Some("blue")).await;
    site.color("red");
    site.until_applied("red").await;
    site.write("apps/bad.yaml", "apiVersion: v1\nkind: ConfigMop\nmetadata:\n  name: x\n");
    site.write("apps/settings.yaml", &config("settings", "never"));
    site.commit("bad");
    site.until_trouble("apps/bad.yaml:2: ConfigMop/x: kind: ", Some("red")).await;
    std::fs::remove_file(site.path("work/apps/bad.yaml")).expect("a file");
    site.color("green");
    site.until_applied("green").await;
    site.run(&["branch", "-q", "-m", "main", "trunk"], "work");
    site.until_trouble("has no branch main", Some("green")).await;
    site.run(&["branch", "-q", "-m", "trunk", "main"], "work");
    site.until_applied("green").await;
    site.color("white");
    site.until_applied("white").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_branch_and_the_folder_that_are_named_count() {
    let mut site = Watched::new();
    site.write("apps/settings.yaml", "this is not looked at\n");
    site.write("prod/settings.yaml", &config("settings", "blue"));
    site.commit("first");
    site.run(&["checkout", "-q", "-b", "live"], "work");
    site.watch(&site.path("work"), Some("live"), "prod").await;
    site.until_applied("blue").await;
    site.run(&["checkout", "-q", "main"], "work");
    site.write("prod/settings.yaml", &config("settings", "main"));
    site.commit("on main");
    site.run(&["checkout", "-q", "live"], "work");
    site.run(&["mv", "prod", "other"], "work");
    site.commit("the folder is gone");
    site.until_trouble("folder prod", Some("blue")).await;
    site.run(&["mv", "other", "prod"], "work");
    site.write("prod/settings.yaml", &config("settings", "red"));
    site.commit("the folder is back");
    site.until_applied("red").await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_is_not_there_yet_is_waited_for() {
    let mut site = Watched::new();
    site.watch(&site.path("later"), Some("main"), "").await;
    site.until_trouble("is not there", None).await;
    site.color("blue");
    std::fs::rename(site.path("work"), site.path("later")).expect("it comes");
    site.until_applied("blue").await;
    site.stop().await;
}
