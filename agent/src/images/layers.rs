//! Unpacked layers on disk by chain id: each appears whole in one rename, and is shared by the images on it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use nix::unistd::syncfs;
use serde::{Deserialize, Serialize};

use crate::images::blobs::{Home, Scratch, remove_tree, sync_parent};
use crate::images::digest::{Digest, Hashing};
use crate::images::error::{Context, Error};
use crate::images::limits::Limits;
use crate::images::unpack::unpack;

/// Name of the root directory inside of a layer's directory; short, because overlay's options are bounded.
const ROOT: &str = "fs";
const RECORD: &str = "layer.json";
/// zstd window a layer may ask for: 2^27 bytes, the decoder's own default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What is known of an unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Identity: this layer on all those below it.
    pub chain: Digest,
    /// Digest of its tar stream.
    pub diff: Digest,
    /// Bytes of file content.
    pub size_bytes: u64,
    /// Entries.
    pub files: u64,
}

/// The root directory of an unpacked layer.
pub fn path(home: &Home, chain: &Digest) -> PathBuf {
    home.layers().join(chain.short()).join(ROOT)
}

/// The layer, if it is there.
///
/// # Errors
/// [`Error::Malformed`] when another layer stands in its place.
pub fn find(home: &Home, chain: &Digest) -> Result<Option<Layer>, Error> {
    let record = home.layers().join(chain.short()).join(RECORD);
    let bytes = match fs::read(&record) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.context(|| format!("read {}", record.display()))?,
    };
    let layer: Layer = serde_json::from_slice(&bytes).map_err(|e| Error::malformed(record.display().to_string(), e))?;
    if layer.chain != *chain {
        return Err(Error::malformed(format!("layer {chain}"), format!("{} has the same short name", layer.chain)));
    }
    Ok(Some(layer))
}

/// Unpacks a layer's blob (plain, gzip or zstd) on top of `below` (base first), unless it is there.
///
/// # Errors
/// Those of [`unpack`], and [`Error::DigestMismatch`] when the stream is not `diff`.
pub fn add(
    home: &Home,
    scratch: &Scratch,
    blob: impl Read,
    diff: &Digest,
    chain: &Digest,
    below: &[Digest],
    limits: &Limits,
) -> Result<Layer, Error> {
    if let Some(layer) = find(home, chain)? {
        return Ok(layer);
    }
    let work = scratch.next();
    let root = work.join(ROOT);
    let what = || format!("unpack layer {diff}");
    fs::DirBuilder::new().mode(0o755).recursive(true).create(&root).context(what)?;
    let lowers = below.iter().rev().map(|c| open_dir(path(home, c))).collect::<Result<Vec<_>, _>>()?;
    let dir = open_dir(root)?;
    let sync = dir.try_clone().context(what)?;
    let mut stream = Hashing::new(decompress(blob).context(what)?);
    let unpacked = unpack(&mut stream, dir, &lowers, limits)?;
    let (actual, _) = stream.finish();
    if actual != *diff {
        let (what, expect) = ("layer content".to_owned(), diff.to_string());
        return Err(Error::DigestMismatch { what, expect, actual: actual.to_string() });
    }
    let layer = Layer { chain: chain.clone(), diff: diff.clone(), size_bytes: unpacked.bytes, files: unpacked.files };
    let record = serde_json::to_vec(&layer).map_err(|e| Error::malformed(what(), e))?;
    fs::write(work.join(RECORD), record).context(what)?;
    // One syncfs in place of an fsync for each file; after it the rename may publish the layer.
    syncfs(&sync).context(what)?;
    let target = home.layers().join(chain.short());
    match fs::rename(&work, &target) {
        Ok(()) => sync_parent(&target)?,
        // Another process was quicker with the same layer.
        Err(_) if find(home, chain)?.is_some() => remove_tree(&work)?,
        Err(e) => return Err(Error::io(what(), e)),
    }
    Ok(layer)
}

/// Removes a layer: moved aside first, so that half of one is never seen.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(home: &Home, scratch: &Scratch, short: &str) -> Result<(), Error> {
    let aside = scratch.next();
    match fs::rename(home.layers().join(short), &aside) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.context(|| format!("remove layer {short}"))?,
    }
    remove_tree(&aside)
}

/// The short names of all layers there are.
///
/// # Errors
/// [`Error::Io`].
pub fn names(home: &Home) -> Result<Vec<String>, Error> {
    let what = || "list layers".to_owned();
    let mut names = Vec::new();
    for entry in fs::read_dir(home.layers()).context(what)? {
        names.push(entry.context(what)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn open_dir(path: PathBuf) -> Result<OwnedFd, Error> {
    Ok(File::open(&path).context(|| format!("open {}", path.display()))?.into())
}

/// Undoes the compression that the first bytes show; registries' media types are not to be trusted on it.
fn decompress<'a>(blob: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(128 << 10, blob);
    let mut magic = Vec::with_capacity(4);
    blob.by_ref().take(4).read_to_end(&mut magic)?;
    let whole = io::Cursor::new(magic.clone()).chain(blob);
    Ok(match magic[..] {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        _ => Box::new(whole),
    })
}
