//! Trees, harmless and hostile, into snapshots.

use std::collections::BTreeSet;
use std::time::Instant;

use masthead::git::commit::CommitId;
use masthead::git::entry::{Limits, Mode, Severity};
use masthead::git::error::Error;
use masthead::git::reader::Reader;
use masthead::git::snapshot::Snapshot;

use super::support::{Work, run};

fn take(work: &Work, commit: CommitId) -> Snapshot {
    Reader::open(&work.path).and_then(|r| r.snapshot(commit, "", &Limits::default(), None)).expect("snapshot")
}

fn paths(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.entries.iter().map(|e| &*e.path).collect()
}

#[test]
fn lists_files_sorted_with_folders_and_modes() {
    let work = Work::new();
    work.write("b.yaml", "b")
        .write("a/x.yml", "x")
        .write("a-b/y.json", "y")
        .write("a.txt", "t")
        .write(".github/ci.yaml", "ci");
    work.write("run.sh", "#!/bin/sh");
    run(&work.path, &["add", "-A"]);
    run(&work.path, &["update-index", "--chmod=+x", "run.sh"]);
    run(&work.path, &["commit", "-qm", "files"]);
    let snapshot = take(&work, work.head());
    let listed = paths(&snapshot);
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    assert_eq!(listed.len(), 6);
    assert_eq!(snapshot.manifests().map(|e| &*e.path).collect::<Vec<_>>(), ["a-b/y.json", "a/x.yml", "b.yaml"]);
    assert_eq!(snapshot.folders.keys().map(|k| &**k).collect::<Vec<_>>(), ["", ".github/", "a-b/", "a/"]);
    assert_eq!(snapshot.entry("run.sh").map(|e| e.mode), Some(Mode::Executable));
    assert_eq!(snapshot.below("a").iter().map(|e| &*e.path).collect::<Vec<_>>(), ["a/x.yml"]);
    assert!(snapshot.problems.is_empty());
    let reader = Reader::open(&work.path).expect("open");
    let all: Vec<_> = snapshot.entries.iter().collect();
    let contents = reader.read(&all, &Limits::default()).expect("read");
    assert_eq!(
        contents.files.iter().map(|(e, b)| (&*e.path, &**b)).find(|(p, _)| *p == "b.yaml").map(|(_, b)| b),
        Some(&b"b"[..])
    );
}

#[test]
fn a_sub_path_that_is_missing_is_an_error_and_never_empty() {
    let work = Work::new();
    let commit = work.write("apps/web/a.yaml", "a").write("apps2/b.yaml", "b").commit("files");
    let reader = Reader::open(&work.path).expect("open");
    let take = |path: &str| reader.snapshot(commit, path, &Limits::default(), None);
    assert_eq!(paths(&take("apps").expect("there")), ["apps/web/a.yaml"]);
    assert_eq!(paths(&take("./apps/web/").expect("there")), ["apps/web/a.yaml"]);
    for missing in ["gone", "apps/gone", "apps/web/a.yaml"] {
        assert!(matches!(take(missing), Err(Error::NotFound(_))), "{missing}");
    }
    for bad in ["../x", "a/../..", ".git", "a\nb"] {
        assert!(matches!(take(bad), Err(Error::BadName { .. })), "{bad:?}");
    }
}

#[test]
fn hostile_names_are_problems() {
    let work = Work::new();
    let blob = work.object("blob", b"kind: Pod\n");
    let sub = work.object("tree", &[]);
    let check = |entries: &[(&str, &[u8], &str)], path: &str, severity: Severity| {
        let snapshot = take(&work, work.forged(entries));
        let found = snapshot.problems.iter().find(|p| p.path.contains(path));
        let found = found.unwrap_or_else(|| panic!("{path}: {:?}", snapshot.problems));
        assert_eq!(found.severity, severity, "{found}");
        assert!(!found.to_string().contains(['\n', '\x1b', '\u{202e}']), "{found}");
        assert!(snapshot.entries.iter().all(|e| !e.path.contains("..") && !e.path.to_lowercase().contains(".git/")));
    };
    check(&[("100644", b"..", &blob)], "..", Severity::Fault);
    check(&[("40000", b"..", &sub)], "..", Severity::Fault);
    check(&[("40000", b".git", &sub)], ".git", Severity::Fault);
    check(&[("40000", b".GIT", &sub)], ".GIT", Severity::Fault);
    check(&[("100644", b".git::$INDEX_ALLOCATION", &blob)], ".git::", Severity::Fault);
    check(&[("100644", b"git~1", &blob)], "git~1", Severity::Fault);
    check(&[("100644", b"a/b.yaml", &blob)], "a/b.yaml", Severity::Fault);
    check(&[("100644", b"new\nline.yaml", &blob)], "new\\nline", Severity::Fault);
    check(&[("100644", b"esc\x1b[2J.yaml", &blob)], "esc\\x1b", Severity::Fault);
    check(&[("100644", "ab\u{202e}lmay.exe".as_bytes(), &blob)], "ab\\u{202e}", Severity::Note);
    check(&[("100644", b"latin\xe9.yaml", &blob)], "latin", Severity::Fault);
    check(&[("100644", b"latin\xe9.txt", &blob)], "latin", Severity::Note);
    check(&[("40000", b"latin\xe9", &sub)], "latin", Severity::Fault);
    check(&[("160000", b"module", &"1".repeat(40))], "module", Severity::Note);
    check(&[("100644", b"twice.yaml", &blob), ("100644", b"twice.yaml", &sub)], "twice.yaml", Severity::Fault);
    check(&[("100644", [b"n".repeat(4097), b".yaml".to_vec()].concat().as_slice(), &blob)], "nnn", Severity::Fault);
}

