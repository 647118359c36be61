//! Words → coloured words on a terminal.

use std::io::IsTerminal;

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Colours when standard output is a terminal and `NO_COLOR` is not set.
    pub fn of_stdout() -> Paint {
        Paint(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    /// No colours.
    pub fn plain() -> Paint {
        Paint(false)
    }

    fn with(self, code: u8, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        // A line break stays outside, so that the next line begins plain.
        let (text, end) = text.strip_suffix('\n').map_or((text, ""), |text| (text, "\n"));
        format!("\x1b[{code}m{text}\x1b[0m{end}")
    }

    /// Bad.
    pub fn red(self, text: &str) -> String {
        self.with(31, text)
    }

    /// Good.
    pub fn green(self, text: &str) -> String {
        self.with(32, text)
    }

    /// On its way.
    pub fn yellow(self, text: &str) -> String {
        self.with(33, text)
    }
}
