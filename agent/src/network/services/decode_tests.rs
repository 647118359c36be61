//! Services and slices as they are written.

use super::*;

#[test]
fn services_without_addresses_are_left_out() {
    for text in [
        r#"{"metadata":{"name":"a"},"spec":{"clusterIP":"None","ports":[{"port":80}]}}"#,
        r#"{"metadata":{"name":"a"},"spec":{"type":"ExternalName","externalName":"x","clusterIP":"10.0.0.1"}}"#,
        r#"{"metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}}"#,
        r#"{"metadata":{"labels":{"service.kubernetes.io/service-proxy-name":"x"}},"spec":{"clusterIP":"10.0.0.1"}}"#,
    ] {
        assert_eq!(service(text.as_bytes()).unwrap(), None, "{text}");
    }
}

#[test]
fn a_service_is_read_with_all_that_counts() {
    let text = r#"{"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"type":"LoadBalancer",
        "clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"sessionAffinity":"ClientIP",
        "externalTrafficPolicy":"Local","healthCheckNodePort":30001,"loadBalancerSourceRanges":[" 10.1.2.3/8"],
        "ports":[{"name":"dns","protocol":"UDP","port":53,"nodePort":30053,"targetPort":"x"}]},
        "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"},{"hostname":"x"},{"ip":"192.0.2.2","ipMode":"Proxy"}]}}}"#;
    let read = service(text.as_bytes()).unwrap().unwrap();
    assert_eq!(read.cluster_ips.len(), 2);
    assert_eq!(read.balancer_ips, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!((read.affinity_s, read.health_port, read.is_external_local), (Some(10_800), Some(30_001), true));
    assert_eq!(read.source_ranges, [Net { base: [10, 0, 0, 0].into(), bits: 8 }]);
    let port = Port { name: "dns".into(), protocol: Protocol::Udp, port: 53, node_port: Some(30_053) };
    assert_eq!(read.ports, [port]);
}

#[test]
fn what_is_not_valid_is_named() {
    for (text, expect) in [
        (r#"{"spec":{"clusterIP":"x"}}"#, "clusterIP"),
        (r#"{"spec":{"clusterIP":"10.0.0.1","ports":[{"port":0}]}}"#, "port"),
        (r#"{"spec":{"clusterIP":"10.0.0.1","ports":[{"port":70000}]}}"#, "does not read"),
        (r#"{"spec":{"clusterIP":"10.0.0.1","ports":[{"port":1,"protocol":"QUIC"}]}}"#, "protocol"),
        (r#"{"spec":{"clusterIP":"10.0.0.1","loadBalancerSourceRanges":["10.0.0.0"]}}"#, "range"),
        ("7", "does not read"),
    ] {
        let error = service(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expect), "{text}: {error}");
    }
}

#[test]
fn a_slice_is_read_as_this_node_sees_it() {
    let here = Here { name: "here".into(), zone: "z1".into(), ..Here::default() };
    let text = r#"{"metadata":{"namespace":"n","name":"a-1","labels":{"kubernetes.io/service-name":"a"}},
        "addressType":"IPv4","ports":[{"name":"","port":80,"protocol":"TCP"},{"name":"none","protocol":"TCP"}],
        "endpoints":[{"addresses":["10.0.0.1","10.0.0.2"],"nodeName":"here","conditions":{}},
            {"addresses":["10.0.0.3"],"nodeName":"there","conditions":{"ready":false,"serving":true,"terminating":true},
             "hints":{"forZones":[{"name":"z2"}],"forNodes":[{"name":"here"}]}}]}"#;
    let read = slice(text.as_bytes(), &here).unwrap().unwrap();
    assert_eq!(read.service, Name::new("n", "a"));
    assert_eq!(read.ports, [(String::new(), Protocol::Tcp, 80)]);
    let [first, second] = read.endpoints[..] else { panic!("{read:?}") };
    assert!(first.is_ready && first.is_serving && first.is_local && first.zone == Hint::None);
    assert!(!second.is_ready && second.is_serving && second.is_terminating && !second.is_local);
    assert_eq!((second.zone, second.node), (Hint::Elsewhere, Hint::Here));
    let fqdn = text.replace("IPv4", "FQDN");
    assert_eq!(slice(fqdn.as_bytes(), &here).unwrap(), None);
    let null = r#"{"metadata":{"labels":{"kubernetes.io/service-name":"a"}},"addressType":"IPv4","endpoints":null,"ports":null}"#;
    assert!(slice(null.as_bytes(), &here).unwrap().unwrap().endpoints.is_empty());
}

/// Text with some bytes of it changed, taken out or doubled.
fn spoilt(text: &str, next: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + next(5) {
        let at = next(bytes.len());
        match next(4) {
            0 => bytes[at] = b"\"{}[],:0-9.e/"[next(13)],
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\"{[,19:\\u"[next(9)]),
            _ => {
                let end = (at + next(12)).min(bytes.len());
                bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop);
            }
        }
    }
    bytes
}

#[test]
fn any_text_is_refused_or_becomes_entries_that_the_kernel_can_hold() {
    use crate::network::rules::contents::Value;
    use crate::network::services::book::Book;
    use crate::network::services::element::Element;
    use crate::network::services::model::Name;
    use crate::network::services::table;
    use std::collections::BTreeMap;

    const SERVICE: &str = r#"{"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"type":"LoadBalancer",
        "clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":90}},
        "externalTrafficPolicy":"Local","internalTrafficPolicy":"Local","healthCheckNodePort":0,"externalIPs":["192.0.2.7"],
        "loadBalancerSourceRanges":["10.1.2.0/24","fd01::/64"],"ports":[{"name":"dns","protocol":"UDP","port":53,"nodePort":30053}]},
        "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"},{"ip":"2001:db8::1"}]}}}"#;
    const SLICE: &str = r#"{"metadata":{"namespace":"n","name":"a-x","labels":{"kubernetes.io/service-name":"a"}},
        "addressType":"IPv4","ports":[{"name":"dns","protocol":"UDP","port":5353}],"endpoints":[
        {"addresses":["10.1.0.1"],"nodeName":"here","conditions":{"ready":true},"hints":{"forZones":[{"name":"z"}]}},
        {"addresses":["10.1.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}}]}"#;
    let here = Here { name: "here".to_owned(), zone: "z".to_owned(), loopback: true, ..Here::default() };
    let mut seed = 5_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    let (mut read, mut lengths) = (0, BTreeMap::new());
    for round in 0..4000 {
        let (of_service, of_slice) = (spoilt(SERVICE, &mut next), spoilt(SLICE, &mut next));
        let mut book = Book::new(here.clone());
        let found = service(&of_service);
        read += usize::from(found.is_ok());
        book.set_service(Name::new("n", "a"), found.ok().flatten());
        let found = slice(&of_slice, &here);
        read += usize::from(found.is_ok());
        book.set_slice(Name::new("n", "a-x"), found.ok().flatten());
        book.settle();
        for element in book.elements() {
            let (set, (key, end), value) = element.parts();
            let value_len = if let Value::Bytes(bytes) = &value { bytes.len() } else { 0 };
            let known = *lengths.entry(set).or_insert((key.len(), value_len));
            assert_eq!(known, (key.len(), value_len), "round {round}: {set}");
            assert!(end.is_none_or(|end| end.len() == key.len()), "round {round}: {set}");
            if let Element::Shape(scope, shape) = element {
                table::chain_rules("t", scope, shape).unwrap_or_else(|e| panic!("round {round}: {e}"));
            }
        }
    }
    assert!(read > 400 && lengths.len() > 6, "the text is spoilt too much to test anything: {read}, {lengths:?}");
}
