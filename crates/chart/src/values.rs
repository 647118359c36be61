//! The values a user gives, from files and flags, put together in Helm's order.

use crate::decode;
use crate::disk::Disk;
use crate::flags::{Flag, Given, Takes, flag, short};
use crate::strvals::{self, Kind};
use crate::tree::Table;

/// The flags that give values.
pub const FLAGS: &[Flag] = &[
    short("values", 'f', Takes::List),
    flag("set", Takes::Each),
    flag("set-string", Takes::Each),
    flag("set-file", Takes::Each),
    flag("set-json", Takes::Each),
    flag("set-literal", Takes::Each),
];

/// Reads files and flags: files first, then `--set-json`, `--set`, `--set-string`, `--set-file`, `--set-literal`.
///
/// # Errors
/// Helm's own words.
pub fn merge(given: &Given, disk: &mut dyn Disk) -> Result<Table, String> {
    let mut base = Table::new();
    for path in given.all("values") {
        let text = read(disk, &path)?;
        let table = decode::table(&text).map_err(|error| format!("failed to parse {path}: {error}"))?;
        base.merge(table.unwrap_or_default());
    }
    for line in given.all("set-json") {
        strvals::parse_into(&line, &mut base, Kind::Json)
            .map_err(|_| format!("failed parsing --set-json data {line}"))?;
    }
    let wrap = |flag: &'static str| move |error: String| format!("failed parsing --{flag} data: {error}");
    for line in given.all("set") {
        strvals::parse_into(&line, &mut base, Kind::Typed).map_err(wrap("set"))?;
    }
    for line in given.all("set-string") {
        strvals::parse_into(&line, &mut base, Kind::Text).map_err(wrap("set-string"))?;
    }
    for line in given.all("set-file") {
        let mut file = |path: &str| read(disk, path);
        strvals::parse_into(&line, &mut base, Kind::File(&mut file)).map_err(wrap("set-file"))?;
    }
    for line in given.all("set-literal") {
        strvals::parse_into(&line, &mut base, Kind::Literal).map_err(wrap("set-literal"))?;
    }
    Ok(base)
}

fn read(disk: &mut dyn Disk, path: &str) -> Result<Vec<u8>, String> {
    if path.trim() == "-" {
        return disk.stdin();
    }
    if let Some((scheme, _)) = path.split_once("://")
        && matches!(scheme, "http" | "https" | "oci")
    {
        return Err(format!("values from a URL are not supported: {path}"));
    }
    disk.read(path)
}
