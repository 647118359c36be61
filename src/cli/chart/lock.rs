//! `masthead chart lock`: the Releases below a folder to `masthead.lock`, which pins what their ranges are today.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use masthead_chart::command::{Outcome, Write};
use masthead_plan::desired::Wanted;
use reqwest::Url;

use crate::charts::lock::{Asked, FILE, Lock};
use crate::source::{releases, tree};

use super::spec::LOCK;
use super::{line, remote};

/// Folders inside folders that are looked through.
const DEPTH_MAX: usize = 64;
/// Bytes of one manifest, as for the daemon.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&LOCK, args, |given, outcome| {
        LOCK.at_most(given, 1)?;
        let folder = Path::new(given.words.first().map_or(".", String::as_str));
        let wanted = manifests(folder, outcome)?;
        let asked = releases::asked(&wanted.iter().collect::<Vec<_>>());
        let path = folder.join(FILE);
        let known = match std::fs::read(&path) {
            Ok(text) => Lock::read(&text).map_err(|why| format!("{}: {why}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
            Err(error) => return Err(super::disk::words("open", &path.to_string_lossy(), &error)),
        };
        if !given.text("username").is_empty() {
            one_server(asked.keys())?;
        }
        let fetcher = remote::fetcher(given)?;
        let mut lock = Lock::default();
        for (asked, origin) in asked {
            // What is pinned stays so, unless it is asked for anew; what is not known to be signed is looked at again.
            let is_kept = |known: &&crate::charts::lock::Locked| {
                !given.is_on("update") && (!given.is_on("verify") || !known.verified.is_empty())
            };
            if let Some(kept) = known.find(&asked).filter(is_kept) {
                lock.put(kept.clone());
                continue;
            }
            let found = remote::wait(async { fetcher.resolve(&asked).await.map_err(|e| e.to_string()) });
            let (locked, _) = found.map_err(|why| format!("{origin}: {why}"))?;
            let signed =
                if locked.verified.is_empty() { String::new() } else { format!(" signed by {}", locked.verified) };
            let line = format!("{} {} {}{signed}\n", asked.name, locked.resolved, locked.digest);
            outcome.stdout.extend_from_slice(line.as_bytes());
            lock.put(locked);
        }
        if lock.charts.is_empty() && known.charts.is_empty() {
            outcome.stderr.push_str("no Release asks for a chart that is elsewhere; nothing to lock\n");
            return Ok(());
        }
        let text = lock.write().into_bytes();
        outcome.writes.push(Write { path: path.to_string_lossy().into_owned(), text, append: false });
        Ok(())
    })
}

/// A name and a password are for one server, and are shown to no other.
fn one_server<'a>(asked: impl Iterator<Item = &'a Asked>) -> Result<(), String> {
    let mut servers: Vec<String> = asked
        .filter_map(|asked| Url::parse(&asked.repository).ok())
        .map(|url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or_default()))
        .collect();
    servers.sort();
    servers.dedup();
    if servers.len() > 1 {
        let why = "--username is for one server, and the Releases ask";
        return Err(format!("{why} {}: keep logins in helm's or docker's files", servers.len()));
    }
    Ok(())
}

/// All objects of the manifests below a folder; files that do not read are named and left out.
fn manifests(folder: &Path, outcome: &mut Outcome) -> Result<Vec<Wanted>, String> {
    let mut files = Vec::new();
    collect(folder, 0, &mut files)?;
    let mut out = Vec::new();
    for path in files {
        let shown = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > FILE_BYTES_MAX) {
            outcome.stderr.push_str(&format!("{shown}: larger than {FILE_BYTES_MAX} bytes, left out\n"));
            continue;
        }
        let text = std::fs::read(&path).map_err(|error| super::disk::words("open", &shown, &error))?;
        // Most files are of no concern.
        if contains(&text, b"masthead.dev/") {
            let file = tree::file(&Arc::from(shown.as_str()), &text);
            outcome.stderr.extend(file.problems.iter().map(|problem| format!("{problem}\n")));
            out.extend(file.wanted);
        }
    }
    Ok(out)
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Files that a daemon would read: YAML and JSON outside of charts and of folders that begin with a dot.
fn collect(folder: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), String> {
    if depth > DEPTH_MAX || folder.join(releases::CHART_FILE).exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder);
    let entries = entries.map_err(|error| super::disk::words("open", &folder.to_string_lossy(), &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A link inside the tree leads to what is found anyway.
        if name.starts_with('.') || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(&path, depth + 1, out)?;
        } else if [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) {
            out.push(path);
        }
    }
    Ok(())
}
