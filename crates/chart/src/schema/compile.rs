//! A schema's text to the numbered schemas that values are held against.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use masthead_gotmpl::json::{Numbers, from_json};
use masthead_gotmpl::quote::quote;
use masthead_sprig::regex::program::Regex;
use serde_json::Value as Json;

use super::decimal::Decimal;
use super::draft::{self, Draft};
use super::format;
use super::node::{Additional, Id, Items, Needs, Node, Pattern, Spot, Types};
use super::pointer::{decode, join, location, push, split};
use super::quick;
use super::resources::{ByAddress, Keys, Root, address, refused};
use crate::json_scan;

/// The URL under which a chart's schema is read.
pub const URL: &str = "file:///values.schema.json";

/// How many schemas one file may hold.
pub const SCHEMAS_MAX: usize = 200_000;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    /// Those that only tell a type share one node.
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) root: Id,
    places: Places,
}

/// Where the schemas stand, for messages.
#[derive(Debug, Default)]
struct Places {
    urls: Vec<String>,
    spots: Vec<Spot>,
}

impl Places {
    /// A schema's document and its pointer in it.
    fn pointer(&self, id: Id) -> (usize, String) {
        match &self.spots[id] {
            Spot::Pointer(root, pointer) => (*root, pointer.clone()),
            Spot::Below(outer, keyword) => self.below(*outer, &[keyword]),
            Spot::Item(outer, keyword, at) => self.below(*outer, &[keyword, &at.to_string()]),
            Spot::Named(outer, keyword, name) => self.below(*outer, &[keyword, name]),
        }
    }

    fn below(&self, outer: Id, tokens: &[&str]) -> (usize, String) {
        let (root, pointer) = self.pointer(outer);
        (root, tokens.iter().fold(pointer, |pointer, token| push(&pointer, token)))
    }

    fn location(&self, id: Id) -> String {
        let (root, pointer) = self.pointer(id);
        location(&self.urls[root], &pointer)
    }
}

impl Schema {
    /// Compiles the text of a values.schema.json, after holding it against its draft's own schema.
    ///
    /// # Errors
    /// The words that Helm shows; and a reference that leads out of the file.
    pub fn parse(text: &[u8]) -> Result<Schema, String> {
        let go_words = |error: serde_json::Error| json_scan::against(text).unwrap_or_else(|| error.to_string());
        let document: Json = serde_json::from_slice(text).map_err(go_words)?;
        Schema::of(&document, URL, true)
    }

    fn of(document: &Json, url: &str, check: bool) -> Result<Schema, String> {
        let root = Root::new(url, document)?;
        if check {
            let draft = root.resources.first().map_or(draft::LATEST, |resource| resource.draft);
            if !quick::is_valid(document, draft) {
                hold_against_draft(draft, document, &location(url, ""))?;
            }
        }
        let mut compiler = Compiler { check, ..Compiler::default() };
        compiler.add(root);
        let id = compiler.enqueue_at(0, "");
        let mut at = 0;
        while at < compiler.queue.len() {
            compiler.compile(at)?;
            at += 1;
        }
        Ok(Schema { nodes: compiler.nodes, root: id, places: compiler.places })
    }

    /// Where one of its schemas stands: a URL with a pointer.
    pub(crate) fn location(&self, id: Id) -> String {
        self.places.location(id)
    }
}

/// The drafts' own schemas, compiled when they are first needed.
fn own_schema(draft: Draft) -> Result<Arc<Schema>, String> {
    type Compiled = LazyLock<Result<Arc<Schema>, String>>;
    fn compiled(url: &str) -> Result<Arc<Schema>, String> {
        let document = draft::document(url).ok_or_else(|| refused(url))?;
        Schema::of(document, url, false).map(Arc::new)
    }
    static D4: Compiled = LazyLock::new(|| compiled(Draft { version: 4 }.url()));
    static D6: Compiled = LazyLock::new(|| compiled(Draft { version: 6 }.url()));
    static D7: Compiled = LazyLock::new(|| compiled(Draft { version: 7 }.url()));
    static D2019: Compiled = LazyLock::new(|| compiled(Draft { version: 2019 }.url()));
    static D2020: Compiled = LazyLock::new(|| compiled(Draft { version: 2020 }.url()));
    match draft.version {
        4 => (*D4).clone(),
        6 => (*D6).clone(),
        7 => (*D7).clone(),
        2019 => (*D2019).clone(),
        _ => (*D2020).clone(),
    }
}

