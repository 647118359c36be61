//! Logs, exec, attach and port-forward through a node whose containers are made up here.

use std::sync::Arc;

use bytes::Bytes;
use masthead_agent::link::state::Streams;
use masthead_wire::stream::{AgentIo, Exit, StreamKind, StreamRequest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::server::{LASTS, Server};

const POD: &str = "web-5d8f-aaaaa";

/// Logs count lines, a process gives back its input and tells its command, a port echoes.
struct Fake;

impl Streams for Fake {
    fn open(&self, request: StreamRequest, io: AgentIo) {
        tokio::spawn(async move {
            match request.kind {
                StreamKind::Logs(logs) => {
                    for n in 0..logs.tail_lines.unwrap_or(3) {
                        let line = format!("{} {} line {n}\n", request.pod.name, logs.container);
                        let _ = io.output.stdout(line.into()).await;
                    }
                    if logs.follow {
                        io.gone.cancelled().await;
                    }
                    let _ = io.output.exit(Exit::Code(0)).await;
                }
                StreamKind::Exec(exec) if exec.command == ["missing"] => {
                    let failed =
                        Exit::Failed { reason: "InternalError".to_owned(), message: "no such program".to_owned() };
                    let _ = io.output.exit(failed).await;
                }
                StreamKind::Exec(exec) => give_back(io, exec.stdin, &exec.command.join("|")).await,
                StreamKind::Attach(attach) => give_back(io, attach.stdin, "attached").await,
                StreamKind::PortForward { port: 1 } => {
                    let refused =
                        Exit::Failed { reason: "InternalError".to_owned(), message: "connection refused".to_owned() };
                    let _ = io.output.exit(refused).await;
                }
                StreamKind::PortForward { .. } => {
                    let (mut stdin, mut out) = (io.stdin, io.output.stdout_writer());
                    let _ = tokio::io::copy(&mut stdin, &mut out).await;
                    let _ = io.output.exit(Exit::Code(0)).await;
                }
            }
        });
    }
}

async fn give_back(mut io: AgentIo, stdin: bool, command: &str) {
    let mut text = Vec::new();
    if stdin {
        io.stdin.read_to_end(&mut text).await.unwrap();
    }
    let _ = io.output.stdout(Bytes::from(text)).await;
    let _ = io.output.stderr(Bytes::from(command.to_owned())).await;
    let _ = io.output.exit(Exit::Code(if command.contains("fine") || command == "attached" { 0 } else { 7 })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_come_from_the_node() {
    let server = Server::start().await;
    let _agent = server.agent(Arc::new(Fake)).await;
    let whole = format!("{POD} app line 0\n{POD} app line 1\n{POD} app line 2\n");
    assert_eq!(server.masthead(&format!("logs {POD}")).await.out, whole);
    assert_eq!(server.masthead(&format!("logs {POD} --tail=1 -c app")).await.out, format!("{POD} app line 0\n"));
    assert_eq!(server.masthead("logs deploy/web --tail=1").await.out.lines().count(), 1);
    let many = server.masthead("logs -l app=web --tail=1 --prefix").await.out;
    assert_eq!(many, format!("[pod/{POD}/app] {POD} app line 0\n[pod/web-5d8f-bbbbb/app] web-5d8f-bbbbb app line 0\n"));
    let mut followers = vec![server.masthead_in_background(&format!("logs -f {POD}"))];
    if server.has_kubectl() {
        assert_eq!(server.kubectl(&format!("logs {POD}")).await.out, whole);
        followers.push(server.kubectl_in_background(&format!("logs -f {POD}")));
    }
    for mut follower in followers {
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
        for n in 0..3 {
            let line = tokio::time::timeout(LASTS, lines.next_line()).await.expect("a line at once").unwrap();
            assert_eq!(line, Some(format!("{POD} app line {n}")));
        }
        follower.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_with_their_input_and_end_with_their_code() {
    let server = Server::start().await;
    let _agent = server.agent(Arc::new(Fake)).await;
    let long = "y".repeat(300_000);
    for ours in [true, false] {
        if !ours && !server.has_kubectl() {
            return;
        }
        let ended = server.with_input(ours, &format!("exec -i {POD} -- cat - --x"), &long).await;
        assert!(ended.out == long, "ours {ours}: {} bytes of {}: {}", ended.out.len(), long.len(), ended.err);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(7), "cat|-|--xcommand terminated with exit code 7\n"),
            "ours {ours}"
        );
        let fine = server.with_input(ours, &format!("exec {POD} -c app -- fine"), "").await;
        assert_eq!((fine.code, fine.out.as_str(), fine.err.as_str()), (Some(0), "", "fine"), "ours {ours}");
        let missing = server.with_input(ours, &format!("exec {POD} -- missing"), "").await;
        assert_eq!(missing.code, Some(1), "ours {ours}: {missing:?}");
        assert!(missing.err.contains("no such program"), "ours {ours}: {missing:?}");
        let attached = server.with_input(ours, &format!("attach -i {POD}"), "hello").await;
        assert_eq!((attached.code, attached.out.as_str()), (Some(0), "hello"), "ours {ours}: {attached:?}");
        let nowhere = server.with_input(ours, &format!("exec {POD} -c nothing -- ls"), "").await;
        assert!(
            nowhere.err.contains("container nothing is not valid for pod web-5d8f-aaaaa"),
            "ours {ours}: {nowhere:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_are_forwarded() {
    let server = Server::start().await;
    let _agent = server.agent(Arc::new(Fake)).await;
    for (what, port) in [
        (format!("pod/{POD} :8080"), "8080"),
        ("svc/web :80".to_owned(), "8080"),
        ("deploy/web :http".to_owned(), "8080"),
    ] {
        echoes(server.masthead_in_background(&format!("port-forward {what}")), &what, port).await;
    }
    is_refused(server.masthead_in_background(&format!("port-forward {POD} :1"))).await;
    if !server.has_kubectl() {
        return;
    }
    // SPDY in a WebSocket, and by itself as clients before 1.31 speak it.
    for websockets in ["true", "false"] {
        let start = |line: &str| {
            let mut command = server.kubectl_command(line);
            command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets).spawn().unwrap()
        };
        echoes(start(&format!("port-forward {POD} :8080")), websockets, "8080").await;
        is_refused(start(&format!("port-forward {POD} :1"))).await;
    }
}

/// Forwards to a port that sends back what it gets.
async fn echoes(mut child: tokio::process::Child, what: &str, port: &str) {
    let (address, _lines) = address_of(&mut child, port).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let sent: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    tokio::time::timeout(LASTS, stream.read_to_end(&mut back)).await.expect("the echo ends").unwrap();
    assert!(back == sent, "{what}: {} of {} bytes", back.len(), sent.len());
    child.kill().await.unwrap();
}

type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStdout>>;

/// Where it listens; its output has to be kept open.
async fn address_of(child: &mut tokio::process::Child, port: &str) -> (String, Lines) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(LASTS, lines.next_line()).await.expect("an address").unwrap().unwrap_or_default();
    let address = line.strip_prefix("Forwarding from ").and_then(|rest| rest.strip_suffix(&format!(" -> {port}")));
    (address.unwrap_or_else(|| panic!("{line:?}")).to_owned(), lines)
}

/// Forwards to a port where nobody listens.
async fn is_refused(mut child: tokio::process::Child) {
    let (address, _lines) = address_of(&mut child, "1").await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut back = Vec::new();
    // The connection ends; how, depends on what was under way.
    let _ = tokio::time::timeout(LASTS, stream.read_to_end(&mut back)).await.expect("it ends");
    assert!(back.is_empty());
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = tokio::time::timeout(LASTS, errors.next_line()).await.expect("it is told").unwrap().unwrap();
    assert!(told.contains("connection refused"), "{told}");
    child.kill().await.unwrap();
}
