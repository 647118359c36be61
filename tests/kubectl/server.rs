//! An API server in this process, and clients that are run against it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use masthead::control::view::View;
use masthead::daemon::data::{Daemon, Data};
use masthead::daemon::tokens::Tokens;
use masthead::nodes::dispatcher;
use masthead::server::{api, listen};
use masthead::sync::handle::Tracked;
use masthead::sync::run::Sync;
use masthead_agent::link::handle as link;
use masthead_api::key::{ObjectKey, STORE_ROOT};
use masthead_api::object::Object;
use masthead_plan::desired::Wanted;
use masthead_plan::origin::Origin;
use masthead_store::kv::{KeyRange, Kv, WatchRequest};
use masthead_store::memory::Memory;
use masthead_store::objects::{self, Objects};
use masthead_wire::pki::authority::{Authority, NODE_LIFETIME};
use masthead_wire::pki::token::{Token, TokenRecord};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::objects as fixtures;

/// How long a client may take.
pub const LASTS: Duration = Duration::from_secs(120);

/// A server with a few objects.
pub struct Server {
    pub url: String,
    pub kv: Arc<dyn Kv>,
    view: Arc<View>,
    nodes: dispatcher::Handle,
    nodes_address: SocketAddr,
    tokens: Arc<Tokens>,
    ca_digest: [u8; 32],
    dir: TempDir,
    kubectl: Option<PathBuf>,
}

impl Server {
    /// Starts it with the objects of `fixtures`.
    pub async fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let kv: Arc<dyn Kv> = Arc::new(Memory::new());
        for object in fixtures::all() {
            put(&kv, object).await;
        }
        let store = Objects::new(kv.clone(), None);
        let view = Arc::new(View::default());
        feed(&store, &view).await;

