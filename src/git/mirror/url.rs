//! The text of `--repo` into a local path or an address of an allowed kind.

use std::path::PathBuf;

use crate::git::error::Error;
use crate::git::text;

/// Bytes of an address.
pub const URL_BYTES_MAX: usize = 2048;

/// Where a repository is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// On this machine.
    Local(PathBuf),
    /// Behind an address.
    Remote(RemoteUrl),
}

/// How an address is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// Plain HTTP, to this machine only unless allowed.
    Http,
    /// SSH, also as `user@host:path`.
    Ssh,
}

/// An address without its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    /// The scheme.
    pub scheme: Scheme,
    /// The user named in it, if any.
    pub user: Option<String>,
    /// The password that was in it; moved out so that no text shows it.
    pub(in crate::git) password: Option<String>,
    /// Host and, when given, port.
    pub authority: String,
    /// The path with its leading slash (for `user@host:path`, as given).
    path: String,
    scp: bool,
}

impl RemoteUrl {
    /// The address as git takes it: never with a password; with the user for ssh only.
    pub fn text(&self) -> String {
        let user =
            self.user.as_ref().filter(|_| self.scheme == Scheme::Ssh).map(|u| format!("{u}@")).unwrap_or_default();
        match self.scheme {
            Scheme::Ssh if self.scp => format!("{user}{}:{}", self.authority, self.path),
            Scheme::Ssh => format!("ssh://{user}{}{}", self.authority, self.path),
            Scheme::Https => format!("https://{}{}", self.authority, self.path),
            Scheme::Http => format!("http://{}{}", self.authority, self.path),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => f.write_str(&text::line(&path.to_string_lossy())),
            Self::Remote(url) => f.write_str(&url.text()),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Reads the text of `--repo`. Refused: `ext::` and every other transport helper, unknown schemes, a leading dash,
/// control characters, an empty host, plain HTTP to another machine unless `allow_http`.
pub fn parse(given: &str, allow_http: bool) -> Result<Source, Error> {
    let bad = |why| Error::BadName { what: "repository", text: text::line(&without_password(given)).into_owned(), why };
    if given.is_empty() {
        return Err(bad("is empty"));
    }
    if given.len() > URL_BYTES_MAX {
        return Err(bad("is longer than 2048 bytes (URL_BYTES_MAX)"));
    }
    if given.starts_with('-') {
        return Err(bad("begins with a dash"));
    }
    if given.chars().any(|c| text::hostile(c) || c == '\\') {
        return Err(bad("holds a backslash or a control, invisible or bidirectional character"));
    }
    if let Some((scheme, rest)) = given.split_once("://") {
        return match scheme {
            "file" => local(rest).ok_or_else(|| bad("must be file:///absolute/path")),
            "https" => address(Scheme::Https, rest).map_err(bad),
            "http" => {
                let source = address(Scheme::Http, rest).map_err(bad)?;
                match &source {
                    Source::Remote(url) if allow_http || is_loopback(&url.authority) => Ok(source),
                    _ => Err(bad("is plain HTTP to another machine: use https")),
                }
            }
            "ssh" => address(Scheme::Ssh, rest).map_err(bad),
            _ => Err(bad("has a scheme that is not allowed: use a path, file, https or ssh")),
        };
    }
    // `helper::address` runs a program of the user's choice.
    let helper = given
        .split_once("::")
        .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    if helper {
        return Err(bad("names a transport helper, which is never run"));
    }
    // Git's own rule: a colon before the first slash makes it `host:path`.
    match given.split_once(':') {
        Some((host, path)) if !host.contains('/') => scp(host, path).map_err(bad),
        _ => Ok(Source::Local(PathBuf::from(given))),
    }
}

fn local(path: &str) -> Option<Source> {
    path.starts_with('/').then(|| Source::Local(PathBuf::from(path)))
}

fn scp(host: &str, path: &str) -> Result<Source, &'static str> {
    let (user, authority) = match host.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, host),
    };
    check_host(authority)?;
    if path.is_empty() || path.starts_with('-') {
        return Err("has no path");
    }
    let user = user.map(check_user).transpose()?;
    Ok(Source::Remote(RemoteUrl {
        scheme: Scheme::Ssh,
        user,
        password: None,
        authority: authority.into(),
        path: path.into(),
        scp: true,
    }))
}

