//! Faulty creates and updates → the very Status that a real server answered.

use masthead_api::admit::{self, FieldProblem};
use masthead_api::kind::Kind;
use masthead_api::status;
use serde_json::{Value, json};

use crate::read::cases;

/// Counts what ran and what did not, and says why.
#[derive(Default)]
pub struct Tally {
    ran: usize,
    skipped: usize,
    wrong: Vec<String>,
}

impl Tally {
    pub fn skip(&mut self, case: &Value, why: &str) {
        println!("skipped: {}: {why}", case["name"].as_str().unwrap_or("?"));
        self.skipped += 1;
    }

    pub fn compare(&mut self, case: &Value, got: &Value, expect: &Value) {
        self.ran += 1;
        if got != expect {
            self.wrong.push(format!("{}\n  got    {got}\n  expect {expect}", case["name"]));
        }
    }

    pub fn finish(self) {
        println!("{} cases agree, {} skipped", self.ran - self.wrong.len(), self.skipped);
        assert!(self.wrong.is_empty(), "{} of {} differ:\n{}", self.wrong.len(), self.ran, self.wrong.join("\n"));
    }
}

/// The kind of an object when it is supported.
pub fn kind_of(object: &Value) -> Option<Kind> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    Kind::by_gvk(text("apiVersion"), text("kind"))
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The answer to these problems, without the code, which the recordings keep beside it.
fn answer(kind: Kind, name: &str, problems: &[FieldProblem]) -> Value {
    serde_json::to_value(status::refused(kind, name, problems)).unwrap()
}

#[test]
fn faulty_creates_are_refused_in_the_same_words() {
    let mut tally = Tally::default();
    let files = [
        "metadata",
        "pod",
        "pod-spec",
        "probe",
        "volume",
        "quantity",
        "workloads",
        "config",
        "network",
        "policy",
        "decode",
        "accepted",
        "batch",
        "storage",
        "rbac",
        "crd",
    ];
    for case in files.iter().flat_map(|file| cases(&format!("invalid/{file}.json"))) {
        let Some(kind) = kind_of(&case["input"]) else {
            tally.skip(&case, &format!("kind {} is not in scope", case["input"]["kind"]));
            continue;
        };
        let reason = match case["name"].as_str().unwrap_or_default() {
            "pod-kind-mismatch" => "the kind of the path differs from the body's: the REST server's check",
            "pod-generatename-bad" => "shows the server's random suffix",
            _ => "",
        };
        if !reason.is_empty() {
            tally.skip(&case, reason);
            continue;
        }
        let got = match admit::create(case["input"].clone(), "default") {
            Ok(_) => json!(null),
            Err(problems) => answer(kind, name_of(&case["input"]), &problems),
        };
        tally.compare(&case, &got, &case["status"]);
    }
    tally.finish();
}

/// Stands where the recording masks a uid, in labels of Jobs too, which must be valid.
const UID: &str = "5d3c1f6e-0000-4000-8000-00000000cafe";

/// An object with what the recording masks.
fn unmasked(object: &Value) -> Value {
    let text = object.to_string().replace("<TIME>", "2026-01-02T03:04:05Z").replace("<UID>", UID);
    serde_json::from_str(&text).unwrap()
}

/// The old object as it stood in the server, with what the recording masks or leaves out.
fn stored(case: &Value) -> Value {
    let mut old = unmasked(&case["old"]);
    old["metadata"]["uid"] = UID.into();
    old["metadata"]["resourceVersion"] = "7".into();
    old
}

#[test]
fn faulty_updates_are_refused_in_the_same_words() {
    let mut tally = Tally::default();
    for case in cases("invalid/update.json") {
        let Some(kind) = kind_of(&case["new"]) else {
            tally.skip(&case, &format!("kind {} is not in scope", case["new"]["kind"]));
            continue;
        };
        let code = case["code"].as_u64().unwrap();
        if code != 200 && code != 422 {
            tally.skip(&case, "a conflict of versions or ids: the store's check");
            continue;
        }
        let old = stored(&case);
        let mut new = unmasked(&case["new"]);
        if new["metadata"]["resourceVersion"].is_null() {
            new["metadata"]["resourceVersion"] = "7".into();
        }
        let got = match admit::update(&old, new) {
            Ok(_) => json!(null),
            Err(problems) => answer(kind, name_of(&case["new"]), &problems),
        };
        let got: Value = serde_json::from_str(&got.to_string().replace(UID, "<UID>")).unwrap();
        tally.compare(&case, &got, &case["status"]);
    }
    tally.finish();
}
