//! Makes a one-layer image out of local files; the same files give the same image.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::images::digest::{Digest, chain_ids};
use crate::images::error::{Context, Error};
use crate::images::image::Image;
use crate::images::layers;
use crate::images::manifest::{self, Defaults, Descriptor, ImageConfig, Manifest, RootFs};
use crate::images::platform::preferences;
use crate::images::reference::Reference;
use crate::images::store::{ImageStore, Ready};

/// What goes to a path in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The content and the permission bits of a local file.
    File(PathBuf),
    /// These bytes, with these permission bits.
    Bytes(Vec<u8>, u32),
    /// A symbolic link with this target.
    Link(String),
    /// An empty directory with these permission bits.
    Dir(u32),
}

impl ImageStore {
    /// Puts an image together from `files` (absolute path in the image, content), owned by root, without times.
    ///
    /// # Errors
    /// [`Error::Unsafe`] for a path that is not absolute and plain, [`Error::Io`].
    pub fn assemble(
        &self,
        reference: &Reference,
        files: &[(PathBuf, Content)],
        config: Defaults,
    ) -> Result<Image, Error> {
        let home = self.home();
        let scratch = home.scratch()?;
        let writing = home.writing()?;
        let path = scratch.next();
        let (diff, size) = write_layer(&path, files)?;
        let architecture = preferences(std::env::consts::ARCH).first().map(|p| p.architecture.clone());
        let config = ImageConfig {
            created: None,
            architecture: architecture.unwrap_or_default(),
            os: "linux".to_owned(),
            config,
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![diff.clone()] },
        };
        let json = |e: serde_json::Error| Error::malformed("image document", e);
        let config = serde_json::to_vec(&config).map_err(json)?;
        let document = Manifest {
            schema_version: 2,
            media_type: Some(manifest::OCI_MANIFEST.to_owned()),
            config: Descriptor::of(manifest::OCI_CONFIG, &config),
            layers: vec![Descriptor::new(manifest::OCI_LAYER, diff.clone(), size)],
        };
        let chains = chain_ids(std::slice::from_ref(&diff));
        let blob = File::open(&path).context(|| "open the layer".to_owned())?;
        let layer = layers::add(home, &scratch, blob, &diff, &chains[0], &[], self.limits())?;
        let ready = Ready {
            manifest: serde_json::to_vec(&document).map_err(json)?,
            config,
            chains,
            size_bytes: layer.size_bytes,
            names: vec![reference.to_string()],
            local: true,
        };
        self.commit(&scratch, &writing, ready)
    }
}

/// Writes the layer's tar file and returns its digest and length.
fn write_layer(path: &Path, files: &[(PathBuf, Content)]) -> Result<(Digest, u64), Error> {
    let what = || "write the layer".to_owned();
    let file = File::create(path).context(what)?;
    let mut builder =
        Builder::new(Tee { to: BufWriter::with_capacity(128 << 10, file), hasher: Sha256::new(), bytes: 0 });
    let mut sorted: Vec<&(PathBuf, Content)> = files.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut dirs = BTreeSet::new();
    for (at, content) in sorted {
        let name = relative(at)?;
        for parent in name.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
            dirs.insert(parent.to_owned());
        }
        if matches!(content, Content::Dir(_)) {
            dirs.remove(&name);
        }
    }
    // Parents first, so that every directory has an entry of its own.
    for dir in &dirs {
        if !files.iter().any(|(p, c)| matches!(c, Content::Dir(_)) && relative(p).is_ok_and(|p| p == *dir)) {
            append(&mut builder, dir, EntryType::Directory, 0o755, 0, io::empty()).context(what)?;
        }
    }
    let mut sorted: Vec<&(PathBuf, Content)> = files.iter().collect();
    sorted.sort_by_key(|(p, c)| (!matches!(c, Content::Dir(_)), p));
    for (at, content) in sorted {
        let name = relative(at)?;
        let what = || format!("add {} to the layer", at.display());
        match content {
            Content::File(source) => {
                let file = File::open(source).context(|| format!("open {}", source.display()))?;
                let meta = file.metadata().context(what)?;
                if !meta.is_file() {
                    return Err(Error::malformed(source.display().to_string(), "no regular file"));
                }
                let (mode, size) = (meta.permissions().mode() & 0o777, meta.len());
                append(&mut builder, &name, EntryType::Regular, mode, size, file.take(size)).context(what)?;
            }
            Content::Bytes(bytes, mode) => {
                let size = bytes.len() as u64;
                append(&mut builder, &name, EntryType::Regular, *mode, size, bytes.as_slice()).context(what)?;
            }
            Content::Dir(mode) => {
                append(&mut builder, &name, EntryType::Directory, *mode, 0, io::empty()).context(what)?;
            }
            Content::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                builder.append_link(&mut header, &name, target).context(what)?;
            }
        }
    }
    let tee = builder.into_inner().context(what)?;
    let (mut to, digest, bytes) = (tee.to, Digest::finish(tee.hasher), tee.bytes);
    to.flush().context(what)?;
    Ok((digest, bytes))
}

fn append(
    builder: &mut Builder<impl Write>,
    name: &Path,
    kind: EntryType,
    mode: u32,
    size: u64,
    data: impl Read,
) -> io::Result<()> {
    builder.append_data(&mut header(kind, mode, size), name, data)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn relative(path: &Path) -> Result<PathBuf, Error> {
    use std::path::Component;
    let refused = || Error::Unsafe { entry: path.display().to_string(), why: "want a plain absolute path".to_owned() };
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return Err(refused());
    }
    let parts: PathBuf = parts
        .map(|c| match c {
            Component::Normal(part) => Ok(part),
            _ => Err(refused()),
        })
        .collect::<Result<_, _>>()?;
    if parts.as_os_str().is_empty() { Err(refused()) } else { Ok(parts) }
}

/// Writes and hashes at once.
struct Tee<W> {
    to: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.to.write(buf)?;
        self.hasher.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The content of a program and of the shared libraries it needs, at the paths where its loader looks.
///
/// # Errors
/// Those of [`crate::images::libs::needed`].
pub fn program(path_in_image: &Path, program: &Path) -> Result<Vec<(PathBuf, Content)>, Error> {
    let program = fs::canonicalize(program).context(|| format!("find {}", program.display()))?;
    let mut files: Vec<(PathBuf, Content)> = crate::images::libs::needed(&program)?
        .into_iter()
        .map(|lib| (lib.path_in_image, Content::File(lib.source)))
        .collect();
    files.push((path_in_image.to_owned(), Content::File(program)));
    Ok(files)
}
