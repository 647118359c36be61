//! The handle of the image store: what images there are, and where their layers lie.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::images::blobs::{Home, Scratch, Writing};
use crate::images::digest::Digest;
use crate::images::error::{Context, Error};
use crate::images::flights::Flights;
use crate::images::image::Image;
use crate::images::index::{Index, Record};
use crate::images::layers;
use crate::images::limits::Limits;
use crate::images::manifest::parse_config;
use crate::images::platform::{Platform, preferences};
use crate::images::reference::Reference;
use crate::images::registry::Connector;

/// Says whether a container names the image with this id.
pub type Users = dyn Fn(&Digest) -> bool + Send + Sync;

/// How to open a store.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bounds.
    pub limits: Limits,
    /// Registries (host with port) that may be spoken to by plain HTTP; loopback always may.
    pub insecure_registries: Vec<String>,
    /// Platforms to pick from an index, best first; empty means those of this machine.
    pub platforms: Vec<Platform>,
    /// This program, of which the images of its demonstration are made when they are wanted.
    pub program: Option<PathBuf>,
}

/// A cheap handle on the store of one data directory; several processes may have one each.
#[derive(Clone)]
pub struct ImageStore(Arc<Inner>);

struct Inner {
    home: Home,
    options: Options,
    connector: Connector,
    flights: Flights,
    cached: Mutex<Option<(Stamp, Arc<Index>)>>,
    users: RwLock<Option<Arc<Users>>>,
}

/// Tells one version of the index file from another; every change is a new file.
type Stamp = (u64, i64, i64, u64);

/// An image whose layers are in place, ready to be named in the index.
pub(crate) struct Ready {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub chains: Vec<Digest>,
    pub size_bytes: u64,
    pub names: Vec<String>,
    pub local: bool,
}

impl ImageStore {
    /// Opens or makes the store in `root`, and sweeps what an earlier end left behind.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`] for an index that cannot be read.
    pub fn open(root: &Path, mut options: Options) -> Result<Self, Error> {
        if options.platforms.is_empty() {
            options.platforms = preferences(std::env::consts::ARCH);
        }
        let home = Home::open(root)?;
        home.sweep_tmp()?;
        let connector = Connector::new(options.insecure_registries.clone());
        let inner = Inner {
            home,
            options,
            connector,
            flights: Flights::default(),
            cached: Mutex::default(),
            users: RwLock::default(),
        };
        let store = Self(Arc::new(inner));
        store.sweep()?;
        Ok(store)
    }

    /// Sets who says which images are in use; such images are not removed.
    pub fn set_users(&self, users: Arc<Users>) {
        *self.0.users.write().unwrap_or_else(PoisonError::into_inner) = Some(users);
    }

    /// Whether a container names the image.
    pub fn is_used(&self, id: &Digest) -> bool {
        let users = self.0.users.read().unwrap_or_else(PoisonError::into_inner).clone();
        users.is_some_and(|users| users(id))
    }

    /// The image of a name (`nginx`, `quay.io/a/b@sha256:…`) or an id, whole or the beginning of one.
    ///
    /// # Errors
    /// [`Error::NotPresent`], [`Error::InvalidName`].
    pub fn get(&self, image_ref: &str) -> Result<Image, Error> {
        let index = self.index()?;
        let key = key(image_ref)?;
        let (id, record) = index
            .find(&key)
            .or_else(|| index.find(image_ref))
            .ok_or_else(|| Error::NotPresent { reference: image_ref.to_owned() })?;
        self.image(&index, id, record)
    }

    /// As [`ImageStore::get`], and notes that the image is used now, which keeps it from collection.
    ///
    /// # Errors
    /// As [`ImageStore::get`], and [`Error::Malformed`] when a layer is gone.
    pub fn resolve(&self, image_ref: &str) -> Result<Image, Error> {
        let image = self.get(image_ref)?;
        if let Some(gone) = image.layers.iter().find(|l| !l.is_dir()) {
            return Err(Error::malformed(format!("image {}", image.id), format!("layer {} is gone", gone.display())));
        }
        // The time of last use is that of the config's file: it costs no write that has to be durable.
        let touched = File::open(self.home().blob(&image.id)).and_then(|f| f.set_modified(SystemTime::now()));
        touched.context(|| format!("note the use of {}", image.id))?;
        Ok(image)
    }

