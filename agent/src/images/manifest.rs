//! Reads image manifests, indexes and configs, Docker's and OCI's, into checked types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::images::digest::Digest;
use crate::images::error::Error;
use crate::images::limits::Limits;
use crate::images::platform::Platform;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Plain OCI layer.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker image manifest, schema 2.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The `Accept` header for manifests.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A reference to a blob by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content in bytes.
    pub size: u64,
    /// Other places to get it from; only foreign layers have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor of known content.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.to_owned(), digest, size, urls: Vec::new(), platform: None, annotations: None }
    }

    /// The annotation `key`.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// Layers, base first.
    pub layers: Vec<Descriptor>,
}

/// A manifest, or the list of them for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Image(Box<Manifest>),
    /// Entries by platform.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
}

/// Reads a manifest or an index; `what` names it in errors.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Limit`], and [`Error::Unsupported`] for schema 1, artifacts and foreign layers.
pub fn parse(what: &str, bytes: &[u8], limits: &Limits) -> Result<Document, Error> {
    let unsupported = |text: String| Error::Unsupported { what: format!("{what}: {text}") };
    let probe: Probe = serde_json::from_slice(bytes).map_err(|e| Error::malformed(format!("manifest of {what}"), e))?;
    if probe.schema_version != 2 {
        return Err(unsupported(format!("image manifest schema version {}", probe.schema_version)));
    }
    let is_index = match probe.media_type.as_deref() {
        Some(OCI_INDEX | DOCKER_LIST) => true,
        Some(OCI_MANIFEST | DOCKER_MANIFEST) => false,
        Some(other) => return Err(unsupported(format!("manifest media type {other:?}"))),
        None => probe.manifests.is_some(),
    };
    // A document that can be read both ways is a known trick (CVE-2021-41190).
    if probe.manifests.is_some() && probe.config.is_some() {
        return Err(Error::malformed(format!("manifest of {what}"), "both an image and an index"));
    }
    if is_index {
        let entries = probe.manifests.unwrap_or_default();
        bound(what, "index_entries", entries.len() as u64, limits.index_entries)?;
        return Ok(Document::Index(entries));
    }
    let manifest: Manifest =
        serde_json::from_slice(bytes).map_err(|e| Error::malformed(format!("manifest of {what}"), e))?;
    check(what, &manifest, limits)?;
    Ok(Document::Image(Box::new(manifest)))
}

fn check(what: &str, manifest: &Manifest, limits: &Limits) -> Result<(), Error> {
    let unsupported = |text: String| Error::Unsupported { what: format!("{what}: {text}") };
    if !matches!(manifest.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
        let kind = &manifest.config.media_type;
        return Err(unsupported(format!("an artifact of type {kind:?}, which is no container image,")));
    }
    bound(what, "manifest_bytes", manifest.config.size, limits.manifest_bytes)?;
    bound(what, "layers_count", manifest.layers.len() as u64, limits.layers_count)?;
    for layer in &manifest.layers {
        let kind = layer.media_type.as_str();
        if kind.contains("foreign") || kind.contains("nondistributable") || !layer.urls.is_empty() {
            return Err(unsupported(format!("foreign layer {}", layer.digest)));
        }
        if kind.ends_with("+encrypted") || !kind.contains("tar") {
            return Err(unsupported(format!("layer media type {kind:?}")));
        }
        bound(what, "layer_bytes", layer.size, limits.layer_bytes)?;
    }
    Ok(())
}

fn bound(what: &str, limit: &'static str, value: u64, bound: u64) -> Result<(), Error> {
    if value > bound {
        return Err(Error::Limit { what: what.to_owned(), limit, bound });
    }
    Ok(())
}

/// The image config: what to run, and the layers it stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Creation time as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Architecture in Go's names.
    #[serde(default)]
    pub architecture: String,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Defaults of the containers.
    #[serde(default)]
    pub config: Defaults,
    /// The layers.
    pub rootfs: RootFs,
}

/// What containers of an image run unless told otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Defaults {
    /// User as written: name or uid, with group if any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `NAME=value` pairs.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Entry point.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Arguments.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Working directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Signal that stops a container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Ports, `8080/tcp`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// Anonymous volumes.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// Labels.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The layers of an image by the digests of their tar streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Diff ids, base first.
    #[serde(default, deserialize_with = "nullable")]
    pub diff_ids: Vec<Digest>,
}

/// Go writes empty lists and maps as null.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an image config and holds it against the number of layers of its manifest.
///
/// # Errors
/// [`Error::Malformed`], and [`Error::Unsupported`] for another system than Linux.
pub fn parse_config(what: &str, bytes: &[u8], layers: usize) -> Result<ImageConfig, Error> {
    let name = || format!("config of {what}");
    let config: ImageConfig = serde_json::from_slice(bytes).map_err(|e| Error::malformed(name(), e))?;
    if !matches!(config.os.as_str(), "" | "linux") {
        return Err(Error::Unsupported { what: format!("{what}: operating system {:?}", config.os) });
    }
    if config.rootfs.diff_ids.len() != layers {
        let why = format!("{} diff ids for {layers} layers", config.rootfs.diff_ids.len());
        return Err(Error::malformed(name(), why));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: &str) -> String {
        format!(r#"{{"mediaType":"{kind}","digest":"{}","size":1}}"#, Digest::of(b"x"))
    }

    fn image(config: &str, layer: &str) -> String {
        format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, descriptor(config), descriptor(layer))
    }

    #[test]
    fn refuses_what_is_no_image() {
        let limits = Limits::default();
        let both = format!(r#"{{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}}"#, descriptor(OCI_CONFIG));
        for (text, expect) in [
            (image("application/vnd.cncf.helm.config.v1+json", OCI_LAYER), "no container image"),
            (image(OCI_CONFIG, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "foreign layer"),
            (image(OCI_CONFIG, "application/vnd.oci.image.layer.nondistributable.v1.tar"), "foreign layer"),
            (image(OCI_CONFIG, "text/plain"), "layer media type"),
            (r#"{"schemaVersion":1}"#.to_owned(), "schema version 1"),
            (r#"{"schemaVersion":2,"mediaType":"a/b"}"#.to_owned(), "manifest media type"),
            ("<html>".to_owned(), "expected value"),
            (both, "both an image and an index"),
        ] {
            let error = parse("x", text.as_bytes(), &limits).expect_err(&text).to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
        let tight = Limits { layers_count: 0, ..Limits::default() };
        let error = parse("x", image(OCI_CONFIG, OCI_LAYER).as_bytes(), &tight).expect_err("too many");
        assert!(error.to_string().contains("layers_count = 0"), "{error}");
    }

    #[test]
    fn reads_nulls_as_empty() {
        let text = r#"{"os":"linux","config":{"Env":null,"Cmd":["a"],"Labels":null},"rootfs":{"type":"layers","diff_ids":null}}"#;
        let config = parse_config("x", text.as_bytes(), 0).unwrap();
        assert_eq!(config.config.cmd, ["a"]);
        assert!(parse_config("x", text.as_bytes(), 1).is_err());
    }
}
