//! Charts that are elsewhere: found by a range of versions, pinned by a lock file, fetched once, kept by digest.

pub mod access;
pub mod clearsign;
pub mod credentials;
pub mod error;
pub mod fetch;
pub mod helm;
pub mod index;
pub mod lock;
pub mod oci;
pub mod openpgp;
pub mod provenance;
pub mod reference;
pub mod repository;
pub mod store;
