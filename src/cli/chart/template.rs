//! `masthead chart template`: a chart's templates rendered to standard output.

use masthead_chart::command::{self, Outcome, SOURCE, Surroundings};
use masthead_chart::disk::Disk;
use masthead_chart::flags::{Flag, Given, Takes};
use masthead_sprig::time::moment::Moment;
use rand::RngCore;

use super::disk::Real;
use super::spec::TEMPLATE;
use super::update::{self, How};
use super::{line, remote};

/// Flags that are done with before templates are rendered.
const DONE: [&str; 2] = ["dependency-update", "help"];
/// Flags of Helm's that would leave the process; they are told before anything is fetched.
const REFUSED: [&str; 3] = ["validate", "enable-dns", "post-renderer"];

/// Runs it; `then` may end the process, and what was rendered is freed after it.
pub fn run<T>(args: &[String], then: impl FnOnce(Outcome) -> T) -> T {
    let given = match line::read(&TEMPLATE, args) {
        Ok(given) => given,
        Err(outcome) => return then(outcome),
    };
    let around = surroundings("masthead chart template");
    if is_here(&given) {
        return command::template_then(args, &mut Real::default(), &around, then);
    }
    let mut before = Outcome::default();
    match brought(&given, &mut before) {
        Ok(args) => command::template_then(&args, &mut Real::default(), &around, |mut outcome| {
            outcome.stdout.splice(0..0, before.stdout);
            outcome.stderr.insert_str(0, &before.stderr);
            then(outcome)
        }),
        Err(error) => {
            before.stderr.push_str(&format!("Error: {error}\n"));
            then(Outcome { failed: true, ..before })
        }
    }
}

/// Whether all that is rendered is here already, or the command line is to be refused anyway.
fn is_here(given: &Given) -> bool {
    let is_set = |name: &&str| given.get(name).is_some_and(|value| value != "false" && !value.is_empty());
    if REFUSED.iter().any(is_set) || !(1..=2).contains(&given.words.len()) {
        return true;
    }
    let asks = ["verify", "dependency-update"].iter().any(|name| given.is_on(name)) || is_set(&"repo");
    let chart = given.words.last().map(|word| word.trim()).unwrap_or_default();
    !asks && (chart.starts_with(['/', '.']) || Real::default().stat(chart).is_ok())
}

/// Brings the chart and what it depends on here; gives the arguments with its path in place of what was named.
fn brought(given: &Given, before: &mut Outcome) -> Result<Vec<String>, String> {
    let mut words = given.words.clone();
    let Some(chart) = words.last_mut() else { return Ok(Vec::new()) };
    let located = remote::locate(chart, given)?;
    before.stderr.push_str(&located.notes);
    if given.is_on("dependency-update") && remote::is_incomplete(&located.path)? {
        // As Helm does, signatures of dependencies are not looked at here.
        update::run(chart, How::Resolve, given, crate::charts::fetch::Check::Never, before)?;
    }
    *chart = located.path;
    let sets = TEMPLATE.flags.iter().copied().chain([command::COMMON]);
    let is_kept = |flag: &&Flag| !DONE.contains(&flag.name) && !SOURCE.iter().any(|done| done.name == flag.name);
    let mut args = Vec::new();
    for flag in sets.flatten().filter(is_kept) {
        for value in given.all(flag.name) {
            let value = if flag.takes == Takes::List { quoted(&value) } else { value };
            args.push(format!("--{}={value}", flag.name));
        }
    }
    args.push("--".to_owned());
    args.extend(words);
    Ok(args)
}

/// A value of a flag that is read as CSV, so that it is read as it was.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// What a command takes from this process: time, entropy and the namespace that the environment names.
pub fn surroundings(name: &str) -> Surroundings {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut entropy = [0; 32];
    rand::rng().fill_bytes(&mut entropy);
    let namespace = std::env::var("HELM_NAMESPACE").ok().filter(|name| !name.is_empty());
    Surroundings {
        name: name.to_owned(),
        namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        entropy,
        now: Moment::from_unix(since.as_secs() as i64, since.subsec_nanos()),
        limits: Default::default(),
        begin: masthead_heap::grow,
    }
}
