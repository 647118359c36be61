//! A document to the resources in it: which parts have an identifier, a draft and anchors of their own.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use masthead_gotmpl::quote::quote;
use serde_json::{Map, Value as Json};

use super::draft::{self, Draft, Position};
use super::pointer::{decode, escape, join, location, split, unescape};

/// How deep schemas may nest.
pub(crate) const DEPTH_MAX: usize = 500;

/// A part of a document with an identifier.
#[derive(Debug)]
pub(crate) struct Resource<'d> {
    pub pointer: String,
    pub value: &'d Json,
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
    /// The document's own comes first.
    pub resources: Vec<Resource<'d>>,
    /// Their numbers by their identifiers.
    ids: HashMap<String, usize>,
    /// The resource that each place which was looked through is part of, by the place's address.
    owners: ByAddress<usize>,
}

/// What a place is known by: no two of a document have one address.
pub(crate) fn address(value: &Json) -> usize {
    std::ptr::from_ref(value) as usize
}

/// What is kept for places, by their addresses.
pub(crate) type ByAddress<T> = HashMap<usize, T, BuildHasherDefault<AddressHasher>>;

/// Spreads addresses, which nobody outside chooses.
#[derive(Default)]
pub(crate) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The way to a place; a pointer is only written where one is asked for.
pub(crate) enum Trail<'t> {
    /// A place that is known by its pointer.
    From(&'t str),
    /// A key of what stands before.
    Key(&'t Trail<'t>, &'t str),
    /// An item of it.
    Item(&'t Trail<'t>, usize),
}

impl Trail<'_> {
    fn pointer(&self) -> String {
        match self {
            Trail::From(pointer) => (*pointer).to_owned(),
            Trail::Key(before, key) => format!("{}/{}", before.pointer(), escape(key)),
            Trail::Item(before, at) => format!("{}/{at}", before.pointer()),
        }
    }
}

/// The keys of an object as bits, so that most questions for a key that is not there are answered at once.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'d> {
    fields: &'d Map<String, Json>,
    bits: u64,
}

impl<'d> Keys<'d> {
    pub fn of(fields: &'d Map<String, Json>) -> Keys<'d> {
        Keys { fields, bits: fields.keys().fold(0, |bits, key| bits | Keys::bit(key)) }
    }

    #[inline]
    fn bit(key: &str) -> u64 {
        let bytes = key.as_bytes();
        let at = |at: usize| bytes.get(at).map_or(0, |byte| u32::from(*byte));
        1 << ((at(0) * 7 + at(bytes.len() / 2) * 3 + at(bytes.len().wrapping_sub(1)) + bytes.len() as u32) & 63)
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &str) -> Option<&'d Json> {
        if self.bits & Keys::bit(key) == 0 { None } else { self.fields.get(key) }
    }
}

