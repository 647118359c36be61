//! Commits made without a work tree: edits, reverts, notes, the log.

use masthead::git::commit::{CommitId, Person};
use masthead::git::entry::Limits;
use masthead::git::error::Error;
use masthead::git::reader::Reader;
use masthead::git::revert::Revert;
use masthead::git::write::{Draft, Edit};

use super::support::{Work, run};

fn me() -> Person {
    Person::new("Masthead", "masthead@localhost", 1_700_000_000)
}

/// A bare repository with a work tree beside it.
fn bare(work: &Work) -> std::path::PathBuf {
    let path = work.dir.path().join("repo.git");
    run(work.dir.path(), &["clone", "-q", "--bare", "work", "repo.git"]);
    path
}

fn put(path: &str, text: &str) -> Edit {
    Edit::Put { path: path.into(), bytes: text.into() }
}

fn draft<'a>(expected: Option<CommitId>, by: &'a Person) -> Draft<'a> {
    Draft { branch: "main", expected, message: "Scale web to 3\n\nMasthead-By: kubectl\n", author: by, committer: by }
}

#[test]
fn edits_become_a_commit_guarded_by_the_tip() {
    let work = Work::new();
    let first = work.write("a/x.yaml", "x").write("a/only/y.yaml", "y").write("keep.yaml", "k").commit("first");
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    let delete = Edit::Delete { path: "a/only/y.yaml".into() };
    let id = reader
        .commit_edits(&draft(Some(first), &by), &[put("a/x.yaml", "xx"), put("new/z.yaml", "z"), delete])
        .expect("commit");
    assert_eq!(run(&path, &["ls-tree", "-r", "--name-only", "main"]), "a/x.yaml\nkeep.yaml\nnew/z.yaml");
    assert_eq!(run(&path, &["show", "main:a/x.yaml"]), "xx");
    assert_eq!(
        run(&path, &["log", "-1", "--format=%an %ae %s %(trailers:key=Masthead-By,valueonly)", "main"]),
        "Masthead masthead@localhost Scale web to 3 kubectl"
    );
    run(&path, &["fsck", "--strict"]);
    let late = reader.commit_edits(&draft(Some(first), &by), &[put("b.yaml", "b")]);
    assert!(matches!(late, Err(Error::Moved { .. })), "{late:?}");
    assert_eq!(reader.tip("main").expect("tip"), Some(id));
    let same = reader.commit_edits(&draft(Some(id), &by), &[put("a/x.yaml", "xx")]);
    assert!(matches!(same, Err(Error::NothingChanged(_))), "{same:?}");
    let gone = reader.commit_edits(&draft(Some(id), &by), &[Edit::Delete { path: "nope.yaml".into() }]);
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
    for bad in ["../x", "/x", "a//b", ".git/config", "a\nb", "", "a/.GIT/x"] {
        let refused = reader.commit_edits(&draft(Some(id), &by), &[put(bad, "b")]);
        assert!(matches!(refused, Err(Error::BadName { .. })), "{bad:?}: {refused:?}");
    }
}

#[test]
fn the_first_commit_of_a_branch_needs_no_tip_and_only_one_wins() {
    let work = Work::new();
    run(work.dir.path(), &["init", "-q", "--bare", "-b", "main", "repo.git"]);
    let path = work.dir.path().join("repo.git");
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    assert_eq!(reader.tip("main").expect("tip"), None);
    assert_eq!(reader.head_branch().as_deref(), Some("main"));
    reader.commit_edits(&draft(None, &by), &[put("a.yaml", "a")]).expect("first");
    let second = reader.commit_edits(&draft(None, &by), &[put("b.yaml", "b")]);
    assert!(matches!(second, Err(Error::Moved { .. })), "{second:?}");
}

