//! The files of a chart to the chart, its dependencies in `charts/` with it, as Helm's loader takes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use masthead_sprig::golang::path;

use crate::ahead::{Early, Pool};
use crate::archive;
use crate::chart::{Chart, File};
use crate::decode;
use crate::lock::Lock;
use crate::metadata::{Metadata, V1};

/// How deep charts may lie in charts.
pub const DEPTH_MAX: usize = 32;

/// Bytes that all archives in `charts/`, and those in them, may unpack to.
pub const UNPACKED_BYTES_MAX: u64 = 256 << 20;

/// The chart of the files, and Helm's warnings.
///
/// # Errors
/// Helm's own words.
pub fn files(files: Vec<File>, warnings: &mut Vec<String>) -> Result<Chart, String> {
    files_with(files, &Pool::none(), warnings)
}

/// The same, with threads that work ahead of what is done with the chart.
///
/// # Errors
/// Helm's own words.
pub fn files_with(files: Vec<File>, pool: &Pool, warnings: &mut Vec<String>) -> Result<Chart, String> {
    Loader { pool, warnings, depth: 0, unpacked: 0 }.files(files)
}

struct Loader<'w> {
    pool: &'w Pool,
    warnings: &'w mut Vec<String>,
    depth: usize,
    /// Bytes that archives in `charts/` gave so far.
    unpacked: u64,
}

/// Files of charts in `charts/`, by the first name in their paths.
type Subcharts = BTreeMap<String, Vec<File>>;

impl Loader<'_> {
    fn files(&mut self, mut files: Vec<File>) -> Result<Chart, String> {
        for file in files.iter_mut().filter(|file| file.early.is_none()) {
            file.early = self.pool.look_at(&file.name, &file.data);
        }
        self.pool.flush();
        let mut metadata: Option<Metadata> = None;
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            let metadata = metadata.get_or_insert_default();
            metadata.read(file.data.as_bytes()).map_err(|error| format!("cannot load Chart.yaml: {error}"))?;
            if metadata.api_version.is_empty() {
                V1.clone_into(&mut metadata.api_version);
            }
        }
        let mut chart = Chart { raw: files.clone(), ..Chart::default() };
        let mut subcharts = Subcharts::new();
        for file in files {
            self.file(file, &mut chart, &mut metadata, &mut subcharts)?;
        }
        chart.metadata = metadata.ok_or("Chart.yaml file is missing")?;
        chart.metadata.validate()?;
        for (name, files) in subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let first = files.first().map_or("", |file| file.name.as_str());
            if path::ext(name.as_bytes()) == b".tgz" && first != name {
                let own = chart.name();
                return Err(format!("error unpacking subchart tar in {own}: expected {name}, got {first}"));
            }
            let child = self.subchart(&name, files);
            let child =
                child.map_err(|error| format!("error unpacking subchart {name} in {}: {error}", chart.name()))?;
            chart.dependencies.push(Arc::new(child));
        }
        Ok(chart)
    }

    fn file(
        &mut self,
        file: File,
        chart: &mut Chart,
        metadata: &mut Option<Metadata>,
        subcharts: &mut Subcharts,
    ) -> Result<(), String> {
        let name = file.name.as_str();
        let text = file.data.as_bytes();
        match name {
            "Chart.yaml" => {}
            "Chart.lock" => {
                chart.lock = Lock::read(text).map_err(|error| format!("cannot load Chart.lock: {error}"))?
            }
            "values.yaml" => {
                let values = decode::table(text).map_err(|error| format!("cannot load values.yaml: {error}"))?;
                chart.values = Some(values.unwrap_or_default());
            }
            "values.schema.json" => {
                if let Some(Early::Schema(compiled)) = file.early {
                    chart.compiled = compiled;
                }
                chart.schema = Some(file.data);
            }
            "requirements.yaml" => {
                let metadata = metadata.get_or_insert_default();
                if metadata.api_version != V1 {
                    self.warnings.push("load.go:120: Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating dependencies to Chart.yaml.".to_owned());
                }
                metadata.read(text).map_err(|error| format!("cannot load requirements.yaml: {error}"))?;
                if metadata.api_version == V1 {
                    chart.files.push(file);
                }
            }
            "requirements.lock" => {
                chart.lock = Lock::read(text).map_err(|error| format!("cannot load requirements.lock: {error}"))?;
                let metadata = metadata.get_or_insert_default();
                if metadata.api_version == V1 {
                    chart.files.push(file);
                } else {
                    self.warnings.push("load.go:138: Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating to Chart.lock.".to_owned());
                }
            }
            _ if name.starts_with("templates/") => chart.templates.push(file),
            _ => match name.strip_prefix("charts/") {
                Some(inner) if path::ext(name.as_bytes()) != b".prov" => {
                    let first = inner.split('/').next().unwrap_or(inner).to_owned();
                    subcharts.entry(first).or_default().push(file.renamed(inner));
                }
                _ => chart.files.push(file),
            },
        }
        Ok(())
    }

    fn subchart(&mut self, name: &str, files: Vec<File>) -> Result<Chart, String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("charts are nested deeper than {DEPTH_MAX} levels"));
        }
        let files = if path::ext(name.as_bytes()) == b".tgz" {
            let files = archive::files(files.first().map_or(&[][..], |file| file.data.as_bytes()))?;
            self.unpacked += files.iter().map(|file| file.data.len() as u64).sum::<u64>();
            if self.unpacked > UNPACKED_BYTES_MAX {
                return Err(format!("the archives in charts/ unpack to more than {UNPACKED_BYTES_MAX} bytes"));
            }
            files
        } else {
            let own = |file: File| file.name.split_once('/').map(|(_, rest)| file.renamed(rest));
            files.into_iter().filter_map(own).collect()
        };
        self.depth += 1;
        let chart = self.files(files);
        self.depth -= 1;
        chart
    }
}

