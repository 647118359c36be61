//! Tests of the name server without sockets: what is asked and answered, read by hickory; changes; bad packets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Asked, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, RData, Record, RecordType, rdata};
use masthead_wire::manifest::{Generation, NodeManifest};
use masthead_wire::object::{Attachment, AttachmentKey};
use serde_json::{Value, json};

use crate::dns::answer::{MESSAGE_BYTES_MAX, Outcome, answer};
use crate::dns::cache::{Answer, Cache, Question};
use crate::dns::facts::Facts;
use crate::dns::follow::Follower;
use crate::dns::name::{Name, to_wire};
use crate::dns::query;
use crate::dns::relay;
use crate::dns::zone::Zone;

/// A cluster that is told and asked.
struct Bed {
    manifest: NodeManifest,
    follower: Follower,
    zone: Zone,
}

impl Bed {
    fn new() -> Self {
        let facts = [
            ("cluster_domain", "cluster.local"),
            ("dns_ip", "10.96.0.10"),
            ("service_cidr", "10.96.0.0/16"),
            ("cluster_cidr", "10.88.0.0/16,fd00:88::/64"),
        ];
        let facts: BTreeMap<String, String> = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let zone = Zone::new(Facts::read(&facts).0);
        Self { manifest: NodeManifest::default(), follower: Follower::default(), zone }
    }

    fn put(&mut self, kind: &str, object: &Value) -> &mut Self {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string())).unwrap();
        self.manifest.content.insert_attachment(Arc::new(attachment));
        self.settle(0)
    }

    fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> &mut Self {
        let key = AttachmentKey { kind: kind.into(), namespace: namespace.into(), name: name.into() };
        self.manifest.content.attachments.remove(&key);
        self.settle(0)
    }

    fn settle(&mut self, faults: usize) -> &mut Self {
        self.manifest.generation = Generation { term: 1, counter: self.manifest.generation.counter + 1 };
        let changes = self.follower.follow(&Arc::new(self.manifest.clone()));
        assert_eq!(changes.faults.len(), faults, "{:?}", changes.faults);
        changes.apply(&mut self.zone);
        self
    }

    fn full() -> Self {
        let mut bed = Self::new();
        bed.put("Service", &service("default", "web", &json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00:96::7"],
            "ports": [{"name": "http", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}]})))
            .put("Service", &service("default", "plain", &json!({"clusterIP": "10.96.0.8", "ports": [{"port": 80}]})))
            .put("Service", &service("db", "pg", &json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]})))
            .put("EndpointSlice", &slice("db", "pg-1", "pg", &json!([
                {"addresses": ["10.88.1.4"], "hostname": "pg-0", "conditions": {"ready": true}},
                {"addresses": ["10.88.1.5"], "conditions": {"ready": true}},
                {"addresses": ["10.88.1.6"], "hostname": "pg-2", "conditions": {"ready": false, "serving": true, "terminating": true}}
            ])))
            .put("EndpointSlice", &json!({"metadata": {"namespace": "db", "name": "pg-6",
                "labels": {"kubernetes.io/service-name": "pg"}}, "addressType": "IPv6", "ports": [{"name": "sql", "port": 5432}],
                "endpoints": [{"addresses": ["fd00:88::4"], "hostname": "pg-0"}]}))
            .put("Service", &service("db", "empty", &json!({"clusterIP": "None", "ports": [{"name": "x", "port": 1}]})))
            .put("Service", &service("default", "out", &json!({"type": "ExternalName", "externalName": "www.Example.com"})))
            .put("Service", &service("default", "in", &json!({"type": "ExternalName", "externalName": "web.default.svc.cluster.local."})))
            .put("Service", &service("default", "round", &json!({"type": "ExternalName", "externalName": "round.default.svc.cluster.local"})))
            .put("Service", &service("default", "number", &json!({"type": "ExternalName", "externalName": "192.0.2.1"})));
        bed
    }

    fn ask(&self, name: &str, kind: RecordType) -> Message {
        let packet = question(name, kind, None);
        let query = query::parse(&packet).unwrap();
        let mut out = Vec::new();
        match answer(&self.zone, &packet, &query, MESSAGE_BYTES_MAX, &mut out) {
            Outcome::Done(_) => Message::from_vec(&out).unwrap(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn service(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

fn slice(namespace: &str, name: &str, service: &str, endpoints: &Value) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]})
}

