//! Schemas and the values that are held against them.

use std::fmt::Write;

use masthead_chart::schema::Schema;
use masthead_gotmpl::json::{Numbers, from_json};
use serde_json::{Map, Value as Json, json};

use crate::random::Random;

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn schema_of(random: &mut Random, depth: usize) -> Json {
    let mut out = Map::new();
    for _ in 0..=random.below(3) {
        let (key, value) = keyword(random, depth);
        out.insert(key.to_owned(), value);
    }
    match random.below(12) {
        0 => json!(random.once_in(2)),
        _ => Json::Object(out),
    }
}

fn keyword(random: &mut Random, depth: usize) -> (&'static str, Json) {
    const INNER: [&str; 12] = [
        "not",
        "items",
        "additionalProperties",
        "contains",
        "propertyNames",
        "if",
        "then",
        "else",
        "additionalItems",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contentSchema",
    ];
    const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
    const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
    let deeper = depth < 4;
    match random.below(14) {
        0 if deeper => (random.pick(&INNER), schema_of(random, depth + 1)),
        1 if deeper => {
            let all: Vec<Json> = (0..random.below(4)).map(|_| schema_of(random, depth + 1)).collect();
            (random.pick(&LISTS), Json::Array(all))
        }
        2 | 3 if deeper => {
            let all = (0..random.below(4)).map(|_| (random.pick(&KEYS).to_owned(), schema_of(random, depth + 1)));
            let all: Map<String, Json> = all.collect();
            (random.pick(&NAMED), Json::Object(all))
        }
        4 => {
            let names = ["string", "number", "integer", "object", "array", "null", "boolean", "nonsense"];
            (
                "type",
                match random.below(3) {
                    0 => json!([random.pick(&names), random.pick(&names)]),
                    _ => json!(random.pick(&names)),
                },
            )
        }
        5 => {
            let targets = [
                "#",
                "#/$defs/a",
                "#/properties/a",
                "#/definitions/b",
                "#a",
                "other.json",
                "http://x.y/z",
                "#/%zz",
                "#/~2",
                "urn:a",
            ];
            (random.pick(&["$ref", "$dynamicRef", "$recursiveRef"]), json!(random.pick(&targets)))
        }
        6 => (
            random.pick(&["$id", "$anchor", "$dynamicAnchor", "id"]),
            json!(random.pick(&["a", "#a", "b", "http://x.y/z", "", "urn:a"])),
        ),
        7 => {
            let drafts = [
                "http://json-schema.org/schema#",
                "http://json-schema.org/draft-04/schema#",
                "http://json-schema.org/draft-06/schema#",
                "http://json-schema.org/draft-07/schema#",
                "https://json-schema.org/draft/2019-09/schema",
                "https://json-schema.org/draft/2020-12/schema",
                "x",
            ];
            ("$schema", json!(random.pick(&drafts)))
        }
        8 => (
            random.pick(&[
                "minimum",
                "maximum",
                "multipleOf",
                "exclusiveMinimum",
                "minLength",
                "maxItems",
                "minProperties",
                "maxContains",
            ]),
            random.json(&KEYS, true, 3),
        ),
        9 => (
            random.pick(&["enum", "const", "required", "examples", "dependentRequired", "dependencies"]),
            random.json(&KEYS, true, 1),
        ),
        10 => ("enum", json!(["s", 1, null, {"a": 1}])),
        11 => ("pattern", json!(random.pick(&["^a", "(", "[a-z]+$", "(a*)*b", "\\d", "a{1000}{1000}", "\\p{L}"]))),
        12 => (
            "format",
            json!(random.pick(&["uri", "date-time", "ipv6", "regex", "email", "hostname", "duration", "semver", "x"])),
        ),
        _ => ("required", json!(["a"])),
    }
}

/// A schema either is one or says why not; it holds the same of the same values; what allows anything allows them.
pub fn schema(random: &mut Random, tried: &mut String) -> Result<(), String> {
    let mut schema = schema_of(random, 0);
    if random.once_in(3) {
        schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [schema]});
    }
    let values = random.json(&KEYS, true, 0);
    let text = match random.below(20) {
        0 => random.mutate(&schema.to_string(), &["{", "}", "\"", "[", "]", ",", "1e999", "\\u0000", "é"]),
        _ => schema.to_string(),
    };
    let _ = write!(tried, "{text}\nvalues: {values}");
    let values = from_json(&values, Numbers::Float);
    let Ok(compiled) = Schema::parse(text.as_bytes()) else { return Ok(()) };
    let first = compiled.validate(&values);
    if Schema::parse(text.as_bytes()).map(|again| again.validate(&values)) != Ok(first.clone()) {
        return Err("not the same twice".to_owned());
    }
    if first.as_ref().is_err_and(|words| !words.starts_with("jsonschema validation failed with ")) {
        return Err(format!("odd words: {first:?}"));
    }
    // One that is not held to has the other answer; circles are refused either way.
    let Ok(document) = serde_json::from_str::<Json>(&text) else { return Ok(()) };
    let is_plain = !text.contains("$ref")
        && !text.contains("Ref\"")
        && !text.contains("$id")
        && !text.contains("\"id\"")
        && !text.contains("$schema")
        && !text.contains("nchor");
    if let (true, Ok(turned)) = (is_plain, Schema::parse(json!({"not": document}).to_string().as_bytes()))
        && turned.validate(&values).is_ok() == first.is_ok()
    {
        return Err("holds and does not hold".to_owned());
    }
    Ok(())
}
