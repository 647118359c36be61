//! Files as bytes against the objects and the problems they give, and the cache over several snapshots.

use std::sync::Arc;

use git2::Repository;
use masthead_plan::desired::{CommitFacts, Desired};

use crate::git::commit::BlobId;
use crate::git::reader::Reader;
use crate::source::tree::{self, Cache};
use crate::source::words;
use crate::sync::observe::{Fault, Source};

fn blob_id(id: git2::Oid) -> BlobId {
    id.to_string().parse().expect("an id")
}

fn problems(path: &str, text: &str) -> Vec<String> {
    tree::file(&Arc::from(path), text.as_bytes()).problems.iter().map(ToString::to_string).collect()
}

fn objects(text: &[u8]) -> Vec<String> {
    let file = tree::file(&Arc::from("x.yaml"), text);
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    file.wanted.iter().map(|wanted| format!("{} at {}", wanted.object.key(), wanted.origin.line)).collect()
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn a_file_gives_its_objects_with_their_lines() {
    let check = |text: &[u8], expect: &[&str]| assert_eq!(objects(text), expect, "{}", String::from_utf8_lossy(text));
    check(CONFIG.as_bytes(), &["ConfigMap default/a at 1"]);
    check(
        format!("# first\n---\n\n{CONFIG}---\n{}", CONFIG.replace("name: a", "name: b")).as_bytes(),
        &["ConfigMap default/a at 4", "ConfigMap default/b at 9"],
    );
    check(b"", &[]);
    check(b"---\n# nothing\n---\n", &[]);
    check(b"{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"n\"}}", &["Namespace n at 1"]);
    check(
        b"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: other}}\n",
        &["ConfigMap default/a at 4", "ConfigMap other/b at 7"],
    );
    check(b"apiVersion: v1\nkind: List\nitems: []\n", &[]);
    check(format!("\u{feff}{}", CONFIG.replace('\n', "\r\n")).as_bytes(), &["ConfigMap default/a at 1"]);
}

#[test]
fn faults_name_path_line_object_field_and_what_to_do() {
    let check = |text: &str, expect: &[&str]| assert_eq!(problems("x.yaml", text), expect, "{text}");
    check(
        &CONFIG.replace("ConfigMap", "ConfigMop"),
        &["x.yaml:2: ConfigMop/a: kind: no such kind: \"ConfigMop\" in apiVersion \"v1\"; did you mean ConfigMap?"],
    );
    check(&format!("{CONFIG}dato: {{}}\n"), &["x.yaml:5: ConfigMap/a: dato: unknown field (did you mean data?)"]);
    check(
        &format!("{CONFIG}immutable: maybe\n"),
        &["x.yaml:5: ConfigMap/a: immutable: must be true or false, not text"],
    );
    check(
        "hello",
        &[
            "x.yaml:1: this is no manifest of an object (every document needs apiVersion, kind and metadata.name; list other files in .mastheadignore)",
        ],
    );
    check("a: b\na: c\n", &["x.yaml:2: key \"a\" already set in map (keep one of the two)"]);
    check(
        "apiVersion: v1\nkind: \"a\\nb\\e[2J\"\n",
        &["x.yaml:2: a\\nb\\x1b[2J/: kind: no such kind: \"a\\nb\\u{1b}[2J\" in apiVersion \"v1\""],
    );
    assert_eq!(problems("Chart.yaml", "a: b").len(), 1);
    assert!(problems("x.yaml", "\0").remove(0).starts_with("x.yaml: this is a binary file"));
}

#[test]
fn many_faults_of_one_file_are_cut() {
    let found = problems("x.yaml", &"--- 1\n".repeat(1000));
    assert_eq!(found.len(), 101);
    assert!(found[100].contains("900 more documents of this file are not looked at"), "{}", found[100]);
}

#[test]
fn a_list_of_many_is_read_once() {
    let items: String =
        (0..3000).map(|i| format!("- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a{i}}}}}\n")).collect();
    let began = std::time::Instant::now();
    assert_eq!(objects(format!("apiVersion: v1\nkind: List\nitems:\n{items}").as_bytes()).len(), 3000);
    // Looking for each item's line anew takes minutes.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn messages_are_short_and_hide_values_of_secrets() {
    assert_eq!(words::short("a\nb\u{1b}"), "a\\nb\\x1b");
    assert_eq!(words::short(&"x".repeat(5000)).chars().count(), 401);
    let secret = serde_json::json!({"kind": "Secret", "metadata": {"name": "visible"}, "data": {"a": ["hun\"ter"]}, "oops": 4711});
    let hidden = words::values(&secret);
    assert_eq!(words::without("name visible".into(), &hidden), "name visible");
    for message in ["Invalid value: \"hun\\\"ter\"", "hun\"ter", "number 4711"] {
        assert!(words::without(message.into(), &hidden).starts_with("invalid value (not shown"), "{message}");
    }
}

#[test]
fn only_files_that_are_new_are_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let repository = Repository::init_bare(dir.path()).expect("a repository");
    let blob = |text: &str| blob_id(repository.blob(text.as_bytes()).expect("a blob"));
    let file = |path: &str, text: &str| ((Arc::<str>::from(path), blob(text)), text.as_bytes().to_vec());
    let other = CONFIG.replace("name: a", "name: b");
    let (one, two) = (file("1.yaml", CONFIG), file("2.yaml", &other));
    let mut cache = Cache::default();
    let both = [one.0.clone(), two.0.clone()];
    assert_eq!(cache.missing(&both).len(), 2);
    cache.read(vec![one, two]);
    assert!(cache.missing(&both).is_empty());
    assert_eq!(cache.desired(CommitFacts::default(), &both).expect("good").objects.len(), 2);
    // The same bytes at another place are another file: what it asks for names its path.
    let copy = file("3.yaml", CONFIG);
    let three = [both[0].clone(), both[1].clone(), copy.0.clone()];
    assert_eq!(cache.missing(&three), [&copy.0]);
    cache.read(vec![copy]);
    let twice = cache.desired(CommitFacts::default(), &three).expect_err("twice");
    assert_eq!(
        twice[0].to_string(),
        "3.yaml:1: ConfigMap/a: ConfigMap default/a is also written at 1.yaml:1 (keep one of the two)"
    );
}