fn question(name: &str, kind: RecordType, edns: Option<u16>) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Asked::query(WireName::from_ascii(name).unwrap(), kind));
    if let Some(payload) = edns {
        let mut own = Edns::new();
        own.set_max_payload(payload);
        message.set_edns(own);
    }
    message.to_vec().unwrap()
}

/// The name that stands for an address of IPv6 (RFC 3596, 2.5).
fn reverse(ip: &str) -> String {
    let bytes = ip.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let digits = bytes.iter().rev().map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
    digits.collect::<String>() + "ip6.arpa."
}

/// Records as text, sorted: `owner TYPE data`.
fn text(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<String> = records.iter().map(|r| format!("{} {} {}", r.name, r.record_type(), r.data)).collect();
    lines.sort();
    lines
}

#[test]
fn the_specification_record_by_record() {
    let bed = Bed::full();
    let web = "web.default.svc.cluster.local.";
    let pg = "pg.db.svc.cluster.local.";
    let (web_v6, pod_v6) = (reverse("fd00:96::7"), reverse("fd00:88::4"));
    let cases: Vec<(String, RecordType, Vec<String>)> = vec![
        ("dns-version.cluster.local.".into(), RecordType::TXT, vec!["dns-version.cluster.local. TXT 1.1.0".into()]),
        (web.into(), RecordType::A, vec![format!("{web} A 10.96.0.7")]),
        (web.into(), RecordType::AAAA, vec![format!("{web} AAAA fd00:96::7")]),
        (format!("_http._tcp.{web}"), RecordType::SRV, vec![format!("_http._tcp.{web} SRV 0 100 80 {web}")]),
        (format!("_dns._udp.{web}"), RecordType::SRV, vec![format!("_dns._udp.{web} SRV 0 100 53 {web}")]),
        ("7.0.96.10.in-addr.arpa.".into(), RecordType::PTR, vec![format!("7.0.96.10.in-addr.arpa. PTR {web}")]),
        (pg.into(), RecordType::A, vec![format!("{pg} A 10.88.1.4"), format!("{pg} A 10.88.1.5")]),
        (format!("pg-0.{pg}"), RecordType::A, vec![format!("pg-0.{pg} A 10.88.1.4")]),
        (format!("10-88-1-5.{pg}"), RecordType::A, vec![format!("10-88-1-5.{pg} A 10.88.1.5")]),
        (
            format!("_sql._tcp.{pg}"),
            RecordType::SRV,
            vec![
                format!("_sql._tcp.{pg} SRV 0 50 5432 10-88-1-5.{pg}"),
                format!("_sql._tcp.{pg} SRV 0 50 5432 pg-0.{pg}"),
            ],
        ),
        (pg.into(), RecordType::AAAA, vec![format!("{pg} AAAA fd00:88::4")]),
        (format!("pg-0.{pg}"), RecordType::AAAA, vec![format!("pg-0.{pg} AAAA fd00:88::4")]),
        (web_v6.clone(), RecordType::PTR, vec![format!("{web_v6} PTR {web}")]),
        (pod_v6.clone(), RecordType::PTR, vec![format!("{pod_v6} PTR pg-0.{pg}")]),
        // Of ANY one kind is enough (RFC 8482); a name with nothing but ports has these.
        (web.into(), RecordType::ANY, vec![format!("{web} A 10.96.0.7")]),
        (format!("_http._tcp.{web}"), RecordType::ANY, vec![format!("_http._tcp.{web} SRV 0 100 80 {web}")]),
        ("4.1.88.10.in-addr.arpa.".into(), RecordType::PTR, vec![format!("4.1.88.10.in-addr.arpa. PTR pg-0.{pg}")]),
        (
            "in.default.svc.cluster.local.".into(),
            RecordType::A,
            vec![format!("in.default.svc.cluster.local. CNAME {web}"), format!("{web} A 10.96.0.7")],
        ),
        (
            "out.default.svc.cluster.local.".into(),
            RecordType::CNAME,
            vec!["out.default.svc.cluster.local. CNAME www.example.com.".into()],
        ),
        (
            "10-88-3-4.default.pod.cluster.local.".into(),
            RecordType::A,
            vec!["10-88-3-4.default.pod.cluster.local. A 10.88.3.4".into()],
        ),
        (
            "fd00-88--9.default.pod.cluster.local.".into(),
            RecordType::AAAA,
            vec!["fd00-88--9.default.pod.cluster.local. AAAA fd00:88::9".into()],
        ),
        ("ns.dns.cluster.local.".into(), RecordType::A, vec!["ns.dns.cluster.local. A 10.96.0.10".into()]),
        ("cluster.local.".into(), RecordType::NS, vec!["cluster.local. NS ns.dns.cluster.local.".into()]),
    ];
    for (name, kind, mut expect) in cases {
        expect.sort();
        let got = bed.ask(&name, kind);
        assert_eq!(text(&got.answers), expect, "{name} {kind}");
        assert_eq!(got.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(got.metadata.authoritative && got.answers.iter().all(|r| r.ttl == 5), "{name}");
    }
}

#[test]
fn what_is_not_there_is_told_with_its_zone() {
    let bed = Bed::full();
    let (none, nx) = (ResponseCode::NoError, ResponseCode::NXDomain);
    for (name, kind, code, zone) in [
        ("web.default.svc.cluster.local.", RecordType::MX, none, "cluster.local."),
        // What browsers ask along, what nobody has heard of, and what belongs to the zone alone.
        ("web.default.svc.cluster.local.", RecordType::HTTPS, none, "cluster.local."),
        ("web.default.svc.cluster.local.", RecordType::Unknown(65_280), none, "cluster.local."),
        ("web.default.svc.cluster.local.", RecordType::SOA, none, "cluster.local."),
        ("web.default.svc.cluster.local.", RecordType::NS, none, "cluster.local."),
        ("no.default.svc.cluster.local.", RecordType::HTTPS, nx, "cluster.local."),
        ("no.default.svc.cluster.local.", RecordType::ANY, nx, "cluster.local."),
        ("_none._tcp.web.default.svc.cluster.local.", RecordType::SRV, nx, "cluster.local."),
        ("_http._udp.web.default.svc.cluster.local.", RecordType::SRV, nx, "cluster.local."),
        ("10-88-3-4.default.pod.cluster.local.", RecordType::AAAA, none, "cluster.local."),
        ("cluster.local.", RecordType::A, none, "cluster.local."),
        ("plain.default.svc.cluster.local.", RecordType::AAAA, none, "cluster.local."),
        ("_tcp.web.default.svc.cluster.local.", RecordType::SRV, none, "cluster.local."),
        ("default.svc.cluster.local.", RecordType::A, none, "cluster.local."),
        ("svc.cluster.local.", RecordType::A, none, "cluster.local."),
        ("nobody.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("no.default.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("x.web.default.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("pg-2.pg.db.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        // "If there are no ready endpoints for the headless service, the answer should be NXDOMAIN."
        ("empty.db.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("number.default.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("www.google.com.default.svc.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("8-8-8-8.default.pod.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("what.cluster.local.", RecordType::A, nx, "cluster.local."),
        ("9.0.96.10.in-addr.arpa.", RecordType::PTR, nx, "96.10.in-addr.arpa."),
        ("7.0.96.10.in-addr.arpa.", RecordType::A, none, "96.10.in-addr.arpa."),
        (&*reverse("fd00:88::5"), RecordType::PTR, nx, "0.0.0.0.0.0.0.0.8.8.0.0.0.0.d.f.ip6.arpa."),
    ] {
        let got = bed.ask(name, kind);
        assert_eq!((got.metadata.response_code, got.answers.len()), (code, 0), "{name} {kind}");
        let [soa] = &got.authorities[..] else { panic!("{name}: {:?}", got.authorities) };
        assert_eq!((soa.name.to_ascii().as_str(), soa.record_type(), soa.ttl), (zone, RecordType::SOA, 5), "{name}");
    }
    let round = bed.ask("round.default.svc.cluster.local.", RecordType::A);
    assert_eq!(round.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn services_tell_their_hosts_addresses_along() {
    let bed = Bed::full();
    let got = bed.ask("_sql._tcp.pg.db.svc.cluster.local.", RecordType::SRV);
    let pg = "pg.db.svc.cluster.local.";
    let expect = ["10-88-1-5.{pg} A 10.88.1.5", "pg-0.{pg} A 10.88.1.4", "pg-0.{pg} AAAA fd00:88::4"];
    assert_eq!(text(&got.additionals), expect.map(|line| line.replace("{pg}", pg)));
}

#[test]
fn names_elsewhere_are_others() {
    let bed = Bed::full();
    let outcome = |name: &str, kind| {
        let packet = question(name, kind, None);
        let query = query::parse(&packet).unwrap();
        answer(&bed.zone, &packet, &query, 512, &mut Vec::new())
    };
    for name in ["www.example.com.", "local.", ".", "xcluster.local.", "1.2.0.192.in-addr.arpa.", "10.in-addr.arpa."] {
        assert_eq!(outcome(name, RecordType::PTR), Outcome::Forward, "{name}");
    }
    let chase = outcome("OUT.default.svc.cluster.local.", RecordType::A);
    let to = Name::read(&to_wire("www.example.com").unwrap(), 0).unwrap().0;
    assert_eq!(chase, Outcome::Chase(vec![to]));
}

#[test]
fn the_question_comes_back_as_it_was_spelled() {
    let bed = Bed::full();
    let got = bed.ask("wEb.DeFault.svc.CLUSTER.local.", RecordType::A);
    assert_eq!(got.queries[0].name().to_ascii(), "wEb.DeFault.svc.CLUSTER.local.");
    assert_eq!(got.answers[0].name.to_ascii(), "wEb.DeFault.svc.CLUSTER.local.");
}

#[test]
fn records_follow_each_change_and_nothing_is_left() {
    let mut bed = Bed::full();
    let pg = "pg.db.svc.cluster.local.";
    let a = |bed: &Bed, name: &str| bed.ask(name, RecordType::A).answers.len();
    assert_eq!(a(&bed, pg), 2);
    bed.put("EndpointSlice", &slice("db", "pg-2", "pg", &json!([{"addresses": ["10.88.2.9"], "hostname": "pg-9"}])));
    assert_eq!((a(&bed, pg), a(&bed, &format!("pg-9.{pg}"))), (3, 1));
    // The slice goes to another service.
    bed.put("EndpointSlice", &slice("db", "pg-2", "empty", &json!([{"addresses": ["10.88.2.9"]}])));
    assert_eq!((a(&bed, pg), a(&bed, "empty.db.svc.cluster.local.")), (2, 1));
    // A service becomes headless, and back: its slices were not read before.
    bed.put("EndpointSlice", &slice("default", "web-1", "web", &json!([{"addresses": ["10.88.2.7"]}])));
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "None"})));
    assert_eq!(
        text(&bed.ask("web.default.svc.cluster.local.", RecordType::A).answers),
        ["web.default.svc.cluster.local. A 10.88.2.7"]
    );
    bed.put("Service", &service("default", "web", &json!({"clusterIP": "10.96.0.9"})));
    assert_eq!(
        text(&bed.ask("web.default.svc.cluster.local.", RecordType::A).answers),
        ["web.default.svc.cluster.local. A 10.96.0.9"]
    );
    assert_eq!(bed.ask("7.2.88.10.in-addr.arpa.", RecordType::PTR).answers.len(), 0);
    // What can't be read takes nothing away.
    let bad = json!({"metadata": {"namespace": "db", "name": "pg"}, "spec": {"ports": "x"}});
    let attachment = Attachment::parse("Service", Bytes::from(bad.to_string())).unwrap();
    bed.manifest.content.insert_attachment(Arc::new(attachment));
    bed.settle(1);
    assert_eq!(a(&bed, pg), 2);
    for (namespace, name) in [
        ("db", "pg"),
        ("db", "empty"),
        ("default", "web"),
        ("default", "plain"),
        ("default", "in"),
        ("default", "out"),
        ("default", "round"),
        ("default", "number"),
    ] {
        bed.remove("Service", namespace, name);
    }
    for (namespace, name) in [("db", "pg-1"), ("db", "pg-2"), ("db", "pg-6"), ("default", "web-1")] {
        bed.remove("EndpointSlice", namespace, name);
    }
    assert_eq!(bed.zone.size(), (0, 0));
    assert_eq!(bed.ask("default.svc.cluster.local.", RecordType::A).metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(bed.ask("4.1.88.10.in-addr.arpa.", RecordType::PTR).metadata.response_code, ResponseCode::NXDomain);
}

/// A small generator, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

#[test]
fn incremental_changes_end_where_a_fresh_start_does() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut bed = Bed::new();
        for _ in 0..60 {
            let name = format!("s{}", random.below(4));
            let ip = format!("10.88.0.{}", random.below(6));
            match random.below(5) {
                0 => bed.put(
                    "Service",
                    &service("n", &name, &json!({"clusterIP": "None", "ports": [{"name": "p", "port": 1}]})),
                ),
                1 => bed.put(
                    "Service",
                    &service("n", &name, &json!({"clusterIP": ip, "ports": [{"name": "p", "port": 1}]})),
                ),
                2 => {
                    let of = format!("s{}", random.below(4));
                    let ready = random.below(3) > 0;
                    bed.put(
                        "EndpointSlice",
                        &slice(
                            "n",
                            &format!("{name}-x"),
                            &of,
                            &json!([{"addresses": [ip], "conditions": {"ready": ready}}]),
                        ),
                    )
                }
                3 => bed.remove("Service", "n", &name),
                _ => bed.remove("EndpointSlice", "n", &format!("{name}-x")),
            };
        }
        let mut fresh = Bed::new();
        fresh.manifest = bed.manifest.clone();
        fresh.settle(0);
        assert_eq!(bed.zone.size(), fresh.zone.size(), "seed {seed}");
        for at in 0..6 {
            let (a, b) = (format!("s{at}.n.svc.cluster.local."), format!("{at}.0.88.10.in-addr.arpa."));
            for (name, kind) in [(&a, RecordType::A), (&a, RecordType::SRV), (&b, RecordType::PTR)] {
                let (one, two) = (bed.ask(name, kind), fresh.ask(name, kind));
                assert_eq!(text(&one.answers), text(&two.answers), "seed {seed} {name}");
                assert_eq!(one.metadata.response_code, two.metadata.response_code, "seed {seed} {name}");
            }
        }
    }
}

#[test]
fn long_answers_are_cut_to_what_the_client_takes() {
    let mut bed = Bed::new();
    let many: Vec<Value> = (0..200).map(|n| json!({"addresses": [format!("10.88.0.{n}")]})).collect();
    bed.put("Service", &service("db", "pg", &json!({"clusterIP": "None"})));
    bed.put("EndpointSlice", &slice("db", "pg-1", "pg", &json!(many)));
    for (edns, kind) in [
        (None, RecordType::A),
        (Some(1232), RecordType::A),
        (Some(65_535), RecordType::SRV),
        (Some(100), RecordType::A),
    ] {
        let packet = question("pg.db.svc.cluster.local.", kind, edns);
        let query = query::parse(&packet).unwrap();
        let mut out = Vec::new();
        let max = query.udp_limit();
        answer(&bed.zone, &packet, &query, max, &mut out);
        let got = Message::from_vec(&out).unwrap();
        assert!(out.len() <= max && out.len() > max - 64, "{} of {max}", out.len());
        assert!(got.metadata.truncation && !got.answers.is_empty() && got.edns.is_some() == edns.is_some());
        answer(&bed.zone, &packet, &query, MESSAGE_BYTES_MAX, &mut out);
        let whole = Message::from_vec(&out).unwrap();
        assert_eq!((whole.answers.len(), whole.metadata.truncation), (200, false));
    }
}

#[test]
fn bad_packets_get_a_refusal_or_nothing() {
    let good = question("web.default.svc.cluster.local.", RecordType::A, Some(1232));
    let check = |edit: &dyn Fn(&mut Vec<u8>), expect: Option<ResponseCode>| {
        let mut packet = good.clone();
        edit(&mut packet);
        let refusal = query::refusal(query::parse(&packet).unwrap_err());
        let code = (!refusal.is_empty()).then(|| Message::from_vec(&refusal).unwrap().metadata.response_code);
        assert_eq!(code, expect);
    };
    let end = good.len() - 11;
    check(&|p| p.truncate(11), None);
    check(&|p| p.clear(), None);
    check(&|p| p[2] |= 0x80, None);
    check(&|p| p[2] |= 0x28, Some(ResponseCode::NotImp));
    check(&|p| p[5] = 0, Some(ResponseCode::FormErr));
    check(&|p| p[5] = 2, Some(ResponseCode::FormErr));
    check(&|p| p[7] = 1, Some(ResponseCode::FormErr));
    check(&|p| p[11] = 200, Some(ResponseCode::FormErr));
    check(&|p| p[11] = 2, Some(ResponseCode::FormErr));
    check(&|p| p.truncate(end + 4), Some(ResponseCode::FormErr));
    check(&|p| p[12..14].copy_from_slice(&[0xc0, 12]), Some(ResponseCode::FormErr));
    check(&|p| p[12] = 0x43, Some(ResponseCode::FormErr));
    check(&|p| p[end - 3] = 252, Some(ResponseCode::Refused));
    // 16 is "bad version" here, and "bad signature" where there is one.
    check(&|p| p[end + 6] = 1, Some(ResponseCode::from(1, 0)));
    check(
        &|p| {
            let edns = p[end..].to_vec();
            p.extend(edns);
            p[11] = 2;
        },
        Some(ResponseCode::FormErr),
    );
}

#[test]
fn any_bytes_are_survived_and_every_answer_can_be_read() {
    let bed = Bed::full();
    let seconds = std::env::var("MASTHEAD_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(1);
    let names = [
        "web.default.svc.cluster.local.",
        "_sql._tcp.pg.db.svc.cluster.local.",
        "out.default.svc.cluster.local.",
        "4.1.88.10.in-addr.arpa.",
        "www.example.com.",
        "in.default.svc.cluster.local.",
    ];
    let mut round = 0;
    while round < 20_000 || Instant::now() < end {
        round += 1;
        let edns = [None, Some(0), Some(1232), Some(65_535)][random.below(4)];
        let mut packet = question(
            names[random.below(names.len())],
            RecordType::from([1, 28, 33, 12, 255, 6][random.below(6)]),
            edns,
        );
        for _ in 0..random.below(6) {
            let at = random.below(packet.len());
            match random.below(3) {
                0 => packet[at] = u8::try_from(random.below(256)).unwrap(),
                1 => packet.truncate(at.max(1)),
                _ => packet.insert(at, 0xc0),
            }
        }
        let mut out = Vec::new();
        let Ok(query) = query::parse(&packet) else { continue };
        let max = query.udp_limit();
        if let Outcome::Done(_) = answer(&bed.zone, &packet, &query, max, &mut out) {
            assert!(out.len() <= max.max(512), "round {round}");
            Message::from_vec(&out).unwrap_or_else(|e| panic!("round {round}: {e} {packet:?}"));
        }
        // An answer of another server may be anything, too.
        if let Ok(message) = Message::from_vec(&packet) {
            let other = Answer::new(message, Instant::now());
            let asked = question("www.example.com.", RecordType::A, edns);
            let query = query::parse(&asked).unwrap();
            let _ = relay::reply(&asked, &query, &[], &other, Instant::now(), 512);
        }
    }
}

fn foreign(answers: usize, ttl: u32) -> Message {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    let name = WireName::from_ascii("www.example.com.").unwrap();
    for n in 0..answers {
        let ip = std::net::Ipv4Addr::from(0xc000_0200 + u32::try_from(n).unwrap());
        message.add_answer(Record::from_rdata(name.clone(), ttl, RData::A(rdata::A(ip))));
    }
    message
}

fn no(code: ResponseCode, minimum: u32) -> Message {
    let mut message = foreign(0, 0);
    message.metadata.response_code = code;
    let name = |text| WireName::from_ascii(text).unwrap();
    let soa = rdata::SOA::new(name("a."), name("b."), 1, 2, 3, 4, minimum);
    message.add_authority(Record::from_rdata(name("example.com."), 900, RData::SOA(soa)));
    message
}

#[test]
fn how_long_answers_are_kept() {
    let now = Instant::now();
    let mut cut = foreign(1, 60);
    cut.metadata.truncation = true;
    let mut failed = foreign(0, 0);
    failed.metadata.response_code = ResponseCode::ServFail;
    for (message, ttl) in [
        (foreign(2, 60), 60),
        (foreign(1, 100_000), 3600),
        (foreign(1, 0), 0),
        (foreign(0, 0), 0),
        (no(ResponseCode::NXDomain, 30), 30),
        (no(ResponseCode::NXDomain, 9000), 300),
        (no(ResponseCode::NoError, 20), 20),
        (cut, 0),
        (failed, 2),
    ] {
        assert_eq!(Answer::new(message.clone(), now).ttl_s, ttl, "{message}");
    }
    let question = |n: usize| Question {
        name: to_wire(&format!("n{n}.example.com")).unwrap().into(),
        kind: 1,
        class: 1,
        dnssec_ok: false,
        checking_disabled: false,
    };
    let mut cache = Cache::new(3);
    for n in 0..5 {
        cache.put(question(n), Arc::new(Answer::new(foreign(1, 10 + u32::try_from(n).unwrap()), now)));
    }
    // What ends first went first.
    let kept: Vec<usize> = (0..5).filter(|n| cache.get(&question(*n), now).is_some()).collect();
    assert_eq!((kept, cache.len()), (vec![2, 3, 4], 3));
    assert!(cache.get(&question(2), now + Duration::from_secs(12)).is_none(), "12 s have passed");
    assert!(cache.get(&question(2), now + Duration::from_secs(11)).is_some());
}

#[test]
fn answers_of_others_are_given_on_as_they_are_now() {
    let now = Instant::now();
    let packet = question("wWw.Example.com.", RecordType::A, None);
    let query = query::parse(&packet).unwrap();
    let of = |message: Message, aliases: &[Name], max| {
        let answer = Answer::new(message, now);
        let bytes = relay::reply(&packet, &query, aliases, &answer, now + Duration::from_secs(7), max).unwrap();
        assert!(bytes.len() <= max);
        Message::from_vec(&bytes).unwrap()
    };
    let got = of(foreign(2, 60), &[], 512);
    assert_eq!((got.metadata.id, got.answers.len(), got.answers[0].ttl), (7, 2, 53));
    assert_eq!(got.answers[0].name.to_ascii(), "wWw.Example.com.");
    assert!(!got.metadata.authoritative && got.metadata.recursion_available);
    assert_eq!(of(foreign(2, 3), &[], 512).answers[0].ttl, 0);
    let cut = of(foreign(100, 60), &[], 512);
    assert!(cut.metadata.truncation && cut.answers.len() > 10, "{}", cut.answers.len());
    let nx = of(no(ResponseCode::NXDomain, 30), &[], 512);
    assert_eq!((nx.metadata.response_code, nx.authorities.len()), (ResponseCode::NXDomain, 1));
    let packet = question("out.default.svc.cluster.local.", RecordType::A, None);
    let query = query::parse(&packet).unwrap();
    let alias = Name::read(&to_wire("www.example.com").unwrap(), 0).unwrap().0;
    let bytes = relay::reply(&packet, &query, &[alias], &Answer::new(foreign(1, 60), now), now, 512).unwrap();
    let got = Message::from_vec(&bytes).unwrap();
    assert_eq!(
        text(&got.answers),
        ["out.default.svc.cluster.local. CNAME www.example.com.", "www.example.com. A 192.0.2.0"]
    );
    assert_eq!(got.queries[0].query_class(), DNSClass::IN);
}
