//! Turns the manifest that the node holds into a file, and the file back into the manifest.
//!
//! It survives a killed agent: the file is replaced in one step. It is not forced to the disk
//! before it is acted on (a machine that lost power runs no containers either); a file that such
//! a loss tore is told by its checksum and counts as none.

use masthead_wire::manifest::NodeManifest;
use masthead_wire::parts::{self, Assembly, Part};
use masthead_wire::pb;
use prost::Message;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use masthead_wire::manifest::Manifest;

/// Holds Secrets: only root may read it.
const FILE: &str = "manifest";
const DRAFT: &str = ".manifest.draft";
const MAGIC: &[u8; 8] = b"mhmanif1";

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

/// Stores the manifest in `dir`.
pub fn save(dir: &Path, manifest: &NodeManifest) -> Result<(), Error> {
    let draft = dir.join(DRAFT);
    let write = || -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = io::BufWriter::new(options.open(&draft)?);
        let mut hash = Sha256::new();
        file.write_all(MAGIC)?;
        let step = Manifest::whole(manifest.generation, &manifest.content);
        for part in parts::split(&step) {
            let bytes = part.encode_length_delimited_to_vec();
            hash.update(&bytes);
            file.write_all(&bytes)?;
        }
        file.write_all(&hash.finalize())?;
        file.into_inner()?.flush()?;
        fs::rename(&draft, dir.join(FILE))
    };
    write().map_err(|source| Error::Io {
        path: dir.join(FILE),
        source,
    })
}

/// Forces the stored manifest to the disk.
pub fn sync(dir: &Path) -> Result<(), Error> {
    let sync = || fs::File::open(dir.join(FILE))?.sync_all();
    sync().map_err(|source| Error::Io {
        path: dir.join(FILE),
        source,
    })
}

/// The manifest in `dir`; nothing when there is none.
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
    let body = bytes.strip_prefix(MAGIC).ok_or("it begins otherwise")?;
    let at = body.len().checked_sub(32).ok_or("it is too short")?;
    let (mut body, digest) = body.split_at(at);
    if Sha256::digest(body)[..] != digest[..] {
        return Err("its checksum is another");
    }
    let mut assembly: Option<Assembly> = None;
    while !body.is_empty() {
        let message = pb::ManifestPart::decode_length_delimited(&mut body);
        let part = Part::try_from(message.map_err(|_| "a part can't be decoded")?);
        let part = part.map_err(|_| "an object can't be decoded")?;
        let generation = part.piece.generation;
        let assembly = assembly.get_or_insert_with(|| Assembly::new(None, generation));
        let last = assembly.add(part).map_err(|_| "parts don't follow each other")?;
        if last != body.is_empty() {
            return Err("its last part is not the last");
        }
    }
    let step = assembly.ok_or("it has no part")?.into_step();
    let empty = NodeManifest::default();
    empty.after(step).ok_or("it is not whole")
}