#[test]
fn a_commit_is_observed_or_faulted_as_a_whole() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let repository = Repository::init_bare(dir.path()).expect("a repository");
    let who = git2::Signature::new("Ada", "ada@example.test", &git2::Time::new(1, 0)).expect("a person");
    let commit = |files: &[(&str, &str)]| {
        let mut tree = repository.treebuilder(None).expect("a tree");
        for (name, text) in files {
            tree.insert(name, repository.blob(text.as_bytes()).expect("a blob"), 0o100_644).expect("an entry");
        }
        let tree = repository.find_tree(tree.write().expect("written")).expect("a tree");
        let id = repository.commit(None, &who, &who, &"s".repeat(1000), &tree, &[]).expect("a commit");
        id.to_string().parse::<crate::git::commit::CommitId>().expect("an id")
    };
    let reader = Reader::open(dir.path()).expect("a reader");
    let source = Source::default();
    let good = commit(&[("a.yaml", CONFIG), ("README.md", "not read")]);
    let bad = commit(&[("a.yaml", CONFIG), ("b.yaml", "x"), ("c.yaml", "y")]);
    let observed = source.observe(&reader, good).expect("good");
    assert_eq!(observed.desired.objects.len(), 1);
    assert_eq!(observed.desired.commit.subject.chars().count(), 201);
    assert!(matches!(source.observe(&reader, bad), Err(Fault::Invalid(problems)) if problems.len() == 2));
    let again = source.observe(&reader, good).expect("good");
    let same =
        |a: &crate::sync::observe::Observed| a.desired.objects.values().next().map(|w| w.object.clone()).expect("one");
    assert!(Arc::ptr_eq(&same(&observed), &same(&again)), "read once");
    let nowhere = Source::new("nowhere".to_owned());
    assert!(matches!(nowhere.observe(&reader, good), Err(Fault::Git(_))), "a folder that is missing is no empty tree");
}

#[test]
fn a_cache_that_saw_other_snapshots_gives_what_a_fresh_one_gives() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let repository = Repository::init_bare(dir.path()).expect("a repository");
    let mut seed = 42_u64;
    let mut next = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut warm = Cache::default();
    let mut held: Vec<(Arc<Desired>, Desired)> = Vec::new();
    for round in 0..300 {
        let mut files = Vec::new();
        for path in 0..6 {
            if next(4) > 0 {
                // Few names, so that two files ask for one object now and then, and some files are at fault.
                let name = if next(3) == 0 { next(8) } else { path };
                let text = if next(12) == 0 {
                    "fault".to_owned()
                } else {
                    CONFIG.replace("name: a", &format!("name: c{name}"))
                };
                let blob = blob_id(repository.blob(text.as_bytes()).expect("a blob"));
                files.push(((Arc::<str>::from(format!("{path}.yaml")), blob), text.into_bytes()));
            }
        }
        let listed: Vec<_> = files.iter().map(|(listed, _)| listed.clone()).collect();
        let missing: Vec<_> = warm.missing(&listed).into_iter().cloned().collect();
        warm.read(files.iter().filter(|(listed, _)| missing.contains(listed)).cloned().collect());
        let mut fresh = Cache::default();
        fresh.read(files);
        let (one, other) =
            (warm.desired(CommitFacts::default(), &listed), fresh.desired(CommitFacts::default(), &listed));
        assert_eq!(one, other, "round {round}");
        // Whoever keeps one keeps it as it was.
        assert!(held.iter().all(|(kept, was)| **kept == *was), "round {round}");
        held.truncate(next(3) as usize);
        if let Ok(one) = one
            && next(2) == 0
        {
            held.push((one.clone(), Desired::clone(&one)));
        }
    }
}
