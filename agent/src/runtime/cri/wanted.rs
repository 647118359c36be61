//! Which streams a session is to have.

/// The streams of a session.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Bytes to the process.
    pub stdin: bool,
    /// Its output.
    pub stdout: bool,
    /// Its error output; with a terminal it is part of stdout.
    pub stderr: bool,
    /// It has a terminal.
    pub tty: bool,
}
