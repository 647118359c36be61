//! Tests of the table of gateways without sockets: what a request finds, and that no object breaks the builder.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use masthead_api::gateway::resolved::ResolvedRoute;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::Attachment;
use serde_json::{Value, json};

use crate::ingress::build::Built;
use crate::ingress::follow::Follower;
use crate::ingress::gateway::matches::{Head, Match};
use crate::ingress::gateway::table::WHOLE;

pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// `GET /a?b=c`, with headers.
pub fn head<'a>(line: &'a str, headers: &'a HeaderMap) -> Head<'a> {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Head { path, query, method, headers }
}

/// A generator of its own, so that a failing seed replays.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

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

    fn service(&mut self, name: &str) -> &mut Self {
        let id = json!({"namespace": "n", "name": name, "labels": {"kubernetes.io/service-name": name}});
        self.put("Service", &json!({"metadata": id, "spec": {"ports": [{"port": 80}]}}));
        self.put(
            "EndpointSlice",
            &json!({"metadata": id, "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.88.0.1"]}], "ports": [{"port": 8080}]}),
        )
    }

    fn gateway(&mut self, listeners: Value) -> &mut Self {
        self.put("Gateway", &json!({"metadata": {"namespace": "n", "name": "g"}, "listeners": listeners}))
    }

    fn settle(&mut self) -> &mut Self {
        if let Some(next) = self.follower.follow(&Arc::new(self.manifest.clone())) {
            assert_eq!(next.faults, Vec::<String>::new());
            self.built = Some(next.built);
            self.builds += 1;
        }
        self
    }

    /// The service of a request that everybody else's turn has passed, or why there is none.
    fn find(&self, port: u16, host: &str, line: &str, sent: &[(&str, &str)]) -> String {
        let gateways = self.built.as_ref().unwrap().table.gateways.as_ref().unwrap();
        let headers = headers(sent);
        let Some(hit) = gateways.find(port, host, &head(line, &headers)) else { return "-".into() };
        let rule = &hit.entry.rule;
        let Some(target) = rule.share.next().and_then(|at| rule.targets.get(at)) else { return "nobody".into() };
        let fault = target.route.backend.fault.clone();
        match (target.is_invalid, fault) {
            (true, fault) => format!("500 {}", fault.unwrap_or_default()),
            (false, Some(fault)) => format!("503 {fault}"),
            (false, None) => target.route.backend.name.split([':', '/']).nth(1).unwrap_or("?").to_owned(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let all = &self.built.as_ref().unwrap().problems;
        all.iter().map(|problem| format!("{} {}: {}", problem.kind, problem.ingress.1, problem.message)).collect()
    }
}

fn http(name: &str, port: u16, hostname: &str) -> Value {
    json!({"name": name, "port": port, "hostname": hostname})
}

/// A route at listener `l`; each rule is its matches and its service.
fn route(name: &str, created: i64, attached: &[(&str, &[&str])], rules: Vec<(Value, &str)>) -> Value {
    let attached: Vec<Value> = attached
        .iter()
        .map(|(listener, hosts)| json!({"gateway": {"namespace": "n", "name": "g"}, "listener": listener, "hostnames": hosts}))
        .collect();
    let service = |name: &str| json!({"namespace": "n", "name": name, "port": 80});
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|(matches, name)| json!({"matches": matches, "backends": [{"service": service(name), "weight": 1}]}))
        .collect();
    json!({"metadata": {"namespace": "n", "name": name}, "created": created, "attached": attached, "rules": rules})
}

fn prefix(path: &str) -> Value {
    let length = path.trim_end_matches('/').len();
    json!({"path": {"Prefix": path.trim_end_matches('/')}, "rank": [0, length, 0, 0, 0]})
}

fn exact(path: &str) -> Value {
    json!({"path": {"Exact": path}, "rank": [2, path.len(), 0, 0, 0]})
}

