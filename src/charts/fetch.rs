//! What a Release or a command asks for → the version that answers, and a pinned version → its archive, checked.

use std::collections::HashMap;
use std::path::PathBuf;

use bytes::Bytes;
use masthead_agent::images::digest::Digest;
use masthead_chart::archive;
use masthead_sprig::semver::version;
use tokio::sync::Mutex;

use crate::charts::access::{Access, Times};
use crate::charts::credentials::Login;
use crate::charts::error::Error;
use crate::charts::helm::{self, Places};
use crate::charts::index;
use crate::charts::lock::{Asked, Locked};
use crate::charts::oci::{Place, Pulled};
use crate::charts::provenance::{self, Verified};
use crate::charts::reference::Reference;
use crate::charts::repository::{Clients, Repository};
use crate::charts::store::Store;

/// Why flags about certificates do not go with registries.
pub const NO_TLS_FLAGS: &str = "certificates of registries are checked as the system does: --ca-file, --cert-file, --key-file and --insecure-skip-tls-verify are for HTTP repositories; put the authority into the system's trust store";

/// What is done about signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Nothing.
    #[default]
    Never,
    /// They are fetched and not looked at.
    Later,
    /// Where there is one it has to be good by this keyring.
    IfThere(PathBuf),
    /// There has to be a good one by this keyring.
    Always(PathBuf),
}

/// How charts are fetched, beyond names and passwords for registries.
#[derive(Clone, Default)]
pub struct Options {
    /// For repositories that helm's list does not name.
    pub access: Access,
    /// Whether registries are spoken to without TLS.
    pub plain_http: bool,
    /// Where helm keeps what it knows of repositories.
    pub places: Places,
    /// What is done about signatures.
    pub check: Check,
    /// How long servers may take.
    pub times: Times,
}

/// A chart that has been fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What was found.
    pub locked: Locked,
    /// The archive.
    pub archive: Bytes,
    /// What helm calls its file.
    pub file: String,
    /// The signature, where it was fetched.
    pub provenance: Option<Bytes>,
    /// Who signed it, where that was checked.
    pub verified: Option<Verified>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// `HOST/PATH:TAG` and the digest of the manifest, of a chart from a registry.
    pub pulled: Option<(String, String)>,
}

/// Gets charts from where they are.
pub struct Fetcher {
    login: Login,
    options: Options,
    clients: Clients,
    store: Store,
    /// One repository often has many of the charts that are asked for at a time.
    indexes: Mutex<HashMap<String, Bytes>>,
}

impl Fetcher {
    /// Keeps what it fetches in `store`.
    ///
    /// # Errors
    /// None today: clients are made when they are needed.
    pub fn new(login: Login, store: Store) -> Result<Fetcher, Error> {
        let access = Access { login: login.given.clone(), ..Access::default() };
        let places = Places::of_environment();
        Ok(Fetcher::with(login, store, Options { access, places, ..Options::default() }))
    }

    /// The same, told how to.
    pub fn with(login: Login, store: Store, options: Options) -> Fetcher {
        Fetcher { clients: Clients::new(options.times), login, options, store, indexes: Mutex::default() }
    }