pub(crate) fn hold_against_draft(draft: Draft, document: &Json, place: &str) -> Result<(), String> {
    let own = own_schema(draft)?;
    own.validate(&from_json(document, Numbers::Number))
        .map_err(|error| format!("{} is not valid against metaschema: {error}", quote(place.as_bytes())))
}

/// A schema that waits: its document, what it is made of, and the resource around it; or why a pointer leads nowhere.
type Waiting<'d> = Result<(usize, &'d Json, usize), String>;

#[derive(Default)]
struct Compiler<'d> {
    roots: Vec<Root<'d>>,
    nodes: Vec<Arc<Node>>,
    /// What stands for schemas that wait.
    blank: Arc<Node>,
    /// Schemas that only tell a type, by their draft, their resource and the type.
    simple: HashMap<(u16, Id, Option<Types>), Arc<Node>>,
    places: Places,
    queue: Vec<Waiting<'d>>,
    /// Schemas by the address of what they are made of.
    known: ByAddress<Id>,
    /// Pointers that lead nowhere.
    lost: HashMap<(usize, String), Id>,
    check: bool,
}

/// The schema that is being compiled.
struct Place<'d> {
    id: Id,
    root: usize,
    owner: usize,
    keys: Keys<'d>,
}

impl<'d> Place<'d> {
    fn get(&self, keyword: &str) -> Option<&'d Json> {
        self.keys.get(keyword)
    }

    fn text(&self, keyword: &str) -> Option<&'d str> {
        self.get(keyword).and_then(Json::as_str)
    }

    fn flag(&self, keyword: &str) -> bool {
        self.get(keyword).and_then(Json::as_bool).unwrap_or(false)
    }

    fn number(&self, keyword: &str) -> Option<Decimal> {
        match self.get(keyword) {
            Some(Json::Number(number)) => Decimal::parse(&number.to_string()),
            _ => None,
        }
    }

    fn int(&self, keyword: &str) -> Option<i64> {
        self.number(keyword).and_then(|number| number.to_int())
    }
}

impl<'d> Compiler<'d> {
    fn add(&mut self, root: Root<'d>) {
        self.places.urls.push(root.url.clone());
        self.roots.push(root);
    }

    fn push(&mut self, spot: Spot, waiting: Waiting<'d>) -> Id {
        self.queue.push(waiting);
        self.places.spots.push(spot);
        self.nodes.push(Arc::clone(&self.blank));
        self.queue.len() - 1
    }

    /// A schema of a document by its pointer.
    fn enqueue_at(&mut self, root: usize, pointer: &str) -> Id {
        let spot = || Spot::Pointer(root, pointer.to_owned());
        match self.roots[root].find(pointer) {
            Ok((value, owner)) => self.enqueue(root, value, owner, spot),
            Err(words) => {
                let key = (root, pointer.to_owned());
                if let Some(id) = self.lost.get(&key) {
                    return *id;
                }
                let id = self.push(spot(), Err(words));
                self.lost.insert(key, id);
                id
            }
        }
    }

    fn enqueue(&mut self, root: usize, value: &'d Json, owner: usize, spot: impl FnOnce() -> Spot) -> Id {
        if let Some(id) = self.known.get(&address(value)) {
            return *id;
        }
        let id = self.push(spot(), Ok((root, value, owner)));
        self.known.insert(address(value), id);
        id
    }

