//! Turns a `docker save` archive or an OCI image layout into images of the store.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::images::digest::{Digest, Hashing, chain_ids};
use crate::images::error::Error;
use crate::images::layers;
use crate::images::manifest::{self, Descriptor, Document, ImageConfig, Manifest};
use crate::images::platform::{Platform, choose};
use crate::images::reference::Reference;
use crate::images::source::Source;
use crate::images::store::{ImageStore, Ready};

/// The annotation in which containerd and Docker keep the whole name.
const NAME_ANNOTATION: &str = "io.containerd.image.name";
/// The annotation in which OCI layouts keep the tag, or the whole name.
const REF_ANNOTATION: &str = "org.opencontainers.image.ref.name";

/// One image of `docker save`'s `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An image found in a source, with the names it bears there.
struct Candidate {
    names: Vec<Reference>,
    manifest: Vec<u8>,
    config: Vec<u8>,
    /// The file of each layer, base first.
    layers: Vec<String>,
    /// The digest of each layer's blob where it is known.
    blobs: Vec<Option<Digest>>,
}

impl ImageStore {
    /// Imports a tar stream; `name` names the image when there is one only, in place of its own names.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Limit`], [`Error::Unsafe`], [`Error::Unsupported`], [`Error::Io`].
    pub fn import(&self, stream: impl Read, name: Option<&Reference>) -> Result<Vec<Reference>, Error> {
        let scratch = self.home().scratch()?;
        let source = Source::spool(stream, &scratch, self.limits())?;
        self.import_source(&source, name)
    }

    /// Imports a tar file, or a directory that is an OCI layout or an unpacked `docker save`.
    ///
    /// # Errors
    /// As [`ImageStore::import`].
    pub fn import_path(&self, path: &Path, name: Option<&Reference>) -> Result<Vec<Reference>, Error> {
        let file = File::open(path).map_err(|e| Error::io(format!("open {}", path.display()), e))?;
        if file.metadata().is_ok_and(|m| m.is_dir()) {
            return self.import_source(&Source::dir(path)?, name);
        }
        self.import(file, name)
    }

    fn import_source(&self, source: &Source, name: Option<&Reference>) -> Result<Vec<Reference>, Error> {
        let mut found = self.candidates(source)?;
        if let Some(name) = name {
            let [one] = found.as_mut_slice() else {
                let why = format!("{} images, so one name is not enough", found.len());
                return Err(Error::malformed("image archive", why));
            };
            one.names = vec![name.clone()];
        }
        let mut names = Vec::new();
        for candidate in &found {
            if candidate.names.is_empty() {
                return Err(Error::malformed("image archive", "an image without a name; give one"));
            }
            self.import_one(source, candidate)?;
            names.extend(candidate.names.iter().cloned());
        }
        Ok(names)
    }

    fn import_one(&self, source: &Source, candidate: &Candidate) -> Result<(), Error> {
        let (home, limits) = (self.home(), self.limits());
        let scratch = home.scratch()?;
        let writing = home.writing()?;
        let config = manifest::parse_config("the archive", &candidate.config, candidate.layers.len())?;
        let chains = chain_ids(&config.rootfs.diff_ids);
        let mut size_bytes = 0;
        for (n, (file, diff)) in candidate.layers.iter().zip(&config.rootfs.diff_ids).enumerate() {
            let missing = || Error::malformed("image archive", format!("{file} is missing"));
            let mut blob = Hashing::new(source.open(file)?.ok_or_else(missing)?);
            let fresh = layers::find(home, &chains[n])?.is_none();
            let layer = layers::add(home, &scratch, &mut blob, diff, &chains[n], &chains[..n], limits)?;
            size_bytes += layer.size_bytes;
            // The diff id has been checked; a wrong blob digest would still make the manifest a lie.
            if let (true, Some(expect)) = (fresh, &candidate.blobs[n]) {
                std::io::copy(&mut blob, &mut std::io::sink()).map_err(|e| Error::io(file.as_str(), e))?;
                let (actual, _) = blob.finish();
                if actual != *expect {
                    let (expect, actual) = (expect.to_string(), actual.to_string());
                    return Err(Error::DigestMismatch { what: file.clone(), expect, actual });
                }
            }
        }
        let ready = Ready {
            manifest: candidate.manifest.clone(),
            config: candidate.config.clone(),
            chains,
            size_bytes,
            names: candidate.names.iter().map(ToString::to_string).collect(),
            local: true,
        };
        self.commit(&scratch, &writing, ready).map(drop)
    }

    fn candidates(&self, source: &Source) -> Result<Vec<Candidate>, Error> {
        let bound = self.limits().manifest_bytes;
        let saved: Option<Vec<Saved>> = match source.read("manifest.json", bound)? {
            Some(bytes) => {
                Some(serde_json::from_slice(&bytes).map_err(|e| Error::malformed("manifest.json of the archive", e))?)
            }
            None => None,
        };
        // The layout comes first: its manifests are the true ones. Docker 25 and later write both.
        if let Some(index) = source.read("index.json", bound)? {
            return self.layout(source, &index, saved.as_deref().unwrap_or_default());
        }
        match saved {
            Some(saved) => saved.iter().map(|one| self.saved(source, one)).collect(),
            None => Err(Error::malformed("image archive", "neither index.json nor manifest.json is in it")),
        }
    }