fn address(scheme: Scheme, rest: &str) -> Result<Source, &'static str> {
    let (authority, path) = rest.split_once('/').ok_or("has no path")?;
    let (login, authority) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    check_host(authority)?;
    if path.contains([' ', '?', '#']) {
        return Err("holds a space, a query or a fragment");
    }
    let (user, password) = match login.map(|l| l.split_once(':').map_or((l, None), |(u, p)| (u, Some(p)))) {
        Some((user, password)) => (Some(check_user(user)?), password.map(decode).transpose()?),
        None => (None, None),
    };
    let user = match scheme {
        Scheme::Ssh => user,
        _ => user.as_deref().map(decode).transpose()?,
    };
    let path = format!("/{path}");
    Ok(Source::Remote(RemoteUrl { scheme, user, password, authority: authority.into(), path, scp: false }))
}

fn check_user(user: &str) -> Result<String, &'static str> {
    if user.starts_with('-') || user.is_empty() || user.contains(['/', ' ', '@']) {
        return Err("has a malformed user");
    }
    Ok(user.to_owned())
}

/// Host with an optional port; ssh would read a leading dash as an option.
fn check_host(authority: &str) -> Result<(), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some("0"))),
            None => return Err("has a malformed host"),
        },
        None => authority.split_once(':').map_or((authority, Some("0")), |(h, p)| (h, Some(p))),
    };
    if host.is_empty() {
        return Err("has no host");
    }
    let fine = !host.starts_with('-') && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:%".contains(&b));
    if !fine || port.and_then(|p| p.parse::<u16>().ok()).is_none() {
        return Err("has a malformed host or port");
    }
    Ok(())
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Undoes `%41`.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        match (digit(), digit()) {
            // Two hex digits are at most 255.
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("has a malformed % escape"),
        }
    }
    match String::from_utf8(out) {
        Ok(s) if !s.contains(['\n', '\r', '\0']) => Ok(s),
        _ => Err("has a malformed % escape"),
    }
}

/// The text without what stands between `//` and `@`.
fn without_password(given: &str) -> String {
    match given.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/').map_or(rest, |(a, _)| a).rsplit_once('@') {
            Some((login, _)) => format!("{scheme}://…@{}", &rest[login.len() + 1..]),
            None => given.to_owned(),
        },
        None => given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_paths_https_and_ssh_only() {
        for bad in [
            "",
            "-x",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c touch% /tmp/x",
            "fd::3",
            "http::https://x/y",
            "git://h/p",
            "ftp://h/p",
            "https:///host/p",
            "https://",
            "https://h",
            "ssh://-oProxyCommand=x/p",
            "ssh://-u@h/p",
            "-oProxyCommand=x:p",
            "u@-h:p",
            "h:",
            "h:-x",
            "https://h/p\nq",
            "https://h/\u{202e}p",
            "file://host/p",
            "http://example.com/p",
            "https://h:99999/p",
            "https://h/p?q",
            "https://u:%zz@h/p",
            "https://u:%0a@h/p",
            "C:\\x",
            "ssh://h\\x/p",
            "https://[::1/p",
            "javascript://x/y",
        ] {
            assert!(parse(bad, false).is_err(), "{bad:?}");
        }
        let check = |given: &str, expect: &str| match parse(given, false) {
            Ok(source) => assert_eq!(source.to_string(), expect, "{given:?}"),
            Err(e) => panic!("{given:?}: {e}"),
        };
        check("/srv/repo", "/srv/repo");
        check("./repo", "./repo");
        check("repo", "repo");
        check("file:///srv/repo.git", "/srv/repo.git");
        check("https://h.example/p.git", "https://h.example/p.git");
        check("https://me:se%40cret@h:8443/p.git", "https://h:8443/p.git");
        check("ssh://git@h:22/p", "ssh://git@h:22/p");
        check("git@h:org/p.git", "git@h:org/p.git");
        check("http://127.0.0.1:80/p", "http://127.0.0.1:80/p");
        check("http://[::1]:80/p", "http://[::1]:80/p");
        check("./a:b", "./a:b");
    }

    #[test]
    fn a_refused_address_does_not_show_its_password() {
        let error = parse("gopher://me:hunter2@h/p", false).expect_err("refused").to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let error = parse("https://me:hunter2@/p", false).expect_err("refused").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
