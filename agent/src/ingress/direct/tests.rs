//! Tests of the plain way without sockets: heads, answers, chunks; what is taken here means the same to the scanner and to hyper.

use http::header::HeaderValue;
use http::{HeaderMap, HeaderName, Uri};

use crate::ingress::direct::answer::{self, Asked, Framing};
use crate::ingress::direct::chunks::Chunks;
use crate::ingress::direct::head::{self, Head, Read};
use crate::ingress::headers::{Client, to_pod};
use crate::ingress::scan::Scanner;

/// A generator whose every number follows from the seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>, with: &[u8]) {
        let at = self.below(bytes.len());
        match self.below(3) {
            0 => bytes[at] = with[self.below(with.len())],
            1 => bytes.insert(at, with[self.below(with.len())]),
            _ => drop(bytes.remove(at)),
        }
    }
}

fn client(is_trusted: bool) -> Client {
    Client::new("192.0.2.9".parse().unwrap(), 80, false, is_trusted)
}

fn text(range: &std::ops::Range<usize>, of: &str) -> String {
    of[range.clone()].to_owned()
}

#[test]
fn what_is_plain_and_what_is_left_to_others() {
    let check = |request: &str, expect: &str| {
        let got = match head::read(request.as_bytes(), &client(false), &mut Vec::new()) {
            Read::Partial => "partial".to_owned(),
            Read::Odd => "odd".to_owned(),
            Read::Plain(head) => {
                let is = |flag: bool, name: &str| if flag { format!(" {name}") } else { String::new() };
                format!(
                    "{} {} {} {}{}{}",
                    text(&head.method, request),
                    text(&head.host, request),
                    text(&head.path, request),
                    head.body,
                    is(head.is_last, "last"),
                    is(head.is_idempotent, "again")
                )
            }
        };
        assert_eq!(got, expect, "{request:?}");
    };
    check("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET x /a 0 again");
    check("\r\nHEAD / HTTP/1.1\r\nhost:x:80 \r\nConnection: Close\r\n\r\n", "HEAD x:80 / 0 last again");
    check("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n", "POST x / 12");
    check("GET /a HTTP/1.1\r\nHost: x\r\n", "partial");
    check("", "partial");
    check("GET /a HTTP/1.1\nHost", "odd");
    let odd = |line: &str| check(&format!("GET /a HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n"), "odd");
    odd("Host: y");
    odd("Content-Length: 1\r\nContent-Length: 1");
    odd("Content-Length: +1");
    odd("Content-Length: 1, 1");
    odd("Content-Length:");
    odd("Content-Length: 9999999999999999999");
    odd("Transfer-Encoding: chunked");
    odd("Transfer-Encoding: identity");
    odd("Transfer-Encoding : chunked");
    odd("Connection: upgrade\r\nUpgrade: websocket");
    odd("Connection: close, X-Forwarded-For");
    odd("Expect: 100-continue");
    odd("TE: trailers");
    odd("Trailer: x");
    odd(" folded: x");
    odd("A: b\nC: d");
    odd("A: b\rC: d");
    odd("A: \0");
    check("GET /a HTTP/1.0\r\nHost: x\r\n\r\n", "odd");
    check("GET /a HTTP/1.1\r\n\r\n", "odd");
    check("GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("GET /a|b HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("GET /a\\..\\b HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "odd");
    // How HTTP/2 begins is told from other nonsense when all of it is there.
    check("PRI * HTTP/2.", "partial");
    check("PRI * HTTP/1.", "odd");
    check("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check(" GET / HTTP/1.1\r\nHost: x\r\n\r\n", "odd");
    check("GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "odd");
    check("GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n", "odd");
    for (cut, _) in "GET /a.b?c HTTP/1.1\r\nHost: x\r\n\r".char_indices() {
        check(&"GET /a.b?c HTTP/1.1\r\nHost: x\r\n\r"[..cut], "partial");
    }
    check("\x16\x03\x01\x02\0 ", "odd");
    check(&format!("GET /a HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: 1\r\n".repeat(100)), "odd");
}

/// The headers of a head that was written for a pod, in hyper's form.
fn headers(head: &[u8]) -> HeaderMap {
    let text = std::str::from_utf8(head).unwrap().strip_suffix("\r\n\r\n").unwrap();
    let mut map = HeaderMap::new();
    for line in text.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').unwrap();
        map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap());
    }
    map
}

#[test]
fn a_pod_gets_the_same_headers_on_both_ways() {
    let lines = [
        "X-Forwarded-For: 1.2.3.4",
        "x-forwarded-for: 5.6.7.8",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 1",
        "X-Real-IP: 1.2.3.4",
        "Forwarded: for=1.2.3.4",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded-Prefix: /evil",
        "x-scheme: https",
        "X-Forward: stays",
        "Connection: close",
        "Connection: keep-alive",
        "Keep-Alive: 5",
        "Proxy-Authorization: x",
        "Proxy-Connection: x",
        "X-Own: stays",
        "X-Own:",
        "Content-Length: 3",
    ];
    let mut random = Random(3);
    for _ in 0..3000 {
        let chosen: Vec<&str> = lines.iter().filter(|_| random.below(3) == 0).copied().collect();
        let request = format!(
            "PUT /a HTTP/1.1\r\nHost: a.b\r\n{}\r\n",
            chosen.iter().map(|l| format!("{l}\r\n")).collect::<String>()
        );
        for is_trusted in [false, true] {
            let (client, mut out) = (client(is_trusted), Vec::new());
            let read = head::read(request.as_bytes(), &client, &mut out);
            if is_trusted && request.contains("\r\nForwarded:") {
                assert!(matches!(read, Read::Odd), "{request}");
                continue;
            }
            assert!(matches!(read, Read::Plain(_)), "{request}");
            assert!(out.starts_with(b"PUT /a HTTP/1.1\r\n"));
            let mut expect = HeaderMap::new();
            for line in request.trim_end().split("\r\n").skip(1) {
                let (name, value) = line.split_once(':').unwrap();
                expect.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value.trim()).unwrap());
            }
            to_pod(&mut expect, &client, &HeaderValue::from_static("a.b"));
            assert_eq!(headers(&out), expect, "{request}");
        }
    }
}

