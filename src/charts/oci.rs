//! Charts in OCI registries, as helm keeps them: a manifest with the chart's metadata as config and its archive as layer.

use bytes::Bytes;
use masthead_agent::images::digest::Digest;
use masthead_agent::images::error::Error as Registry;
use masthead_agent::images::manifest::{Descriptor, OCI_MANIFEST};
use masthead_agent::images::reference::Reference;
use masthead_agent::images::registry::{Connector, Session};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::charts::access::Times;
use crate::charts::credentials::Login;
use crate::charts::error::Error;
use crate::charts::repository::{ARCHIVE_BYTES_MAX, PROVENANCE_BYTES_MAX};

/// The media type of a chart's metadata.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of a packed chart.
const ARCHIVE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What charts were before their media type was registered; helm still takes it.
const ARCHIVE_OLD: &str = "application/tar+gzip";
/// The media type of a provenance file.
pub const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

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
    times: Times,
}

impl Place {
    /// The place of `oci://HOST/PATH`, the chart's name being its last part. Plain HTTP is spoken to this machine, and where
    /// `plain_http` says so.
    ///
    /// # Errors
    /// It is no such address.
    pub fn open(url: &str, login: &Login, plain_http: bool, times: Times) -> Result<Place, Error> {
        let wrong = |why: String| Error::Address { url: url.to_owned(), why };
        let text = url.strip_prefix("oci://").ok_or_else(|| wrong("it does not begin with oci://".to_owned()))?;
        // Without a host a reference would be one of Docker's own registry.
        if !text.split('/').next().is_some_and(|host| host.contains(['.', ':']) || host == "localhost") {
            return Err(wrong("it names no host".to_owned()));
        }
        let reference = Reference::parse(text).map_err(|e| wrong(e.to_string()))?;
        let credentials = login.of(&reference);
        let insecure = if plain_http { vec![reference.host().to_owned()] } else { Vec::new() };
        let session = Connector::new(insecure).session(&reference, credentials);
        let session = session.map_err(|source| failed(url, source))?;
        Ok(Place { session, shown: url.to_owned(), times })
    }

    /// A registry may trickle for ever; then this says so.
    async fn in_time<T>(&self, shown: &str, work: impl Future<Output = Result<T, Registry>>) -> Result<T, Error> {
        match tokio::time::timeout(self.times.whole, work).await {
            Ok(done) => done.map_err(|source| failed(shown, source)),
            Err(_) => Err(Error::Fetch { url: shown.to_owned(), why: "no answer in time".to_owned() }),
        }
    }

