//! Folders with links and with more than a chart may hold.

use std::os::unix::fs::symlink;
use std::path::Path;

use masthead_chart::disk;

use crate::here::Here;
use crate::support::CHART;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    put(folder.path(), CHART.0, CHART.1);
    folder
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a folder can be made");
    std::fs::write(path, text).expect("a file can be written");
}

/// What loading a folder says, the folder's own path left out.
fn load(folder: &Path) -> (Result<usize, String>, Vec<String>) {
    let mut warnings = Vec::new();
    let top = folder.to_string_lossy().into_owned();
    let chart = disk::chart(&mut Here::new(folder), "", &mut warnings);
    let short = |text: String| text.replace(&top, "DIR").replace("//", "/");
    (chart.map(|chart| chart.raw.len()).map_err(short), warnings.into_iter().map(short).collect())
}

#[test]
fn links_out_of_the_chart_are_not_followed() {
    let outside = tempfile::tempdir().expect("there is room for a folder");
    put(outside.path(), "secret", "x");
    for (to, name) in
        [(outside.path().join("secret"), "templates/l.yaml"), (outside.path().to_path_buf(), "templates/l")]
    {
        let folder = folder();
        put(folder.path(), "templates/a.yaml", "a: 1\n");
        symlink(&to, folder.path().join(name)).expect("a link can be made");
        let (got, _) = load(folder.path());
        let said = got.expect_err("the link leads out");
        assert!(said.starts_with(&format!("symbolic link DIR/{name} leads out of the chart, to ")), "{said}");
    }
}

#[test]
fn links_within_are_followed_and_told() {
    let folder = folder();
    put(folder.path(), "files/a", "x");
    symlink("files/a", folder.path().join("b")).expect("a link can be made");
    let (got, warnings) = load(folder.path());
    assert_eq!(got, Ok(3));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("found symbolic link in path: DIR/b resolves to DIR/files/a"), "{warnings:?}");
}

#[test]
fn links_in_circles_end() {
    let folder = folder();
    put(folder.path(), "charts/c/Chart.yaml", CHART.1);
    symlink("../../charts", folder.path().join("charts/c/again")).expect("a link can be made");
    let (got, _) = load(folder.path());
    let said = got.expect_err("the folders have no end");
    assert!(said.starts_with("chart folder DIR/charts/c/again/c/again/") && said.ends_with(" levels"), "{said}");
    let folder = self::folder();
    symlink("b", folder.path().join("a")).expect("a link can be made");
    symlink("a", folder.path().join("b")).expect("a link can be made");
    let said = load(folder.path()).0.expect_err("the links have no end");
    assert!(said.starts_with("error evaluating symlink DIR/a: "), "{said}");
}

#[test]
fn files_that_are_too_large_are_refused() {
    let folder = folder();
    let file = std::fs::File::create(folder.path().join("big")).expect("a file can be made");
    // Sparse: it has no blocks on the disk, and is not read.
    file.set_len(200 << 30).expect("a file can be long");
    let said = load(folder.path()).0.expect_err("the file is too large");
    assert_eq!(said, "chart file \"big\" is larger than the maximum file size 5242880");
}