/// Whatever is taken as plain is a request to the scanner and to the parser of hyper, too, which ends at the same byte, with a
/// body of the same length.
#[test]
fn no_bytes_mean_one_thing_here_and_another_there() {
    let seeds = [
        "GET /a/b?c=d HTTP/1.1\r\nHost: a.b\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "PUT /b HTTP/1.1\r\nContent-Length: 5\r\nHost: y\r\nX-Forwarded-For: 1\r\n\r\nhello",
        "GET /a.b/%41?c.d=%3f HTTP/1.1\r\nX-Long-Name_of.it: \t0123456789 abcdef\u{e9}\u{e9} \t\r\nHost:y\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ];
    let (mut random, mut plain, mut out) = (Random(11), 0, Vec::new());
    for round in 0..60_000 {
        let mut bytes = seeds[random.below(seeds.len())].as_bytes().to_vec();
        for _ in 0..random.below(4) {
            random.spoil(&mut bytes, b"\r\n :;,0aT\0\xff\t+-/#");
        }
        let read = head::read(&bytes, &client(false), &mut out);
        let Read::Plain(Head { len, body, path, host, has_dots, .. }) = read else { continue };
        plain += 1;
        let shown = String::from_utf8_lossy(&bytes);
        let mut room = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut room);
        assert_eq!(parsed.parse(&bytes), Ok(httparse::Status::Complete(len)), "round {round}: {shown:?}");
        let target = parsed.path.unwrap();
        assert_eq!(target.split('?').next().unwrap().as_bytes(), &bytes[path.clone()], "round {round}: {shown:?}");
        assert!(has_dots || !target.split('?').next().unwrap().contains(['.', '%']), "round {round}: {shown:?}");
        let of_hosts = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("host");
        let hosts: Vec<&[u8]> = parsed.headers.iter().filter(of_hosts).map(|header| header.value).collect();
        assert_eq!(hosts, [&bytes[host]], "round {round}: {shown:?}");
        let mut scanner = Scanner::new(64 << 10);
        assert_eq!(scanner.scan(&bytes[..len]), Ok(()), "round {round}: {shown:?}");
        assert_eq!((scanner.heads, scanner.is_in_body()), (1, body > 0), "round {round}: {shown:?}");
        let body_len = usize::try_from(body.min(1 << 20)).unwrap();
        let mut scanner = Scanner::new(64 << 10);
        scanner.scan(&[&bytes[..len], &vec![b'x'; body_len][..]].concat()).unwrap();
        if body < 1 << 20 {
            assert!(!scanner.is_in_body(), "round {round}: {shown:?}");
        }
        assert!(std::str::from_utf8(&bytes[path]).unwrap().parse::<Uri>().is_ok(), "round {round}: {shown:?}");
        let written = std::str::from_utf8(&out).map_or(String::new(), str::to_owned);
        assert_eq!(written.matches('\n').count(), written.matches("\r\n").count(), "round {round}: {shown:?}");
        assert!(!out.windows(4).any(|w| w == b"\r\n\r\n") || out.ends_with(b"\r\n\r\n"), "round {round}: {shown:?}");
        assert_eq!(out.windows(4).filter(|w| w == b"\r\n\r\n").count(), 1, "round {round}: {shown:?}");
    }
    assert!(plain > 5000, "only {plain} were plain");
}