    fn compile(&mut self, id: Id) -> Result<(), String> {
        if self.queue.len() > SCHEMAS_MAX {
            return Err(format!("the schema holds more than {SCHEMAS_MAX} schemas"));
        }
        let (root, value, around) = self.queue[id].clone()?;
        let owner = match self.roots[root].owner(value) {
            Some(owner) => owner,
            None => {
                let pointer = self.places.pointer(id).1;
                self.roots[root].ensure(value, around, &pointer)?;
                self.roots[root].owner(value).unwrap_or(around)
            }
        };
        let resource = &self.roots[root].resources[owner];
        let draft = resource.draft.version;
        let (first, is_first) = (resource.value, address(resource.value) == address(value));
        let named: Vec<(String, String)> = match draft >= 2020 && is_first {
            true => {
                let all = resource.dynamic_anchors.iter();
                all.filter_map(|anchor| Some((anchor.clone(), resource.anchors.get(anchor)?.clone()))).collect()
            }
            false => Vec::new(),
        };
        let resource = match self.known.get(&address(first)) {
            Some(id) => *id,
            None => {
                let spot = Spot::Pointer(root, resource.pointer.clone());
                self.enqueue(root, first, owner, || spot)
            }
        };
        if let Some(found) = simple(value)
            && named.is_empty()
        {
            let node = || Arc::new(Node { draft, resource, types: found, ..Node::default() });
            self.nodes[id] = Arc::clone(self.simple.entry((draft, resource, found)).or_insert_with(node));
            return Ok(());
        }
        let mut node = Node { draft, resource, ..Node::default() };
        for (anchor, pointer) in named {
            let target = self.enqueue_at(root, &pointer);
            node.dynamic_anchors.push((anchor, target));
        }
        match value {
            Json::Bool(flag) => node.flag = Some(*flag),
            Json::Object(fields) if fields.is_empty() => node.flag = Some(true),
            Json::Object(fields) => {
                let place = Place { id, root, owner, keys: Keys::of(fields) };
                self.object(&place, &mut node)?;
            }
            _ => {}
        }
        node.all_properties_evaluated = node.additional_properties.is_some();
        if node.draft < 2020 {
            node.all_items_evaluated = node.additional_items.is_some() || matches!(node.items, Some(Items::One(_)));
            if let Some(Items::Each(list)) = &node.items {
                node.items_evaluated = list.len();
            }
        } else {
            node.all_items_evaluated = node.items_2020.is_some();
            node.items_evaluated = node.prefix_items.len();
        }
        self.nodes[id] = Arc::new(node);
        Ok(())
    }

    fn object(&mut self, place: &Place<'d>, node: &mut Node) -> Result<(), String> {
        node.reference = self.reference(place, "$ref")?;
        if node.draft < 2019 && node.reference.is_some() {
            return Ok(());
        }
        self.applicators(place, node)?;
        self.assertions(place, node)?;
        // The drafts' own schemas are held to their formats too.
        if (node.draft < 2019 || !self.check)
            && let Some(name) = place.text("format")
        {
            node.format = format::Format::of_name(name);
        }
        if node.draft >= 6 {
            node.contains = self.schema(place, "contains");
            node.property_names = self.schema(place, "propertyNames");
            node.constant = place.get("const").cloned();
        }
        if node.draft >= 7 {
            node.when = self.schema(place, "if");
            if node.when.is_some() {
                let flag = place.get("if").and_then(Json::as_bool);
                node.then = if flag != Some(false) { self.schema(place, "then") } else { None };
                node.otherwise = if flag != Some(true) { self.schema(place, "else") } else { None };
            }
        }
        if node.draft >= 2019 {
            self.since_2019(place, node)?;
        }
        if node.draft >= 2020 {
            if let Some(target) = self.reference(place, "$dynamicRef")? {
                let fragment = place.text("$dynamicRef").map(split).map_or("", |parts| parts.1);
                let fragment = decode(fragment).unwrap_or_default();
                let anchor = if fragment.starts_with('/') { String::new() } else { fragment };
                node.dynamic_ref = Some((target, anchor));
            }
            node.dynamic_anchor = place.text("$dynamicAnchor").unwrap_or_default().to_owned();
            node.prefix_items = self.schemas(place, "prefixItems");
            node.items_2020 = self.schema(place, "items");
        }
        Ok(())
    }

