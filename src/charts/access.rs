//! What a chart repository is shown and how its server is checked, and the HTTP client that does so.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Url};

use crate::charts::error::Error;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// What a repository is shown and how it is checked. It may hold a password, so it has no Debug.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Name and password, for the repository's own host and port.
    pub login: Option<(String, String)>,
    /// Whether others that its index leads to are shown them too.
    pub pass_credentials: bool,
    /// How its certificate is checked.
    pub tls: Tls,
}

/// How a server's certificate is checked, and what it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities that are trusted in place of the system's; empty for the system's.
    pub ca_file: String,
    /// PEM file of our own certificate.
    pub cert_file: String,
    /// PEM file of its key.
    pub key_file: String,
    /// Whether nothing is checked.
    pub skip_verify: bool,
}

/// How long servers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For a connection.
    pub connect: Duration,
    /// With nothing coming.
    pub silence: Duration,
    /// For one answer as a whole, however it trickles.
    pub whole: Duration,
}

impl Default for Times {
    fn default() -> Times {
        let seconds = Duration::from_secs;
        Times { connect: seconds(30), silence: seconds(60), whole: seconds(600) }
    }
}

impl Tls {
    /// Whether it is the system's own way.
    pub fn is_plain(&self) -> bool {
        *self == Tls::default()
    }

    /// A client that checks so. `is_http` tells that no TLS is spoken at first, so that a machine without roots will do.
    ///
    /// # Errors
    /// A file does not read, or the machine has no certificates to trust.
    pub fn client(&self, times: &Times, is_http: bool) -> Result<Client, Error> {
        // Whoever comes first installs it; a second time is no fault. Commands on charts come before everything else.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            Client::builder()
                .user_agent(concat!("masthead/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(times.connect)
                .read_timeout(times.silence)
                .timeout(times.whole)
                .redirect(redirects())
        };
        let mut strict = builder().tls_danger_accept_invalid_certs(self.skip_verify);
        if !self.ca_file.is_empty() {
            let roots = Certificate::from_pem_bundle(&file(&self.ca_file)?).map_err(|e| unread(&self.ca_file, &e))?;
            if roots.is_empty() {
                return Err(unread(&self.ca_file, &"it holds no certificate"));
            }
            strict = strict.tls_certs_only(roots);
        }
        match (self.cert_file.as_str(), self.key_file.as_str()) {
            ("", "") => {}
            ("", _) | (_, "") => {
                let why = "a certificate and its key are given together: --cert-file and --key-file".to_owned();
                return Err(Error::Fetch { url: "https".to_owned(), why });
            }
            (cert, key) => {
                let both = [file(cert)?, file(key)?].join(&b'\n');
                strict = strict.identity(Identity::from_pem(&both).map_err(|e| unread(cert, &e))?);
            }
        }
        match strict.build() {
            Err(_) if is_http && self.is_plain() => builder().tls_certs_only([]).build(),
            built => built,
        }
        .map_err(|e| Error::Fetch { url: "https".to_owned(), why: words(&e) })
    }
}

fn redirects() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            return attempt.error("more than redirects = 10");
        }
        let was_tls = attempt.previous().last().is_some_and(|before| before.scheme() == "https");
        if was_tls && attempt.url().scheme() != "https" {
            return attempt.error("redirect from https to http");
        }
        if let Err(why) = askable(attempt.url()) {
            let text = format!("redirect to {}: {why}", shown(attempt.url()));
            return attempt.error(text);
        }
        attempt.follow()
    })
}

fn file(path: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io { what: format!("reading {path}"), source })
}

fn unread(path: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Fetch { url: path.to_owned(), why: why.to_string() }
}

/// An address that may be fetched: https, and http where somebody wrote it.
///
/// # Errors
/// Any other scheme, and the addresses at which clouds hand out a machine's own credentials.
pub fn address(text: &str) -> Result<Url, Error> {
    let wrong = |why: &str| Error::Address { url: masked(text), why: why.to_owned() };
    let url = Url::parse(text).map_err(|e| wrong(&e.to_string()))?;
    askable(&url).map_err(wrong)?;
    Ok(url)
}

fn askable(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "https" | "http") {
        return Err("only https://, http:// and oci:// are supported");
    }
    let host = url.host_str().unwrap_or_default();
    if host.parse::<IpAddr>().is_ok_and(|ip| matches!(ip, IpAddr::V4(v4) if v4.is_link_local())) {
        return Err("link-local addresses are not asked for charts");
    }
    Ok(())
}

/// Whether two addresses are of one server: scheme, host and port.
pub fn is_same_server(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

/// Without a password that stands in it.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // An address that can hold none has none to hide.
    let _ = url.set_password(None);
    url.into()
}

/// The same of what may be no address at all.
pub fn masked(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.password().is_some() => shown(&url),
        _ => text.to_owned(),
    }
}

/// An error with its causes, without what is said twice.
pub fn words(error: &reqwest::Error) -> String {
    let mut text = match error {
        error if error.is_timeout() => "no answer in time".to_owned(),
        error if error.is_redirect() => "redirected and not followed".to_owned(),
        error if error.is_connect() => "no connection".to_owned(),
        error if error.is_body() || error.is_decode() => "the answer broke off".to_owned(),
        _ => "no answer".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let part = next.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_asked_is() {
        for bad in ["file:///etc/passwd", "ftp://x/a", "nonsense", "http://169.254.169.254/latest"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(address("http://127.0.0.1:8080/index.yaml").is_ok());
        assert_eq!(shown(&Url::parse("https://u:p@x/").unwrap()), "https://u@x/");
        let told = address("ftp://u:secret@x/").expect_err("refused").to_string();
        assert!(told.contains("ftp://u@x/") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn a_server_is_its_scheme_host_and_port() {
        let check = |a: &str, b: &str, expect: bool| {
            assert_eq!(is_same_server(&Url::parse(a).unwrap(), &Url::parse(b).unwrap()), expect, "{a} {b}");
        };
        check("https://x.io/a", "https://x.io:443/b", true);
        check("https://x.io/a", "http://x.io/a", false);
        check("https://x.io", "https://y.x.io", false);
        check("http://x.io:1", "http://x.io:2", false);
    }

    #[test]
    fn files_of_certificates_are_named_when_they_do_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem").display().to_string();
        let fails = |tls: Tls| tls.client(&Times::default(), false).expect_err("refused").to_string();
        assert!(fails(Tls { ca_file: path.clone(), ..Tls::default() }).starts_with(&format!("reading {path}")));
        std::fs::write(&path, "nothing").unwrap();
        assert!(fails(Tls { ca_file: path.clone(), ..Tls::default() }).contains("holds no certificate"));
        assert!(fails(Tls { cert_file: path.clone(), ..Tls::default() }).contains("--key-file"));
        let both = Tls { cert_file: path.clone(), key_file: path.clone(), ..Tls::default() };
        assert!(fails(both).starts_with(&path));
    }
}
