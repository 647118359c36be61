//! Parses `etcd://` and `etcds://` addresses.
//!
//! `etcd://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?OPTION=VALUE[&…]]`; with `etcds` over TLS, whose
//! options are files: `ca` (needed), `cert` with `key` (a client's own), and `server-name`.
//! `user` with `password-file` keeps the password out of the address. `%XX` stands for any byte.

use std::path::PathBuf;

/// What is wrong with an address. Its text never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("etcd address: {0}")]
pub struct Error(String);

/// A password, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// As it stands in the address.
    Given(String),
    /// In this file.
    File(PathBuf),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given(…)",
            Self::File(_) => "File(…)",
        })
    }
}

/// The files of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who may have signed the servers' certificates.
    pub ca: PathBuf,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the servers' certificates, if it is not the host's.
    pub server_name: Option<String>,
}

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port` of each member.
    pub endpoints: Vec<String>,
    /// Who we are.
    pub user: Option<(String, Password)>,
    /// How the connection is secured, if it is.
    pub tls: Option<Tls>,
}

#[derive(Default)]
struct Options {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    server_name: Option<String>,
    user: Option<String>,
    password_file: Option<String>,
}

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fail = |what: &str| Error(what.to_owned());
        let (secure, rest) = match text.split_once("://") {
            Some(("etcd", rest)) => (false, rest),
            Some(("etcds", rest)) => (true, rest),
            _ => return Err(fail("it must begin with etcd:// or etcds://")),
        };
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let options = options(query)?;
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let endpoints = hosts.split(',').map(endpoint).collect::<Result<_, _>>()?;
        let user = match (login, options.user, options.password_file) {
            (Some(login), None, None) => {
                let (user, password) =
                    login.split_once(':').ok_or_else(|| fail("user and password must be USER:PASSWORD"))?;
                Some((decode(user)?, Password::Given(decode(password)?)))
            }
            (None, Some(user), Some(file)) => Some((user, Password::File(file.into()))),
            (None, None, None) => None,
            (Some(_), ..) => return Err(fail("user and password are given twice")),
            _ => return Err(fail("user and password-file need one another")),
        };
        let identity = match (options.cert, options.key) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => return Err(fail("cert and key need one another")),
        };
        let tls = match (secure, options.ca) {
            (true, Some(ca)) => Some(Tls { ca: ca.into(), identity, server_name: options.server_name }),
            (true, None) => return Err(fail("etcds:// needs ca=FILE")),
            (false, None) if identity.is_none() && options.server_name.is_none() => None,
            (false, _) => return Err(fail("ca, cert, key and server-name need etcds://")),
        };
        Ok(Self { endpoints, user, tls })
    }
}

fn options(query: &str) -> Result<Options, Error> {
    let mut options = Options::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| Error(format!("option {pair:?} must be NAME=VALUE")))?;
        let slot = match name {
            "ca" => &mut options.ca,
            "cert" => &mut options.cert,
            "key" => &mut options.key,
            "server-name" => &mut options.server_name,
            "user" => &mut options.user,
            "password-file" => &mut options.password_file,
            _ => return Err(Error(format!("unknown option {name:?}"))),
        };
        if slot.replace(decode(value)?).is_some() {
            return Err(Error(format!("option {name:?} is given twice")));
        }
    }
    Ok(options)
}

fn endpoint(text: &str) -> Result<String, Error> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(1..) => Ok(text.to_owned()),
        _ => Err(Error(format!("{text:?} is not HOST:PORT"))),
    }
}

fn decode(text: &str) -> Result<String, Error> {
    let fail = || Error("a % is not followed by two hexadecimal digits of UTF-8 text".to_owned());
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.as_bytes().split_at_checked(2).ok_or_else(fail)?;
        let digits = std::str::from_utf8(digits).map_err(|_| fail())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| fail())?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).map_err(|_| fail())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_right() {
        let plain = Address::parse("etcd://a:2379,[::1]:2380").unwrap();
        assert_eq!(plain.endpoints, ["a:2379", "[::1]:2380"]);
        assert_eq!((plain.user, plain.tls), (None, None));
        let full =
            Address::parse("etcds://root:p%40ss@a:1?ca=/ca.pem&cert=/c.pem&key=/k.pem&server-name=etcd").unwrap();
        assert_eq!(full.user, Some(("root".into(), Password::Given("p@ss".into()))));
        let tls = full.tls.unwrap();
        assert_eq!(tls.identity, Some(("/c.pem".into(), "/k.pem".into())));
        assert_eq!(tls.server_name.as_deref(), Some("etcd"));
        let file = Address::parse("etcd://a:1?user=root&password-file=/run/p").unwrap();
        assert_eq!(file.user, Some(("root".into(), Password::File("/run/p".into()))));
    }

    #[test]
    fn addresses_that_are_wrong() {
        let check = |text: &str, expect: &str| {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        };
        check("http://a:1", "must begin with");
        check("etcd://a", "is not HOST:PORT");
        check("etcd://a:1,", "is not HOST:PORT");
        check("etcd://a:0", "is not HOST:PORT");
        check("etcd://secret@a:1", "USER:PASSWORD");
        check("etcd://u:secret%4@a:1", "hexadecimal");
        check("etcd://a:1?ca=/x", "need etcds://");
        check("etcds://a:1", "needs ca");
        check("etcds://a:1?ca=x&cert=y", "cert and key");
        check("etcd://a:1?user=x", "need one another");
        check("etcd://u:secret@a:1?user=x&password-file=y", "given twice");
        check("etcd://a:1?nope=1", "unknown option");
        check("etcd://a:1?user=a&user=b", "given twice");
    }

    #[test]
    fn a_password_is_not_printed() {
        let address = Address::parse("etcd://u:secret@a:1").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
    }
}
