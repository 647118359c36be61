//! `masthead chart pull`: charts of repositories and registries to archives or folders here.

use std::path::Path;

use masthead_chart::archive;
use masthead_chart::command::{Outcome, Write};
use masthead_chart::flags::Given;

use crate::charts::fetch::Check;

use super::remote::{self, join};
use super::spec::PULL;
use super::{line, unpack};

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&PULL, args, |given, outcome| {
        PULL.at_least(given, 1)?;
        given.words.iter().try_for_each(|name| pull(name, given, outcome))
    })
}

fn pull(name: &str, given: &Given, outcome: &mut Outcome) -> Result<(), String> {
    let check = match remote::check(given) {
        Check::Never if given.is_on("prov") => Check::Later,
        check => check,
    };
    let folder = given.get("destination").unwrap_or(".");
    let found = remote::find(name, given, check)?;
    outcome.stderr.push_str(&remote::told(&found));
    let mut lines: String = found.warnings.iter().map(|line| format!("{line}\n")).collect();
    if let Some(verified) = &found.verified {
        lines.push_str(&verified.lines());
    }
    outcome.stdout.extend_from_slice(lines.as_bytes());
    if !given.is_on("untar") {
        let path = join(folder, &found.file);
        if !Path::new(folder).is_dir() {
            return Err(format!("open {path}: no such file or directory"));
        }
        if let Some(provenance) = &found.provenance {
            outcome.writes.push(Write { path: format!("{path}.prov"), text: provenance.to_vec(), append: false });
        }
        outcome.writes.push(Write { path, text: found.archive.to_vec(), append: false });
        return Ok(());
    }
    let inner = given.get("untardir").filter(|inner| !inner.is_empty()).unwrap_or(".");
    let below = if inner.starts_with('/') { inner.to_owned() } else { join(folder, inner) };
    let chart = unpack::into(&below, archive::files(&found.archive)?)?;
    if Path::new(&chart.folder).symlink_metadata().is_ok() {
        let folder = remote::clean(&chart.folder);
        return Err(format!("failed to untar: a file or directory with the name {folder} already exists"));
    }
    chart.write()
}
