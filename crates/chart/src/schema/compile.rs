//! A schema's text to the numbered schemas that values are held against.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use masthead_gotmpl::json::{Numbers, from_json};
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;
use masthead_sprig::regex::program::Regex;
use serde_json::{Map, Value as Json};

use super::decimal::Decimal;
use super::draft::{self, Draft};
use super::fault;
use super::format;
use super::node::{Additional, Id, Items, Needs, Node, Pattern, Types};
use super::pointer::{decode, join, location, push, split, unescape};
use super::resources::Root;
use super::validate;

/// The URL under which a chart's schema is read.
pub const URL: &str = "file:///values.schema.json";

/// How many schemas one file may hold.
pub const SCHEMAS_MAX: usize = 200_000;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
}

impl Schema {
    /// Compiles the text of a values.schema.json, after holding it against its draft's own schema.
    ///
    /// # Errors
    /// The words that Helm shows; and a reference that leads out of the file.
    pub fn parse(text: &[u8]) -> Result<Schema, String> {
        let document: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        Schema::of(&document, URL, true)
    }

    fn of(document: &Json, url: &str, check: bool) -> Result<Schema, String> {
        let root = Root::new(url, document)?;
        if check {
            let draft = root.resources.get("").map_or(draft::LATEST, |resource| resource.draft);
            hold_against_draft(draft, document, &location(url, ""))?;
        }
        let mut compiler =
            Compiler { roots: vec![root], nodes: Vec::new(), queue: Vec::new(), known: HashMap::new(), check };
        let id = compiler.enqueue(0, "");
        let mut at = 0;
        while at < compiler.queue.len() {
            compiler.compile(at)?;
            at += 1;
        }
        Ok(Schema { nodes: compiler.nodes, root: id })
    }

    /// Holds values against it.
    ///
    /// # Errors
    /// The text that Helm shows, with its first line.
    pub fn validate(&self, values: &Value) -> Result<(), String> {
        validate::run(self, values).map_err(|faults| fault::report(&self.nodes[self.root].location, &faults))
    }
}

/// Why a reference is not followed.
pub(crate) fn refused(url: &str) -> String {
    let why = match url.split(':').next() {
        Some("file") => "references to other files are not followed",
        _ => "references to other places are not followed",
    };
    format!("failing loading {}: {why}", quote(url.as_bytes()))
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

fn hold_against_draft(draft: Draft, document: &Json, place: &str) -> Result<(), String> {
    let own = own_schema(draft)?;
    own.validate(&from_json(document, Numbers::Number))
        .map_err(|error| format!("{} is not valid against metaschema: {error}", quote(place.as_bytes())))
}

struct Compiler<'d> {
    roots: Vec<Root<'d>>,
    nodes: Vec<Node>,
    /// What each schema is made of: a document's number and a pointer.
    queue: Vec<(usize, String)>,
    known: HashMap<(usize, String), Id>,
    check: bool,
}

/// The schema that is being compiled.
struct Place<'f> {
    root: usize,
    pointer: String,
    fields: &'f Map<String, Json>,
}

impl Place<'_> {
    fn text(&self, keyword: &str) -> Option<&str> {
        self.fields.get(keyword).and_then(Json::as_str)
    }

    fn flag(&self, keyword: &str) -> bool {
        self.fields.get(keyword).and_then(Json::as_bool).unwrap_or(false)
    }

    fn number(&self, keyword: &str) -> Option<Decimal> {
        match self.fields.get(keyword) {
            Some(Json::Number(number)) => Decimal::parse(&number.to_string()),
            _ => None,
        }
    }

    fn int(&self, keyword: &str) -> Option<i64> {
        self.number(keyword).and_then(|number| number.to_int())
    }

    fn inner(&self, keyword: &str) -> String {
        push(&self.pointer, keyword)
    }
}

impl<'d> Compiler<'d> {
    fn enqueue(&mut self, root: usize, pointer: &str) -> Id {
        let key = (root, pointer.to_owned());
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = self.queue.len();
        self.known.insert(key.clone(), id);
        self.queue.push(key);
        self.nodes.push(Node::default());
        id
    }

