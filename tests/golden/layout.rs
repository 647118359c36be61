//! The repositories that we ship: the source accepts every file, and the program carries every file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use masthead::source::tree;

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// All files below a folder, as paths from it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())).flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => out.push(path.strip_prefix(folder).expect("below").to_owned()),
            }
        }
    }
    out.sort();
    out
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
}

#[test]
fn every_manifest_that_we_ship_is_accepted() {
    let mut seen = 0;
    for folder in ["repo-layout", "examples"] {
        for path in files(&root(folder)).into_iter().filter(|path| is_manifest(path)) {
            let bytes = std::fs::read(root(folder).join(&path)).expect("a file");
            let read = tree::file(&Arc::from(path.to_string_lossy()), &bytes);
            assert!(read.problems.is_empty(), "{folder}: {:?}", read.problems);
            assert!(!read.wanted.is_empty(), "{folder}/{} asks for nothing", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} manifests");
}

/// Whether the program embeds exactly the files of a folder, with their content.
fn embeds(folder: &str, embedded: &[(&str, &str)]) {
    let there: Vec<String> = files(&root(folder)).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let mut carried: Vec<String> = embedded.iter().map(|(path, _)| (*path).to_owned()).collect();
    carried.sort();
    assert_eq!(carried, there, "{folder}");
    for (path, content) in embedded {
        let file = std::fs::read_to_string(root(folder).join(path)).expect("a file");
        assert!(file == *content, "{folder}/{path} differs");
    }
}

#[test]
fn the_program_carries_every_file_of_the_skeleton_and_of_the_demonstration() {
    embeds("repo-layout", &masthead::cli::init::LAYOUT);
    embeds("examples/demo", &masthead::cli::demo::FILES);
}
