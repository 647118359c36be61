//! Archives: damaged, lying about themselves, with names and links that lead out.

use std::fmt::Write as _;
use std::io::Write as _;

use masthead_chart::archive;
use masthead_chart::load;

use crate::random::Random;

const NAMES: [&str; 14] = [
    "t/Chart.yaml",
    "t/values.yaml",
    "t/templates/a.yaml",
    "t/charts/c/Chart.yaml",
    "t/charts/c.tgz",
    "t/../x",
    "/x",
    "t//x",
    "t\\x",
    "t/.",
    "t/a/../..",
    "Chart.yaml",
    "t/é",
    "t/c:/x",
];

fn tar(random: &mut Random) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for _ in 0..random.below(6) {
        let name = random.pick(&NAMES);
        let data: Vec<u8> = match random.below(4) {
            0 => vec![0; random.below(100_000)],
            1 => b"apiVersion: v2\nname: t\nversion: 1.0.0\n".to_vec(),
            2 => gz(&vec![0; random.below(50_000)]),
            _ => (0..random.below(64)).map(|_| random.number() as u8).collect(),
        };
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        let kind = *random.pick(&[b"0", b"0", b"0", b"0", b"1", b"2", b"5", b"L", b"x", b"g", b"S", b"3", b"K"]);
        header.as_mut_bytes()[156] = kind[0];
        let size = match random.below(8) {
            0 => random.number() >> random.below(64),
            _ => data.len() as u64,
        };
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        // Memory takes everything.
        let _ = builder.append(&header, data.as_slice());
    }
    builder.into_inner().unwrap_or_default()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// What is taken has names inside of the chart, and is a chart or says why not.
pub fn archive(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let mut bytes = tar(random);
    for _ in 0..random.below(3) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.number() as u8;
        }
    }
    let mut bytes = gz(&bytes);
    if random.once_in(4) {
        let cut = random.below(bytes.len() + 1);
        bytes.truncate(cut);
    }
    if random.once_in(4) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    let _ = write!(tried, "{} bytes: {bytes:02x?}", bytes.len());
    let _ = archive::ensure("t.tgz", &bytes);
    let Ok(files) = archive::files(&bytes) else { return Ok(()) };
    for file in &files {
        let name = file.name.as_str();
        let leads_out = name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == "..");
        if leads_out {
            return Err(format!("{name:?} is taken"));
        }
    }
    let _ = load::files(files, &mut Vec::new());
    Ok(())
}
