//! What happens in a simulation → lines to read when it fails; nothing is kept unless it is asked for.
//!
//! What the loops of production log is among them. What they call a fault of their own ends the run.

use std::cell::RefCell;
use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    static FAULT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a decider could not decide on is logged with these words, and nothing stops for it.
const FAULTS: [&str; 3] = ["not decided", "a report is left out", "events are not recorded"];

/// Begins to keep lines, or stops.
pub fn keep(on: bool) {
    LINES.with(|lines| *lines.borrow_mut() = on.then(Vec::new));
}

/// The lines so far.
pub fn taken() -> Vec<String> {
    LINES.with(|lines| lines.borrow_mut().as_mut().map(std::mem::take).unwrap_or_default())
}

/// Keeps a line, if lines are kept.
pub fn line(text: impl FnOnce() -> String) {
    LINES.with(|lines| {
        if let Some(lines) = lines.borrow_mut().as_mut() {
            lines.push(text());
        }
    });
}

/// The first fault that was logged since it was asked for.
pub fn fault() -> Option<String> {
    FAULT.with(|fault| fault.borrow_mut().take())
}

/// Runs something whose logs are kept among the lines.
pub fn listening<T>(run: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(Logs, run)
}

struct Logs;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Logs {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Whether lines are kept changes from run to run.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target().starts_with("masthead")
            && (*metadata.level() == Level::ERROR
                || *metadata.level() <= Level::DEBUG && LINES.with(|lines| lines.borrow().is_some()))
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        if *event.metadata().level() == Level::ERROR && FAULTS.iter().any(|fault| text.0.contains(fault)) {
            FAULT.with(|fault| fault.borrow_mut().get_or_insert_with(|| text.0.clone()).truncate(2000));
        }
        line(|| format!("  control:{}", text.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
