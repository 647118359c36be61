//! The index of the store, one JSON file replaced in one step: names to images, images to layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::images::blobs::{Home, Scratch, replace};
use crate::images::digest::Digest;
use crate::images::error::{Context, Error};

const VERSION: u32 = 1;
const FILE: &str = "index.json";

/// All names and images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    version: u32,
    /// `docker.io/library/nginx:1` and `docker.io/library/nginx@sha256:…` to the image's id.
    pub names: BTreeMap<String, Digest>,
    /// Images by id, the digest of their config.
    pub images: BTreeMap<Digest, Record>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Chain ids of the layers, base first.
    pub chains: Vec<Digest>,
    /// Bytes of file content of all layers.
    pub size_bytes: u64,
    /// When it came, seconds since 1970.
    pub added_s: u64,
    /// It came from an archive or from local files, so no registry is asked about it.
    pub local: bool,
}

impl Default for Index {
    fn default() -> Self {
        Self { version: VERSION, names: BTreeMap::new(), images: BTreeMap::new() }
    }
}

impl Index {
    /// Reads the index; a new store has an empty one.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] for a later version.
    pub fn read(home: &Home) -> Result<Self, Error> {
        let bytes = match fs::read(home.root().join(FILE)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.context(|| format!("read {FILE}"))?,
        };
        let index: Self = serde_json::from_slice(&bytes).map_err(|e| Error::malformed(FILE, e))?;
        if index.version != VERSION {
            return Err(Error::Unsupported { what: format!("version {} of {FILE}", index.version) });
        }
        Ok(index)
    }

    /// Changes the index durably under its lock, on top of what any other process wrote.
    ///
    /// # Errors
    /// [`Error::Io`] and those of [`Index::read`].
    pub fn update<T>(home: &Home, scratch: &Scratch, change: impl FnOnce(&mut Self) -> T) -> Result<(Self, T), Error> {
        let _lock = home.index_lock()?;
        let before = Self::read(home)?;
        let mut after = before.clone();
        let result = change(&mut after);
        if after != before {
            let bytes = serde_json::to_vec_pretty(&after).map_err(|e| Error::malformed(FILE, e))?;
            replace(&scratch.next(), &home.root().join(FILE), &bytes)?;
        }
        Ok((after, result))
    }

    /// Finds an image by normalised name, by id, or by a unique beginning of an id's hex digits (at least 6).
    pub fn find(&self, name: &str) -> Option<(&Digest, &Record)> {
        if let Some(id) = self.names.get(name) {
            return self.images.get_key_value(id);
        }
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        if hex.len() < 6 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut fitting = self.images.iter().filter(|(id, _)| id.hex().starts_with(hex));
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Some(found),
            _ => None,
        }
    }

    /// The names of an image: those with a tag, then those with a digest.
    pub fn names_of(&self, id: &Digest) -> (Vec<String>, Vec<String>) {
        let names = self.names.iter().filter(|(_, i)| *i == id).map(|(n, _)| n.clone());
        names.partition(|n| !n.contains('@'))
    }

    /// Takes an image and all its names out.
    pub fn remove(&mut self, id: &Digest) -> bool {
        self.names.retain(|_, i| i != id);
        self.images.remove(id).is_some()
    }

    /// Takes one name out, and the image when no name with a tag is left; says whether the image went.
    pub fn untag(&mut self, name: &str) -> Option<bool> {
        let id = self.names.remove(name)?;
        if self.names_of(&id).0.is_empty() {
            return Some(self.remove(&id));
        }
        Some(false)
    }

    /// How many images stand on each layer, by the layer's short name.
    pub fn layer_refs(&self) -> BTreeMap<&str, usize> {
        let mut refs = BTreeMap::new();
        for chain in self.images.values().flat_map(|r| &r.chains) {
            *refs.entry(chain.short()).or_insert(0) += 1;
        }
        refs
    }

    /// The blobs that are named.
    pub fn blobs(&self) -> BTreeSet<&str> {
        self.images.iter().flat_map(|(id, r)| [id.hex(), r.manifest.hex()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_and_untags() {
        let mut index = Index::default();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let record = Record { manifest: a.clone(), chains: vec![a.clone()], size_bytes: 0, added_s: 0, local: false };
        index.images.insert(a.clone(), record.clone());
        index.images.insert(b.clone(), Record { chains: vec![a.clone(), b.clone()], ..record });
        for (name, id) in [("x:1", &a), ("x:2", &a), ("x@d", &a), ("y:1", &b)] {
            index.names.insert(name.into(), id.clone());
        }
        for (name, expect) in [
            ("x:1", Some(&a)),
            (a.as_str(), Some(&a)),
            (&a.hex()[..12], Some(&a)),
            (&a.hex()[..5], None),
            ("z:1", None),
        ] {
            assert_eq!(index.find(name).map(|(id, _)| id), expect, "{name}");
        }
        assert_eq!(index.layer_refs().into_values().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]));
        assert_eq!(index.untag("x:1"), Some(false));
        assert_eq!(index.untag("x:2"), Some(true));
        assert_eq!(index.untag("x:2"), None);
        assert!(index.find(a.as_str()).is_none() && index.find("x@d").is_none());
    }
}
