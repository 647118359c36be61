//! What helm keeps for this user → repositories by name with their logins, and where its other files are; nothing is written.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use masthead_yaml::limits::{Duplicates, Limits};
use masthead_yaml::parse;
use reqwest::Url;
use serde::Deserialize;

use crate::charts::access::{Access, Tls};
use crate::charts::error::Error;

/// Bytes of `repositories.yaml`.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Where helm keeps what belongs to a user: `$HELM_…`, else `$XDG_…`, else below the home folder.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `repositories.yaml`.
    pub repositories: Option<PathBuf>,
    /// `registry/config.json`, the logins of `helm registry login`.
    pub registry: Option<PathBuf>,
    /// The folder of `helm create --starter`.
    pub starters: Option<PathBuf>,
}

impl Places {
    /// By the environment alone.
    pub fn of_environment() -> Places {
        Places::new("", "", &|name| std::env::var_os(name))
    }

    /// By `--repository-config` and `--registry-config` where they are not empty, else by the environment.
    pub fn new(repositories: &str, registry: &str, var: &dyn Fn(&str) -> Option<OsString>) -> Places {
        let var = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let below = |helm: &str, xdg: &str, home: &str| {
            let under = || var(xdg).or_else(|| Some(var("HOME")?.join(home))).map(|folder| folder.join("helm"));
            var(helm).or_else(under)
        };
        let config = below("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config");
        let file = |flag: &str, env: &str, name: &str| match flag {
            "" => var(env).or_else(|| config.as_ref().map(|folder| folder.join(name))),
            path => Some(PathBuf::from(path)),
        };
        Places {
            repositories: file(repositories, "HELM_REPOSITORY_CONFIG", "repositories.yaml"),
            registry: file(registry, "HELM_REGISTRY_CONFIG", "registry/config.json"),
            starters: below("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share").map(|folder| folder.join("starters")),
        }
    }

    /// The repositories that `helm repo add` has noted; none where there is no file.
    ///
    /// # Errors
    /// The file is there and does not read.
    pub fn known(&self) -> Result<Vec<Known>, Error> {
        let Some(path) = &self.repositories else { return Ok(Vec::new()) };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { what: format!("reading {}", path.display()), source }),
        };
        entries(&text).map_err(|why| Error::Repositories { path: path.display().to_string(), why })
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    std::fs::read(path)
}

fn entries(text: &[u8]) -> Result<Vec<Known>, String> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct File {
        repositories: Option<Vec<Option<Known>>>,
    }
    let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
    let value = parse::value(text, &limits)
        .map_err(|errors| errors.first().map_or_else(|| "it does not read".to_owned(), ToString::to_string))?;
    if value.is_null() {
        return Ok(Vec::new());
    }
    // serde's own message may quote a password.
    let file: File = serde_json::from_value(value).map_err(|_| "it is not as helm writes it".to_owned())?;
    Ok(file.repositories.unwrap_or_default().into_iter().flatten().collect())
}

/// One repository that `helm repo add` has noted. It may hold a password, so it has no Debug.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    username: String,
    password: String,
    #[serde(rename = "certFile")]
    cert_file: String,
    #[serde(rename = "keyFile")]
    key_file: String,
    #[serde(rename = "caFile")]
    ca_file: String,
    insecure_skip_tls_verify: bool,
    pass_credentials_all: bool,
}

impl Known {
    /// What its server is shown and how it is checked.
    pub fn access(&self) -> Access {
        let has_login = !self.username.is_empty() && !self.password.is_empty();
        Access {
            login: has_login.then(|| (self.username.clone(), self.password.clone())),
            pass_credentials: self.pass_credentials_all,
            tls: Tls {
                ca_file: self.ca_file.clone(),
                cert_file: self.cert_file.clone(),
                key_file: self.key_file.clone(),
                skip_verify: self.insecure_skip_tls_verify,
            },
        }
    }
}

