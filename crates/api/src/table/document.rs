//! Objects to the `meta.k8s.io/v1` Table that a client asks for with `as=Table`.

use serde_json::{Map, Value, json};

use crate::kind::{Kind, registry};
use crate::meta::time::Time;
use crate::object::{Error, Object};
use crate::table::column::Column;
use crate::table::rows::{columns, row};

/// How much of each object goes into its row (`includeObject` of a request).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata, as PartialObjectMetadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// From the parameter of a request; empty is the default, `None` for a word that is no policy.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// What a table says of itself; empty and `None` are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableMeta {
    /// Of the list, or of the one object.
    pub resource_version: String,
    /// Where the next page starts.
    pub continue_: String,
    /// How many objects further pages hold.
    pub remaining_item_count: Option<i64>,
    /// Whether to leave the columns out, as all events of a watch but the first do.
    pub no_columns: bool,
}

/// The Table of objects of one kind.
///
/// # Errors
/// An object does not fit its kind.
pub fn document<'a>(
    kind: Kind,
    objects: impl IntoIterator<Item = &'a Object>,
    now: Time,
    meta: &TableMeta,
    include: Include,
) -> Result<Value, Error> {
    let rows = objects.into_iter().map(|object| entry(object, now, include)).collect::<Result<Vec<_>, _>>()?;
    let mut metadata = Map::new();
    if !meta.resource_version.is_empty() {
        metadata.insert("resourceVersion".into(), meta.resource_version.as_str().into());
    }
    if !meta.continue_.is_empty() {
        metadata.insert("continue".into(), meta.continue_.as_str().into());
    }
    if let Some(count) = meta.remaining_item_count {
        metadata.insert("remainingItemCount".into(), count.into());
    }
    let definitions = match meta.no_columns {
        true => Value::Null,
        false => columns(kind).iter().map(definition).collect(),
    };
    Ok(json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }))
}

/// A column as a TableColumnDefinition.
fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.type_,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

/// One object as a TableRow.
fn entry(object: &Object, now: Time, include: Include) -> Result<Value, Error> {
    let mut entry = json!({"cells": row(object, now)?});
    if let Some(conditions) = conditions(object)? {
        entry["conditions"] = conditions;
    }
    entry["object"] = match include {
        Include::None => Value::Null,
        Include::Object => object.value(),
        Include::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.value()["metadata"].take(),
        }),
    };
    Ok(entry)
}

/// A row of a pod that has ended says so.
fn conditions(object: &Object) -> Result<Option<Value>, Error> {
    if object.kind() != registry::POD {
        return Ok(None);
    }
    let pod = object.typed::<crate::core::pod::Pod>()?;
    let message = match pod.status.phase.as_str() {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return Ok(None),
    };
    Ok(Some(json!([
        {"type": "Completed", "status": "True", "reason": pod.status.phase, "message": message},
    ])))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Include, TableMeta, document};
    use crate::kind::registry;
    use crate::meta::time::Time;
    use crate::object::Object;

    fn table(include: Include, meta: &TableMeta) -> Value {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Failed"}});
        let pod = Object::from_value(pod).unwrap().at(9);
        let now = Time::parse("2026-01-01T00:01:00Z").unwrap();
        document(registry::POD, [&pod], now, meta, include).unwrap()
    }

    #[test]
    fn rows_carry_what_was_asked_for() {
        let meta = TableMeta { resource_version: "12".to_owned(), ..TableMeta::default() };
        let whole = table(Include::Metadata, &meta);
        assert_eq!(whole["metadata"], json!({"resourceVersion": "12"}));
        assert_eq!(whole["columnDefinitions"].as_array().map(Vec::len), Some(9));
        let row = &whole["rows"][0];
        let cells = json!(["p", "0/1", "Failed", "0", "60s", "<none>", "<none>", "<none>", "<none>"]);
        assert_eq!(row["cells"], cells);
        assert_eq!(row["conditions"][0]["reason"], "Failed");
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["object"]["metadata"]["resourceVersion"], "9");
        assert_eq!(row["object"]["spec"], Value::Null);
        assert_eq!(table(Include::Object, &meta)["rows"][0]["object"]["spec"]["containers"][0]["name"], "c");
        assert_eq!(table(Include::None, &meta)["rows"][0]["object"], Value::Null);
    }

    #[test]
    fn later_events_of_a_watch_have_no_columns() {
        let meta = TableMeta { no_columns: true, remaining_item_count: Some(3), ..TableMeta::default() };
        let table = table(Include::None, &meta);
        assert_eq!(table["columnDefinitions"], Value::Null);
        assert_eq!(table["metadata"], json!({"remainingItemCount": 3}));
    }

    #[test]
    fn policies_have_names() {
        assert_eq!(Include::parse(""), Some(Include::Metadata));
        assert_eq!(Include::parse("Object"), Some(Include::Object));
        assert_eq!(Include::parse("object"), None);
    }
}
