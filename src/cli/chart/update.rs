//! `masthead chart dependency update|build`: what a chart depends on to archives in its `charts/` and a Chart.lock.

use masthead_agent::images::digest::Digest;
use masthead_chart::chart::Chart;
use masthead_chart::command::Outcome;
use masthead_chart::disk::{self, Disk, Kind};
use masthead_chart::flags::Given;
use masthead_chart::lock::{Lock, digest_input, digest_input_v2};
use masthead_chart::metadata::{Dependency, V1};
use masthead_chart::package::{Changes, package};
use masthead_chart::{dependencies, load};
use masthead_sprig::semver::constraint;
use masthead_yaml::emit;
use reqwest::Url;

use crate::charts::access::Access;
use crate::charts::error::Error;
use crate::charts::fetch::{Check, Fetcher};
use crate::charts::helm;
use crate::charts::lock::Asked;
use crate::clock;

use super::disk::{Real, words};
use super::remote::{self, clean, join};

/// Whether ranges are resolved anew, or what Chart.lock says is brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `update`
    Resolve,
    /// `build`
    AsLocked,
}

/// What is to be in `charts/`.
type Archives = Vec<(String, Vec<u8>)>;

/// Brings the dependencies of the chart at `path` into its `charts/`. Everything is fetched before anything is written.
///
/// # Errors
/// Helm's words where it has some.
pub fn run(path: &str, how: How, given: &Given, check: Check, outcome: &mut Outcome) -> Result<(), String> {
    let path = &clean(path);
    let chart = chart(path, outcome)?;
    let lock = chart.lock.as_ref();
    if how == How::Resolve || lock.is_none() {
        if chart.metadata.dependencies.is_none() {
            return Ok(());
        }
        let work = Work::new(path, given, check)?;
        let asked = work.named(&chart)?;
        work.refresh(&asked, outcome)?;
        let wanted = work.ranges(&asked)?;
        let (found, archives) = work.fetch(&wanted, outcome)?;
        place(path, &found, &archives, outcome)?;
        return write_lock(path, &chart, &asked, found);
    }
    let work = Work::new(path, given, check)?;
    let original: Vec<Dependency> = chart.metadata.dependencies.iter().flatten().flatten().cloned().collect();
    let asked = work.named(&chart)?;
    let locked: Vec<Dependency> =
        lock.and_then(|lock| lock.dependencies.as_ref()).into_iter().flatten().flatten().cloned().collect();
    let kept = lock.map(|lock| lock.digest.as_str()).unwrap_or_default();
    if kept != sum(&asked, &locked) {
        let is_v1 = chart.metadata.api_version == V1;
        let (lock, chart_file) =
            if is_v1 { ("requirements.lock", "requirements.yaml") } else { ("Chart.lock", "Chart.yaml") };
        if is_v1 {
            outcome.stderr.push_str("warning: a valid Helm v3 hash was not found. Checking against Helm v2 hash...\n");
        }
        if !is_v1 || kept != Digest::of(digest_input_v2(&original).as_bytes()).to_string() {
            return Err(format!(
                "the lock file ({lock}) is out of sync with the dependencies file ({chart_file}). Please update the dependencies"
            ));
        }
    }
    work.refresh(&locked, outcome)?;
    let (found, archives) = work.fetch(&locked, outcome)?;
    place(path, &found, &archives, outcome)
}

fn chart(path: &str, outcome: &mut Outcome) -> Result<Chart, String> {
    match Real::default().stat(path).map_err(|error| format!("could not find {path}: {error}"))? {
        Kind::Folder => {}
        _ => return Err("only unpacked charts can be updated".to_owned()),
    }
    folder(path, outcome)
}

fn folder(path: &str, outcome: &mut Outcome) -> Result<Chart, String> {
    let mut warnings = Vec::new();
    let chart = load::files(disk::folder(&mut Real::default(), path, &mut warnings)?, &mut warnings);
    warnings.iter().for_each(|line| outcome.stderr.push_str(&format!("{line}\n")));
    chart
}

fn sum(asked: &[Dependency], locked: &[Dependency]) -> String {
    Digest::of(digest_input(asked, locked).as_bytes()).to_string()
}

/// A chart whose dependencies are brought here, and whom they are asked of.
struct Work<'w> {
    path: &'w str,
    fetcher: Fetcher,
    known: Vec<helm::Known>,
    check: Check,
}

