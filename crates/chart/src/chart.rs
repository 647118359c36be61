//! A chart as it was loaded: what its files say, its templates parsed when they are first needed.

use std::sync::{Arc, OnceLock};

use masthead_gotmpl::string::Str;

use crate::ahead::{Early, LazySchema};
use crate::lock::Lock;
use crate::metadata::Metadata;
use crate::parsed::Parsed;
use crate::tree::Table;

/// One file of a chart.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path in the chart, with slashes.
    pub name: String,
    /// What is in it.
    pub data: Str,
    /// What is done for it ahead.
    pub(crate) early: Option<Early>,
}

impl File {
    /// A file with its content.
    pub fn new(name: impl Into<String>, data: impl Into<Str>) -> File {
        File { name: name.into(), data: data.into(), early: None }
    }

    /// The same under another name.
    pub(crate) fn renamed(&self, name: &str) -> File {
        File { name: name.to_owned(), ..self.clone() }
    }
}

/// A chart. Immutable and shared between threads; a render changes nothing in it.
#[derive(Debug, Default)]
pub struct Chart {
    /// Chart.yaml.
    pub metadata: Metadata,
    /// Chart.lock.
    pub lock: Option<Lock>,
    /// Every file as it came.
    pub raw: Vec<File>,
    /// The files under `templates/`.
    pub templates: Vec<File>,
    /// values.yaml; none where there is no such file, or nothing in it.
    pub values: Option<Table>,
    /// values.schema.json.
    pub schema: Option<Str>,
    /// All other files.
    pub files: Vec<File>,
    /// The charts in `charts/`, in the order of their names there.
    pub dependencies: Vec<Arc<Chart>>,
    /// The schema, compiled when it is first asked for.
    pub(crate) compiled: LazySchema,
    /// The templates of this chart and those below it, parsed when they are first rendered.
    pub(crate) parsed: OnceLock<Parsed>,
}

impl Chart {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The README, if there is one.
    pub fn readme(&self) -> Option<&File> {
        let is_readme =
            |name: &str| ["readme.md", "readme.txt", "readme"].iter().any(|known| known.eq_ignore_ascii_case(name));
        self.files.iter().find(|file| is_readme(&file.name))
    }
}

/// Whether a file under `crds/` holds manifests, by its name.
pub fn has_manifest_extension(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    let extension = base.rfind('.').map_or("", |at| &base[at..]);
    [".yaml", ".yml", ".json"].iter().any(|known| known.eq_ignore_ascii_case(extension))
}
