//! libcontainer's own error events, which say the cause that its errors leave out.

use std::fmt::{Debug, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::unistd::{self, pipe2};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::shim::error::{Context, Result};
use crate::shim::output::{read_message, set_nonblocking};

/// The longest event that is kept, in bytes.
const EVENT_MAX: usize = 600;

/// Collects error events of this process and of those it forks, until they execute a program.
#[derive(Debug)]
pub struct Causes(OwnedFd);

impl Causes {
    /// Starts to listen; once a process.
    pub fn listen() -> Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        set_nonblocking(&read);
        // The events of a process that nobody reads must not stop it.
        set_nonblocking(&write);
        let _ = tracing::subscriber::set_global_default(Errors(write));
        Ok(Self(read))
    }

    /// The first event, which is the closest to the cause; empty without one.
    pub fn first(&self) -> String {
        read_message(&self.0).lines().next().unwrap_or_default().to_owned()
    }
}

struct Errors(OwnedFd);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        let mut text = line.0.replace('\n', " ");
        let mut end = text.len().min(EVENT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('\n');
        let _ = unistd::write(&self.0, text.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let separator = if self.0.is_empty() { "" } else { ", " };
        let _ = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}