    /// The versions there are, the newest first. Registries allow no `+` in a tag, so helm writes `_`.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn versions(&self) -> Result<Vec<String>, Error> {
        let tags = self.in_time(&self.shown, self.session.tags()).await?;
        Ok(tags.into_iter().map(|tag| tag.replace('_', "+")).collect())
    }

    /// The digest of the manifest of a tag.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn digest(&self, tag: &str) -> Result<Digest, Error> {
        let (digest, _) =
            self.in_time(&self.shown, self.session.manifest(&tag.replace('+', "_"), MANIFEST_BYTES_MAX)).await?;
        Ok(digest)
    }

    /// The chart of a version, or of the digest of a manifest.
    ///
    /// # Errors
    /// The registry refuses, or what it has is no chart.
    pub async fn pull(&self, version_or_digest: &str) -> Result<Pulled, Error> {
        let (tag, shown) = match version_or_digest.contains(':') {
            true => (version_or_digest.to_owned(), format!("{}@{version_or_digest}", self.shown)),
            false => (version_or_digest.replace('+', "_"), format!("{}:{version_or_digest}", self.shown)),
        };
        let (digest, body) = self.in_time(&shown, self.session.manifest(&tag, MANIFEST_BYTES_MAX)).await?;
        let no_chart = |why: &str| Error::Fetch { url: shown.clone(), why: why.to_owned() };
        let manifest: Manifest = serde_json::from_slice(&body).map_err(|_| no_chart("is no artifact of a chart"))?;
        if manifest.config.media_type != CONFIG {
            return Err(no_chart(&format!("is a {}, not a chart", manifest.config.media_type)));
        }
        let layer = |kind: &str| manifest.layers.iter().find(|layer| layer.media_type == kind);
        let archive = layer(ARCHIVE).or_else(|| layer(ARCHIVE_OLD));
        let archive = archive.ok_or_else(|| no_chart("has no layer with a chart"))?;
        let archive = self.layer(&shown, archive, "archive_bytes", ARCHIVE_BYTES_MAX).await?;
        let provenance = match layer(PROVENANCE) {
            Some(layer) => Some(self.layer(&shown, layer, "provenance_bytes", PROVENANCE_BYTES_MAX).await?),
            None => None,
        };
        Ok(Pulled { manifest: digest, archive, provenance })
    }

    /// A layer, which has to be as large as its manifest says.
    async fn layer(&self, shown: &str, layer: &Descriptor, limit: &'static str, bound: u64) -> Result<Bytes, Error> {
        let size = layer.size;
        if size > bound {
            return Err(Error::Limit { url: format!("{shown} ({})", layer.digest), limit, bound });
        }
        let lie = |has: &str| Error::Fetch {
            url: shown.to_owned(),
            why: format!("its manifest says that {} has {size} bytes, and it has {has}", layer.digest),
        };
        match self.in_time(shown, self.session.config(&layer.digest, size)).await {
            Ok(body) if body.len() as u64 == size => Ok(body),
            Ok(body) => Err(lie(&body.len().to_string())),
            Err(Error::Registry { source, .. }) if matches!(*source, Registry::Limit { .. }) => Err(lie("more")),
            Err(other) => Err(other),
        }
    }

    /// Writes a packed chart under its version; gives the digest of the manifest. The same chart gives the same digest.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn push(
        self,
        version: &str,
        metadata: &Value,
        archive: Bytes,
        provenance: Option<Bytes>,
    ) -> Result<Digest, Error> {
        let Place { session, shown, .. } = self;
        let session = session.writing();
        let failed = |source| failed(&shown, source);
        let config = Bytes::from(metadata.to_string());
        let mut layers = vec![(ARCHIVE, archive)];
        layers.extend(provenance.map(|provenance| (PROVENANCE, provenance)));
        // Helm's order.
        layers.sort_by_key(|(_, body)| Digest::of(body).to_string());
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
fn annotations(metadata: &Value) -> Value {
    const PREFIX: &str = "org.opencontainers.image.";
    let mut out = serde_json::Map::new();
    let mut put = |key: &str, text: &str| {
        if !text.trim().is_empty() {
            out.insert(key.to_owned(), text.into());
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (field, key) in [("name", "title"), ("version", "version"), ("description", "description"), ("home", "url")] {
        put(&format!("{PREFIX}{key}"), &text(&metadata[field]));
    }
    put(&format!("{PREFIX}source"), &text(&metadata["sources"][0]));
    let maintainers = metadata["maintainers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let authors = maintainers.iter().map(|one| match text(&one["email"]).as_str() {
        "" => text(&one["name"]),
        email => format!("{} ({email})", text(&one["name"])),
    });
    put(&format!("{PREFIX}authors"), &authors.collect::<Vec<_>>().join(", "));
    // What it is, is not for a chart's own annotations to say.
    let fixed = [format!("{PREFIX}title"), format!("{PREFIX}version")];
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        if !fixed.contains(key) {
            out.insert(key.clone(), text(value).into());
        }
    }
    out.into()
}

/// A registry's refusal. Its own words name a tag that nobody asked for.
fn failed(shown: &str, source: Registry) -> Error {
    let told = |why: String| Error::Fetch { url: shown.to_owned(), why };
    match source {
        Registry::NotFound { .. } => told("not found".to_owned()),
        Registry::Unauthorized { detail, .. } => told(format!("access denied: {detail}")),
        source => Error::Registry { reference: shown.to_owned(), source: Box::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_helms_without_the_time() {
        let metadata = json!({
            "name": "a", "version": "1.0.0", "home": "https://x", "sources": ["https://s", "https://t"],
            "maintainers": [{"name": "Ann", "email": "a@x"}, {"name": "Bob"}],
            "annotations": {"org.opencontainers.image.title": "other", "org.opencontainers.image.url": "https://own", "k": ""},
        });
        let expect = json!({
            "org.opencontainers.image.title": "a",
            "org.opencontainers.image.version": "1.0.0",
            "org.opencontainers.image.url": "https://own",
            "org.opencontainers.image.source": "https://s",
            "org.opencontainers.image.authors": "Ann (a@x), Bob",
            "k": "",
        });
        assert_eq!(annotations(&metadata), expect);
    }

    #[test]
    fn a_place_names_its_host() {
        let open =
            |url: &str| Place::open(url, &Login::default(), false, Times::default()).err().map(|e| e.to_string());
        assert_eq!(open("oci://127.0.0.1:5000/charts/a"), None);
        assert!(open("oci://charts/a").is_some_and(|why| why.contains("names no host")));
        assert!(open("https://x.io/a").is_some());
    }
}
