//! The head of a pod's answer → the head that the client gets, and how the body ends.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ingress::direct::chunks::Chunks;
use crate::ingress::direct::head::{length, line};
use crate::ingress::direct::lines::{Lines, Next, end_of_value};

/// Header lines of an answer, which is hyper's bound too.
const HEADERS_MAX: usize = 100;
/// Names in `Connection` that are followed.
const NAMES_MAX: usize = 16;

/// What bytes are.
#[derive(Debug)]
pub enum Read {
    /// The beginning of a head.
    Partial,
    /// A head of so many bytes that only says that there will be another.
    Interim(usize),
    /// A head.
    Whole(Answer),
}

/// A head.
#[derive(Debug)]
pub struct Answer {
    /// Its bytes.
    pub len: usize,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Framing,
    /// The pod takes another request on this connection.
    pub keeps: bool,
    /// The client gets these very bytes: nothing else has been written for it.
    pub is_as_it_is: bool,
}

/// How a body ends.
#[derive(Debug)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// As its chunks say.
    Chunks(Chunks),
    /// With the connection.
    ToEnd,
}

/// What was asked, as far as the answer's shape depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// By HEAD.
    pub is_head: bool,
    /// The client's connection ends after this answer.
    pub is_last: bool,
}

/// An answer that can't be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(&'static str);

#[derive(Default)]
struct Said<'a> {
    length: Option<u64>,
    is_chunked: bool,
    has_date: bool,
    has_close: bool,
    has_keep_alive: bool,
    /// Lines that the client must not see, or not twice.
    is_changed: bool,
    names: [&'a [u8]; NAMES_MAX],
    names_count: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length,
    Coding,
    Date,
    Connection,
    Drop,
    Other,
}

fn kind(name: &[u8]) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    match name.len() {
        4 if is("date") => Kind::Date,
        7 if is("upgrade") => Kind::Drop,
        10 if is("connection") => Kind::Connection,
        10 if is("keep-alive") => Kind::Drop,
        14 if is("content-length") => Kind::Length,
        16 if is("proxy-connection") => Kind::Drop,
        17 if is("transfer-encoding") => Kind::Coding,
        _ => Kind::Other,
    }
}

/// Reads a head, and writes that for the client into `out` unless it is the same.
///
/// # Errors
/// It can't be passed on.
pub fn read(input: &[u8], asked: Asked, out: &mut Vec<u8>) -> Result<Read, Error> {
    if let Some(answer) = as_it_is(input, asked) {
        return Ok(Read::Whole(answer));
    }
    let mut room = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let len = match config.parse_response_with_uninit_headers(&mut response, input, &mut room) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(Read::Partial),
        Err(_) => return Err(Error("its answer can't be read")),
    };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err(Error("its answer can't be read"));
    };
    match status {
        101 => return Err(Error("it changed to a protocol that was not asked for")),
        0..=199 => return Ok(Read::Interim(len)),
        _ => {}
    }
    let mut said = Said::default();
    for header in response.headers.iter() {
        hear(header.name.as_bytes(), header.value, &mut said)?;
    }
    if said.is_chunked && version == 0 {
        return Err(Error("its answer has chunks, which its version of HTTP has not"));
    }
    let answer = Answer { is_as_it_is: false, ..judged(len, (status, version), &said, asked) };
    write(&answer, &response, &said, asked, out);
    Ok(Read::Whole(answer))
}

