//! What a Release asks for → the version that answers, and a pinned version → its archive, checked.

use bytes::Bytes;
use masthead_agent::images::digest::Digest;

use crate::charts::credentials::Login;
use crate::charts::error::Error;
use crate::charts::index;
use crate::charts::lock::{Asked, Locked};
use crate::charts::oci::Place;
use crate::charts::repository::{self, Repositories};
use crate::charts::store::Store;

/// Gets charts from where they are.
pub struct Fetcher {
    login: Login,
    repositories: Repositories,
    store: Store,
}

impl Fetcher {
    /// Keeps what it fetches in `store`.
    ///
    /// # Errors
    /// The machine has no certificates to trust.
    pub fn new(login: Login, store: Store) -> Result<Fetcher, Error> {
        Ok(Fetcher { repositories: Repositories::new(login.clone())?, login, store })
    }

    /// Finds the newest version that fits, and fetches it to know its digest.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn resolve(&self, asked: &Asked) -> Result<(Locked, Bytes), Error> {
        if asked.repository.starts_with("oci://") {
            return self.resolve_oci(asked).await;
        }
        let body = self.repositories.index(&asked.repository).await?;
        let entries = index::entries(&asked.repository, &body, &asked.name)?;
        let version = pick(asked, entries.iter().map(|entry| entry.version.as_str()))?;
        let entry = entries.iter().find(|entry| entry.version == version);
        let url = entry.and_then(|entry| entry.urls.first()).ok_or_else(|| Error::Index {
            url: asked.repository.clone(),
            why: format!("it has no URL for {} {version}", asked.name),
        })?;
        let url = repository::resolve(&asked.repository, url)?;
        let archive = self.repositories.archive(&url).await?;
        let digest = Digest::of(&archive).to_string();
        let promised = entry.and_then(|entry| entry.digest.as_deref()).filter(|digest| !digest.is_empty());
        if let Some(promised) = promised {
            check(&url, &format!("sha256:{}", promised.trim_start_matches("sha256:")), &digest)?;
        }
        self.store.put(&archive)?;
        Ok((Locked { asked: asked.clone(), resolved: version.to_owned(), digest, url }, archive))
    }

    async fn resolve_oci(&self, asked: &Asked) -> Result<(Locked, Bytes), Error> {
        let base = format!("{}/{}", asked.repository.trim_end_matches('/'), asked.name);
        let place = Place::open(&base, &self.login)?;
        let versions = place.versions().await?;
        let version = pick(asked, versions.iter().map(String::as_str))?;
        let pulled = place.pull(version).await?;
        let digest = self.store.put(&pulled.archive)?;
        let url = format!("{base}@{}", pulled.manifest);
        Ok((Locked { asked: asked.clone(), resolved: version.to_owned(), digest, url }, pulled.archive))
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
                Place::open(&format!("oci://{place}"), &self.login)?.pull(manifest).await?.archive
            }
            None => self.repositories.archive(&locked.url).await?,
        };
        check(&locked.url, &locked.digest, &Digest::of(&archive).to_string())?;
        self.store.put(&archive)?;
        Ok(archive)
    }
}

fn pick<'v>(asked: &Asked, versions: impl Iterator<Item = &'v str> + Clone) -> Result<&'v str, Error> {
    if let Some(found) = index::newest(versions.clone(), &asked.version)? {
        return Ok(found);
    }
    let newest = index::newest(versions, ">=0.0.0-0")?.unwrap_or("none").to_owned();
    Err(Error::NoVersion {
        name: asked.name.clone(),
        from: asked.repository.clone(),
        range: asked.version.clone(),
        newest,
    })
}

fn check(what: &str, expect: &str, actual: &str) -> Result<(), Error> {
    if expect == actual {
        return Ok(());
    }
    Err(Error::Digest { what: what.to_owned(), expect: expect.to_owned(), actual: actual.to_owned() })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;

    /// A chart repository with one archive, whose index promises `digest` of it.
    async fn repository(archive: &'static [u8], digest: String) -> String {
        let index = format!(
            "entries:\n  demo:\n  - version: 1.2.0\n    digest: {digest}\n    urls: [demo-1.2.0.tgz]\n  - version: 2.0.0-rc.1\n    urls: [x.tgz]\n"
        );
        let routes = Router::new()
            .route("/index.yaml", get(move || async move { index }))
            .route("/demo-1.2.0.tgz", get(move || async move { archive }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}")
    }

    fn asked(repository: &str, version: &str) -> Asked {
        Asked { repository: repository.to_owned(), name: "demo".to_owned(), version: version.to_owned() }
    }

    #[tokio::test]
    async fn a_chart_is_found_pinned_and_fetched_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let fetcher = || Fetcher::new(Login::default(), Store::new(folder.path().join("charts"))).expect("a fetcher");
        let digest = Digest::of(b"packed").to_string();
        let url = repository(b"packed", digest.trim_start_matches("sha256:").to_owned()).await;
        let (locked, archive) = fetcher().resolve(&asked(&url, "^1")).await.expect("found");
        assert_eq!((locked.resolved.as_str(), &locked.digest, &archive[..]), ("1.2.0", &digest, &b"packed"[..]));
        assert_eq!(locked.url, format!("{url}/demo-1.2.0.tgz"));
        // Kept: the place may be gone.
        let moved = Locked { url: "http://127.0.0.1:1/gone.tgz".to_owned(), ..locked.clone() };
        assert_eq!(&fetcher().pinned(&moved).await.expect("kept")[..], b"packed");
        let other = Locked { digest: Digest::of(b"other").to_string(), ..locked };
        assert!(matches!(fetcher().pinned(&other).await, Err(Error::Digest { .. })));
        let none = fetcher().resolve(&asked(&url, ">=3")).await.expect_err("none fits").to_string();
        assert!(none.contains("the newest is 2.0.0-rc.1"), "{none}");
    }

    #[tokio::test]
    async fn what_is_not_as_promised_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let fetcher = Fetcher::new(Login::default(), Store::new(folder.path().join("charts"))).expect("a fetcher");
        let url = repository(b"packed", "0a".repeat(32)).await;
        assert!(matches!(fetcher.resolve(&asked(&url, "")).await, Err(Error::Digest { .. })));
        assert!(!folder.path().join("charts").exists(), "kept all the same");
        let gone = fetcher.resolve(&asked("http://127.0.0.1:1", "")).await.expect_err("nobody").to_string();
        assert!(gone.starts_with("http://127.0.0.1:1/index.yaml: "), "{gone}");
    }
}
