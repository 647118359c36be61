//! `masthead chart create`: the folder of a new chart.

use masthead_chart::command::{COMMON, Outcome, Write};
use masthead_chart::disk::{Disk, Kind};
use masthead_chart::{create, flags};

use super::disk::Real;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    done(args).unwrap_or_else(|error| Outcome::fail(&error))
}

fn done(args: &[String]) -> Result<Outcome, String> {
    let given = flags::parse(&[COMMON], args)?;
    let [path] = given.words.as_slice() else {
        return Err("\"masthead chart create\" requires 1 argument\n\nUsage:  masthead chart create NAME".to_owned());
    };
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let files = create::files(name)?;
    let folder = if folder.is_empty() { "/" } else { folder };
    if Real.stat(folder)? != Kind::Folder {
        return Err(format!("no such directory {folder}"));
    }
    let mut outcome = Outcome { stdout: format!("Creating {path}\n").into_bytes(), ..Outcome::default() };
    for file in files {
        let path = format!("{}/{name}/{}", Real.absolute(folder), file.name);
        if Real.stat(&path).is_ok() {
            outcome
                .stdout
                .extend_from_slice(format!("WARNING: File {path:?} already exists. Overwriting.\n").as_bytes());
        }
        outcome.writes.push(Write { path, text: file.data.as_bytes().to_vec(), append: false });
    }
    Ok(outcome)
}
