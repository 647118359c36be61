//! exec, exec with a terminal, attach, and what happens when somebody hangs up.

use std::time::Duration;

use masthead_agent::runtime::contract::{AttachRequest, ExecRequest, Runtime};
use masthead_agent::runtime::error::Error;
use masthead_agent::runtime::streams::TerminalSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::bed::{Bed, bed, container, processes_with, script, until};

async fn sleeper(bed: &Bed) -> String {
    let pod = bed.pod("p").await;
    bed.start(&pod, container("c", &["sleep", "1000"])).await
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn short_commands() {
    let Some(bed) = bed().await else { return };
    let id = sleeper(&bed).await;
    let run = async |text: &str| bed.runtime.exec_sync(&id, words(&["sh", "-c", text]), None).await;
    let output = run("echo out; echo err >&2; exit 4").await.unwrap();
    assert_eq!((output.stdout, output.stderr, output.exit_code), (b"out\n".into(), b"err\n".into(), 4));
    assert_eq!(run("kill -9 $$").await.unwrap().exit_code, 137);
    let output = run("seq 1 200000").await.unwrap();
    assert_eq!(output.stdout.len(), 1_288_895);
    let error = bed.runtime.exec_sync(&id, words(&["nope"]), None).await.unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    for _ in 0..3 {
        let all = (0..8).map(|n| run(if n % 2 == 0 { "exit 1" } else { "exit 2" }));
        let codes: Vec<i32> =
            futures::future::join_all(all).await.into_iter().map(|output| output.unwrap().exit_code).collect();
        assert_eq!(codes, [1, 2, 1, 2, 1, 2, 1, 2]);
    }
    let left: Vec<_> = std::fs::read_dir(bed.container_dir(&id).join("state").join(&id))
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("tenant"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_takes_too_long_dies_with_all_it_started() {
    let Some(bed) = bed().await else { return };
    let id = sleeper(&bed).await;
    let text = "sleep 2001 & setsid sleep 2002 & sh -c 'sleep 2003; :'";
    let limit = Some(Duration::from_millis(400));
    let error = bed.runtime.exec_sync(&id, words(&["sh", "-c", text]), limit).await.unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded(_)), "{error}");
    for name in ["sleep 2001", "sleep 2002", "sleep 2003"] {
        until("the end of what was started", || processes_with(name).is_empty()).await;
    }
    assert_eq!(bed.runtime.exec_sync(&id, words(&["true"]), None).await.unwrap().exit_code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_is_passed_on_and_closed() {
    let Some(bed) = bed().await else { return };
    let id = sleeper(&bed).await;
    let mut session = bed
        .runtime
        .exec(ExecRequest {
            container_id: id,
            command: words(&["cat"]),
            stdin: true,
            stdout: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"through").await.unwrap();
    drop(stdin);
    let mut text = String::new();
    session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!((text.as_str(), session.exit.await.unwrap()), ("through", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_resized() {
    let Some(bed) = bed().await else { return };
    let id = sleeper(&bed).await;
    let mut session = bed
        .runtime
        .exec(ExecRequest {
            container_id: id,
            command: words(&["sh"]),
            tty: true,
            stdin: true,
            stdout: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let resize = session.resize.take().unwrap();
    resize.send(TerminalSize { columns: 101, rows: 33 }).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let typed = b"until stty size | grep -q '33 101'; do sleep 0.05; done; stty size; tty; exit 6\n";
    stdin.write_all(typed).await.unwrap();
    let mut text = String::new();
    timeout(Duration::from_secs(120), stdout.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.contains("33 101") && text.contains("/dev/pts/"), "{text}");
    assert_eq!(session.exit.await.unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_when_nobody_listens() {
    let Some(bed) = bed().await else { return };
    let id = sleeper(&bed).await;
    let session = bed
        .runtime
        .exec(ExecRequest { container_id: id, command: words(&["sleep", "2010"]), ..Default::default() })
        .await
        .unwrap();
    until("the command", || !processes_with("sleep 2010").is_empty()).await;
    drop(session);
    until("its end", || processes_with("sleep 2010").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_sees_output_and_gives_input() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let mut config = script("c", "while read line; do echo got $line; done; echo end; exit 9");
    config.stdin = true;
    config.stdin_once = true;
    let id = bed.start(&pod, config).await;
    let request = AttachRequest { container_id: id.clone(), stdin: true, stdout: true, stderr: true };
    let mut session = bed.runtime.attach(request).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"one\n").await.unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let mut answer = [0; 8];
    stdout.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"got one\n");
    drop(stdin);
    drop((session, stdout));
    assert_eq!(bed.ended(&id).await.exit_code, 9);
    assert_eq!(bed.text("p", "c"), "got one\nend\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_reaches_a_container_for_one_client_and_its_output_goes_on() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    for once in [true, false] {
        let name = if once { "once" } else { "always" };
        let mut config = script(name, "while read line; do echo got $line; done; echo end; exit 9");
        (config.stdin, config.stdin_once) = (true, once);
        let id = bed.start(&pod, config).await;
        let request = AttachRequest { container_id: id.clone(), stdin: true, stdout: true, stderr: false };
        let mut session = bed.runtime.attach(request.clone()).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"one\n").await.unwrap();
        stdin.shutdown().await.unwrap();
        assert!(stdin.write_all(b"two\n").await.is_err(), "after the end");
        let mut stdout = session.stdout.take().unwrap();
        if once {
            let mut text = String::new();
            stdout.read_to_string(&mut text).await.unwrap();
            assert_eq!((text.as_str(), session.exit.await.unwrap()), ("got one\nend\n", 9));
            continue;
        }
        drop(stdin);
        let mut second = bed.runtime.attach(request).await.unwrap();
        second.stdin.as_mut().unwrap().write_all(b"three\n").await.unwrap();
        let mut text = [0; 18];
        stdout.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"got one\ngot three\n");
        bed.runtime.stop_container(&id, Duration::ZERO).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_with_a_terminal() {
    let Some(bed) = bed().await else { return };
    let pod = bed.pod("p").await;
    let text = "tty; read line; echo got $line; until stty size | grep -q '20 90'; do sleep 0.05; done; stty size";
    let mut config = script("c", text);
    config.stdin = true;
    config.tty = true;
    let id = bed.start(&pod, config).await;
    let request = AttachRequest { container_id: id.clone(), stdin: true, stdout: true, stderr: false };
    let mut session = bed.runtime.attach(request).await.unwrap();
    let resize = session.resize.take().unwrap();
    resize.send(TerminalSize { columns: 90, rows: 20 }).await.unwrap();
    session.stdin.as_mut().unwrap().write_all(b"x\n").await.unwrap();
    let mut text = String::new();
    let mut stdout = session.stdout.take().unwrap();
    timeout(Duration::from_secs(120), stdout.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.contains("got x") && text.contains("20 90"), "{text}");
    assert_eq!(session.exit.await.unwrap(), 0);
    let log = bed.text("p", "c");
    assert!(log.contains("/dev/") && log.contains("got x"), "{log}");
}
