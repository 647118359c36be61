//! Values that come together: Helm's rules on small charts, and properties on random ones.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Coalescer, Nulls};
use crate::chart::{Chart, File};
use crate::dependencies;
use crate::instance::Instance;
use crate::load;
use crate::tree::{Table, table_from_json};

fn table(json: Json) -> Table {
    match json {
        Json::Object(fields) => table_from_json(fields),
        _ => Table::new(),
    }
}

/// A chart `t` with a chart `c` in it.
fn chart(values: &Json, child: &Json) -> Arc<Chart> {
    let files = vec![
        File::new("Chart.yaml", "apiVersion: v2\nname: t\nversion: 1.0.0\n"),
        File::new("values.yaml", values.to_string()),
        File::new("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        File::new("charts/c/values.yaml", child.to_string()),
    ];
    Arc::new(load::files(files, &mut Vec::new()).expect("the chart is well-formed"))
}

fn coalesce(values: &Json, child: &Json, user: &Json) -> (Result<Json, String>, Vec<String>) {
    let mut warnings = Vec::new();
    let root = Instance::tree(&chart(values, child));
    let user = table(user.clone()).to_map();
    let done = dependencies::process(&root, &user, &mut warnings)
        .and_then(|()| Coalescer { warnings: &mut warnings, nulls: Nulls::Remove }.values(&root, &user))
        .and_then(|map| masthead_gotmpl::json::to_json(&masthead_gotmpl::value::Value::Map(map)));
    (done, warnings)
}

fn check(values: Json, child: Json, user: Json, expect: Json) {
    let (got, _) = coalesce(&values, &child, &user);
    assert_eq!(got, Ok(expect), "{values} {child} {user}");
}

#[test]
fn the_user_wins_and_nulls_remove() {
    check(
        json!({"a": 1, "b": {"x": 1, "y": 2}}),
        json!({}),
        json!({"b": {"x": 5}}),
        json!({"a": 1, "b": {"x": 5, "y": 2}, "c": {"global": {}}}),
    );
    check(
        json!({"a": 1, "b": {"x": 1}}),
        json!({}),
        json!({"a": null, "b": {"x": null}}),
        json!({"b": {}, "c": {"global": {}}}),
    );
    check(json!({"a": {"b": 1}}), json!({}), json!({"a": null}), json!({"c": {"global": {}}}));
    check(
        json!({}),
        json!({"x": 1, "y": {"z": 1}}),
        json!({"c": {"x": null}}),
        json!({"c": {"y": {"z": 1}, "global": {}}}),
    );
    check(json!({"c": {"x": 2}}), json!({"x": 1, "y": 1}), json!({}), json!({"c": {"x": 2, "y": 1, "global": {}}}));
}

#[test]
fn globals_go_down() {
    check(
        json!({"global": {"a": 1, "m": {"p": 1}}}),
        json!({"global": {"b": 2, "m": {"q": 2, "p": 9}}}),
        json!({}),
        json!({"global": {"a": 1, "m": {"p": 1}}, "c": {"global": {"a": 1, "b": 2, "m": {"p": 1, "q": 2}}}}),
    );
}

#[test]
fn what_does_not_fit_is_told() {
    let (_, warnings) = coalesce(&json!({"l": [1]}), &json!({}), &json!({"l": {"a": 1}}));
    assert_eq!(warnings, ["coalesce.go:237: warning: skipped value for t.l: Not a table."]);
    let (got, _) = coalesce(&json!({}), &json!({}), &json!({"c": "x"}));
    assert_eq!(got, Err("type mismatch on c: %!t(string=x)".to_owned()));
    let (_, warnings) = coalesce(&json!({"a": {"b": {"x": 1}}}), &json!({}), &json!({"a": {"b": 5}}));
    assert_eq!(warnings, ["coalesce.go:316: warning: cannot overwrite table with non table for t.a.b (map[x:1])"]);
}

/// A small generator, so that a failing case can be made again from its seed.
struct Seed(u64);

impl Seed {
    fn next(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn value(&mut self, depth: u64) -> Json {
        match self.next(if depth > 3 { 5 } else { 8 }) {
            0 => Json::Null,
            1 => json!(self.next(3)),
            2 => json!("s"),
            3 => json!(true),
            4 => json!([1, {"x": null}]),
            _ => self.map(depth + 1),
        }
    }

    fn map(&mut self, depth: u64) -> Json {
        let keys = ["a", "b", "c", "global", "x"];
        let count = self.next(4);
        (0..count)
            .map(|_| (keys[self.next(5) as usize].to_owned(), self.value(depth)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

#[test]
fn random_values_keep_the_laws() {
    for case in 0..2_000 {
        let mut seed = Seed(case);
        let (values, child, user) = (seed.map(0), seed.map(0), seed.map(0));
        let (first, warnings) = coalesce(&values, &child, &user);
        assert_eq!(coalesce(&values, &child, &user), (first.clone(), warnings), "case {case}: not the same twice");
        let Ok(first) = first else { continue };
        for (key, value) in user.as_object().into_iter().flatten() {
            let is_plain = !value.is_object() && !value.is_null() && key != "global";
            assert!(!is_plain || first.get(key) == Some(value), "case {case}: the user's {key} is lost: {first}");
        }
        for (key, value) in values.as_object().into_iter().flatten() {
            let given = user.get(key).is_some();
            let known = first.get(key).is_some() || value.is_null() || key == "c" || key == "global";
            assert!(given || known, "case {case}: the chart's {key} is lost: {first}");
        }
    }
}