    fn applicators(&mut self, place: &Place<'d>, node: &mut Node) -> Result<(), String> {
        node.all_of = self.schemas(place, "allOf");
        node.any_of = self.schemas(place, "anyOf");
        node.one_of = self.schemas(place, "oneOf");
        node.not = self.schema(place, "not");
        if node.draft < 2020 {
            match place.get("items") {
                Some(Json::Array(_)) => {
                    node.items = Some(Items::Each(self.schemas(place, "items")));
                    node.additional_items = self.additional(place, "additionalItems");
                }
                Some(_) => node.items = self.schema(place, "items").map(Items::One),
                None => {}
            }
        }
        node.properties = self.named(place, "properties");
        for (text, id) in self.named(place, "patternProperties") {
            let pattern = pattern(&text, || format!("{}/patternProperties", self.places.location(place.id)))?;
            node.pattern_properties.push((pattern, id));
        }
        node.additional_properties = self.additional(place, "additionalProperties");
        if let Some(Json::Object(fields)) = place.get("dependencies") {
            for (name, value) in fields {
                let needs = match value {
                    Json::Array(names) => Needs::Names(strings(names)),
                    value => {
                        let spot = || Spot::Named(place.id, "dependencies", name.as_str().into());
                        Needs::Schema(self.enqueue(place.root, value, place.owner, spot))
                    }
                };
                node.dependencies.push((name.clone(), needs));
            }
        }
        Ok(())
    }

    fn assertions(&mut self, place: &Place<'d>, node: &mut Node) -> Result<(), String> {
        node.types = place.get("type").and_then(types);
        node.choices = place.get("enum").and_then(Json::as_array).cloned();
        node.multiple_of = place.number("multipleOf");
        node.maximum = place.number("maximum");
        node.exclusive_maximum =
            if place.flag("exclusiveMaximum") { node.maximum.take() } else { place.number("exclusiveMaximum") };
        node.minimum = place.number("minimum");
        node.exclusive_minimum =
            if place.flag("exclusiveMinimum") { node.minimum.take() } else { place.number("exclusiveMinimum") };
        node.min_length = place.int("minLength");
        node.max_length = place.int("maxLength");
        if let Some(text) = place.text("pattern") {
            node.pattern = Some(pattern(text, || format!("{}/pattern", self.places.location(place.id)))?);
        }
        node.min_items = place.int("minItems");
        node.max_items = place.int("maxItems");
        node.unique_items = place.flag("uniqueItems");
        node.max_properties = place.int("maxProperties");
        node.min_properties = place.int("minProperties");
        node.required = place.get("required").and_then(Json::as_array).map_or_else(Vec::new, |list| strings(list));
        Ok(())
    }

    fn since_2019(&mut self, place: &Place<'d>, node: &mut Node) -> Result<(), String> {
        node.recursive_ref = self.reference(place, "$recursiveRef")?;
        node.recursive_anchor = place.flag("$recursiveAnchor");
        if node.contains.is_some() {
            node.min_contains = place.int("minContains");
            node.max_contains = place.int("maxContains");
        }
        if let Some(Json::Object(fields)) = place.get("dependentRequired") {
            let lists = fields.iter().filter_map(|(name, list)| Some((name.clone(), strings(list.as_array()?))));
            node.dependent_required = lists.collect();
        }
        node.dependent_schemas = self.named(place, "dependentSchemas");
        node.unevaluated_items = self.schema(place, "unevaluatedItems");
        node.unevaluated_properties = self.schema(place, "unevaluatedProperties");
        Ok(())
    }

