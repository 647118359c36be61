//! Tests of what is done with one request at a gateway: conditions, paths, headers, turns, copies, refusals.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use http_body_util::BodyExt;
use masthead_api::gateway::filter::{HTTPHeader, HTTPHeaderFilter, HTTPPathModifier, HTTPRequestRedirectFilter};
use masthead_api::gateway::resolved::{Match as Wanted, PathMatch, ValueMatch};

use crate::ingress::backend::{Backend, Protocol};
use crate::ingress::gateway::answer::refusal;
use crate::ingress::gateway::copies::{TeeBody, tee};
use crate::ingress::gateway::edit::Edit;
use crate::ingress::gateway::matches::Match;
use crate::ingress::gateway::place::{self, At};
use crate::ingress::gateway::share::Share;
use crate::ingress::gateway::table::Mirror;
use crate::ingress::gateway::tests::{Random, head, headers};
use crate::ingress::request::{Request as PodBody, Sent};

fn value(name: &str, value: &str, regex: bool) -> ValueMatch {
    ValueMatch { name: name.into(), value: value.into(), regex }
}

#[test]
fn conditions_hold_or_not() {
    let check = |wanted: Wanted, line: &str, sent: &[(&str, &str)], expect: bool| {
        let made = Match::new(&wanted).unwrap();
        assert_eq!(made.fits(&head(line, &headers(sent))), expect, "{wanted:?} {line} {sent:?}");
    };
    let path = |path: PathMatch| Wanted { path, ..Wanted::default() };
    let exact = |text: &str| path(PathMatch::Exact(text.into()));
    let prefix = |text: &str| path(PathMatch::Prefix(text.into()));
    let regex = |text: &str| path(PathMatch::Regex(text.into()));
    for (wanted, line, expect) in [
        (exact("/one"), "GET /one", true),
        (exact("/one"), "GET /one/", false),
        (exact("/one"), "GET /One", false),
        (exact("/one"), "GET /one/two", false),
        (exact("/one"), "GET /one?x", true),
        (prefix("/v2"), "GET /v2", true),
        (prefix("/v2"), "GET /v2/", true),
        (prefix("/v2"), "GET /v2/x", true),
        (prefix("/v2"), "GET /v2example", false),
        (prefix("/v2"), "GET /v", false),
        (prefix("/v2/"), "GET /v2", true),
        (prefix(""), "GET /", true),
        (prefix(""), "OPTIONS *", false),
        (regex("/a/[0-9]+"), "GET /a/12", true),
        (regex("/a/[0-9]+"), "GET /a/12/b", false),
        (regex("/a/[0-9]+"), "GET /x/a/12", false),
        (regex("(?i)/a|/b"), "GET /B", true),
        (regex("/a|/b"), "GET /bc", false),
    ] {
        check(wanted, line, &[], expect);
    }
    let method = Wanted { method: "POST".into(), ..Wanted::default() };
    check(method.clone(), "POST /", &[], true);
    check(method, "GET /", &[], false);
    let cloned = |all: &[&ValueMatch]| all.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
    let of = |all: &[&ValueMatch]| Wanted { headers: cloned(all), ..Wanted::default() };
    let (two, color) = (value("version", "two", false), value("color", "blue|green", true));
    for (wanted, sent, expect) in [
        (of(&[&two]), &[("Version", "two")][..], true),
        (of(&[&two]), &[("version", "Two")], false),
        (of(&[&two]), &[], false),
        (of(&[&two]), &[("version", "two"), ("version", "three")], false),
        (of(&[&value("version", "two,three", false)]), &[("version", "two"), ("version", "three")], true),
        (of(&[&two, &color]), &[("version", "two")], false),
        (of(&[&two, &color]), &[("version", "two"), ("color", "green")], true),
        (of(&[&color]), &[("color", "bluegreen")], false),
        (of(&[&value("a", ".*", true)]), &[("a", "")], true),
        (of(&[&color]), &[("color", "bl\u{fc}e")], false),
    ] {
        check(wanted, "GET /", sent, expect);
    }
    let of = |all: &[&ValueMatch]| Wanted { query: cloned(all), ..Wanted::default() };
    let animal = value("animal", "whale", false);
    for (wanted, line, expect) in [
        (of(&[&animal]), "GET /?animal=whale", true),
        (of(&[&animal]), "GET /?animal=WHALE", false),
        (of(&[&animal]), "GET /?animal=dog&animal=whale", false),
        (of(&[&animal]), "GET /?x=1&animal=whale&y", true),
        (of(&[&animal]), "GET /?animal=wh%61le", true),
        (of(&[&animal]), "GET /?animals=whale", false),
        (of(&[&animal]), "GET /", false),
        (of(&[&animal, &value("c", "[a-z ]+", true)]), "GET /?c=a+b&animal=whale", true),
        (of(&[&value("a", "%", false)]), "GET /?a=%", true),
        (of(&[&value("a", "%2", false)]), "GET /?a=%2", true),
    ] {
        check(wanted, line, &[], expect);
    }
    assert!(Match::new(&regex("(")).is_err());
    assert!(Match::new(&regex(")|(")).is_err());
    assert!(Match::new(&regex("a{100000}{100000}")).is_err());
}

