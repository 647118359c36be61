//! A document to the resources in it: which parts have an identifier, a draft and anchors of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::draft::{self, Draft, Position};
use super::pointer::{decode, join, location, push, split};

/// How deep schemas may nest.
pub(crate) const DEPTH_MAX: usize = 500;

/// A part of a document with an identifier.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub pointer: String,
    pub id: String,
    pub draft: Draft,
    /// Names of places, and their pointers.
    pub anchors: BTreeMap<String, String>,
    pub dynamic_anchors: Vec<String>,
}

/// A document that schemas are taken from.
#[derive(Debug)]
pub(crate) struct Root<'d> {
    pub url: String,
    pub document: &'d Json,
    pub resources: BTreeMap<String, Resource>,
    processed: BTreeSet<String>,
}

impl<'d> Root<'d> {
    /// Looks a document through.
    pub fn new(url: &str, document: &'d Json) -> Result<Root<'d>, String> {
        let mut root = Root { url: url.to_owned(), document, resources: BTreeMap::new(), processed: BTreeSet::new() };
        root.collect(document, url, "", draft::LATEST, 0)?;
        Ok(root)
    }

    /// The resource that the place is part of.
    pub fn resource(&self, pointer: &str) -> Option<&Resource> {
        let mut pointer = pointer;
        loop {
            if let Some(found) = self.resources.get(pointer) {
                return Some(found);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// Where a reference with this identifier and fragment leads in this document; none where it leads out of it.
    pub fn resolve(&self, id: &str, fragment: &str) -> Result<Option<String>, String> {
        let resource = if id == self.url {
            self.resources.get("")
        } else {
            self.resources.values().find(|resource| resource.id == id)
        };
        let Some(resource) = resource else { return Ok(None) };
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(Some(format!("{}{fragment}", resource.pointer)));
        }
        match resource.anchors.get(fragment) {
            Some(pointer) => Ok(Some(pointer.clone())),
            None => Err(format!(
                "anchor in {} not found in schema {}",
                masthead_gotmpl::quote::quote(location(&resource.id, fragment).as_bytes()),
                masthead_gotmpl::quote::quote(self.url.as_bytes())
            )),
        }
    }

    /// Looks through a place that no keyword of a schema leads to, since a reference does.
    pub fn ensure(&mut self, pointer: &str, value: &Json) -> Result<(), String> {
        if self.processed.contains(pointer) {
            return Ok(());
        }
        let Some(base) = self.resource(pointer).cloned() else { return Ok(()) };
        self.collect(value, &base.id, pointer, base.draft, 0)
    }

    fn collect(
        &mut self,
        value: &Json,
        base: &str,
        pointer: &str,
        fallback: Draft,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("schemas nest deeper than {DEPTH_MAX} levels"));
        }
        if !self.processed.insert(pointer.to_owned()) {
            return Ok(());
        }
        let Json::Object(fields) = value else {
            if pointer.is_empty() {
                self.add(pointer, base, fallback)?;
            }
            return Ok(());
        };
        let named = match fields.get("$schema").and_then(Json::as_str) {
            Some(url) => Some(Draft::of_url(url.strip_suffix('#').unwrap_or(url)).ok_or_else(|| unknown_draft(url))?),
            None => None,
        };
        let mut draft = named.unwrap_or(fallback);
        let mut id = identifier(draft, value);
        if id.is_none() && !pointer.is_empty() {
            draft = fallback;
            id = identifier(draft, value);
        }
        let base = match id {
            Some(id) => join(base, id),
            None => base.to_owned(),
        };
        if id.is_some() || pointer.is_empty() {
            self.add(pointer, &base, draft)?;
        }
        self.anchors(value, pointer, &base)?;
        let own = self.resources.values().find(|resource| resource.id == base).map_or(draft, |resource| resource.draft);
        for (keyword, position) in draft.positions() {
            let Some(inner) = fields.get(keyword) else { continue };
            let place = push(pointer, keyword);
            match (position, inner) {
                (Position::Here, inner) => self.collect(inner, &base, &place, own, depth + 1)?,
                (Position::Properties, Json::Object(inner)) => {
                    for (key, inner) in inner {
                        self.collect(inner, &base, &push(&place, key), own, depth + 1)?;
                    }
                }
                (Position::Items, Json::Array(inner)) => {
                    for (at, inner) in inner.iter().enumerate() {
                        self.collect(inner, &base, &push(&place, &at.to_string()), own, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, pointer: &str, id: &str, draft: Draft) -> Result<(), String> {
        if let Some(other) = self.resources.values().find(|resource| resource.id == id) {
            if other.pointer == pointer {
                return Ok(());
            }
            let quote = |text: &str| masthead_gotmpl::quote::quote(text.as_bytes());
            let (id, url, here, there) = (quote(id), quote(&self.url), quote(pointer), quote(&other.pointer));
            return Err(format!("duplicate id {id} in {url} at {here} and {there}"));
        }
        let resource = Resource {
            pointer: pointer.to_owned(),
            id: id.to_owned(),
            draft,
            anchors: BTreeMap::new(),
            dynamic_anchors: Vec::new(),
        };
        self.resources.insert(pointer.to_owned(), resource);
        Ok(())
    }

    fn anchors(&mut self, value: &Json, pointer: &str, base: &str) -> Result<(), String> {
        let url = self.url.clone();
        let Some(resource) = self.resources.values_mut().find(|resource| resource.id == base) else { return Ok(()) };
        let text = |keyword: &str| value.get(keyword).and_then(Json::as_str);
        let version = resource.draft.version;
        let mut found: Vec<String> = Vec::new();
        if version < 2019 {
            if value.get("$ref").is_some() {
                return Ok(());
            }
            if let Some(id) = text(resource.draft.id_keyword()) {
                let fragment = decode(split(id).1).ok_or_else(|| {
                    let place = masthead_gotmpl::quote::quote(location(&url, pointer).as_bytes());
                    format!("error in parsing anchor at {place}")
                })?;
                found.extend((!fragment.is_empty() && !fragment.starts_with('/')).then_some(fragment));
            }
        } else {
            found.extend(text("$anchor").map(str::to_owned));
        }
        if version >= 2020
            && let Some(anchor) = text("$dynamicAnchor")
        {
            found.push(anchor.to_owned());
            resource.dynamic_anchors.push(anchor.to_owned());
        }
        for anchor in found {
            match resource.anchors.get(&anchor) {
                Some(there) if there != pointer => {
                    let quote = |text: &str| masthead_gotmpl::quote::quote(text.as_bytes());
                    let (anchor, url, there, here) = (quote(&anchor), quote(&url), quote(there), quote(pointer));
                    return Err(format!("duplicate anchor {anchor} in {url} at {there} and {here}"));
                }
                _ => drop(resource.anchors.insert(anchor, pointer.to_owned())),
            }
        }
        Ok(())
    }
}

fn unknown_draft(url: &str) -> String {
    super::compile::refused(split(url).0)
}

/// The identifier of a schema, without its fragment.
fn identifier(draft: Draft, value: &Json) -> Option<&str> {
    if draft.version < 2019 && value.get("$ref").is_some() {
        return None;
    }
    value.get(draft.id_keyword()).and_then(Json::as_str).map(|id| split(id).0).filter(|id| !id.is_empty())
}
