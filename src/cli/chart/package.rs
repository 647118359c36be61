//! `masthead chart package`: charts' folders to archives, and signatures beside them.

use std::io::{IsTerminal, Read};

use masthead_chart::command::{Outcome, Write};
use masthead_chart::disk::{self, Disk, Kind};
use masthead_chart::flags::Given;
use masthead_chart::load;
use masthead_chart::package::{Changes, package};

use crate::charts::fetch::Check;
use crate::charts::{openpgp, provenance};

use super::disk::Real;
use super::line;
use super::remote::{self, join};
use super::spec::PACKAGE;
use super::update::{self, How};

/// Bytes of a passphrase's file.
const PASSPHRASE_BYTES_MAX: u64 = 64 << 10;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    line::run(&PACKAGE, args, |given, outcome| {
        if given.words.is_empty() {
            return Err("need at least one argument, the path to the chart".to_owned());
        }
        if given.is_on("sign") && given.text("key").is_empty() {
            return Err("--key is required for signing a package".to_owned());
        }
        let passphrase = if given.is_on("sign") { passphrase(given.text("passphrase-file"))? } else { None };
        given.words.iter().try_for_each(|path| pack(path, given, passphrase.as_deref(), outcome))
    })
}

fn pack(path: &str, given: &Given, passphrase: Option<&str>, outcome: &mut Outcome) -> Result<(), String> {
    let kind = Real::default().stat(path)?;
    if given.is_on("dependency-update") {
        // As Helm does, without a word of it.
        let mut silent = Outcome::default();
        update::run(&Real::default().absolute(path), How::Resolve, given, Check::Never, &mut silent)?;
    }
    if kind != Kind::Folder {
        return Err("Chart.yaml file is missing".to_owned());
    }
    let mut warnings = Vec::new();
    let chart = load::files(disk::folder(&mut Real::default(), path, &mut warnings)?, &mut warnings)?;
    warnings.iter().for_each(|line| outcome.stderr.push_str(&format!("{line}\n")));
    let changes =
        Changes { version: given.text("version").to_owned(), app_version: given.text("app-version").to_owned() };
    let (name, text) = package(&chart, &changes)?;
    let destination = match given.get("destination") {
        None | Some(".") => Real::default().absolute("."),
        Some(folder) => folder.to_owned(),
    };
    if matches!(Real::default().stat(&destination), Ok(kind) if kind != Kind::Folder) {
        return Err(format!("failed to save: is not a directory: {destination}"));
    }
    let path = join(&destination, &name);
    if given.is_on("sign") {
        let message = provenance::message(&text, &name)?;
        let signed = openpgp::sign(&remote::keyring(given), given.text("key"), passphrase, &message);
        let signed = signed.map_err(|error| error.to_string())?;
        outcome.writes.push(Write { path: format!("{path}.prov"), text: signed, append: false });
    }
    outcome.stdout.extend_from_slice(format!("Successfully packaged chart and saved it to: {path}\n").as_bytes());
    outcome.writes.push(Write { path, text, append: false });
    Ok(())
}

/// The first line of a file, or of what is piped in.
fn passphrase(path: &str) -> Result<Option<String>, String> {
    let mut text = String::new();
    match path {
        "" => return Ok(None),
        "-" if std::io::stdin().is_terminal() => {
            return Err("specified reading passphrase from stdin, without input on stdin".to_owned());
        }
        "-" => {
            let stdin = std::io::stdin().take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text);
            stdin.map_err(|error| format!("read /dev/stdin: {error}"))?;
        }
        path => {
            let file = std::fs::File::open(path).map_err(|error| super::disk::words("open", path, &error))?;
            let read = file.take(PASSPHRASE_BYTES_MAX).read_to_string(&mut text);
            read.map_err(|error| super::disk::words("read", path, &error))?;
        }
    }
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}
