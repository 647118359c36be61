//! The files of an archive → a folder of the chart's own name, inside of the one that was asked for.

use masthead_chart::chart::File;
use masthead_chart::metadata::Metadata;

use super::disk::words;

/// A chart as it is to be written.
pub struct Unpacked {
    /// Its folder.
    pub folder: String,
    files: Vec<File>,
}

/// Finds out where a chart's files go.
///
/// # Errors
/// Helm's words: it has no name, or one that would lead elsewhere.
pub fn into(folder: &str, files: Vec<File>) -> Result<Unpacked, String> {
    let mut metadata = Metadata::default();
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        metadata.read(file.data.as_bytes()).map_err(|error| format!("cannot load Chart.yaml: {error}"))?;
    }
    let name = metadata.name.as_str();
    match name {
        "" => return Err("chart name not specified".to_owned()),
        "." | ".." => return Err(format!("chart name {name:?} is not allowed")),
        name if name.contains(['/', '\0']) => {
            return Err(format!("chart name {name:?} must not contain path separators"));
        }
        _ => {}
    }
    Ok(Unpacked { folder: format!("{folder}/{name}"), files })
}

impl Unpacked {
    /// Writes it. Names in an archive come checked: relative, and without a way out; what stands there already may be a link,
    /// so nothing is written through one.
    ///
    /// # Errors
    /// Go's words, or a link stands in the way.
    pub fn write(&self) -> Result<(), String> {
        for file in &self.files {
            let path = format!("{}/{}", self.folder, file.name);
            let mut parent = self.folder.clone();
            for part in file.name.split('/') {
                if std::fs::symlink_metadata(&parent).is_ok_and(|meta| meta.is_symlink()) {
                    return Err(format!("{parent} is a symbolic link: nothing is unpacked through it"));
                }
                parent = format!("{parent}/{part}");
            }
            let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            std::fs::create_dir_all(folder).map_err(|error| words("mkdir", folder, &error))?;
            super::remote::put(&path, file.data.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(name: &str) -> Vec<File> {
        vec![File::new("Chart.yaml", format!("name: {name:?}\n")), File::new("a/b.txt", "b")]
    }

    #[test]
    fn a_chart_is_unpacked_under_its_own_name_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_string_lossy().into_owned();
        into(&root, chart("demo")).unwrap().write().unwrap();
        assert_eq!(std::fs::read(folder.path().join("demo/a/b.txt")).unwrap(), b"b");
        let refuses = |name: &str, expect: &str| {
            assert_eq!(into(&root, chart(name)).err().as_deref(), Some(expect));
        };
        refuses("", "chart name not specified");
        refuses("..", "chart name \"..\" is not allowed");
        refuses("../x", "chart name \"../x\" must not contain path separators");
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        assert!(into(&root, chart("link")).unwrap().write().unwrap_err().contains("symbolic link"));
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