#[test]
fn writers_at_once_lose_nothing() {
    let work = Work::new();
    work.write("start.yaml", "s").commit("first");
    let path = bare(&work);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let (reader, by) = (Reader::open(path).expect("open"), me());
                for i in 0..5 {
                    loop {
                        let tip = reader.tip("main").expect("tip");
                        match reader.commit_edits(&draft(tip, &by), &[put(&format!("w{n}-{i}.yaml"), "w")]) {
                            Ok(_) => break,
                            Err(Error::Moved { .. } | Error::Git { .. }) => {}
                            Err(e) => panic!("{e}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(run(&path, &["rev-list", "--count", "main"]), "21");
    assert_eq!(run(&path, &["ls-tree", "--name-only", "main"]).lines().count(), 21);
}

#[test]
fn a_revert_is_gits_own() {
    let work = Work::new();
    work.write("web.yaml", "image: nginx:1\n").write("other.yaml", "o: 1\n").commit("first");
    let bad = work.write("web.yaml", "image: nignx:2\n").commit("Deploy \"nginx\" 2");
    work.write("other.yaml", "o: 2\n").commit("unrelated");
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    let trailers = [("Masthead-Confirm".to_owned(), "delete".to_owned())];
    let id = reader.revert(&Revert { commit: bad, branch: "main", by: &by, trailers: &trailers }).expect("revert");
    assert_eq!(reader.tip("main").expect("tip"), Some(id));
    let ours = reader.commit(id).expect("commit");
    run(&work.path, &["revert", "--no-edit", &bad.to_string()]);
    let theirs = Reader::open(&work.path).and_then(|r| r.commit(work.head())).expect("commit");
    assert_eq!((&ours.subject, ours.tree), (&theirs.subject, theirs.tree));
    assert!(ours.body.starts_with(theirs.body.trim()), "{}", ours.body);
    assert_eq!(ours.trailer("Masthead-Reverts"), Some(bad.to_string().as_str()));
    assert_eq!(ours.trailer("Masthead-Confirm"), Some("delete"));
    // The revert of the revert, and reverting what is reverted already.
    let again = reader.revert(&Revert { commit: bad, branch: "main", by: &by, trailers: &[] });
    assert!(matches!(again, Err(Error::NothingChanged(_) | Error::RevertConflicts { .. })), "{again:?}");
    reader.revert(&Revert { commit: id, branch: "main", by: &by, trailers: &[] }).expect("revert of a revert");
    assert_eq!(run(&path, &["show", "main:web.yaml"]), "image: nignx:2");
    run(&path, &["fsck", "--strict"]);
}

#[test]
fn conflicts_are_listed_and_nothing_is_written() {
    let work = Work::new();
    work.write("a.yaml", "v: 1\n").write("b.yaml", "v: 1\n").commit("first");
    let second = work.write("a.yaml", "v: 2\n").write("b.yaml", "v: 2\n").commit("second");
    let tip = work.write("a.yaml", "v: 3\n").write("b.yaml", "v: 3\n").commit("third");
    run(&work.path, &["checkout", "-q", "-b", "side"]);
    let side = work.write("side.yaml", "s").commit("on another branch");
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    match reader.revert(&Revert { commit: second, branch: "main", by: &by, trailers: &[] }) {
        Err(Error::RevertConflicts { paths, .. }) => assert_eq!(paths, ["a.yaml", "b.yaml"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.tip("main").expect("tip"), Some(tip));
    let foreign = reader.revert(&Revert { commit: side, branch: "main", by: &by, trailers: &[] });
    assert!(matches!(foreign, Err(Error::NotFound(_))), "{foreign:?}");
}

#[test]
fn merges_and_roots_can_be_reverted() {
    let work = Work::new();
    work.write("a.yaml", "a\n").commit("first");
    run(&work.path, &["checkout", "-q", "-b", "side"]);
    work.write("side.yaml", "s\n").commit("side");
    run(&work.path, &["checkout", "-q", "main"]);
    let before = work.write("main.yaml", "m\n").commit("main");
    run(&work.path, &["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
    let merge = work.head();
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    let id = reader.revert(&Revert { commit: merge, branch: "main", by: &by, trailers: &[] }).expect("revert");
    assert_eq!(run(&path, &["ls-tree", "--name-only", "main"]), "a.yaml\nmain.yaml");
    let body = reader.commit(id).expect("commit").body;
    assert!(body.contains(&format!("reversing\nchanges made to {before}")), "{body}");
    let root = reader.log(id, 100, true).expect("log").last().expect("root").commit.id;
    reader.revert(&Revert { commit: root, branch: "main", by: &by, trailers: &[] }).expect("revert of the root");
    assert_eq!(run(&path, &["ls-tree", "--name-only", "main"]), "main.yaml");
}

#[test]
fn outcomes_are_notes_that_git_shows() {
    let work = Work::new();
    let first = work.write("a.yaml", "a").commit("first");
    let second = work.write("a.yaml", "b").commit("second");
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    assert_eq!(reader.note(first).expect("none"), None);
    reader.set_note(first, "healthy after 3 s", &by).expect("set");
    reader.set_note(first, "healthy after 4 s\nsuperseded by \x1b[1mnext", &by).expect("replace");
    reader.set_note(second, "failed: image not found", &by).expect("set");
    let shown = run(&path, &["log", "--notes=masthead", "--format=%s|%N", "main"]);
    assert!(shown.contains("first|healthy after 4 s\nsuperseded by \\x1b[1mnext"), "{shown}");
    let log = reader.log(second, 10, true).expect("log");
    assert_eq!(log.iter().map(|l| l.commit.subject.as_str()).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(log[0].note.as_deref(), Some("failed: image not found\n"));
    assert_eq!(reader.log(second, 1, true).expect("log").len(), 1);
    reader.set_note(second, &"ü line\n".repeat(15_000), &by).expect("a long one");
    let kept = reader.note(second).expect("note").expect("some");
    assert!(kept.len() <= 64 * 1024 && kept.starts_with("ü line\n"), "{} bytes", kept.len());
    let missing = "1".repeat(40).parse().expect("id");
    assert!(reader.set_note(missing, "x", &by).is_err());
    run(&path, &["fsck", "--strict"]);
}

#[test]
fn a_snapshot_after_the_last_file_is_removed_is_empty_and_says_so() {
    let work = Work::new();
    let first = work.write("a/only.yaml", "a").commit("first");
    let path = bare(&work);
    let (reader, by) = (Reader::open(&path).expect("open"), me());
    let id =
        reader.commit_edits(&draft(Some(first), &by), &[Edit::Delete { path: "a/only.yaml".into() }]).expect("delete");
    let snapshot = reader.snapshot(id, "", &Limits::default(), None).expect("read");
    assert!(snapshot.entries.is_empty() && snapshot.problems.is_empty());
    assert!(reader.snapshot(id, "a", &Limits::default(), None).is_err());
}