impl Work<'_> {
    fn new<'w>(path: &'w str, given: &Given, check: Check) -> Result<Work<'w>, String> {
        // As Helm has it: a name and a password that are given are for registries; repositories have theirs in its list.
        let access = Access { login: None, pass_credentials: false, ..remote::access(given) };
        let fetcher = remote::fetcher_with(given, access, check.clone())?;
        let known = remote::places(given).known().map_err(|error| error.to_string())?;
        Ok(Work { path, fetcher, known, check })
    }

    /// What Chart.yaml asks for, with the URLs of repositories that it has by name.
    fn named(&self, chart: &Chart) -> Result<Vec<Dependency>, String> {
        let mut asked: Vec<Dependency> = chart.metadata.dependencies.iter().flatten().flatten().cloned().collect();
        let mut missing = Vec::new();
        for dependency in &mut asked {
            let repository = dependency.repository.clone();
            if let Some(place) = repository.strip_prefix("file://") {
                self.local(place)?;
            }
            if repository.is_empty() || repository.starts_with("file://") || repository.starts_with("oci://") {
                continue;
            }
            match self.fetcher.unalias(&repository).map_err(|error| error.to_string())? {
                Some(url) if url != repository => dependency.repository = url,
                Some(url) if Url::parse(&url).is_ok() => {}
                _ => missing.push(repository),
            }
        }
        if missing.is_empty() {
            return Ok(asked);
        }
        let mut words =
            format!("no repository definition for {}. Please add them via 'helm repo add'", missing.join(", "));
        let is_word = |name: &String| !name.contains("//") && !name.starts_with('@') && !name.starts_with("alias:");
        if missing.iter().any(is_word) {
            words.push_str("\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, use \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the repo, too ('helm repo add').");
        }
        Err(words)
    }

    /// Helm's `GetLocalPath`.
    fn local(&self, place: &str) -> Result<String, String> {
        let path = if place.starts_with('/') { clean(place) } else { join(self.path, place) };
        match Real::default().stat(&path) {
            Ok(_) => Ok(path),
            Err(error) if error.ends_with("no such file or directory") => Err(format!("directory {path} not found")),
            Err(error) => Err(error),
        }
    }

    /// Asks each repository for its index once, and tells of it as Helm does.
    fn refresh(&self, asked: &[Dependency], outcome: &mut Outcome) -> Result<(), String> {
        let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let mut seen: Vec<&str> = Vec::new();
        let urls: Vec<&str> = asked.iter().map(|one| one.repository.as_str()).filter(|url| is_http(url)).collect();
        let (mut own, mut managed) = (String::new(), String::new());
        let mut fault = None;
        for url in urls {
            let known = helm::by_url(&self.known, url);
            let is_new = !seen.contains(&url);
            seen.push(url);
            if known.is_some() && !is_new {
                continue;
            }
            let asked = Asked { repository: url.to_owned(), name: String::new(), version: String::new() };
            let done = remote::wait(async { self.fetcher.index(&asked).await.map_err(|error| error.to_string()) });
            let (lines, name) = match known {
                Some(known) => (&mut managed, known.name.as_str()),
                None => (&mut own, url),
            };
            match done {
                Ok(()) => {
                    lines.push_str(&format!("...Successfully got an update from the {name:?} chart repository\n"))
                }
                Err(error) => {
                    lines.push_str(&format!(
                        "...Unable to get an update from the {name:?} chart repository:\n\t{error}\n"
                    ));
                    fault.get_or_insert(error);
                }
            }
        }
        if !own.is_empty() {
            own.insert_str(0, "Getting updates for unmanaged Helm repositories...\n");
        }
        if !managed.is_empty() {
            managed.insert_str(0, "Hang tight while we grab the latest from your chart repositories...\n");
            managed.push_str("Update Complete. ⎈Happy Helming!⎈\n");
        }
        outcome.stdout.extend_from_slice(format!("{own}{managed}").as_bytes());
        fault.map_or(Ok(()), Err)
    }

    /// What can be said of ranges before anything is fetched.
    fn ranges(&self, asked: &[Dependency]) -> Result<Vec<Dependency>, String> {
        let mut missing = Vec::new();
        let mut wanted = Vec::new();
        for dependency in asked {
            let Dependency { name, version, repository, .. } = dependency;
            constraint::parse(version.as_bytes())
                .map_err(|error| format!("dependency {name:?} has an invalid version/constraint format: {error}"))?;
            let mut one = Dependency {
                name: name.clone(),
                version: version.clone(),
                repository: repository.clone(),
                ..Dependency::default()
            };
            if repository.is_empty() {
                self.local(&format!("charts/{name}"))?;
            } else if let Some(place) = repository.strip_prefix("file://") {
                let chart = folder(&self.local(place)?, &mut Outcome::default())?;
                if !dependencies::is_compatible(version, &chart.metadata.version) {
                    missing.push(format!("{name:?} (repository {repository:?}, version {version:?})"));
                }
                one.version = chart.metadata.version;
            }
            wanted.push(one);
        }
        if missing.is_empty() {
            return Ok(wanted);
        }
        Err(format!(
            "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
            missing.len(),
            missing.join(", ")
        ))
    }

    /// What each is now, as a lock keeps it, and the archives that are to be in `charts/`.
    fn fetch(&self, wanted: &[Dependency], outcome: &mut Outcome) -> Result<(Vec<Dependency>, Archives), String> {
        let charts = join(self.path, "charts");
        if matches!(Real::default().stat(&charts), Ok(kind) if kind != Kind::Folder) {
            return Err(format!("{charts:?} is not a directory"));
        }
        let mut found = Vec::new();
        let mut archives = Archives::new();
        let mut urls: Vec<String> = Vec::new();
        let mut lines = format!("Saving {} charts\n", wanted.len());
        for dependency in wanted {
            let done = self.one(dependency, &mut archives, &mut urls, &mut lines, outcome);
            match done {
                Ok(version) => found.push(Dependency { version, ..dependency.clone() }),
                Err(error) => {
                    lines.push_str(&format!("Save error occurred:  {error}\n"));
                    outcome.stdout.extend_from_slice(lines.as_bytes());
                    return Err(error);
                }
            }
        }
        outcome.stdout.extend_from_slice(lines.as_bytes());
        Ok((found, archives))
    }

    fn one(
        &self,
        dependency: &Dependency,
        archives: &mut Archives,
        urls: &mut Vec<String>,
        lines: &mut String,
        outcome: &mut Outcome,
    ) -> Result<String, String> {
        let Dependency { name, version, repository, .. } = dependency;
        if repository.is_empty() {
            lines.push_str(&format!(
                "Dependency {name} did not declare a repository. Assuming it exists in the charts directory\n"
            ));
            let path = join(self.path, &format!("charts/{name}"));
            let chart = folder(&path, outcome).map_err(|error| format!("unable to load chart '{path}': {error}"))?;
            let there = &chart.metadata.version;
            if dependencies::is_compatible(version, there) {
                return Ok(version.clone());
            }
            return Err(format!("dependency {name} at version {there} does not satisfy the constraint {version}"));
        }
        if let Some(place) = repository.strip_prefix("file://") {
            let chart = folder(&self.local(place)?, outcome)?;
            if !dependencies::is_compatible(version, &chart.metadata.version) {
                return Err(format!("can't get a valid version for dependency {name}"));
            }
            archives.push(package(&chart, &Changes::default())?);
            return Ok(chart.metadata.version);
        }
        let asked = Asked { repository: repository.clone(), name: name.clone(), version: version.clone() };
        let fetched = remote::wait(async { Ok(self.fetcher.fetch(&asked).await) })?;
        let fetched = fetched.map_err(|error| match error {
            Error::NoVersion { newest, .. } => format!(
                "can't get a valid version for 1 subchart(s): {name:?} (repository {repository:?}, version {version:?}). Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml; the newest is {newest}"
            ),
            error => format!("could not download {name} from {repository}: {error}"),
        })?;
        if urls.contains(&fetched.locked.url) {
            lines.push_str(&format!("Already downloaded {name} from repo {repository}\n"));
            return Ok(fetched.locked.resolved);
        }
        lines.push_str(&format!("Downloading {name} from repo {repository}\n"));
        outcome.stderr.push_str(&remote::told(&fetched));
        if self.check != Check::Never {
            fetched.warnings.iter().for_each(|line| lines.push_str(&format!("{line}\n")));
        }
        urls.push(fetched.locked.url);
        archives.push((fetched.file, fetched.archive.to_vec()));
        Ok(fetched.locked.resolved)
    }
}

