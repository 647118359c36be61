//! Charts in OCI registries, as helm keeps them: a manifest with the chart's metadata as config and its archive as layer.

use bytes::Bytes;
use masthead_agent::images::digest::Digest;
use masthead_agent::images::manifest::{Descriptor, OCI_MANIFEST};
use masthead_agent::images::reference::Reference;
use masthead_agent::images::registry::{Connector, Session};
use serde::Deserialize;
use serde_json::json;

use crate::charts::credentials::Login;
use crate::charts::error::Error;
use crate::charts::repository::ARCHIVE_BYTES_MAX;

/// The media type of a chart's metadata.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of a packed chart.
const ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The media type of a provenance file.
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a provenance file.
const PROVENANCE_BYTES_MAX: u64 = 1 << 20;

/// A chart as a registry holds it.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The archive.
    pub archive: Bytes,
    /// The signature over it, when there is one.
    pub provenance: Option<Bytes>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// A chart's place in a registry.
pub struct Place {
    session: Session,
    shown: String,
}

impl Place {
    /// The place of `oci://HOST/PATH`, the chart's name being its last part.
    ///
    /// # Errors
    /// It is no such address.
    pub fn open(url: &str, login: &Login) -> Result<Place, Error> {
        let wrong = |why: String| Error::Address { url: url.to_owned(), why };
        let text = url.strip_prefix("oci://").ok_or_else(|| wrong("it does not begin with oci://".to_owned()))?;
        // Without a host a reference would be one of Docker's own registry.
        if !text.split('/').next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost") {
            return Err(wrong("it names no host".to_owned()));
        }
        let reference = Reference::parse(text).map_err(|e| wrong(e.to_string()))?;
        let credentials = login.of(&reference);
        let session = Connector::new(Vec::new()).session(&reference, credentials);
        let session = session.map_err(|source| failed(url, source))?;
        Ok(Place { session, shown: url.to_owned() })
    }

    /// The versions there are. Registries allow no `+` in a tag, so helm writes `_`.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn versions(&self) -> Result<Vec<String>, Error> {
        let tags = self.session.tags().await.map_err(|source| failed(&self.shown, source))?;
        Ok(tags.into_iter().map(|tag| tag.replace('_', "+")).collect())
    }

    /// The chart of a version, or of the digest of a manifest.
    ///
    /// # Errors
    /// The registry refuses, or what it has is no chart.
    pub async fn pull(&self, version_or_digest: &str) -> Result<Pulled, Error> {
        let tag = if version_or_digest.contains(':') {
            version_or_digest.to_owned()
        } else {
            version_or_digest.replace('+', "_")
        };
        let failed = |source| failed(&self.shown, source);
        let (digest, body) = self.session.manifest(&tag, MANIFEST_BYTES_MAX).await.map_err(failed)?;
        let no_chart = |why: &str| Error::Fetch { url: format!("{}:{tag}", self.shown), why: why.to_owned() };
        let manifest: Manifest = serde_json::from_slice(&body).map_err(|_| no_chart("is no artifact of a chart"))?;
        if manifest.config.media_type != CONFIG {
            return Err(no_chart(&format!("is a {}, not a chart", manifest.config.media_type)));
        }
        let layer = |kind: &str| manifest.layers.iter().find(|layer| layer.media_type == kind);
        let layer_of_chart = layer(ARCHIVE).ok_or_else(|| no_chart("has no layer with a chart"))?;
        let archive = self.session.config(&layer_of_chart.digest, ARCHIVE_BYTES_MAX).await.map_err(failed)?;
        let provenance = match layer(PROVENANCE) {
            Some(layer) => Some(self.session.config(&layer.digest, PROVENANCE_BYTES_MAX).await.map_err(failed)?),
            None => None,
        };
        Ok(Pulled { manifest: digest, archive, provenance })
    }

    /// Writes a packed chart under its version; gives the digest of the manifest. The same chart gives the same digest.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn push(
        self,
        version: &str,
        metadata: &serde_json::Value,
        archive: Bytes,
        provenance: Option<Bytes>,
    ) -> Result<Digest, Error> {
        let Place { session, shown } = self;
        let session = session.writing();
        let failed = |source| failed(&shown, source);
        let config = Bytes::from(metadata.to_string());
        let mut layers = vec![(ARCHIVE, archive)];
        layers.extend(provenance.map(|provenance| (PROVENANCE, provenance)));
        let mut named = Vec::new();
        for (kind, body) in &layers {
            let digest = Digest::of(body);
            session.push_blob(&digest, body.clone()).await.map_err(failed)?;
            named.push(json!({ "mediaType": kind, "digest": digest.to_string(), "size": body.len() }));
        }
        let config_digest = Digest::of(&config);
        session.push_blob(&config_digest, config.clone()).await.map_err(failed)?;
        let manifest = json!({
            "schemaVersion": 2,
            "config": { "mediaType": CONFIG, "digest": config_digest.to_string(), "size": config.len() },
            "layers": named,
            "annotations": annotations(metadata),
        });
        let manifest = Bytes::from(manifest.to_string());
        session.push_manifest(&version.replace('+', "_"), OCI_MANIFEST, manifest).await.map_err(failed)
    }
}

/// Helm's annotations that come from the chart itself; not the time, so that the same chart has the same digest.
fn annotations(metadata: &serde_json::Value) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    for (field, key) in [("name", "title"), ("version", "version"), ("description", "description"), ("home", "url")] {
        if let Some(text) = metadata.get(field).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty()) {
            out.insert(format!("org.opencontainers.image.{key}"), text.into());
        }
    }
    out.into()
}

fn failed(shown: &str, source: masthead_agent::images::error::Error) -> Error {
    Error::Registry { reference: shown.to_owned(), source: Box::new(source) }
}
