//! `masthead chart create`: the folder of a new chart, from our own beginning or from a starter.

use masthead_chart::chart::Chart;
use masthead_chart::command::{Outcome, Write};
use masthead_chart::disk::{self, Disk, Kind};
use masthead_chart::flags::Given;
use masthead_chart::metadata::{Metadata, V2};
use masthead_chart::package::{Changes, package};
use masthead_chart::{create, load};
use masthead_yaml::emit;

use super::disk::Real;
use super::line;
use super::remote::{self, clean, join};
use super::spec::CREATE;

/// What stands for the chart's name in a starter.
const PLACEHOLDER: &str = "<CHARTNAME>";

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&CREATE, args, |given, outcome| {
        CREATE.exactly(given, 1)?;
        let path = &given.words[0];
        outcome.stdout.extend_from_slice(format!("Creating {path}\n").as_bytes());
        let cleaned = clean(path);
        let (folder, name) = match cleaned.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((folder, name)) => (folder, name),
            None => (".", cleaned.as_str()),
        };
        let files = match given.text("starter") {
            "" => create::files(name)?.into_iter().map(|file| (file.name, file.data.as_bytes().to_vec())).collect(),
            starter => from_starter(name, starter, given)?,
        };
        let top = Real::default().absolute(folder);
        if Real::default().stat(&top)? != Kind::Folder {
            return Err(format!("no such directory {top}"));
        }
        let target = join(&top, name);
        if matches!(Real::default().stat(&target), Ok(kind) if kind != Kind::Folder) {
            return Err(format!("file {target} already exists and is not a directory"));
        }
        for (file, text) in files {
            let path = format!("{target}/{file}");
            if given.text("starter").is_empty() && Real::default().stat(&path).is_ok() {
                let warning = format!("WARNING: File {path:?} already exists. Overwriting.\n");
                outcome.stdout.extend_from_slice(warning.as_bytes());
            }
            outcome.writes.push(Write { path, text, append: false });
        }
        Ok(())
    })
}

/// Helm's `CreateFrom`: the starter's files with the new name in them, and a Chart.yaml of its own.
fn from_starter(name: &str, starter: &str, given: &Given) -> Result<Vec<(String, Vec<u8>)>, String> {
    let path = match (starter.starts_with('/'), remote::places(given).starters) {
        (true, _) => starter.to_owned(),
        (false, Some(folder)) => join(&folder.to_string_lossy(), starter),
        (false, None) => return Err(format!("could not load {starter}: neither $HOME nor $HELM_DATA_HOME is set")),
    };
    let chart = starter_chart(&path).map_err(|error| format!("could not load {path}: {error}"))?;
    // Refuses names that lead elsewhere.
    create::files(name)?;
    let metadata = Metadata {
        name: name.to_owned(),
        description: "A Helm chart for Kubernetes".to_owned(),
        typ: "application".to_owned(),
        version: "0.1.0".to_owned(),
        app_version: "0.1.0".to_owned(),
        api_version: V2.to_owned(),
        ..Metadata::default()
    };
    let named = |data: &[u8]| String::from_utf8_lossy(data).replace(PLACEHOLDER, name).into_bytes();
    let mut files = vec![("Chart.yaml".to_owned(), emit::to_string(&metadata.to_json()).into_bytes())];
    for file in chart.raw.iter().filter(|file| file.name == "values.yaml") {
        files.push((file.name.clone(), named(file.data.as_bytes())));
    }
    if let Some(schema) = &chart.schema {
        files.push(("values.schema.json".to_owned(), schema.as_bytes().to_vec()));
    }
    files.extend(chart.templates.iter().map(|file| (file.name.clone(), named(file.data.as_bytes()))));
    files.extend(chart.files.iter().map(|file| (file.name.clone(), file.data.as_bytes().to_vec())));
    for child in &chart.dependencies {
        let (archive, bytes) = package(child, &Changes::default())?;
        files.push((format!("charts/{archive}"), bytes));
    }
    Ok(files)
}

/// Its name is the placeholder, which stands in its templates too, so that they are taken as they are.
fn starter_chart(path: &str) -> Result<Chart, String> {
    match Real::default().stat(path)? {
        Kind::Folder => load::files(disk::folder(&mut Real::default(), path, &mut Vec::new())?, &mut Vec::new()),
        _ => disk::chart(&mut Real::default(), path, &mut Vec::new()),
    }
}
