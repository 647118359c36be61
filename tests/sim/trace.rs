//! What happens in a simulation → lines to read when it fails; nothing is kept unless it is asked for.

use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

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
