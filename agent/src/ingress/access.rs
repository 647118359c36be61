//! Requests that are over → lines of a log, which a thread of its own writes many at a time.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use tokio::sync::Notify;

use crate::ingress::words;
use crate::shim::log::timestamp;

/// Bytes that a worker writes at once, and how long it waits for so many.
const WRITE_BYTES: usize = 64 << 10;
const WAIT: Duration = Duration::from_secs(1);
/// Bytes that a worker holds while its disk is slower than its requests; more is lost, counted, and told of.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Writes that wait for the thread.
const WRITES_MAX: usize = 64;

/// Where requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Nowhere.
    Nowhere,
    /// With all that the program traces, as target `masthead::ingress::access`.
    Traces,
    /// In a file, which grows at its end: an object of JSON a line. One that was moved away is made anew.
    File(PathBuf),
}

/// What is known of a request at its begin.
#[derive(Debug)]
pub struct Line {
    /// Where it is logged.
    pub log: Log,
    /// Who asked.
    pub client: IpAddr,
    /// By TLS.
    pub is_tls: bool,
    /// How.
    pub method: Method,
    /// For whom, without what would spoil a line.
    pub host: String,
    /// For what, without what would spoil a line.
    pub path: String,
    /// In which version of HTTP.
    pub version: Version,
}

/// What is known at its end.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The answer's status.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: u64,
    /// From the request's head to the answer's end.
    pub took: Duration,
    /// `namespace/name`; empty is none.
    pub ingress: &'a str,
    /// Who answered.
    pub pod: Option<SocketAddr>,
}

/// A worker's way into the log.
#[derive(Clone, Debug)]
pub enum Log {
    /// Nobody reads it.
    Nowhere,
    /// The program's traces.
    Traces,
    /// A file.
    File(Rc<Lines>),
}

impl Log {
    /// A worker's, into a file where there is a thread that writes it.
    pub fn new(to: &To, file: Option<SyncSender<Vec<u8>>>) -> Self {
        match (to, file) {
            (To::Traces, _) => Self::Traces,
            (To::File(_), Some(give)) => Self::File(Rc::new(Lines::new(give))),
            (To::Nowhere | To::File(_), _) => Self::Nowhere,
        }
    }

    /// Whether somebody reads it.
    pub fn is_read(&self) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Traces => tracing::enabled!(target: "masthead::ingress::access", tracing::Level::INFO),
            Self::File(_) => true,
        }
    }

    /// Writes what is held, again and again, each time a second after it began to be.
    pub async fn flush(self) {
        let Self::File(lines) = self else { return };
        loop {
            lines.begun.notified().await;
            tokio::time::sleep(WAIT).await;
            lines.give();
        }
    }
}

impl Line {
    /// A line, its texts made such that each fits into one.
    pub fn new(log: Log, (client, is_tls): (IpAddr, bool), (method, version): (Method, Version)) -> Self {
        Self { log, client, is_tls, method, host: String::new(), path: String::new(), version }
    }

    /// The same with what was asked for.
    pub fn of(self, host: &str, path: &str) -> Self {
        Self { host: words::shown(host), path: words::shown(path), ..self }
    }

    /// Logs it.
    pub fn end(&self, done: &Done<'_>) {
        match &self.log {
            Log::Nowhere => {}
            Log::Traces => tracing::info!(
                target: "masthead::ingress::access",
                client = %self.client,
                method = %self.method,
                host = self.host,
                path = self.path,
                version = ?self.version,
                status = done.status,
                bytes = done.bytes,
                took_us = u64::try_from(done.took.as_micros()).unwrap_or(u64::MAX),
                ingress = done.ingress,
                pod = ?done.pod,
                tls = self.is_tls,
            ),
            Log::File(lines) => lines.add(self, done),
        }
    }

