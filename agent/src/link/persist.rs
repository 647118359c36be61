//! Turns the manifest that the node holds into a file, and the file back into the manifest.
//!
//! The file is the whole node, followed by the steps since: a change costs what it changes. It
//! survives a killed agent. It is not forced to the disk: a machine that lost power runs no
//! containers either, and what such a loss tore is told by a checksum.

use masthead_wire::manifest::{Manifest, NodeManifest};
use masthead_wire::parts::{self, Assembly, Part};
use masthead_wire::pb;
use prost::Message;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Holds Secrets: only its owner may read it.
const FILE: &str = "manifest";
const DRAFT: &str = ".manifest.draft";
const MAGIC: &[u8; 8] = b"mhmanif1";
const DIGEST_BYTES: usize = 32;
/// Steps are appended until they outweigh the whole, or this.
const MIN_STEPS_BYTES: u64 = 64 << 10;

/// Why the manifest can't be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not whole.
    #[error("{path}: the node's stored manifest is damaged: {why}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

/// Stores each manifest that the node accepts.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    /// Open while its end is known to be sound.
    file: Option<fs::File>,
    whole_bytes: u64,
    steps_bytes: u64,
}

impl Journal {
    /// A journal in `dir`. What is there already stays until the first call of [`Self::store`].
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), file: None, whole_bytes: 0, steps_bytes: 0 }
    }

    /// Stores that the node holds `manifest`, to which `step` has led from the last one stored.
    pub fn store(&mut self, manifest: &NodeManifest, step: &Manifest) -> Result<(), Error> {
        let stored = self.append_or_replace(manifest, step);
        stored.map_err(|source| {
            self.file = None;
            Error::Io { path: self.dir.join(FILE), source }
        })
    }

    fn append_or_replace(&mut self, manifest: &NodeManifest, step: &Manifest) -> io::Result<()> {
        let room = self.whole_bytes.max(MIN_STEPS_BYTES);
        if step.base.is_none() || self.file.is_none() || self.steps_bytes > room {
            return self.replace(manifest);
        }
        if let Some(file) = &mut self.file {
            let record = record(step);
            file.write_all(&record)?;
            self.steps_bytes += record.len() as u64;
        }
        Ok(())
    }

    fn replace(&mut self, manifest: &NodeManifest) -> io::Result<()> {
        let draft = self.dir.join(DRAFT);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir)?;
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft)?;
        file.write_all(MAGIC)?;
        let record = record(&Manifest::whole(manifest.generation, &manifest.content));
        file.write_all(&record)?;
        fs::rename(&draft, self.dir.join(FILE))?;
        self.file = Some(file);
        (self.whole_bytes, self.steps_bytes) = (record.len() as u64, 0);
        Ok(())
    }
}

/// Length, parts, checksum.
fn record(step: &Manifest) -> Vec<u8> {
    let mut record = vec![0; 8];
    for part in parts::split(step) {
        record.reserve(part.encoded_len() + 10);
        // A vector has room for everything.
        let _ = part.encode_length_delimited(&mut record);
    }
    let len = (record.len() - 8) as u64;
    record[..8].copy_from_slice(&len.to_le_bytes());
    let digest = Sha256::digest(&record);
    record.extend_from_slice(&digest);
    record
}

/// The manifest in `dir`; nothing when there is none. A last step that is cut off was never acted
/// on and does not count; anything else that is wrong makes the file worthless.
pub fn load(dir: &Path) -> Result<Option<NodeManifest>, Error> {
    let path = dir.join(FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { path, source }),
    };
    match decode(&bytes) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(why) => Err(Error::Damaged { path, why }),
    }
}

fn decode(bytes: &[u8]) -> Result<NodeManifest, &'static str> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("it begins otherwise")?;
    let mut held: Option<NodeManifest> = None;
    while !rest.is_empty() {
        let Some((record, digest, after)) = cut(rest) else {
            break;
        };
        if Sha256::digest(record)[..] != digest[..] {
            return Err("a checksum is another");
        }
        let step = step(&record[8..])?;
        let empty = NodeManifest::default();
        let from = held.as_ref().unwrap_or(&empty);
        let whole_first = held.is_some() || step.base.is_none();
        let next = whole_first.then(|| from.after(&step)).flatten();
        held = Some(next.ok_or("a step starts from elsewhere")?);
        rest = after;
    }
    held.ok_or("it is cut off")
}

/// A record with its length, its checksum, and what follows; nothing when it is cut off.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let len = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let len = usize::try_from(len).ok()?.checked_add(8)?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let (digest, rest) = rest.split_at_checked(DIGEST_BYTES)?;
    Some((record, digest, rest))
}

fn step(mut body: &[u8]) -> Result<Manifest, &'static str> {
    let mut assembly: Option<Assembly> = None;
    while !body.is_empty() {
        let message = pb::ManifestPart::decode_length_delimited(&mut body);
        let part = Part::try_from(message.map_err(|_| "a part can't be decoded")?);
        let part = part.map_err(|_| "an object can't be decoded")?;
        let (base, generation) = (part.piece.base, part.piece.generation);
        let assembly = assembly.get_or_insert_with(|| Assembly::new(base, generation));
        let last = assembly.add(part).map_err(|_| "parts don't follow each other")?;
        if last != body.is_empty() {
            return Err("its last part is not the last");
        }
    }
    Ok(assembly.ok_or("a step has no part")?.into_step())
}
