//! `masthead chart dependency`: what a chart depends on, listed or brought here.

use masthead_chart::command::{COMMON, Outcome};
use masthead_chart::flags::{self, Flag, Takes, flag};
use masthead_chart::listing;

use super::disk::Real;
use super::remote;
use super::update::{self, How};

const FLAGS: &[Flag] = &[flag("max-col-width", Takes::Int), flag("skip-refresh", Takes::Bool)];

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[FLAGS, remote::FLAGS, COMMON], args)?;
    match given.words.split_first() {
        Some((command, rest)) if matches!(command.as_str(), "list" | "ls") => {
            let path = match rest {
                [] => ".",
                [path] => path.trim_end_matches('/'),
                _ => return Err("\"masthead chart dependency list\" accepts at most 1 argument".to_owned()),
            };
            let width = given.get("max-col-width").and_then(|text| text.parse().ok()).unwrap_or(80);
            Ok(Outcome { stdout: listing::list(&mut Real, path, width)?.into_bytes(), ..Outcome::default() })
        }
        Some((command, rest)) if matches!(command.as_str(), "update" | "up" | "build") => {
            let path = match rest {
                [] => ".",
                [path] => path.trim_end_matches('/'),
                _ => return Err(format!("\"masthead chart dependency {command}\" accepts at most 1 argument")),
            };
            update::run(path, if command == "build" { How::AsLocked } else { How::Resolve }, &given)
        }
        _ => Err("\"masthead chart dependency\" knows: list, update and build, each with CHART".to_owned()),
    }
}
