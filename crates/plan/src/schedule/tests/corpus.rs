//! The recorded answers of a real scheduler.
#![expect(clippy::disallowed_methods, reason = "a test that reads recorded answers from disk")]

use std::path::PathBuf;

use serde_json::Value;

use crate::schedule::tests::world::run;

/// Kinds that are not in scope, by what a case has of them.
const NOT_IN_SCOPE: [&str; 4] = ["PodDisruptionBudget", "PersistentVolume", "PersistentVolumeClaim", "StorageClass"];

/// Why a case is not run, if it is not.
fn skipped(case: &Value) -> Option<String> {
    let items = |field: &str| case[field].as_array().into_iter().flatten();
    let kind = items("extra").filter_map(|one| one["kind"].as_str()).find(|kind| NOT_IN_SCOPE.contains(kind));
    let claims = |pod: &Value| {
        pod["spec"]["volumes"].as_array().is_some_and(|v| v.iter().any(|v| !v["persistentVolumeClaim"].is_null()))
    };
    let claim = items("pending").chain(items("existing")).any(claims).then_some("PersistentVolumeClaim");
    kind.or(claim).map(|kind| format!("{kind} is no kind in scope yet"))
}

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("MASTHEAD_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from)
        .join("corpus/api/scheduling");
    dir.is_dir().then_some(dir)
}

#[test]
fn decides_as_the_recorded_scheduler_did() {
    let Some(dir) = corpus() else {
        eprintln!("skipped: there is no corpus beside the checkout");
        return;
    };
    let (mut ran, mut failures) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let section = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let cases: Vec<Value> =
            serde_json::from_slice(&std::fs::read(file).expect("a corpus file")).expect("a JSON array");
        for case in &cases {
            let name = case["name"].as_str().unwrap_or_default();
            if let Some(why) = skipped(case) {
                println!("skipped: {name}: {why}");
                continue;
            }
            ran += 1;
            if let Err(why) = run(case) {
                failures.push(format!("{section}/{name}: {why}"));
            }
        }
    }
    println!("{ran} cases, {} differ", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