    /// Finds the newest version that fits, and fetches it to know its digest.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn resolve(&self, asked: &Asked) -> Result<(Locked, Bytes), Error> {
        let found = self.fetch(asked).await?;
        Ok((found.locked, found.archive))
    }

    /// The same, with what else is known of it.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn fetch(&self, asked: &Asked) -> Result<Fetched, Error> {
        if asked.repository.starts_with("oci://") {
            let base = format!("{}/{}", asked.repository.trim_end_matches('/'), asked.name);
            return self.in_registry(&Reference::of(base), asked).await;
        }
        self.in_repository(asked, self.access(&asked.repository)?).await
    }

    /// The chart of a name in one of the repositories that helm knows by name.
    ///
    /// # Errors
    /// Any of [`Error`]; there is no repository of that name above all.
    pub async fn fetch_known(&self, repository: &str, chart: &str, version: &str) -> Result<Fetched, Error> {
        let known = self.options.places.known()?;
        let unknown = || Error::UnknownRepository { name: repository.to_owned() };
        let known = helm::by_name(&known, repository).ok_or_else(unknown)?;
        let asked = Asked { repository: known.url.clone(), name: chart.to_owned(), version: version.to_owned() };
        if known.url.starts_with("oci://") {
            return self.fetch(&asked).await;
        }
        self.in_repository(&asked, known.access()).await
    }

    /// The URL that helm's list has for `@NAME` and `alias:NAME`; others as they are.
    ///
    /// # Errors
    /// The list does not read. `None` where it has no such name.
    pub fn unalias(&self, repository: &str) -> Result<Option<String>, Error> {
        let Some(name) = repository.strip_prefix('@').or_else(|| repository.strip_prefix("alias:")) else {
            return Ok(Some(repository.to_owned()));
        };
        let known = self.options.places.known()?;
        Ok(helm::by_name(&known, name).map(|known| known.url.clone()))
    }

    /// The chart at a URL of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn fetch_url(&self, url: &str) -> Result<Fetched, Error> {
        let known = self.options.places.known()?;
        let place = match helm::around(&known, url) {
            Some(known) => Repository::open(&self.clients, &known.url, known.access())?,
            None => Repository::nowhere(&self.clients, self.options.access.clone()),
        };
        let asked = Asked { repository: url.to_owned(), name: String::new(), version: String::new() };
        self.archive(&place, asked, String::new(), url.to_owned(), None).await
    }

    /// The chart of `oci://HOST/PATH/NAME[:TAG][@DIGEST]`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn fetch_reference(&self, reference: &Reference, version: &str) -> Result<Fetched, Error> {
        let (repository, name) = reference.base.rsplit_once('/').unwrap_or((&reference.base, ""));
        let asked = Asked { repository: repository.to_owned(), name: name.to_owned(), version: version.to_owned() };
        self.in_registry(reference, &asked).await
    }

    /// How a repository is asked: as the flags say, else as helm's list says.
    fn access(&self, repository: &str) -> Result<Access, Error> {
        if self.options.access != Access::default() {
            return Ok(self.options.access.clone());
        }
        let known = self.options.places.known()?;
        Ok(helm::by_url(&known, repository).map(helm::Known::access).unwrap_or_default())
    }

    async fn in_repository(&self, asked: &Asked, access: Access) -> Result<Fetched, Error> {
        let place = Repository::open(&self.clients, &asked.repository, access)?;
        let body = self.body(asked, &place).await?;
        let entries = index::entries(&asked.repository, &body, &asked.name)?;
        let version = pick(asked, entries.iter().map(|entry| entry.version.as_str()))?.to_owned();
        let entry = entries.iter().find(|entry| entry.version == version);
        let url = entry.and_then(|entry| entry.urls.first()).ok_or_else(|| Error::Index {
            url: asked.repository.clone(),
            why: format!("it has no URL for {} {version}", asked.name),
        })?;
        if url.starts_with("oci://") {
            // Some indexes only lead to a registry.
            return self.in_registry(&Reference::parse(url)?, &Asked { version, ..asked.clone() }).await;
        }
        let url = place.resolve(url)?;
        let promised = entry.and_then(|entry| entry.digest.clone()).filter(|digest| !digest.is_empty());
        self.archive(&place, asked.clone(), version, url, promised).await
    }

    /// Fetches the index of what is asked, so that nothing else about it has to be.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn index(&self, asked: &Asked) -> Result<(), Error> {
        let place = Repository::open(&self.clients, &asked.repository, self.access(&asked.repository)?)?;
        let body = self.body(asked, &place).await?;
        index::entries(&asked.repository, &body, &asked.name).map(drop)
    }

    /// An index is fetched once.
    async fn body(&self, asked: &Asked, place: &Repository<'_>) -> Result<Bytes, Error> {
        let kept = self.indexes.lock().await.get(&asked.repository).cloned();
        if let Some(body) = kept {
            return Ok(body);
        }
        let body = place.index().await?;
        self.indexes.lock().await.insert(asked.repository.clone(), body.clone());
        Ok(body)
    }

    /// Fetches an archive and its signature, holds them to what is promised, and keeps the archive.
    async fn archive(
        &self,
        place: &Repository<'_>,
        asked: Asked,
        resolved: String,
        url: String,
        promised: Option<String>,
    ) -> Result<Fetched, Error> {
        let archive = place.archive(&url).await?;
        let digest = Digest::of(&archive).to_string();
        if let Some(promised) = promised {
            check(&url, &format!("sha256:{}", promised.trim_start_matches("sha256:")), &digest)?;
        }
        unpacks(&url, &archive)?;
        let file = file_name(&url).unwrap_or_else(|| format!("{}-{resolved}.tgz", asked.name));
        let provenance = match self.options.check {
            Check::Never => Ok(None),
            _ => place.provenance(&url).await.map(Some).map_err(|error| error.to_string()),
        };
        let locked = Locked { asked, resolved, digest, url, verified: String::new() };
        self.signed(
            Fetched { locked, archive, file, provenance: None, verified: None, warnings: Vec::new(), pulled: None },
            provenance,
        )
    }

    async fn in_registry(&self, reference: &Reference, asked: &Asked) -> Result<Fetched, Error> {
        let Reference { base, tag, digest } = reference;
        if !self.options.access.tls.is_plain() {
            return Err(Error::Address { url: reference.to_string(), why: NO_TLS_FLAGS.to_owned() });
        }
        let place = Place::open(base, &self.login, self.options.plain_http, self.options.times)?;
        // Helm writes `_` into tags, and people copy them.
        let tag = tag.replace('_', "+");
        let asked_version = match (asked.version.as_str(), tag.as_str()) {
            ("", tag) => tag,
            (version, "") => version,
            (version, tag) if version == tag => version,
            (version, tag) => {
                let why = format!("chart reference and version mismatch: {version} is not {tag}");
                return Err(Error::Address { url: reference.to_string(), why });
            }
        };
        let (version, pulled) = if let Some(digest) = digest {
            self.by_digest(&place, reference, asked_version, digest).await?
        } else if version::parse(asked_version.as_bytes()).is_ok() {
            // A version as it is needs no list, which some registries do not give.
            (asked_version.to_owned(), place.pull(asked_version).await?)
        } else {
            let versions: Vec<String> = place.versions().await?.into_iter().filter(|tag| is_strict(tag)).collect();
            if versions.is_empty() {
                let why = "Unable to locate any tags in provided repository".to_owned();
                return Err(Error::Fetch { url: base.clone(), why });
            }
            let ranged = Asked { version: asked_version.to_owned(), ..asked.clone() };
            let version = pick(&ranged, versions.iter().map(String::as_str))?.to_owned();
            let pulled = place.pull(&version).await?;
            (version, pulled)
        };
        let Pulled { manifest, archive, provenance } = pulled;
        unpacks(base, &archive)?;
        let shown = base.trim_start_matches("oci://");
        let (file, named) = match digest {
            Some(digest) => (format!("{}@{}.tgz", asked.name, digest.replace(':', "-")), format!("{shown}@{digest}")),
            None => (format!("{}-{version}.tgz", asked.name), format!("{shown}:{}", version.replace('+', "_"))),
        };
        let locked = Locked {
            asked: asked.clone(),
            resolved: version,
            digest: Digest::of(&archive).to_string(),
            url: format!("{base}@{manifest}"),
            verified: String::new(),
        };
        let missing = || format!("manifest does not contain a layer with mediatype {}", crate::charts::oci::PROVENANCE);
        let provenance = match self.options.check {
            Check::Never => Ok(None),
            _ => provenance.map(Some).ok_or_else(missing),
        };
        let pulled = Some((named, manifest.to_string()));
        let found = Fetched { locked, archive, file, provenance: None, verified: None, warnings: Vec::new(), pulled };
        self.signed(found, provenance)
    }

    async fn by_digest(
        &self,
        place: &Place,
        reference: &Reference,
        version: &str,
        digest: &str,
    ) -> Result<(String, Pulled), Error> {
        // The digest is enough; a tag that stands beside it may be gone, but not lead elsewhere.
        if !version.is_empty()
            && let Ok(tagged) = place.digest(version).await
            && tagged.to_string() != *digest
        {
            let why = format!("chart reference digest mismatch: {tagged} is not {digest}");
            return Err(Error::Address { url: reference.to_string(), why });
        }
        let pulled = place.pull(digest).await?;
        let named = match version {
            "" => masthead_chart::load::files(unpacked(&reference.base, &pulled.archive)?, &mut Vec::new())
                .map(|chart| chart.metadata.version)
                .map_err(|why| Error::Fetch { url: reference.to_string(), why })?,
            version => version.to_owned(),
        };
        Ok((named, pulled))
    }

    /// Looks at the signature, as it was asked for, and keeps the archive.
    fn signed(&self, mut found: Fetched, provenance: Result<Option<Bytes>, String>) -> Result<Fetched, Error> {
        let keyring = match (&self.options.check, provenance) {
            (Check::Never, _) => None,
            (Check::Always(_), Err(_)) => {
                let url = &found.locked.url;
                return Err(Error::Provenance(format!("failed to fetch provenance {:?}", format!("{url}.prov"))));
            }
            (_, Err(why)) => {
                let url = &found.locked.url;
                found.warnings.push(format!("WARNING: Verification not found for {url}: {why}"));
                None
            }
            (check, Ok(provenance)) => {
                found.provenance = provenance;
                match check {
                    Check::IfThere(keyring) | Check::Always(keyring) => Some(keyring),
                    Check::Never | Check::Later => None,
                }
            }
        };
        if let (Some(keyring), Some(provenance)) = (keyring, &found.provenance) {
            let verified = provenance::verify(&found.archive, &found.file, provenance, keyring)?;
            found.locked.verified = format!("{} {}", verified.signer.fingerprint, verified.signer.identity);
            found.verified = Some(verified);
        }
        self.store.put(&found.archive)?;
        Ok(found)
    }

    /// The archive of a pinned version: from the store, else from where it was found.
    ///
    /// # Errors
    /// Any of [`Error`]; another digest than the pinned one above all.
    pub async fn pinned(&self, locked: &Locked) -> Result<Bytes, Error> {
        if let Some(kept) = self.store.get(&locked.digest)? {
            return Ok(kept);
        }
        let archive = match locked.url.strip_prefix("oci://").and_then(|rest| rest.split_once('@')) {
            Some((place, manifest)) => {
                let place = format!("oci://{place}");
                let Options { plain_http, times, .. } = self.options;
                Place::open(&place, &self.login, plain_http, times)?.pull(manifest).await?.archive
            }
            None => {
                let repository = &locked.asked.repository;
                let place = Repository::open(&self.clients, repository, self.access(repository)?)?;
                place.archive(&locked.url).await?
            }
        };
        check(&locked.url, &locked.digest, &Digest::of(&archive).to_string())?;
        self.store.put(&archive)?;
        Ok(archive)
    }
}

