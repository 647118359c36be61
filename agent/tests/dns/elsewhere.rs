//! Names of others: kept, asked for once, had from another server when one fails, and never from a forger or ourselves.

use std::time::Duration;

use futures::future::join_all;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::json;

use super::bed::{Bed, Elsewhere, Manner, data, service};

const NAME: &str = "www.example.com.";

#[tokio::test]
async fn an_answer_is_kept() {
    let other = Elsewhere::start(Manner::Good).await;
    let bed = Bed::start(vec![other.place]).await;
    for _ in 0..3 {
        assert_eq!(data(&bed.ask(NAME, RecordType::A).await), ["192.0.2.1"]);
        let none = bed.ask("no.example.com.", RecordType::A).await;
        assert_eq!(none.metadata.response_code, ResponseCode::NXDomain);
    }
    assert_eq!(other.asked(), (2, 0));
    bed.end().await;
}

#[tokio::test]
async fn what_many_ask_is_asked_once() {
    let other = Elsewhere::start(Manner::Held).await;
    let bed = Bed::start(vec![other.place]).await;
    let release = async {
        // Not before the server has been asked.
        while other.asked().0 == 0 {
            tokio::task::yield_now().await;
        }
        other.release.cancel();
    };
    let all = join_all((0..20).map(|_| bed.ask(NAME, RecordType::A)));
    let (answers, ()) = tokio::join!(all, release);
    assert!(answers.iter().all(|answer| data(answer) == ["192.0.2.1"]));
    assert_eq!(other.asked(), (1, 0));
    bed.end().await;
}

#[tokio::test]
async fn another_server_is_asked_when_one_fails() {
    for manner in [Manner::Silent, Manner::Failing] {
        let (bad, good) = (Elsewhere::start(manner).await, Elsewhere::start(Manner::Good).await);
        let bed = Bed::with_attempt(vec![bad.place, good.place], Duration::from_millis(500)).await;
        // However slow the machine is, the good one answers in time at last.
        bed.until(NAME, RecordType::A, &["192.0.2.1"]).await;
        assert!(bad.asked().0 > 0);
        bed.end().await;
    }
    let bad = Elsewhere::start(Manner::Failing).await;
    let bed = Bed::start(vec![bad.place]).await;
    assert_eq!(bed.ask(NAME, RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    bed.end().await;
}

#[tokio::test]
async fn without_a_server_the_answer_says_so() {
    let bed = Bed::start(Vec::new()).await;
    assert_eq!(bed.ask(NAME, RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    bed.end().await;
}

#[tokio::test]
async fn an_answer_that_is_cut_or_doubtful_is_had_over_tcp() {
    for manner in [Manner::Cutting, Manner::Lowering] {
        let other = Elsewhere::start(manner).await;
        let bed = Bed::start(vec![other.place]).await;
        assert_eq!(data(&bed.ask(NAME, RecordType::A).await), ["192.0.2.1"]);
        assert_eq!(other.asked(), (1, 1));
        bed.end().await;
    }
}

#[tokio::test]
async fn forgeries_are_passed_over_and_names_are_spelled_at_random() {
    let other = Elsewhere::start(Manner::Forged).await;
    let bed = Bed::start(vec![other.place]).await;
    let names = (0..8).map(|n| format!("averylongnamethatisspelled{n}.example.com."));
    for name in names {
        assert_eq!(data(&bed.ask(&name, RecordType::A).await), ["192.0.2.1"]);
    }
    let spelled = other.spelled.lock().unwrap().clone();
    assert!(spelled.iter().any(|name| name.bytes().any(|b| b.is_ascii_uppercase())), "{spelled:?}");
    bed.end().await;
}

#[tokio::test]
async fn an_external_name_is_chased() {
    let other = Elsewhere::start(Manner::Good).await;
    let bed = Bed::start(vec![other.place]).await;
    bed.put("Service", &service("default", "out", &json!({"type": "ExternalName", "externalName": "www.example.com"})));
    bed.until("out.default.svc.cluster.local.", RecordType::A, &["192.0.2.1", "www.example.com."]).await;
    bed.end().await;
}

#[tokio::test]
async fn a_server_that_asks_us_is_found_out() {
    // One that only gives on what it is asked, to the server that asks it.
    let middle = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bed = Bed::start(vec![middle.local_addr().unwrap()]).await;
    let to = bed.place;
    let relay = tokio::spawn(async move {
        let out = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (mut a, mut b) = (vec![0; 4096], vec![0; 4096]);
        let mut client = None;
        loop {
            tokio::select! {
                got = middle.recv_from(&mut a) => {
                    let (size, peer) = got.unwrap();
                    client = Some(peer);
                    out.send_to(&a[..size], to).await.unwrap();
                }
                got = out.recv_from(&mut b) => {
                    let (size, _) = got.unwrap();
                    middle.send_to(&b[..size], client.unwrap()).await.unwrap();
                }
            }
        }
    });
    let found = async {
        while !bed.handle.server.forwarder.upstreams.order(std::time::Instant::now()).is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(super::bed::PATIENCE, found).await.expect("the loop is not seen");
    assert_eq!(bed.ask(NAME, RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
    relay.abort();
    bed.end().await;
}
