//! `masthead chart show`: a chart's metadata, values, README and definitions.

use masthead_chart::command::Outcome;
use masthead_chart::disk;
use masthead_chart::show::{self, Part};
use masthead_chart::tree::Tree;

use super::disk::Real;
use super::remote;
use super::spec::{SHOW, SHOW_VALUES, Spec};
use super::{help, line};
use crate::cli::jsonpath::print::print_of_values;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    let word = args.first().map(String::as_str);
    let part = match word {
        Some("all") => Part::All,
        Some("chart") => Part::Chart,
        Some("values") => Part::Values,
        Some("readme") => Part::Readme,
        Some("crds") => Part::Crds,
        None | Some("-h" | "--help") => return Outcome { stdout: help::of(&SHOW).into_bytes(), ..Outcome::default() },
        Some(other) => return help::unknown("chart show", other),
    };
    let named = Spec { name: word.map_or("show", named), ..SHOW };
    let spec = if part == Part::Values { &SHOW_VALUES } else { &named };
    line::run(spec, args.get(1..).unwrap_or_default(), |given, outcome| {
        spec.exactly(given, 1)?;
        let located = remote::locate(&given.words[0], given)?;
        outcome.stderr.push_str(&located.notes);
        let mut warnings = Vec::new();
        let chart = disk::chart(&mut Real::default(), &located.path, &mut warnings)?;
        warnings.iter().for_each(|line| outcome.stderr.push_str(&format!("{line}\n")));
        match given.get("jsonpath").filter(|path| !path.is_empty()) {
            Some(path) if part == Part::Values => {
                let values = Tree::Map(chart.values.clone().unwrap_or_default()).to_json();
                outcome.stdout.extend_from_slice(print_of_values(path, &values)?.as_bytes());
            }
            _ => outcome.stdout.extend_from_slice(&show::show(&chart, part)),
        }
        Ok(())
    })
}

fn named(part: &str) -> &'static str {
    match part {
        "all" => "show all",
        "chart" => "show chart",
        "readme" => "show readme",
        _ => "show crds",
    }
}
