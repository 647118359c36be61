//! A chart repository over HTTP: its index and its archives, with bounds on both, and its login shown to nobody else.

use std::sync::Mutex;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Url};

use crate::charts::access::{Access, Times, Tls, address, is_same_server, shown, words};
use crate::charts::error::Error;

/// Bytes of an index.
pub const INDEX_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a packed chart; helm keeps a release in a Secret of 1 MiB, so that real ones are far below.
pub const ARCHIVE_BYTES_MAX: u64 = 32 << 20;
/// Bytes of a signature.
pub const PROVENANCE_BYTES_MAX: u64 = 1 << 20;

/// Characters of a server's words that are passed on.
const SHOWN_MAX: usize = 200;

/// HTTP clients, one for each way to check servers.
#[derive(Default)]
pub struct Clients {
    times: Times,
    built: Mutex<Vec<(Tls, bool, Client)>>,
}

impl Clients {
    /// With other bounds on waiting.
    pub fn new(times: Times) -> Clients {
        Clients { times, built: Mutex::default() }
    }

    fn client(&self, tls: &Tls, is_http: bool) -> Result<Client, Error> {
        let mut built = self.built.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((.., client)) = built.iter().find(|(known, http, _)| known == tls && *http == is_http) {
            return Ok(client.clone());
        }
        let client = tls.client(&self.times, is_http)?;
        built.push((tls.clone(), is_http, client.clone()));
        Ok(client)
    }
}

/// One repository, as it is asked.
pub struct Repository<'c> {
    clients: &'c Clients,
    /// Whose login it is; none for the URL of a chart that belongs to no repository.
    home: Option<Url>,
    access: Access,
}

impl<'c> Repository<'c> {
    /// The repository at a URL.
    ///
    /// # Errors
    /// The URL is none that can be asked.
    pub fn open(clients: &'c Clients, url: &str, access: Access) -> Result<Repository<'c>, Error> {
        Ok(Repository { clients, home: Some(address(&format!("{}/", url.trim_end_matches('/')))?), access })
    }

    /// Archives by their own URLs; a login is shown to each.
    pub fn nowhere(clients: &'c Clients, access: Access) -> Repository<'c> {
        Repository { clients, home: None, access }
    }

    /// Its index.
    ///
    /// # Errors
    /// The server refuses, what comes is a web page, or it is too large.
    pub async fn index(&self) -> Result<Bytes, Error> {
        let Some(home) = &self.home else {
            let why = "it is no repository".to_owned();
            return Err(Error::Address { url: String::new(), why });
        };
        let mut url = home.clone();
        // A query of the repository's URL goes with everything below it.
        url.set_path(&format!("{}index.yaml", home.path()));
        self.get(url, "index_bytes", INDEX_BYTES_MAX).await
    }

    /// Where an archive is that the index names.
    ///
    /// # Errors
    /// It is no address that may be asked.
    pub fn resolve(&self, url: &str) -> Result<String, Error> {
        let Some(home) = &self.home else { return Ok(address(url)?.into()) };
        let wrong = |why: String| Error::Address { url: url.to_owned(), why };
        let mut joined = home.join(url).map_err(|e| wrong(e.to_string()))?;
        // A relative one has the repository's query.
        if Url::parse(url).is_err() {
            joined.set_query(home.query());
        }
        Ok(address(joined.as_str())?.into())
    }

    /// A packed chart.
    ///
    /// # Errors
    /// The server refuses, or the archive is too large.
    pub async fn archive(&self, url: &str) -> Result<Bytes, Error> {
        self.get(address(url)?, "archive_bytes", ARCHIVE_BYTES_MAX).await
    }

    /// The signature beside an archive.
    ///
    /// # Errors
    /// There is none.
    pub async fn provenance(&self, url: &str) -> Result<Bytes, Error> {
        self.get(address(&format!("{url}.prov"))?, "provenance_bytes", PROVENANCE_BYTES_MAX).await
    }

    async fn get(&self, url: Url, limit: &'static str, bound: u64) -> Result<Bytes, Error> {
        let shown = shown(&url);
        let fault = |why: String| Error::Fetch { url: shown.clone(), why };
        let is_ours = self.home.as_ref().is_none_or(|home| is_same_server(home, &url));
        let mut request = self.clients.client(&self.access.tls, url.scheme() == "http")?.get(url);
        // Whoever writes an index could else send us with a password to wherever he likes.
        if let Some((user, password)) = self.access.login.as_ref().filter(|_| is_ours || self.access.pass_credentials) {
            request = request.basic_auth(user, Some(password));
        }
        let mut response = request.send().await.map_err(|e| fault(words(&e)))?;
        if response.status().is_redirection() {
            // To what is no HTTP, or to nowhere.
            let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            let to: String = to.chars().take(SHOWN_MAX).collect();
            return Err(fault(format!("redirected and not followed, to {to:?}")));
        }
        if !response.status().is_success() {
            return Err(fault(format!("the server answers {}", response.status())));
        }
        let too_large = || Error::Limit { url: shown.clone(), limit, bound };
        if response.content_length().is_some_and(|length| length > bound) {
            return Err(too_large());
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let says_html = kind.starts_with("text/html");
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|e| fault(words(&e)))? {
            body.extend_from_slice(&piece);
            if body.len() as u64 > bound {
                return Err(too_large());
            }
        }
        if is_html(&body, says_html) {
            return Err(fault("a web page came, as of a login or of a site that has moved".to_owned()));
        }
        Ok(body.into())
    }
}

/// Whether a body is a web page. What a server calls its answer is not to be relied on either way.
fn is_html(body: &[u8], says_so: bool) -> bool {
    let start = body.trim_ascii_start();
    let begins = |tag: &[u8]| start.len() >= tag.len() && start[..tag.len()].eq_ignore_ascii_case(tag);
    begins(b"<!doctype html") || begins(b"<html") || (says_so && start.starts_with(b"<"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_beside_their_index() {
        let clients = Clients::default();
        let check = |repository: &str, url: &str, expect: &str| {
            let repository = Repository::open(&clients, repository, Access::default()).unwrap();
            assert_eq!(repository.resolve(url).unwrap(), expect);
        };
        check("https://x.org/charts", "a-1.tgz", "https://x.org/charts/a-1.tgz");
        check("https://x.org/charts/", "sub/a-1.tgz", "https://x.org/charts/sub/a-1.tgz");
        check("https://x.org/charts", "https://y.org/a.tgz", "https://y.org/a.tgz");
        check("https://x.org/charts", "../a.tgz", "https://x.org/a.tgz");
        check("https://x.org/charts", "../../../../etc/passwd", "https://x.org/etc/passwd");
    }

    #[test]
    fn an_index_can_not_lead_out_of_the_network() {
        let clients = Clients::default();
        let repository = Repository::open(&clients, "https://x.org/charts", Access::default()).unwrap();
        for bad in ["file:///etc/passwd", "gopher://x/", "//169.254.169.254/x", "data:,x", "oci://x.org/a"] {
            assert!(repository.resolve(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn web_pages_are_known() {
        for page in ["<!DOCTYPE html>", "\n <HTML lang=en>"] {
            assert!(is_html(page.as_bytes(), false), "{page}");
        }
        assert!(is_html(b"<body>", true) && !is_html(b"<body>", false));
        assert!(!is_html(b"apiVersion: v1", true), "a server that knows no better type");
    }
}