    /// All images, by id.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`].
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        let index = self.index()?;
        index.images.iter().map(|(id, record)| self.image(&index, id, record)).collect()
    }

    /// Removes an image with all its names, by name or id; says whether it was there.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InUse`] when a container names it.
    pub fn remove(&self, image_ref: &str) -> Result<bool, Error> {
        let key = key(image_ref)?;
        let index = self.index()?;
        let Some(id) = index.find(&key).or_else(|| index.find(image_ref)).map(|(id, _)| id.clone()) else {
            return Ok(false);
        };
        if self.is_used(&id) {
            return Err(Error::InUse { reference: image_ref.to_owned() });
        }
        let scratch = self.home().scratch()?;
        let (_, removed) = Index::update(self.home(), &scratch, |index| index.remove(&id))?;
        self.sweep()?;
        Ok(removed)
    }

    /// Takes a name away, and the image with its last tag; says whether the name was there.
    ///
    /// # Errors
    /// As [`ImageStore::remove`].
    pub fn untag(&self, name: &Reference) -> Result<bool, Error> {
        let key = name_key(name);
        let index = self.index()?;
        let Some((id, _)) = index.find(&key) else { return Ok(false) };
        if index.names_of(id).0.len() <= 1 && self.is_used(id) {
            return Err(Error::InUse { reference: name.to_string() });
        }
        let scratch = self.home().scratch()?;
        let (_, removed) = Index::update(self.home(), &scratch, |index| index.untag(&key))?;
        if removed == Some(true) {
            self.sweep()?;
        }
        Ok(removed.is_some())
    }

    /// Gives an image one more name, taking it from another image if need be.
    ///
    /// # Errors
    /// [`Error::NotPresent`], [`Error::Io`].
    pub fn tag(&self, image_ref: &str, name: &Reference) -> Result<(), Error> {
        let image = self.get(image_ref)?;
        let scratch = self.home().scratch()?;
        Index::update(self.home(), &scratch, |index| index.names.insert(name_key(name), image.id))?;
        Ok(())
    }

    /// Removes layers and blobs that no image names, unless someone is writing just now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(&self) -> Result<(), Error> {
        let home = self.home();
        let Some(_sweeping) = home.sweeping()? else { return Ok(()) };
        let scratch = home.scratch()?;
        let index = Index::read(home)?;
        let refs = index.layer_refs();
        for name in layers::names(home)?.iter().filter(|n| !refs.contains_key(n.as_str())) {
            layers::remove(home, &scratch, name)?;
        }
        let named = index.blobs();
        let what = || "sweep blobs".to_owned();
        for entry in std::fs::read_dir(home.root().join("blobs/sha256")).context(what)? {
            let entry = entry.context(what)?;
            if !named.contains(entry.file_name().to_string_lossy().as_ref()) {
                std::fs::remove_file(entry.path()).context(what)?;
            }
        }
        Ok(())
    }

    /// When an image was last handed out, seconds since 1970.
    pub(crate) fn last_used_s(&self, id: &Digest) -> u64 {
        let modified = std::fs::metadata(self.home().blob(id)).and_then(|m| m.modified());
        modified.ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs())
    }

    /// Names a complete image in the index.
    pub(crate) fn commit(&self, scratch: &Scratch, _writing: &Writing, ready: Ready) -> Result<Image, Error> {
        let home = self.home();
        let manifest = home.write(scratch, &ready.manifest)?;
        let id = home.write(scratch, &ready.config)?;
        let record = Record {
            manifest,
            chains: ready.chains,
            size_bytes: ready.size_bytes,
            added_s: now_s(),
            local: ready.local,
        };
        let (index, ()) = Index::update(home, scratch, |index| {
            for name in ready.names {
                index.names.insert(name, id.clone());
            }
            // The time an image came stays when the same image comes again.
            let added_s = index.images.get(&id).map_or(record.added_s, |old| old.added_s);
            index.images.insert(id.clone(), Record { added_s, ..record.clone() });
        })?;
        let stored = index.images.get(&id).unwrap_or(&record);
        self.image(&index, &id, stored)
    }

    pub(crate) fn index(&self) -> Result<Arc<Index>, Error> {
        let stamp = match std::fs::metadata(self.home().root().join("index.json")) {
            Ok(meta) => (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()),
            Err(_) => (0, 0, 0, 0),
        };
        let mut cached = self.0.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, index)) = &*cached
            && *at == stamp
        {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(Index::read(self.home())?);
        *cached = Some((stamp, Arc::clone(&index)));
        Ok(index)
    }

    fn image(&self, index: &Index, id: &Digest, record: &Record) -> Result<Image, Error> {
        let config = parse_config(id.as_str(), &self.home().read(id)?, record.chains.len())?;
        let (tags, digests) = index.names_of(id);
        Ok(Image {
            id: id.clone(),
            manifest: record.manifest.clone(),
            tags,
            digests,
            config,
            layers: record.chains.iter().rev().map(|c| layers::path(self.home(), c)).collect(),
            size_bytes: record.size_bytes,
            added_s: record.added_s,
            local: record.local,
        })
    }

    pub(crate) fn home(&self) -> &Home {
        &self.0.home
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    pub(crate) fn platforms(&self) -> &[Platform] {
        &self.0.options.platforms
    }

    pub(crate) fn program(&self) -> Option<&Path> {
        self.0.options.program.as_deref()
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.0.connector
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.0.flights
    }

    /// Bytes of unpacked layers, each counted once, and their entries.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`].
    pub fn used(&self) -> Result<(u64, u64), Error> {
        let index = self.index()?;
        let mut seen = HashMap::new();
        for chain in index.images.values().flat_map(|r| &r.chains) {
            if !seen.contains_key(chain) {
                let layer = layers::find(self.home(), chain)?;
                seen.insert(chain, layer.map_or((0, 0), |l| (l.size_bytes, l.files)));
            }
        }
        Ok(seen.values().fold((0, 0), |(b, f), (bytes, files)| (b + bytes, f + files)))
    }

    /// The directory of the store.
    pub fn root(&self) -> &Path {
        self.home().root()
    }
}

/// What the index knows a reference by; an id stays as it is.
fn key(image_ref: &str) -> Result<String, Error> {
    let hex = image_ref.strip_prefix("sha256:").unwrap_or(image_ref);
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(image_ref.to_owned());
    }
    Ok(name_key(&Reference::parse(image_ref)?))
}

/// A digest decides alone; the tag beside it is a comment.
pub(crate) fn name_key(name: &Reference) -> String {
    match name.digest() {
        Some(digest) => name.with_digest(digest),
        None => name.to_string(),
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
