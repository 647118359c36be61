//! A request's head as a client wrote it → the head that a pod gets, or that it is not plain enough to be passed like this.
//!
//! What is taken here is taken by the scanner and by hyper, too, and in the same meaning; what could have another one is
//! odd, and theirs.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::ingress::headers::{Client, is_of_proxy};
use crate::ingress::scan::HEADERS_MAX;

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

fn kind(name: &str) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
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

/// Bytes of a target that every reader takes for what they are (RFC 3986's `pchar`, slash and question mark).
const TARGET: [bool; 256] = {
    let (mut all, text, mut at) = ([false; 256], b"-._~!$&'()*+,;=:@%/?", 0);
    while at < 256 {
        all[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < text.len() {
        all[text[at] as usize] = true;
        at += 1;
    }
    all
};

/// Whether each line ends as it should: a line feed alone is what two servers read in two ways.
pub fn has_whole_lines(head: &[u8]) -> bool {
    // Without a way out in the middle, many bytes are looked at in one step.
    let pairs = head.iter().zip(head.iter().skip(1));
    let has_other = pairs.fold(false, |seen, (before, byte)| seen | ((*byte == b'\n') & (*before != b'\r')));
    head.first() != Some(&b'\n') && !has_other
}

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
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(input, &mut room) {
        Ok(httparse::Status::Complete(len)) => len,
        // It may be whole to who takes a line feed for a line's end.
        Ok(httparse::Status::Partial) if has_whole_lines(input) => return Read::Partial,
        Ok(httparse::Status::Partial) => return Read::Odd,
        Err(_) => return Read::Odd,
    };
    let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version) else {
        return Read::Odd;
    };
    let is_plain = target.starts_with('/') && target.bytes().all(|byte| TARGET[usize::from(byte)]);
    if !is_plain || method == "CONNECT" || !has_whole_lines(&input[..len]) {
        return Read::Odd;
    }
    let mut said = Said::default();
    // Lines that go to the pod are copied as they are, all that stand together at once.
    let mut from = range(method.as_bytes(), input).start;
    let mut headers = request.headers.iter().peekable();
    while let Some(header) = headers.next() {
        let Some(is_kept) = take(header, client, &mut said) else { return Read::Odd };
        if !is_kept {
            let next = headers.peek().map_or(len - 2, |next| range(next.name.as_bytes(), input).start);
            out.extend_from_slice(&input[from..range(header.name.as_bytes(), input).start]);
            from = next;
        }
    }
    out.extend_from_slice(&input[from..len - 2]);
    let Some(host) = said.host else { return Read::Odd };
    forwarding(&said, client, host, out);
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    Read::Plain(Head {
        len,
        method: range(method.as_bytes(), input),
        path: range(path.as_bytes(), input),
        host: range(host, input),
        body: said.length.unwrap_or(0),
        is_idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
        is_head: method == "HEAD",
        is_last: said.is_last,
    })
}

/// Takes one header, and says whether the pod gets it; nothing when it is odd.
fn take<'a>(header: &httparse::Header<'a>, client: &Client, said: &mut Said<'a>) -> Option<bool> {
    Some(match kind(header.name) {
        Kind::Other => true,
        Kind::Host => {
            if said.host.replace(header.value).is_some() {
                return None;
            }
            true
        }
        Kind::Length => {
            if said.length.replace(length(header.value)?).is_some() {
                return None;
            }
            true
        }
        Kind::Connection => {
            // Names of headers, or a change of protocol, are for others.
            let is_close = header.value.eq_ignore_ascii_case(b"close");
            if !is_close && !header.value.eq_ignore_ascii_case(b"keep-alive") {
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
            *said.forwarded.get_mut(said.forwarded_count)? = header.value;
            said.forwarded_count += 1;
            false
        }
        Kind::Proto => seen(&mut said.has_proto),
        Kind::ForwardedHost => seen(&mut said.has_host),
        Kind::Port => seen(&mut said.has_port),
        Kind::RealIp => seen(&mut said.has_ip),
        Kind::OfProxy => !header.name.contains('_'),
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