fn with_header(mut one: Value, name: &str, value: &str) -> Value {
    one["headers"] = json!([{"name": name, "value": value}]);
    one["rank"][3] = 1.into();
    one
}

#[test]
fn the_narrowest_match_counts_wherever_it_stands() {
    let mut bed = Bed::default();
    for name in ["a", "b", "c", "d"] {
        bed.service(name);
    }
    let all: &[(&str, &[&str])] = &[("l", &[""])];
    bed.gateway(json!([http("l", 80, "")]));
    bed.put(
        "HTTPRoute",
        &route(
            "one",
            2,
            all,
            vec![
                (json!([prefix("/")]), "a"),
                (json!([prefix("/v2"), with_header(prefix("/"), "version", "two")]), "b"),
                (json!([exact("/v2/exact")]), "c"),
            ],
        ),
    );
    bed.put(
        "HTTPRoute",
        &route(
            "two",
            3,
            all,
            vec![
                (json!([with_header(prefix("/v2"), "version", "two")]), "d"),
                (json!([prefix("/v2/exact/long")]), "d"),
                (json!([exact("/v2/exact")]), "d"),
                (json!([prefix("/v2")]), "d"),
            ],
        ),
    );
    bed.settle();
    for (line, sent, expect) in [
        ("GET /", &[][..], "a"),
        ("GET /x", &[], "a"),
        ("GET /v2example", &[], "a"),
        ("GET /v2", &[], "b"),
        ("GET /v2/x", &[("version", "one")], "b"),
        ("GET /v2/x", &[("version", "two")], "d"),
        ("GET /x", &[("version", "two")], "b"),
        ("GET /v2/exact", &[("version", "two")], "c"),
        ("GET /v2/exact/long/er", &[("version", "two")], "d"),
    ] {
        assert_eq!(bed.find(80, "x.y", line, sent), expect, "{line} {sent:?}");
    }
    // The older route counts where all else is equal, then the first by name.
    bed.put("HTTPRoute", &route("two", 1, all, vec![(json!([exact("/v2/exact")]), "d")])).settle();
    assert_eq!(bed.find(80, "x.y", "GET /v2/exact", &[]), "d");
    bed.put("HTTPRoute", &route("two", 2, all, vec![(json!([exact("/v2/exact")]), "d")])).settle();
    assert_eq!(bed.find(80, "x.y", "GET /v2/exact", &[]), "c");
    assert_eq!(bed.find(81, "x.y", "GET /", &[]), "-");
}

#[test]
fn a_listener_has_all_of_its_hosts_and_no_others() {
    let mut bed = Bed::default();
    for name in ["any", "wild", "deep", "one"] {
        bed.service(name);
    }
    bed.gateway(json!([
        http("any", 80, ""),
        http("wild", 80, "*.example.com"),
        http("deep", 80, "*.foo.example.com"),
        http("one", 80, "abc.foo.example.com")
    ]));
    let rules = |name: &'static str, path: &str| vec![(json!([prefix(path)]), name)];
    bed.put("HTTPRoute", &route("a", 1, &[("any", &["", "bar.com"])], rules("any", "/any")));
    bed.put("HTTPRoute", &route("b", 1, &[("wild", &["*.example.com"])], rules("wild", "/wild")));
    bed.put("HTTPRoute", &route("c", 1, &[("deep", &["*.foo.example.com"])], rules("deep", "/deep")));
    bed.put("HTTPRoute", &route("d", 1, &[("one", &["abc.foo.example.com"])], rules("one", "/one")));
    bed.settle();
    for (host, serves) in [
        ("bar.com", "any"),
        ("example.com", "any"),
        ("bar.example.com", "wild"),
        ("a.bar.example.com", "wild"),
        ("bar.foo.example.com", "deep"),
        ("a.bar.foo.example.com", "deep"),
        ("abc.foo.example.com", "one"),
    ] {
        for path in ["any", "wild", "deep", "one"] {
            let expect = if path == serves { path } else { "-" };
            assert_eq!(bed.find(80, host, &format!("GET /{path}"), &[]), expect, "{host}");
        }
    }
    // Within one listener the nearest host of a route counts, and what it has no rule for is the next one's.
    let mut bed = Bed::default();
    bed.service("near").service("far");
    bed.gateway(json!([http("l", 80, "")]));
    bed.put("HTTPRoute", &route("far", 1, &[("l", &["*.b"])], rules("far", "/")));
    bed.put("HTTPRoute", &route("near", 2, &[("l", &["a.b"])], rules("near", "/near")));
    bed.settle();
    assert_eq!(bed.find(80, "a.b", "GET /near", &[]), "near");
    assert_eq!(bed.find(80, "a.b", "GET /else", &[]), "far");
    assert_eq!(bed.find(80, "c.b", "GET /near", &[]), "far");
    assert_eq!(bed.find(80, "b", "GET /near", &[]), "-");
}

