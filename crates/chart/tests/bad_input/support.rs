//! Charts, archives and renders for the tests beside it.

use std::io::Write;
use std::sync::Arc;

use masthead_chart::chart::{Chart, File};
use masthead_chart::error::Error;
use masthead_chart::render::{Asks, Options, Rendered, render};
use masthead_chart::tree::{Table, table_from_json};
use masthead_chart::{archive, load};
use masthead_sprig::time::moment::Moment;

/// Chart.yaml of a chart `t`.
pub const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: t\nversion: 1.0.0\n");

/// What this process had of memory at most, in MiB; none where the system does not say.
pub fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib / 1024)
}

/// All these tests together stay far below what any of the bombs would take.
pub fn memory_is_bounded() {
    if let Some(peak) = peak_mib() {
        assert!(peak < 1500, "{peak} MiB");
    }
}

pub fn files(list: &[(&str, &str)]) -> Vec<File> {
    list.iter().map(|(name, text)| File::new(*name, *text)).collect()
}

pub fn load_text(list: &[(&str, &str)]) -> Result<Chart, String> {
    load::files(files(list), &mut Vec::new())
}

/// The error of a chart that can't be loaded.
pub fn fault(list: &[(&str, &str)]) -> String {
    load_text(list).err().unwrap_or_else(|| panic!("the chart loads: {list:?}"))
}

pub fn options() -> Options {
    let mut options = Options::new("r", "default", [7; 32], Moment::from_unix(1_790_000_000, 0));
    // The bounds are the same as everywhere but for the steps, of which an unoptimized program makes fewer in a second.
    options.limits.steps = 300_000;
    options
}

pub fn render_with(list: &[(&str, &str)], values: serde_json::Value, options: &Options) -> Result<Rendered, Error> {
    let chart = Arc::new(load_text(list).unwrap_or_else(|error| panic!("{error}: {list:?}")));
    let values = match values {
        serde_json::Value::Object(fields) => table_from_json(fields),
        _ => Table::new(),
    };
    render(&chart, &values, options, Asks::default(), &mut Vec::new())
}

/// A chart `t` with a template `templates/x.yaml`, rendered.
pub fn template(text: &str) -> Result<Rendered, Error> {
    render_with(&[CHART, ("values.yaml", "a: 1\n"), ("templates/x.yaml", text)], serde_json::Value::Null, &options())
}

/// An entry of an archive: name, kind, where a link leads, content.
pub type Entry<'e> = (&'e str, tar::EntryType, &'e str, &'e [u8]);

/// A tar with the entries as they are, whatever their names.
pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, to, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + to.len()].copy_from_slice(to.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *data).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// An archive of regular files.
pub fn archive_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<Entry<'_>> =
        files.iter().map(|(name, data)| (*name, tar::EntryType::Regular, "", *data)).collect();
    gz(&tar(&entries))
}

/// Why an archive is refused.
pub fn archive_fault(bytes: &[u8]) -> String {
    archive::files(bytes).err().unwrap_or_else(|| panic!("the archive is taken"))
}
