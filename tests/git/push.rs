//! Pushes over smart HTTP through the real hooks to a receiver, and what the pusher sees.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use masthead::git::entry::Limits;
use masthead::git::hosted::{self, HookCommand};
use masthead::git::http::{self, Options, Pusher};
use masthead::git::protocol::Push;
use masthead::git::receive::{self, HookSocket, Lines, Receiver, Verdict};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Notify;

use super::support::{SOON, Work, attempt, git, noise, run, stderr};

/// Refuses a push that holds `bad.yaml`; remembers what it saw.
#[derive(Default)]
struct Fake {
    seen: Mutex<Vec<(String, Push)>>,
    viewed: Notify,
    finished: Notify,
}

impl Receiver for Fake {
    fn pre_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            let reader = receive::open(&push).expect("the quarantine is readable");
            let mut verdict = Verdict::Accept;
            for new in push.updates.iter().filter_map(|u| u.new) {
                let snapshot = reader.snapshot(new, "", &Limits::default(), None).expect("snapshot");
                let entries: Vec<_> = snapshot.manifests().collect();
                for (entry, bytes) in reader.read(&entries, &Limits::default()).expect("bytes").files {
                    if &*entry.path == "bad.yaml" {
                        lines.send(&format!("bad.yaml:1: {} \x1b[31mis wrong", String::from_utf8_lossy(&bytes))).await;
                        lines.send("second.yaml:2: also wrong\nthird.yaml:3: too").await;
                        verdict = Verdict::Refuse;
                    }
                }
            }
            self.seen.lock().expect("lock").push(("pre".into(), push));
            verdict
        })
    }

    fn post_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let wait = push.has_option("slow");
            self.seen.lock().expect("lock").push(("post".into(), push));
            lines.send("rolling out 1/2").await;
            self.viewed.notify_one();
            if wait {
                // That the view is gone is noticed here; the work goes on.
                lines.closed().await;
            }
            lines.send("healthy").await;
            self.finished.notify_one();
        })
    }
}

struct Host {
    work: Work,
    bare: PathBuf,
    url: String,
    fake: Arc<Fake>,
    daemon: tokio::task::JoinHandle<()>,
}

