//! A chart repository over HTTP: its index and its archives, with bounds on both.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;

use crate::charts::credentials::Login;
use crate::charts::error::Error;

/// Bytes of an index.
pub const INDEX_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a packed chart; helm keeps a release in a Secret of 1 MiB, so that real ones are far below.
pub const ARCHIVE_BYTES_MAX: u64 = 32 << 20;
/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// How long nothing may come.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// A client for chart repositories.
pub struct Repositories {
    client: reqwest::Client,
    login: Login,
}

impl Repositories {
    /// A client that shows a login to the hosts it asks.
    ///
    /// # Errors
    /// The machine has no certificates to trust.
    pub fn new(login: Login) -> Result<Repositories, Error> {
        // Whoever comes first installs it; a second time is no fault. Commands on charts come before everything else.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > REDIRECTS_MAX {
                return attempt.error("more than redirects = 10");
            }
            let was_tls = attempt.previous().last().is_some_and(|before| before.scheme() == "https");
            if was_tls && attempt.url().scheme() != "https" {
                return attempt.error("redirect from https to http");
            }
            attempt.follow()
        });
        let client = reqwest::Client::builder()
            .user_agent(concat!("masthead/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .redirect(redirects)
            .build();
        let client = client.map_err(|e| Error::Fetch { url: "https".to_owned(), why: e.to_string() })?;
        Ok(Repositories { client, login })
    }

    /// The index of a repository.
    ///
    /// # Errors
    /// The address is none, the server refuses, or the index is too large.
    pub async fn index(&self, repository: &str) -> Result<Bytes, Error> {
        let url = address(&format!("{}/index.yaml", repository.trim_end_matches('/')))?;
        self.get(url, "index_bytes", INDEX_BYTES_MAX).await
    }

    /// A packed chart; a relative URL is that of the repository.
    ///
    /// # Errors
    /// The address is none, the server refuses, or the archive is too large.
    pub async fn archive(&self, url: &str) -> Result<Bytes, Error> {
        self.get(address(url)?, "archive_bytes", ARCHIVE_BYTES_MAX).await
    }

    async fn get(&self, url: Url, limit: &'static str, bound: u64) -> Result<Bytes, Error> {
        let shown = shown(&url);
        let fault = |why: String| Error::Fetch { url: shown.clone(), why };
        let mut request = self.client.get(url.clone());
        if let Some((user, password)) = &self.login.given {
            request = request.basic_auth(user, Some(password));
        }
        let mut response = request.send().await.map_err(|e| fault(words(&e)))?;
        if !response.status().is_success() {
            return Err(fault(format!("the server answers {}", response.status())));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| fault(words(&e)))? {
            body.extend_from_slice(&piece);
            if body.len() as u64 > bound {
                return Err(Error::Limit { url: shown, limit, bound });
            }
        }
        Ok(body.into())
    }
}

/// Where an archive is that an index names.
///
/// # Errors
/// Neither the one nor the other is an address.
pub fn resolve(repository: &str, url: &str) -> Result<String, Error> {
    let base = address(&format!("{}/", repository.trim_end_matches('/')))?;
    let joined = base.join(url).map_err(|e| Error::Address { url: url.to_owned(), why: e.to_string() })?;
    Ok(joined.into())
}

/// An address that may be fetched: https, and http where somebody wrote it.
fn address(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Error::Address { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong("only https://, http:// and oci:// are supported"));
    }
    let host = url.host_str().unwrap_or_default();
    // The address at which clouds hand out a machine's own credentials.
    if host.parse::<IpAddr>().is_ok_and(|ip| matches!(ip, IpAddr::V4(v4) if v4.is_link_local())) {
        return Err(wrong("link-local addresses are not asked for charts"));
    }
    Ok(url)
}

/// Without a password that stands in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // An address that can hold none has none to hide.
    let _ = url.set_password(None);
    url.into()
}

fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_beside_their_index() {
        let check = |repository: &str, url: &str, expect: &str| {
            assert_eq!(resolve(repository, url).unwrap(), expect);
        };
        check("https://x.org/charts", "a-1.tgz", "https://x.org/charts/a-1.tgz");
        check("https://x.org/charts/", "sub/a-1.tgz", "https://x.org/charts/sub/a-1.tgz");
        check("https://x.org/charts", "https://y.org/a.tgz", "https://y.org/a.tgz");
    }

    #[test]
    fn only_what_may_be_asked_is() {
        for bad in ["file:///etc/passwd", "ftp://x/a", "nonsense", "http://169.254.169.254/latest"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(address("http://127.0.0.1:8080/index.yaml").is_ok());
        assert_eq!(shown(&Url::parse("https://u:p@x/").unwrap()), "https://u@x/");
    }
}
