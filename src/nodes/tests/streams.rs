//! Logs, exec and ports over the session's connection.

use super::trust::identity;
use super::*;

fn request(kind: StreamKind) -> StreamRequest {
    let pod = PodRef { namespace: "n".into(), name: "a".into(), uid: "u".into() };
    StreamRequest { pod, kind }
}

#[tokio::test]
async fn streams_carry_logs_exec_and_ports() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    let handle = &control.handle;
    let open = |kind| within("opening", handle.open_stream("one", request(kind)));

    let mut logs = open(StreamKind::Logs(pb::Logs::default())).await.unwrap();
    let mut text = String::new();
    within("the log", logs.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "a line 0\na line 1\na line 2\n");
    assert_eq!(logs.exit(), Some(&Exit::Code(0)));

    let mut exec = open(StreamKind::Exec(pb::Exec::default())).await.unwrap();
    let input = exec.input();
    input.resize(Size { width: 80, height: 24 }).await.unwrap();
    // More than one frame and more than the queue holds.
    let long = "y".repeat(3 * limits::FRAME_BYTES + 5);
    input.stdin(long.clone().into()).await.unwrap();
    input.close_stdin().await.unwrap();
    let (mut out, mut err, mut exit) = (Vec::new(), Vec::new(), None);
    while let Some(frame) = within("a frame", exec.next()).await {
        match frame {
            OutputFrame::Stdout(bytes) => {
                assert!(bytes.len() <= limits::FRAME_BYTES);
                out.extend(bytes);
            }
            OutputFrame::Stderr(bytes) => err.extend(bytes),
            OutputFrame::Exit(e) => exit = Some(e),
        }
    }
    assert_eq!((out == long.as_bytes(), &err[..], exit), (true, &b"80x24"[..], Some(Exit::Code(7))));

    let mut port = open(StreamKind::PortForward { port: 80 }).await.unwrap();
    let payload: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    let (mut from, mut to) = tokio::io::split(&mut port);
    let send = async {
        to.write_all(&payload).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = within("the echo", async { tokio::join!(send, from.read_to_end(&mut back)) }).await;
    read.unwrap();
    assert!(back == payload);

    let mut lost = open(StreamKind::Attach(pb::Attach::default())).await.unwrap();
    let frame = within("the end", lost.next()).await;
    assert!(matches!(frame, Some(OutputFrame::Exit(Exit::Failed { .. }))), "{frame:?}");
    let missing = handle.open_stream("two", request(StreamKind::PortForward { port: 1 })).await;
    assert_eq!(missing.err().unwrap().to_string(), "node two is not connected");
    drop(agent);
    control.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_only_its_own_stream() {
    let mut control = Control::new().await;
    let dir = tempfile::tempdir().unwrap();
    let agent = agent(dir.path(), "one", control.address, Some(control.token(None, None)));
    control.report("the greeting", hello("one")).await;
    let follow = || StreamKind::Logs(pb::Logs { follow: true, ..pb::Logs::default() });
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let stream = control.handle.open_stream("one", request(follow())).await;
        stuck.push(stream.unwrap());
    }
    let wanted = content(&[("a", 1)]);
    control.handle.set_node("one", wanted.clone());
    holds(&agent, &wanted).await;
    // Its bytes wait, none is lost.
    let mut first = vec![0; 9];
    stuck[0].read_exact(&mut first).await.unwrap();
    assert_eq!(first, b"a line 0\n");
    control.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_asked_for_is_refused() {
    let control = Control::new().await;
    let hour = Duration::from_secs(3600);
    let thief = identity(&control.authority, "two", SystemTime::now(), hour);
    let address = control.address.to_string();
    let channel = dial(&address, tls::node(&thief).unwrap()).await.unwrap();
    let mut call = tonic::Request::new(tokio_stream::empty::<pb::Frame>());
    call.metadata_mut().insert("masthead-stream-id", "0".parse().unwrap());
    let status = NodeLinkClient::new(channel).stream(call).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    control.stop().await;
}
