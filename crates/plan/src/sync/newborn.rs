//! A manifest → the object as it is made: with a uid and the time of its creation.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::context::Context;

/// A manifest with what the server gives each new object.
///
/// # Errors
/// It has no metadata, or is no object.
pub fn newborn(mut value: Value, cx: &mut Context) -> Result<Arc<Object>, String> {
    let meta = value.get_mut("metadata").and_then(Value::as_object_mut).ok_or("metadata: Required value")?;
    meta.insert("uid".into(), json!(cx.ids.uid()));
    meta.insert("creationTimestamp".into(), json!(cx.now));
    // What follows from the uid, as a job's selector.
    let value = admit::settle(value).map_err(|fault| format!("{}: {}", fault.path, fault.message))?;
    Ok(Arc::new(Object::from_value(value).map_err(|e| e.to_string())?))
}
