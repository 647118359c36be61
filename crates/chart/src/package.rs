//! A chart to the bytes of its archive: the same chart gives the same bytes, whenever and wherever.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use masthead_gotmpl::quote::quote;
use masthead_sprig::golang::path;
use masthead_sprig::semver::version;
use masthead_yaml::emit;

use crate::chart::Chart;
use crate::metadata::{V1, V2};

/// What Helm puts into the header of its archives.
const EXTRA: &[u8] = b"+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";

/// What is changed while a chart is packed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Another version; empty for its own.
    pub version: String,
    /// Another version of what it installs; empty for its own.
    pub app_version: String,
}

/// The name and the bytes of a chart's archive. No time is written into it.
///
/// # Errors
/// Helm's own words: a version that is none, dependencies that are missing, a schema that is no JSON.
pub fn package(chart: &Chart, changes: &Changes) -> Result<(String, Vec<u8>), String> {
    let mut metadata = chart.metadata.clone();
    if !changes.version.is_empty() {
        metadata.version.clone_from(&changes.version);
    }
    version::parse(metadata.version.as_bytes()).map_err(|error| error.to_string())?;
    if !changes.app_version.is_empty() {
        metadata.app_version.clone_from(&changes.app_version);
    }
    crate::command::missing_dependencies(chart)?;
    metadata.validate().map_err(|error| format!("failed to save: chart validation: {error}"))?;
    let name = format!("{}-{}.tgz", metadata.name, metadata.version);
    let gzip = GzBuilder::new().extra(EXTRA).comment("Helm").write(Vec::new(), Compression::default());
    let mut archive = tar::Builder::new(gzip);
    write(&mut archive, chart, &metadata, "").map_err(|error| format!("failed to save: {error}"))?;
    let bytes = archive.into_inner().and_then(|gzip| gzip.finish()).map_err(|error| error.to_string())?;
    Ok((name, bytes))
}

fn write<W: Write>(
    archive: &mut tar::Builder<W>,
    chart: &Chart,
    metadata: &crate::metadata::Metadata,
    prefix: &str,
) -> Result<(), String> {
    if path::base(metadata.name.as_bytes()) != metadata.name.as_bytes() {
        return Err(format!("{} is not a valid chart name", quote(metadata.name.as_bytes())));
    }
    let base = format!("{prefix}{}", metadata.name);
    let mut put = |name: &str, data: &[u8]| entry(archive, &format!("{base}/{name}"), data);
    let mut written = metadata.clone();
    if written.api_version == V1 {
        // Such a chart has them in requirements.yaml.
        written.dependencies = None;
    }
    put("Chart.yaml", emit::to_string(&written.to_json()).as_bytes())?;
    if let Some(lock) = chart.lock.as_ref().filter(|_| metadata.api_version == V2) {
        put("Chart.lock", emit::to_string(&lock.to_json()).as_bytes())?;
    }
    for file in chart.raw.iter().filter(|file| file.name == "values.yaml") {
        put(&file.name, file.data.as_bytes())?;
    }
    if let Some(schema) = &chart.schema {
        if serde_json::from_slice::<serde_json::Value>(schema.as_bytes()).is_err() {
            return Err("Invalid JSON in values.schema.json".to_owned());
        }
        put("values.schema.json", schema.as_bytes())?;
    }
    for file in chart.templates.iter().chain(&chart.files) {
        put(&file.name, file.data.as_bytes())?;
    }
    for child in &chart.dependencies {
        write(archive, child, &child.metadata, &format!("{base}/charts/"))?;
    }
    Ok(())
}

fn entry<W: Write>(archive: &mut tar::Builder<W>, name: &str, data: &[u8]) -> Result<(), String> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    archive.append_data(&mut header, name, data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Changes, package};
    use crate::chart::File;
    use crate::{archive, load};

    #[test]
    fn what_is_packed_is_unpacked_and_twice_the_same() {
        let files = vec![
            File::new("Chart.yaml", "apiVersion: v2\nname: t\nversion: 1.0.0\n"),
            File::new("values.yaml", "# a comment\na: 1\n"),
            File::new("templates/a.yaml", "x: {{ .Values.a }}\n"),
            File::new("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 2.0.0\n"),
            File::new("charts/c/templates/_h.tpl", "y"),
        ];
        let chart = load::files(files, &mut Vec::new()).expect("the chart is well-formed");
        let changes = Changes { version: "1.2.3".into(), app_version: String::new() };
        let (name, bytes) = package(&chart, &changes).expect("it packs");
        assert_eq!(name, "t-1.2.3.tgz");
        assert_eq!(package(&chart, &changes), Ok((name, bytes.clone())));
        let again = load::files(archive::files(&bytes).expect("it unpacks"), &mut Vec::new()).expect("it loads");
        assert_eq!(
            (again.metadata.version.as_str(), again.values, again.dependencies.len()),
            ("1.2.3", chart.values, 1)
        );
    }
}
