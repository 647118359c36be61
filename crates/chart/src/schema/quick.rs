//! A schema's document to whether it surely is valid by its draft's own schema, in one walk; when in doubt, no.
//!
//! Holding a schema against its draft's own schema costs more than all else that is done with it, and nearly all are
//! valid. Whoever is told no here asks the draft's own schema, which has the words for what is wrong.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::draft::Draft;
use super::format::Format;
use super::node::Types;

/// Lists up to this length are looked through for twins here.
const TWINS_MAX: usize = 64;

/// Whether the document surely is valid. Drafts 7 and later only.
pub(crate) fn is_valid(document: &Json, draft: Draft) -> bool {
    draft.version >= 7 && Quick { version: draft.version }.schema(document)
}

#[derive(Clone, Copy)]
struct Quick {
    version: u16,
}

impl Quick {
    fn schema(self, value: &Json) -> bool {
        match value {
            Json::Bool(_) => true,
            Json::Object(fields) => fields.iter().all(|(key, value)| self.keyword(key, value)),
            _ => false,
        }
    }

    /// The strictest of what the drafts say of a keyword.
    fn keyword(self, key: &str, value: &Json) -> bool {
        match key {
            "title" | "description" | "format" | "$comment" | "contentEncoding" | "contentMediaType" => {
                value.is_string()
            }
            "type" => types(value),
            "properties" | "definitions" | "$defs" | "dependentSchemas" => self.named(value),
            "default" | "const" => true,
            "readOnly" | "writeOnly" | "deprecated" | "uniqueItems" => value.is_boolean(),
            "additionalProperties"
            | "additionalItems"
            | "contains"
            | "propertyNames"
            | "if"
            | "then"
            | "else"
            | "not"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => self.schema(value),
            "items" if self.version < 2020 => self.schema(value) || self.list(value),
            "items" => self.schema(value),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => self.list(value),
            "required" => strings(value),
            "enum" => value.as_array().is_some_and(|items| !items.is_empty() && !has_twins(items)),
            "examples" => value.is_array(),
            "maximum" | "minimum" | "exclusiveMaximum" | "exclusiveMinimum" => value.is_number(),
            "multipleOf" => value.as_f64().is_some_and(|number| number > 0.0),
            "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties" | "minProperties" | "maxContains"
            | "minContains" => value.is_u64(),
            "pattern" => has_format(value, "regex"),
            "patternProperties" => self.patterns(value),
            "dependencies" => {
                value.as_object().is_some_and(|all| all.values().all(|one| self.schema(one) || strings(one)))
            }
            "dependentRequired" => value.as_object().is_some_and(|all| all.values().all(strings)),
            "$ref" | "$dynamicRef" | "$recursiveRef" => is_inner_reference(value) || has_format(value, "uri-reference"),
            "$schema" => has_format(value, "uri"),
            "$id" => value.as_str().is_some_and(|text| !text.contains('#')) && has_format(value, "uri-reference"),
            "$anchor" | "$dynamicAnchor" => value.as_str().is_some_and(is_anchor),
            "$recursiveAnchor" | "$vocabulary" => false,
            _ => true,
        }
    }

    fn named(self, value: &Json) -> bool {
        value.as_object().is_some_and(|all| all.values().all(|one| self.schema(one)))
    }

    fn list(self, value: &Json) -> bool {
        value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|one| self.schema(one)))
    }

    fn patterns(self, value: &Json) -> bool {
        let regex = Format::of_name("regex");
        let is_regex = |text: &str| regex.is_some_and(|regex| regex.check(text).is_ok());
        let all = |all: &Map<String, Json>| all.iter().all(|(key, one)| is_regex(key) && self.schema(one));
        value.as_object().is_some_and(all)
    }
}

fn types(value: &Json) -> bool {
    let known = |value: &Json| value.as_str().is_some_and(|name| Types::of_name(name) != Types::default());
    match value {
        Json::Array(names) => !names.is_empty() && names.iter().all(known) && !has_twins(names),
        value => known(value),
    }
}