#[test]
fn links_lead_inside_the_tree_or_nowhere() {
    let work = Work::new();
    work.write("real/file.yaml", "real").write("real/deep/x.yaml", "x");
    let link = |to: &str, at: &str| {
        let at = work.path.join(at);
        std::fs::create_dir_all(at.parent().expect("parent")).expect("dirs");
        std::os::unix::fs::symlink(to, at).expect("link");
    };
    link("real/file.yaml", "good.yaml");
    link("../real/deep/../file.yaml", "sub/up.yaml");
    link("good.yaml", "chain.yaml");
    link("dirlink/file.yaml", "through.yaml");
    link("real", "dirlink");
    link("/etc/passwd", "absolute.yaml");
    link("../../outside.yaml", "sub/outside.yaml");
    link("../outside", "folder-out");
    link("loop-b.yaml", "loop-a.yaml");
    link("loop-a.yaml", "loop-b.yaml");
    link("self.yaml", "self.yaml");
    link("nothing.yaml", "dangling.yaml");
    link("nothing", "dangling.txt");
    link("real/file.yaml/x", "under-file.yaml");
    let snapshot = take(&work, work.commit("links"));
    let real = snapshot.entry("real/file.yaml").expect("there").blob;
    for good in ["good.yaml", "sub/up.yaml", "chain.yaml", "through.yaml"] {
        let entry = snapshot.entry(good).unwrap_or_else(|| panic!("{good}: {:?}", snapshot.problems));
        assert_eq!((entry.blob, entry.mode), (real, Mode::Link), "{good}");
    }
    let faults: BTreeSet<_> =
        snapshot.problems.iter().filter(|p| p.severity == Severity::Fault).map(|p| p.path.as_str()).collect();
    let expect = [
        "absolute.yaml",
        "dangling.yaml",
        "folder-out",
        "loop-a.yaml",
        "loop-b.yaml",
        "self.yaml",
        "sub/outside.yaml",
        "under-file.yaml",
    ];
    assert_eq!(faults, BTreeSet::from(expect));
    let notes: BTreeSet<_> =
        snapshot.problems.iter().filter(|p| p.severity == Severity::Note).map(|p| p.path.as_str()).collect();
    assert_eq!(notes, BTreeSet::from(["dangling.txt", "dirlink"]));
}

#[test]
fn ignored_paths_are_not_there() {
    let work = Work::new();
    work.write("docs/a.yaml", "a").write("keep.yaml", "k").write("drop.yaml", "d").write("x/secret.json", "s");
    std::os::unix::fs::symlink("/etc/passwd", work.path.join("link.yaml")).expect("link");
    work.write(".mastheadignore", "docs/\ndrop.yaml\n**/secret.json\nlink.yaml\n");
    let snapshot = take(&work, work.commit("ignore"));
    assert_eq!(paths(&snapshot), [".mastheadignore", "keep.yaml"]);
    assert!(!snapshot.is_refused(), "{:?}", snapshot.problems);
    work.write(".mastheadignore", "a//b\n");
    let snapshot = take(&work, work.commit("bad ignore"));
    assert!(snapshot.problems.iter().any(|p| p.path == ".mastheadignore:1" && p.severity == Severity::Fault));
}

