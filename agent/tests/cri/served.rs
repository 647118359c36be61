//! Our CRI server in front of containerd: the client speaks to the server, the server to the client, that to containerd.

use std::sync::Arc;

use masthead_agent::runtime::cri::client::CriRuntime;
use masthead_agent::runtime::cri::server;

use crate::cri::containerd::{Containerd, IMAGE};
use crate::cri::suite::{self, Subject};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_through_our_own_server() {
    let Some(containerd) = Containerd::start("the suite through our own CRI server") else { return };
    let behind = Arc::new(CriRuntime::new(&containerd.endpoint()).unwrap());
    let socket = containerd.dir().join("ours.sock");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let path = socket.clone();
    let server = tokio::spawn(async move {
        let images = Arc::clone(&behind);
        server::serve(&path, behind, images, async move { drop(stopped.await) }).await
    });
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(!server.is_finished(), "the server ended");
        tokio::task::yield_now().await;
    }
    let client = Arc::new(CriRuntime::new(&format!("unix://{}", socket.display())).unwrap());
    let subject = Subject {
        runtime: client.clone(),
        images: client,
        image: IMAGE.to_owned(),
        logs: containerd.dir().join("logs"),
        cgroup_parent: containerd.cgroup_parent(),
        tells_end_of_stdin: true,
    };
    suite::run(&subject).await;
    drop(subject);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(!socket.exists());
}