    fn write(&self, done: &Done<'_>, now: SystemTime, out: &mut Vec<u8>) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(&stamp[..23]);
        // Writing into memory can't fail.
        let _ = write!(out, "Z\",\"client\":\"{}\",\"method\":\"{}\",\"host\":\"", self.client, self.method);
        escape(&self.host, out);
        out.extend_from_slice(b"\",\"path\":\"");
        escape(&self.path, out);
        let _ = write!(
            out,
            "\",\"version\":\"{:?}\",\"status\":{},\"bytes\":{},\"took_us\":{},\"ingress\":\"{}\",\"pod\":",
            self.version,
            done.status,
            done.bytes,
            done.took.as_micros(),
            done.ingress
        );
        let _ = match done.pod {
            Some(pod) => writeln!(out, "\"{pod}\",\"tls\":{}}}", self.is_tls),
            None => writeln!(out, "null,\"tls\":{}}}", self.is_tls),
        };
    }
}

/// A text as JSON has it between quotes; there is no control character in it.
fn escape(text: &str, out: &mut Vec<u8>) {
    for part in text.split_inclusive(['"', '\\']) {
        match part.as_bytes() {
            [start @ .., last @ (b'"' | b'\\')] => out.extend([start, b"\\", &[*last]].concat()),
            whole => out.extend_from_slice(whole),
        }
    }
}

/// Lines of one worker that have not been written.
#[derive(Debug)]
pub struct Lines {
    text: RefCell<Vec<u8>>,
    give: SyncSender<Vec<u8>>,
    /// The first line of several has come.
    begun: Notify,
    lost: Cell<u64>,
}

impl Lines {
    fn new(give: SyncSender<Vec<u8>>) -> Self {
        Self { text: RefCell::default(), give, begun: Notify::new(), lost: Cell::new(0) }
    }

