//! The bytes of HTTP/1 requests as they come → nothing, or why they are refused: what two servers could read in two ways.
//!
//! hyper reads a request in one way and writes it anew to the pod, so that no doubtful byte goes on. What is doubtful is
//! refused all the same, before hyper sees it: both a length and chunks, two lengths, folded headers, lines that end
//! without CR, heads that are too large.

/// Bytes of a line of a chunk's size, with its extensions.
const CHUNK_LINE_MAX: usize = 1024;
/// Bytes of all trailers of a body.
const TRAILER_BYTES_MAX: usize = 8 << 10;
/// Bytes of a request's first line.
const REQUEST_LINE_MAX: usize = 16 << 10;
/// Header lines of a request, which is hyper's bound too.
pub const HEADERS_MAX: usize = 100;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The status.
    pub status: u16,
    /// In words.
    pub why: &'static str,
}

const fn fault(status: u16, why: &'static str) -> Fault {
    Fault { status, why }
}

const DOUBTFUL_LENGTH: Fault = fault(400, "the request has two lengths, or one that is no number");
const DOUBTFUL_CHUNKS: Fault = fault(400, "the request has a transfer coding other than \"chunked\"");
const BARE_LINE_FEED: Fault = fault(400, "a line of the request ends without a carriage return");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a request's first line.
    Begin,
    Headers,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    /// The end of the line after a chunk.
    ChunkEnd,
    Trailers,
}

/// How long the body is, as far as the head says.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    is_http_11: bool,
    length: Option<u64>,
    is_chunked: bool,
    hosts: usize,
    lines: usize,
    bytes: usize,
}

/// Reads along.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    head_bytes_max: usize,
    /// Heads that have been read to their end.
    pub heads: usize,
}

impl Scanner {
    /// Before the first request of a connection.
    pub fn new(head_bytes_max: usize) -> Self {
        Self { state: State::Begin, head: Head::default(), partial: Vec::new(), head_bytes_max, heads: 0 }
    }

    /// Whether the last byte was one of a request's body, or between its chunks.
    pub fn is_in_body(&self) -> bool {
        !matches!(self.state, State::Begin | State::Headers)
    }

