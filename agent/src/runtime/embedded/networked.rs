//! The embedded runtime with the pod network before it: a sandbox comes and goes with its place, as CRI servers do it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::Mutex;

use crate::network::contract::PodNetwork;
use crate::network::routed::RoutedNetwork;
use crate::network::rules::ports::{HostPort, Protocol};
use crate::runtime::contract::{AttachRequest, ExecOutput, ExecRequest, Runtime, SandboxRequest};
use crate::runtime::embedded::id;
use crate::runtime::embedded::runtime::Embedded;
use crate::runtime::error::{Error, Result};
use crate::runtime::streams::{BoxDuplex, Session};
use crate::runtime::v1;

/// A runtime that needs no agent to give its pods a network.
pub struct Networked {
    runtime: Embedded,
    network: RoutedNetwork,
    /// Ports of the node by sandbox.
    ports: Mutex<BTreeMap<String, Vec<HostPort>>>,
}

impl Networked {
    /// Puts the two together, and takes up what an earlier one has left.
    ///
    /// # Errors
    /// The network does not take the ports of the sandboxes that are there.
    pub async fn open(runtime: Embedded, network: RoutedNetwork) -> Result<Self> {
        let mut ports = BTreeMap::new();
        let sandboxes = runtime.list_pod_sandboxes(v1::PodSandboxFilter::default()).await?;
        for sandbox in &sandboxes {
            let status = runtime.pod_sandbox_status(&sandbox.id).await?;
            if status.state() == v1::PodSandboxState::SandboxReady {
                let mappings = runtime.port_mappings(&sandbox.id)?;
                ports.insert(sandbox.id.clone(), host_ports(&mappings, &ips(&status))?);
            }
        }
        for left in network.attached().await.map_err(|error| Error::internal("list the pods' places", error))? {
            if !sandboxes.iter().any(|sandbox| sandbox.id == left) {
                network.detach(&left).await.map_err(|error| Error::internal("take a pod's place away", error))?;
            }
        }
        let this = Self { runtime, network, ports: Mutex::new(ports) };
        this.publish(|_| {}).await?;
        Ok(this)
    }

    /// Changes the ports of the node.
    async fn publish(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<HostPort>>)) -> Result<()> {
        let mut ports = self.ports.lock().await;
        let before = ports.clone();
        change(&mut ports);
        let all = ports.values().flatten().cloned().collect();
        match self.network.set_host_ports(all).await {
            Ok(()) => Ok(()),
            Err(error) => {
                *ports = before;
                Err(Error::internal("forward the pods' ports", error))
            }
        }
    }

    async fn run(&self, mut request: SandboxRequest) -> Result<String> {
        let metadata = request.config.metadata.as_ref();
        let metadata = metadata.ok_or_else(|| Error::InvalidArgument("a sandbox without metadata".to_owned()))?;
        let linux = request.config.linux.as_ref();
        let options = linux.and_then(|linux| linux.security_context.as_ref()?.namespace_options.as_ref());
        if options.is_some_and(|options| options.network() == v1::NamespaceMode::Node) {
            return self.runtime.run_pod_sandbox(request).await;
        }
        let key = id::sandbox(metadata);
        let place = self.network.attach(&key).await.map_err(|e| Error::internal("give a pod its place", e))?;
        let ports = host_ports(&request.config.port_mappings, &place.ips);
        request.netns_path = Some(place.netns);
        request.ips = place.ips.iter().map(ToString::to_string).collect();
        let made = match ports {
            Ok(ports) if ports.is_empty() => self.runtime.run_pod_sandbox(request).await,
            Ok(ports) => match self.publish(|all| drop(all.insert(key.clone(), ports))).await {
                Ok(()) => self.runtime.run_pod_sandbox(request).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if made.is_err() {
            self.leave(&key).await?;
        }
        made
    }

    async fn leave(&self, id: &str) -> Result<()> {
        if self.ports.lock().await.contains_key(id) {
            self.publish(|all| drop(all.remove(id))).await?;
        }
        self.network.detach(id).await.map_err(|error| Error::internal("take a pod's place away", error))
    }
}

fn ips(status: &v1::PodSandboxStatus) -> Vec<IpAddr> {
    let network = status.network.clone().unwrap_or_default();
    let more = network.additional_ips.into_iter().map(|more| more.ip);
    std::iter::once(network.ip).chain(more).filter_map(|ip| ip.parse().ok()).collect()
}

/// What of the mappings asks for a port of the node; those without only tell which ports are there.
fn host_ports(mappings: &[v1::PortMapping], ips: &[IpAddr]) -> Result<Vec<HostPort>> {
    let bad = |what: &str, value: &str| Error::InvalidArgument(format!("port mapping: {what} {value:?}"));
    let port = |what: &str, number: i32| {
        u16::try_from(number).ok().filter(|port| *port > 0).ok_or_else(|| bad(what, &number.to_string()))
    };
    let mut ports = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.host_port != 0) {
        let protocol = match mapping.protocol() {
            v1::Protocol::Tcp => Protocol::Tcp,
            v1::Protocol::Udp => Protocol::Udp,
            v1::Protocol::Sctp => Protocol::Sctp,
        };
        let host_ip: Option<IpAddr> = match mapping.host_ip.as_str() {
            "" => None,
            ip => Some(ip.parse().map_err(|_| bad("host IP", ip))?),
        };
        let (host, own) = (port("host port", mapping.host_port)?, port("container port", mapping.container_port)?);
        let fits = |ip: &&IpAddr| host_ip.is_none_or(|host| host.is_ipv4() == ip.is_ipv4());
        ports.extend(ips.iter().filter(fits).map(|ip| HostPort {
            protocol,
            host_ip,
            port: host,
            pod_ip: *ip,
            pod_port: own,
        }));
    }
    Ok(ports)
}

