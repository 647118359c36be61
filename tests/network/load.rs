//! Clients that ask without a pause, and what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::lab::{Lab, PATIENCE};

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Each request on a connection of its own.
    Anew,
    /// All requests on one connection; when the other side says that it ends, on another.
    Kept,
    /// All requests on one connection, which must live as long as the load.
    Held,
}

/// Running clients.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    began: Instant,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    sent: AtomicU64,
    answers: Mutex<BTreeMap<String, u64>>,
    failed: Mutex<Vec<String>>,
}

/// What came of a load.
#[derive(Debug)]
pub struct Outcome {
    pub sent: u64,
    pub rate: f64,
    pub failed: Vec<String>,
}

impl Load {
    /// Clients of a place, each with a pause after each answer.
    pub fn start(lab: &Lab, groups: &[(SocketAddr, Manner, usize)], pause: Duration) -> Load {
        let shared = Arc::new(Shared::default());
        let mut clients = Vec::new();
        for (place, manner, count) in groups {
            let one = || lab.runtime.spawn(client(shared.clone(), *place, *manner, pause));
            clients.extend((0..*count).map(|_| one()));
        }
        Load { shared, clients, began: Instant::now() }
    }

    /// Requests answered so far by what says this.
    pub fn answered(&self, words: &str) -> u64 {
        let answers = self.shared.answers.lock().expect("a lock");
        answers.iter().filter(|(text, _)| text.contains(words)).map(|(_, count)| *count).sum()
    }

    /// Waits for so many more answers that say this.
    pub fn more(&self, lab: &Lab, words: &str, count: u64) {
        let end = self.answered(words) + count;
        lab.until(&format!("{count} more answers say {words:?}"), || self.answered(words) >= end || self.has_failed());
    }

    fn has_failed(&self) -> bool {
        !self.shared.failed.lock().expect("a lock").is_empty()
    }

    /// Ends the clients after their last answer.
    pub fn end(self, lab: &Lab) -> Outcome {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let took = self.began.elapsed();
        for client in self.clients {
            lab.runtime.block_on(client).expect("no panic");
        }
        let sent = self.shared.sent.load(Ordering::Relaxed);
        let failed = std::mem::take(&mut *self.shared.failed.lock().expect("a lock"));
        Outcome { sent, rate: sent as f64 / took.as_secs_f64(), failed }
    }
}

impl Outcome {
    /// All were answered.
    pub fn assert_whole(&self, what: &str) {
        println!("{what}: {} requests, {:.0} a second, {} failed", self.sent, self.rate, self.failed.len());
        let first = &self.failed[..self.failed.len().min(10)];
        assert!(self.failed.is_empty(), "{what}: {} of {} failed: {first:#?}", self.failed.len(), self.sent);
    }
}

async fn client(shared: Arc<Shared>, place: SocketAddr, manner: Manner, pause: Duration) {
    let (mut kept, mut has_had) = (None, false);
    while !shared.is_over.load(Ordering::Relaxed) {
        shared.sent.fetch_add(1, Ordering::Relaxed);
        let asked = timeout(PATIENCE, async {
            if manner == Manner::Held && has_had && kept.is_none() {
                return Err(std::io::Error::other("the connection was ended by the other side"));
            }
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => TcpStream::connect(place).await?,
            };
            has_had = true;
            let answer = ask(&mut stream, "web.test", manner == Manner::Anew).await?;
            Ok((stream, answer))
        });
        match asked.await {
            Ok(Ok((stream, answer))) => {
                *shared.answers.lock().expect("a lock").entry(answer.body).or_default() += 1;
                kept = Some(stream).filter(|_| !answer.is_last);
            }
            Ok(Err(error)) => {
                shared.failed.lock().expect("a lock").push(format!("{place} {manner:?}: {error}"));
                if manner == Manner::Held {
                    return;
                }
            }
            Err(_) => {
                shared.failed.lock().expect("a lock").push(format!("{place} {manner:?}: not within {PATIENCE:?}"))
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// No other request may follow on this connection.
    pub is_last: bool,
}

/// Asks for `/`, and reads the answer, which must be 200.
///
/// # Errors
/// The connection, or another status.
pub async fn ask<T: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut T,
    host: &str,
    is_last: bool,
) -> std::io::Result<Answer> {
    let answer = ask_any(stream, host, is_last).await?;
    match answer.status {
        200 => Ok(answer),
        _ => Err(std::io::Error::other(format!("{answer:?}"))),
    }
}

/// The same with any status.
///
/// # Errors
/// The connection.
pub async fn ask_any<T: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut T,
    host: &str,
    is_last: bool,
) -> std::io::Result<Answer> {
    let wish = if is_last { "close" } else { "keep-alive" };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {wish}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut held = Vec::new();
    let head_end = loop {
        if let Some(end) = held.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut held).await? == 0 {
            let why = format!("the connection ended after {:?}", String::from_utf8_lossy(&held));
            return Err(std::io::Error::other(why));
        }
    };
    let head = String::from_utf8_lossy(&held[..head_end]).to_ascii_lowercase();
    let value = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.trim_start_matches(':').trim().to_owned())
    };
    let length = value("content-length").and_then(|text| text.parse::<usize>().ok());
    let length = length.ok_or_else(|| std::io::Error::other(format!("no length: {head}")))?;
    while held.len() < head_end + length {
        if stream.read_buf(&mut held).await? == 0 {
            return Err(std::io::Error::other("the connection ended within an answer"));
        }
    }
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = String::from_utf8_lossy(&held[head_end..]).into_owned();
    let is_last = value("connection").is_some_and(|word| word == "close");
    Ok(Answer { status, head, body, is_last })
}