/// An answer that is passed on as it is means the same to another parser.
#[test]
fn answers_that_stay_as_they_are_are_whole_to_all() {
    let seeds = [
        "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 15:00:00 GMT\r\nContent-Length: 5\r\nX-Own: a\tb\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nserver: pod\r\ndate:x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 204\r\nDate: x\r\n\r\n",
    ];
    let (mut random, mut same, mut out) = (Random(13), 0, Vec::new());
    for round in 0..40_000 {
        let mut bytes = seeds[random.below(seeds.len())].as_bytes().to_vec();
        for _ in 0..random.below(4) {
            random.spoil(&mut bytes, b"\r\n :;,0aT\0\xff\t\x7f");
        }
        let Ok(answer::Read::Whole(answer)) = answer::read(&bytes, Asked::default(), &mut out) else { continue };
        if !answer.is_as_it_is {
            out.clear();
            continue;
        }
        same += 1;
        let shown = String::from_utf8_lossy(&bytes);
        let mut room = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut room);
        assert_eq!(parsed.parse(&bytes), Ok(httparse::Status::Complete(answer.len)), "round {round}: {shown:?}");
        assert_eq!((parsed.code, parsed.version), (Some(answer.status), Some(1)), "round {round}: {shown:?}");
        let head = &bytes[..answer.len];
        let ends = |with: &[u8]| head.windows(with.len()).filter(|part| *part == with).count();
        assert_eq!((ends(b"\n"), ends(b"\r")), (ends(b"\r\n"), ends(b"\r\n")), "round {round}: {shown:?}");
        let lengths = parsed.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
        assert!(lengths.count() <= 1, "round {round}: {shown:?}");
    }
    assert!(same > 5000, "only {same} stayed as they were");
}