impl Runtime for Networked {
    fn version(&self) -> BoxFuture<'_, Result<v1::VersionResponse>> {
        self.runtime.version()
    }

    fn status(&self) -> BoxFuture<'_, Result<v1::StatusResponse>> {
        self.runtime.status()
    }

    fn run_pod_sandbox(&self, request: SandboxRequest) -> BoxFuture<'_, Result<String>> {
        self.run(request).boxed()
    }

    fn stop_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            self.runtime.stop_pod_sandbox(id).await?;
            self.leave(id).await
        }
        .boxed()
    }

    fn remove_pod_sandbox<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            self.runtime.remove_pod_sandbox(id).await?;
            self.leave(id).await
        }
        .boxed()
    }

    fn pod_sandbox_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::PodSandboxStatus>> {
        self.runtime.pod_sandbox_status(id)
    }

    fn list_pod_sandboxes(&self, filter: v1::PodSandboxFilter) -> BoxFuture<'_, Result<Vec<v1::PodSandbox>>> {
        self.runtime.list_pod_sandboxes(filter)
    }

    fn create_container(&self, request: v1::CreateContainerRequest) -> BoxFuture<'_, Result<String>> {
        self.runtime.create_container(request)
    }

    fn start_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.runtime.start_container(id)
    }

    fn stop_container<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>> {
        self.runtime.stop_container(id, grace)
    }

    fn remove_container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.runtime.remove_container(id)
    }

    fn list_containers(&self, filter: v1::ContainerFilter) -> BoxFuture<'_, Result<Vec<v1::Container>>> {
        self.runtime.list_containers(filter)
    }

    fn container_status<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStatus>> {
        self.runtime.container_status(id)
    }

    fn update_container_resources<'a>(
        &'a self,
        id: &'a str,
        resources: v1::LinuxContainerResources,
    ) -> BoxFuture<'a, Result<()>> {
        self.runtime.update_container_resources(id, resources)
    }

    fn reopen_container_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.runtime.reopen_container_log(id)
    }

    fn exec_sync<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<ExecOutput>> {
        self.runtime.exec_sync(id, command, timeout)
    }

    fn exec(&self, request: ExecRequest) -> BoxFuture<'_, Result<Session>> {
        self.runtime.exec(request)
    }

    fn attach(&self, request: AttachRequest) -> BoxFuture<'_, Result<Session>> {
        self.runtime.attach(request)
    }

    fn port_forward<'a>(&'a self, sandbox_id: &'a str, port: u16) -> BoxFuture<'a, Result<BoxDuplex>> {
        self.runtime.port_forward(sandbox_id, port)
    }

    fn container_stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<v1::ContainerStats>> {
        self.runtime.container_stats(id)
    }

    fn list_container_stats(&self, filter: v1::ContainerStatsFilter) -> BoxFuture<'_, Result<Vec<v1::ContainerStats>>> {
        self.runtime.list_container_stats(filter)
    }

    fn container_events(&self) -> BoxStream<'static, Result<v1::ContainerEventResponse>> {
        self.runtime.container_events()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_port: i32, container_port: i32, host_ip: &str) -> v1::PortMapping {
        v1::PortMapping { host_port, container_port, host_ip: host_ip.to_owned(), ..Default::default() }
    }

    #[test]
    fn mappings_into_ports() {
        let ips: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        for (mapping, expect) in [
            (mapping(0, 80, ""), Some(0)),
            (mapping(8080, 80, ""), Some(2)),
            (mapping(8080, 80, "127.0.0.1"), Some(1)),
            (mapping(8080, 80, "::1"), Some(1)),
            (mapping(8080, 0, ""), None),
            (mapping(-1, 80, ""), None),
            (mapping(70_000, 80, ""), None),
            (mapping(8080, 80, "nowhere"), None),
        ] {
            let ports = host_ports(std::slice::from_ref(&mapping), &ips);
            assert_eq!(ports.ok().map(|ports| ports.len()), expect, "{mapping:?}");
        }
    }
}
