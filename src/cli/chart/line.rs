//! The line of a command → what was given, or what is left to be done in its place.

use masthead_chart::command::{COMMON, Outcome};
use masthead_chart::flags::{self, Flag, Given, Takes, short};

use super::help;
use super::spec::Spec;

const HELP: &[Flag] = &[short("help", 'h', Takes::Bool)];

/// What follows the command on a line, taken apart.
///
/// # Errors
/// What is left to be done instead: its help, or Helm's words of a fault.
pub fn read(spec: &Spec, args: &[String]) -> Result<Given, Outcome> {
    let sets: Vec<&[Flag]> = spec.flags.iter().copied().chain([COMMON, HELP]).collect();
    let given = flags::parse(&sets, args).map_err(|error| Outcome::fail(&error))?;
    if given.is_on("help") {
        return Err(Outcome { stdout: help::of(spec).into_bytes(), ..Outcome::default() });
    }
    Ok(given)
}

/// Runs a command that fills an outcome; what was printed before a fault stays.
pub fn run(spec: &Spec, args: &[String], work: impl FnOnce(&Given, &mut Outcome) -> Result<(), String>) -> Outcome {
    let given = match read(spec, args) {
        Ok(given) => given,
        Err(outcome) => return outcome,
    };
    let mut outcome = Outcome::default();
    if let Err(error) = work(&given, &mut outcome) {
        outcome.stderr.push_str(&format!("Error: {error}\n"));
        outcome.failed = true;
    }
    outcome
}
