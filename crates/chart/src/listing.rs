//! `helm dependency list`: what Chart.yaml asks for and whether `charts/` has it, as Helm's table.

use masthead_sprig::semver::{constraint, version};

use crate::chart::Chart;
use crate::disk::{self, Disk, Kind};
use crate::glob;
use crate::metadata::Dependency;

/// The text that Helm prints.
///
/// # Errors
/// The chart does not load.
pub fn list(disk: &mut dyn Disk, path: &str, column_max: usize) -> Result<String, String> {
    let chart = disk::chart(disk, path, &mut Vec::new())?;
    let folder = format!("{}/charts", path.trim_end_matches('/'));
    let Some(wanted) = &chart.metadata.dependencies else {
        return Ok(format!("WARNING: no dependencies at {}\n", folder.strip_prefix("./").unwrap_or(&folder)));
    };
    let entries = disk.list(&folder).unwrap_or_default();
    let mut rows = vec![["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned)];
    for entry in wanted.iter().flatten() {
        let status = status(disk, &folder, &entries, entry, &chart);
        rows.push([entry.name.clone(), entry.version.clone(), entry.repository.clone(), status.to_owned()]);
    }
    let mut out = table(&rows, column_max);
    out.push('\n');
    for (name, kind) in entries {
        let path = format!("{folder}/{name}");
        if name.starts_with('.') || !(kind == Kind::Folder || name.ends_with(".tgz")) {
            continue;
        }
        let shown = masthead_gotmpl::quote::quote(path.as_bytes());
        match disk::chart(disk, &path, &mut Vec::new()) {
            Err(_) => out.push_str(&format!("WARNING: {shown} is not a chart.\n")),
            Ok(found) if wanted.iter().flatten().any(|entry| entry.name == found.name()) => {}
            Ok(_) => out.push_str(&format!("WARNING: {shown} is not in Chart.yaml.\n")),
        }
    }
    Ok(out)
}

fn status(
    disk: &mut dyn Disk,
    folder: &str,
    entries: &[(String, Kind)],
    entry: &Dependency,
    parent: &Chart,
) -> &'static str {
    let pattern = format!("{}-*.tgz", entry.name);
    let mut archives: Vec<&String> = Vec::new();
    for (name, _) in entries {
        match glob::matches(&pattern, name) {
            Ok(true) => archives.push(name),
            Ok(false) => {}
            Err(_) => return "bad pattern",
        }
    }
    if archives.len() > 1 {
        let strict = |name: &&String| {
            let version = name.strip_suffix(".tgz").and_then(|name| name.strip_prefix(&format!("{}-", entry.name)));
            version.is_some_and(|text| {
                text.split('.').count() >= 3 && version::parse(text.as_bytes()).is_ok() && !text.starts_with('v')
            })
        };
        archives.retain(strict);
        if archives.len() > 1 {
            return "too many matches";
        }
    }
    if let Some(name) = archives.first() {
        return match disk::chart(disk, &format!("{folder}/{name}"), &mut Vec::new()) {
            Err(_) => "corrupt",
            Ok(chart) if chart.name() != entry.name => "misnamed",
            Ok(chart) => fit(&chart.metadata.version, &entry.version).unwrap_or("ok"),
        };
    }
    match parent.dependencies.iter().rfind(|child| child.name() == entry.name) {
        None => "missing",
        Some(child) => fit(&child.metadata.version, &entry.version).unwrap_or("unpacked"),
    }
}

/// What is wrong with a version, if anything is.
fn fit(there: &str, wanted: &str) -> Option<&'static str> {
    if there == wanted {
        return None;
    }
    match (constraint::parse(wanted.as_bytes()), version::parse(there.as_bytes())) {
        (Ok(range), Ok(version)) => (!range.check(&version)).then_some("wrong version"),
        _ => Some("invalid version"),
    }
}

/// Rows in columns of equal width, tabs between them.
fn table(rows: &[[String; 4]], column_max: usize) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            // No bound where it is 0; and each cell shows its first letter, however narrow its column is.
            *width = (*width).max(cell.chars().count()).min(if column_max == 0 { usize::MAX } else { column_max });
        }
    }
    let cell = |(text, width): (&String, &usize)| {
        let length = text.chars().count();
        match length > *width {
            true => text.chars().take(width.saturating_sub(3).max(1)).chain("...".chars()).collect(),
            false => format!("{text}{}", " ".repeat(width - length)),
        }
    };
    rows.iter().map(|row| row.iter().zip(&widths).map(cell).collect::<Vec<String>>().join("\t") + "\n").collect()
}