/// An answer that goes to the client as it is, which most do; nothing where something is to be changed, or has not come.
fn as_it_is(input: &[u8], asked: Asked) -> Option<Answer> {
    let digits = input.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || digits[0] < b'2' {
        return None;
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let reason = b"HTTP/1.1 200".len();
    let end = end_of_value(input, reason);
    if !matches!(input.get(reason), Some(b' ' | b'\r')) || !input[end..].starts_with(b"\r\n") {
        return None;
    }
    let (mut said, mut lines) = (Said::default(), Lines::new(input, end + 2));
    for _ in 0..=HEADERS_MAX {
        match lines.read() {
            Next::Header(name, value) => hear(name, value, &mut said).ok()?,
            Next::End => {
                return Some(judged(lines.at(), (status, 1), &said, asked)).filter(|answer| answer.is_as_it_is);
            }
            Next::Partial | Next::Odd => return None,
        }
    }
    None
}

/// What a head says of its body, and whether all of it is for the client.
fn judged(len: usize, (status, version): (u16, u8), said: &Said<'_>, asked: Asked) -> Answer {
    let has_no_body = asked.is_head || status == 204 || status == 304;
    let body = match said.length {
        _ if has_no_body => Framing::Length(0),
        _ if said.is_chunked => Framing::Chunks(Chunks::default()),
        Some(length) => Framing::Length(length),
        None => Framing::ToEnd,
    };
    let is_to_end = matches!(body, Framing::ToEnd);
    let keeps = !is_to_end && !said.has_close && (version == 1 || said.has_keep_alive);
    let is_as_it_is = version == 1
        && said.has_date
        && !said.is_changed
        && !is_to_end
        && !asked.is_last
        && !(said.is_chunked && (has_no_body || said.length.is_some()));
    Answer { len, status, body, keeps, is_as_it_is }
}

fn hear<'a>(name: &[u8], value: &'a [u8], said: &mut Said<'a>) -> Result<(), Error> {
    match kind(name) {
        Kind::Other => {}
        Kind::Date => said.has_date = true,
        Kind::Drop => said.is_changed = true,
        Kind::Length => {
            let length = length(value).ok_or(Error("its answer's length is no number"))?;
            match said.length.replace(length) {
                None => {}
                Some(before) if before == length => said.is_changed = true,
                Some(_) => return Err(Error("its answer has two lengths")),
            }
        }
        Kind::Coding => {
            if said.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Error("its answer has a transfer coding other than \"chunked\""));
            }
            said.is_chunked = true;
        }
        Kind::Connection => {
            said.is_changed = true;
            for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                said.has_close |= name.eq_ignore_ascii_case(b"close");
                said.has_keep_alive |= name.eq_ignore_ascii_case(b"keep-alive");
                if let Some(place) = said.names.get_mut(said.names_count) {
                    *place = name;
                    said.names_count += 1;
                }
            }
        }
    }
    Ok(())
}

/// Writes the head anew.
fn write(answer: &Answer, response: &httparse::Response<'_, '_>, said: &Said<'_>, asked: Asked, out: &mut Vec<u8>) {
    let status = answer.status;
    out.extend_from_slice(b"HTTP/1.1 ");
    // Three digits: httparse takes no other.
    out.extend([100, 10, 1].map(|unit| b'0' + u8::try_from(status / unit % 10).unwrap_or(0)));
    out.push(b' ');
    out.extend_from_slice(response.reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let names = &said.names[..said.names_count];
    for header in response.headers.iter() {
        let is_kept = match kind(header.name.as_bytes()) {
            Kind::Other => !names.iter().any(|name| name.eq_ignore_ascii_case(header.name.as_bytes())),
            Kind::Date => true,
            Kind::Length | Kind::Coding | Kind::Connection | Kind::Drop => false,
        };
        if is_kept {
            line(out, header.name, header.value);
        }
    }
    if matches!(answer.body, Framing::ToEnd | Framing::Chunks(_)) {
        line(out, "transfer-encoding", b"chunked");
    } else if let Some(length) = said.length.filter(|_| status != 204) {
        line(out, "content-length", length.to_string().as_bytes());
    }
    if !said.has_date {
        date(out);
    }
    if asked.is_last {
        line(out, "connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
}

thread_local! {
    /// The last second that was written, and its text.
    static DATE: RefCell<(Duration, String)> = const { RefCell::new((Duration::MAX, String::new())) };
}

/// What a pod has left out (RFC 9110, 6.6.1).
fn date(out: &mut Vec<u8>) {
    let now = SystemTime::now();
    let second = Duration::from_secs(now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    DATE.with_borrow_mut(|(last, text)| {
        if *last != second {
            *last = second;
            *text = httpdate::fmt_http_date(now);
        }
        line(out, "date", text.as_bytes());
    });
}