#[cfg(test)]
mod tests {
    use super::{File, files};

    fn load(list: &[(&str, &str)]) -> Result<super::Chart, String> {
        files(list.iter().map(|(name, text)| File::new(*name, *text)).collect(), &mut Vec::new())
    }

    const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: t\nversion: 1.0.0\n");

    #[test]
    fn files_go_where_helm_puts_them() {
        let chart = load(&[
            ("values.yaml", "a: 1\n"),
            CHART,
            ("templates/a.yaml", "x"),
            ("crds/c.yaml", "y"),
            ("charts/c/Chart.yaml", "name: c\nversion: 2.0.0\n"),
            ("charts/c/values.yaml", ""),
            ("charts/_no/Chart.yaml", "["),
            ("charts/c.prov", "z"),
        ])
        .expect("the chart is well-formed");
        assert_eq!(chart.templates.len(), 1);
        assert_eq!(
            chart.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["crds/c.yaml", "charts/c.prov"]
        );
        assert_eq!(chart.dependencies.len(), 1);
        assert_eq!(chart.dependencies[0].metadata.api_version, "v1");
        assert!(chart.dependencies[0].values.is_some());
    }

    #[test]
    fn faults_are_helms() {
        let refuses = |list: &[(&str, &str)], expect: &str| assert_eq!(load(list).err().as_deref(), Some(expect));
        refuses(&[("values.yaml", "a: 1")], "Chart.yaml file is missing");
        refuses(
            &[CHART, ("charts/README.md", "x")],
            "error unpacking subchart README.md in t: Chart.yaml file is missing",
        );
        refuses(
            &[CHART, ("values.yaml", "- a")],
            "cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
        );
        refuses(&[("Chart.yaml", "apiVersion: v2\nname: t\n")], "validation: chart.metadata.version is required");
        refuses(&[CHART, ("charts/c-1.tgz", "x")], "error unpacking subchart c-1.tgz in t: gzip: invalid header");
    }
}
