//! Repositories on this machine, written by others while they are watched.

use std::path::Path;
use std::time::{Duration, Instant};

use masthead::git::commit::{CommitId, Person};
use masthead::git::mirror::fault::FaultKind;
use masthead::git::mirror::handle::{Event, Handle};
use masthead::git::mirror::run;
use masthead::git::reader::Reader;
use masthead::git::watch::TipWatch;

use super::support::{SOON, Work, run as git, state, tip, until, watching};

fn watch(work: &Work) -> Handle {
    watch_at(work, &work.path)
}

fn watch_at(work: &Work, source: &Path) -> Handle {
    let options = watching(source.to_str().expect("utf-8"), &work.dir.path().join("mirror.git"));
    run::start(options).expect("watch")
}

/// The mirror holds the whole tip.
fn readable(handle: &Handle, id: CommitId) {
    let reader = Reader::open(handle.repository()).expect("mirror");
    let snapshot = reader.snapshot(id, "", &Default::default(), None).expect("snapshot");
    let all: Vec<_> = snapshot.entries.iter().collect();
    assert_eq!(reader.read(&all, &Default::default()).expect("bytes").files.len(), all.len());
    assert_eq!(reader.tip("main").expect("tip"), Some(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_in_a_work_tree_are_seen_at_once_and_reading_causes_nothing() {
    let work = Work::new();
    let first = work.write("a/b/c.yaml", "1").write("top.yaml", "t").commit("first");
    let handle = watch(&work);
    let mut events = handle.subscribe();
    tip(&handle, first).await;
    readable(&handle, first);
    let mut old = first;
    for i in 0..5 {
        let new = work.write("a/b/c.yaml", &format!("{i}")).commit("next");
        let event = until(&mut events, "move", |e| match e {
            Event::Ref(r) if r.new == new => Some(r.clone()),
            _ => None,
        })
        .await;
        assert_eq!((event.branch.as_str(), event.old, event.rewritten), ("main", Some(old), false));
        readable(&handle, new);
        old = new;
    }
    // Packing refs moves them between files, and is no change.
    git(&work.path, &["pack-refs", "--all"]);
    let new = work.write("a/b/c.yaml", "after packing").commit("packed");
    tip(&handle, new).await;
    git(&work.path, &["pack-refs", "--all"]);
    git(&work.path, &["branch", "other"]);
    // A late word of the writes above may spoil a try; if reading woke the watch, it would spoil each.
    let quiet = async || {
        let before = handle.status().checked;
        for _ in 0..20 {
            readable(&handle, new);
            Reader::open(&work.path).and_then(|r| r.tip("main")).expect("read");
        }
        tokio::time::sleep(Duration::from_millis(400)).await;
        handle.status().checked == before
    };
    for tries in 0.. {
        assert!(tries < 60, "reading woke the watch");
        if quiet().await {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn linked_work_trees_and_bare_repositories_are_watched() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    git(&work.path, &["checkout", "-q", "-b", "elsewhere"]);
    let linked = work.dir.path().join("linked");
    git(&work.path, &["worktree", "add", "-q", linked.to_str().expect("utf-8"), "main"]);
    let handle = watch_at(&work, &linked);
    tip(&handle, first).await;
    std::fs::write(linked.join("a.yaml"), "2").expect("write");
    git(&linked, &["commit", "-qam", "in the linked tree"]);
    let new: CommitId = git(&linked, &["rev-parse", "HEAD"]).parse().expect("id");
    tip(&handle, new).await;
    // The branch of another work tree of the same repository is not ours.
    work.write("b.yaml", "b").commit("elsewhere");
    assert_eq!(handle.status().tip, Some(new));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_or_repository_that_goes_away_keeps_the_last_good_commit() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    let handle = watch(&work);
    let mut events = handle.subscribe();
    tip(&handle, first).await;
    git(&work.path, &["checkout", "-q", "-b", "other"]);
    git(&work.path, &["branch", "-D", "main"]);
    let fault = until(&mut events, "fault", |e| if let Event::Fault(f) = e { Some(f.clone()) } else { None }).await;
    assert_eq!(fault.kind, FaultKind::BranchMissing);
    let status = handle.status();
    assert_eq!((status.tip, status.fault), (Some(first), Some(fault)));
    git(&work.path, &["branch", "main", &first.to_string()]);
    until(&mut events, "recovery", |e| (*e == Event::Recovered).then_some(())).await;
    // Gone for a while, with everything in it.
    let away = work.dir.path().join("away");
    std::fs::rename(&work.path, &away).expect("move away");
    state(&handle, "missing", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::Missing)).await;
    let since = handle.status().fault.expect("fault").since;
    tokio::time::sleep(Duration::from_millis(300)).await;
    handle.poke();
    assert_eq!(handle.status().fault.expect("fault").since, since, "one unbroken fault has one beginning");
    readable(&handle, first);
    std::fs::rename(&away, &work.path).expect("back");
    tip(&handle, first).await;
    git(&work.path, &["checkout", "-q", "main"]);
    let second = work.write("a.yaml", "2").commit("second");
    tip(&handle, second).await;
    // Replaced in one step by a copy with other inodes.
    let copy = work.dir.path().join("copy");
    let status =
        std::process::Command::new("cp").arg("-a").arg(work.path.join(".git")).arg(&copy).status().expect("cp");
    assert!(status.success());
    std::fs::rename(work.path.join(".git"), work.dir.path().join("before")).expect("move away");
    std::fs::rename(&copy, work.path.join(".git")).expect("copy in place");
    let third = work.write("a.yaml", "3").commit("third");
    tip(&handle, third).await;
    let second = third;
    // Emptied in place and made anew with other inodes.
    std::fs::rename(work.path.join(".git"), work.dir.path().join("git")).expect("move away");
    std::fs::create_dir(work.path.join(".git")).expect("an empty folder");
    handle.poke();
    state(&handle, "no repository", |s| s.fault.is_some()).await;
    assert_eq!(handle.status().tip, Some(second));
    std::fs::remove_dir(work.path.join(".git")).expect("remove");
    std::fs::rename(work.dir.path().join("git"), work.path.join(".git")).expect("back");
    tip(&handle, second).await;
}

/// Nothing but the file system's own word may wake the watch here: looks by the clock are an hour apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_renamed_away_is_missed_at_once_and_welcome_when_it_is_back() {
    let work = Work::new();
    let nested = work.dir.path().join("deep/er");
    std::fs::create_dir_all(&nested).expect("dirs");
    let place = nested.join("work");
    std::fs::rename(&work.path, &place).expect("move");
    let mut options = watching(place.to_str().expect("utf-8"), &work.dir.path().join("mirror.git"));
    options.poll = Duration::from_secs(3600);
    options.backoff_min = options.poll;
    options.backoff_max = options.poll;
    options.local_backoff_max = options.poll;
    let handle = run::start(options).expect("watch");
    let moved = async |from: &Path, to: &Path| {
        std::fs::rename(from, to).expect("move away");
        state(&handle, "missing", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::Missing)).await;
        std::fs::rename(to, from).expect("back");
        state(&handle, "back", |s| s.fault.is_none()).await;
    };
    let first = Reader::open(&place).and_then(|r| r.tip("main")).expect("read");
    assert_eq!(first, None);
    state(&handle, "emptiness", |s| s.fault.is_some()).await;
    std::fs::write(place.join("a.yaml"), "1").expect("write");
    git(&place, &["add", "-A"]);
    git(&place, &["commit", "-qm", "first"]);
    let first: CommitId = git(&place, &["rev-parse", "HEAD"]).parse().expect("id");
    tip(&handle, first).await;
    // The folder itself, a folder above it, and one further up.
    for folder in [place.as_path(), nested.as_path(), &work.dir.path().join("deep")] {
        moved(folder, &work.dir.path().join("away")).await;
        assert_eq!(handle.status().tip, Some(first));
    }
    std::fs::write(place.join("a.yaml"), "2").expect("write");
    git(&place, &["commit", "-qam", "second"]);
    let second: CommitId = git(&place, &["rev-parse", "HEAD"]).parse().expect("id");
    tip(&handle, second).await;
    // Removed altogether, and cloned anew into its place.
    git(work.dir.path(), &["clone", "-q", "--bare", place.to_str().expect("utf-8"), "copy.git"]);
    std::fs::remove_dir_all(&place).expect("remove");
    state(&handle, "missing", |s| s.fault.is_some()).await;
    git(&nested, &["clone", "-q", work.dir.path().join("copy.git").to_str().expect("utf-8"), "work"]);
    tip(&handle, second).await;
    std::fs::write(place.join("a.yaml"), "3").expect("write");
    git(&place, &["commit", "-qam", "third"]);
    let third: CommitId = git(&place, &["rev-parse", "HEAD"]).parse().expect("id");
    tip(&handle, third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_trees_and_broken_objects_are_never_followed() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    let handle = watch(&work);
    tip(&handle, first).await;
    std::fs::remove_file(work.path.join("a.yaml")).expect("remove");
    work.commit("everything removed");
    state(&handle, "empty tree", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::EmptyTree)).await;
    assert_eq!(handle.status().tip, Some(first));
    let third = work.write("a.yaml", "3").commit("back");
    tip(&handle, third).await;
    // A commit whose file is cut short on the disk.
    git(&work.path, &["checkout", "-q", "--detach"]);
    work.write("b.yaml", &"cut ".repeat(1000));
    let cut = work.commit("cut");
    let blob = git(&work.path, &["rev-parse", "HEAD:b.yaml"]);
    let file = work.path.join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let whole = std::fs::read(&file).expect("loose object");
    std::fs::remove_file(&file).expect("remove");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("cut");
    git(&work.path, &["update-ref", "refs/heads/main", &cut.to_string()]);
    state(&handle, "damage", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::TruncatedPack)).await;
    assert_eq!(handle.status().tip, Some(third));
    readable(&handle, third);
    std::fs::remove_file(&file).expect("remove");
    std::fs::write(&file, &whole).expect("mend");
    tip(&handle, cut).await;
    readable(&handle, cut);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forced_moves_are_told_and_foreign_history_waits_for_a_word() {
    let work = Work::new();
    work.write("a.yaml", "1").commit("first");
    let second = work.write("a.yaml", "2").commit("second");
    let handle = watch(&work);
    let mut events = handle.subscribe();
    tip(&handle, second).await;
    work.write("a.yaml", "other");
    git(&work.path, &["commit", "-qa", "--amend", "-m", "amended"]);
    let amended = work.head();
    let event = until(&mut events, "move", |e| {
        if let Event::Ref(r) = e { Some(r.clone()).filter(|r| r.new == amended) } else { None }
    })
    .await;
    assert_eq!((event.old, event.rewritten), (Some(second), true));
    assert_eq!(handle.status().rewritten, Some(format!("rewritten: {}..{}", second.short(), amended.short())));
    git(&work.path, &["checkout", "-q", "--orphan", "fresh"]);
    let foreign = work.write("z.yaml", "z").commit("another history");
    git(&work.path, &["branch", "-f", "main", "fresh"]);
    state(&handle, "hold", |s| s.held == Some(foreign)).await;
    let status = handle.status();
    assert_eq!(status.fault.map(|f| f.kind), Some(FaultKind::Unrelated));
    assert_eq!(status.tip, Some(amended));
    handle.confirm(second).await;
    handle.poke();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(handle.status().tip, Some(amended), "a word for another commit does not count");
    handle.confirm(foreign).await;
    tip(&handle, foreign).await;
    assert_eq!(handle.status().held, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_repository_is_waited_for_and_its_branch_found() {
    let work = Work::new();
    git(&work.path, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let mut options = watching(work.path.to_str().expect("utf-8"), &work.dir.path().join("mirror.git"));
    options.branch = None;
    let handle = run::start(options).expect("watch");
    state(&handle, "emptiness", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::EmptyRepository)).await;
    let first = work.write("a.yaml", "a").commit("first");
    tip(&handle, first).await;
    assert_eq!(handle.status().branch.as_deref(), Some("trunk"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_mirror_heals_and_keeps_its_notes() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    let options = watching(work.path.to_str().expect("utf-8"), &work.dir.path().join("mirror.git"));
    let mirror = options.mirror.clone();
    let handle = run::start(options.clone()).expect("watch");
    tip(&handle, first).await;
    let me = Person::new("Masthead", "m@localhost", 1);
    Reader::open(&mirror).and_then(|r| r.set_note(first, "healthy", &me)).expect("note");
    let objects = |kind: &str| -> Vec<_> {
        let list = git(&mirror, &["rev-list", "--objects", "--no-object-names", "--all", "--", "a.yaml"]);
        let blob = list.lines().map(str::to_owned).filter(|id| git(&mirror, &["cat-file", "-t", id]) == kind);
        blob.collect()
    };
    // The fetched pack as loose objects, one of which is then missing.
    let packs = mirror.join("objects/pack");
    let away = work.dir.path().join("packs");
    std::fs::rename(&packs, &away).expect("move away");
    for pack in
        std::fs::read_dir(&away).expect("packs").flatten().filter(|f| f.path().extension().is_some_and(|e| e == "pack"))
    {
        let input = std::fs::File::open(pack.path()).expect("pack");
        assert!(
            super::support::git(&mirror).args(["unpack-objects", "-q"]).stdin(input).status().expect("git").success()
        );
    }
    let blob = objects("blob").remove(0);
    std::fs::remove_file(mirror.join("objects").join(&blob[..2]).join(&blob[2..])).expect("loose blob");
    let broken = Reader::open(&mirror).expect("open");
    let snapshot = broken.snapshot(first, "", &Default::default(), None).expect("snapshot");
    let error = broken.read(&snapshot.entries.iter().collect::<Vec<_>>(), &Default::default()).expect_err("missing");
    assert!(error.is_corrupt(), "{error}");
    handle.report_corrupt().await;
    // While one takes the place of the other there is none.
    let is_whole = || {
        Reader::open(&mirror).is_ok_and(|r| {
            r.snapshot(first, "", &Default::default(), None)
                .is_ok_and(|s| r.read(&s.entries.iter().collect::<Vec<_>>(), &Default::default()).is_ok())
        })
    };
    let healed = async {
        while !is_whole() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, healed).await.expect("healed");
    readable(&handle, first);
    assert_eq!(Reader::open(&mirror).and_then(|r| r.note(first)).expect("note").as_deref(), Some("healthy\n"));
    // Damaged so that it does not even open, while nobody is watching; and a leftover lock.
    drop(handle);
    std::fs::write(mirror.join("config"), "[core\nbroken").expect("break");
    let handle = run::start(options.clone()).expect("watch again");
    let second = work.write("a.yaml", "2").commit("second");
    tip(&handle, second).await;
    readable(&handle, second);
    drop(handle);
    std::fs::create_dir_all(mirror.join("refs/masthead/incoming")).expect("dirs");
    std::fs::write(mirror.join("refs/masthead/incoming/main.lock"), "").expect("lock");
    std::fs::write(mirror.join("refs/heads/main.lock"), "").expect("lock");
    let third = work.write("a.yaml", "3").commit("third");
    let handle = run::start(options).expect("watch again");
    tip(&handle, third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_commit_is_known_before_the_source_answers() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    let handle = watch(&work);
    tip(&handle, first).await;
    drop(handle);
    std::fs::rename(&work.path, work.dir.path().join("away")).expect("move away");
    let handle = watch(&work);
    assert_eq!(handle.status().tip, Some(first));
    state(&handle, "missing", |s| s.fault.as_ref().is_some_and(|f| f.kind == FaultKind::Missing)).await;
    readable(&handle, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosted_repository_tells_what_its_hook_could_not() {
    let work = Work::new();
    let first = work.write("a.yaml", "1").commit("first");
    git(work.dir.path(), &["clone", "-q", "--bare", "work", "repo.git"]);
    let mut tips = TipWatch::new(&work.dir.path().join("repo.git"), "main", Some(first)).expect("watch");
    let second = work.write("a.yaml", "2").commit("second");
    let next = tokio::spawn(async move { (tips.next().await, tips) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    git(&work.path, &["push", "-q", "../repo.git", "main"]);
    let (moved, mut tips) = tokio::time::timeout(SOON, next).await.expect("a move").expect("task");
    assert_eq!(moved, (Some(first), second));
    assert!(tokio::time::timeout(Duration::from_millis(300), tips.next()).await.is_err(), "no change, no event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_among_ten_thousand_files_is_readable_soon() {
    let work = Work::new();
    let first = work.many(
        (0..10_000).map(|i| (format!("n{}/c{i}.yaml", i % 100), format!("kind: ConfigMap\nmetadata:\n  name: c{i}\n"))),
    );
    let started = Instant::now();
    let handle = watch(&work);
    let mut events = handle.subscribe();
    tip(&handle, first).await;
    let cold = started.elapsed();
    let mut best = Duration::MAX;
    git(&work.path, &["checkout", "-q", "--detach"]);
    for i in 0..5 {
        // Made on no branch and moved in one step, so that the clock starts with the ref.
        let next = work.commit_file("n7/c7.yaml", &format!("kind: ConfigMap # {i}\n"));
        let file = work.path.join(".git/refs/heads/main");
        let fresh = work.path.join(".git/refs/heads/main.fresh");
        std::fs::write(&fresh, format!("{next}\n")).expect("write");
        let start = Instant::now();
        std::fs::rename(&fresh, &file).expect("move");
        until(&mut events, "move", |e| matches!(e, Event::Ref(r) if r.new == next).then_some(())).await;
        best = best.min(start.elapsed());
    }
    println!(
        "10,000 files: first copy {:.0} ms; ref moved to event with its objects in the mirror {:.2} ms (best of 5)",
        cold.as_secs_f64() * 1e3,
        best.as_secs_f64() * 1e3
    );
}
