//! Pushes of real git to a running control plane without nodes: plans, refusals, outcomes, notes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use masthead::client::rest::{JSON, Rest};
use masthead::clock;
use masthead::daemon::options::Options;
use masthead::daemon::serve::{self, Running};
use masthead::sync::handle::{About, Trouble};
use masthead::sync::record::Outcome;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::CONFIG_MAP;
use masthead_plan::round::{self, Round};

/// A control plane over a temporary directory, and a clone of its repository.
pub struct Site {
    /// Holds everything.
    pub dir: tempfile::TempDir,
    /// The control plane.
    pub running: Running,
}

impl Site {
    /// Starts one.
    pub async fn start() -> Site {
        let site = Site::over(tempfile::tempdir().expect("a temporary directory")).await;
        site.git(&["init", "-q", "-b", "main", "clone"], ".");
        site.git(&["remote", "add", "origin", &site.running.daemon.repository_url], "clone");
        site
    }

    /// Starts one on what a directory has.
    pub async fn over(dir: tempfile::TempDir) -> Site {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options {
            program: PathBuf::from(env!("CARGO_BIN_EXE_masthead")),
            data: dir.path().join("data"),
            listen: "127.0.0.1:0".parse().expect("an address"),
            listen_nodes: "127.0.0.1:0".parse().expect("an address"),
            store: None,
            repo: None,
            branch: None,
            path: String::new(),
            pod_cidr: Vec::new(),
            service_cidr: Vec::new(),
            families: None,
            ingress: Default::default(),
            runs_pods: false,
        };
        let running = serve::serve(&options).await.expect("the control plane starts");
        Site { dir, running }
    }

    /// Writes a file of the clone.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.clone_dir().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    /// The clone's folder.
    pub fn clone_dir(&self) -> PathBuf {
        self.dir.path().join("clone")
    }

    /// Runs git below the temporary directory. What follows from a push is done when this comes back.
    pub fn git(&self, args: &[&str], folder: &str) -> Output {
        let output = git(&self.dir.path().join(folder), args);
        if args.first() == Some(&"push") {
            self.wait_for_rest();
        }
        output
    }