        let data = Data::open(&dir.path().join("data")).unwrap();
        let authority = Arc::new(Authority::generate(SystemTime::now()).unwrap());
        let tokens = Arc::new(Tokens::new(kv.clone()));
        let agents = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nodes_address = agents.local_addr().unwrap();
        let (nodes, _) = dispatcher::start(dispatcher::Options {
            listener: agents,
            authority: authority.clone(),
            names: vec!["127.0.0.1".to_owned()],
            tokens: tokens.clone(),
            term: 1,
            lease_s: 600,
            node_lifetime: NODE_LIFETIME,
            cluster: std::collections::BTreeMap::new(),
        })
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let tracked = Tracked {
            url: "http://example/repo.git".to_owned(),
            branch: "main".to_owned(),
            path: String::new(),
            hosted: true,
        };
        let sync = Sync::new(tracked, dir.path().join("repo.git"), view.clone(), store.clone()).handle();
        let daemon = Daemon {
            pid: std::process::id(),
            api_url: url.clone(),
            repository_url: "http://example/repo.git".to_owned(),
            branch: "main".to_owned(),
            nodes_address: "127.0.0.1:1".to_owned(),
            demo: None,
        };
        let (handle, tokens_kept, ca_digest) = (nodes.clone(), tokens.clone(), authority.digest());
        let seen = view.clone();
        let state = masthead::server::state::State {
            view,
            store,
            nodes,
            sync,
            daemon,
            poke: None,
            fleet: Arc::default(),
            tokens,
            ca_digest: authority.digest(),
            started_s: 0,
        };
        listen::serve(listener, api::router(state), false, &authority, &data).unwrap();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{url}'}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
        );
        std::fs::write(dir.path().join("kubeconfig"), config).unwrap();
        Server {
            url,
            kv,
            view: seen,
            nodes: handle,
            nodes_address,
            tokens: tokens_kept,
            ca_digest,
            dir,
            kubectl: find_kubectl(),
        }
    }

    /// Connects an agent as node `one` whose streams are these.
    pub async fn agent(&self, streams: Arc<dyn masthead_agent::link::state::Streams>) -> link::Handle {
        let token = Token::generate(self.ca_digest);
        self.tokens.add(&TokenRecord::new(&token, None, None)).await.unwrap();
        let options = masthead_agent::link::state::Options {
            servers: vec![self.nodes_address.to_string()],
            state_dir: self.dir.path().join("agent"),
            node: "one".to_owned(),
            token: Some(token),
            facts: masthead_wire::report::NodeFacts::default(),
        };
        std::fs::create_dir_all(&options.state_dir).unwrap();
        let agent = link::start(options, streams).unwrap().0;
        let connected = async {
            while self.nodes.connected().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LASTS, connected).await.expect("the agent connects");
        agent
    }

    /// Whether there is a kubectl to run; in CI there must be.
    pub fn has_kubectl(&self) -> bool {
        if self.kubectl.is_none() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "kubectl is missing");
            eprintln!("skipped: kubectl is not installed");
        }
        self.kubectl.is_some()
    }

    pub fn kubectl_command(&self, line: &str) -> Command {
        let mut command = Command::new(self.kubectl.as_ref().expect("looked for before"));
        command.args(words(line)).env("KUBECONFIG", self.dir.path().join("kubeconfig")).env("HOME", self.dir.path());
        self.common(command)
    }

    fn masthead_command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_masthead"));
        command.args(words(line)).env("MASTHEAD_SERVER", &self.url).env("HOME", self.dir.path());
        self.common(command)
    }

    fn common(&self, mut command: Command) -> Command {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).env("TZ", "UTC");
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "MASTHEAD_NAMESPACE",
            "MASTHEAD_TOKEN",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs kubectl to its end.
    pub async fn kubectl(&self, line: &str) -> Ended {
        run(self.kubectl_command(line), line).await
    }

    /// Runs kubectl to its end, in a directory and a namespace.
    pub async fn kubectl_at(&self, dir: &std::path::Path, namespace: &str, args: &[&str]) -> Ended {
        let mut command = self.kubectl_command("");
        command.current_dir(dir).args(["--namespace", namespace]).args(args);
        run(command, &args.join(" ")).await
    }

    /// Runs our own command line to its end.
    pub async fn masthead(&self, line: &str) -> Ended {
        run(self.masthead_command(line), line).await
    }

    /// Runs kubectl, or our own command line, with this input.
    pub async fn with_input(&self, ours: bool, line: &str, input: &str) -> Ended {
        use tokio::io::AsyncWriteExt;
        let mut command = if ours { self.masthead_command(line) } else { self.kubectl_command(line) };
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        tokio::time::timeout(LASTS, child.wait_with_output()).await.expect(line).unwrap().into()
    }

    /// Starts kubectl and leaves it running.
    pub fn kubectl_in_background(&self, line: &str) -> tokio::process::Child {
        self.kubectl_command(line).spawn().unwrap()
    }

    /// Starts our own command line and leaves it running.
    pub fn masthead_in_background(&self, line: &str) -> tokio::process::Child {
        self.masthead_command(line).spawn().unwrap()
    }

    /// Puts an object as it is; the server shows it from here on.
    pub async fn put(&self, value: Value) {
        put(&self.kv, value).await;
        self.is_seen().await;
    }

    /// Waits until the server has taken in all that is stored.
    async fn is_seen(&self) {
        let revision = self.kv.revision().await.unwrap();
        tokio::time::timeout(LASTS, self.view.at_least(revision.0)).await.expect("the view keeps up");
    }

    /// Records that a commit asks for an object.
    pub async fn applied(&self, value: Value, origin: (&str, u32)) {
        let object = Arc::new(Object::from_value(value).unwrap());
        let key = object.key().clone();
        let origin = Origin { path: origin.0.into(), line: origin.1 };
        let record =
            masthead::control::record::write("0123456789abcdef0123456789abcdef01234567", &Wanted { object, origin })
                .unwrap();
        self.kv.put(objects::record_key(&key).into(), record).await.unwrap();
        self.is_seen().await;
    }

    /// Takes an object away.
    pub async fn remove(&self, key: &ObjectKey) {
        self.kv.delete(key.store_key().into()).await.unwrap();
        self.is_seen().await;
    }
}

/// What a client left behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

async fn run(mut command: Command, line: &str) -> Ended {
    match tokio::time::timeout(LASTS, command.output()).await {
        Ok(output) => output.unwrap().into(),
        Err(_) => panic!("{line}: not done within {LASTS:?}"),
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn find_kubectl() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join("kubectl")).find(|path| path.is_file())
}

async fn put(kv: &Arc<dyn Kv>, value: Value) {
    let object = Object::from_value(value).unwrap();
    kv.put(object.key().store_key().into(), object.body().clone()).await.unwrap();
}

/// Keeps the view up to date without any controller, so that only what a test does changes.
async fn feed(store: &Objects, view: &Arc<View>) {
    let (stored, revision) = store.load().await.unwrap();
    let request = WatchRequest::new(KeyRange::prefix(STORE_ROOT), revision.next());
    let mut watch = store.kv().watch(request).await.unwrap();
    view.take(stored, revision.0);
    let view = view.clone();
    tokio::spawn(async move {
        while let Some(Ok(batch)) = watch.next().await {
            let stored = batch.events.iter().filter_map(|event| {
                let value = (event.kind == masthead_store::kv::EventKind::Put).then_some(&event.kv.value);
                objects::read(&event.kv.key, value, event.kv.mod_revision)
            });
            view.take(stored.collect(), batch.revision.0);
        }
    });
}