#[test]
fn answers_and_how_they_end() {
    let check = |answer: &str, asked: Asked, expect: &str| {
        let mut out = Vec::new();
        let got = match answer::read(answer.as_bytes(), asked, &mut out) {
            Err(error) => error.to_string(),
            Ok(answer::Read::Partial) => "partial".into(),
            Ok(answer::Read::Interim(len)) => format!("interim {len}"),
            Ok(answer::Read::Whole(whole)) => {
                let body = match whole.body {
                    Framing::Length(length) => length.to_string(),
                    Framing::Chunks(_) => "chunks".into(),
                    Framing::ToEnd => "to end".into(),
                };
                let out = String::from_utf8(out).unwrap();
                let out = out.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("|");
                assert_eq!(out.is_empty(), whole.is_as_it_is, "{answer:?}");
                format!("{} {body}{} {out}", whole.status, if whole.keeps { " keeps" } else { "" })
            }
        };
        assert_eq!(got.trim_end(), expect, "{answer:?}");
    };
    let none = Asked::default();
    let (by_head, last) = (Asked { is_head: true, ..none }, Asked { is_last: true, ..none });
    check("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\n", none, "200 3 keeps");
    check("HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n", none, "200 chunks keeps");
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", none, "200 3 keeps HTTP/1.1 200 OK|content-length: 3|");
    check(
        "HTTP/1.1 200 OK\nDate: x\nContent-Length: 3\n\n",
        none,
        "200 3 keeps HTTP/1.1 200 OK|Date: x|content-length: 3|",
    );
    check("HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", none, "200 to end HTTP/1.1 200 OK|Date: x|transfer-encoding: chunked|");
    check(
        "HTTP/1.0 200\r\nDate: x\r\nContent-Length: 3\r\n\r\n",
        none,
        "200 3 HTTP/1.1 200 |Date: x|content-length: 3|",
    );
    check(
        "HTTP/1.0 200 OK\r\nDate: x\r\nContent-Length: 3\r\nConnection: Keep-Alive\r\n\r\n",
        none,
        "200 3 keeps HTTP/1.1 200 OK|Date: x|content-length: 3|",
    );
    check("HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", none, "204 0 keeps");
    check("HTTP/1.1 304 Not Modified\r\nDate: x\r\nContent-Length: 3\r\n\r\n", none, "304 0 keeps");
    check("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\n", by_head, "200 0 keeps");
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        by_head,
        "200 0 keeps HTTP/1.1 200 OK|Date: x|",
    );
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close, X-Own\r\nX-Own: 1\r\nKeep-Alive: 5\r\nContent-Length: 3\r\n\r\n",
        none,
        "200 3 HTTP/1.1 200 OK|Date: x|content-length: 3|",
    );
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\n",
        last,
        "200 3 keeps HTTP/1.1 200 OK|Date: x|content-length: 3|connection: close|",
    );
    check(
        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        none,
        "200 chunks keeps HTTP/1.1 200 OK|Date: x|transfer-encoding: chunked|",
    );
    check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", none, "interim 25");
    check("HTTP/1.1 200 OK\r\nDate", none, "partial");
    check("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", none, "it changed to a protocol that was not asked for");
    check("hello", none, "its answer can't be read");
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", none, "its answer has two lengths");
    check("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", none, "its answer's length is no number");
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        none,
        "its answer has a transfer coding other than \"chunked\"",
    );
    check(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        none,
        "its answer has chunks, which its version of HTTP has not",
    );
}

#[test]
fn chunks_end_where_they_say() {
    let read = |bytes: &[u8], step: usize| {
        let (mut chunks, mut size) = (Chunks::default(), 0);
        for part in bytes.chunks(step) {
            match chunks.read(part) {
                Ok((taken, true)) => return Some((size + taken, true)),
                Ok((taken, false)) => size += taken,
                Err(_) => return None,
            }
        }
        Some((size, false))
    };
    let check = |text: &str, expect: Option<(usize, bool)>| {
        for step in [1, 3, text.len()] {
            assert_eq!(read(text.as_bytes(), step), expect, "{text:?} by {step}");
        }
    };
    check("3\r\nabc\r\n0\r\n\r\nHTTP", Some((13, true)));
    check("A ;x=\"y\"\r\n0123456789\r\n00\r\nT: 1\r\nU: 2\r\n\r\n", Some((40, true)));
    check("3\r\nab", Some((5, false)));
    check("3\r\nabcd", None);
    check("3\nabc", None);
    check("\r\n", None);
    check("x\r\n", None);
    check(";\r\n", None);
    check("1000000000000000\r\n", None);
    check("0\r\n\n", None);
    check("0\r\nT: \0\r\n\r\n", None);
    check(&format!("1;{}\r\n", "x".repeat(2000)), None);
    let mut random = Random(7);
    for round in 0..20_000 {
        let mut bytes = b"3;x\r\nabc\r\n1f\r\n0123456789012345678901234567890\r\n0\r\nT: 1\r\n\r\nrest".to_vec();
        for _ in 0..random.below(4) {
            random.spoil(&mut bytes, b"\r\n 0;a\0f");
        }
        let step = 1 + random.below(bytes.len());
        assert_eq!(
            read(&bytes, step),
            read(&bytes, bytes.len()),
            "round {round}: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}