    fn compile(&mut self, id: Id) -> Result<(), String> {
        if self.queue.len() > SCHEMAS_MAX {
            return Err(format!("the schema holds more than {SCHEMAS_MAX} schemas"));
        }
        let (root, pointer) = self.queue[id].clone();
        let document: &'d Json = self.roots[root].document;
        let url = self.roots[root].url.clone();
        let value = lookup(document, &pointer, &url)?;
        self.roots[root].ensure(&pointer, value)?;
        let resource = self.roots[root].resource(&pointer).cloned();
        let Some(resource) = resource else { return Err(format!("no resource at {}", location(&url, &pointer))) };
        let mut node = Node { location: location(&url, &pointer), draft: resource.draft.version, ..Node::default() };
        node.resource = self.enqueue(root, &resource.pointer);
        if node.draft >= 2020 && resource.pointer == pointer {
            for anchor in &resource.dynamic_anchors {
                if let Some(there) = resource.anchors.get(anchor) {
                    let target = self.enqueue(root, there);
                    node.dynamic_anchors.push((anchor.clone(), target));
                }
            }
        }
        match value {
            Json::Bool(flag) => node.flag = Some(*flag),
            Json::Object(fields) if fields.is_empty() => node.flag = Some(true),
            Json::Object(fields) => {
                let place = Place { root, pointer, fields };
                self.object(&place, &resource.id, &mut node)?;
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
        self.nodes[id] = node;
        Ok(())
    }

    fn object(&mut self, place: &Place<'_>, base: &str, node: &mut Node) -> Result<(), String> {
        node.reference = self.reference(place, base, "$ref")?;
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
            node.constant = place.fields.get("const").cloned();
        }
        if node.draft >= 7 {
            node.when = self.schema(place, "if");
            if node.when.is_some() {
                let flag = place.fields.get("if").and_then(Json::as_bool);
                node.then = if flag != Some(false) { self.schema(place, "then") } else { None };
                node.otherwise = if flag != Some(true) { self.schema(place, "else") } else { None };
            }
        }
        if node.draft >= 2019 {
            self.since_2019(place, base, node)?;
        }
        if node.draft >= 2020 {
            if let Some(target) = self.reference(place, base, "$dynamicRef")? {
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

    fn applicators(&mut self, place: &Place<'_>, node: &mut Node) -> Result<(), String> {
        node.all_of = self.schemas(place, "allOf");
        node.any_of = self.schemas(place, "anyOf");
        node.one_of = self.schemas(place, "oneOf");
        node.not = self.schema(place, "not");
        if node.draft < 2020 {
            match place.fields.get("items") {
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
            let pattern = pattern(&text, || push(&push(&node.location, "patternProperties"), ""))?;
            node.pattern_properties.push((pattern, id));
        }
        node.additional_properties = self.additional(place, "additionalProperties");
        if let Some(Json::Object(fields)) = place.fields.get("dependencies") {
            for (name, value) in fields {
                let needs = match value {
                    Json::Array(names) => Needs::Names(strings(names)),
                    _ => Needs::Schema(self.enqueue(place.root, &push(&place.inner("dependencies"), name))),
                };
                node.dependencies.push((name.clone(), needs));
            }
        }
        Ok(())
    }

    fn assertions(&mut self, place: &Place<'_>, node: &mut Node) -> Result<(), String> {
        node.types = place.fields.get("type").and_then(types);
        node.choices = place.fields.get("enum").and_then(Json::as_array).cloned();
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
            node.pattern = Some(pattern(text, || push(&node.location, "pattern"))?);
        }
        node.min_items = place.int("minItems");
        node.max_items = place.int("maxItems");
        node.unique_items = place.flag("uniqueItems");
        node.max_properties = place.int("maxProperties");
        node.min_properties = place.int("minProperties");
        node.required =
            place.fields.get("required").and_then(Json::as_array).map_or_else(Vec::new, |list| strings(list));
        Ok(())
    }

    fn since_2019(&mut self, place: &Place<'_>, base: &str, node: &mut Node) -> Result<(), String> {
        node.recursive_ref = self.reference(place, base, "$recursiveRef")?;
        node.recursive_anchor = place.flag("$recursiveAnchor");
        if node.contains.is_some() {
            node.min_contains = place.int("minContains");
            node.max_contains = place.int("maxContains");
        }
        if let Some(Json::Object(fields)) = place.fields.get("dependentRequired") {
            let lists = fields.iter().filter_map(|(name, list)| Some((name.clone(), strings(list.as_array()?))));
            node.dependent_required = lists.collect();
        }
        node.dependent_schemas = self.named(place, "dependentSchemas");
        node.unevaluated_items = self.schema(place, "unevaluatedItems");
        node.unevaluated_properties = self.schema(place, "unevaluatedProperties");
        Ok(())
    }

    fn reference(&mut self, place: &Place<'_>, base: &str, keyword: &str) -> Result<Option<Id>, String> {
        let Some(text) = place.text(keyword) else { return Ok(None) };
        let (url, fragment) = split(text);
        let fragment = decode(fragment)
            .ok_or_else(|| format!("error in parsing {}: invalid URL escape", quote(text.as_bytes())))?;
        super::pointer::check_url(url)
            .map_err(|error| format!("error in parsing {}: {error}", quote(url.as_bytes())))?;
        let target = join(base, url);
        if let Some(pointer) = self.roots[place.root].resolve(&target, &fragment)? {
            return Ok(Some(self.enqueue(place.root, &pointer)));
        }
        let at = match self.roots.iter().position(|root| root.url == target) {
            Some(at) => at,
            None => {
                let document = draft::document(&target).ok_or_else(|| refused(&target))?;
                self.roots.push(Root::new(&target, document)?);
                self.roots.len() - 1
            }
        };
        let pointer = self.roots[at].resolve(&target, &fragment)?.ok_or_else(|| refused(&target))?;
        Ok(Some(self.enqueue(at, &pointer)))
    }

    fn schema(&mut self, place: &Place<'_>, keyword: &str) -> Option<Id> {
        place.fields.get(keyword)?;
        Some(self.enqueue(place.root, &place.inner(keyword)))
    }

    fn schemas(&mut self, place: &Place<'_>, keyword: &str) -> Vec<Id> {
        let Some(Json::Array(items)) = place.fields.get(keyword) else { return Vec::new() };
        let inner = place.inner(keyword);
        (0..items.len()).map(|at| self.enqueue(place.root, &push(&inner, &at.to_string()))).collect()
    }

    fn named(&mut self, place: &Place<'_>, keyword: &str) -> Vec<(String, Id)> {
        let Some(Json::Object(fields)) = place.fields.get(keyword) else { return Vec::new() };
        let inner = place.inner(keyword);
        let sorted: BTreeMap<&String, ()> = fields.keys().map(|key| (key, ())).collect();
        sorted.into_keys().map(|key| (key.clone(), self.enqueue(place.root, &push(&inner, key)))).collect()
    }

    fn additional(&mut self, place: &Place<'_>, keyword: &str) -> Option<Additional> {
        match place.fields.get(keyword)? {
            Json::Bool(flag) => Some(Additional::Flag(*flag)),
            _ => self.schema(place, keyword).map(Additional::Schema),
        }
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

/// What a pointer leads to.
fn lookup<'v>(document: &'v Json, pointer: &str, url: &str) -> Result<&'v Json, String> {
    let mut value = document;
    for token in pointer.split('/').skip(1) {
        let token = unescape(token)
            .ok_or_else(|| format!("invalid json-pointer {}", quote(location(url, pointer).as_bytes())))?;
        let next = match value {
            Json::Object(fields) => fields.get(&token),
            Json::Array(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => None,
        };
        value =
            next.ok_or_else(|| format!("json-pointer in {} not found", quote(location(url, pointer).as_bytes())))?;
    }
    Ok(value)
}
