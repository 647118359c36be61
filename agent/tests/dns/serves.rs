//! The cluster's names over UDP and TCP, while they change and while nonsense comes in.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::json;
use tokio::net::UdpSocket;

use super::bed::{Bed, Elsewhere, Manner, Pipe, data, packet, service, slice};

const WEB: &str = "web.default.svc.cluster.local.";

#[tokio::test]
async fn a_change_is_answered_from_then_on() {
    let bed = Bed::start(Vec::new()).await;
    assert_eq!(bed.ask(WEB, RecordType::A).await.metadata.response_code, ResponseCode::NXDomain);
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "None"})));
    bed.put("EndpointSlice", &slice("default", "web", &["10.88.0.2"]));
    bed.until(WEB, RecordType::A, &["10.88.0.2"]).await;
    bed.put("EndpointSlice", &slice("default", "web", &["10.88.0.3", "10.88.0.4"]));
    bed.until(WEB, RecordType::A, &["10.88.0.3", "10.88.0.4"]).await;
    bed.put("EndpointSlice", &slice("default", "web", &[]));
    bed.until(WEB, RecordType::A, &[]).await;
    bed.end().await;
}

#[tokio::test]
async fn many_questions_share_a_connection_and_none_waits_for_a_slow_one() {
    let held = Elsewhere::start(Manner::Held).await;
    let bed = Bed::start(vec![held.place]).await;
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "10.96.0.9"})));
    bed.until(WEB, RecordType::A, &["10.96.0.9"]).await;
    let mut pipe = Pipe::open(bed.place).await;
    pipe.send(&[
        packet(1, "www.example.com.", RecordType::A),
        packet(2, WEB, RecordType::A),
        packet(3, WEB, RecordType::AAAA),
    ])
    .await;
    let (first, second) = (pipe.next().await.unwrap(), pipe.next().await.unwrap());
    assert_eq!((first.metadata.id, second.metadata.id), (2, 3));
    held.release.cancel();
    let last = pipe.next().await.unwrap();
    assert_eq!((last.metadata.id, data(&last)), (1, vec!["192.0.2.1".to_owned()]));
    // What is no question ends the connection, not the server.
    pipe.send(&[vec![0; 3]]).await;
    assert!(pipe.next().await.is_none());
    bed.until(WEB, RecordType::A, &["10.96.0.9"]).await;
    bed.end().await;
}

#[tokio::test]
async fn long_answers_are_had_over_tcp() {
    let bed = Bed::start(Vec::new()).await;
    let addresses: Vec<String> = (0..250).map(|n| format!("10.88.0.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "None"})));
    bed.put("EndpointSlice", &slice("default", "web", &addresses));
    let mut pipe = Pipe::open(bed.place).await;
    loop {
        pipe.send(&[packet(1, WEB, RecordType::A)]).await;
        let whole = pipe.next().await.unwrap();
        if !whole.answers.is_empty() {
            assert_eq!((whole.answers.len(), whole.metadata.truncation), (250, false));
            break;
        }
    }
    let cut = bed.ask(WEB, RecordType::A).await;
    assert!(cut.metadata.truncation && !cut.answers.is_empty());
    bed.end().await;
}

#[tokio::test]
async fn nonsense_does_not_stop_the_answers() {
    let bed = Bed::start(Vec::new()).await;
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "10.96.0.9"})));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut state: u64 = 7;
    for _ in 0..500 {
        let mut bytes = packet(9, WEB, RecordType::A);
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).unwrap() % bytes.len();
            bytes[at] = state.to_le_bytes()[3];
        }
        socket.send_to(&bytes, bed.place).await.unwrap();
    }
    bed.until(WEB, RecordType::A, &["10.96.0.9"]).await;
    bed.end().await;
}
