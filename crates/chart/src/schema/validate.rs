//! Values held against a compiled schema, in the order in which the library that Helm uses looks at keywords.

use std::collections::BTreeSet;

use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use super::compare::{decimal, display, duplicates, equals, type_of};
use super::compile::Schema;
use super::decimal::Decimal;
use super::fault::{self, CHECKS_MAX, Fault, Kind, quote};
use super::node::{Additional, Id, Items, Needs, Node, Types};
use super::pointer::push;

/// How deep values and references may nest.
const DEPTH_MAX: usize = 2000;

impl Schema {
    /// Holds values against it.
    ///
    /// # Errors
    /// The text that Helm shows, with its first line.
    pub fn validate(&self, values: &Value) -> Result<(), String> {
        run(self, values).map_err(|faults| fault::report(&self.location(self.root), &faults))
    }
}

/// Holds values against the root schema.
fn run(schema: &Schema, value: &Value) -> Result<(), Vec<Fault>> {
    let (mut trail, mut checks) = (Vec::new(), 0);
    let mut run = Run { schema, trail: &mut trail, checks: &mut checks, keyword: "" };
    let mut left = Unevaluated::of(value, &schema.nodes[schema.root], false);
    let done = run.check(schema.root, value, &At::ROOT, 0, &mut left, false);
    match done {
        // Whatever else was found follows from this.
        _ if checks > CHECKS_MAX => Err(vec![fault(&At::ROOT, Kind::Exhausted)]),
        Ok(()) => Ok(()),
        Err(Fault { kind: Kind::Group, causes, .. }) => Err(causes),
        Err(fault) => Err(vec![fault]),
    }
}

/// Parts of the value that no schema has looked at; kept only where a schema asks for them.
#[derive(Default)]
struct Unevaluated {
    properties: BTreeSet<Str>,
    items: BTreeSet<usize>,
}

impl Unevaluated {
    fn of(value: &Value, node: &Node, asked: bool) -> Unevaluated {
        let mut out = Unevaluated::default();
        match value {
            Value::Map(map) if !node.all_properties_evaluated && (asked || node.unevaluated_properties.is_some()) => {
                out.properties = map.keys().into_iter().collect();
            }
            Value::List(list) if !node.all_items_evaluated && (asked || node.unevaluated_items.is_some()) => {
                out.items = (node.items_evaluated..list.len()).collect();
            }
            _ => {}
        }
        out
    }

    fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.items.is_empty()
    }

    /// Keeps what the other has not looked at either.
    fn merge(&mut self, other: &Unevaluated) {
        self.properties.retain(|key| other.properties.contains(key));
        self.items.retain(|at| other.items.contains(at));
    }
}

/// A schema on the way to where the run is, and which value it was for.
struct Step {
    node: Id,
    value: usize,
    /// The reference that led to it, if one did.
    keyword: &'static str,
}

struct Run<'r> {
    schema: &'r Schema,
    trail: &'r mut Vec<Step>,
    checks: &'r mut usize,
    /// The reference that leads to the next step.
    keyword: &'static str,
}

/// The place of a value; its pointer is only written where it is wrong.
struct At<'a> {
    before: Option<(&'a At<'a>, &'a str)>,
}

impl At<'_> {
    const ROOT: At<'static> = At { before: None };

    fn pointer(&self) -> String {
        self.before.map_or_else(String::new, |(outer, token)| push(&outer.pointer(), token))
    }
}

type Checked = Result<(), Fault>;

fn fault(at: &At<'_>, kind: Kind) -> Fault {
    Fault { at: at.pointer(), kind, causes: Vec::new() }
}

