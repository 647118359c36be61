//! Plans of one entry against their text, Markdown and JSON.

use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::desired::{CommitFacts, Wanted};
use crate::origin::Origin;
use crate::report::{json as as_json, markdown, text};
use crate::sync::entry::{Action, Entry, Record, Refusal, SyncPlan};

fn config(data: Value) -> Arc<Object> {
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": data});
    Arc::new(Object::from_value(value).expect("an object"))
}

fn entry(action: Action, reason: &str, before: Option<Value>, after: Option<Value>) -> Entry {
    let (before, after) = (before.map(config), after.map(config));
    let any = after.clone().or_else(|| before.clone()).expect("a state");
    let origin = Origin { path: "c.yaml".into(), line: 3 };
    Entry {
        key: ObjectKey::clone(any.key()),
        action,
        reason: reason.to_owned(),
        origin: Some(origin.clone()),
        before,
        after,
        changes: Vec::new(),
        record: Record::Set(Wanted { object: any, origin }),
        is_held: false,
    }
}

fn plan_of(entries: Vec<Entry>) -> SyncPlan {
    let commit =
        CommitFacts { id: "0123456789abcdef".to_owned(), subject: "a subject".to_owned(), ..CommitFacts::default() };
    SyncPlan { commit, base: 7, entries, ..SyncPlan::default() }
}

#[test]
fn text_names_each_object_and_shows_what_changes() {
    let check =
        |entry: Entry, diffs: bool, expect: &[&str]| assert_eq!(text::plan(&plan_of(vec![entry]), diffs), expect);
    let head = |what: &str| format!("plan for 0123456789 \"a subject\": {what}");
    check(
        entry(Action::Create, "asked", None, Some(json!({}))),
        true,
        &[&head("1 to create"), "  + ConfigMap default/c: asked"],
    );
    check(entry(Action::Move, "moved", Some(json!({})), Some(json!({}))), true, &[&head("1 unchanged")]);
    let changed = || entry(Action::Change, "data.a", Some(json!({"a": "1"})), Some(json!({"a": "2"})));
    check(changed(), false, &[&head("1 to change"), "  ~ ConfigMap default/c: data.a"]);
    let lines = text::plan(&plan_of(vec![changed()]), true);
    assert!(
        lines.contains(&"      -  a: \"1\"".to_owned()) && lines.contains(&"      +  a: \"2\"".to_owned()),
        "{lines:?}"
    );
    let mut refused = plan_of(vec![entry(Action::Delete, "gone", Some(json!({})), None)]);
    refused
        .refusals
        .push(Refusal { what: "it deletes much".to_owned(), trailer: "Masthead-Confirm: delete".to_owned() });
    let last = text::plan(&refused, false).pop().expect("a line");
    assert_eq!(
        last,
        "needs a confirmation: it deletes much; to confirm, add the trailer \"Masthead-Confirm: delete\" to the commit message"
    );
}

#[test]
fn a_long_diff_is_cut_and_counted() {
    let data: serde_json::Map<String, Value> = (0..1000).map(|i| (format!("k{i:04}"), json!("v"))).collect();
    let lines = text::diff_lines(&entry(Action::Create, "", None, Some(Value::Object(data))));
    assert_eq!(lines.len(), text::DIFF_LINES_MAX + 1);
    assert!(lines.last().is_some_and(|last| last.ends_with("more lines")), "{:?}", lines.last());
}

#[test]
fn reasons_are_no_markup() {
    let made = plan_of(vec![entry(
        Action::Create,
        "@team #1 </summary> `x` [a](b) *b* _i_ \u{7}",
        None,
        Some(json!({"a": "````"})),
    )]);
    let comment = markdown::plan(&made);
    assert!(
        comment.contains("&#64;team &#35;1 &lt;/summary&gt; \\`x\\` \\[a\\]\\(b\\) \\*b\\* \\_i\\_  "),
        "{comment}"
    );
    assert!(comment.contains("\n`````diff\n") && comment.contains("\n`````\n"), "{comment}");
}

#[test]
fn json_counts_and_digests_the_effect() {
    let made = plan_of(vec![entry(Action::Change, "data.a", Some(json!({"a": "1"})), Some(json!({"a": "2"})))]);
    let told = as_json::plan(&made);
    assert_eq!(
        told["summary"],
        json!({"create": 0, "change": 1, "replace": 0, "delete": 0, "unchanged": 0, "hooks": 0})
    );
    assert_eq!(told["entries"][0]["origin"], "c.yaml:3");
    assert_eq!(told["revision"], 7);
    let moved = plan_of(vec![made.entries[0].clone(), entry(Action::Move, "moved", Some(json!({})), Some(json!({})))]);
    assert_eq!(as_json::digest(&made), as_json::digest(&moved), "a move has no effect");
    let other = plan_of(vec![entry(Action::Change, "data.a", Some(json!({"a": "1"})), Some(json!({"a": "3"})))]);
    assert_ne!(as_json::digest(&made), as_json::digest(&other));
    assert_ne!(as_json::digest(&made), as_json::digest(&plan_of(Vec::new())));
}
