//! A request's head as a client wrote it → the head that a pod gets, or that it is not plain enough to be passed like this.
//!
//! What is taken here is taken by the scanner and by hyper, too, and in the same meaning; what could have another one is
//! odd, and theirs.

use std::ops::Range;

use crate::ingress::direct::lines::{Lines, NAME, Next, end_of, letters_and};
use crate::ingress::headers::{Client, is_of_proxy};
use crate::ingress::scan::HEADERS_MAX;

/// How HTTP/2 begins where TLS has not said it.
pub const HTTP2: &[u8] = b"PRI * HTTP/2.0";
/// What ends a first line.
const VERSION: &[u8] = b" HTTP/1.1\r\n";
/// Lines of `X-Forwarded-For` that are joined.
const FORWARDED_MAX: usize = 8;

/// What bytes are.
#[derive(Debug)]
pub enum Read {
    /// The beginning of a head.
    Partial,
    /// Something that others read.
    Odd,
    /// A head.
    Plain(Head),
}

/// A plain head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its bytes.
    pub len: usize,
    /// Where the method is.
    pub method: Range<usize>,
    /// Where the path is, without its query.
    pub path: Range<usize>,
    /// The path has dots, or bytes that stand for others: its parts may mean another place.
    pub has_dots: bool,
    /// Where the host is, as it was named.
    pub host: Range<usize>,
    /// Bytes of the body.
    pub body: u64,
    /// It may be repeated without harm (RFC 9110, 9.2.2).
    pub is_idempotent: bool,
    /// Its answer has no body.
    pub is_head: bool,
    /// The client wants no other answer on this connection.
    pub is_last: bool,
}

/// What a header is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Length,
    Connection,
    For,
    Proto,
    ForwardedHost,
    Port,
    RealIp,
    Forwarded,
    /// Others in which proxies tell of their clients.
    OfProxy,
    /// For this connection only.
    Drop,
    /// It asks for more than is done here.
    Odd,
    Other,
}

fn kind(name: &[u8]) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    match name.len() {
        2 if is("te") => Kind::Odd,
        4 if is("host") => Kind::Host,
        6 if is("expect") => Kind::Odd,
        7 if is("trailer") || is("upgrade") => Kind::Odd,
        9 if is("forwarded") => Kind::Forwarded,
        9 if is("x-real-ip") => Kind::RealIp,
        10 if is("connection") => Kind::Connection,
        10 if is("keep-alive") => Kind::Drop,
        14 if is("content-length") => Kind::Length,
        15 if is("x-forwarded-for") => Kind::For,
        16 if is("x-forwarded-host") => Kind::ForwardedHost,
        16 if is("x-forwarded-port") => Kind::Port,
        16 if is("proxy-connection") => Kind::Drop,
        17 if is("transfer-encoding") => Kind::Odd,
        17 if is("x-forwarded-proto") => Kind::Proto,
        18 if is("proxy-authenticate") => Kind::Drop,
        19 if is("proxy-authorization") => Kind::Drop,
        _ if is_of_proxy(name) => Kind::OfProxy,
        _ => Kind::Other,
    }
}

/// Bytes of a path that are no dots, and stand for nothing else (RFC 3986's `pchar`, and slash).
const PLAIN_PATH: [bool; 256] = letters_and(b"-_~!$&'()*+,;=:@/");
/// Bytes of a path.
const PATH: [bool; 256] = letters_and(b"-._~!$&'()*+,;=:@%/");
/// Bytes of a target that every reader takes for what they are.
const TARGET: [bool; 256] = letters_and(b"-._~!$&'()*+,;=:@%/?");

fn range(part: &[u8], of: &[u8]) -> Range<usize> {
    let begin = part.as_ptr() as usize - of.as_ptr() as usize;
    begin..begin + part.len()
}

/// Writes a header's line.
pub fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What the headers of a request said.
#[derive(Default)]
struct Said<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    is_last: bool,
    forwarded: [&'a [u8]; FORWARDED_MAX],
    forwarded_count: usize,
    has_proto: bool,
    has_host: bool,
    has_port: bool,
    has_ip: bool,
}