/// The last part of a URL's path, as helm names the file that it writes; none where that is no name.
fn file_name(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let path = percent_decoded(url.path())?;
    let name = path.trim_end_matches('/').rsplit('/').next()?.to_owned();
    let is_name = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['\0', '\\']);
    is_name.then_some(name)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (*first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            (byte, _) => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

/// Whether a tag is a whole semantic version: registries hold other tags too.
fn is_strict(tag: &str) -> bool {
    let core = tag.split(['-', '+']).next().unwrap_or_default();
    core.split('.').count() == 3
        && core.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && version::parse(tag.as_bytes()).is_ok()
}

fn pick<'v>(asked: &Asked, versions: impl Iterator<Item = &'v str> + Clone) -> Result<&'v str, Error> {
    if let Some(found) = index::newest(versions.clone(), &asked.version)? {
        return Ok(found);
    }
    if versions.clone().next().is_none() {
        return Err(Error::NoChart { name: asked.name.clone(), from: asked.repository.clone() });
    }
    let newest = index::newest(versions, ">=0.0.0-0")?.unwrap_or("none").to_owned();
    Err(Error::NoVersion {
        name: asked.name.clone(),
        from: asked.repository.clone(),
        range: asked.version.clone(),
        newest,
    })
}

fn unpacked(url: &str, bytes: &[u8]) -> Result<Vec<masthead_chart::chart::File>, Error> {
    let wrong = |why: String| Error::Fetch { url: url.to_owned(), why };
    archive::ensure(file_name(url).as_deref().unwrap_or(url), bytes).map_err(wrong)?;
    archive::files_or_name(bytes).map_err(|why| wrong(format!("the archive does not unpack: {why}")))
}