    fn reference(&mut self, place: &Place<'d>, keyword: &str) -> Result<Option<Id>, String> {
        let Some(text) = place.text(keyword) else { return Ok(None) };
        let (url, fragment) = split(text);
        let fragment = decode(fragment)
            .ok_or_else(|| format!("error in parsing {}: invalid URL escape", quote(text.as_bytes())))?;
        super::pointer::check_url(url)
            .map_err(|error| format!("error in parsing {}: {error}", quote(url.as_bytes())))?;
        let root = &self.roots[place.root];
        let target = join(&root.resources[place.owner].id, url);
        if let Some(pointer) = root.resolve(&target, &fragment)? {
            return Ok(Some(self.enqueue_at(place.root, &pointer)));
        }
        let at = match self.roots.iter().position(|root| root.url == target) {
            Some(at) => at,
            None => {
                let document = draft::document(&target).ok_or_else(|| refused(&target))?;
                self.add(Root::new(&target, document)?);
                self.roots.len() - 1
            }
        };
        let pointer = self.roots[at].resolve(&target, &fragment)?.ok_or_else(|| refused(&target))?;
        Ok(Some(self.enqueue_at(at, &pointer)))
    }

    fn schema(&mut self, place: &Place<'d>, keyword: &'static str) -> Option<Id> {
        let value = place.get(keyword)?;
        Some(self.enqueue(place.root, value, place.owner, || Spot::Below(place.id, keyword)))
    }

    fn schemas(&mut self, place: &Place<'d>, keyword: &'static str) -> Vec<Id> {
        let Some(Json::Array(items)) = place.get(keyword) else { return Vec::new() };
        let spot = |at| move || Spot::Item(place.id, keyword, at);
        let items = items.iter().enumerate();
        items.map(|(at, value)| self.enqueue(place.root, value, place.owner, spot(at))).collect()
    }

    /// In the order of the names.
    fn named(&mut self, place: &Place<'d>, keyword: &'static str) -> Vec<(Arc<str>, Id)> {
        let Some(Json::Object(fields)) = place.get(keyword) else { return Vec::new() };
        let mut sorted: Vec<(&String, &'d Json)> = fields.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        let enqueue = |(name, value): (&String, &'d Json)| {
            let name: Arc<str> = name.as_str().into();
            let spot = || Spot::Named(place.id, keyword, Arc::clone(&name));
            let id = self.enqueue(place.root, value, place.owner, spot);
            (name, id)
        };
        sorted.into_iter().map(enqueue).collect()
    }

    fn additional(&mut self, place: &Place<'d>, keyword: &'static str) -> Option<Additional> {
        match place.get(keyword)? {
            Json::Bool(flag) => Some(Additional::Flag(*flag)),
            _ => self.schema(place, keyword).map(Additional::Schema),
        }
    }
}

/// The type that a schema tells, if it tells nothing else that values are held against.
#[expect(clippy::option_option, reason = "no type, and no simple schema, are two things")]
fn simple(value: &Json) -> Option<Option<Types>> {
    let is_simple =
        |key: &String| matches!(key.as_str(), "type" | "title" | "description" | "default" | "examples" | "$comment");
    match value {
        Json::Object(fields) if !fields.is_empty() && fields.keys().all(is_simple) => {
            Some(fields.get("type").and_then(types))
        }
        _ => None,
    }
}

fn pattern(text: &str, place: impl Fn() -> String) -> Result<Pattern, String> {
    match Regex::new(text.as_bytes()) {
        Ok(regex) => Ok(Pattern { text: text.to_owned(), regex }),
        Err(error) => {
            let place = place();
            let place = quote(place.strip_suffix('/').unwrap_or(&place).as_bytes());
            Err(format!("invalid regex {} at {place}: {error}", quote(text.as_bytes())))
        }
    }
}

fn strings(list: &[Json]) -> Vec<String> {
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn types(value: &Json) -> Option<Types> {
    let types = match value {
        Json::String(name) => Types::of_name(name),
        Json::Array(names) => {
            Types(names.iter().filter_map(Json::as_str).fold(0, |bits, name| bits | Types::of_name(name).0))
        }
        _ => Types::default(),
    };
    (types != Types::default()).then_some(types)
}
