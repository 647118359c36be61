//! `masthead port-forward`: TCP connections to local ports → connections to ports of a pod.

use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use masthead_api::kind::registry::{POD, SERVICE};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::cli::block_on;
use crate::cli::target::{self, Namespace, display, object, pod_of};
use crate::client::locate;
use crate::client::rest::Rest;
use crate::server::channel::{self, FORWARD_PROTOCOL};

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;

/// Bytes read at once.
const PIECE: usize = 32 * 1024;

/// The channels of the one port of a connection.
const DATA: u8 = 0;
const ERRORS: u8 = 1;

/// Arguments of `port-forward`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// POD, or TYPE/NAME of something that selects pods.
    #[arg(value_name = "POD")]
    pub what: String,
    /// [LOCAL:]REMOTE; `:REMOTE` takes any free local port. Of a service REMOTE is its own port, by number or name.
    #[arg(required = true, value_name = "PORT")]
    pub ports: Vec<String>,
    /// Where to look.
    #[command(flatten)]
    pub namespace: Namespace,
    /// Where to listen.
    #[arg(long, value_delimiter = ',', default_value = "localhost")]
    pub address: Vec<String>,
    /// The control plane.
    #[command(flatten)]
    pub server: locate::Args,
}

/// Forwards until interrupted.
///
/// # Errors
/// There is no such pod or port, or none can be listened on.
pub fn run(args: Args) -> Result<ExitCode> {
    block_on(async move {
        let rest = Arc::new(Rest::find(&args.server)?);
        let namespace = &args.namespace.namespace;
        let (kind, name) = target::one(&args.what, POD)?;
        let service = if kind == SERVICE { Some(rest.get(&object(kind, namespace, &name)).await?) } else { None };
        let pod = pod_of(&rest, namespace, &args.what).await?;
        let pod_name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or("Pending");
        if phase != "Running" {
            bail!("unable to forward port because pod is not running. Current status={phase}");
        }
        let path: Arc<str> = object(POD, namespace, pod_name).into();
        let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut listeners = Vec::new();
        for text in &args.ports {
            let wanted = Wanted::parse(text)?;
            let port = remote_port(&wanted.remote, &pod, service.as_ref())
                .with_context(|| format!("{} and port {text}", display(kind, &name)))?;
            for address in addresses(&args.address)? {
                // `localhost` is both families where both are there.
                match TcpListener::bind((address, wanted.local(port))).await {
                    Ok(listener) => listeners.push((listener, port)),
                    Err(error) if address.is_ipv6() && args.address == ["localhost"] => {
                        tracing::debug!(%error, "no IPv6")
                    }
                    Err(error) => {
                        return Err(error)
                            .with_context(|| format!("unable to listen on {address}:{}", wanted.local(port)));
                    }
                }
            }
        }
        for (listener, port) in listeners {
            // Whoever reads the first address may close the pipe behind it.
            let _ = writeln!(std::io::stdout(), "Forwarding from {} -> {port}", listener.local_addr()?);
            tokio::spawn(accept(listener, port, rest.clone(), path.clone(), limit.clone()));
        }
        crate::cli::serve::stopped().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// One `[LOCAL:]REMOTE`.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// The local port; the remote's own when absent, any free one when 0.
    local: Option<u16>,
    remote: String,
}

impl Wanted {
    fn parse(text: &str) -> Result<Wanted> {
        let (local, remote) = match text.split_once(':') {
            None => (None, text),
            Some(("", remote)) => (Some(0), remote),
            Some((local, remote)) => {
                (Some(local.parse().with_context(|| format!("error parsing local port {local:?}"))?), remote)
            }
        };
        if remote.is_empty() || remote.contains(':') || remote == "0" {
            bail!("invalid port format {text:?}: [LOCAL:]REMOTE is expected");
        }
        Ok(Wanted { local, remote: remote.to_owned() })
    }

    fn local(&self, remote: u16) -> u16 {
        self.local.unwrap_or_else(|| self.remote.parse().unwrap_or(remote))
    }
}

/// The pod's port behind a number or name, through the service's own ports where there is one.
fn remote_port(text: &str, pod: &Value, service: Option<&Value>) -> Result<u16> {
    let number = text.parse::<u16>().ok();
    let Some(service) = service else {
        return number
            .or_else(|| container_port(pod, text))
            .with_context(|| format!("pod does not have a named port {text:?}"));
    };
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let found = ports.iter().find(|port| number.map_or_else(|| port["name"] == *text, |number| port["port"] == number));
    let Some(found) = found else { bail!("service does not have a service port {text}") };
    match &found["targetPort"] {
        Value::String(name) => {
            container_port(pod, name).with_context(|| format!("pod does not have a named port {name:?}"))
        }
        Value::Number(port) => {
            port.as_u64().and_then(|port| u16::try_from(port).ok()).context("the service's target port is none")
        }
        // Without a target port it is the service's own.
        _ => found["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("the service's port is none"),
    }
}

fn container_port(pod: &Value, name: &str) -> Option<u16> {
    let containers = pod.pointer("/spec/containers")?.as_array()?;
    let ports = containers.iter().filter_map(|container| container["ports"].as_array()).flatten();
    ports.into_iter().find(|port| port["name"] == *name)?["containerPort"].as_u64()?.try_into().ok()
}

fn addresses(texts: &[String]) -> Result<Vec<IpAddr>> {
    let mut out = Vec::new();
    for text in texts {
        if text == "localhost" {
            out.extend([IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]);
        } else {
            out.push(text.parse().with_context(|| format!("{text:?} is no IP address"))?);
        }
    }
    Ok(out)
}

async fn accept(listener: TcpListener, port: u16, rest: Arc<Rest>, path: Arc<str>, limit: Arc<Semaphore>) {
    let local = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    // The semaphore is never closed.
    while let Ok(permit) = limit.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                eprintln!("error: taking a connection: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = writeln!(std::io::stdout(), "Handling connection for {local}");
        let (rest, path) = (rest.clone(), path.clone());
        tokio::spawn(async move {
            if let Err(error) = carry(stream, port, &rest, &path).await {
                eprintln!("error: forwarding {local} -> {port}: {error:#}");
            }
            drop(permit);
        });
    }
}

async fn carry(stream: TcpStream, port: u16, rest: &Rest, path: &str) -> Result<()> {
    stream.set_nodelay(true)?;
    let socket = rest.websocket(&format!("{path}/portforward?ports={port}"), &[FORWARD_PROTOCOL]).await?;
    let (mut to_server, mut from_server) = socket.split();
    let (mut from_user, mut to_user) = stream.into_split();
    let mut buffer = vec![0; PIECE];
    let (mut reading, mut greeted) = (true, [false; 2]);
    loop {
        tokio::select! {
            read = from_user.read(&mut buffer), if reading => {
                let read = read?;
                reading = read > 0;
                let message = if reading { channel::write(DATA, &buffer[..read]) } else { channel::write(channel::CLOSE, &[DATA]) };
                to_server.send(Message::Binary(message)).await?;
            }
            message = from_server.next() => match message {
                Some(Ok(Message::Binary(bytes))) => take(&bytes, &mut greeted, &mut to_user).await?,
                Some(Ok(Message::Close(_))) | None => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            },
        }
    }
    to_user.shutdown().await?;
    Ok(())
}

async fn take(message: &Bytes, greeted: &mut [bool; 2], to_user: &mut (impl AsyncWriteExt + Unpin)) -> Result<()> {
    let Some(channel @ (DATA | ERRORS)) = message.first().copied() else { return Ok(()) };
    let bytes = &message[1..];
    // The first message of a channel repeats its port.
    if !std::mem::replace(&mut greeted[usize::from(channel)], true) {
        return Ok(());
    }
    if channel == ERRORS {
        bail!("{}", String::from_utf8_lossy(bytes));
    }
    to_user.write_all(bytes).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_are_read_as_kubectl_reads_them() {
        let check = |text: &str, expect: Option<(Option<u16>, &str)>| {
            let wanted = Wanted::parse(text).ok().map(|w| (w.local, w.remote));
            assert_eq!(wanted, expect.map(|(local, remote)| (local, remote.to_owned())), "{text}");
        };
        check("80", Some((None, "80")));
        check("8080:80", Some((Some(8080), "80")));
        check(":80", Some((Some(0), "80")));
        check("http", Some((None, "http")));
        check("8080:http", Some((Some(8080), "http")));
        check("x:80", None);
        check("80:", None);
        check("1:2:3", None);
        assert_eq!(Wanted::parse("http").unwrap().local(8080), 8080);
        assert_eq!(Wanted::parse("80").unwrap().local(8080), 80);
    }

    #[test]
    fn a_service_s_port_leads_to_the_pod_s() {
        let pod = json!({"spec": {"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]}});
        let service = json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web"}, {"port": 81, "targetPort": 9000}]}});
        let check = |text: &str, service: Option<&Value>, expect: Option<u16>| {
            assert_eq!(remote_port(text, &pod, service).ok(), expect, "{text}")
        };
        check("80", Some(&service), Some(8080));
        check("http", Some(&service), Some(8080));
        check("81", Some(&service), Some(9000));
        check("82", Some(&service), None);
        check("web", None, Some(8080));
        check("443", None, Some(443));
        check("nothing", None, None);
    }
}