impl<'d> Root<'d> {
    /// Looks a document through.
    pub fn new(url: &str, document: &'d Json) -> Result<Root<'d>, String> {
        let (resources, ids, owners) = (Vec::new(), HashMap::new(), ByAddress::default());
        let mut root = Root { url: url.to_owned(), document, resources, ids, owners };
        root.collect(document, None, &Trail::From(""), draft::LATEST, 0)?;
        Ok(root)
    }

    /// The resource that a place which was looked through is part of.
    pub fn owner(&self, value: &Json) -> Option<usize> {
        self.owners.get(&address(value)).copied()
    }

    /// What a pointer leads to, and the resource around it.
    ///
    /// # Errors
    /// It leads nowhere.
    pub fn find(&self, pointer: &str) -> Result<(&'d Json, usize), String> {
        let place = || quote(location(&self.url, pointer).as_bytes());
        let (mut value, mut owner) = (self.document, 0);
        for token in pointer.split('/').skip(1) {
            let token = unescape(token).ok_or_else(|| format!("invalid json-pointer {}", place()))?;
            let next = match value {
                Json::Object(fields) => fields.get(&token),
                Json::Array(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            value = next.ok_or_else(|| format!("json-pointer in {} not found", place()))?;
            owner = self.owner(value).unwrap_or(owner);
        }
        Ok((value, owner))
    }

    /// Where a reference with this identifier and fragment leads in this document; none where it leads out of it.
    pub fn resolve(&self, id: &str, fragment: &str) -> Result<Option<String>, String> {
        let known = if id == self.url { Some(0) } else { self.ids.get(id).copied() };
        let Some(resource) = known.and_then(|at| self.resources.get(at)) else { return Ok(None) };
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(Some(format!("{}{fragment}", resource.pointer)));
        }
        match resource.anchors.get(fragment) {
            Some(pointer) => Ok(Some(pointer.clone())),
            None => Err(format!(
                "anchor in {} not found in schema {}",
                quote(location(&resource.id, fragment).as_bytes()),
                quote(self.url.as_bytes())
            )),
        }
    }

    /// Looks through a place of a resource that no keyword of a schema leads to, since a reference does.
    pub fn ensure(&mut self, value: &'d Json, owner: usize, pointer: &str) -> Result<(), String> {
        let draft = self.resources[owner].draft;
        self.collect(value, Some(owner), &Trail::From(pointer), draft, 0)
    }

    fn collect(
        &mut self,
        value: &'d Json,
        owner: Option<usize>,
        trail: &Trail<'_>,
        fallback: Draft,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("schemas nest deeper than {DEPTH_MAX} levels"));
        }
        if self.owners.contains_key(&address(value)) {
            return Ok(());
        }
        let Json::Object(fields) = value else {
            let owner = match owner {
                Some(owner) => owner,
                None => self.add(value, trail, self.url.clone(), fallback)?,
            };
            self.owners.insert(address(value), owner);
            return Ok(());
        };
        let keys = Keys::of(fields);
        let named = match keys.get("$schema").and_then(Json::as_str) {
            Some(url) => Some(Draft::of_url(url.strip_suffix('#').unwrap_or(url)).ok_or_else(|| unknown_draft(url))?),
            None => None,
        };
        let mut draft = named.unwrap_or(fallback);
        let mut id = identifier(draft, keys);
        if id.is_none() && owner.is_some() {
            draft = fallback;
            id = identifier(draft, keys);
        }
        let owner = match (owner, id) {
            (Some(owner), None) => owner,
            (owner, id) => {
                let base = owner.map_or(&self.url, |owner| &self.resources[owner].id);
                let id = id.map_or_else(|| base.clone(), |id| join(base, id));
                self.add(value, trail, id, draft)?
            }
        };
        self.owners.insert(address(value), owner);
        self.anchors(keys, trail, owner)?;
        let own = self.resources[owner].draft;
        for (keyword, position) in own.positions() {
            let Some(inner) = keys.get(keyword) else { continue };
            let place = Trail::Key(trail, keyword);
            match (position, inner) {
                (Position::Here, inner) => self.collect(inner, Some(owner), &place, own, depth + 1)?,
                (Position::Properties, Json::Object(inner)) => {
                    for (key, inner) in inner {
                        self.collect(inner, Some(owner), &Trail::Key(&place, key), own, depth + 1)?;
                    }
                }
                (Position::Items, Json::Array(inner)) => {
                    for (at, inner) in inner.iter().enumerate() {
                        self.collect(inner, Some(owner), &Trail::Item(&place, at), own, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, value: &'d Json, trail: &Trail<'_>, id: String, draft: Draft) -> Result<usize, String> {
        let pointer = trail.pointer();
        if let Some(other) = self.ids.get(&id) {
            let there = &self.resources[*other].pointer;
            let [id, url, here, there] = [&id, &self.url, &pointer, there].map(|text| quote(text.as_bytes()));
            return Err(format!("duplicate id {id} in {url} at {here} and {there}"));
        }
        self.ids.insert(id.clone(), self.resources.len());
        let (anchors, dynamic_anchors) = (BTreeMap::new(), Vec::new());
        self.resources.push(Resource { pointer, value, id, draft, anchors, dynamic_anchors });
        Ok(self.resources.len() - 1)
    }

    fn anchors(&mut self, keys: Keys<'_>, trail: &Trail<'_>, owner: usize) -> Result<(), String> {
        let text = |keyword: &str| keys.get(keyword).and_then(Json::as_str);
        let resource = &mut self.resources[owner];
        let version = resource.draft.version;
        let mut found: Vec<String> = Vec::new();
        if version < 2019 {
            if keys.get("$ref").is_some() {
                return Ok(());
            }
            if let Some(id) = text(resource.draft.id_keyword()) {
                let fragment = decode(split(id).1).ok_or_else(|| {
                    let place = quote(location(&self.url, &trail.pointer()).as_bytes());
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
            let pointer = trail.pointer();
            match resource.anchors.get(&anchor) {
                Some(there) if *there != pointer => {
                    let quote = |text: &str| quote(text.as_bytes());
                    let (anchor, url, there, here) = (quote(&anchor), quote(&self.url), quote(there), quote(&pointer));
                    return Err(format!("duplicate anchor {anchor} in {url} at {there} and {here}"));
                }
                _ => drop(resource.anchors.insert(anchor, pointer)),
            }
        }
        Ok(())
    }
}

fn unknown_draft(url: &str) -> String {
    refused(split(url).0)
}

/// The identifier of a schema, without its fragment.
fn identifier<'d>(draft: Draft, keys: Keys<'d>) -> Option<&'d str> {
    if draft.version < 2019 && keys.get("$ref").is_some() {
        return None;
    }
    keys.get(draft.id_keyword()).and_then(Json::as_str).map(|id| split(id).0).filter(|id| !id.is_empty())
}

/// Why a reference is not followed.
pub(crate) fn refused(url: &str) -> String {
    let why = match url.split(':').next() {
        Some("file") => "references to other files are not followed",
        _ => "references to other places are not followed",
    };
    format!("failing loading {}: {why}", quote(url.as_bytes()))
}
