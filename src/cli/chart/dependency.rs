//! `masthead chart dependency`: what a chart depends on, listed or brought here.

use masthead_chart::command::Outcome;
use masthead_chart::flags::Given;
use masthead_chart::listing;
use masthead_sprig::golang::number::parse_uint;

use crate::charts::fetch::Check;

use super::disk::Real;
use super::remote::{self, clean};
use super::spec::{DEPENDENCY_BUILD, DEPENDENCY_LIST, DEPENDENCY_UPDATE, Spec};
use super::update::{self, How};
use super::{help, line};

const USAGE: &str = "Manage what a chart depends on.

Usage: masthead chart dependency <COMMAND>

Commands:
  list             List what Chart.yaml asks for, and whether charts/ has it
  update           Bring the newest that fit into charts/, and note them in Chart.lock
  build            Bring what Chart.lock says into charts/
";

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("list" | "ls") => line::run(&DEPENDENCY_LIST, rest, |given, outcome| {
            let path = path(&DEPENDENCY_LIST, given)?;
            let width = given.get("max-col-width").and_then(|text| parse_uint(text.as_bytes(), 0).ok()).unwrap_or(80);
            let width = usize::try_from(width).unwrap_or(usize::MAX);
            outcome.stdout.extend_from_slice(listing::list(&mut Real::default(), &path, width)?.as_bytes());
            Ok(())
        }),
        Some("update" | "up") => line::run(&DEPENDENCY_UPDATE, rest, |given, outcome| {
            let path = path(&DEPENDENCY_UPDATE, given)?;
            update::run(&path, How::Resolve, given, remote::check(given), outcome)
        }),
        Some("build") => line::run(&DEPENDENCY_BUILD, rest, |given, outcome| {
            let path = path(&DEPENDENCY_BUILD, given)?;
            // Helm's own rule: what has a signature has to have a good one.
            let is_on = given.is_on("verify");
            let check = if is_on { Check::IfThere(remote::keyring(given)) } else { Check::Never };
            update::run(&path, How::AsLocked, given, check, outcome)
        }),
        None | Some("-h" | "--help" | "help") => Outcome { stdout: USAGE.into(), ..Outcome::default() },
        Some(other) => help::unknown("chart dependency", other),
    }
}

fn path(spec: &Spec, given: &Given) -> Result<String, String> {
    spec.at_most(given, 1)?;
    Ok(given.words.first().map_or_else(|| ".".to_owned(), |path| clean(path)))
}