#[test]
fn paths_are_put_in_others_stead() {
    let first = |text: &str| HTTPPathModifier {
        type_: "ReplacePrefixMatch".into(),
        replace_prefix_match: Some(text.into()),
        ..HTTPPathModifier::default()
    };
    // The table of the specification: path, prefix, its replacement, the path after.
    for (path, prefix, replacement, expect) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/a/b", "", "/x", "/x/a/b"),
        ("/a", "/a", "x", "/x"),
    ] {
        assert_eq!(place::path(&first(replacement), path, prefix), expect, "{path} {prefix} {replacement}");
    }
    let whole = HTTPPathModifier {
        type_: "ReplaceFullPath".into(),
        replace_full_path: Some("/one".into()),
        ..HTTPPathModifier::default()
    };
    assert_eq!(place::path(&whole, "/a/b", "/a"), "/one");
    let at = |is_tls: bool, port: u16| At {
        host: "a.b",
        path: "/foo/bar",
        query: Some("x=1"),
        is_tls,
        port,
        prefix: "/foo",
    };
    let redirect = HTTPRequestRedirectFilter::default;
    let some = |text: &str| Some(text.to_owned());
    for (filter, from, expect) in [
        (HTTPRequestRedirectFilter { hostname: some("c.d"), ..redirect() }, at(false, 80), "http://c.d/foo/bar?x=1"),
        (
            HTTPRequestRedirectFilter { hostname: some("c.d"), ..redirect() },
            at(false, 8080),
            "http://c.d:8080/foo/bar?x=1",
        ),
        (HTTPRequestRedirectFilter { scheme: some("https"), ..redirect() }, at(false, 8080), "https://a.b/foo/bar?x=1"),
        (HTTPRequestRedirectFilter { scheme: some("http"), ..redirect() }, at(true, 443), "http://a.b/foo/bar?x=1"),
        (HTTPRequestRedirectFilter { port: Some(8083), ..redirect() }, at(false, 80), "http://a.b:8083/foo/bar?x=1"),
        (HTTPRequestRedirectFilter { port: Some(80), ..redirect() }, at(false, 8080), "http://a.b/foo/bar?x=1"),
        (HTTPRequestRedirectFilter { port: Some(80), ..redirect() }, at(true, 443), "https://a.b:80/foo/bar?x=1"),
        (
            HTTPRequestRedirectFilter { scheme: some("https"), port: Some(443), ..redirect() },
            at(false, 80),
            "https://a.b/foo/bar?x=1",
        ),
        (
            HTTPRequestRedirectFilter { scheme: some("http"), port: Some(443), ..redirect() },
            at(false, 80),
            "http://a.b:443/foo/bar?x=1",
        ),
        (
            HTTPRequestRedirectFilter { path: Some(first("/new")), ..redirect() },
            at(true, 8443),
            "https://a.b:8443/new/bar?x=1",
        ),
        (HTTPRequestRedirectFilter { path: Some(whole.clone()), ..redirect() }, at(false, 80), "http://a.b/one?x=1"),
    ] {
        assert_eq!(place::location(&filter, &from), expect, "{filter:?}");
    }
}

#[test]
fn headers_are_set_added_and_removed() {
    let header = |(name, value): &(&str, &str)| HTTPHeader { name: (*name).into(), value: (*value).into() };
    let filter = HTTPHeaderFilter {
        set: [("X-Set", "new"), ("X-Own", "1"), ("x-set", "late")].iter().map(header).collect(),
        add: [("x-add", "more"), ("X-Fresh", "2"), ("X-Add", "late")].iter().map(header).collect(),
        remove: vec!["X-Gone".into(), "x-none".into()],
    };
    let mut map = headers(&[("x-set", "a"), ("x-set", "b"), ("x-add", "one"), ("x-gone", "g"), ("x-stays", "s")]);
    Edit::new(&filter).unwrap().apply(&mut map);
    let mut got: Vec<(&str, &str)> = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    got.sort_unstable();
    let expect =
        [("x-add", "more"), ("x-add", "one"), ("x-fresh", "2"), ("x-own", "1"), ("x-set", "new"), ("x-stays", "s")];
    assert_eq!(got, expect);
    assert!(Edit::new(&HTTPHeaderFilter { remove: vec!["a b".into()], ..HTTPHeaderFilter::default() }).is_err());
    let bad = HTTPHeaderFilter { set: vec![header(&("a", "b\nc"))], ..HTTPHeaderFilter::default() };
    assert!(Edit::new(&bad).is_err());
}

