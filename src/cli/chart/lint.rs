//! `masthead chart lint`: what is wrong with charts and what could be better.

use std::path::Path;

use masthead_chart::archive;
use masthead_chart::capabilities::KubeVersion;
use masthead_chart::command::Outcome;
use masthead_chart::lint::{Message, Severity, lint};
use masthead_chart::render::Options;
use masthead_chart::tree::Table;
use masthead_chart::values;

use super::disk::{Real, words};
use super::remote::{clean, join};
use super::spec::LINT;
use super::template::surroundings;
use super::{line, unpack};

/// Folders inside folders that are looked through.
const DEPTH_MAX: usize = 64;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&LINT, args, |given, outcome| {
        let mut paths = given.words.clone();
        if paths.is_empty() {
            paths.push(".".to_owned());
        }
        if given.is_on("with-subcharts") {
            for path in paths.clone() {
                subcharts(&join(&path, "charts"), 0, &mut paths);
            }
        }
        let around = surroundings("masthead chart lint");
        let namespace = given.get("namespace").filter(|name| !name.is_empty()).unwrap_or(&around.namespace);
        let mut options = Options::new("test-release", namespace, around.entropy, around.now);
        options.lint = true;
        options.revision = 0;
        options.skip_schema_validation = given.is_on("skip-schema-validation");
        let version = given.text("kube-version");
        if !version.is_empty() {
            options.capabilities.kube_version =
                KubeVersion::parse(version).map_err(|error| format!("invalid kube version '{version}': {error}"))?;
        }
        let values = values::merge(given, &mut Real::default())?;
        let tolerated = if given.is_on("strict") { Severity::Info } else { Severity::Warning };
        report(&paths, &values, &options, tolerated, given.is_on("quiet"), outcome)
    })
}

fn report(
    paths: &[String],
    values: &Table,
    options: &Options,
    tolerated: Severity,
    is_quiet: bool,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let (mut out, mut failed, mut noted) = (String::new(), 0, 0);
    for path in paths {
        let mut reports = Vec::new();
        let done = one(path, values, options, &mut reports);
        reports.iter().for_each(|line| outcome.stderr.push_str(&format!("{line}\n")));
        let (messages, error) = match done {
            Ok(messages) => (messages, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let is_noted = error.is_some() || messages.iter().any(|message| message.severity > Severity::Info);
        noted += usize::from(is_noted);
        if is_quiet && !is_noted {
            continue;
        }
        out.push_str(&format!("==> Linting {path}\n"));
        if let Some(error) = &error {
            out.push_str(&format!("Error {error}\n"));
        }
        for message in messages.iter().filter(|message| !is_quiet || message.severity > Severity::Info) {
            out.push_str(&format!("{message}\n"));
        }
        failed += usize::from(error.is_some() || messages.iter().any(|message| message.severity > tolerated));
        out.push('\n');
    }
    let summary = format!("{} chart(s) linted, {failed} chart(s) failed", paths.len());
    if failed == 0 && (!is_quiet || noted > 0) {
        out.push_str(&format!("{summary}\n"));
    }
    outcome.stdout.extend_from_slice(out.as_bytes());
    if failed > 0 { Err(summary) } else { Ok(()) }
}

/// An archive is linted where it is unpacked to.
fn one(path: &str, values: &Table, options: &Options, reports: &mut Vec<String>) -> Result<Vec<Message>, String> {
    if !path.ends_with(".tgz") && !path.ends_with(".tar.gz") {
        let named = |error: String| error.replace(&format!("{path}/Chart.yaml"), &join(path, "Chart.yaml"));
        return lint(&mut Real::default(), path, values, options, reports).map_err(named);
    }
    let bytes =
        std::fs::read(path).map_err(|error| format!("unable to open tarball: {}", words("open", path, &error)))?;
    let extract = |error: String| format!("unable to extract tarball: {error}");
    let files = archive::files(&bytes).map_err(extract)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let root = folder.path().to_string_lossy().into_owned();
    let chart = unpack::into(&root, files).map_err(extract)?;
    chart.write().map_err(extract)?;
    lint(&mut Real::default(), &chart.folder, values, options, reports)
}

/// Adds the charts in a folder of charts, and in theirs, in the order in which Helm walks.
fn subcharts(folder: &str, depth: usize, paths: &mut Vec<String>) {
    // What can't be read is passed over, as Helm does.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{name}");
        if name == "Chart.yaml" {
            paths.push(clean(folder));
        } else if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
            paths.push(path.clone());
        }
        let is_folder = Path::new(&path).symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if is_folder && depth < DEPTH_MAX {
            subcharts(&path, depth + 1, paths);
        }
    }
}
