//! Flags, environment and data directory → where the control plane answers and how to be let in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::daemon::data;

/// A part of an address: whether TLS is spoken, the host, the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is https.
    pub tls: bool,
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(url: &str) -> Result<Address> {
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((other, _)) => bail!("{url}: {other} is neither http nor https"),
            // Without a scheme it is a host.
            None => (false, url),
        };
        let authority = rest.trim_end_matches('/');
        if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
            bail!("{url:?} is not an address of the form http://HOST:PORT");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
                (host, port.parse().with_context(|| format!("the port of {url:?}"))?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        Ok(Address { tls, host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port })
    }

    /// `HOST:PORT` as it stands in the `Host` header.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The whole address.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Which control plane a command speaks to.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// The API's address [default: that of the daemon of the data directory].
    #[arg(short = 's', long, value_name = "URL", env = "MASTHEAD_SERVER")]
    pub server: Option<String>,
    /// The data directory of the control plane.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = crate::daemon::options::DATA_DIR)]
    pub data: PathBuf,
}

impl Args {
    /// The API's address.
    ///
    /// # Errors
    /// None is given and no daemon runs on the data directory.
    pub fn url(&self) -> Result<String> {
        match &self.server {
            Some(url) => Ok(url.clone()),
            None => Ok(data::read(&self.data)?.api_url),
        }
    }

    /// Where token and certificate are looked for.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read() {
        let check = |url: &str, expect: Option<(bool, &str, u16)>| {
            let found = Address::parse(url).ok();
            assert_eq!(found, expect.map(|(tls, host, port)| Address { tls, host: host.to_owned(), port }), "{url}");
        };
        check("http://127.0.0.1:7070", Some((false, "127.0.0.1", 7070)));
        check("https://example.com/", Some((true, "example.com", 443)));
        check("http://[::1]:7070", Some((false, "::1", 7070)));
        check("http://[::1]", Some((false, "::1", 80)));
        check("localhost:7070", Some((false, "localhost", 7070)));
        check("ftp://x", None);
        check("http://x/y", None);
        check("http://x:port", None);
        check("", None);
        assert_eq!(Address::parse("http://[::1]:7070").unwrap().url(), "http://[::1]:7070");
    }
}
