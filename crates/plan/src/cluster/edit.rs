//! A stored object and a change of its metadata → the object after it, all other fields untouched.

use std::sync::Arc;

use masthead_api::meta::OwnerReference;
use masthead_api::object::{Error, Object};
use serde_json::{Map, Value, json};

/// The object with its metadata changed; it keeps the revision it had, as the base of the write.
///
/// # Errors
/// The changed metadata is not of its shape.
pub fn with_meta(object: &Object, change: impl FnOnce(&mut Map<String, Value>)) -> Result<Arc<Object>, Error> {
    let mut value = object.value();
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        change(meta);
    }
    Ok(Arc::new(Object::from_value(value)?))
}

/// The object with these owners; the field goes when there are none.
///
/// # Errors
/// As [`with_meta`].
pub fn with_owners(object: &Object, owners: &[OwnerReference]) -> Result<Arc<Object>, Error> {
    with_meta(object, |meta| set_list(meta, "ownerReferences", owners))
}

/// The object without one finalizer; the field goes with the last.
///
/// # Errors
/// As [`with_meta`].
pub fn without_finalizer(object: &Object, finalizer: &str) -> Result<Arc<Object>, Error> {
    let left: Vec<&String> = object.meta().finalizers.iter().filter(|f| *f != finalizer).collect();
    with_meta(object, |meta| set_list(meta, "finalizers", &left))
}

/// Writes a list into metadata, or takes the field out when the list is empty.
pub fn set_list<T: serde::Serialize>(meta: &mut Map<String, Value>, field: &str, list: &[T]) {
    if list.is_empty() {
        meta.remove(field);
    } else {
        meta.insert(field.to_owned(), json!(list));
    }
}
