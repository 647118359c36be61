//! Rollouts of twenty replicas under constant HTTP load on the addresses of ready pods: no request fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use masthead::client::rest::{JSON, Rest};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::{Site, deployment_of};

const REPLICAS: usize = 20;
const CLIENTS: usize = 8;
/// How long a request may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
const PROBE: &str =
    "          readinessProbe:\n            httpGet: {path: /readyz, port: 8080}\n            periodSeconds: 1\n";

/// What the clients know and have seen.
#[derive(Default)]
struct Load {
    /// Addresses of pods that are ready and not ending, by name; as an Endpoints controller would have them.
    ready: Mutex<BTreeMap<String, String>>,
    is_over: AtomicBool,
    answered: Mutex<BTreeMap<String, u64>>,
    sent: AtomicU64,
    failed: Mutex<Vec<String>>,
}

impl Load {
    fn see(&self, event: &Value) {
        let pod = &event["object"];
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        let is_ready = conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        let is_ending = event["type"] == "DELETED" || pod["metadata"].get("deletionTimestamp").is_some();
        let mut ready = self.ready.lock().expect("a lock");
        match pod["status"]["podIP"].as_str() {
            Some(ip) if is_ready && !is_ending => ready.insert(name, ip.to_owned()),
            _ => ready.remove(&name),
        };
    }

    /// Keeps the addresses as the API tells them.
    async fn follow(self: Arc<Self>, rest: Rest) {
        let mut lines = rest
            .stream("/api/v1/namespaces/default/pods?watch=true&labelSelector=app%3Dweb", JSON)
            .await
            .expect("a watch");
        while let Some(event) = lines.line().await.expect("an event") {
            self.see(&event);
        }
        assert!(self.is_over.load(Ordering::Relaxed), "the watch ended");
    }

    async fn client(self: Arc<Self>, mut turn: usize) {
        while !self.is_over.load(Ordering::Relaxed) {
            let (count, chosen) = {
                let ready = self.ready.lock().expect("a lock");
                (ready.len(), ready.iter().nth(turn % ready.len().max(1)).map(|(name, ip)| (name.clone(), ip.clone())))
            };
            turn = turn.wrapping_add(7);
            if let Some((name, ip)) = chosen {
                self.sent.fetch_add(1, Ordering::Relaxed);
                match tokio::time::timeout(PATIENCE, request(&ip)).await {
                    Ok(Ok(body)) => *self.answered.lock().expect("a lock").entry(body).or_default() += 1,
                    Ok(Err(error)) => {
                        self.failed.lock().expect("a lock").push(format!("{name} {ip} of {count}: {error}"))
                    }
                    Err(_) => {
                        self.failed.lock().expect("a lock").push(format!("{name} {ip}: no answer within {PATIENCE:?}"))
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A request on a connection of its own; its answer without the pod's name.
async fn request(ip: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((ip, 8080)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") && body.ends_with('\n') => {
            Ok(body.rsplit_once(" from ").unwrap_or_default().0.to_owned())
        }
        _ => Err(std::io::Error::other(format!("{answer:?}"))),
    }
}

fn manifest(version: &str) -> String {
    let plain = deployment_of("masthead.local/demo:v1", "web", REPLICAS, version, "", "");
    let plain = plain.replace("          volumeMounts:\n", &format!("{PROBE}          volumeMounts:\n"));
    plain.replace("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 10")
}

#[test]
fn no_request_fails_in_a_rollout() {
    let Some(site) = Site::up() else { return };
    site.demo_image();
    site.write("web.yaml", &manifest("v1"));
    site.push_healthy("v1");
    let api = site.status()["apiUrl"].as_str().expect("the API's URL").to_owned();
    let load = Arc::new(Load::default());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.spawn(load.clone().follow(Rest::to(&api, Some(&site.data)).expect("a client")));
    site.until("the clients know all pods", || load.ready.lock().expect("a lock").len() == REPLICAS);
    let clients: Vec<_> = (0..CLIENTS).map(|number| runtime.spawn(load.clone().client(number * 13))).collect();
    let answered = |version: &str| {
        let answered = load.answered.lock().expect("a lock");
        answered.get(&format!("Hello from Masthead {version}")).copied().unwrap_or_default()
    };
    let under_load = |version: &str| site.until(&format!("{version} answers"), || answered(version) > 100);
    under_load("v1");
    for version in ["v2", "v3"] {
        site.write("web.yaml", &manifest(version));
        let said = site.push_healthy(version);
        println!("{}", said.lines().filter(|line| line.contains("healthy after")).collect::<String>());
        site.until("the old pods are gone", || site.pods("web").len() == REPLICAS);
        under_load(version);
    }
    load.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        runtime.block_on(client).expect("no panic");
    }
    runtime.shutdown_background();
    let (failed, answered) =
        (load.failed.lock().expect("a lock").clone(), load.answered.lock().expect("a lock").clone());
    println!("{} requests, {} failed; answered by {answered:?}", load.sent.load(Ordering::Relaxed), failed.len());
    assert!(failed.is_empty(), "{} failed: {:#?}", failed.len(), &failed[..failed.len().min(10)]);
    site.down();
}