#[test]
fn what_leads_nowhere_is_500_and_what_has_no_pod_yet_is_503() {
    let mut bed = Bed::default();
    bed.service("web").service("empty");
    bed.put("EndpointSlice", &json!({"metadata": {"namespace": "n", "name": "empty",
        "labels": {"kubernetes.io/service-name": "empty"}}, "addressType": "IPv4", "endpoints": [], "ports": [{"port": 1}]}));
    bed.gateway(json!([http("l", 80, "")]));
    let mut one = route(
        "r",
        1,
        &[("l", &[""])],
        vec![
            (json!([prefix("/web")]), "web"),
            (json!([prefix("/empty")]), "empty"),
            (json!([prefix("/gone")]), "gone"),
            (json!([prefix("/nobody")]), "web"),
            (json!([prefix("/some")]), "web"),
            (json!([prefix("/bad")]), "web"),
        ],
    );
    one["rules"][3]["backends"] = json!([]);
    let fault = json!({"fault": "Service m/x: no ReferenceGrant of its namespace allows it", "weight": 1});
    one["rules"][4]["backends"].as_array_mut().unwrap().push(fault);
    one["rules"][5]["filters"] = json!({"request": {"set": [{"name": "a b", "value": "c"}]}});
    bed.put("HTTPRoute", &one).settle();
    let find = |bed: &Bed, path: &str| bed.find(80, "h", &format!("GET /{path}"), &[]);
    assert_eq!(find(&bed, "web"), "web");
    assert_eq!(find(&bed, "empty"), "503 service n/empty has no ready endpoint for port 80");
    assert_eq!(find(&bed, "gone"), "500 service n/gone does not exist");
    assert_eq!(find(&bed, "nobody"), "nobody");
    let mut both = [find(&bed, "some"), find(&bed, "some")];
    both.sort();
    assert_eq!(both, ["500 Service m/x: no ReferenceGrant of its namespace allows it", "web"]);
    assert_eq!(find(&bed, "bad"), "500 \"a b\" is no header");
    assert_eq!(bed.problems(), ["HTTPRoute r: \"a b\" is no header"]);
    // The turn goes on where it was when a table is built anew.
    assert_eq!(find(&bed, "some"), "web");
    let builds = bed.builds;
    bed.service("web").put("Service", &json!({"metadata": {"namespace": "n", "name": "empty"}, "spec": {}})).settle();
    assert_eq!(bed.builds, builds + 1);
    assert!(find(&bed, "some").starts_with("500"));
    // What no route names builds no table.
    bed.service("other").settle();
    assert_eq!(bed.builds, builds + 1);
}

fn secret(names: &[&str]) -> Value {
    use base64::Engine as _;
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    json!({"tls.crt": encode(made.cert.pem()), "tls.key": encode(made.signing_key.serialize_pem())})
}

