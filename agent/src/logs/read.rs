//! A container's log file and what a user wants of it → bytes to the user, also while the file grows and is rotated.

use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use masthead_api::meta::time::MicroTime;
use masthead_wire::pb;
use masthead_wire::stream::Output;
use notify::{RecursiveMode, Watcher};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::Notify;

use crate::logs::line::{Stream, parse};
use crate::logs::tail::start_of_last;

/// The longest line of a log that is read as one; the rest of it is the next.
const LINE_BYTES_MAX: usize = 1 << 20;
/// How long a follower of a silent log waits before it asks whether the container still lives, in
/// case that the file system tells no news.
const IDLE: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Go on as the log grows.
    pub follow: bool,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    /// Only lines from then on; microseconds since 1970.
    pub since_micros: Option<i64>,
    /// Stop after this many bytes.
    pub limit: Option<u64>,
}

impl Options {
    /// Reads a request.
    ///
    /// # Errors
    /// It contradicts itself.
    pub fn of(wanted: &pb::Logs, now: MicroTime) -> Result<Self, String> {
        let natural = |name: &str, value: Option<i64>| match value {
            None => Ok(None),
            Some(value) => {
                u64::try_from(value).map(Some).map_err(|_| format!("{name}: must be greater than or equal to 0"))
            }
        };
        let since_time = match &wanted.since_time {
            None => None,
            Some(text) => {
                Some(MicroTime::parse(text).ok_or_else(|| format!("sinceTime: {text:?} is no RFC 3339 time"))?.0)
            }
        };
        let since_s = wanted.since_s.map(|seconds| now.0.saturating_sub(seconds.saturating_mul(1_000_000)));
        if since_time.is_some() && since_s.is_some() {
            return Err("at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned());
        }
        Ok(Self {
            follow: wanted.follow,
            timestamps: wanted.timestamps,
            tail: natural("tailLines", wanted.tail_lines)?,
            since_micros: since_time.or(since_s),
            limit: natural("limitBytes", wanted.limit_bytes)?,
        })
    }
}

/// Sends the log to a user; `is_over` says whether nothing will be written any more.
///
/// # Errors
/// The disk.
pub async fn stream<F, Fut>(path: &Path, options: Options, output: &Output, is_over: F) -> io::Result<()>
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let news = Arc::new(Notify::new());
    let _watcher = if options.follow { watch(path, &news) } else { None };
    let mut log = Log::open(path, options.tail).await?;
    let mut sender = Sender { output, left: options.limit.unwrap_or(u64::MAX), options };
    loop {
        // Asked before the read, so that what was written before the end is read.
        let over = !sender.options.follow || is_over().await;
        let turned = log.is_turned().await;
        while let Some(line) = log.line(over || turned).await? {
            if !sender.send(&line).await {
                return Ok(());
            }
        }
        if turned {
            log = Log::open(path, None).await?;
            continue;
        }
        if over {
            return Ok(());
        }
        // A time-out is no poll between our own parts: it is for file systems that tell nothing.
        let _ = tokio::time::timeout(IDLE, news.notified()).await;
    }
}

/// Wakes `news` when something happens in the log's directory.
fn watch(path: &Path, news: &Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let waking = news.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is news too, which we don't want to hear.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            waking.notify_one();
        }
    })
    .ok()?;
    watcher.watch(path.parent()?, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

/// An open log file.
struct Log {
    path: PathBuf,
    inode: u64,
    reader: BufReader<File>,
    partial: Vec<u8>,
}

impl Log {
    async fn open(path: &Path, tail: Option<u64>) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        let inode = file.metadata().await?.ino();
        if let Some(count) = tail {
            let mut whole = file.try_clone().await?.into_std().await;
            let start = tokio::task::spawn_blocking(move || start_of_last(&mut whole, count))
                .await
                .map_err(io::Error::other)??;
            file.seek(io::SeekFrom::Start(start)).await?;
        }
        Ok(Self { path: path.to_owned(), inode, reader: BufReader::with_capacity(64 << 10, file), partial: Vec::new() })
    }

    /// Whether another file has the log's name now.
    async fn is_turned(&self) -> bool {
        tokio::fs::metadata(&self.path).await.is_ok_and(|meta| meta.ino() != self.inode)
    }

    /// The next whole line with its end; at the end of a file that is not written any more, also a torn one.
    async fn line(&mut self, torn_too: bool) -> io::Result<Option<Vec<u8>>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let is_line = torn_too && !self.partial.is_empty();
                return Ok(is_line.then(|| std::mem::take(&mut self.partial)));
            }
            let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let count = end.unwrap_or(available.len());
            self.partial.extend_from_slice(&available[..count]);
            self.reader.consume(count);
            if end.is_some() || self.partial.len() >= LINE_BYTES_MAX {
                return Ok(Some(std::mem::take(&mut self.partial)));
            }
        }
    }
}

struct Sender<'a> {
    output: &'a Output,
    left: u64,
    options: Options,
}

impl Sender<'_> {
    /// Sends one line; false when no more is wanted.
    async fn send(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // What is torn at the beginning of a file is no line of ours.
        let Some(line) = parse(line) else { return true };
        if let Some(since) = self.options.since_micros
            && line.micros().is_some_and(|time| time < since)
        {
            return true;
        }
        let mut bytes = Vec::with_capacity(line.text.len() + 40);
        if self.options.timestamps {
            bytes.extend_from_slice(line.time.as_bytes());
            bytes.push(b' ');
        }
        bytes.extend_from_slice(line.text);
        if !line.is_partial {
            bytes.push(b'\n');
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        bytes.truncate(room);
        self.left -= bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        let sent = match line.stream {
            Stream::Stdout => self.output.stdout(bytes).await,
            Stream::Stderr => self.output.stderr(bytes).await,
        };
        sent.is_ok() && self.left > 0
    }
}
