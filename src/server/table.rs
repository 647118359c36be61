//! Objects → the bodies of answers: as they are, as their metadata alone, or as rows of a table.

use std::borrow::Borrow;

use masthead_api::kind::Kind;
use masthead_api::meta::Time;
use masthead_api::object::Object;
use masthead_api::table::document::{Include, TableMeta, document};
use masthead_api::table::rows::columns;
use serde_json::{Map, Value, json};

use crate::server::negotiate::Form;

/// What the metadata of a list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListHead {
    /// The revision at which the list is true.
    pub revision: u64,
    /// Where the next page begins; empty on the last.
    pub next: String,
    /// How many objects are left after this page, where that is known.
    pub remaining: Option<u64>,
}

/// How to render: the form, what rows carry, and the time at which ages are told.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The form.
    pub form: Form,
    /// What rows of a table carry.
    pub include: Include,
    /// The version in which objects are asked for, where it is not the one in which they are stored.
    pub version: Option<&'static str>,
    /// Now.
    pub now: Time,
}

/// One object.
pub fn one(style: Style, object: &Object) -> Value {
    match style.form {
        Form::Object => in_version(style, object.kind(), object.value()),
        Form::Metadata(version) => metadata(version, object.value()),
        Form::Table(version) => {
            let head = ListHead { revision: object.revision(), ..ListHead::default() };
            of_rows(style, version, object.kind(), &head, [object])
        }
    }
}

/// A list.
pub fn list<O: Borrow<Object>>(
    style: Style,
    kind: Kind,
    head: &ListHead,
    objects: impl IntoIterator<Item = O>,
) -> Value {
    match style.form {
        Form::Object => {
            let items: Vec<Value> =
                objects.into_iter().map(|object| in_version(style, kind, object.borrow().value())).collect();
            json!({ "kind": kind.info().list_kind(), "apiVersion": api_version(style, kind), "metadata": list_meta(head), "items": items })
        }
        Form::Metadata(version) => {
            let items: Vec<Value> =
                objects.into_iter().map(|object| metadata(version, object.borrow().value())).collect();
            json!({ "kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": list_meta(head), "items": items })
        }
        Form::Table(version) => of_rows(style, version, kind, head, objects),
    }
}

/// The `apiVersion` of objects of a kind as they are asked for.
pub fn api_version(style: Style, kind: Kind) -> String {
    let info = kind.info();
    info.api_version_of(style.version.unwrap_or(info.version))
}

/// An object as it is asked for: the versions of a kind differ in their name alone.
fn in_version(style: Style, kind: Kind, mut value: Value) -> Value {
    if style.version.is_some() {
        value["apiVersion"] = api_version(style, kind).into();
    }
    value
}

fn list_meta(head: &ListHead) -> Value {
    let mut meta = Map::new();
    meta.insert("resourceVersion".into(), head.revision.to_string().into());
    if !head.next.is_empty() {
        meta.insert("continue".into(), head.next.as_str().into());
    }
    if let Some(remaining) = head.remaining {
        meta.insert("remainingItemCount".into(), remaining.into());
    }
    meta.into()
}

fn metadata(version: &str, mut value: Value) -> Value {
    let meta = value.get_mut("metadata").map(Value::take).unwrap_or_default();
    json!({ "kind": "PartialObjectMetadata", "apiVersion": version, "metadata": meta })
}

fn of_rows<O: Borrow<Object>>(
    style: Style,
    version: &str,
    kind: Kind,
    head: &ListHead,
    objects: impl IntoIterator<Item = O>,
) -> Value {
    let meta = TableMeta {
        resource_version: head.revision.to_string(),
        continue_: head.next.clone(),
        remaining_item_count: head.remaining.map(|count| i64::try_from(count).unwrap_or(i64::MAX)),
        no_columns: false,
    };
    let objects: Vec<O> = objects.into_iter().collect();
    let all = objects.iter().map(Borrow::borrow);
    let mut table = document(kind, all, style.now, &meta, style.include).unwrap_or_else(|_| {
        // One does not fit its kind; the others are shown nevertheless.
        let rows = objects.iter().map(|object| row(object.borrow(), style.now, style.include)).collect();
        let mut empty = document(kind, [], style.now, &meta, style.include).unwrap_or_default();
        empty["rows"] = Value::Array(rows);
        empty
    });
    if version != table["apiVersion"] {
        rename(&mut table, version);
    }
    if style.include == Include::Object && style.version.is_some() {
        for row in table["rows"].as_array_mut().into_iter().flatten().filter(|row| row["object"].is_object()) {
            row["object"] = in_version(style, kind, row["object"].take());
        }
    }
    table
}

fn row(object: &Object, now: Time, include: Include) -> Value {
    let table = document(object.kind(), [object], now, &TableMeta::default(), include);
    match table {
        Ok(mut table) => table["rows"][0].take(),
        Err(_) => json!({ "cells": unreadable(object), "object": null }),
    }
}

