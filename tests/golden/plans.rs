//! Plans of small commits as text, Markdown and JSON.

use std::path::Path;
use std::sync::Arc;

use masthead::source::tree;
use masthead_api::change::Change;
use masthead_api::object::Object;
use masthead_plan::cluster::event::Event;
use masthead_plan::cluster::view::{Applied, Cluster};
use masthead_plan::context::Context;
use masthead_plan::desired::{CommitFacts, Desired};
use masthead_plan::report::{json, markdown, text};
use masthead_plan::sync::entry::{Record, SyncPlan};
use masthead_plan::sync::plan::{Rules, plan};

/// A commit with this subject whose tree is these files.
fn desired(subject: &str, files: &[(&str, String)]) -> Desired {
    let commit = CommitFacts {
        id: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        author: "Ada".to_owned(),
        email: "ada@example.test".to_owned(),
        time_s: 1_700_000_000,
        subject: subject.to_owned(),
    };
    let mut out = Desired { commit, ..Desired::default() };
    for (path, content) in files {
        let read = tree::file(&Arc::from(*path), content.as_bytes());
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        out.objects.extend(read.wanted.into_iter().map(|wanted| (wanted.object.key().clone(), wanted)));
    }
    out
}

/// The state after a commit, as the store would have it.
fn after(files: &[(&str, String)]) -> Cluster {
    let mut cluster = Cluster::default();
    let desired = desired("before", files);
    let made = planned(&desired, &cluster);
    for entry in &made.entries {
        for change in &entry.changes {
            if let Change::Create { object, .. } = change {
                let revision = cluster.revision() + 1;
                cluster.apply(Event::Put(Arc::new(Object::clone(object).at(revision))));
            }
        }
        if let Record::Set(wanted) = &entry.record {
            let applied = Applied {
                commit: desired.commit.id.clone(),
                origin: wanted.origin.clone(),
                desired: wanted.object.clone(),
            };
            cluster.set_applied(entry.key.clone(), Some(applied));
        }
    }
    cluster
}

fn planned(desired: &Desired, cluster: &Cluster) -> SyncPlan {
    let (made, problems) = plan(desired, cluster, Rules::default(), &mut Context::new(1_700_000_000, 7));
    assert!(problems.is_empty(), "{problems:?}");
    made
}

/// Holds a text against `expected/NAME`, or writes it there.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/expected").join(name);
    if std::env::var_os("MASTHEAD_BLESS").is_some() {
        std::fs::write(&path, found).expect("the expected file is written");
        return;
    }
    let expected =
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}; write it with MASTHEAD_BLESS=1"));
    assert!(expected == found, "{name} differs; expected:\n{expected}\nfound:\n{found}");
}

fn check(name: &str, made: &SyncPlan) {
    golden(&format!("{name}.txt"), &format!("{}\n", text::plan(made, true).join("\n")));
    golden(&format!("{name}.md"), &markdown::plan(made));
    golden(&format!("{name}.json"), &format!("{}\n", serde_json::to_string_pretty(&json::plan(made)).expect("JSON")));
}

fn config(name: &str, color: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  color: {color}\n")
}

fn secret(values: &[(&str, &str)]) -> String {
    let data: String = values.iter().map(|(key, value)| format!("  {key}: {value}\n")).collect();
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n{data}")
}

fn web(app: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  selector:\n    matchLabels: {{app: {app}}}\n  template:\n    metadata:\n      labels: {{app: {app}}}\n    spec:\n      containers:\n        - {{name: web, image: '{image}'}}\n"
    )
}

#[test]
fn plans_read_as_committed() {
    let first = [
        ("apps/settings.yaml", config("settings", "blue")),
        ("apps/web.yaml", web("web", "web:1")),
        ("old.yaml", config("old", "grey")),
    ];
    let state = after(&first);
    check("create", &planned(&desired("First: settings and web", &first), &Cluster::default()));
    check("nothing", &planned(&desired("Nothing new", &first), &state));
    let next = [("apps/settings.yaml", config("settings", "red")), ("moved/web.yaml", web("web", "web:2"))];
    check("change-and-delete", &planned(&desired("Red, and web 2", &next), &state));
    let next = [
        ("apps/settings.yaml", config("settings", "blue")),
        ("apps/web.yaml", web("other", "web:1")),
        ("old.yaml", config("old", "grey")),
    ];
    check("replace", &planned(&desired("Another selector", &next), &state));
    check("refused", &planned(&desired("Everything goes", &[]), &state));
}