    fn add(&self, line: &Line, done: &Done<'_>) {
        let mut text = self.text.borrow_mut();
        if text.len() >= HELD_BYTES_MAX {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        if text.is_empty() {
            self.begun.notify_one();
        }
        line.write(done, SystemTime::now(), &mut text);
        let is_much = text.len() >= WRITE_BYTES;
        drop(text);
        if is_much {
            self.give();
        }
    }

    /// Gives the thread what there is, unless it has too much already: then it is held.
    fn give(&self) {
        let text = self.text.take();
        if text.is_empty() {
            return;
        }
        match self.give.try_send(text) {
            Ok(()) => self.tell(),
            Err(TrySendError::Full(text)) => {
                self.text.replace(text);
                self.begun.notify_one();
            }
            Err(TrySendError::Disconnected(_)) => tracing::error!("the access log has no writer any more"),
        }
    }

    fn tell(&self) {
        let lost = self.lost.take();
        if lost > 0 {
            tracing::warn!(lost, "lines of the access log were lost: its disk is slower than the requests");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let text = self.text.take();
        // Here, where the worker ends, it may wait.
        if !text.is_empty() && self.give.send(text).is_err() {
            tracing::error!("the end of the access log has no writer");
        }
        self.tell();
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    give: SyncSender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(path: PathBuf) -> io::Result<Self> {
        let (give, take) = sync_channel(WRITES_MAX);
        let thread = std::thread::Builder::new().name("ingress-log".into()).spawn(move || write(path, &take))?;
        Ok(Self { give, thread })
    }

    /// What a worker gives its lines to.
    pub fn giver(&self) -> SyncSender<Vec<u8>> {
        self.give.clone()
    }

    /// Waits until all is written; all who give have ended.
    pub fn end(self) {
        drop(self.give);
        if self.thread.join().is_err() {
            tracing::error!("the access log's writer broke");
        }
    }
}

/// Writes what is given, until nobody is left to give.
fn write(path: PathBuf, take: &Receiver<Vec<u8>>) {
    let mut out = Out { path, file: None };
    let mut is_failing = false;
    while let Ok(text) = take.recv() {
        let written = out.write(&text);
        if let Err(error) = &written
            && !is_failing
        {
            let path = out.path.display();
            tracing::error!(%error, %path, "the access log can't be written; its lines are lost until it can");
        }
        is_failing = written.is_err();
    }
}

/// A file, or the one that stands in its place.
struct Out {
    path: PathBuf,
    file: Option<File>,
}

impl Out {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let there = std::fs::metadata(&self.path).map(|there| (there.dev(), there.ino()));
        let held = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|held| (held.dev(), held.ino()));
        let mut file = match self.file.take() {
            Some(file) if there.is_ok_and(|there| Some(there) == held) => file,
            _ => OpenOptions::new().create(true).append(true).open(&self.path)?,
        };
        file.write_all(text)?;
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(log: &Log, path: &str) -> Line {
        let client = (IpAddr::from([192, 0, 2, 9]), false);
        Line::new(log.clone(), client, (Method::GET, Version::HTTP_11)).of("a.test", path)
    }

    fn done() -> Done<'static> {
        let pod = Some(SocketAddr::from(([10, 0, 0, 1], 80)));
        Done { status: 200, bytes: 5, took: Duration::from_micros(1234), ingress: "n/web", pod }
    }

    fn paths(text: &[u8]) -> Vec<String> {
        let lines = std::str::from_utf8(text).unwrap().lines();
        let values = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        values.map(|value| value["path"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_line_is_an_object_whatever_was_asked_for() {
        let mut out = Vec::new();
        let asked = "/a\"b\\c\n\u{1b}ü";
        line(&Log::Nowhere, asked).write(&done(), UNIX_EPOCH + Duration::from_millis(1_763_750_000_045), &mut out);
        assert!(out.ends_with(b"}\n"));
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expect = serde_json::json!({
            "time": "2025-11-21T18:33:20.045Z", "client": "192.0.2.9", "method": "GET", "host": "a.test",
            "path": "/a\"b\\c??ü", "version": "HTTP/1.1", "status": 200, "bytes": 5, "took_us": 1234,
            "ingress": "n/web", "pod": "10.0.0.1:80", "tls": false,
        });
        assert_eq!(value, expect);
        out.clear();
        line(&Log::Nowhere, "/").write(&Done { pod: None, ..done() }, UNIX_EPOCH, &mut out);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap()["pod"], serde_json::Value::Null);
    }

    #[test]
    fn lines_go_together_and_none_is_lost_at_the_end() {
        let (give, take) = sync_channel(WRITES_MAX);
        let log = Log::new(&To::File("unused".into()), Some(give));
        let mut expect = Vec::new();
        for number in 0..1000 {
            expect.push(format!("/{number}"));
            line(&log, &expect[number]).end(&done());
        }
        drop(log);
        let writes: Vec<Vec<u8>> = take.iter().collect();
        assert!(writes.len() > 1 && writes.len() < 10, "{} writes", writes.len());
        assert!(writes[0].len() >= WRITE_BYTES);
        assert_eq!(paths(&writes.concat()), expect);
    }

    #[test]
    fn a_disk_that_does_not_keep_up_costs_lines_and_not_memory() {
        let (give, take) = sync_channel(0);
        let log = Log::new(&To::File("unused".into()), Some(give));
        let Log::File(lines) = &log else { panic!("no file") };
        while lines.lost.get() < 3 {
            line(&log, "/").end(&done());
        }
        // None is lost before there are so many.
        assert!((HELD_BYTES_MAX..HELD_BYTES_MAX + WRITE_BYTES).contains(&lines.text.borrow().len()));
        // It goes on with what it held when there is somebody to take it.
        let thread = std::thread::spawn(move || take.iter().map(|text| text.len()).sum::<usize>());
        let held = lines.text.borrow().len();
        drop(log);
        assert_eq!(thread.join().unwrap(), held);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let mut out = Out { path: path.clone(), file: None };
        out.write(b"a\n").unwrap();
        out.write(b"b\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        out.write(b"c\n").unwrap();
        assert_eq!(std::fs::read(moved).unwrap(), b"a\nb\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"c\n");
        let mut nowhere = Out { path: dir.path().join("none").join("log"), file: None };
        assert!(nowhere.write(b"d\n").is_err());
    }
}