#[test]
fn certificates_belong_to_listeners_and_ingresses_share_a_port() {
    let mut bed = Bed::default();
    bed.service("web");
    for (name, hosts) in [("any", &["x.y"][..]), ("a", &["a.b"]), ("c", &["c.b"]), ("ingress", &["i.b"])] {
        bed.put("Secret", &json!({"metadata": {"namespace": "n", "name": name}, "data": secret(hosts)}));
    }
    let tls = |name: &str, port: u16, host: &str, of: &[&str]| {
        let of: Vec<Value> = of.iter().map(|name| json!({"namespace": "n", "name": name})).collect();
        json!({"name": name, "port": port, "tls": true, "hostname": host, "certificates": of})
    };
    bed.gateway(json!([
        tls("any", 443, "", &["any"]),
        tls("two", 443, "*.b", &["a", "c"]),
        tls("one", 8443, "a.b", &["a"]),
        tls("none", 9443, "", &["missing"])
    ]));
    bed.put("HTTPRoute", &route("r", 1, &[("two", &["*.b"]), ("any", &[""])], vec![(json!([prefix("/")]), "web")]));
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    bed.put(
        "Ingress",
        &json!({"metadata": {"namespace": "n", "name": "i"}, "spec": {"ingressClassName": "masthead",
        "tls": [{"hosts": ["i.b", "*.b"], "secretName": "ingress"}],
        "rules": [{"host": "i.b", "http": {"paths": paths}}, {"host": "*.c.b", "http": {"paths": paths}}]}}),
    );
    bed.settle();
    let table = &bed.built.as_ref().unwrap().table;
    let key = |name: &str| bed.follower.certificate("n", name).unwrap();
    let at = |port: u16, is_shared: bool, name: &str| table.certificate_at(port, is_shared, name).cloned();
    for (port, is_shared, name, expect) in [
        (443, true, "i.b", Some("ingress")),
        (443, true, "z.b", Some("ingress")),
        (443, false, "z.b", Some("a")),
        (443, false, "c.b", Some("c")),
        (443, false, "a.b", Some("a")),
        (443, true, "x.a.b", Some("a")),
        (443, true, "else", Some("any")),
        (443, true, "", Some("any")),
        (8443, false, "a.b", Some("a")),
        (8443, false, "i.b", None),
        (9443, false, "a.b", None),
    ] {
        let (got, expect) = (at(port, is_shared, name), expect.map(key));
        assert!(
            match (&got, &expect) {
                (Some(got), Some(expect)) => Arc::ptr_eq(got, expect),
                (got, expect) => got.is_none() && expect.is_none(),
            },
            "{port} {is_shared} {name:?}"
        );
    }
    assert_eq!(bed.problems(), ["Gateway g: listener \"none\": Secret n/missing: it is not there"]);
    assert_eq!(table.find_rule("i.b", "/").map(|(level, _)| level), Some(WHOLE));
    assert_eq!(table.find_rule("x.c.b", "/").map(|(level, _)| level), Some("c.b".len()));
    assert_eq!(table.find_rule("z.b", "/").map(|(level, _)| level), None);
    let gateways = table.gateways.as_ref().unwrap();
    assert!(gateways.claims(443) && gateways.claims(8443) && !gateways.claims(9443) && !gateways.claims(80));
    assert_ne!(gateways.listener(443, "a.b").unwrap().1.id, gateways.listener(443, "q").unwrap().1.id);
}

fn any_match(random: &mut Random) -> Value {
    let path = random.of(&["/", "/a", "/a/b", "/a/b/c", "/x"]);
    let (class, path) = match random.below(3) {
        0 => (2, json!({"Exact": path})),
        1 => (1, json!({"Regex": format!("{path}.*")})),
        _ => (0, json!({"Prefix": path.trim_end_matches('/')})),
    };
    let length = path.as_object().unwrap().values().next().unwrap().as_str().unwrap().len();
    let mut one = json!({"path": path, "rank": [class, length, 0, 0, 0]});
    if random.below(3) == 0 {
        one["method"] = random.of(&["GET", "POST"]).into();
        one["rank"][2] = 1.into();
    }
    if random.below(3) == 0 {
        one["headers"] = json!([{"name": "h", "value": random.of(&["1", "2"])}]);
        one["rank"][3] = 1.into();
    }
    if random.below(4) == 0 {
        one["query"] = json!([{"name": "q", "value": "[0-9]", "regex": true}]);
        one["rank"][4] = 1.into();
    }
    one
}

