//! `masthead chart dependency update|build`: what a chart depends on to archives in its `charts/` and a Chart.lock.

use std::path::Path;

use masthead_agent::images::digest::Digest;
use masthead_chart::command::{Outcome, Write};
use masthead_chart::disk::{self, Disk};
use masthead_chart::flags::Given;
use masthead_chart::lock::{Lock, digest_input};
use masthead_chart::metadata::{Dependency, V1};
use masthead_chart::package::{Changes, package};
use masthead_chart::{dependencies, load};
use masthead_yaml::emit;

use crate::charts::lock::Asked;
use crate::clock;

use super::disk::Real;
use super::remote;

/// Whether ranges are resolved anew, or what Chart.lock says is brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `update`
    Resolve,
    /// `build`
    AsLocked,
}

/// Brings the dependencies of the chart at `path` into its `charts/`.
///
/// # Errors
/// Helm's words where it has some.
pub fn run(path: &str, how: How, given: &Given) -> Result<Outcome, String> {
    let mut warnings = Vec::new();
    let chart = load::files(disk::folder(&mut Real, path, &mut warnings)?, &mut warnings)?;
    let asked: Vec<Dependency> = chart.metadata.dependencies.iter().flatten().flatten().cloned().collect();
    let mut outcome =
        Outcome { stderr: warnings.iter().map(|line| format!("{line}\n")).collect(), ..Outcome::default() };
    if asked.is_empty() {
        return Ok(outcome);
    }
    let locked = chart.lock.as_ref().and_then(|lock| lock.dependencies.as_ref());
    let wanted: Vec<Dependency> = match (how, locked) {
        (How::AsLocked, Some(locked)) => {
            let locked: Vec<Dependency> = locked.iter().flatten().cloned().collect();
            let kept = chart.lock.as_ref().map(|lock| lock.digest.as_str()).unwrap_or_default();
            if kept != sum(&asked, &locked) {
                return Err("the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies".to_owned());
            }
            locked
        }
        _ => asked.clone(),
    };
    let (found, archives) = fetch(path, &wanted, given)?;
    let charts = format!("{path}/charts");
    outcome.stdout.extend_from_slice(format!("Saving {} charts\n", archives.len()).as_bytes());
    remove_outdated(&charts, &asked, &archives, &mut outcome)?;
    for (name, text) in archives {
        outcome.writes.push(Write { path: format!("{charts}/{name}"), text, append: false });
    }
    if how == How::Resolve || chart.lock.is_none() {
        let lock = Lock {
            generated: masthead_api::meta::Time(clock::now_s()).to_string(),
            digest: sum(&asked, &found),
            dependencies: Some(found.into_iter().map(Some).collect()),
        };
        let name = if chart.metadata.api_version == V1 { "requirements.lock" } else { "Chart.lock" };
        let text = emit::to_string(&lock.to_json()).into_bytes();
        outcome.writes.push(Write { path: format!("{path}/{name}"), text, append: false });
    }
    Ok(outcome)
}

fn sum(asked: &[Dependency], locked: &[Dependency]) -> String {
    Digest::of(digest_input(asked, locked).as_bytes()).to_string()
}

type Archives = Vec<(String, Vec<u8>)>;

/// What each dependency is now, as a lock keeps it, and the archives that are to be in `charts/`.
fn fetch(path: &str, wanted: &[Dependency], given: &Given) -> Result<(Vec<Dependency>, Archives), String> {
    let mut found = Vec::new();
    let mut archives = Archives::new();
    for dependency in wanted {
        let repository = dependency.repository.as_str();
        let version = if repository.is_empty() {
            // It is kept in charts/ by hand.
            own_version(path, dependency)?
        } else if let Some(place) = repository.strip_prefix("file://") {
            let place = if place.starts_with('/') { place.to_owned() } else { format!("{path}/{place}") };
            let mut warnings = Vec::new();
            let chart = load::files(disk::folder(&mut Real, &place, &mut warnings)?, &mut warnings)?;
            if !dependencies::is_compatible(&dependency.version, &chart.metadata.version) {
                return Err(format!(
                    "dependency {:?} has an invalid version/constraint format: {} at {place} does not fit {}",
                    dependency.name, chart.metadata.version, dependency.version
                ));
            }
            archives.push(package(&chart, &Changes::default())?);
            chart.metadata.version.clone()
        } else if repository.starts_with(['@']) || repository.starts_with("alias:") {
            return Err(format!(
                "no repository definition for {repository}: names of repositories are not kept, write its URL"
            ));
        } else {
            let asked = Asked {
                repository: repository.to_owned(),
                name: dependency.name.clone(),
                version: dependency.version.clone(),
            };
            let fetcher = remote::fetcher(given)?;
            let (locked, bytes) = remote::wait(async { fetcher.resolve(&asked).await.map_err(|e| e.to_string()) })?;
            archives.push((format!("{}-{}.tgz", dependency.name, locked.resolved), bytes.to_vec()));
            locked.resolved
        };
        found.push(Dependency {
            name: dependency.name.clone(),
            version,
            repository: repository.to_owned(),
            ..Dependency::default()
        });
    }
    Ok((found, archives))
}

fn own_version(path: &str, dependency: &Dependency) -> Result<String, String> {
    let folder = format!("{path}/charts/{}", dependency.name);
    if Real.stat(&folder).is_err() {
        return Err(format!("directory {folder} not found"));
    }
    let mut warnings = Vec::new();
    let chart = load::files(disk::folder(&mut Real, &folder, &mut warnings)?, &mut warnings)?;
    if dependencies::is_compatible(&dependency.version, &chart.metadata.version) {
        return Ok(chart.metadata.version.clone());
    }
    Err(format!(
        "dependency {} at version {} does not satisfy the constraint {}",
        dependency.name, chart.metadata.version, dependency.version
    ))
}

/// Removes archives of earlier versions of what is fetched.
fn remove_outdated(
    charts: &str,
    asked: &[Dependency],
    archives: &Archives,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let Ok(entries) = std::fs::read_dir(Path::new(charts)) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_kept = archives.iter().any(|(archive, _)| *archive == name);
        let is_ours = asked.iter().any(|dependency| {
            let rest = name.strip_prefix(&dependency.name).and_then(|rest| rest.strip_prefix('-'));
            rest.and_then(|rest| rest.strip_suffix(".tgz"))
                .is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit() || c == 'v'))
        });
        if is_ours && !is_kept {
            let path = entry.path();
            std::fs::remove_file(&path)
                .map_err(|error| super::disk::words("remove", &path.to_string_lossy(), &error))?;
            outcome.stdout.extend_from_slice(format!("Deleting outdated chart {name}\n").as_bytes());
        }
    }
    Ok(())
}
