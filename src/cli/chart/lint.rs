//! `masthead chart lint`: what is wrong with charts and what could be better.

use masthead_chart::capabilities::KubeVersion;
use masthead_chart::command::{COMMON, Outcome};
use masthead_chart::flags::{self, Flag, Takes, flag};
use masthead_chart::lint::{Severity, lint};
use masthead_chart::render::Options;
use masthead_chart::values;

use super::disk::Real;
use super::template::surroundings;

const FLAGS: &[Flag] = &[
    flag("strict", Takes::Bool),
    flag("with-subcharts", Takes::Bool),
    flag("quiet", Takes::Bool),
    flag("skip-schema-validation", Takes::Bool),
    flag("kube-version", Takes::Text),
];

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[FLAGS, COMMON, values::FLAGS], args)?;
    let mut paths = given.words.clone();
    if paths.is_empty() {
        paths.push(".".to_owned());
    }
    if given.is_on("with-subcharts") {
        for path in paths.clone() {
            subcharts(&format!("{}/charts", path.trim_end_matches('/')), &mut paths);
        }
    }
    let around = surroundings("masthead chart lint");
    let namespace = given.get("namespace").unwrap_or(&around.namespace);
    let mut options = Options::new("test-release", namespace, around.entropy, around.now);
    options.lint = true;
    options.revision = 0;
    options.skip_schema_validation = given.is_on("skip-schema-validation");
    let version = given.text("kube-version");
    if !version.is_empty() {
        options.capabilities.kube_version =
            KubeVersion::parse(version).map_err(|error| format!("invalid kube version '{version}': {error}"))?;
    }
    let values = values::merge(&given, &mut Real)?;
    let tolerated = if given.is_on("strict") { Severity::Info } else { Severity::Warning };
    let quiet = given.is_on("quiet");
    let (mut out, mut failed, mut noted) = (String::new(), 0, 0);
    for path in &paths {
        let (messages, error) = match lint(&mut Real, path, &values, &options) {
            Ok(messages) => (messages, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let is_noted = error.is_some() || messages.iter().any(|message| message.severity > Severity::Info);
        noted += usize::from(is_noted);
        if quiet && !is_noted {
            continue;
        }
        out.push_str(&format!("==> Linting {path}\n"));
        if let Some(error) = &error {
            out.push_str(&format!("Error {error}\n"));
        }
        for message in messages.iter().filter(|message| !quiet || message.severity > Severity::Info) {
            out.push_str(&format!("{message}\n"));
        }
        failed += usize::from(error.is_some() || messages.iter().any(|message| message.severity > tolerated));
        out.push('\n');
    }
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", paths.len());
    let mut outcome = Outcome { failed: failed > 0, ..Outcome::default() };
    if failed > 0 {
        outcome.stderr = format!("Error: {summary}\n");
    } else if !quiet || noted > 0 {
        out.push_str(&format!("{summary}\n"));
    }
    outcome.stdout = out.into_bytes();
    Ok(outcome)
}

/// Adds the charts in a folder of charts, and in theirs.
fn subcharts(folder: &str, paths: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    for path in found {
        if path.join("Chart.yaml").is_file() {
            paths.push(path.to_string_lossy().into_owned());
        }
        subcharts(&path.to_string_lossy(), paths);
    }
}