impl<'r> Run<'r> {
    fn node(&self, id: Id) -> &'r Node {
        &self.schema.nodes[id]
    }

    /// Holds the same value against another schema; what that one looked at counts.
    fn same(&mut self, id: Id, value: &Value, at: &At<'_>, left: &mut Unevaluated, quick: bool) -> Checked {
        let of = self.trail.last().map_or(0, |step| step.value);
        let mut inner = Unevaluated::of(value, self.node(id), !left.is_empty());
        self.check(id, value, at, of, &mut inner, quick)?;
        left.merge(&inner);
        Ok(())
    }

    /// Holds a part of the value against a schema.
    fn part(&mut self, id: Id, value: &Value, at: &At<'_>, token: &str, quick: bool) -> Checked {
        // A schema that allows anything needs no name of the place.
        if self.node(id).flag == Some(true) {
            return Ok(());
        }
        let of = self.trail.last().map_or(0, |step| step.value + 1);
        let mut inner = Unevaluated::of(value, self.node(id), false);
        self.check(id, value, &At { before: Some((at, token)) }, of, &mut inner, quick)
    }

    fn check(&mut self, id: Id, value: &Value, at: &At<'_>, of: usize, left: &mut Unevaluated, quick: bool) -> Checked {
        let node = self.node(id);
        match node.flag {
            Some(true) => return Ok(()),
            Some(false) => return Err(fault(at, Kind::FalseSchema)),
            None => {}
        }
        *self.checks += 1;
        if *self.checks > CHECKS_MAX {
            return Err(fault(&At::ROOT, Kind::Exhausted));
        }
        if let Some(cycle) = self.cycle(id, of) {
            return Err(fault(at, cycle));
        }
        if self.trail.len() > DEPTH_MAX {
            return Err(fault(at, Kind::InvalidValue(format!("nested deeper than {DEPTH_MAX} levels"))));
        }
        let keyword = std::mem::take(&mut self.keyword);
        self.trail.push(Step { node: id, value: of, keyword });
        let mut faults = Vec::new();
        let early = self.keywords(node, value, at, left, quick, &mut faults);
        self.trail.pop();
        early?;
        match faults.len() {
            0 => Ok(()),
            1 => Err(faults.remove(0)),
            _ => Err(Fault { at: at.pointer(), kind: Kind::Group, causes: faults }),
        }
    }

    /// Whether the schema is already being held against this value.
    fn cycle(&self, id: Id, of: usize) -> Option<Kind> {
        let back = self.trail.iter().rev().take_while(|step| step.value == of).position(|step| step.node == id)?;
        let last = self.trail.len() - 1;
        let first = self.place(last) + &self.token(self.trail[last].node, id, self.keyword);
        Some(Kind::RefCycle { url: self.schema.location(id), first, second: self.place(last - back) })
    }

    /// The keywords that led to a step.
    fn place(&self, step: usize) -> String {
        let two = |at: usize| self.token(self.trail[at - 1].node, self.trail[at].node, self.trail[at].keyword);
        (1..=step).map(two).collect()
    }

    /// The keyword that led from one schema to the next: a reference, or where the one stands in the other.
    fn token(&self, outer: Id, id: Id, keyword: &str) -> String {
        if !keyword.is_empty() {
            return format!("/{keyword}");
        }
        let outer = self.schema.location(outer).len();
        self.schema.location(id).get(outer..).unwrap_or_default().to_owned()
    }

    /// All keywords of a schema. The first few end the matter when they fail.
    fn keywords(
        &mut self,
        node: &'r Node,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) -> Checked {
        basic(node, value, at)?;
        if let Some(target) = node.reference {
            let done = self.reference("$ref", target, value, at, left, quick);
            if node.draft < 2019 {
                return done;
            }
            faults.extend(done.err());
        }
        match value {
            Value::Map(map) => self.object(node, map, value, at, left, quick, faults),
            Value::List(list) => self.array(node, list, at, left, quick, faults),
            Value::Str(text) => string(node, &text.to_str_lossy(), at, faults),
            Value::Int(..) | Value::Uint(..) | Value::Float(_) | Value::Number(_) => number(node, value, at, faults),
            _ => {}
        }
        if !faults.is_empty() && quick {
            return Ok(());
        }
        if node.draft >= 2019 {
            self.later_references(node, value, at, left, quick, faults);
        }
        self.conditions(node, value, at, left, quick, faults);
        if node.draft >= 2019 {
            self.unevaluated(node, value, at, left, quick, faults);
        }
        Ok(())
    }

    fn reference(
        &mut self,
        keyword: &'static str,
        target: Id,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
    ) -> Checked {
        self.keyword = keyword;
        let done = self.same(target, value, at, left, quick);
        self.keyword = "";
        done.map_err(|inner| {
            let causes = if inner.kind == Kind::Group { inner.causes } else { vec![inner] };
            Fault { at: at.pointer(), kind: Kind::Reference, causes }
        })
    }

    fn later_references(
        &mut self,
        node: &'r Node,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        if let Some(mut target) = node.recursive_ref {
            if self.node(target).recursive_anchor {
                let outer = self.trail.iter().find(|step| self.node(self.node(step.node).resource).recursive_anchor);
                target = outer.map_or(target, |step| step.node);
            }
            faults.extend(self.reference("$recursiveRef", target, value, at, left, quick).err());
        }
        if let Some((first, anchor)) = &node.dynamic_ref {
            let mut target = *first;
            if !anchor.is_empty() && self.node(target).dynamic_anchor == *anchor {
                let known = |step: &Step| {
                    let resource = self.node(self.node(step.node).resource);
                    resource.dynamic_anchors.iter().find(|(name, _)| name == anchor).map(|(_, id)| *id)
                };
                target = self.trail.iter().find_map(known).unwrap_or(target);
            }
            faults.extend(self.reference("$dynamicRef", target, value, at, left, quick).err());
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `keywords`, cut out for its length")]
    fn object(
        &mut self,
        node: &'r Node,
        map: &Map,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        let count = map.len() as i64;
        let mut put = |kind: Kind| faults.push(fault(at, kind));
        if let Some(want) = node.min_properties.filter(|want| count < *want) {
            put(Kind::MinProperties(count, want));
        }
        if let Some(want) = node.max_properties.filter(|want| count > *want) {
            put(Kind::MaxProperties(count, want));
        }
        let missing = missing(map, &node.required);
        if !missing.is_empty() {
            put(Kind::Required(missing));
        }
        if quick && !faults.is_empty() {
            return;
        }
        for (name, needs) in &node.dependencies {
            if map.contains(name.as_bytes()) {
                self.needs(name, needs, map, value, at, left, quick, faults);
            }
        }
        self.properties(node, map, at, left, quick, faults);
        if node.draft == 4 {
            return;
        }
        if let Some(id) = node.property_names {
            for key in map.keys() {
                let mut trail = Vec::new();
                let mut run = Run { schema: self.schema, trail: &mut trail, checks: self.checks, keyword: "" };
                let done = run.check(id, &Value::Str(key.clone()), &At::ROOT, 0, &mut Unevaluated::default(), quick);
                if let Err(inner) = done {
                    let causes = if inner.kind == Kind::Group { inner.causes } else { vec![inner] };
                    let kind = Kind::PropertyNames(key.to_string());
                    faults.push(Fault { at: String::new(), kind, causes });
                }
            }
        }
        if node.draft == 6 {
            return;
        }
        for (name, id) in &node.dependent_schemas {
            if map.contains(name.as_bytes()) {
                faults.extend(self.same(*id, value, at, left, quick).err());
            }
        }
        for (name, wanted) in &node.dependent_required {
            if map.contains(name.as_bytes()) {
                let missing = self::missing(map, wanted);
                if !missing.is_empty() {
                    faults.push(fault(at, Kind::Dependency { property: name.clone(), missing }));
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `object`, cut out for its length")]
    fn needs(
        &mut self,
        name: &str,
        needs: &'r Needs,
        map: &Map,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        match needs {
            Needs::Names(wanted) => {
                let missing = missing(map, wanted);
                if !missing.is_empty() {
                    faults.push(fault(at, Kind::Dependency { property: name.to_owned(), missing }));
                }
            }
            Needs::Schema(id) => faults.extend(self.same(*id, value, at, left, quick).err()),
        }
    }

    fn properties(
        &mut self,
        node: &'r Node,
        map: &Map,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        let mut unknown = Vec::new();
        if node.properties.is_empty() && node.pattern_properties.is_empty() && node.additional_properties.is_none() {
            return;
        }
        for (key, item) in map.entries().iter() {
            if quick && !faults.is_empty() {
                return;
            }
            let name = key.to_str_lossy();
            let mut evaluated = false;
            if let Ok(at_property) = node.properties.binary_search_by(|known| (*known.0).cmp(&name)) {
                evaluated = true;
                faults.extend(self.part(node.properties[at_property].1, item, at, &name, quick).err());
            }
            for (pattern, id) in &node.pattern_properties {
                if pattern.regex.is_match(key.as_bytes()) {
                    evaluated = true;
                    faults.extend(self.part(*id, item, at, &name, quick).err());
                }
            }
            if !evaluated && let Some(additional) = node.additional_properties {
                evaluated = true;
                match additional {
                    Additional::Flag(true) => {}
                    Additional::Flag(false) => unknown.push(name.to_string()),
                    Additional::Schema(id) => faults.extend(self.part(id, item, at, &name, quick).err()),
                }
            }
            if evaluated && !left.properties.is_empty() {
                left.properties.remove(key);
            }
        }
        if !unknown.is_empty() {
            faults.push(fault(at, Kind::AdditionalProperties(unknown)));
        }
    }

    fn array(
        &mut self,
        node: &'r Node,
        list: &List,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        let items = list.as_slice();
        let count = items.len() as i64;
        let mut put = |kind: Kind| faults.push(fault(at, kind));
        if let Some(want) = node.min_items.filter(|want| count < *want) {
            put(Kind::MinItems(count, want));
        }
        if let Some(want) = node.max_items.filter(|want| count > *want) {
            put(Kind::MaxItems(count, want));
        }
        if node.unique_items
            && let Some((first, second)) = duplicates(items)
        {
            put(Kind::UniqueItems(first as i64, second as i64));
        }
        let mut each = |run: &mut Self, from: usize, ids: &mut dyn Iterator<Item = Id>| {
            for ((place, item), id) in items.iter().enumerate().skip(from).zip(ids) {
                faults.extend(run.part(id, item, at, &place.to_string(), quick).err());
            }
        };
        if node.draft < 2020 {
            let evaluated = match &node.items {
                Some(Items::One(id)) => {
                    each(self, 0, &mut std::iter::repeat(*id));
                    items.len()
                }
                Some(Items::Each(ids)) => {
                    each(self, 0, &mut ids.iter().copied());
                    ids.len().min(items.len())
                }
                None => 0,
            };
            match node.additional_items {
                Some(Additional::Flag(false)) if evaluated != items.len() => {
                    faults.push(fault(at, Kind::AdditionalItems((items.len() - evaluated) as i64)));
                }
                Some(Additional::Schema(id)) => {
                    // The library counts these places from the first of them.
                    for (place, item) in items[evaluated..].iter().enumerate() {
                        faults.extend(self.part(id, item, at, &place.to_string(), quick).err());
                    }
                }
                _ => {}
            }
        } else {
            each(self, 0, &mut node.prefix_items.iter().copied());
            if let Some(id) = node.items_2020 {
                let evaluated = node.prefix_items.len().min(items.len());
                for (place, item) in items[evaluated..].iter().enumerate() {
                    faults.extend(self.part(id, item, at, &place.to_string(), quick).err());
                }
            }
        }
        self.contains(node, items, at, left, quick, faults);
    }

    fn contains(
        &mut self,
        node: &'r Node,
        items: &[Value],
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        let Some(id) = node.contains else { return };
        let (mut causes, mut got) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            match self.part(id, item, at, &place.to_string(), quick) {
                Err(inner) => causes.push(inner),
                Ok(()) => {
                    got.push(place);
                    if node.draft >= 2020 {
                        left.items.remove(&place);
                    }
                }
            }
        }
        match node.min_contains {
            Some(want) if (got.len() as i64) < want => {
                faults.push(Fault { at: at.pointer(), kind: Kind::MinContains { got: got.clone(), want }, causes });
            }
            None if got.is_empty() => faults.push(Fault { at: at.pointer(), kind: Kind::Contains, causes }),
            _ => {}
        }
        if let Some(want) = node.max_contains.filter(|want| got.len() as i64 > *want) {
            faults.push(fault(at, Kind::MaxContains { got, want }));
        }
    }

    fn conditions(
        &mut self,
        node: &'r Node,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        if let Some(id) = node.not
            && self.same(id, value, at, left, true).is_ok()
        {
            faults.push(fault(at, Kind::Not));
        }
        let mut causes = Vec::new();
        for id in &node.all_of {
            causes.extend(self.same(*id, value, at, left, quick).err());
            if quick && !causes.is_empty() {
                break;
            }
        }
        if !causes.is_empty() {
            faults.push(Fault { at: at.pointer(), kind: Kind::AllOf, causes });
        }
        if !node.any_of.is_empty() {
            let (mut matched, mut causes) = (false, Vec::new());
            for id in &node.any_of {
                match self.same(*id, value, at, left, quick) {
                    Err(inner) => causes.push(inner),
                    Ok(()) => {
                        matched = true;
                        if left.is_empty() {
                            break;
                        }
                    }
                }
            }
            if !matched {
                faults.push(Fault { at: at.pointer(), kind: Kind::AnyOf, causes });
            }
        }
        self.one_of(node, value, at, left, quick, faults);
        if let Some(id) = node.when {
            let branch = if self.same(id, value, at, left, true).is_ok() { node.then } else { node.otherwise };
            if let Some(id) = branch {
                faults.extend(self.same(id, value, at, left, quick).err());
            }
        }
    }

    fn one_of(
        &mut self,
        node: &'r Node,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        if node.one_of.is_empty() {
            return;
        }
        let (mut matched, mut causes) = (None, Vec::new());
        for (place, id) in node.one_of.iter().enumerate() {
            match (self.same(*id, value, at, left, quick || matched.is_some()), matched) {
                (Err(inner), None) => causes.push(inner),
                (Err(_), Some(_)) => {}
                (Ok(()), None) => matched = Some(place),
                (Ok(()), Some(first)) => {
                    faults.push(fault(at, Kind::OneOf(Some((first, place)))));
                    break;
                }
            }
        }
        if matched.is_none() {
            faults.push(Fault { at: at.pointer(), kind: Kind::OneOf(None), causes });
        }
    }

    fn unevaluated(
        &mut self,
        node: &'r Node,
        value: &Value,
        at: &At<'_>,
        left: &mut Unevaluated,
        quick: bool,
        faults: &mut Vec<Fault>,
    ) {
        if let (Value::Map(map), Some(id)) = (value, node.unevaluated_properties) {
            for key in std::mem::take(&mut left.properties) {
                if let Some(item) = map.get(key.as_bytes()) {
                    faults.extend(self.part(id, &item, at, &key.to_str_lossy(), quick).err());
                }
            }
        }
        if let (Value::List(list), Some(id)) = (value, node.unevaluated_items) {
            for place in std::mem::take(&mut left.items) {
                if let Some(item) = list.get(place) {
                    faults.extend(self.part(id, item, at, &place.to_string(), quick).err());
                }
            }
        }
    }
}

/// `type`, `const`, `enum` and `format`.
fn basic(node: &Node, value: &Value, at: &At<'_>) -> Checked {
    let Some(typ) = type_of(value) else {
        return Err(fault(at, Kind::InvalidValue(value.type_name().to_owned())));
    };
    if let Some(types) = node.types {
        let integer = Types::of_name("integer");
        let whole =
            types.contains(integer) && typ == "number" && decimal(value).is_some_and(|number| number.is_whole());
        if !types.contains(Types::of_name(typ)) && !whole {
            return Err(fault(at, Kind::Type { got: typ, want: types.names().join(" or ") }));
        }
    }
    if let Some(constant) = &node.constant
        && !equals(value, constant)
    {
        let want = (!constant.is_array() && !constant.is_object()).then(|| display(constant));
        return Err(fault(at, Kind::Const(want)));
    }
    if let Some(choices) = &node.choices
        && !choices.iter().any(|choice| equals(value, choice))
    {
        let plain = !choices.iter().any(|choice| choice.is_array() || choice.is_object());
        return Err(fault(at, Kind::Enum(plain.then(|| choices.iter().map(display).collect()))));
    }
    if let (Some(format), Value::Str(text)) = (&node.format, value) {
        let text = text.to_str_lossy();
        format.check(&text).map_err(|why| fault(at, Kind::Format { got: quote(&text), want: format.name(), why }))?;
    }
    Ok(())
}

fn string(node: &Node, text: &str, at: &At<'_>, faults: &mut Vec<Fault>) {
    if node.min_length.is_some() || node.max_length.is_some() {
        let length = text.chars().count() as i64;
        if let Some(want) = node.min_length.filter(|want| length < *want) {
            faults.push(fault(at, Kind::MinLength(length, want)));
        }
        if let Some(want) = node.max_length.filter(|want| length > *want) {
            faults.push(fault(at, Kind::MaxLength(length, want)));
        }
    }
    if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.regex.is_match(text.as_bytes())) {
        faults.push(fault(at, Kind::Pattern { got: text.to_owned(), want: pattern.text.clone() }));
    }
}

fn number(node: &Node, value: &Value, at: &At<'_>, faults: &mut Vec<Fault>) {
    let bounds = [&node.minimum, &node.maximum, &node.exclusive_minimum, &node.exclusive_maximum, &node.multiple_of];
    if bounds.iter().all(|bound| bound.is_none()) {
        return;
    }
    let Some(got) = decimal(value) else { return };
    let mut put = |failed: bool, want: &Decimal, kind: fn(f64, f64) -> Kind| {
        if failed {
            faults.push(fault(at, kind(got.to_f64(), want.to_f64())));
        }
    };
    if let Some(want) = &node.minimum {
        put(got < *want, want, Kind::Minimum);
    }
    if let Some(want) = &node.maximum {
        put(got > *want, want, Kind::Maximum);
    }
    if let Some(want) = &node.exclusive_minimum {
        put(got <= *want, want, Kind::ExclusiveMinimum);
    }
    if let Some(want) = &node.exclusive_maximum {
        put(got >= *want, want, Kind::ExclusiveMaximum);
    }
    if let Some(want) = &node.multiple_of {
        put(!got.is_multiple_of(want), want, Kind::MultipleOf);
    }
}

fn missing(map: &Map, wanted: &[String]) -> Vec<String> {
    wanted.iter().filter(|name| !map.contains(name.as_bytes())).cloned().collect()
}
