//! Logs, exec and port-forward, as users get them over the link.

use std::sync::Arc;
use std::time::Duration;

use masthead_agent::link::state::Streams;
use masthead_agent::pods::streams::PodStreams;
use masthead_wire::pb;
use masthead_wire::stream::{Exit, OutputFrame, PodRef, StreamIo, StreamKind, StreamRequest, agent_end, control_end};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::pods::bed::{Agent, machine, pod, script};
use crate::pods::life::WAITS;

/// Both ends of a stream, without a network between.
fn open(agent: &Agent, kind: StreamKind) -> StreamIo {
    let streams = PodStreams::new(agent.shared.runtime.clone(), "node-1".into());
    streams.follow(agent.manifest.subscribe());
    let (io, feed, frames) = agent_end();
    let (control, control_feed, control_frames) = control_end();
    tokio::spawn(feed.run(ReceiverStream::new(control_frames).map(Ok)));
    tokio::spawn(control_feed.run(ReceiverStream::new(frames).map(Ok)));
    let pod = PodRef { namespace: "test".into(), name: "web".into(), uid: String::new() };
    Arc::new(streams).open(StreamRequest { pod, kind }, io);
    control
}

async fn all(mut io: StreamIo) -> (String, Exit) {
    let mut text = String::new();
    while let Some(frame) = io.next().await {
        match frame {
            OutputFrame::Stdout(bytes) | OutputFrame::Stderr(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            OutputFrame::Exit(exit) => return (text, exit),
        }
    }
    (text, Exit::Code(-1))
}

#[test]
fn logs_exec_and_ports() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let main = script(
            "main",
            &format!(
                "for n in 1 2 3 4 5; do echo line $n; done; busybox mkdir /www; echo hello > /www/index.html; busybox httpd -p 127.0.0.1:8080 -h /www; {WAITS}"
            ),
        );
        agent.says(&[pod("web", json!({"containers": [main]}))], &[]);
        agent.ready("web").await;
        let logs = |change: &dyn Fn(&mut pb::Logs)| {
            let mut wanted = pb::Logs::default();
            change(&mut wanted);
            all(open(&agent, StreamKind::Logs(wanted)))
        };
        let done = Exit::Code(0);
        agent.look("the whole log", async || logs(&|_| {}).await.0.ends_with("line 5\n").then_some(())).await;
        assert_eq!(logs(&|_| {}).await, ("line 1\nline 2\nline 3\nline 4\nline 5\n".into(), done.clone()));
        assert_eq!(logs(&|l| l.tail_lines = Some(2)).await, ("line 4\nline 5\n".into(), done.clone()));
        assert_eq!(logs(&|l| l.limit_bytes = Some(9)).await, ("line 1\nli".into(), done.clone()));
        assert_eq!(logs(&|l| l.since_time = Some("2999-01-01T00:00:00Z".into())).await, (String::new(), done.clone()));
        let (text, _) = logs(&|l| (l.timestamps, l.tail_lines) = (true, Some(1))).await;
        assert!(text.starts_with("20") && text.ends_with("Z line 5\n"), "{text}");
        let (_, exit) = logs(&|l| l.previous = true).await;
        assert_eq!(
            exit,
            Exit::Failed {
                reason: "BadRequest".into(),
                message: "previous terminated container \"main\" in pod \"web\" not found".into()
            }
        );
        let exec = |command: &[&str], stdin: bool| {
            let command = command.iter().map(|word| (*word).to_owned()).collect();
            StreamKind::Exec(pb::Exec { command, stdin, stdout: true, stderr: true, ..pb::Exec::default() })
        };
        assert_eq!(
            all(open(&agent, exec(&["sh", "-c", "echo out; exit 7"], false))).await,
            ("out\n".into(), Exit::Code(7))
        );
        let mut cat = open(&agent, exec(&["cat"], true));
        cat.write_all(b"typed").await.unwrap();
        cat.shutdown().await.unwrap();
        assert_eq!(all(cat).await, ("typed".into(), Exit::Code(0)));
        let asked = async || {
            let mut port = open(&agent, StreamKind::PortForward { port: 8080 });
            let mut answer = String::new();
            // The server in the pod may not listen yet.
            port.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
            port.read_to_string(&mut answer).await.ok()?;
            answer.ends_with("hello\n").then_some(())
        };
        agent.look("the pod's web server", asked).await;
        let mut follow =
            open(&agent, StreamKind::Logs(pb::Logs { follow: true, tail_lines: Some(0), ..pb::Logs::default() }));
        // Said until it is heard: what was said before the log is followed is not in it.
        let mut line = [0; 9];
        let says = async {
            loop {
                let (text, _) = all(open(&agent, exec(&["sh", "-c", "echo followed > /proc/1/fd/1"], false))).await;
                assert_eq!(text, "");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            heard = follow.read_exact(&mut line) => drop(heard.unwrap()),
            () = says => {}
        }
        assert_eq!(&line, b"followed\n");
        agent.says(&[], &[]);
        assert_eq!(all(follow).await.1, Exit::Code(0), "a log ends with its container");
        agent.gone("web").await;
        agent.stop().await;
    });
}

#[test]
fn what_waits_for_its_next_start_is_the_previous_container() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let main = json!({
            "name": "main", "command": ["sh", "-c", "cat /tries/log; echo again >> /tries/log; exit 3"],
            "volumeMounts": [{"name": "tries", "mountPath": "/tries"}],
        });
        let volume = json!({"name": "tries", "emptyDir": {}});
        agent.says(&[pod("web", json!({"containers": [main], "volumes": [volume]}))], &[]);
        let held =
            |s: &serde_json::Value| s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        agent.status("web", "backing off", held).await;
        let previous = StreamKind::Logs(pb::Logs { previous: true, ..pb::Logs::default() });
        let (text, exit) = all(open(&agent, previous)).await;
        assert!(text.ends_with("again\n"), "the log of the first try: {text:?}, {exit:?}");
        agent.says(&[], &[]);
        agent.gone("web").await;
        agent.stop().await;
    });
}
