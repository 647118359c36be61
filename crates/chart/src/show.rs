//! `helm show`: a chart to the text of its metadata, values, README and definitions.

use masthead_yaml::emit;

use crate::chart::{Chart, File, has_manifest_extension};

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// Chart.yaml.
    Chart,
    /// values.yaml as it is written.
    Values,
    /// The README.
    Readme,
    /// The files of `crds/`.
    Crds,
}

/// The text that Helm shows.
pub fn show(chart: &Chart, part: Part) -> Vec<u8> {
    let all = part == Part::All;
    let mut out = Vec::new();
    let mut line = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        out.push(b'\n');
    };
    if all || part == Part::Chart {
        line(emit::to_string(&chart.metadata.to_json()).as_bytes());
    }
    if (all || part == Part::Values) && chart.values.is_some() {
        if all {
            line(b"---");
        }
        for file in chart.raw.iter().filter(|file| file.name == "values.yaml") {
            line(file.data.as_bytes());
        }
    }
    let readme = if all || part == Part::Readme { chart.readme() } else { None };
    if let Some(readme) = readme {
        if all {
            line(b"---");
        }
        line(readme.data.as_bytes());
    }
    if all || part == Part::Crds {
        let files = definitions(chart);
        if all && files.first().is_some_and(|file| !file.data.as_bytes().starts_with(b"---")) {
            line(b"---");
        }
        for file in files {
            line(file.data.as_bytes());
        }
    }
    out
}

/// The files of `crds/` of a chart and those below it.
fn definitions(chart: &Chart) -> Vec<&File> {
    let own = chart.files.iter().filter(|file| file.name.starts_with("crds/") && has_manifest_extension(&file.name));
    own.chain(chart.dependencies.iter().flat_map(|child| definitions(child))).collect()
}