#[test]
fn values_of_secrets_never_appear() {
    let state =
        after(&[("s.yaml", secret(&[("same", "swordfish"), ("changed", "hunter2"), ("gone", "correct-horse")]))]);
    let next = [("s.yaml", secret(&[("same", "swordfish"), ("changed", "hunter3"), ("new", "battery-staple")]))];
    let made = planned(&desired("New values", &next), &state);
    check("secret", &made);
    let create = planned(&desired("New values", &next), &Cluster::default());
    let delete = planned(&desired("Gone", &[("c.yaml", config("c", "x"))]), &state);
    for made in [&made, &create, &delete] {
        let all = [text::plan(made, true).join("\n"), markdown::plan(made), json::plan(made).to_string()].join("\n");
        for value in [
            "swordfish",
            "hunter",
            "correct-horse",
            "battery",
            "c3dvcmRmaXNo",
            "aHVudGVy",
            "Y29ycmVjdC1ob3JzZQ",
            "YmF0dGVyeS1zdGFwbGU",
        ] {
            assert!(!all.contains(value), "{value} in {all}");
        }
    }
}

#[test]
fn markdown_obeys_nobody() {
    let hostile = "\"@team </details> ``` ```` /apply <img src=x onerror=y> [x](javascript:y)\\n/apply\\n```\\n</details>\\n@team\"";
    let next = [
        ("settings.yaml", config("settings", hostile)),
        ("apps/`x`/@team</summary>[a](b)<b>.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: labels\n  annotations:\n    a: |\n      ```\n      /apply\n      @team\ndata:\n  b: |\n    ~~~~~~~~~~\n    ```````\n".to_owned()),
    ];
    let state = after(&[("a.yaml", config("settings", "blue"))]);
    let made = planned(&desired("fix @team </details> `x` /apply <b>", &next), &state);
    check("hostile", &made);
    let comment = markdown::plan(&made);
    let mut fence: Option<String> = None;
    for line in comment.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => {
                assert!(!line.contains('@') && !line.starts_with('/'), "outside of a fence: {line}");
                let tags = ["<details>", "<summary>", "</summary>", "</details>", "<b>", "</b>"];
                let rest = tags.iter().fold(line.to_owned(), |rest, tag| rest.replace(tag, ""));
                assert!(!rest.contains('<'), "outside of a fence: {line}");
            }
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    assert!(comment.matches("\n</details>\n").count() >= 2);
}

#[test]
fn a_comment_fits_a_forge() {
    let many: Vec<(String, String)> =
        (0..400).map(|i| (format!("{i}.yaml"), config(&format!("c{i}"), &"x".repeat(2000)))).collect();
    let files: Vec<(&str, String)> = many.iter().map(|(path, content)| (path.as_str(), content.clone())).collect();
    let comment = markdown::plan(&planned(&desired("Many", &files), &Cluster::default()));
    assert!(comment.chars().count() <= markdown::COMMENT_CHARS_MAX, "{}", comment.len());
    assert!(comment.contains("more objects are left out"), "{}", &comment[comment.len() - 300..]);
    let long = [("c.yaml", config("c", &"x".repeat(200_000)))];
    let comment = markdown::plan(&planned(&desired("Long", &long), &Cluster::default()));
    assert!(
        comment.chars().count() <= markdown::COMMENT_CHARS_MAX && comment.contains("ConfigMap default/c"),
        "{comment}"
    );
}

#[test]
fn the_digest_is_of_the_effect() {
    let state = after(&[("a.yaml", config("settings", "blue")), ("s.yaml", secret(&[("a", "one")]))]);
    let digest = |subject: &str, path: &str, color: &str, value: &str, seed: u64| {
        let next = desired(
            subject,
            &[(path, config("settings", color)), ("s.yaml", secret(&[("a", value)])), ("n.yaml", config("new", "x"))],
        );
        json::digest(
            &plan(
                &next,
                &state,
                Rules::default(),
                &mut Context::new(1_700_000_000 + i64::try_from(seed).expect("small"), seed),
            )
            .0,
        )
    };
    let one = digest("one", "a.yaml", "red", "two", 1);
    assert_eq!(one, digest("another commit, another place, other uids", "b.yaml", "red", "two", 99), "the same effect");
    assert_ne!(one, digest("one", "a.yaml", "green", "two", 1), "another value");
    assert_ne!(one, digest("one", "a.yaml", "red", "three", 1), "another value of a Secret");
    assert_ne!(one, digest("one", "a.yaml", "blue", "two", 1), "one change less");
}
