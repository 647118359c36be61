//! Servers that fail in every way: the last good commit stays, with since-when and why.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use http::{StatusCode, header};
use masthead::git::http as serving;
use masthead::git::mirror::credentials::{Credentials, Secret};
use masthead::git::mirror::fault::FaultKind;
use masthead::git::mirror::handle::Handle;
use masthead::git::mirror::options::Options;
use masthead::git::mirror::{run, url};
use masthead::git::reader::Reader;

use super::support::{Work, noise, run as git, state, tip, watching};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Good,
    Status(u16),
    Html,
    Hang,
    Drip,
    CutPack,
    GarbagePack,
    Close,
    Password,
    Redirect,
}

#[derive(Clone)]
struct Server {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
    elsewhere: Arc<Mutex<String>>,
}

impl Server {
    fn set(&self, mood: Mood) {
        *self.mood.lock().expect("lock") = mood;
    }
}

async fn moody(State(server): State<Server>, request: Request, next: Next) -> Response {
    let mood = *server.mood.lock().expect("lock");
    let login = request.headers().get(header::AUTHORIZATION).map(|v| v.to_str().expect("text").to_owned());
    server.asked.lock().expect("lock").push(login.clone());
    let is_pack = request.method() == http::Method::POST;
    match mood {
        Mood::Good => next.run(request).await,
        Mood::Status(code) => {
            let answer = [(header::WWW_AUTHENTICATE, "Basic realm=x")];
            (StatusCode::from_u16(code).expect("code"), answer, "no").into_response()
        }
        Mood::Html => ([(header::CONTENT_TYPE, "text/html")], "<!DOCTYPE html><title>Sign in</title>").into_response(),
        Mood::Hang => std::future::pending().await,
        Mood::Drip => {
            let drip = futures::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Some((Ok::<_, std::io::Error>("0"), ()))
            });
            ([(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")], Body::from_stream(drip))
                .into_response()
        }
        Mood::CutPack | Mood::GarbagePack => {
            let (head, body) = next.run(request).await.into_parts();
            let mut bytes = axum::body::to_bytes(body, 1 << 30).await.expect("body").to_vec();
            if let (true, Some(at)) = (is_pack, bytes.windows(4).position(|w| w == b"PACK")) {
                if mood == Mood::CutPack {
                    bytes.truncate(at + (bytes.len() - at) / 2);
                } else {
                    bytes[at + 20..at + 60].iter_mut().for_each(|b| *b ^= 0x55);
                }
            }
            Response::from_parts(head, Body::from(bytes))
        }
        Mood::Close => {
            let cut = futures::stream::iter([Ok("001e# service=git-up"), Err(std::io::Error::other("cut"))]);
            ([(header::CONTENT_TYPE, "application/x-git-upload-pack-advertisement")], Body::from_stream(cut))
                .into_response()
        }
        Mood::Password => {
            let want = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("ada:s3cret"));
            if login == Some(want) {
                return next.run(request).await;
            }
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=x")], "who?").into_response()
        }
        Mood::Redirect => {
            let to = format!("{}{}", server.elsewhere.lock().expect("lock"), request.uri());
            (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response()
        }
    }
}

struct Far {
    work: Work,
    bare: PathBuf,
    url: String,
    server: Server,
}

async fn listen(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

impl Far {
    async fn new() -> Self {
        let work = Work::new();
        git(work.dir.path(), &["init", "-q", "--bare", "-b", "main", "far.git"]);
        let bare = work.dir.path().join("far.git");
        let server =
            Server { mood: Arc::new(Mutex::new(Mood::Good)), asked: Arc::default(), elsewhere: Arc::default() };
        let layer = axum::middleware::from_fn_with_state(server.clone(), moody);
        let url = listen(serving::router(serving::Options::new("far", &bare)).layer(layer)).await;
        Self { work, bare, url: format!("{url}/far.git"), server }
    }

    fn commit(&self, text: &str) -> masthead::git::commit::CommitId {
        let id = self.work.write("a.yaml", text).commit(text);
        git(&self.work.path, &["push", "-q", "-f", self.bare.to_str().expect("utf-8"), "main"]);
        id
    }

    fn options(&self) -> Options {
        let mut options = watching(&self.url, &self.work.dir.path().join("mirror.git"));
        // Only pokes and faults make it look.
        options.poll = Duration::from_secs(3600);
        options
    }

    fn watch(&self) -> Handle {
        run::start(self.options()).expect("watch")
    }
}

async fn fault(handle: &Handle, kinds: &[FaultKind]) {
    state(handle, &format!("{kinds:?}"), |s| s.fault.as_ref().is_some_and(|f| kinds.contains(&f.kind))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_failure_of_a_server_moves_the_last_good_commit() {
    let far = Far::new().await;
    let mut last = far.commit("first");
    let mut options = far.options();
    options.stall_s = 1;
    options.fetch_limit = Duration::from_secs(4);
    let handle = run::start(options).expect("watch");
    tip(&handle, last).await;
    use FaultKind as K;
    let moods: [(Mood, &[FaultKind]); 13] = [
        (Mood::Html, &[K::NotGit]),
        (Mood::Status(401), &[K::Auth]),
        (Mood::Status(403), &[K::Auth]),
        (Mood::Status(404), &[K::Missing]),
        (Mood::Status(429), &[K::RateLimited]),
        (Mood::Status(500), &[K::Server]),
        (Mood::Status(502), &[K::Server]),
        (Mood::Hang, &[K::Timeout]),
        (Mood::Drip, &[K::Timeout]),
        (Mood::Close, &[K::Network, K::NotGit, K::TruncatedPack]),
        (Mood::CutPack, &[K::TruncatedPack]),
        (Mood::GarbagePack, &[K::TruncatedPack]),
        (Mood::Status(204), &[K::NotGit, K::Missing, K::Network, K::Other]),
    ];
    for (i, (mood, kinds)) in moods.into_iter().enumerate() {
        far.server.set(mood);
        let next = far.commit(&format!("{i} {}", "x".repeat(5000)));
        handle.poke();
        fault(&handle, kinds).await;
        let status = handle.status();
        let why = status.fault.expect("fault");
        println!("{mood:?}: {:?}: {}", why.kind, why.why);
        assert_eq!(status.tip, Some(last), "{mood:?}");
        assert!(
            Reader::open(handle.repository()).and_then(|r| r.snapshot(last, "", &Default::default(), None)).is_ok()
        );
        far.server.set(Mood::Good);
        handle.poke();
        tip(&handle, next).await;
        last = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_pokes_and_moves_of_a_far_branch() {
    let far = Far::new().await;
    let handle = far.watch();
    fault(&handle, &[FaultKind::EmptyRepository]).await;
    let first = far.commit("first");
    tip(&handle, first).await;
    // One poll for any number of pokes.
    let before = far.server.asked.lock().expect("lock").len();
    for _ in 0..1000 {
        handle.poke();
    }
    let second = far.commit("second");
    handle.poke();
    tip(&handle, second).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = far.server.asked.lock().expect("lock").len() - before;
    assert!(asked < 30, "{asked} requests");
    git(&far.bare, &["symbolic-ref", "HEAD", "refs/heads/none"]);
    git(&far.bare, &["branch", "-m", "main", "renamed"]);
    handle.poke();
    fault(&handle, &[FaultKind::BranchMissing]).await;
    assert_eq!(handle.status().tip, Some(second));
    git(&far.bare, &["branch", "-m", "renamed", "main"]);
    handle.poke();
    tip(&handle, second).await;
    git(&far.work.path, &["commit", "-q", "--amend", "-m", "forced"]);
    let forced = far.commit("forced again");
    git(&far.work.path, &["checkout", "-q", "--orphan", "fresh"]);
    handle.poke();
    tip(&handle, forced).await;
    assert!(handle.status().rewritten.is_some());
    // Another repository under the same address.
    let foreign = far.work.write("z.yaml", "z").commit("foreign");
    git(&far.work.path, &["push", "-q", "-f", far.bare.to_str().expect("utf-8"), "fresh:main"]);
    handle.poke();
    state(&handle, "hold", |s| s.held == Some(foreign)).await;
    assert_eq!(handle.status().tip, Some(forced));
    handle.confirm(foreign).await;
    tip(&handle, foreign).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_goes_on_by_itself() {
    let far = Far::new().await;
    let first = far.commit("first");
    let mut options = far.options();
    options.poll = Duration::from_millis(100);
    let handle = run::start(options).expect("watch");
    tip(&handle, first).await;
    let second = far.commit("second");
    tip(&handle, second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_open_their_host_and_no_other() {
    let far = Far::new().await;
    let first = far.commit("first");
    far.server.set(Mood::Password);
    let handle = far.watch();
    fault(&handle, &[FaultKind::Auth]).await;
    drop(handle);
    let file = far.work.dir.path().join("token");
    std::fs::write(&file, "s3cret\n").expect("write");
    let mut options = far.options();
    options.credentials = Credentials {
        user: Some("ada".into()),
        password: Some(Secret::read(&file).expect("file")),
        ..Default::default()
    };
    assert!(!format!("{options:?}").contains("s3cret"));
    let handle = run::start(options.clone()).expect("watch");
    tip(&handle, first).await;
    assert!(!std::fs::read_to_string(options.mirror.join("config")).expect("config").contains("s3cret"));
    drop(handle);
    // The same from the address itself, which no text shows.
    let with = far.url.replace("http://", "http://ada:s3cret@");
    let mut options = far.options();
    options.source = url::parse(&with, false).expect("address");
    options.mirror = far.work.dir.path().join("mirror2.git");
    assert!(!format!("{options:?}").contains("s3cret"));
    let handle = run::start(options.clone()).expect("watch");
    tip(&handle, first).await;
    // A redirect to another host gets no password, whatever that host asks for.
    let other = Far::new().await;
    other.commit("foreign");
    other.server.set(Mood::Password);
    *far.server.elsewhere.lock().expect("lock") = other.url.strip_suffix("/far.git").expect("url").to_owned();
    far.server.set(Mood::Redirect);
    handle.poke();
    state(&handle, "fault", |s| s.fault.is_some()).await;
    let status = handle.status();
    assert_eq!(status.tip, Some(first));
    assert!(!status.fault.expect("fault").why.contains("s3cret"));
    let asked = other.server.asked.lock().expect("lock").clone();
    assert!(!asked.is_empty() && asked.iter().all(Option::is_none), "the other host was given {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_over_the_limit_and_a_hung_server_are_cut() {
    let far = Far::new().await;
    let first = far.commit("first");
    let mut options = far.options();
    options.pack_bytes_max = 256 * 1024;
    options.fetch_limit = Duration::from_secs(8);
    let handle = run::start(options).expect("watch");
    tip(&handle, first).await;
    far.work.write("noise.txt", &noise(2_000_000));
    far.commit("large");
    handle.poke();
    fault(&handle, &[FaultKind::TooLarge]).await;
    assert_eq!(handle.status().tip, Some(first));
    far.server.set(Mood::Hang);
    handle.poke();
    fault(&handle, &[FaultKind::Timeout]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_without_a_host_and_closed_ports_are_faults() {
    let dir = tempfile::tempdir().expect("dir");
    let check = async |address: &str, kind: FaultKind, name: &str| {
        let handle = run::start(watching(address, &dir.path().join(name))).expect("watch");
        state(&handle, "fault", |s| s.fault.is_some()).await;
        let status = handle.status();
        let proxied =
            ["https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"].iter().any(|v| std::env::var_os(v).is_some());
        let found = status.fault.expect("fault");
        assert!(found.kind == kind || (proxied && kind == FaultKind::Dns), "{address}: {found:?}");
        assert_eq!(status.tip, None);
    };
    check("http://127.0.0.1:9/x.git", FaultKind::Network, "closed").await;
    check("https://nowhere.invalid/x.git", FaultKind::Dns, "dns").await;
    check(dir.path().join("gone").to_str().expect("utf-8"), FaultKind::Missing, "missing").await;
    let empty = dir.path().join("no-repository");
    std::fs::create_dir(&empty).expect("dir");
    check(empty.to_str().expect("utf-8"), FaultKind::NotGit, "notgit").await;
}

#[test]
fn addresses_that_would_run_something_are_refused_before_anything_starts() {
    let dir = tempfile::tempdir().expect("dir");
    let trap = dir.path().join("trap");
    for bad in [
        format!("ext::sh -c touch% {}", trap.display()),
        format!("--upload-pack=touch {}", trap.display()),
        "-oProxyCommand=x".into(),
        format!("ssh://-oProxyCommand=touch%20{}/x", trap.display()),
        "fd::17/x".into(),
    ] {
        assert!(url::parse(&bad, true).is_err(), "{bad}");
    }
    let mut options = watching("https://h.example/x", &dir.path().join("m"));
    options.branch = Some("--upload-pack=touch".into());
    assert!(run::start(options).is_err());
    assert!(!trap.exists());
}
