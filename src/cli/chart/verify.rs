//! `masthead chart verify`: an archive and the signature beside it → who signed it.

use masthead_chart::command::Outcome;

use super::remote;
use super::spec::{self, VERIFY};

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    spec::run(&VERIFY, args, |given, outcome| {
        VERIFY.exactly(given, 1)?;
        let verified = remote::verify(&given.words[0], given)?;
        outcome.stdout.extend_from_slice(verified.lines().as_bytes());
        Ok(())
    })
}