    fn layout(&self, source: &Source, index: &[u8], saved: &[Saved]) -> Result<Vec<Candidate>, Error> {
        let Document::Index(entries) = manifest::parse("the archive", index, self.limits())? else {
            return Err(Error::malformed("index.json of the archive", "no index"));
        };
        let mut found: Vec<Candidate> = Vec::new();
        for entry in &entries {
            let Some((bytes, image)) = self.image_of(source, entry, 0)? else { continue };
            let config = self.blob(source, &image.config.digest)?;
            let mut names: Vec<Reference> = Vec::new();
            let whole = entry.annotation(NAME_ANNOTATION);
            let short = entry.annotation(REF_ANNOTATION).filter(|text| text.contains(['/', ':']));
            for text in whole.or(short).into_iter().map(str::to_owned).chain(tags_of(saved, &image.config.digest)) {
                let name = Reference::parse(&text)?;
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            // Docker writes one entry for each name of an image.
            if let Some(same) = found.iter_mut().find(|c| c.manifest == bytes) {
                names.retain(|n| !same.names.contains(n));
                same.names.append(&mut names);
                continue;
            }
            found.push(Candidate {
                names,
                manifest: bytes,
                config,
                layers: image.layers.iter().map(|l| blob_name(&l.digest)).collect(),
                blobs: image.layers.iter().map(|l| Some(l.digest.clone())).collect(),
            });
        }
        Ok(found)
    }

    /// The manifest an index entry leads to, through indexes by platform; `None` for what is no image of ours.
    fn image_of(&self, source: &Source, entry: &Descriptor, depth: u64) -> Result<Option<(Vec<u8>, Manifest)>, Error> {
        let bytes = self.blob(source, &entry.digest)?;
        match manifest::parse("the archive", &bytes, self.limits())? {
            Document::Image(image) => Ok(Some((bytes, *image))),
            Document::Index(_) if depth >= self.limits().index_depth => Err(Error::Limit {
                what: "image archive".to_owned(),
                limit: "index_depth",
                bound: self.limits().index_depth,
            }),
            Document::Index(entries) => {
                let offers: Vec<Option<Platform>> = entries.iter().map(|e| e.platform.clone()).collect();
                match choose(&offers, self.platforms()) {
                    Some(n) => self.image_of(source, &entries[n], depth + 1),
                    None => Ok(None),
                }
            }
        }
    }

    fn blob(&self, source: &Source, digest: &Digest) -> Result<Vec<u8>, Error> {
        let name = blob_name(digest);
        let bytes = source.read(&name, self.limits().manifest_bytes)?;
        let bytes = bytes.ok_or_else(|| Error::malformed("image archive", format!("{name} is missing")))?;
        let actual = Digest::of(&bytes);
        if actual != *digest {
            let (expect, actual) = (digest.to_string(), actual.to_string());
            return Err(Error::DigestMismatch { what: name, expect, actual });
        }
        Ok(bytes)
    }

    fn saved(&self, source: &Source, saved: &Saved) -> Result<Candidate, Error> {
        let missing = |name: &str| Error::malformed("image archive", format!("{name} is missing"));
        let limits = self.limits();
        let config = source.read(&saved.config, limits.manifest_bytes)?.ok_or_else(|| missing(&saved.config))?;
        if saved.layers.len() as u64 > limits.layers_count {
            let (limit, bound) = ("layers_count", limits.layers_count);
            return Err(Error::Limit { what: "image archive".to_owned(), limit, bound });
        }
        let parsed: ImageConfig = manifest::parse_config("the archive", &config, saved.layers.len())?;
        // Such an archive has no manifest; the one made here names each layer by its plain tar stream.
        let mut descriptors = Vec::new();
        for (file, diff) in saved.layers.iter().zip(&parsed.rootfs.diff_ids) {
            let opened = source.open(file)?.ok_or_else(|| missing(file))?;
            let size = opened.metadata().map_err(|e| Error::io(file.as_str(), e))?.len();
            descriptors.push(Descriptor::new(manifest::OCI_LAYER, diff.clone(), size));
        }
        let document = Manifest {
            schema_version: 2,
            media_type: Some(manifest::OCI_MANIFEST.to_owned()),
            config: Descriptor::of(manifest::OCI_CONFIG, &config),
            layers: descriptors,
        };
        let names = saved.repo_tags.iter().flatten().map(|t| Reference::parse(t)).collect::<Result<_, _>>()?;
        Ok(Candidate {
            names,
            manifest: serde_json::to_vec(&document).map_err(|e| Error::malformed("manifest", e))?,
            config,
            blobs: vec![None; saved.layers.len()],
            layers: saved.layers.clone(),
        })
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The names `manifest.json` gives the image with this config.
fn tags_of(saved: &[Saved], config: &Digest) -> Vec<String> {
    let fits = |s: &&Saved| s.config.trim_end_matches(".json").ends_with(config.hex());
    saved.iter().filter(fits).flat_map(|s| s.repo_tags.clone().unwrap_or_default()).collect()
}
