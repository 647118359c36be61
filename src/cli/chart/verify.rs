//! `masthead chart verify`: an archive and the signature beside it → who signed it.

use masthead_chart::command::Outcome;

use super::spec::VERIFY;
use super::{line, remote};

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&VERIFY, args, |given, outcome| {
        VERIFY.exactly(given, 1)?;
        let verified = remote::verify(&given.words[0], given)?;
        outcome.stdout.extend_from_slice(verified.lines().as_bytes());
        Ok(())
    })
}
