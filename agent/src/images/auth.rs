//! Turns imagePullSecrets (`.dockerconfigjson`) into the credentials that fit an image.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;

use crate::images::error::Error;
use crate::images::reference::Reference;

/// A user name and password or an identity token; it has no Debug, so it is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Name and password.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// A refresh token, exchanged at the token server.
    Identity(String),
    /// A bearer token the registry takes as it is.
    Bearer(String),
}

/// The credentials of all secrets of a pod, by registry pattern.
#[derive(Clone, Default)]
pub struct Keyring {
    entries: Vec<(Pattern, Credentials)>,
}

#[derive(Clone)]
struct Pattern {
    host: String,
    port: Option<String>,
    path: String,
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Keyring {
    /// Adds a secret of type `kubernetes.io/dockerconfigjson` (key `.dockerconfigjson`).
    ///
    /// # Errors
    /// [`Error::Malformed`] without any part of the content.
    pub fn add_config_json(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // serde's own message may quote the content, so it is not passed on.
        let fail = |why: &str| Error::malformed("imagePullSecret", why);
        let file: ConfigFile = serde_json::from_slice(bytes).map_err(|_| fail("not a docker config.json"))?;
        self.add(file.auths, &fail)
    }

    /// Adds a secret of the older type `kubernetes.io/dockercfg` (key `.dockercfg`): the bare map of registries.
    ///
    /// # Errors
    /// [`Error::Malformed`] without any part of the content.
    pub fn add_dockercfg(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let fail = |why: &str| Error::malformed("imagePullSecret", why);
        let auths: BTreeMap<String, Entry> = serde_json::from_slice(bytes).map_err(|_| fail("not a .dockercfg"))?;
        self.add(auths, &fail)
    }

    fn add(&mut self, auths: BTreeMap<String, Entry>, fail: &dyn Fn(&str) -> Error) -> Result<(), Error> {
        for (registry, entry) in auths {
            let credentials = if !entry.registrytoken.is_empty() {
                Credentials::Bearer(entry.registrytoken)
            } else if !entry.identitytoken.is_empty() {
                Credentials::Identity(entry.identitytoken)
            } else if !entry.auth.is_empty() {
                decode(&entry.auth)
                    .ok_or_else(|| fail(&format!("auth of {registry:?} is not base64 of user:password")))?
            } else if !entry.username.is_empty() {
                Credentials::Basic { user: entry.username, password: entry.password }
            } else {
                continue;
            };
            self.entries.push((Pattern::parse(&registry), credentials));
        }
        // Kubernetes tries the most specific pattern first: reverse lexical order of the key.
        self.entries.sort_by(|(a, _), (b, _)| (&b.host, &b.path).cmp(&(&a.host, &a.path)));
        Ok(())
    }

    /// The credentials to try for an image, in order.
    pub fn lookup(&self, reference: &Reference) -> Vec<Credentials> {
        self.entries.iter().filter(|(p, _)| p.fits(reference)).map(|(_, c)| c.clone()).collect()
    }
}

pub(crate) fn decode(auth: &str) -> Option<Credentials> {
    let auth = auth.trim();
    let bytes = STANDARD.decode(auth).or_else(|_| STANDARD_NO_PAD.decode(auth)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::Basic { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
}

impl Pattern {
    /// Reads a key of `auths`: `https://index.docker.io/v1/`, `quay.io`, `*.example.com:5000/team`.
    fn parse(key: &str) -> Self {
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_matches('/');
        // The API version at the end of Docker's keys is no part of a repository.
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port.to_owned())),
            _ => (host, None),
        };
        let host = if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host };
        Self { host: host.to_owned(), port, path: path.to_owned() }
    }

    fn fits(&self, reference: &Reference) -> bool {
        let (host, port) = match reference.domain().rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (reference.domain(), None),
        };
        let labels: (Vec<_>, Vec<_>) = (self.host.split('.').collect(), host.split('.').collect());
        labels.0.len() == labels.1.len()
            && labels.0.iter().zip(&labels.1).all(|(p, l)| glob(p.as_bytes(), l.as_bytes()))
            && self.port.as_deref() == port
            && reference.repository().starts_with(&self.path)
    }
}

/// `*` stands for any run of characters inside one label.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..])),
        (Some(p), Some(t)) if p == t => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(json: &str, image: &str) -> Vec<String> {
        let mut ring = Keyring::default();
        ring.add_config_json(json.as_bytes()).unwrap();
        let found = ring.lookup(&Reference::parse(image).unwrap());
        found
            .into_iter()
            .map(|c| match c {
                Credentials::Basic { user, password } => format!("{user}/{password}"),
                Credentials::Identity(t) => format!("identity {t}"),
                Credentials::Bearer(t) => format!("bearer {t}"),
            })
            .collect()
    }

    #[test]
    fn finds_by_registry() {
        let json = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpwOnc="},
            "quay.io":{"username":"q","password":"x"},
            "quay.io/team":{"identitytoken":"tok"},
            "*.example.com:5000":{"auth":"Zzpo"},
            "localhost:5000":{"registrytoken":"raw"},
            "empty.io":{}}}"#;
        for (image, expect) in [
            ("nginx", vec!["u/p:w"]),
            ("quay.io/other/app", vec!["q/x"]),
            ("quay.io/team/app", vec!["identity tok", "q/x"]),
            ("a.example.com:5000/app", vec!["g/h"]),
            ("a.b.example.com:5000/app", vec![]),
            ("a.example.com/app", vec![]),
            ("localhost:5000/app", vec!["bearer raw"]),
            ("empty.io/app", vec![]),
        ] {
            assert_eq!(users(json, image), expect, "{image}");
        }
    }

    #[test]
    fn faults_do_not_print_content() {
        for bytes in [&b"hunter2"[..], br#"{"auths":{"a.io":{"auth":"hunter2!"}}}"#, br#"{"auths":["hunter2"]}"#] {
            let error = Keyring::default().add_config_json(bytes).expect_err("accepted").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
