//! A request's head and the pod's connection → the answer on the client's, both bodies as they come.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use crate::ingress::backend::Busy;
use crate::ingress::direct::answer::{self, Asked, Framing};
use crate::ingress::direct::clock::Clock;
use crate::ingress::worker::{ANSWER_BYTES, Worker};

/// Bytes that are held of a client: the longest head that is read here.
const INPUT_MAX: usize = 16 << 10;
/// Bytes that a client's connection begins with.
const INPUT_FIRST: usize = 4 << 10;

/// A client's connection and what is held of it.
pub struct Side<T> {
    /// The connection.
    pub io: T,
    input: Vec<u8>,
    at: usize,
    /// The head for the pod.
    pub up: Vec<u8>,
    /// What goes to the client before the pod's own bytes.
    pub down: Vec<u8>,
    /// When it has been silent for too long.
    pub clock: Clock,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Side<T> {
    /// A connection on which nothing has been read.
    pub fn new(io: T, due: Instant) -> Self {
        let input = Vec::with_capacity(INPUT_FIRST);
        Self { io, input, at: 0, up: Vec::new(), down: Vec::new(), clock: Clock::new(due) }
    }

    /// What has been read and not used.
    pub fn input(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// These have been used.
    pub fn consume(&mut self, size: usize) {
        self.at += size;
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
    }

    /// Whether no more can be held.
    pub fn is_full(&self) -> bool {
        self.input.len() - self.at >= INPUT_MAX
    }

    /// The connection, and what has not been used of it.
    pub fn into_parts(mut self) -> (T, Vec<u8>) {
        self.input.drain(..self.at);
        (self.io, self.input)
    }

    /// Reads on; 0 is the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        if self.input.len() == self.input.capacity() {
            self.input.drain(..self.at);
            self.at = 0;
            if self.input.len() == self.input.capacity() {
                self.input.reserve(self.input.len());
            }
        }
        poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input)
    }
}

/// How a try ended.
#[derive(Debug)]
pub enum End {
    /// The answer is with the client.
    Done {
        /// The pod's connection can be used again.
        keeps: bool,
        /// The client's connection ends.
        is_last: bool,
    },
    /// No byte of the request went out.
    Unsent(String),
    /// It went out, and the connection ended before a byte came back.
    Dropped(String),
    /// The pod's answer can't be passed on, and none of it has been.
    Broken(String),
    /// The pod did not answer in time.
    Late,
    /// The client's body did not come in time.
    Stalled,
    /// The answer broke off after its beginning had been passed on.
    Cut(String),
    /// The client is gone.
    Gone,
}

#[derive(Debug)]
enum Phase {
    Head,
    Body(Framing),
    Ended,
}

/// One try of a request on one connection to a pod.
pub struct Relay<'a, T> {
    side: &'a mut Side<T>,
    pod: &'a mut TcpStream,
    worker: &'a Worker,
    asked: Asked,
    /// The endpoint's count: it has done its part before the client has it all.
    busy: Option<Busy>,
    up_at: usize,
    body: u64,
    body_left: u64,
    up_fault: Option<String>,
    phase: Phase,
    /// The pod's bytes; `from..to` of them go to the client after `down`.
    held: Vec<u8>,
    from: usize,
    to: usize,
    down_at: usize,
    is_chunk_open: bool,
    keeps: bool,
    has_moved: bool,
    /// The answer's status; 0 before there is one.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: u64,
}

type Step = Result<(), End>;

