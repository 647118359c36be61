//! Talks the OCI distribution protocol to one registry for one pull: manifests in memory, blobs to a file.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, mpsc};

use crate::images::auth::Credentials;
use crate::images::challenge::{self, Challenge};
use crate::images::digest::Digest;
use crate::images::error::{Context, Error};
use crate::images::manifest;
use crate::images::reference::Reference;

/// What is asked for to read.
const PULL: &str = "pull";
/// What is asked for to read and write.
const PUSH: &str = "pull,push";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence in the middle of a body (containerd's `image_pull_progress_timeout` is of this order).
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const REDIRECTS_MAX: usize = 10;
/// Bytes of an error body or of a token server's answer that are read.
const ANSWER_MAX: usize = 64 << 10;
/// Characters of an error body that are passed on.
const DETAIL_MAX: usize = 512;
/// Chunks between the network and the disk.
const CHUNKS_IN_FLIGHT: usize = 16;

/// HTTP clients shared by all pulls, and the registries that may be spoken to without TLS.
#[derive(Debug, Clone)]
pub struct Connector {
    insecure: Arc<Vec<String>>,
    plain: Arc<OnceLock<Result<reqwest::Client, String>>>,
    tls: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

/// One pull's dealings with a registry.
pub struct Session {
    pub(in crate::images) client: reqwest::Client,
    pub(in crate::images) base: String,
    reference: Reference,
    credentials: Option<Credentials>,
    /// The `Authorization` header the registry has accepted or is about to see.
    token: Mutex<Option<HeaderValue>>,
    /// What a token is asked for when the registry does not say.
    actions: &'static str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Connector {
    /// `insecure` lists hosts (with port, as in image names) that may be reached by plain HTTP.
    pub fn new(insecure: Vec<String>) -> Self {
        // Whoever comes first installs it; a second time is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { insecure: Arc::new(insecure), plain: Arc::default(), tls: Arc::default() }
    }

    /// Whether a host is spoken to by plain HTTP: loopback, or listed.
    fn is_plain(&self, host: &str) -> bool {
        self.insecure.iter().any(|h| h == host) || is_loopback(host)
    }

    /// Starts a session for one image.
    ///
    /// # Errors
    /// [`Error::RegistryUnavailable`] when there is no HTTP client, for want of CA certificates for example.
    pub fn session(&self, reference: &Reference, credentials: Option<Credentials>) -> Result<Session, Error> {
        let host = reference.host();
        let plain = self.is_plain(host);
        let slot = if plain { &self.plain } else { &self.tls };
        let client = slot
            .get_or_init(|| build(plain))
            .clone()
            .map_err(|detail| Error::RegistryUnavailable { host: host.to_owned(), detail })?;
        let scheme = if plain { "http" } else { "https" };
        Ok(Session {
            client,
            base: format!("{scheme}://{host}/v2/{}", reference.repository()),
            reference: reference.clone(),
            credentials,
            token: Mutex::new(None),
            actions: PULL,
        })
    }
}

fn build(plain: bool) -> Result<reqwest::Client, String> {
    let redirects = reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.error("more than redirects = 10");
        }
        // From TLS never to plain HTTP: the content would be checked, but what is fetched would be seen.
        if !plain && attempt.url().scheme() != "https" {
            return attempt.error("redirect from https to http");
        }
        attempt.follow()
    });
    let builder = reqwest::Client::builder()
        .user_agent(concat!("masthead/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(redirects);
    // The plain client has no use for roots, and must work on a machine that has none.
    let builder = if plain { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(|e| text(&e))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Session {
    /// The same, with the right to write.
    #[must_use]
    pub fn writing(self) -> Self {
        Self { actions: PUSH, ..self }
    }

    /// Fetches a manifest or index by tag or digest; a digest is checked.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unauthorized`], [`Error::RegistryUnavailable`], [`Error::Limit`],
    /// [`Error::DigestMismatch`].
    pub async fn manifest(&self, tag_or_digest: &str, bound: u64) -> Result<(Digest, Bytes), Error> {
        let url = format!("{}/manifests/{tag_or_digest}", self.base);
        let what = format!("manifest of {}", self.reference);
        let response = self.get(&url, manifest::ACCEPT).await?;
        let bytes = self.small(response, &what, "manifest_bytes", bound).await?;
        let actual = Digest::of(&bytes);
        if let Ok(expect) = Digest::parse(tag_or_digest) {
            check(&what, &expect, &actual)?;
        }
        Ok((actual, bytes))
    }

    /// Fetches a small blob, an image config, into memory.
    ///
    /// # Errors
    /// As [`Session::manifest`].
    pub async fn config(&self, digest: &Digest, bound: u64) -> Result<Bytes, Error> {
        let what = format!("config {digest} of {}", self.reference);
        let response = self.get(&format!("{}/blobs/{digest}", self.base), "*/*").await?;
        let bytes = self.small(response, &what, "manifest_bytes", bound).await?;
        check(&what, digest, &Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Fetches a layer of `size` bytes into the file `path`, reporting the bytes as they come.
    ///
    /// # Errors
    /// As [`Session::manifest`], and [`Error::Malformed`] for a body that is too short or too long.
    pub async fn blob(&self, digest: &Digest, size: u64, path: &Path, seen: impl Fn(u64)) -> Result<(), Error> {
        let what = format!("layer {digest} of {}", self.reference);
        let mut response = self.get(&format!("{}/blobs/{digest}", self.base), "*/*").await?;
        let file = File::create(path).context(|| format!("create a file for {what}"))?;
        let (chunks, queue) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let writer = tokio::task::spawn_blocking(move || write(file, queue));
        let mut total = 0_u64;
        let fetched = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    total += chunk.len() as u64;
                    if total > size {
                        break Err(Error::malformed(&what, format!("longer than its {size} bytes")));
                    }
                    seen(chunk.len() as u64);
                    if chunks.send(chunk).await.is_err() {
                        // The writer has failed and says why below.
                        break Ok(());
                    }
                }
                Ok(None) if total < size => {
                    break Err(Error::malformed(&what, format!("{total} of {size} bytes came")));
                }
                Ok(None) => break Ok(()),
                Err(e) => break Err(self.unavailable(&e)),
            }
        };
        drop(chunks);
        let written = writer.await.map_err(|e| Error::malformed(&what, e))?;
        fetched?;
        check(&what, digest, &written.context(|| format!("write {what}"))?)
    }

    /// A whole body of at most `bound` bytes.
    pub(in crate::images) async fn small(
        &self,
        mut from: Response,
        what: &str,
        limit: &'static str,
        bound: u64,
    ) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = from.chunk().await.map_err(|e| self.unavailable(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > bound {
                return Err(Error::Limit { what: what.to_owned(), limit, bound });
            }
        }
        Ok(bytes.into())
    }

    /// One request, and a second with authorization when the first is answered with a challenge.
    async fn get(&self, url: &str, accept: &'static str) -> Result<Response, Error> {
        let response = self.answer(|| self.client.get(url).header(ACCEPT, accept)).await?;
        self.succeed(response).await
    }

    /// Sends a request, once more with a token when the registry asks for one.
    pub(in crate::images) async fn answer(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Error> {
        let used = self.token.lock().await.clone();
        let response = self.send(request(), used.clone()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let header = response.headers().get(WWW_AUTHENTICATE).and_then(|h| h.to_str().ok()).map(str::to_owned);
        let Some(challenge) = header.as_deref().and_then(challenge::parse) else {
            return Ok(response);
        };
        let token = {
            let mut token = self.token.lock().await;
            // Another layer's download may have renewed it by now.
            if *token == used {
                *token = Some(self.authorize(&challenge).await?);
            }
            token.clone()
        };
        self.send(request(), token).await
    }

    async fn send(&self, mut request: RequestBuilder, token: Option<HeaderValue>) -> Result<Response, Error> {
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        request.send().await.map_err(|e| self.unavailable(&e))
    }

    /// The `Authorization` header that answers a challenge.
    async fn authorize(&self, challenge: &Challenge) -> Result<HeaderValue, Error> {
        match (challenge, &self.credentials) {
            (_, Some(Credentials::Bearer(token))) => self.header(format!("Bearer {token}")),
            (Challenge::Basic, Some(Credentials::Basic { user, password })) => {
                use base64::Engine as _;
                let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                self.header(format!("Basic {pair}"))
            }
            (Challenge::Basic, _) => Err(self.unauthorized("the registry asks for a user name and a password")),
            (Challenge::Bearer { realm, service, scope }, credentials) => {
                let scope = scope
                    .clone()
                    .unwrap_or_else(|| format!("repository:{}:{}", self.reference.repository(), self.actions));
                let request = self.token_request(realm, service.as_deref(), &scope, credentials.as_ref())?;
                self.token(request).await
            }
        }
    }

    fn token_request(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credentials: Option<&Credentials>,
    ) -> Result<RequestBuilder, Error> {
        let mut url = Url::parse(realm).map_err(|e| self.unauthorized(&format!("token server {realm:?}: {e}")))?;
        if self.base.starts_with("https:") && url.scheme() != "https" {
            return Err(self.unauthorized(&format!("token server {realm:?} is not reached by https")));
        }
        if let Some(Credentials::Identity(refresh)) = credentials {
            let mut form = Url::parse("form:").map_err(|e| self.unauthorized(&e.to_string()))?;
            form.query_pairs_mut()
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", refresh)
                .append_pair("client_id", "masthead")
                .append_pair("service", service.unwrap_or_default())
                .append_pair("scope", scope);
            let body = form.query().unwrap_or_default().to_owned();
            let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded");
            return Ok(request.body(body));
        }
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", service);
        }
        url.query_pairs_mut().append_pair("scope", scope);
        let request = self.client.get(url);
        Ok(match credentials {
            Some(Credentials::Basic { user, password }) => request.basic_auth(user, Some(password)),
            _ => request,
        })
    }

    async fn token(&self, request: RequestBuilder) -> Result<HeaderValue, Error> {
        let response = request.send().await.map_err(|e| self.unavailable(&e))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.unavailable_because(format!("token server answers {status}")));
        }
        if !status.is_success() {
            return Err(self.unauthorized(&format!("token server answers {status}")));
        }
        let bytes = self.small(response, "token", "answer_bytes", ANSWER_MAX as u64).await?;
        let answer: TokenAnswer =
            serde_json::from_slice(&bytes).map_err(|_| self.unauthorized("the token server's answer is no token"))?;
        let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
        self.header(format!("Bearer {token}"))
    }

    fn header(&self, text: String) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::try_from(text).map_err(|_| self.unauthorized("a token with odd characters"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The answer, when it is a success.
    pub(in crate::images) async fn succeed(&self, mut response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let mut body = Vec::new();
        while body.len() < ANSWER_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let detail = detail(status, &body);
        Err(match status {
            StatusCode::NOT_FOUND => Error::NotFound { reference: self.reference.to_string() },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorized(&detail),
            _ => self.unavailable_because(detail),
        })
    }

    fn unauthorized(&self, detail: &str) -> Error {
        Error::Unauthorized { reference: self.reference.to_string(), detail: detail.to_owned() }
    }

    fn unavailable(&self, error: &reqwest::Error) -> Error {
        self.unavailable_because(text(error))
    }

    pub(in crate::images) fn unavailable_because(&self, detail: String) -> Error {
        Error::RegistryUnavailable { host: self.reference.host().to_owned(), detail }
    }
}

fn write(mut file: File, mut queue: mpsc::Receiver<Bytes>) -> std::io::Result<Digest> {
    let mut hasher = Sha256::new();
    while let Some(chunk) = queue.blocking_recv() {
        hasher.update(&chunk);
        file.write_all(&chunk)?;
    }
    Ok(Digest::finish(hasher))
}

fn check(what: &str, expect: &Digest, actual: &Digest) -> Result<(), Error> {
    if expect == actual {
        return Ok(());
    }
    Err(Error::DigestMismatch { what: what.to_owned(), expect: expect.to_string(), actual: actual.to_string() })
}

/// The innermost cause, and what was asked for: what is between them names parts of this program.
fn text(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source());
    match (error.url(), causes.last()) {
        (Some(url), Some(cause)) => format!("{url}: {cause}"),
        (None, Some(cause)) => cause.to_string(),
        (_, None) => error.to_string(),
    }
}

/// The status and the message of an error body, without control characters.
fn detail(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let message = match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => {
            let items = envelope.errors.iter().map(|e| format!("{}: {}", e.code, e.message));
            items.collect::<Vec<_>>().join("; ")
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let message: String = message.chars().filter(|c| !c.is_control()).take(DETAIL_MAX).collect();
    if message.is_empty() { status.to_string() } else { format!("{status}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_where_allowed() {
        let connector = Connector::new(vec!["reg.lan:5000".to_owned()]);
        for (host, expect) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:80", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("reg.lan:5000", true),
            ("reg.lan", false),
            ("localhost.evil.io", false),
            ("127.0.0.1.evil.io", false),
            ("registry-1.docker.io", false),
        ] {
            assert_eq!(connector.is_plain(host), expect, "{host}");
        }
    }

    #[test]
    fn error_bodies_are_cut_and_clean() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m"}]}"#;
        assert_eq!(detail(StatusCode::FORBIDDEN, body), "403 Forbidden: DENIED: no[31m");
        assert!(detail(StatusCode::BAD_GATEWAY, &[b'x'; 4096]).len() < 600);
    }
}
