//! Ports of the machine → ports of nodes, connection by connection, for as long as it is held.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

use crate::fleet::config::{PortMapping, Transport};

/// Connections of one port at a time.
const CONNECTIONS_MAX: usize = 4096;
/// Senders of one UDP port at a time; the one that was silent longest goes first.
const SENDERS_MAX: usize = 1024;
/// Silence after which a UDP sender is forgotten (conntrack's own time for a stream).
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Largest datagram.
const DATAGRAM_BYTES: usize = 65_535;
/// Wait after an accept that failed, which is for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// A port that is led; ends when dropped.
#[derive(Debug)]
pub struct Led {
    /// As it is shown.
    pub text: String,
    task: JoinHandle<()>,
}

impl Drop for Led {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Leads a port of the machine to `node`.
///
/// # Errors
/// The port is taken, or it needs a right that is not there.
pub async fn lead(mapping: &PortMapping, node: IpAddr) -> Result<Led> {
    let from = SocketAddr::new(mapping.listen, mapping.host_port);
    let to = SocketAddr::new(node, mapping.node_port);
    let what = || format!("listening on {from} for port {} of a node", mapping.node_port);
    let (at, task) = match mapping.transport {
        Transport::Tcp => {
            let listener = TcpListener::bind(from).await.with_context(what)?;
            (listener.local_addr()?, tokio::spawn(tcp(listener, to)))
        }
        Transport::Udp => {
            let socket = UdpSocket::bind(from).await.with_context(what)?;
            (socket.local_addr()?, tokio::spawn(udp(Arc::new(socket), to)))
        }
    };
    let transport = if mapping.transport == Transport::Tcp { "TCP" } else { "UDP" };
    Ok(Led { text: format!("{at}->{}/{transport}", mapping.node_port), task })
}

async fn tcp(listener: TcpListener, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((client, _)) => drop(connections.spawn(carry(client, to))),
                Err(error) => {
                    tracing::warn!(%error, %to, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr) {
    let carried = async {
        let mut node = TcpStream::connect(to).await?;
        node.set_nodelay(true)?;
        client.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut node).await
    };
    if let Err(error) = carried.await {
        // The client sees its connection closed, as it would with the node's own refusal.
        tracing::debug!(%error, %to, "a connection to a node ended");
    }
}

async fn udp(socket: Arc<UdpSocket>, to: SocketAddr) {
    let mut senders: HashMap<SocketAddr, (Arc<UdpSocket>, JoinHandle<()>)> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        senders.retain(|_, (_, answers)| !answers.is_finished());
        if !senders.contains_key(&from) && senders.len() < SENDERS_MAX {
            match answer(socket.clone(), from, to).await {
                Ok(sender) => drop(senders.insert(from, sender)),
                Err(error) => tracing::warn!(%error, %to, "a sender could not be taken"),
            }
        }
        if let Some((upstream, _)) = senders.get(&from) {
            // A datagram may be lost anywhere.
            let _ = upstream.send(&buffer[..length]).await;
        }
    }
}

/// A socket of its own for one sender, whose answers go back to it until there is silence.
async fn answer(
    socket: Arc<UdpSocket>,
    from: SocketAddr,
    to: SocketAddr,
) -> io::Result<(Arc<UdpSocket>, JoinHandle<()>)> {
    let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let upstream = Arc::new(UdpSocket::bind((any, 0)).await?);
    upstream.connect(to).await?;
    let answers = upstream.clone();
    let task = tokio::spawn(async move {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        while let Ok(Ok(length)) = tokio::time::timeout(SILENCE_MAX, answers.recv(&mut buffer)).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    Ok((upstream, task))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn mapping(transport: Transport, node_port: u16) -> PortMapping {
        PortMapping { node_port, host_port: 0, listen: [127, 0, 0, 1].into(), transport }
    }

    fn address(led: &Led) -> SocketAddr {
        led.text.split("->").next().unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn a_connection_is_carried_both_ways() {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mapping = mapping(Transport::Tcp, node.local_addr().unwrap().port());
        let led = lead(&mapping, [127, 0, 0, 1].into()).await.unwrap();
        let mut client = TcpStream::connect(address(&led)).await.unwrap();
        let (mut served, _) = node.accept().await.unwrap();
        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        let mut asked = String::new();
        served.read_to_string(&mut asked).await.unwrap();
        served.write_all(b"answer").await.unwrap();
        drop(served);
        let mut answered = String::new();
        client.read_to_string(&mut answered).await.unwrap();
        assert_eq!((asked.as_str(), answered.as_str()), ("ask", "answer"));
    }

    #[tokio::test]
    async fn datagrams_find_their_sender() {
        let node = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mapping = mapping(Transport::Udp, node.local_addr().unwrap().port());
        let led = lead(&mapping, [127, 0, 0, 1].into()).await.unwrap();
        for word in [b"one", b"two"] {
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.send_to(word, address(&led)).await.unwrap();
            let mut buffer = [0; 8];
            let (length, from) = node.recv_from(&mut buffer).await.unwrap();
            node.send_to(&buffer[..length], from).await.unwrap();
            let (length, _) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], word);
        }
    }
}
