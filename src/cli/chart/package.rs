//! `masthead chart package`: charts' folders to archives.

use masthead_chart::command::{COMMON, Outcome, Write};
use masthead_chart::disk::{self, Disk};
use masthead_chart::flags::{self, Flag, Takes, flag, short};
use masthead_chart::load;
use masthead_chart::package::{Changes, package};

use super::disk::Real;

const FLAGS: &[Flag] = &[
    flag("version", Takes::Text),
    flag("app-version", Takes::Text),
    short("destination", 'd', Takes::Text),
    short("dependency-update", 'u', Takes::Bool),
    flag("sign", Takes::Bool),
];

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(error) = pack(args, &mut outcome) {
        outcome.stderr.push_str(&format!("Error: {error}\n"));
        outcome.failed = true;
    }
    outcome
}

fn pack(args: &[String], outcome: &mut Outcome) -> Result<(), String> {
    let given = flags::parse(&[FLAGS, COMMON], args)?;
    if let Some(refused) = ["sign", "dependency-update"].into_iter().find(|name| given.is_on(name)) {
        return Err(format!("flag --{refused} is not supported"));
    }
    if given.words.is_empty() {
        return Err("need at least one argument, the path to the chart".to_owned());
    }
    let changes =
        Changes { version: given.text("version").to_owned(), app_version: given.text("app-version").to_owned() };
    let destination = given.get("destination").unwrap_or(".");
    let destination =
        if destination == "." { Real.absolute(".") } else { destination.trim_end_matches('/').to_owned() };
    for path in &given.words {
        Real.stat(path)?;
        let mut warnings = Vec::new();
        let chart = load::files(disk::folder(&mut Real, path, &mut warnings)?, &mut warnings)?;
        warnings.iter().for_each(|line| outcome.stderr.push_str(&format!("{line}\n")));
        let (name, text) = package(&chart, &changes)?;
        let path = format!("{destination}/{name}");
        outcome.stdout.extend_from_slice(format!("Successfully packaged chart and saved it to: {path}\n").as_bytes());
        outcome.writes.push(Write { path, text, append: false });
    }
    Ok(())
}