/// Reads a head, and writes that for the pod into `out`, which is good only where the head is plain.
pub fn read(input: &[u8], client: &Client, out: &mut Vec<u8>) -> Read {
    out.clear();
    let mut begin = 0;
    // An empty line before a request is one that a client sent too many (RFC 9112, 2.2).
    while input[begin..].starts_with(b"\r\n") {
        begin += 2;
    }
    let first = match first_line(input, begin) {
        Ok(first) => first,
        // How HTTP/2 begins is seen when all of it is there.
        Err(Read::Odd) if input.len() < HTTP2.len() && HTTP2.starts_with(input) => return Read::Partial,
        Err(other) => return other,
    };
    let (mut said, mut lines, mut count) = (Said::default(), Lines::new(input, first.end), 0);
    // Lines that go to the pod are copied as they are, all that stand together at once.
    let mut from = begin;
    loop {
        let at = lines.at();
        match lines.read() {
            Next::Header(..) if count == HEADERS_MAX => return Read::Odd,
            Next::Header(name, value) => {
                count += 1;
                let Some(is_kept) = take(name, value, client, &mut said) else { return Read::Odd };
                if !is_kept {
                    out.extend_from_slice(&input[from..at]);
                    from = lines.at();
                }
            }
            Next::End => {
                out.extend_from_slice(&input[from..at]);
                break;
            }
            Next::Partial => return Read::Partial,
            Next::Odd => return Read::Odd,
        }
    }
    let Some(host) = said.host else { return Read::Odd };
    forwarding(&said, client, host, out);
    let method = &input[first.method.clone()];
    Read::Plain(Head {
        len: lines.at(),
        path: first.path,
        has_dots: first.has_dots,
        host: range(host, input),
        body: said.length.unwrap_or(0),
        is_idempotent: matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"),
        is_head: method == b"HEAD",
        is_last: said.is_last,
        method: first.method,
    })
}

/// The first line of a request.
struct First {
    method: Range<usize>,
    path: Range<usize>,
    has_dots: bool,
    /// Where the headers begin.
    end: usize,
}

/// Reads a first line, or says why there is none.
fn first_line(input: &[u8], begin: usize) -> Result<First, Read> {
    let space = end_of(input, begin, &NAME);
    let target = space + 1;
    match (input.get(space), input.get(target)) {
        (Some(b' '), Some(b'/')) if space > begin => {}
        (None, _) | (Some(b' '), None) => return Err(Read::Partial),
        _ => return Err(Read::Odd),
    }
    let dot = end_of(input, target, &PLAIN_PATH);
    let path_end = end_of(input, dot, &PATH);
    let end = end_of(input, path_end, &TARGET);
    let rest = &input[end..];
    match rest.starts_with(VERSION) {
        true if input[begin..space] == *b"CONNECT" => Err(Read::Odd),
        true => Ok(First {
            method: begin..space,
            path: target..path_end,
            has_dots: dot < path_end,
            end: end + VERSION.len(),
        }),
        false if VERSION.starts_with(rest) => Err(Read::Partial),
        false => Err(Read::Odd),
    }
}

/// Takes one header, and says whether the pod gets it; nothing when it is odd.
fn take<'a>(name: &[u8], value: &'a [u8], client: &Client, said: &mut Said<'a>) -> Option<bool> {
    Some(match kind(name) {
        Kind::Other => true,
        Kind::Host => {
            if said.host.replace(value).is_some() {
                return None;
            }
            true
        }
        Kind::Length => {
            if said.length.replace(length(value)?).is_some() {
                return None;
            }
            true
        }
        Kind::Connection => {
            // Names of headers, or a change of protocol, are for others.
            let is_close = value.eq_ignore_ascii_case(b"close");
            if !is_close && !value.eq_ignore_ascii_case(b"keep-alive") {
                return None;
            }
            said.is_last |= is_close;
            false
        }
        Kind::Drop => false,
        Kind::Odd => return None,
        _ if !client.is_trusted => false,
        Kind::Forwarded => return None,
        Kind::For => {
            *said.forwarded.get_mut(said.forwarded_count)? = value;
            said.forwarded_count += 1;
            false
        }
        Kind::Proto => seen(&mut said.has_proto),
        Kind::ForwardedHost => seen(&mut said.has_host),
        Kind::Port => seen(&mut said.has_port),
        Kind::RealIp => seen(&mut said.has_ip),
        Kind::OfProxy => !name.contains(&b'_'),
    })
}

fn seen(flag: &mut bool) -> bool {
    *flag = true;
    true
}

/// A length, which is digits alone.
pub fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Writes who the client is, and the head's end.
fn forwarding(said: &Said<'_>, client: &Client, host: &[u8], out: &mut Vec<u8>) {
    if !client.is_trusted {
        out.extend_from_slice(&client.lines);
        line(out, "x-forwarded-host", host);
        return out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"x-forwarded-for: ");
    for before in &said.forwarded[..said.forwarded_count] {
        out.extend_from_slice(before);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(client.shown.as_bytes());
    out.extend_from_slice(b"\r\n");
    if !said.has_proto {
        line(out, "x-forwarded-proto", if client.is_tls { b"https" } else { b"http" });
    }
    if !said.has_host {
        line(out, "x-forwarded-host", host);
    }
    if !said.has_port {
        line(out, "x-forwarded-port", client.port.as_bytes());
    }
    if !said.has_ip {
        line(out, "x-real-ip", client.shown.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