#[test]
fn limits_are_named() {
    let work = Work::new();
    work.write("big.yaml", &"x".repeat(5000)).write("a.yaml", "a").write("one/two/three/d.yaml", "d");
    work.write("lfs.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    let commit = work.commit("limits");
    let reader = Reader::open(&work.path).expect("open");
    let with = |limits: &Limits| reader.snapshot(commit, "", limits, None);
    let few = with(&Limits { files: 2, ..Limits::default() });
    assert!(matches!(few, Err(Error::Limit { name: "files", .. })), "{few:?}");
    let flat = with(&Limits { depth: 2, ..Limits::default() }).expect("snapshot");
    assert!(
        flat.problems.iter().any(|p| p.what.contains("depth") && p.path == "one/two/three/"),
        "{:?}",
        flat.problems
    );
    let snapshot = with(&Limits::default()).expect("snapshot");
    let all: Vec<_> = snapshot.manifests().collect();
    let limits = Limits { file_bytes: 4096, ..Limits::default() };
    let contents = reader.read(&all, &limits).expect("read");
    let told: Vec<_> = contents.problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(told, ["big.yaml", "lfs.yaml"]);
    assert_eq!(contents.files.len(), 2);
    let total = reader.read(&all, &Limits { total_bytes: 100, ..Limits::default() });
    assert!(matches!(total, Err(Error::Limit { name: "total_bytes", .. })), "{total:?}");
}

#[test]
fn an_unchanged_folder_is_taken_over() {
    let work = Work::new();
    work.write("a/one.yaml", "1").write("a/b/two.yaml", "2").write("c/three.yaml", "3").write("top.yaml", "t");
    let first = work.commit("first");
    let second = work.write("c/three.yaml", "changed").write("c/four.yaml", "4").commit("second");
    let reader = Reader::open(&work.path).expect("open");
    let old = reader.snapshot(first, "", &Limits::default(), None).expect("old");
    let fresh = reader.snapshot(second, "", &Limits::default(), None).expect("fresh");
    let reused = reader.snapshot(second, "", &Limits::default(), Some(&old)).expect("reused");
    assert_eq!(fresh, reused);
    let (before, after) = (old.entry("a/b/two.yaml").expect("there"), reused.entry("a/b/two.yaml").expect("there"));
    assert!(std::sync::Arc::ptr_eq(&before.path, &after.path), "taken over, not read again");
    let ignoring = work.write(".mastheadignore", "a/\n").commit("ignore a");
    let fresh = reader.snapshot(ignoring, "", &Limits::default(), None).expect("fresh");
    let reused = reader.snapshot(ignoring, "", &Limits::default(), Some(&reused)).expect("reused");
    assert_eq!(fresh, reused);
    assert!(reused.entry("a/one.yaml").is_none());
}

#[test]
fn commit_texts_are_safe_to_print() {
    let work = Work::new();
    let message =
        "Deploy \x1b[31mred\x1b[0m\r\u{202e}\n\nBody \x07 here\n\nMasthead-Confirm: delete\nEvil: \x1b]0;t\x07\n";
    let commit = work.write("a.yaml", "a").commit(message);
    let commit = Reader::open(&work.path).and_then(|r| r.commit(commit)).expect("commit");
    let all = format!("{commit:?}");
    assert!(!all.contains(['\x1b', '\x07', '\u{202e}', '\r']), "{all}");
    assert_eq!(commit.trailer("masthead-confirm"), Some("delete"));
    assert!(commit.subject.starts_with("Deploy \\x1b[31mred"), "{}", commit.subject);
    assert_eq!(commit.author.mail, "ada@example.com");
}

#[test]
fn revisions_resolve_and_options_do_not() {
    let work = Work::new();
    let first = work.write("a.yaml", "a").commit("first");
    let second = work.write("a.yaml", "b").commit("second");
    run(&work.path, &["tag", "-a", "v1", "-m", "one", "HEAD~1"]);
    let reader = Reader::open(&work.path).expect("open");
    for (name, id) in
        [("main", second), ("main~1", first), ("v1", first), (&first.to_string(), first), (&second.short(), second)]
    {
        assert_eq!(reader.resolve(name).expect(name), id, "{name}");
    }
    for bad in ["-h", "--all", "nope", "main:a.yaml", "v1^{tree}", "\n"] {
        assert!(reader.resolve(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn ten_thousand_files_are_read_quickly() {
    let work = Work::new();
    let first = work.many((0..10_000).map(|i| {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{i}\n  namespace: n{}\ndata:\n  key: \"{}\"\n",
            i % 100,
            "v".repeat(i % 1000)
        );
        (format!("apps/n{:02}/c{i}.yaml", i % 100), text)
    }));
    run(&work.path, &["gc", "-q"]);
    let second = work.commit_file("apps/n07/c7.yaml", "kind: ConfigMap\n");
    let limits = Limits::default();
    let (mut list_ms, mut read_ms, mut next_ms) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        let reader = Reader::open(&work.path).expect("open");
        let snapshot = reader.snapshot(first, "", &limits, None).expect("snapshot");
        list_ms = list_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let entries: Vec<_> = snapshot.manifests().collect();
        let contents = reader.read(&entries, &limits).expect("read");
        assert_eq!((contents.files.len(), contents.problems.len()), (10_000, 0));
        read_ms = read_ms.min(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let reader = Reader::open(&work.path).expect("open");
        let next = reader.snapshot(second, "", &limits, Some(&snapshot)).expect("snapshot");
        let changed: Vec<_> =
            next.manifests().filter(|e| snapshot.entry(&e.path).is_none_or(|o| o.blob != e.blob)).collect();
        assert_eq!(reader.read(&changed, &limits).expect("read").files.len(), 1);
        next_ms = next_ms.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "10,000 files, best of 5: open + list {list_ms:.1} ms, with all bytes {read_ms:.1} ms; after one change {next_ms:.2} ms"
    );
}