/// Puts archives into `charts/`, and takes out those that are there no more by right.
fn place(path: &str, found: &[Dependency], archives: &Archives, outcome: &mut Outcome) -> Result<(), String> {
    let charts = join(path, "charts");
    std::fs::create_dir_all(&charts).map_err(|error| words("mkdir", &charts, &error))?;
    for (name, text) in archives {
        remote::put(&format!("{charts}/{name}"), text)?;
    }
    let mut lines = "Deleting outdated charts\n".to_owned();
    for (name, kind) in Real::default().list(&charts)? {
        let file = format!("{charts}/{name}");
        if kind == Kind::Folder || archives.iter().any(|(archive, _)| *archive == name) {
            continue;
        }
        match disk::chart(&mut Real::default(), &file, &mut Vec::new()) {
            Err(error) => lines.push_str(&format!("Could not verify {file} for deletion: {error} (Skipping)\n")),
            // Kept there by hand.
            Ok(chart) if found.iter().any(|one| one.repository.is_empty() && one.name == chart.name()) => {}
            Ok(_) => std::fs::remove_file(&file).map_err(|error| words("remove", &file, &error))?,
        }
    }
    outcome.stdout.extend_from_slice(lines.as_bytes());
    Ok(())
}

fn write_lock(path: &str, chart: &Chart, asked: &[Dependency], found: Vec<Dependency>) -> Result<(), String> {
    let digest = sum(asked, &found);
    if chart.lock.as_ref().is_some_and(|lock| lock.digest == digest) {
        return Ok(());
    }
    let generated = masthead_api::meta::Time(clock::now_s()).to_string();
    let lock = Lock { generated, digest, dependencies: Some(found.into_iter().map(Some).collect()) };
    let name = if chart.metadata.api_version == V1 { "requirements.lock" } else { "Chart.lock" };
    let file = join(path, name);
    if let Ok(target) = std::fs::read_link(&file) {
        return Err(format!("the {name} file is a symlink to {:?}", target.to_string_lossy()));
    }
    remote::put(&file, emit::to_string(&lock.to_json()).as_bytes())
}