/// How narrow a match is, and then the older route, by name, and the order in it.
type Best<'a> = ((usize, &'a [u32]), std::cmp::Reverse<(i64, &'a str, usize, usize)>);

/// How much of a host a pattern names, when it covers it.
fn covers(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix("*.") {
        Some(end) => host.ends_with(&format!(".{end}")).then_some(end.len()),
        None if pattern.is_empty() => Some(0),
        None => (pattern == host).then_some(usize::MAX),
    }
}

/// Against the rules of the specification written down plainly: all matches of all routes, the best of them.
#[test]
fn a_table_finds_what_the_rules_say() {
    let hosts = ["", "*.b", "a.b", "*.a.b", "c"];
    let mut found = 0;
    for seed in 1..=150_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut bed = Bed::default();
        bed.service("s");
        let listeners: Vec<&str> = hosts.iter().copied().filter(|_| random.below(2) == 0).collect();
        bed.gateway(json!(listeners.iter().map(|host| http(host, 80, host)).collect::<Vec<_>>()));
        let mut routes: BTreeMap<String, ResolvedRoute> = BTreeMap::new();
        for name in ["p", "q", "r", "t"] {
            let mut attached = Vec::new();
            for host in &listeners {
                if random.below(2) == 0 {
                    // A host that the listener has, as the control plane sees to.
                    let within: Vec<&str> =
                        hosts.iter().copied().filter(|h| covers(host, h).is_some() || h == host).collect();
                    attached.push((*host, vec![random.of(&within)]));
                }
            }
            let attached: Vec<(&str, &[&str])> = attached.iter().map(|(l, h)| (*l, h.as_slice())).collect();
            let rules = (0..1 + random.below(3)).map(|_| {
                let matches: Vec<Value> = (0..1 + random.below(3)).map(|_| any_match(&mut random)).collect();
                (json!(matches), "s")
            });
            let rules: Vec<(Value, &str)> = rules.collect();
            let made = route(name, i64::try_from(random.below(3)).unwrap(), &attached, rules);
            routes.insert(name.to_owned(), serde_json::from_value(made.clone()).unwrap());
            bed.put("HTTPRoute", &made);
        }
        bed.settle();
        let gateways = bed.built.as_ref().unwrap().table.gateways.as_ref().unwrap();
        for _ in 0..60 {
            let host = random.of(&["a.b", "x.a.b", "z.b", "b", "c", "d"]);
            let line = format!(
                "{} {}{}",
                random.of(&["GET", "POST"]),
                random.of(&["/", "/a", "/a/b", "/a/bc", "/x/y"]),
                random.of(&["", "?q=1", "?q=x"])
            );
            let sent = if random.below(2) == 0 { headers(&[("h", "1")]) } else { HeaderMap::new() };
            let asked = head(&line, &sent);
            let nearest = listeners.iter().filter_map(|l| Some((covers(l, host)?, *l))).max();
            let mut best: Option<Best<'_>> = None;
            for (name, route) in &routes {
                for attached in route.attached.iter().filter(|a| nearest.is_some_and(|(_, l)| l == a.listener)) {
                    let level = attached.hostnames.iter().filter_map(|h| covers(h, host)).max();
                    for (r, rule) in route.rules.iter().enumerate() {
                        for (m, one) in rule.matches.iter().enumerate() {
                            let (Some(level), true) = (level, Match::new(one).unwrap().fits(&asked)) else { continue };
                            let this =
                                ((level, one.rank.as_slice()), std::cmp::Reverse((route.created, name.as_str(), r, m)));
                            best = best.max(Some(this));
                        }
                    }
                }
            }
            let got = gateways.find(80, host, &asked).map(|hit| (hit.level, hit.entry.rule.route.ingress.clone()));
            let expect =
                best.map(|((level, _), std::cmp::Reverse((_, name, ..)))| (level, format!("HTTPRoute n/{name}")));
            assert_eq!(got, expect, "seed {seed}: {host} {line} {sent:?}");
            found += usize::from(got.is_some());
        }
    }
    assert!(found > 1000, "{found}: the cases are too poor");
}

