//! What went wrong → one message on standard error and an exit code that says whose fault it is.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::client::error::Error as Refused;
use crate::daemon::lacking::Lacking;

/// Whose fault it is; the exit code follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blame {
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
    /// By what is known of an error's causes.
    fn of(error: &anyhow::Error) -> Blame {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let cause = |cause: &(dyn std::error::Error + 'static)| {
            if cause.is::<Lacking>() {
                return Some(Blame::Configuration);
            }
            if let Some(refused) = cause.downcast_ref::<Refused>() {
                return Some(match refused {
                    Refused::Status { code: 409, .. } => Blame::Conflict,
                    Refused::Status { code: 500.., .. } | Refused::Answer { .. } | Refused::Long { .. } => {
                        Blame::Internal
                    }
                    Refused::Status { .. } => Blame::User,
                    Refused::Unreachable { .. } => Blame::Configuration,
                });
            }
            let kind = cause.downcast_ref::<io::Error>()?.kind();
            let lacks =
                [AddrInUse, AddrNotAvailable, PermissionDenied, ReadOnlyFilesystem, StorageFull].contains(&kind);
            lacks.then_some(Blame::Configuration)
        };
        error.chain().find_map(cause).unwrap_or(Blame::User)
    }

    fn code(self) -> u8 {
        match self {
            Blame::User => 1,
            Blame::Configuration => 78,
            Blame::Conflict => 75,
            Blame::Internal => 70,
        }
    }
}

/// Ends the program when its output cannot be written, where the print macros panic: quietly when whoever reads it has gone
/// (`masthead get pods | head`), with an error when the disk is full.
pub fn end_with_output() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        match said.strip_prefix("failed printing to stdout: ") {
            Some(why) if why.contains("Broken pipe") => std::process::exit(0),
            Some(why) => {
                tell(&format!("error: writing the output: {why}"));
                std::process::exit(Blame::Configuration.code().into());
            }
            None => hook(panic),
        }
    }));
}

/// Writes to standard error, if that takes it.
fn tell(line: &str) {
    // There is nobody else to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints an error and chooses the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that went away (`masthead get | head`) is no error.
    let is_gone = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    if error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_gone)) {
        return ExitCode::SUCCESS;
    }
    match error.downcast_ref::<Refused>() {
        // The server's own words, as kubectl prints them.
        Some(refused @ Refused::Status { .. }) => tell(&refused.to_string()),
        _ => tell(&format!("error: {error:#}")),
    }
    if let Some(hint) = error.chain().find_map(hint) {
        tell(hint);
    }
    ExitCode::from(Blame::of(error).code())
}

/// What to do about a cause, where it is known.
fn hint<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    if let Some(lacking) = cause.downcast_ref::<Lacking>() {
        return Some(&lacking.hint);
    }
    if let Some(Refused::Unreachable { .. }) = cause.downcast_ref::<Refused>() {
        return Some("`masthead up` starts it again if it ran on this machine; --server names another");
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_exit_code_says_whose_fault_it_is() {
        let check = |error: anyhow::Error, expect: Blame| assert_eq!(Blame::of(&error), expect, "{error:#}");
        let io = |kind: io::ErrorKind| anyhow::Error::from(io::Error::from(kind)).context("doing it");
        let status = |code: u16| anyhow::Error::from(Refused::of(code, b"{}"));
        check(anyhow::anyhow!("no such word"), Blame::User);
        check(io(io::ErrorKind::NotFound), Blame::User);
        check(io(io::ErrorKind::AddrInUse), Blame::Configuration);
        check(io(io::ErrorKind::ReadOnlyFilesystem), Blame::Configuration);
        check(
            Err::<(), _>(Lacking::error("no git", "install it")).context("starting").unwrap_err(),
            Blame::Configuration,
        );
        check(Refused::Unreachable { url: String::new(), why: String::new() }.into(), Blame::Configuration);
        check(status(404), Blame::User);
        check(status(409).context("reverting"), Blame::Conflict);
        check(status(500), Blame::Internal);
        let codes = [Blame::User, Blame::Configuration, Blame::Conflict, Blame::Internal].map(Blame::code);
        assert_eq!(codes, [1, 78, 75, 70]);
    }
}