    /// Reads on.
    ///
    /// # Errors
    /// How many of the bytes are good, and why the next ones are refused.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(), (usize, Fault)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.state {
                State::Body(left) => {
                    let step = take(&mut at, left, rest.len());
                    self.state = if step == 0 { State::Begin } else { State::Body(step) };
                }
                State::Chunk(left) => {
                    let step = take(&mut at, left, rest.len());
                    self.state = if step == 0 { State::ChunkEnd } else { State::Chunk(step) };
                }
                _ => {
                    let found = rest.iter().position(|byte| *byte == b'\n');
                    let end = found.map_or(rest.len(), |found| found + 1);
                    self.limit(end).map_err(|why| (at, why))?;
                    if found.is_none() {
                        self.partial.extend_from_slice(rest);
                        return Ok(());
                    }
                    if self.partial.is_empty() {
                        self.line(&rest[..end]).map_err(|why| (at, why))?;
                    } else {
                        let mut whole = std::mem::take(&mut self.partial);
                        whole.extend_from_slice(&rest[..end]);
                        self.line(&whole).map_err(|why| (at, why))?;
                    }
                    at += end;
                }
            }
        }
        Ok(())
    }

    /// Whether a line, or its beginning, is too long.
    fn limit(&self, more: usize) -> Result<(), Fault> {
        let size = self.partial.len() + more;
        match self.state {
            State::Begin if size > REQUEST_LINE_MAX => Err(fault(414, "the request's first line is too long")),
            State::Headers if self.head.bytes + size > self.head_bytes_max => {
                Err(fault(431, "the request's headers are too large"))
            }
            State::Trailers if self.head.bytes + size > TRAILER_BYTES_MAX => {
                Err(fault(431, "the request's trailers are too large"))
            }
            State::ChunkSize | State::ChunkEnd if size > CHUNK_LINE_MAX => {
                Err(fault(400, "a chunk's first line is too long"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a whole line with its end.
    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Some(text) = line.strip_suffix(b"\r\n") else { return Err(BARE_LINE_FEED) };
        if text.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Err(fault(400, "a line of the request holds a control character"));
        }
        match self.state {
            State::Begin => self.request_line(text),
            State::Headers if text.is_empty() => self.end_of_head(),
            State::Headers => self.header(text, line.len()),
            State::ChunkSize => self.chunk_size(text),
            State::ChunkEnd if text.is_empty() => {
                self.state = State::ChunkSize;
                Ok(())
            }
            State::ChunkEnd => Err(fault(400, "a chunk is longer than it says")),
            State::Trailers if text.is_empty() => {
                self.state = State::Begin;
                Ok(())
            }
            State::Trailers => {
                self.head.bytes += line.len();
                field(text).map(|_| ())
            }
            // Not lines: `scan` takes them by length.
            State::Body(_) | State::Chunk(_) => Ok(()),
        }
    }

    fn request_line(&mut self, text: &[u8]) -> Result<(), Fault> {
        // An empty line before a request is left over from a client that sent one too many (RFC 9112, 2.2).
        if text.is_empty() {
            return Ok(());
        }
        let mut words = text.split(|byte| *byte == b' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let is_token = method.is_some_and(|method| !method.is_empty() && method.iter().all(|byte| is_token(*byte)));
        let is_three = target.is_some_and(|target| !target.is_empty()) && words.next().is_none();
        if !is_token || !is_three || text.contains(&b'\t') {
            return Err(fault(400, "the request's first line can't be read"));
        }
        let is_http_11 = match version {
            Some(b"HTTP/1.1") => true,
            Some(b"HTTP/1.0") => false,
            Some(other) if other.starts_with(b"HTTP/") => {
                return Err(fault(505, "the request's version of HTTP is not supported"));
            }
            _ => return Err(fault(400, "the request does not say its version of HTTP")),
        };
        if method == Some(b"CONNECT") {
            return Err(fault(501, "CONNECT is not supported"));
        }
        self.head = Head { is_http_11, ..Head::default() };
        self.state = State::Headers;
        Ok(())
    }

    fn header(&mut self, text: &[u8], size: usize) -> Result<(), Fault> {
        let head = &mut self.head;
        head.bytes += size;
        head.lines += 1;
        if head.lines > HEADERS_MAX {
            return Err(fault(431, "the request has too many headers"));
        }
        let (name, value) = field(text)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_number = !value.is_empty() && value.len() < 20 && value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
            if head.length.is_some() || number.is_none() {
                return Err(DOUBTFUL_LENGTH);
            }
            head.length = number;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if head.is_chunked || !value.eq_ignore_ascii_case(b"chunked") || !head.is_http_11 {
                return Err(DOUBTFUL_CHUNKS);
            }
            head.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            head.hosts += 1;
        }
        if head.is_chunked && head.length.is_some() {
            return Err(fault(400, "the request has both a length and chunks"));
        }
        Ok(())
    }

    fn end_of_head(&mut self) -> Result<(), Fault> {
        let head = self.head;
        if head.hosts > 1 || (head.hosts == 0 && head.is_http_11) {
            return Err(fault(400, "the request must name one host"));
        }
        self.heads += 1;
        self.state = match head.length {
            _ if head.is_chunked => State::ChunkSize,
            Some(length) if length > 0 => State::Body(length),
            _ => State::Begin,
        };
        Ok(())
    }

    fn chunk_size(&mut self, text: &[u8]) -> Result<(), Fault> {
        let digits = text.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_number = !digits.is_empty() && digits.len() <= 15 && digits.iter().all(u8::is_ascii_hexdigit);
        let size = std::str::from_utf8(digits).ok().filter(|_| is_number).and_then(|d| u64::from_str_radix(d, 16).ok());
        match size {
            Some(0) => {
                self.head.bytes = 0;
                self.state = State::Trailers;
            }
            Some(size) => self.state = State::Chunk(size),
            None => return Err(fault(400, "a chunk's size is no number")),
        }
        Ok(())
    }
}

/// Takes up to `left` of `here` bytes; gives what is left.
fn take(at: &mut usize, left: u64, here: usize) -> u64 {
    let step = usize::try_from(left).unwrap_or(usize::MAX).min(here);
    *at += step;
    left - step as u64
}

/// The characters of a name (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A header line's name and value.
fn field(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(fault(400, "a header of the request is folded over lines"));
    }
    let colon = text.iter().position(|byte| *byte == b':');
    let (name, value) = colon.map_or((&text[..0], text), |colon| (&text[..colon], &text[colon + 1..]));
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(fault(400, "a header of the request has no name that can be read"));
    }
    Ok((name, value.trim_ascii()))
}