fn hook() -> HookCommand {
    HookCommand { program: env!("CARGO_BIN_EXE_masthead").into(), args: vec!["hook".into()] }
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

impl Host {
    async fn new(change: impl FnOnce(&mut Options)) -> Self {
        let work = Work::new();
        // A name that breaks careless quoting.
        let data = work.dir.path().join("it's $(data)");
        std::fs::create_dir(&data).expect("dir");
        let (bare, socket) = (data.join("repo.git"), data.join("hook.sock"));
        hosted::ensure(&bare, "main", &hook(), &socket).expect("hosted");
        let fake = Arc::new(Fake::default());
        let bound = HookSocket::bind(&socket).expect("bind");
        let receiver: Arc<dyn Receiver> = fake.clone();
        let daemon = tokio::spawn(async move { drop(bound.serve(receiver).await) });
        let mut options = Options::new("repo", &bare);
        change(&mut options);
        let layer =
            axum::middleware::from_fn(|mut request: axum::extract::Request, next: axum::middleware::Next| async {
                request.extensions_mut().insert(Pusher("ada".into()));
                next.run(request).await
            });
        let url = format!("{}/repo.git", serve(http::router(options).layer(layer)).await);
        run(&work.path, &["remote", "add", "origin", &url]);
        Self { work, bare, url, fake, daemon }
    }

    async fn push(&self, args: &[&str]) -> std::process::Output {
        let (path, args) = (self.work.path.clone(), args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let work = tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = ["push"].into_iter().chain(args.iter().map(String::as_str)).collect();
            attempt(&path, &args)
        });
        tokio::time::timeout(SOON, work).await.expect("the push ends").expect("push")
    }

    fn seen(&self) -> Vec<(String, Push)> {
        self.fake.seen.lock().expect("lock").clone()
    }

    fn tip(&self) -> Option<String> {
        let out = attempt(&self.bare, &["rev-parse", "-q", "--verify", "refs/heads/main"]);
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_pushes_show_their_progress() {
    let host = Host::new(|_| {}).await;
    let commit = host.work.write("a.yaml", "a").commit("first");
    let out = host.push(&["-o", "no-wait", "-o", "x=\x1b y", "origin", "main"]).await;
    let text = stderr(&out);
    assert!(out.status.success(), "{text}");
    assert!(text.contains("remote: rolling out 1/2") && text.contains("remote: healthy"), "{text}");
    assert_eq!(host.tip(), Some(commit.to_string()));
    let seen = host.seen();
    let [(first, pre), (second, post)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("pre", "post"));
    assert_eq!(pre.options, ["no-wait", "x=\x1b y"]);
    assert_eq!(pre.pusher.as_deref(), Some("ada"));
    assert_eq!(
        pre.updates.iter().map(|u| (u.branch(), u.old, u.new)).collect::<Vec<_>>(),
        [(Some("main"), None, Some(commit))]
    );
    assert_eq!(pre.quarantine.len(), 1);
    assert!(post.quarantine.is_empty());
    // What was pushed can be cloned again, and a shallow clone works too (protocol version 2).
    let (dir, url) = (host.work.dir.path().to_owned(), host.url.clone());
    tokio::task::spawn_blocking(move || run(&dir, &["clone", "-q", "--depth=1", &url, "copy"])).await.expect("clone");
    assert_eq!(std::fs::read_to_string(host.work.dir.path().join("copy/a.yaml")).expect("file"), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_pushes_say_why_and_change_nothing() {
    let host = Host::new(|_| {}).await;
    let good = host.work.write("a.yaml", "a").commit("good");
    assert!(host.push(&["origin", "main"]).await.status.success());
    let bad = host.work.write("bad.yaml", "contents").commit("bad");
    let out = host.push(&["origin", "main", "main:other"]).await;
    let text = stderr(&out);
    assert!(!out.status.success());
    for line in [
        "remote: bad.yaml:1: contents \\x1b[31mis wrong",
        "remote: second.yaml:2: also wrong",
        "remote: third.yaml:3: too",
        "pre-receive hook declined",
    ] {
        assert!(text.contains(line), "{line} is not in: {text}");
    }
    assert_eq!(host.tip(), Some(good.to_string()));
    let missing = attempt(&host.bare, &["cat-file", "-e", &bad.to_string()]);
    assert!(!missing.status.success(), "a refused commit leaves no object");
    assert_eq!(host.seen().last().map(|(kind, push)| (kind.clone(), push.updates.len())), Some(("pre".into(), 2)));
    // Deleting a branch is an update without a new commit.
    host.work.write("bad.yaml", "x");
    run(&host.work.path, &["reset", "-q", "--hard", &good.to_string()]);
    assert!(host.push(&["origin", "main:other"]).await.status.success());
    assert!(host.push(&["origin", ":other"]).await.status.success());
    assert_eq!(host.seen().last().map(|(_, push)| push.updates[0].new), Some(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_stream_while_the_rollout_runs_and_going_away_loses_only_the_view() {
    let host = Host::new(|_| {}).await;
    let commit = host.work.write("a.yaml", "a").commit("first");
    let mut command = tokio::process::Command::from({
        let mut command = git(&host.work.path);
        command.args(["push", "-o", "slow", "origin", "main"]);
        command
    });
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("push");
    let mut text = Vec::new();
    let mut err = child.stderr.take().expect("stderr");
    let seen = tokio::time::timeout(SOON, async {
        while !String::from_utf8_lossy(&text).contains("rolling out 1/2") {
            assert!(err.read_buf(&mut text).await.expect("read") > 0, "{}", String::from_utf8_lossy(&text));
        }
    });
    seen.await.expect("the first line comes before the rollout ends");
    // As Ctrl-C, which a script may have made to be ignored, this reaches the whole group: git and its HTTP helper.
    let group = nix::unistd::Pid::from_raw(child.id().expect("running").try_into().expect("small"));
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM).expect("the end");
    child.wait().await.expect("ended");
    tokio::time::timeout(SOON, host.fake.finished.notified()).await.expect("the receiver's work goes on");
    assert_eq!(host.tip(), Some(commit.to_string()));
    // And the next push works: no lock is left.
    host.work.write("a.yaml", "b").commit("second");
    let out = host.push(&["origin", "main"]).await;
    assert!(out.status.success(), "{}", stderr(&out));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_a_push_is_refused_clearly() {
    let host = Host::new(|_| {}).await;
    host.work.write("a.yaml", "a").commit("first");
    host.daemon.abort();
    while !host.daemon.is_finished() {
        tokio::task::yield_now().await;
    }
    let out = host.push(&["origin", "main"]).await;
    let text = stderr(&out);
    assert!(!out.status.success());
    assert!(
        text.contains("remote: push refused, nothing changed: the control plane does not answer")
            && text.contains("masthead up"),
        "{text}"
    );
    assert_eq!(host.tip(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_smart_protocol_is_served_and_within_bounds() {
    let host = Host::new(|o| o.body_bytes_max = 200_000).await;
    host.work.write("a.yaml", "a").commit("first");
    assert!(host.push(&["origin", "main"]).await.status.success());
    let address = host.url.strip_prefix("http://").and_then(|u| u.split_once('/')).expect("url").0.to_owned();
    let ask = async |request: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connect");
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut line = String::new();
        let read = tokio::time::timeout(SOON, BufReader::new(stream).read_line(&mut line)).await;
        read.expect("an answer").expect("read");
        line
    };
    for (path, status) in [
        ("/repo.git/HEAD", "404"),
        ("/repo.git/config", "404"),
        ("/repo.git/objects/info/packs", "404"),
        ("/repo.git/info/refs", "403"),
        ("/repo.git/info/refs?service=git-evil", "403"),
        ("/repo.git/../repo.git/HEAD", "404"),
        ("/other.git/info/refs?service=git-upload-pack", "404"),
        ("/repo.git/info/refs?service=git-upload-pack", "200"),
    ] {
        let line = ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(line.contains(status), "{path}: {line}");
    }
    let post = "POST /repo.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\n";
    let line = ask(&format!("{post}Content-Length: 300000\r\n\r\n")).await;
    assert!(line.contains("413"), "{line}");
    // Served a second time with less patience, which no push of this test needs.
    let mut hasty = Options::new("repo", &host.bare);
    hasty.idle_s = 1;
    let address = serve(http::router(hasty)).await.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connect");
    stream.write_all(format!("{post}Content-Length: 1000\r\n\r\n0000").as_bytes()).await.expect("write");
    let mut line = String::new();
    let read = tokio::time::timeout(SOON, BufReader::new(stream).read_line(&mut line)).await;
    read.expect("a stalled body is given up").expect("read");
    assert!(line.contains("408") || line.contains("200"), "{line}");
    // A pack over the limit, without a length known before.
    host.work.write("noise.txt", &noise(400_000)).commit("large");
    let out = host.push(&["origin", "main"]).await;
    assert!(!out.status.success(), "{}", stderr(&out));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backends_at_once_are_bounded_and_end_with_their_clients() {
    let host = Host::new(|o| o.backends_max = 1).await;
    host.work.write("a.yaml", "a").commit("first");
    let address = host.url.strip_prefix("http://").and_then(|u| u.split_once('/')).expect("url").0.to_owned();
    let mut hanging = tokio::net::TcpStream::connect(&address).await.expect("connect");
    let post = "POST /repo.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 100\r\n\r\n";
    hanging.write_all(post.as_bytes()).await.expect("write");
    let busy = async {
        while host.push(&["origin", "main"]).await.status.success() {
            run(&host.work.path, &["commit", "-q", "--allow-empty", "-m", "again"]);
        }
    };
    tokio::time::timeout(SOON, busy).await.expect("one backend at once");
    drop(hanging);
    let free = async {
        while !host.push(&["origin", "main"]).await.status.success() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, free).await.expect("the slot comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_repository_is_brought_up_to_date_at_each_start() {
    let host = Host::new(|_| {}).await;
    let commit = host.work.write("a.yaml", "a").commit("first");
    assert!(host.push(&["origin", "main"]).await.status.success());
    std::fs::write(host.bare.join("hooks/pre-receive"), "#!/bin/sh\nexit 0\n").expect("tamper");
    let lock = host.bare.join("refs/heads/main.lock");
    std::fs::write(&lock, "").expect("lock");
    std::fs::File::options()
        .write(true)
        .open(&lock)
        .and_then(|f| f.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)))
        .expect("old");
    let socket = host.bare.with_file_name("hook.sock");
    hosted::ensure(&host.bare, "main", &hook(), &socket).expect("again");
    assert!(std::fs::read_to_string(host.bare.join("hooks/pre-receive")).expect("hook").contains("hook.sock"));
    assert!(!lock.exists());
    assert_eq!(host.tip(), Some(commit.to_string()));
    assert!(HookSocket::bind(&socket).is_err(), "a living daemon keeps its socket");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&socket).expect("socket").permissions().mode() & 0o777, 0o600);
    assert!(hosted::ensure(&host.bare, "-x", &hook(), &socket).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_in_a_long_folder_works() {
    let dir = tempfile::tempdir().expect("dir");
    let deep = dir.path().join("d".repeat(120));
    std::fs::create_dir(&deep).expect("dir");
    let socket = deep.join("hook.sock");
    let bare = deep.join("repo.git");
    hosted::ensure(&bare, "main", &hook(), &socket).expect("hosted");
    let bound = HookSocket::bind(&socket).expect("bind");
    let fake: Arc<dyn Receiver> = Arc::new(Fake::default());
    let daemon = tokio::spawn(async move { drop(bound.serve(fake).await) });
    let work = Work::new();
    work.write("a.yaml", "a").commit("first");
    let (path, bare) = (work.path.clone(), bare.to_string_lossy().into_owned());
    let out = tokio::task::spawn_blocking(move || attempt(&path, &["push", &bare, "main"])).await.expect("push");
    assert!(out.status.success() && stderr(&out).contains("remote: healthy"), "{}", stderr(&out));
    daemon.abort();
    let _ = daemon.await;
    assert!(!Path::new(&socket).exists(), "the socket goes with the daemon");
}
