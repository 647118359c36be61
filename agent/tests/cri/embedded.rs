//! The suite on the embedded runtime and our own image store, directly and through our CRI server.

use std::path::PathBuf;
use std::sync::Arc;

use masthead_agent::images::store::{ImageStore, Options as StoreOptions};
use masthead_agent::runtime::contract::Runtime;
use masthead_agent::runtime::cri::client::CriRuntime;
use masthead_agent::runtime::cri::server;
use masthead_agent::runtime::embedded::options::Options;
use masthead_agent::runtime::embedded::runtime::Embedded;
use masthead_agent::runtime::images::Images;

use crate::cri::containerd::{IMAGE, archive, remove_cgroups, which};
use crate::cri::suite::{self, Subject};

/// An embedded runtime in a temporary directory; all it made goes with it.
struct Bed {
    options: Options,
    dir: tempfile::TempDir,
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = Embedded::destroy_all(&self.options);
        remove_cgroups(&self.options.cgroup_root);
    }
}

async fn bed(test: &str) -> Option<(Bed, Arc<Embedded>, Arc<ImageStore>)> {
    let missing =
        if nix::unistd::geteuid().is_root() { which("busybox").is_none().then_some("busybox") } else { Some("root") };
    if let Some(missing) = missing {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} needs {missing}");
        println!("skipped: {test} needs {missing}");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("state"));
    options.shim_program = PathBuf::from(env!("CARGO_BIN_EXE_masthead-shim"));
    options.shim_args = Vec::new();
    options.cgroup_root = format!("/masthead-test-cri-{}-{}", std::process::id(), test.len());
    let store = ImageStore::open(&dir.path().join("images"), StoreOptions::default()).unwrap();
    store.import(archive().as_slice(), None).unwrap();
    let store = Arc::new(store);
    let bed = Bed { options, dir };
    let runtime = Embedded::open(bed.options.clone(), store.clone()).await.unwrap();
    Some((bed, Arc::new(runtime), store))
}

fn subject(bed: &Bed, runtime: Arc<dyn Runtime>, images: Arc<dyn Images>) -> Subject {
    Subject {
        runtime,
        images,
        image: IMAGE.to_owned(),
        logs: bed.dir.path().join("logs"),
        cgroup_parent: String::new(),
        tells_end_of_stdin: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_the_embedded_runtime() {
    let Some((bed, runtime, store)) = bed("the suite on the embedded runtime").await else { return };
    suite::run(&subject(&bed, runtime, store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_the_embedded_runtime_as_a_cri_socket() {
    let Some((bed, runtime, store)) = bed("the suite on the embedded runtime as a CRI socket").await else { return };
    let socket = bed.dir.path().join("cri.sock");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let path = socket.clone();
    let server =
        tokio::spawn(async move { server::serve(&path, runtime, store, async move { drop(stopped.await) }).await });
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(!server.is_finished(), "the server ended");
        tokio::task::yield_now().await;
    }
    let client = Arc::new(CriRuntime::new(&format!("unix://{}", socket.display())).unwrap());
    suite::run(&subject(&bed, client.clone(), client)).await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}
