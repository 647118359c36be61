//! Tests of the Ingress without sockets: classes, the table and its precedence, doubtful requests, headers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, AttachmentKey};
use serde_json::{Value, json};

use crate::ingress::build::{Built, Problem};
use crate::ingress::class::is_ours;
use crate::ingress::follow::Follower;
use crate::ingress::headers::{Client, to_pod, upgrade};
use crate::ingress::host::{clean_host, has_dot_segment};
use crate::ingress::objects::{Ingress, IngressClass, Secret};
use crate::ingress::scan::{Fault, Scanner};
use crate::ingress::tls;

#[derive(Default)]
struct Bed {
    manifest: NodeManifest,
    follower: Follower,
    built: Option<Built>,
    builds: usize,
}

impl Bed {
    fn put(&mut self, kind: &str, object: &Value) -> &mut Self {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string())).unwrap();
        self.manifest.content.insert_attachment(Arc::new(attachment));
        self
    }

    fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> &mut Self {
        let key = AttachmentKey { kind: kind.into(), namespace: namespace.into(), name: name.into() };
        self.manifest.content.attachments.remove(&key);
        self
    }

    fn settle(&mut self) -> &mut Self {
        if let Some(next) = self.follower.follow(&Arc::new(self.manifest.clone())) {
            assert_eq!(next.faults, Vec::<String>::new());
            self.built = Some(next.built);
            self.builds += 1;
        }
        self
    }

    /// The backend of a request, or `-`.
    fn find(&self, host: &str, path: &str) -> String {
        let table = &self.built.as_ref().unwrap().table;
        table.find(host, path).map_or("-".to_owned(), |route| {
            let name = route.backend.name.split([':', '/']).nth(1).unwrap_or("?").to_owned();
            if route.to_https { format!("{name} by TLS") } else { name }
        })
    }

    fn problems(&self) -> Vec<String> {
        let all = &self.built.as_ref().unwrap().problems;
        all.iter().map(|Problem { ingress, message, .. }| format!("{}: {message}", ingress.1)).collect()
    }

    fn service(&mut self, name: &str) -> &mut Self {
        let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]});
        self.put("Service", &json!({"metadata": {"namespace": "n", "name": name}, "spec": spec}));
        self.slice(name, &json!([{"addresses": ["10.88.0.1"]}]))
    }

    fn slice(&mut self, name: &str, endpoints: &Value) -> &mut Self {
        self.put(
            "EndpointSlice",
            &json!({"metadata": {"namespace": "n", "name": name,
            "labels": {"kubernetes.io/service-name": name}}, "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8080}]}),
        )
    }

    fn ingress(&mut self, name: &str, created: &str, spec: &Value) -> &mut Self {
        self.put(
            "Ingress",
            &json!({"metadata": {"namespace": "n", "name": name, "creationTimestamp": created}, "spec": spec}),
        )
    }

    fn endpoints(&self, host: &str) -> Vec<String> {
        let table = &self.built.as_ref().unwrap().table;
        let backend = &table.find(host, "/").unwrap().backend;
        backend.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    }
}

fn backend(service: &str) -> Value {
    json!({"service": {"name": service, "port": {"number": 80}}})
}

fn path(kind: &str, path: &str, service: &str) -> Value {
    json!({"path": path, "pathType": kind, "backend": backend(service)})
}

fn rule(host: &str, paths: &[Value]) -> Value {
    json!({"host": host, "http": {"paths": paths}})
}

#[test]
fn paths_match_as_kubernetes_says() {
    // The table of Kubernetes' documentation of Ingress: kind, paths, request, which of them matches.
    let cases: &[(&str, &[&str], &str, &str)] = &[
        ("Prefix", &["/"], "/all/paths", "/"),
        ("Exact", &["/foo"], "/foo", "/foo"),
        ("Exact", &["/foo"], "/bar", "-"),
        ("Exact", &["/foo"], "/foo/", "-"),
        ("Exact", &["/foo/"], "/foo", "-"),
        ("Prefix", &["/foo"], "/foo", "/foo"),
        ("Prefix", &["/foo"], "/foo/", "/foo"),
        ("Prefix", &["/foo/"], "/foo", "/foo/"),
        ("Prefix", &["/foo/"], "/foo/", "/foo/"),
        ("Prefix", &["/aaa/bb"], "/aaa/bbb", "-"),
        ("Prefix", &["/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
        ("Prefix", &["/aaa/bbb/"], "/aaa/bbb", "/aaa/bbb/"),
        ("Prefix", &["/aaa/bbb"], "/aaa/bbb/", "/aaa/bbb"),
        ("Prefix", &["/aaa/bbb"], "/aaa/bbb/ccc", "/aaa/bbb"),
        ("Prefix", &["/aaa/bbb"], "/aaa/bbbxyz", "-"),
        ("Prefix", &["/", "/aaa"], "/aaa/ccc", "/aaa"),
        ("Prefix", &["/", "/aaa", "/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
        ("Prefix", &["/", "/aaa", "/aaa/bbb"], "/ccc", "/"),
        ("Prefix", &["/aaa"], "/ccc", "-"),
        ("ImplementationSpecific", &["/aaa"], "/aaa/x", "/aaa"),
        ("ImplementationSpecific", &[""], "/x", ""),
    ];
    for (kind, paths, request, expect) in cases {
        let mut bed = Bed::default();
        let rules: Vec<Value> = paths.iter().enumerate().map(|(at, p)| path(kind, p, &format!("s{at}"))).collect();
        bed.ingress("i", "1", &json!({"rules": [rule("a.b", &rules)]})).settle();
        let found = bed.find("a.b", request);
        let found = found.strip_prefix('s').map_or("-", |at| paths[at.parse::<usize>().unwrap()]);
        assert_eq!(found, *expect, "{kind} {paths:?} {request}");
    }
}

#[test]
fn exact_before_prefix_and_near_before_far() {
    let mut bed = Bed::default();
    bed.ingress("i", "1", &json!({"rules": [
        rule("a.b", &[path("Prefix", "/x", "prefix"), path("Exact", "/x", "exact"), path("Prefix", "/only", "only")]),
        rule("*.b", &[path("Prefix", "/", "wild")]),
        rule("", &[path("Prefix", "/any", "any")]),
    ]}))
    .ingress("default", "2", &json!({"defaultBackend": backend("default")}))
    .settle();
    for (host, path, expect) in [
        ("a.b", "/x", "exact"),
        ("a.b", "/x/y", "prefix"),
        ("a.b", "/only", "only"),
        // What a host has no path for, the next wider rule may have.
        ("a.b", "/z", "wild"),
        ("c.b", "/x", "wild"),
        // A wildcard is one label, and no less.
        ("d.c.b", "/x", "default"),
        ("b", "/x", "default"),
        ("z", "/any/thing", "any"),
        ("z", "/else", "default"),
    ] {
        assert_eq!(bed.find(host, path), expect, "{host}{path}");
    }
}

#[test]
fn the_older_ingress_has_what_two_want() {
    let spec = |service: &str| json!({"rules": [rule("a.b", &[path("Prefix", "/x/", service), path("Exact", "/e", service)])]});
    let mut bed = Bed::default();
    bed.service("old").service("new").ingress("a-new", "2026-02-01T00:00:00Z", &spec("new"));
    bed.ingress("z-old", "2026-01-01T00:00:00Z", &spec("old")).settle();
    assert_eq!((bed.find("a.b", "/x"), bed.find("a.b", "/e")), ("old".into(), "old".into()));
    assert_eq!(
        bed.problems(),
        [
            "a-new: Exact path \"/e\" of a.b belongs to the older Ingress n/z-old",
            "a-new: Prefix path \"/x/\" of a.b belongs to the older Ingress n/z-old",
        ]
    );
    bed.remove("Ingress", "n", "z-old").settle();
    assert_eq!((bed.find("a.b", "/x"), bed.problems().len()), ("new".into(), 0));
}

#[test]
fn what_is_missing_is_told() {
    let check = |object: Option<(&str, Value)>, wanted: Value, expect: &str| {
        let mut bed = Bed::default();
        bed.service("web");
        if let Some((kind, object)) = &object {
            bed.put(kind, object);
        }
        let paths = json!({"path": "/", "pathType": "Prefix", "backend": wanted});
        bed.ingress("i", "1", &json!({"rules": [rule("a.b", &[paths])]})).settle();
        let table = &bed.built.as_ref().unwrap().table;
        let fault = table.find("a.b", "/").unwrap().backend.fault.clone();
        assert_eq!(fault.as_deref().unwrap_or("none"), expect);
        // Pods that come up are nothing that is wrong in an Ingress.
        let is_wrong = expect != "none" && !expect.contains("no ready endpoint");
        assert_eq!(bed.problems().len(), usize::from(is_wrong));
    };
    let web = |port: Value| json!({"service": {"name": "web", "port": port}});
    check(None, web(json!({"number": 80})), "none");
    check(None, web(json!({"name": "http"})), "none");
    check(None, web(json!({"number": 81})), "service n/web has no port 81");
    check(None, web(json!({"name": "x"})), "service n/web has no port x");
    check(None, backend("nobody"), "service n/nobody does not exist");
    check(
        None,
        json!({"resource": {"kind": "Bucket"}}),
        "a backend of kind \"Bucket\" is not supported, only services are",
    );
    let service = |spec: Value| Some(("Service", json!({"metadata": {"namespace": "n", "name": "web"}, "spec": spec})));
    check(
        service(json!({"type": "ExternalName", "externalName": "x.y"})),
        backend("web"),
        "service n/web is an ExternalName, which is not supported behind an Ingress",
    );
    check(
        service(json!({"ports": [{"name": "http", "port": 80, "appProtocol": "https"}]})),
        backend("web"),
        "port 80 of service n/web speaks TLS, which is not supported to pods",
    );
    check(
        service(json!({"ports": [{"name": "other", "port": 80}]})),
        backend("web"),
        "service n/web has no ready endpoint for port 80",
    );
}

#[test]
fn ready_endpoints_get_requests_and_ending_ones_when_there_is_no_other() {
    let mut bed = Bed::default();
    bed.service("web").ingress("i", "1", &json!({"rules": [rule("a.b", &[path("Prefix", "/", "web")])]})).settle();
    assert_eq!((bed.endpoints("a.b"), bed.builds), (vec!["10.88.0.1:8080".to_owned()], 1));
    let ending =
        json!({"addresses": ["10.88.0.2"], "conditions": {"ready": false, "serving": true, "terminating": true}});
    let dead =
        json!({"addresses": ["10.88.0.3"], "conditions": {"ready": false, "serving": false, "terminating": true}});
    bed.slice("web", &json!([{"addresses": ["10.88.0.1"]}, ending, dead])).settle();
    assert_eq!(bed.endpoints("a.b"), ["10.88.0.1:8080"]);
    bed.slice("web", &json!([ending, dead])).settle();
    assert_eq!((bed.endpoints("a.b"), bed.builds), (vec!["10.88.0.2:8080".to_owned()], 3));
    // What no Ingress names builds no table.
    bed.service("other").settle();
    bed.slice("other", &json!([])).settle();
    assert_eq!(bed.builds, 3);
}

#[test]
fn whose_an_ingress_is() {
    let classes = |text: &[(&str, &str, bool)]| -> BTreeMap<String, IngressClass> {
        let class = |(name, controller, is_default): &(&str, &str, bool)| {
            let annotations = json!({"ingressclass.kubernetes.io/is-default-class": is_default.to_string()});
            let object =
                json!({"metadata": {"name": name, "annotations": annotations}, "spec": {"controller": controller}});
            ((*name).to_owned(), serde_json::from_value(object).unwrap())
        };
        text.iter().map(class).collect()
    };
    let ingress = |class: Option<&str>, annotation: Option<&str>| -> Ingress {
        let annotations: BTreeMap<_, _> = annotation.iter().map(|v| ("kubernetes.io/ingress.class", *v)).collect();
        serde_json::from_value(json!({"metadata": {"annotations": annotations}, "spec": {"ingressClassName": class}}))
            .unwrap()
    };
    let (ours, theirs) = ("masthead.dev/ingress", "k8s.io/ingress-nginx");
    let none = &[][..];
    let nginx = &[("nginx", theirs, false)][..];
    let mixed = &[("nginx", theirs, false), ("web", ours, true)][..];
    let foreign = &[("masthead", theirs, false), ("nginx", theirs, true)][..];
    for (known, class, annotation, expect) in [
        (none, None, None, true),
        (none, Some("masthead"), None, true),
        (none, Some("nginx"), None, false),
        (none, None, Some("masthead"), true),
        (none, None, Some("nginx"), false),
        (nginx, None, None, false),
        (nginx, Some("masthead"), None, true),
        (nginx, Some("nginx"), None, false),
        (mixed, None, None, true),
        (mixed, Some("web"), None, true),
        (mixed, Some("nginx"), Some("web"), false),
        (mixed, None, Some("web"), true),
        (foreign, None, None, false),
        (foreign, Some("masthead"), None, false),
    ] {
        let got = is_ours(&ingress(class, annotation), &classes(known));
        assert_eq!(got, expect, "{known:?} {class:?} {annotation:?}");
    }
}

fn secret(names: &[&str]) -> Value {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    json!({"tls.crt": encode(made.cert.pem()), "tls.key": encode(made.signing_key.serialize_pem())})
}

#[test]
fn certificates_belong_to_hosts_and_bad_ones_are_told() {
    let mut bed = Bed::default();
    let put = |bed: &mut Bed, name: &str, data: &Value| {
        bed.put("Secret", &json!({"metadata": {"namespace": "n", "name": name}, "data": data}));
    };
    bed.service("web");
    put(&mut bed, "good", &secret(&["a.b"]));
    put(&mut bed, "wild", &secret(&["*.w.b"]));
    let mut mixed = secret(&["x.b"]);
    mixed["tls.key"] = secret(&["y.b"])["tls.key"].clone();
    put(&mut bed, "mixed", &mixed);
    let rules = ["a.b", "*.w.b", "x.b", "p.b"].map(|host| rule(host, &[path("Prefix", "/", "web")]));
    let tls = json!([{"hosts": ["A.b"], "secretName": "good"}, {"hosts": ["*.w.b"], "secretName": "wild"},
        {"hosts": ["x.b"], "secretName": "mixed"}, {"hosts": ["p.b"], "secretName": "none"}]);
    bed.ingress("i", "1", &json!({"rules": rules, "tls": tls})).settle();
    assert_eq!(
        bed.problems(),
        [
            "i: Secret \"mixed\": its key is not that of its certificate",
            "i: there is no Secret \"none\" with a certificate"
        ]
    );
    let table = &bed.built.as_ref().unwrap().table;
    for (host, has) in
        [("a.b", true), ("one.w.b", true), ("w.b", false), ("two.one.w.b", false), ("x.b", false), ("p.b", false)]
    {
        assert_eq!(table.certificate(host).is_some(), has, "{host}");
    }
    let found = ["a.b", "one.w.b", "x.b", "p.b"].map(|host| bed.find(host, "/"));
    assert_eq!(found, ["web by TLS", "web by TLS", "web", "web"]);
    for (data, expect) in [
        (json!({}), "it has no tls.crt"),
        (json!({"tls.crt": "!", "tls.key": "!"}), "its tls.crt can't be read"),
        (json!({"tls.crt": "aGVsbG8=", "tls.key": "aGVsbG8="}), "its tls.crt can't be read"),
    ] {
        let secret: Secret = serde_json::from_value(json!({"data": data})).unwrap();
        assert_eq!(tls::certificate(&secret).unwrap_err().to_string(), expect);
    }
}

fn scan(text: &[u8], step: usize) -> Result<usize, Fault> {
    let mut scanner = Scanner::new(1024);
    for part in text.chunks(step) {
        scanner.scan(part).map_err(|(_, fault)| fault)?;
    }
    Ok(scanner.heads)
}

#[test]
fn doubtful_requests_are_refused_however_they_come() {
    let head = "POST /a HTTP/1.1\r\nHost: x\r\n";
    let large = format!("{head}A: {}\r\n\r\n", "x".repeat(1100));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(101));
    let cases: Vec<(String, Result<usize, u16>)> = vec![
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nhost:x\r\n\r\n".into(), Ok(2)),
        ("\r\nGET / HTTP/1.0\r\n\r\n".into(), Ok(1)),
        (format!("{head}Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(2)),
        (
            format!("{head}Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
            Ok(2),
        ),
        (format!("{head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: 3, 3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: +3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: 99999999999999999999\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length:\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: gzip, chunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: xchunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400)),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Err(400)),
        (format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked;q=1\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: \"chunked\"\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: \u{b}chunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding:\r\n chunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding\t: chunked\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding\0: chunked\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: 0x3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: 3 3\r\n\r\n"), Err(400)),
        (format!("{head}Content-Length: -0\r\n\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding : chunked\r\n\r\n"), Err(400)),
        (format!("{head} folded: x\r\n\r\n"), Err(400)),
        (format!("{head}A: b\r\n\tc\r\n\r\n"), Err(400)),
        ("GET / HTTP/1.1\nHost: x\r\n\r\n".into(), Err(400)),
        (format!("{head}A: b\n\r\n"), Err(400)),
        (format!("{head}A: b\rC: d\r\n\r\n"), Err(400)),
        (format!("{head}A: \0\r\n\r\n"), Err(400)),
        (format!("{head}Host: y\r\n\r\n"), Err(400)),
        ("GET / HTTP/1.1\r\n\r\n".into(), Err(400)),
        ("GET /\r\n\r\n".into(), Err(400)),
        ("GET  / HTTP/1.1\r\n\r\n".into(), Err(400)),
        ("GET / HTTP/2.0\r\n\r\n".into(), Err(505)),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n".into(), Err(501)),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(17_000)), Err(414)),
        (large, Err(431)),
        (many, Err(431)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n-3\r\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n 3\r\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3;x\ny\r\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3;x\ry\r\nabc"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n"), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n3{}", ";x".repeat(2000)), Err(400)),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n{}", "T: x\r\n".repeat(2000)), Err(431)),
    ];
    for (text, expect) in &cases {
        for step in [1, 7, text.len()] {
            let got = scan(text.as_bytes(), step).map_err(|fault| fault.status);
            assert_eq!(got, *expect, "{:?} by {step}", &text[..text.len().min(200)]);
        }
    }
}

#[test]
fn any_bytes_are_read_the_same_in_any_parts() {
    let seconds = std::env::var("MASTHEAD_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let seeds = [
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "PUT /b HTTP/1.1\r\nHost: y\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
    ];
    let bits = b"\r\n :;,0aT\0\xff";
    let mut state: u64 = 11;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % n
    };
    let mut round = 0;
    while round < 20_000 || Instant::now() < end {
        round += 1;
        let mut bytes = seeds[draw(2)].as_bytes().to_vec();
        for _ in 0..draw(5) {
            let at = draw(bytes.len());
            match draw(3) {
                0 => bytes[at] = bits[draw(bits.len())],
                1 => bytes.insert(at, bits[draw(bits.len())]),
                _ => drop(bytes.remove(at)),
            }
        }
        let step = 1 + draw(bytes.len());
        assert_eq!(
            scan(&bytes, bytes.len()),
            scan(&bytes, step),
            "round {round}: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        map.append(name, value);
    }
    map
}

#[test]
fn a_pod_gets_no_header_that_a_client_can_lie_with() {
    let sent = headers(&[
        ("host", "a.b"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("connection", "close, X-Secret, X-Forwarded-For, Host"),
        ("x-secret", "1"),
        ("keep-alive", "5"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("x-own", "stays"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-forwarded_proto", "https"),
        ("x-forwarded-prefix", "/a"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("content-length", "5"),
        ("content-length", "5"),
        ("proxy-authorization", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ]);
    let check = |is_trusted: bool, expect: &[(&str, &str)]| {
        let mut got = sent.clone();
        let client = Client::new("::ffff:192.0.2.9".parse().unwrap(), 80, false, is_trusted);
        to_pod(&mut got, &client, &HeaderValue::from_static("a.b"));
        let mut lines: Vec<(String, String)> =
            got.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        lines.sort();
        let expect: Vec<(String, String)> = expect.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        assert_eq!(lines, expect);
    };
    check(
        false,
        &[
            ("content-length", "5"),
            ("cookie", "a=1; b=2"),
            ("host", "a.b"),
            ("te", "trailers"),
            ("x-forwarded-for", "192.0.2.9"),
            ("x-forwarded-host", "a.b"),
            ("x-forwarded-port", "80"),
            ("x-forwarded-proto", "http"),
            ("x-own", "stays"),
            ("x-real-ip", "192.0.2.9"),
        ],
    );
    check(
        true,
        &[
            ("content-length", "5"),
            ("cookie", "a=1; b=2"),
            ("forwarded", "for=1.2.3.4, for=192.0.2.9;proto=http"),
            ("host", "a.b"),
            ("te", "trailers"),
            ("x-forwarded-for", "1.2.3.4, 192.0.2.9"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "80"),
            ("x-forwarded-prefix", "/a"),
            ("x-forwarded-proto", "https"),
            ("x-own", "stays"),
            ("x-real-ip", "1.2.3.4"),
        ],
    );
}

#[test]
fn small_things_of_a_request() {
    for (text, expect) in [
        ("a.b", Some("a.b")),
        ("A.B:80", Some("a.b")),
        ("a.b.", Some("a.b")),
        ("[::1]:8080", Some("[::1]")),
        ("[::1]", Some("[::1]")),
        ("", None),
        (":80", None),
        ("a b", None),
        ("a/b", None),
        ("x@y", None),
        ("a:b", None),
        ("[::1]x", None),
        ("a:123456", None),
    ] {
        assert_eq!(clean_host(text).as_deref(), expect, "{text:?}");
    }
    for (path, expect) in [
        ("/a/b", false),
        ("/a/..", true),
        ("/./a", true),
        ("/a/%2e%2E/b", true),
        ("/a/.%2e", true),
        ("/.well-known/x", false),
        ("/a/...", false),
        ("/%20", false),
    ] {
        assert_eq!(has_dot_segment(path), expect, "{path}");
    }
    for (connection, to, expect) in [
        ("Upgrade", "websocket", true),
        ("keep-alive, upgrade", "websocket", true),
        ("close", "websocket", false),
        ("upgrade", "h2c", false),
    ] {
        assert_eq!(
            upgrade(&headers(&[("connection", connection), ("upgrade", to)])).is_some(),
            expect,
            "{connection} {to}"
        );
    }
}
