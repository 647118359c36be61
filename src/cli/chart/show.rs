//! `masthead chart show`: a chart's metadata, values, README and definitions.

use masthead_chart::command::{COMMON, Outcome, SOURCE, locate};
use masthead_chart::show::{self, Part};
use masthead_chart::{disk, flags};

use super::disk::Real;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[COMMON, SOURCE], args)?;
    let [part, chart] = given.words.as_slice() else {
        return Err("\"masthead chart show\" requires 2 arguments\n\nUsage:  masthead chart show all|chart|values|readme|crds CHART".to_owned());
    };
    let part = match part.as_str() {
        "all" => Part::All,
        "chart" => Part::Chart,
        "values" => Part::Values,
        "readme" => Part::Readme,
        "crds" => Part::Crds,
        other => return Err(format!("unknown command {other:?} for \"masthead chart show\"")),
    };
    let path = locate(&mut Real, chart, &given)?;
    let mut warnings = Vec::new();
    let chart = disk::chart(&mut Real, &path, &mut warnings)?;
    let stderr = warnings.into_iter().map(|line| line + "\n").collect();
    Ok(Outcome { stdout: show::show(&chart, part), stderr, ..Outcome::default() })
}
