//! Chooses the store that an address names.

use std::path::PathBuf;
use std::sync::Arc;

use crate::embedded::error::Error as EmbeddedError;
use crate::embedded::store::{Embedded, Options};
use crate::etcd::address::{Address, Error as AddressError};
use crate::etcd::store::{ConnectError, Etcd};
use crate::kv::{Kv, Result};
use crate::memory::Memory;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address has a scheme that is none of ours.
    #[error("store {0:?}: the scheme is not supported; give a directory, etcd://…, etcds://… or memory:")]
    Scheme(String),
    /// The address of the cluster is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The cluster can't be used.
    #[error(transparent)]
    Etcd(#[from] ConnectError),
    /// The directory can't be used.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A directory of ours.
    Embedded(PathBuf),
    /// A cluster.
    Etcd(Address),
    /// Nothing that lasts.
    Memory,
}

/// Reads an address: `etcd://…`, `etcds://…`, `memory:`, `file:DIR`, or a directory as it stands.
///
/// # Errors
/// `Scheme`, `Address`.
pub fn choose(address: &str) -> Result<Choice, Error> {
    if address.starts_with("etcd://") || address.starts_with("etcds://") {
        return Ok(Choice::Etcd(Address::parse(address)?));
    }
    if address == "memory:" {
        return Ok(Choice::Memory);
    }
    if let Some(path) = address.strip_prefix("file:") {
        return Ok(Choice::Embedded(path.strip_prefix("//").unwrap_or(path).into()));
    }
    match address.split_once("://") {
        Some((scheme, _)) => Err(Error::Scheme(scheme.to_owned())),
        None => Ok(Choice::Embedded(address.into())),
    }
}

/// Opens the store that `address` names; `options` are for an embedded one.
///
/// # Errors
/// `Scheme`, `Address`, `Etcd`, `Embedded`.
pub async fn open(address: &str, options: Options) -> Result<Arc<dyn Kv>, Error> {
    Ok(match choose(address)? {
        Choice::Embedded(dir) => Arc::new(Embedded::open(dir, options).await?),
        Choice::Etcd(address) => Arc::new(Etcd::connect(&address).await?),
        Choice::Memory => Arc::new(Memory::with(options.clock, options.limits, options.retention)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_store() {
        let check = |address: &str, expect: Choice| assert_eq!(choose(address).unwrap(), expect);
        check("/var/lib/x", Choice::Embedded("/var/lib/x".into()));
        check("file:///var/lib/x", Choice::Embedded("/var/lib/x".into()));
        check("file:x", Choice::Embedded("x".into()));
        check("memory:", Choice::Memory);
        assert!(matches!(choose("etcd://a:1").unwrap(), Choice::Etcd(_)));
        assert!(matches!(choose("etcd://a"), Err(Error::Address(_))));
        assert!(matches!(choose("redis://a"), Err(Error::Scheme(_))));
    }
}
