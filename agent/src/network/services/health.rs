//! How many ready endpoints this node has of a service → an answer to the load balancer that asks (healthCheckNodePort).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::network::services::model::Name;

/// Connections that one port answers at a time.
const CONNECTIONS: usize = 64;
/// Longest life of one: a load balancer asks and goes.
const LIFE: Duration = Duration::from_secs(10);
/// Pause after the system had no connection to give.
const BREATH: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    name: Name,
    ready: usize,
}

/// A port that answers.
struct Answering {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All ports that answer.
#[derive(Default)]
pub struct Health {
    ports: BTreeMap<u16, Answering>,
}

impl Health {
    /// Brings the ports to what is wanted. Says which could not be opened, and why; they are tried again next time.
    pub fn set(&mut self, wanted: &[(Name, u16, usize)]) -> Vec<(Name, String)> {
        self.ports.retain(|port, _| wanted.iter().any(|(_, other, _)| other == port));
        self.ports.retain(|_, answering| !answering.task.is_finished());
        let mut faults = Vec::new();
        for (name, port, ready) in wanted {
            let state = State { name: name.clone(), ready: *ready };
            match self.ports.get(port) {
                Some(answering) => drop(answering.state.send_replace(state)),
                None => match open(*port) {
                    Ok(listener) => {
                        let (sender, receiver) = watch::channel(state);
                        let task = tokio::spawn(answer(listener, receiver));
                        self.ports.insert(*port, Answering { state: sender, task });
                    }
                    Err(error) => {
                        faults.push((name.clone(), format!("failed to start healthcheck on port {port}: {error}")));
                    }
                },
            }
        }
        faults
    }
}

/// On every address of the node; of IPv4 alone where there is no IPv6.
fn open(port: u16) -> std::io::Result<TcpListener> {
    let bind = |ip: IpAddr| std::net::TcpListener::bind(SocketAddr::new(ip, port));
    let listener = match bind(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(error),
        Err(_) => bind(IpAddr::V4(Ipv4Addr::UNSPECIFIED))?,
        Ok(listener) => listener,
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn answer(listener: TcpListener, state: watch::Receiver<State>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let state = state.clone();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |_| {
                let response = response(&state.borrow());
                async move { Ok::<_, Infallible>(response) }
            });
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // Who breaks off has his answer or wants none.
            drop(tokio::time::timeout(LIFE, serving).await);
        });
    }
}

/// As kube-proxy answers: 200 with endpoints, 503 without, and the count in a header.
fn response(state: &State) -> Response<Full<Bytes>> {
    let body = serde_json::json!({
        "service": { "namespace": state.name.namespace, "name": state.name.name },
        "localEndpoints": state.ready,
        "serviceProxyHealthy": true,
    });
    let status = if state.ready > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers.insert("x-content-type-options", http::HeaderValue::from_static("nosniff"));
    headers.insert("x-load-balancing-endpoint-weight", http::HeaderValue::from(state.ready));
    response
}