/// Whatever a control plane of another age may say, a table comes of it, or a fault with words.
#[test]
fn no_object_breaks_the_builder() {
    let odd = || {
        vec![
            json!(null),
            json!(-1),
            json!(70_000),
            json!(""),
            json!("\u{0}"),
            json!([]),
            json!({}),
            json!([null]),
            json!("*."),
            json!("("),
            json!(4_294_967_295_u32),
            json!(true),
            json!("a.b"),
            json!([{}]),
        ]
    };
    fn mutate(value: &mut Value, random: &mut Random, odd: &dyn Fn() -> Vec<Value>) {
        match value {
            Value::Object(map) if !map.is_empty() && random.below(5) > 0 => {
                let key = map.keys().nth(random.below(map.len())).cloned().unwrap();
                if random.below(6) == 0 {
                    map.remove(&key);
                } else {
                    mutate(&mut map[&key], random, odd);
                }
            }
            Value::Array(list) if !list.is_empty() && random.below(5) > 0 => {
                let at = random.below(list.len());
                mutate(&mut list[at], random, odd);
            }
            other => {
                let mut all = odd();
                *other = all.swap_remove(random.below(all.len()));
            }
        }
    }
    let seconds = std::env::var("MASTHEAD_FUZZ_S").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let (mut built, mut seed) = (0, 0_u64);
    while seed < 1500 || std::time::Instant::now() < end {
        seed += 1;
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut gateway = json!({"metadata": {"namespace": "n", "name": "g"}, "listeners": [http("l", 80, "*.b"),
            {"name": "t", "port": 443, "tls": true, "hostname": "a.b", "certificates": [{"namespace": "n", "name": "s"}]}]});
        let mut one = route(
            "r",
            1,
            &[("l", &["a.b", "*.b"]), ("t", &["a.b"])],
            vec![(json!([any_match(&mut random), prefix("/")]), "s")],
        );
        one["rules"][0]["filters"] = json!({"request": {"set": [{"name": "a", "value": "b"}]}, "redirect": {"port": 1},
            "rewrite": {"hostname": "x"}, "mirrors": [{"service": {"namespace": "n", "name": "s", "port": 80}, "numerator": 1, "denominator": 2}]});
        for _ in 0..=random.below(3) {
            let which = if random.below(3) == 0 { &mut gateway } else { &mut one };
            mutate(which, &mut random, &odd);
        }
        let mut bed = Bed::default();
        bed.service("s");
        for (kind, object) in [("Gateway", &gateway), ("HTTPRoute", &one), ("GRPCRoute", &one)] {
            if let Ok(attachment) = Attachment::parse(kind, Bytes::from(object.to_string())) {
                bed.manifest.content.insert_attachment(Arc::new(attachment));
            }
        }
        let next = bed.follower.follow(&Arc::new(bed.manifest.clone())).unwrap();
        let Some(gateways) = next.built.table.gateways else { continue };
        built += 1;
        for (port, host) in [(80, "a.b"), (443, "a.b"), (80, ""), (0, "..")] {
            let none = HeaderMap::new();
            let hit = gateways.find(port, host, &head("GET /a/b?q=1", &none));
            hit.map(|hit| hit.entry.rule.share.next()).into_iter().for_each(drop);
            let _ = gateways.certificate(port, host);
        }
    }
    assert!(built > 500, "{built}: the cases are too poor");
}
