//! Makes layers, images and stores for the tests.

use std::path::Path;

use masthead_agent::images::digest::Digest;
use masthead_agent::images::manifest::{
    Defaults, Descriptor, ImageConfig, Manifest, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, RootFs,
};
use masthead_agent::images::store::{ImageStore, Options};
use tar::{Builder, EntryType, Header};

/// One entry of a layer.
#[derive(Clone, Debug)]
pub enum Entry {
    File(&'static str, Vec<u8>, u32),
    Dir(&'static str, u32),
    Link(&'static str, &'static str),
    Hard(&'static str, &'static str),
    Device(&'static str, EntryType, u32, u32),
    /// PAX records for the entry that follows.
    Pax(Vec<(&'static str, Vec<u8>)>),
}

pub fn file(name: &'static str, content: &str) -> Entry {
    Entry::File(name, content.as_bytes().to_vec(), 0o644)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(7);
    header.set_gid(8);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header
}

/// Writes a name into the header as it is: the tar crate would refuse the hostile ones.
fn raw_name(header: &mut Header, name: &str) {
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
}

fn raw_link(header: &mut Header, name: &str) {
    let field = &mut header.as_old_mut().linkname;
    field[..name.len()].copy_from_slice(name.as_bytes());
}

/// A tar stream.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in entries {
        let mut add = |kind, mode, name: &str, link: &str, data: &[u8]| {
            let mut header = header(kind, mode, data.len() as u64);
            if name.len() > 100 {
                return builder.append_data(&mut header, name, data).unwrap();
            }
            raw_name(&mut header, name);
            raw_link(&mut header, link);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        };
        match entry {
            Entry::File(name, data, mode) => add(EntryType::Regular, *mode, name, "", data),
            Entry::Dir(name, mode) => add(EntryType::Directory, *mode, name, "", &[]),
            Entry::Link(name, to) => add(EntryType::Symlink, 0o777, name, to, &[]),
            Entry::Hard(name, to) => add(EntryType::Link, 0o644, name, to, &[]),
            Entry::Device(name, kind, major, minor) => {
                let mut header = header(*kind, 0o666, 0);
                raw_name(&mut header, name);
                header.set_device_major(*major).unwrap();
                header.set_device_minor(*minor).unwrap();
                header.set_cksum();
                builder.append(&header, &[][..]).unwrap();
            }
            Entry::Pax(records) => {
                builder.append_pax_extensions(records.iter().map(|(k, v)| (*k, v.as_slice()))).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

/// How a layer travels.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub fn pack(tar: &[u8], packing: Packing) -> Vec<u8> {
    use std::io::Write as _;
    match packing {
        Packing::Plain => tar.to_vec(),
        Packing::Gzip => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(tar).unwrap();
            to.finish().unwrap()
        }
        Packing::Zstd => zstd::encode_all(tar, 1).unwrap(),
    }
}

/// An image ready to be served or saved.
#[derive(Clone, Debug)]
pub struct Made {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
    pub tars: Vec<Vec<u8>>,
}

impl Made {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }
}

pub fn image(layers: &[(Vec<Entry>, Packing)]) -> Made {
    image_with(layers, &["/bin/app"])
}

pub fn image_with(layers: &[(Vec<Entry>, Packing)], entrypoint: &[&str]) -> Made {
    let tars: Vec<Vec<u8>> = layers.iter().map(|(entries, _)| tar(entries)).collect();
    let blobs: Vec<Vec<u8>> = tars.iter().zip(layers).map(|(t, (_, p))| pack(t, *p)).collect();
    let config = ImageConfig {
        architecture: "amd64".into(),
        os: "linux".into(),
        config: Defaults {
            entrypoint: entrypoint.iter().map(|s| (*s).to_owned()).collect(),
            env: vec!["A=b".into()],
            ..Defaults::default()
        },
        rootfs: RootFs { kind: "layers".into(), diff_ids: tars.iter().map(|t| Digest::of(t)).collect() },
        ..ImageConfig::default()
    };
    let config = serde_json::to_vec(&config).unwrap();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.into()),
        config: Descriptor::of(OCI_CONFIG, &config),
        layers: blobs
            .iter()
            .zip(layers)
            .map(|(b, (_, packing))| {
                let kind = match packing {
                    Packing::Plain => OCI_LAYER.to_owned(),
                    Packing::Gzip => "application/vnd.docker.image.rootfs.diff.tar.gzip".to_owned(),
                    Packing::Zstd => format!("{OCI_LAYER}+zstd"),
                };
                Descriptor::of(&kind, b)
            })
            .collect(),
    };
    Made { manifest: serde_json::to_vec(&manifest).unwrap(), config, blobs, tars }
}

pub fn store(dir: &Path) -> ImageStore {
    ImageStore::open(dir, Options::default()).unwrap()
}

/// Whether the test can make devices and `trusted.*` attributes; says so when it cannot, and fails in CI.
pub fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    assert!(root || std::env::var("CI").as_deref() != Ok("true"), "{test} needs root");
    if !root {
        println!("skipped: {test} needs root");
    }
    root
}

/// What is left in the parts of a store that must be empty at rest.
pub fn leftovers(dir: &Path) -> Vec<String> {
    let names = |sub: &str| -> Vec<String> {
        std::fs::read_dir(dir.join(sub)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    names("tmp")
}