fn unpacks(url: &str, bytes: &[u8]) -> Result<(), Error> {
    unpacked(url, bytes).map(drop)
}

fn check(what: &str, expect: &str, actual: &str) -> Result<(), Error> {
    if expect == actual {
        return Ok(());
    }
    Err(Error::Digest { what: what.to_owned(), expect: expect.to_owned(), actual: actual.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_helm_calls_them() {
        let check = |url: &str, expect: Option<&str>| assert_eq!(file_name(url).as_deref(), expect, "{url}");
        check("https://x/a/demo-1.2.0.tgz", Some("demo-1.2.0.tgz"));
        check("https://x/demo-1.2.0.tgz?token=1", Some("demo-1.2.0.tgz"));
        check("https://x/demo-1.0.0%2Bb1.tgz", Some("demo-1.0.0+b1.tgz"));
        check("https://x/a%2F..%2F..%2Fetc%2Fpasswd", Some("passwd"));
        check("https://x/a%2F..", None);
        check("https://x/", None);
        check("nonsense", None);
    }

    #[test]
    fn tags_that_are_versions() {
        for (tag, expect) in [
            ("1.2.3", true),
            ("1.2.3-rc.1", true),
            ("1.2.3+b.1", true),
            ("v1.2.3", false),
            ("1.2", false),
            ("latest", false),
            ("1.2.3.4", false),
        ] {
            assert_eq!(is_strict(tag), expect, "{tag}");
        }
    }
}
