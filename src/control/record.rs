//! The record of what git last asked for of an object, as bytes of the store and back.

use std::sync::Arc;

use bytes::Bytes;
use masthead_api::object::{self, Object};
use masthead_plan::cluster::view::Applied;
use masthead_plan::desired::Wanted;
use masthead_plan::origin::Origin;
use serde::{Deserialize, Serialize};

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON of the record's shape.
    #[error("a record of what git asked for is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// The manifest in it is no object.
    #[error("the manifest in a record of what git asked for is not readable: {0}")]
    Object(#[from] object::Error),
}

#[derive(Serialize, Deserialize)]
struct Record<V> {
    commit: String,
    origin: Origin,
    desired: V,
}

/// The record of an object as `commit` wants it.
///
/// # Errors
/// The manifest's bytes are not JSON, which no [`Object`] has.
pub fn write(commit: &str, wanted: &Wanted) -> Result<Bytes, Error> {
    let desired: &serde_json::value::RawValue = serde_json::from_slice(wanted.object.body())?;
    let record = Record { commit: commit.to_owned(), origin: wanted.origin.clone(), desired };
    Ok(serde_json::to_vec(&record)?.into())
}

/// The record in bytes of the store.
///
/// # Errors
/// The bytes are no record.
pub fn read(body: &[u8]) -> Result<Applied, Error> {
    let record: Record<serde_json::Value> = serde_json::from_slice(body)?;
    let desired = Arc::new(Object::from_value(record.desired)?);
    Ok(Applied { commit: record.commit, origin: record.origin, desired })
}