/// The repository of a name.
pub fn by_name<'k>(known: &'k [Known], name: &str) -> Option<&'k Known> {
    known.iter().find(|known| known.name == name)
}

/// The repository of a URL, however it ends.
pub fn by_url<'k>(known: &'k [Known], url: &str) -> Option<&'k Known> {
    known.iter().find(|known| is_same(&known.url, url))
}

/// The repository that a file's URL lies below.
pub fn around<'k>(known: &'k [Known], url: &str) -> Option<&'k Known> {
    known.iter().find(|known| url.starts_with(&format!("{}/", known.url.trim_end_matches('/'))))
}

/// Helm's comparison of two addresses: without dots, doubled slashes and a slash at the end.
fn is_same(a: &str, b: &str) -> bool {
    let clean = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let path: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
        let path = format!("/{}", path.join("/"));
        url.set_path(&path);
        Some(url)
    };
    match (clean(a), clean(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(flags: (&str, &str), env: &[(&str, &str)]) -> [String; 3] {
        let var = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let places = Places::new(flags.0, flags.1, &var);
        let text = |path: Option<PathBuf>| path.map_or_else(String::new, |path| path.display().to_string());
        [text(places.repositories), text(places.registry), text(places.starters)]
    }

    #[test]
    fn files_are_where_helm_keeps_them() {
        let config = "/h/.config/helm";
        let expect = [
            format!("{config}/repositories.yaml"),
            format!("{config}/registry/config.json"),
            "/h/.local/share/helm/starters".to_owned(),
        ];
        assert_eq!(places(("", ""), &[("HOME", "/h")]), expect);
        assert_eq!(
            places(("", ""), &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("HELM_DATA_HOME", "/d")]),
            ["/c/helm/repositories.yaml", "/c/helm/registry/config.json", "/d/starters"]
        );
        assert_eq!(
            places(("r", ""), &[("HELM_CONFIG_HOME", "/c"), ("HELM_REGISTRY_CONFIG", "/x")]),
            ["r", "/x", ""],
            "a flag wins, then helm's own variables"
        );
    }

    #[test]
    fn repositories_are_read_as_helm_writes_them() {
        let text = "apiVersion: \"\"\ngenerated: \"0001-01-01T00:00:00Z\"\nrepositories:\n- caFile: \"\"\n  name: one\n  url: https://one.io/charts/\n  username: u\n  password: p\n- name: two\n  url: http://two.io\n  username: only\n  insecure_skip_tls_verify: true\n  pass_credentials_all: true\n-\n";
        let known = entries(text.as_bytes()).unwrap();
        let one = by_name(&known, "one").expect("one is there").access();
        assert!(one.login == Some(("u".to_owned(), "p".to_owned())) && !one.pass_credentials);
        let two = by_url(&known, "http://two.io/").expect("two is there").access();
        assert!(two.login.is_none() && two.pass_credentials && two.tls.skip_verify);
        let check = |url: &str, expect: Option<&str>| {
            assert_eq!(by_url(&known, url).map(|known| known.name.as_str()), expect, "{url}");
        };
        check("https://one.io/charts", Some("one"));
        check("https://one.io//charts/", Some("one"));
        check("https://one.io/chart", None);
        assert_eq!(around(&known, "http://two.io/a/b.tgz").map(|known| known.name.as_str()), Some("two"));
        assert!(around(&known, "http://two.io.evil.org/b.tgz").is_none());
        assert!(entries(b"").unwrap().is_empty());
        for bad in ["repositories: 5", "repositories: [5]", "a: [", "repositories: [{name: {secret: x}}]"] {
            let why = entries(bad.as_bytes()).err().expect("refused");
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn no_file_is_no_repository_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repositories.yaml");
        let places = Places { repositories: Some(path.clone()), ..Places::default() };
        assert!(places.known().unwrap().is_empty());
        std::fs::write(&path, "repositories: 5").unwrap();
        let told = places.known().err().expect("told").to_string();
        assert_eq!(told, format!("{}: it is not as helm writes it", path.display()));
    }
}
