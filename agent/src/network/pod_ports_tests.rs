//! Ports of pods as they are written, and who may have them.

use bytes::Bytes;

use super::*;

fn pod(spec: &str) -> NodeContent {
    let json = format!(r#"{{"metadata":{{"uid":"u","namespace":"n","name":"a"}},"spec":{spec}}}"#);
    let mut content = NodeContent::default();
    content.insert_pod(Arc::new(PodEntry::parse(Bytes::from(json)).unwrap()));
    content
}

fn check(spec: &str, expect: &[(Protocol, Option<&str>, u16, u16)]) {
    let asked = Reader::default().read(&pod(spec));
    let expect: Vec<PodPort> = expect
        .iter()
        .map(|&(protocol, ip, port, pod_port)| PodPort {
            protocol,
            host_ip: ip.map(|ip| ip.parse().unwrap()),
            port,
            pod_port,
        })
        .collect();
    assert_eq!(asked.get("u").cloned().unwrap_or_default(), expect, "{spec}");
}

#[test]
fn ports_are_read_as_kubernetes_means_them() {
    use Protocol::{Sctp, Tcp, Udp};
    check(r#"{"containers":[{"ports":[{"containerPort":80}]}]}"#, &[]);
    check(r#"{"containers":[{"ports":[{"containerPort":80,"hostPort":8080}]}]}"#, &[(Tcp, None, 8080, 80)]);
    check(
        r#"{"containers":[{"ports":[{"containerPort":53,"hostPort":53,"protocol":"UDP","hostIP":"10.0.0.1"}]},
            {"ports":[{"containerPort":9,"hostPort":9,"protocol":"SCTP"}]}]}"#,
        &[(Udp, Some("10.0.0.1"), 53, 53), (Sctp, None, 9, 9)],
    );
    check(r#"{"hostNetwork":true,"containers":[{"ports":[{"containerPort":80,"hostPort":80}]}]}"#, &[]);
    check(
        r#"{"initContainers":[{"restartPolicy":"Always","ports":[{"containerPort":1,"hostPort":2}]},
            {"ports":[{"containerPort":3,"hostPort":4}]}],"containers":[]}"#,
        &[(Tcp, None, 2, 1)],
    );
    check("7", &[]);
}

#[test]
fn a_port_leads_to_the_addresses_of_its_family() {
    let ips = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
    let port = |host_ip: Option<&str>| PodPort {
        protocol: Protocol::Tcp,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        port: 80,
        pod_port: 8080,
    };
    let to = |port| of_pod(&[port], &ips).map(|p| p.pod_ip.to_string()).collect::<Vec<_>>();
    assert_eq!(to(port(None)), ["10.0.0.2", "fd00::2"]);
    assert_eq!(to(port(Some("0.0.0.0"))), ["10.0.0.2"]);
    assert_eq!(to(port(Some("::"))), ["fd00::2"]);
}

#[test]
fn who_came_second_is_told() {
    let port = |host_ip: Option<&str>| PodPort {
        protocol: Protocol::Tcp,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        port: 80,
        pod_port: 80,
    };
    for (a, b, expect) in [
        (None, None, true),
        (Some("10.0.0.1"), None, true),
        (Some("10.0.0.1"), Some("10.0.0.1"), true),
        (Some("10.0.0.1"), Some("10.0.0.2"), false),
        (Some("0.0.0.0"), Some("10.0.0.2"), true),
        (Some("0.0.0.0"), Some("::"), false),
    ] {
        let asked = Asked::from([("a".to_owned(), vec![port(a)]), ("b".to_owned(), vec![port(b)])]);
        assert_eq!(taken(&asked, "b", &BTreeSet::from(["a", "b"])).is_some(), expect, "{a:?} {b:?}");
        assert!(taken(&asked, "b", &BTreeSet::from(["b"])).is_none(), "nobody else is there");
    }
}