/// A list of texts without twins.
fn strings(value: &Json) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Json::is_string) && !has_twins(items))
}

/// Whether two items may be equal: only texts are compared, of a list that is not long.
fn has_twins(items: &[Json]) -> bool {
    if items.len() < 2 {
        return false;
    }
    if items.len() > TWINS_MAX || !items.iter().all(Json::is_string) {
        return true;
    }
    let mut seen = BTreeSet::new();
    items.iter().filter_map(Json::as_str).any(|text| !seen.insert(text))
}

fn has_format(value: &Json, format: &str) -> bool {
    let format = Format::of_name(format);
    value.as_str().is_some_and(|text| format.is_some_and(|format| format.check(text).is_ok()))
}

/// `#/definitions/x`, with nothing in it that could be wrong.
fn is_inner_reference(value: &Json) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'$');
    value.as_str().and_then(|text| text.strip_prefix('#')).is_some_and(|rest| rest.bytes().all(plain))
}

fn is_anchor(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::is_valid;
    use crate::schema::compile::hold_against_draft;
    use crate::schema::draft::Draft;

    fn sample() -> Json {
        json!({
            "$schema": "http://json-schema.org/draft-07/schema", "$id": "https://x.y/z", "title": "t",
            "definitions": {"a": {"type": ["string", "null"], "pattern": "^a+$", "minLength": 1}, "b": true},
            "type": "object", "required": ["p", "q"], "additionalProperties": false,
            "properties": {
                "p": {"$ref": "#/definitions/a"},
                "q": {"anyOf": [{"type": "integer", "multipleOf": 2, "maximum": 9.5}, {"enum": ["x", "y"]}]},
                "r": {"type": "array", "items": {"type": "string", "format": "uri"}, "uniqueItems": true},
            },
            "patternProperties": {"^x-": {"not": {"const": null}}},
            "dependencies": {"p": ["q"], "q": {"minProperties": 1}},
            "if": {"required": ["p"]}, "then": {"maxItems": 2}, "else": {"contains": {}},
        })
    }

    /// Some place in a document, chosen by a number.
    fn place(value: &mut Json, choice: &mut impl FnMut(usize) -> usize) -> Json {
        let inner: Option<&mut Json> = match value {
            Json::Object(fields) if !fields.is_empty() && choice(6) > 0 => {
                let at = choice(fields.len());
                fields.values_mut().nth(at)
            }
            Json::Array(items) if !items.is_empty() && choice(6) > 0 => {
                let at = choice(items.len());
                items.get_mut(at)
            }
            _ => None,
        };
        match inner {
            Some(inner) => place(inner, choice),
            None => {
                let odd = [
                    json!(null),
                    json!(true),
                    json!(0),
                    json!(-1),
                    json!(1.0),
                    json!(""),
                    json!("("),
                    json!("#a b"),
                    json!([]),
                    json!(["a", "a"]),
                    json!([{}]),
                    json!({}),
                    json!({"type": "x"}),
                    json!("string"),
                ];
                std::mem::replace(value, odd[choice(odd.len())].clone())
            }
        }
    }

    #[test]
    fn what_is_taken_is_valid() {
        let drafts = [7, 2019, 2020].map(|version| Draft { version });
        assert!(drafts.iter().all(|draft| is_valid(&sample(), *draft)));
        assert!(!is_valid(&sample(), Draft { version: 6 }));
        let mut state = 3_u64;
        let mut choice = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..1_500 {
            let mut document = sample();
            for _ in 0..=choice(2) {
                place(&mut document, &mut choice);
            }
            for draft in drafts {
                match is_valid(&document, draft) {
                    true => {
                        taken += 1;
                        assert_eq!(hold_against_draft(draft, &document, ""), Ok(()), "{draft:?} {document}");
                    }
                    false => refused += 1,
                }
            }
        }
        assert!(taken > 300 && refused > 300, "{taken} taken, {refused} refused");
    }
}