    /// Waits until no controller wants to write anything.
    fn wait_for_rest(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            let cluster = self.running.api.view.read().clone();
            let mut round = Round::default();
            round::decide(&cluster, &round::all_tasks(&cluster), &mut clock::context(), &mut round);
            if round.changes.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Commits everything and pushes it; returns whether it was taken, and what the pusher saw.
    pub fn push(&self, message: &str, extra: &[&str]) -> (bool, String) {
        self.git(&["add", "-A"], "clone");
        self.git(&["commit", "-q", "--allow-empty", "-m", message], "clone");
        let args = [&["push"][..], extra, &["origin", "HEAD:main"]].concat();
        let output = self.git(&args, "clone");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Runs git with a fixed identity and nothing of the user's configuration.
pub fn git(folder: &Path, args: &[&str]) -> Output {
    Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.test", "-c", "advice.detachedHead=false"])
        .args(args)
        .output()
        .expect("git runs")
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  color: blue\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_planned_applied_and_told() {
    let site = tokio::task::spawn_blocking(|| tokio::runtime::Handle::current().block_on(Site::start()))
        .await
        .expect("no panic");
    site.write("apps/settings.yaml", CONFIG);
    let (taken, said) = site.push("settings", &[]);
    println!("{said}");
    assert!(taken, "{said}");
    assert!(said.contains("remote:   + ConfigMap default/settings"), "{said}");
    assert!(said.contains("healthy after"), "{said}");

    site.write("apps/settings.yaml", &CONFIG.replace("blue", "red"));
    let (taken, said) = site.push("red", &[]);
    println!("{said}");
    assert!(taken && said.contains("data.color") && said.contains("+  color: red"), "{said}");

    site.write("apps/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Settings\ndatum: {}\n");
    site.write("apps/more.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n    - name: c\n      image: nignx\n      imagePulPolicy: Never\n");
    let (taken, said) = site.push("wrong", &[]);
    println!("{said}");
    assert!(!taken, "{said}");
    site.git(&["reset", "-q", "--hard", "HEAD~1"], "clone");

    std::fs::remove_file(site.clone_dir().join("apps/settings.yaml")).expect("a file");
    let (taken, said) = site.push("remove\n\nMasthead-Confirm: delete", &[]);
    println!("{said}");
    assert!(taken && said.contains("- ConfigMap default/settings"), "{said}");
    let notes = site.git(&["fetch", "-q", "origin", "refs/notes/masthead:refs/notes/masthead"], "clone");
    println!("{}", String::from_utf8_lossy(&notes.stderr));
    let log = site.git(&["log", "--notes=masthead", "--format=%s%n%N"], "clone");
    println!("{}", String::from_utf8_lossy(&log.stdout));
    site.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_finalizer_holds_is_waited_for_until_a_commit_lets_it_go() {
    let site = Site::start().await;
    site.write("other.yaml", &CONFIG.replace("settings", "other"));
    site.write("settings.yaml", &CONFIG.replace("settings\n", "settings\n  finalizers: [example.test/keep]\n"));
    assert!(site.push("held", &[]).0);
    std::fs::remove_file(site.clone_dir().join("settings.yaml")).expect("a file");
    let (taken, said) = site.push("remove", &["-o", "no-wait"]);
    assert!(taken && said.contains("- ConfigMap default/settings"), "{said}");

    let key = ObjectKey::new(CONFIG_MAP, "default", "settings");
    let live = || site.running.api.view.read().get(&key).cloned();
    let head = String::from_utf8_lossy(&site.git(&["rev-parse", "HEAD"], "clone").stdout).trim().to_owned();
    let outcome = || site.running.api.view.commit(&head).map(|record| record.outcome);
    let end = Instant::now() + Duration::from_secs(60);
    while outcome() != Some(Outcome::Progressing) && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(outcome(), Some(Outcome::Progressing), "it is not gone");
    assert!(live().is_some_and(|object| object.meta().deletion_timestamp.is_some()));

    site.write("settings.yaml", &CONFIG.replace("blue", "red"));
    let (taken, said) = site.push("let go", &[]);
    assert!(taken && said.contains("waits until the old ConfigMap default/settings is gone"), "{said}");
    assert!(said.contains("healthy after"), "{said}");
    let anew = live().expect("it is made anew");
    assert!(anew.meta().deletion_timestamp.is_none() && anew.value()["data"]["color"] == "red", "{:?}", anew.value());
    site.running.stop().await;
}

/// A status stream that nothing but the trouble can wake: no node beats here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_with_the_repository_shows_at_once_in_a_status_that_is_watched() {
    let site = Site::start().await;
    let rest = Rest::to(&site.running.daemon.api_url, Some(&site.dir.path().join("data"))).expect("a client");
    let mut lines = rest.stream("/apis/masthead.dev/v1/status?watch=true", JSON).await.expect("a stream");
    let mut until = async |wanted: Option<&str>| {
        let seen = async {
            loop {
                let status = lines.line().await.expect("a line").expect("the stream goes on");
                if status.pointer("/repository/trouble/why").and_then(|why| why.as_str()) == wanted {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), seen).await.unwrap_or_else(|_| panic!("never {wanted:?}"));
    };
    until(None).await;
    let sync = &site.running.api.sync;
    sync.set_trouble(About::Source, Some(Trouble { since_s: 1_700_000_000, why: "gone".to_owned() }));
    until(Some("gone")).await;
    sync.set_trouble(About::Source, None);
    until(None).await;
    site.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revert_is_judged_as_a_push_is_before_the_branch_moves() {
    let site = Site::start().await;
    let head = || {
        let branch = git(&site.dir.path().join("data/repo.git"), &["rev-parse", "refs/heads/main"]);
        String::from_utf8_lossy(&branch.stdout).trim().to_owned()
    };
    let revert = |commit: &str, extra: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_masthead"))
            .args(["revert", commit])
            .args(extra)
            .env("MASTHEAD_DATA", site.dir.path().join("data"))
            .output()
            .expect("masthead runs");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    let namespace = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n");
    site.write("settings.yaml", CONFIG);
    assert!(site.push("settings", &[]).0);
    site.write("space.yaml", &namespace("space"));
    let (taken, said) = site.push("a namespace", &[]);
    assert!(taken, "{said}");
    site.write("space.yaml", &namespace("other"));
    let (taken, said) = site.push("another\n\nMasthead-Confirm: delete", &[]);
    assert!(taken, "{said}");
    let with_other = head();
    // It would delete a namespace: the same words as for a push, and nothing moves.
    let (taken, said) = revert(&with_other, &[]);
    assert!(!taken && said.contains("Masthead-Confirm: delete") && said.contains("nothing changed"), "{said}");
    assert_eq!(head(), with_other, "the branch moved");
    assert_eq!(site.running.api.view.read().applied_commit(), Some(with_other.as_str()));
    assert!(site.running.api.sync.trouble().is_none());
    let (taken, said) = revert(&with_other, &["--confirm", "delete"]);
    assert!(taken && said.contains("healthy"), "{said}");
    assert_ne!(head(), with_other);
    site.running.stop().await;
}
