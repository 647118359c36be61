//! What went wrong → one message on standard error and an exit code that says whose fault it is.

use std::fmt;
use std::process::ExitCode;

/// Whose fault it is; the exit code follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// What the user asked for cannot be done, or failed: 1.
    User,
    /// The machine or the configuration lacks something: 78 (`EX_CONFIG` of sysexits).
    Configuration,
    /// Somebody else changed it first: 75 (`EX_TEMPFAIL`); trying again may help.
    Conflict,
    /// A fault of the program: 70 (`EX_SOFTWARE`).
    Internal,
}

impl Blame {
    fn code(self) -> u8 {
        match self {
            Blame::User => 1,
            Blame::Configuration => 78,
            Blame::Conflict => 75,
            Blame::Internal => 70,
        }
    }
}

/// An error with its blame and what to do about it.
#[derive(Debug)]
pub struct Blamed {
    blame: Blame,
    message: String,
    hint: String,
}

impl fmt::Display for Blamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Blamed {}

/// The machine or the configuration lacks something; `hint` says how to get it.
pub fn configuration(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Blamed { blame: Blame::Configuration, message: message.into(), hint: hint.into() }.into()
}

/// Ends the program quietly when whoever reads its output has gone (`masthead get pods | head`): the print macros panic
/// then, and nothing is wrong.
pub fn quiet_when_nobody_reads() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to") && said.contains("Broken pipe") {
            std::process::exit(0);
        }
        hook(panic);
    }));
}

/// Prints an error and chooses the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let blamed = error.downcast_ref::<Blamed>();
    // A reader that went away (`masthead get | head`) is no error.
    if error
        .chain()
        .any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
    {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    if let Some(hint) = blamed.map(|b| b.hint.as_str()).filter(|hint| !hint.is_empty()) {
        eprintln!("{hint}");
    }
    ExitCode::from(blamed.map_or(Blame::User, |b| b.blame).code())
}