#[test]
fn each_gets_exactly_its_part_and_never_far_from_it() {
    let mut random = Random(7);
    for round in 0..300 {
        let weights: Vec<u32> = (0..1 + random.below(6)).map(|_| u32::try_from(random.below(12)).unwrap()).collect();
        let share = Share::new(&weights);
        let total: u32 = weights.iter().sum();
        if total == 0 {
            assert_eq!(share.next(), None);
            continue;
        }
        for _ in 0..3 {
            let mut counts = vec![0_u32; weights.len()];
            for turn in 1..=total {
                counts[share.next().unwrap()] += 1;
                for (count, weight) in counts.iter().zip(&weights) {
                    // Nowhere in between is anybody further from its part than the number of those who share.
                    let due = f64::from(turn) * f64::from(*weight) / f64::from(total);
                    let off = (f64::from(*count) - due).abs();
                    assert!(off <= weights.len() as f64, "round {round}: {weights:?} {counts:?}");
                }
            }
            assert_eq!(counts, weights, "round {round}");
        }
    }
    let share = Share::new(&[5, 1, 1]);
    let turns: Vec<usize> = (0..7).filter_map(|_| share.next()).collect();
    assert_eq!(turns, [0, 0, 1, 0, 2, 0, 0], "not five of one in a row");
    assert!(Share::new(&[90, 10]).is_of(&[9, 1]) && !Share::new(&[90, 10]).is_of(&[9, 2]));
    assert_eq!(Share::new(&[1_000_000; 16]).next(), Some(0));
    let nobody = || Arc::new(Backend::new(String::new(), Protocol::Http, Vec::new(), None));
    for (numerator, denominator) in [(0, 100), (1, 3), (25, 100), (100, 100), (7, 0)] {
        let mirror = Mirror::new(nobody(), numerator, denominator);
        let taken = (0..denominator.max(1) * 2).filter(|_| mirror.takes()).count();
        assert_eq!(taken, usize::try_from(numerator.min(denominator.max(1)) * 2).unwrap(), "{numerator}/{denominator}");
    }
}

#[test]
fn refusals_are_in_the_words_of_who_asks() {
    let plain = refusal(StatusCode::NOT_FOUND, "no", false);
    assert_eq!((plain.status().as_u16(), plain.headers().get("grpc-status")), (404, None));
    for (status, code) in [(404, "12"), (500, "14"), (503, "14"), (504, "4"), (400, "13"), (502, "14")] {
        let call = refusal(StatusCode::from_u16(status).unwrap(), "100% gone: \u{e9}", true);
        assert_eq!((call.status().as_u16(), &call.headers()["grpc-status"]), (200, &HeaderValue::from_static(code)));
        assert_eq!(call.headers()["grpc-message"], "100%25 gone: %C3%A9");
        assert_eq!(call.headers()["content-type"], "application/grpc");
    }
}

#[tokio::test]
async fn a_body_and_its_copies_are_the_same() {
    let parts = |list: Vec<&'static str>| {
        let frames = list.into_iter().map(|part| Ok(hyper::body::Frame::data(Bytes::from(part))));
        let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
        PodBody::Any(Box::pin(body), Sent::default())
    };
    async fn read(body: TeeBody) -> Option<String> {
        let bytes = match body {
            TeeBody::Plain(body) => body.collect().await.ok()?.to_bytes(),
            TeeBody::Made(body) => body.collect().await.ok()?.to_bytes(),
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
    let (body, copies) = tee(parts(vec!["a", "b", "c"]), 2);
    assert_eq!(read(body).await.as_deref(), Some("abc"));
    for copy in copies {
        assert_eq!(read(copy).await.as_deref(), Some("abc"));
    }
    // One that reads nothing is cut off, and the client is not held up.
    let (body, copies) = tee(parts(vec!["x"; 200]), 1);
    assert_eq!(read(body).await.map(|text| text.len()), Some(200));
    let [copy] = <[TeeBody; 1]>::try_from(copies).ok().unwrap();
    assert!(read(copy).await.is_none_or(|text| text.len() < 200));
    // A client that goes away in the middle has sent no request: its copy breaks off.
    let (body, copies) = tee(parts(vec!["a", "b"]), 1);
    if let TeeBody::Made(mut body) = body {
        assert!(body.frame().await.is_some());
        drop(body);
    }
    let [copy] = <[TeeBody; 1]>::try_from(copies).ok().unwrap();
    assert_eq!(read(copy).await, None);
    let (body, copies) = tee(PodBody::None, 2);
    assert!(matches!(body, TeeBody::Plain(PodBody::None)) && copies.len() == 2);
}