impl<'a, T: AsyncRead + AsyncWrite + Unpin> Relay<'a, T> {
    /// A try: `side.up` goes out with `body` bytes after it.
    pub fn new(
        side: &'a mut Side<T>,
        (pod, busy): (&'a mut TcpStream, Busy),
        worker: &'a Worker,
        (asked, body): (Asked, u64),
        now: Instant,
    ) -> Self {
        side.down.clear();
        // Nearly always all of it goes out at once.
        side.clock.set(now + worker.options.response);
        Self {
            busy: Some(busy),
            side,
            pod,
            worker,
            asked,
            up_at: 0,
            body,
            body_left: body,
            up_fault: None,
            phase: Phase::Head,
            held: Vec::new(),
            from: 0,
            to: 0,
            down_at: 0,
            is_chunk_open: false,
            keeps: false,
            has_moved: body > 0,
            status: 0,
            bytes: 0,
        }
    }

    /// Goes on with it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self.poll_all(cx) {
            Poll::Ready(Ok(never)) => match never {},
            Poll::Ready(Err(end)) => Poll::Ready(end),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<std::convert::Infallible, End>> {
        if let Poll::Ready(step) = self.poll_up(cx) {
            step?;
        }
        if let Some(why) = self.up_fault.take_if(|_| self.up_at == 0 && self.body_left == self.body) {
            return Poll::Ready(Err(End::Unsent(why)));
        }
        if let Poll::Ready(step) = self.poll_down(cx) {
            step?;
        }
        if self.is_sent() {
            if matches!(self.phase, Phase::Head) {
                self.poll_client(cx)?;
            } else if self.is_given() {
                let _ = ready!(Pin::new(&mut self.side.io).poll_flush(cx));
                let is_whole = self.up_fault.is_none();
                return Poll::Ready(Err(End::Done {
                    keeps: self.keeps && is_whole,
                    is_last: self.asked.is_last || !is_whole,
                }));
            }
        }
        self.poll_clock(cx)
    }

    /// Whether all has gone to the pod that can.
    fn is_sent(&self) -> bool {
        self.up_fault.is_some() || (self.up_at == self.side.up.len() && self.body_left == 0)
    }

    /// Whether the client has all.
    fn is_given(&self) -> bool {
        matches!(self.phase, Phase::Ended) && self.from == self.to && self.down_at == self.side.down.len()
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Result<std::convert::Infallible, End>> {
        let is_head = matches!(self.phase, Phase::Head);
        if std::mem::take(&mut self.has_moved) {
            let options = &self.worker.options;
            let patience = if is_head && self.is_sent() { options.response } else { options.stall };
            self.side.clock.set(Instant::now() + patience);
        }
        ready!(self.side.clock.poll(cx));
        Poll::Ready(Err(match is_head {
            true if self.body_left > 0 => End::Stalled,
            true => End::Late,
            false => End::Cut("the answer stood still".into()),
        }))
    }

    /// The request on its way to the pod.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        while !self.is_sent() {
            let head = &self.side.up[self.up_at..];
            let input = &self.side.input[self.side.at..];
            let body = &input[..usize::try_from(self.body_left).unwrap_or(usize::MAX).min(input.len())];
            let head_len = head.len();
            let pod = Pin::new(&mut *self.pod);
            let written = match (head.is_empty(), body.is_empty()) {
                (true, true) => match ready!(self.side.poll_fill(cx)) {
                    Ok(size) if size > 0 => {
                        self.has_moved = true;
                        continue;
                    }
                    _ => return Poll::Ready(Err(End::Gone)),
                },
                (false, true) => ready!(pod.poll_write(cx, head)),
                (true, false) => ready!(pod.poll_write(cx, body)),
                (false, false) => ready!(pod.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(body)])),
            };
            match written {
                Ok(size) if size > 0 => {
                    self.has_moved |= self.up_at > 0 || size < head_len;
                    let of_head = size.min(head_len);
                    self.up_at += of_head;
                    self.side.consume(size - of_head);
                    self.body_left -= (size - of_head) as u64;
                }
                Ok(_) => self.up_fault = Some("nothing can be written".into()),
                Err(error) => self.up_fault = Some(error.to_string()),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The answer on its way to the client.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            ready!(self.poll_give(cx))?;
            if matches!(self.phase, Phase::Ended) {
                return Poll::Ready(Ok(()));
            }
            if self.held.capacity() == 0 {
                self.held = self.worker.buffer();
            }
            let Poll::Ready(read) = poll_read_buf(Pin::new(&mut *self.pod), cx, &mut self.held) else {
                // A buffer is held only while there is something in it.
                if self.held.is_empty() {
                    self.worker.give_buffer(std::mem::take(&mut self.held));
                }
                return Poll::Pending;
            };
            match read {
                Ok(0) => self.end_of_pod(None)?,
                Ok(_) => {
                    self.has_moved = true;
                    match self.phase {
                        Phase::Head => self.take_head()?,
                        _ => self.take_body(0)?,
                    }
                }
                Err(error) => self.end_of_pod(Some(&error))?,
            }
        }
    }

    /// Gives the client what is there for it.
    fn poll_give(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            let (first, second) = (&self.side.down[self.down_at..], &self.held[self.from..self.to]);
            let first_len = first.len();
            let io = Pin::new(&mut self.side.io);
            let written = match (first.is_empty(), second.is_empty()) {
                (true, true) => break,
                (false, true) => ready!(io.poll_write(cx, first)),
                (true, false) => ready!(io.poll_write(cx, second)),
                (false, false) => ready!(io.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)])),
            };
            match written {
                Ok(size) if size > 0 => {
                    let of_first = size.min(first_len);
                    self.down_at += of_first;
                    self.from += size - of_first;
                    self.has_moved = true;
                }
                _ => return Poll::Ready(Err(End::Gone)),
            }
        }
        self.side.down.clear();
        self.down_at = 0;
        if !matches!(self.phase, Phase::Head) {
            self.held.clear();
            (self.from, self.to) = (0, 0);
        }
        Poll::Ready(Ok(()))
    }

    fn take_head(&mut self) -> Step {
        loop {
            self.asked.is_last |= self.worker.stopping.get() || self.up_fault.is_some();
            match answer::read(&self.held, self.asked, &mut self.side.down) {
                Ok(answer::Read::Whole(answer)) => {
                    (self.status, self.keeps) = (answer.status, answer.keeps);
                    self.from = if answer.is_as_it_is { 0 } else { answer.len };
                    self.phase = Phase::Body(answer.body);
                    return self.take_body(answer.len);
                }
                Ok(answer::Read::Interim(len)) => drop(self.held.drain(..len)),
                Ok(answer::Read::Partial) if self.held.len() >= ANSWER_BYTES => {
                    return Err(End::Broken("its answer's head is too large".into()));
                }
                Ok(answer::Read::Partial) => return Ok(()),
                Err(error) => return Err(End::Broken(error.to_string())),
            }
        }
    }

    /// Takes what is held from `at` on as part of the body.
    fn take_body(&mut self, at: usize) -> Step {
        let here = self.held.len() - at;
        let Phase::Body(framing) = &mut self.phase else { return Ok(()) };
        let (size, is_end) = match framing {
            Framing::Length(left) => {
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(here);
                *left -= size as u64;
                (size, *left == 0)
            }
            Framing::Chunks(chunks) => match chunks.read(&self.held[at..]) {
                Ok(read) => read,
                Err(error) if self.bytes == 0 && at > 0 => return Err(End::Broken(error.to_string())),
                Err(error) => return Err(End::Cut(error.to_string())),
            },
            Framing::ToEnd => {
                if here > 0 {
                    let end = if std::mem::replace(&mut self.is_chunk_open, true) { "\r\n" } else { "" };
                    self.side.down.extend_from_slice(format!("{end}{here:x}\r\n").as_bytes());
                }
                (here, false)
            }
        };
        self.to = at + size;
        self.bytes += size as u64;
        if is_end {
            // What comes after the end was not asked for: the next answer could be told wrong.
            self.keeps &= size == here;
            self.end();
        }
        Ok(())
    }

    fn end(&mut self) {
        self.phase = Phase::Ended;
        self.busy = None;
    }

    /// The pod's connection has ended.
    fn end_of_pod(&mut self, error: Option<&std::io::Error>) -> Step {
        let why = || {
            let first = self.up_fault.clone();
            first.or_else(|| error.map(ToString::to_string)).unwrap_or_else(|| "the connection ended".into())
        };
        match &self.phase {
            Phase::Head if self.held.is_empty() => Err(End::Dropped(why())),
            Phase::Head => Err(End::Broken(format!("its answer ended within its head: {}", why()))),
            Phase::Body(Framing::ToEnd) if error.is_none() => {
                let end = if self.is_chunk_open { "\r\n0\r\n\r\n" } else { "0\r\n\r\n" };
                self.side.down.extend_from_slice(end.as_bytes());
                self.end();
                Ok(())
            }
            Phase::Body(_) => Err(End::Cut(why())),
            Phase::Ended => Ok(()),
        }
    }

    /// Sees whether the client is still there while its pod thinks; what it asks next is kept.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Step {
        while !self.side.is_full() {
            match self.side.poll_fill(cx) {
                Poll::Ready(Ok(size)) if size > 0 => {}
                Poll::Ready(_) => return Err(End::Gone),
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

impl<T> Drop for Relay<'_, T> {
    fn drop(&mut self) {
        self.worker.give_buffer(std::mem::take(&mut self.held));
    }
}