/// Writes an older version's name where the newest one's is: the two are alike else.
fn rename(table: &mut Value, version: &str) {
    table["apiVersion"] = version.into();
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        if row["object"]["kind"] == "PartialObjectMetadata" {
            row["object"]["apiVersion"] = version.into();
        }
    }
}

/// The cells of an object that an older or newer program stored and that does not fit its kind today.
fn unreadable(object: &Object) -> Vec<Value> {
    let columns = columns(object.kind());
    columns
        .iter()
        .map(|c| if c.format == "name" { object.key().name.as_str().into() } else { "<unreadable>".into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use masthead_api::kind::registry::CONFIG_MAP;

    use super::*;

    fn config() -> Object {
        let value = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
            "metadata": {"name": "c", "namespace": "default", "creationTimestamp": "2026-11-21T08:00:00Z"},
        });
        Object::from_value(value).unwrap().at(7)
    }

    fn style(form: Form, include: Include) -> Style {
        Style { form, include, version: None, now: Time::parse("2026-11-21T08:01:00Z").unwrap() }
    }

    #[test]
    fn forms_carry_what_they_must() {
        let object = one(style(Form::Object, Include::Metadata), &config());
        assert_eq!(object["metadata"]["resourceVersion"], "7");
        assert_eq!(object["data"]["k"], "v");
        let partial = one(style(Form::Metadata("meta.k8s.io/v1"), Include::Metadata), &config());
        assert_eq!((&partial["kind"], &partial["data"]), (&json!("PartialObjectMetadata"), &Value::Null));
        let head = ListHead { revision: 9, next: "more".into(), remaining: Some(3) };
        let table = list(style(Form::Table("meta.k8s.io/v1"), Include::Metadata), CONFIG_MAP, &head, [config()]);
        assert_eq!(table["metadata"], json!({"resourceVersion": "9", "continue": "more", "remainingItemCount": 3}));
        let width = table["columnDefinitions"].as_array().unwrap().len();
        assert_eq!(table["rows"][0]["cells"].as_array().unwrap().len(), width);
        assert_eq!(table["rows"][0]["cells"][0], "c");
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        let full = list(style(Form::Table("meta.k8s.io/v1"), Include::Object), CONFIG_MAP, &head, [config()]);
        assert_eq!(full["rows"][0]["object"]["data"]["k"], "v");
        let old = list(style(Form::Table("meta.k8s.io/v1beta1"), Include::Metadata), CONFIG_MAP, &head, [config()]);
        assert_eq!(old["apiVersion"], "meta.k8s.io/v1beta1");
        assert_eq!(old["rows"][0]["object"]["apiVersion"], "meta.k8s.io/v1beta1");
        let bare = list(style(Form::Table("meta.k8s.io/v1"), Include::None), CONFIG_MAP, &head, [config()]);
        assert_eq!(bare["rows"][0]["object"], Value::Null);
    }

    #[test]
    fn objects_are_in_the_version_that_is_asked_for() {
        let grant = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
            "metadata": {"name": "g", "namespace": "default"}, "spec": {"from": [], "to": []}});
        let grant = Object::from_value(grant).unwrap().at(7);
        for (version, expect) in
            [(None, "gateway.networking.k8s.io/v1"), (Some("v1beta1"), "gateway.networking.k8s.io/v1beta1")]
        {
            let style = |form, include| Style { version, ..style(form, include) };
            assert_eq!(one(style(Form::Object, Include::Metadata), &grant)["apiVersion"], expect);
            let all = list(style(Form::Object, Include::Metadata), grant.kind(), &ListHead::default(), [&grant]);
            assert_eq!((&all["apiVersion"], &all["items"][0]["apiVersion"]), (&json!(expect), &json!(expect)));
            let rows = style(Form::Table("meta.k8s.io/v1"), Include::Object);
            let rows = list(rows, grant.kind(), &ListHead::default(), [&grant]);
            assert_eq!(
                (&rows["apiVersion"], &rows["rows"][0]["object"]["apiVersion"]),
                (&json!("meta.k8s.io/v1"), &json!(expect))
            );
        }
    }

    #[test]
    fn an_object_that_does_not_fit_its_kind_hides_no_other() {
        let odd = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": 7,
            "metadata": {"name": "odd", "namespace": "default"},
        });
        let odd = Object::from_value(odd).unwrap();
        let style = style(Form::Table("meta.k8s.io/v1"), Include::Metadata);
        let table = list(style, CONFIG_MAP, &ListHead::default(), [config(), odd]);
        assert_eq!(table["rows"][0]["cells"][0], "c");
        assert_eq!(table["rows"][1]["cells"][0], "odd");
        assert_eq!(table["rows"][1]["cells"][1], "<unreadable>");
        assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    }
}
