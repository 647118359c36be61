//! What the embedded store must hold when things go wrong.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::StreamExt;
use tempfile::TempDir;

use crate::clock::ManualClock;
use crate::conformance::model::{Answer, Model, Random, Step, answer};
use crate::embedded::disk::{Disk, SystemDisk};
use crate::embedded::error::Error as OpenError;
use crate::embedded::frame::{self, FILE_HEADER, HEADER, Kind};
use crate::embedded::log::Log;
use crate::embedded::recover::recover;
use crate::embedded::snapshot::Plan;
use crate::embedded::store::{Embedded, Options};
use crate::embedded::{frame::Step as FrameStep, layout};
use crate::kv::{Error, KeyRange, Kv, LeaseId, Limits, Op, Range, Result, Revision, Txn, WatchRequest};
use crate::memory::Memory;
use crate::mvcc::command::Command as Change;
use crate::mvcc::engine::Engine;
use crate::mvcc::keyspace::{Keyspace, Retention};

fn options() -> Options {
    Options { clock: Arc::new(ManualClock::new()), ..Options::default() }
}

async fn open(dir: &Path) -> Embedded {
    Embedded::open(dir, options()).await.unwrap()
}

async fn put(kv: &dyn Kv, key: &str, value: &str) -> Result<Revision> {
    kv.put(key.to_owned().into(), value.to_owned().into()).await
}

async fn all(kv: &dyn Kv) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let read = kv.range(Range::new(KeyRange::all())).await.unwrap();
    read.kvs.iter().map(|kv| (text(&kv.key), text(&kv.value))).collect()
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.path().join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn last_log(dir: &Path) -> PathBuf {
    layout::log(dir, *layout::list(dir).unwrap().logs.last().unwrap())
}

/// Bytes of all files; one that goes meanwhile has none.
fn size(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().filter_map(|entry| entry.unwrap().metadata().ok()).map(|file| file.len()).sum()
}

fn recovered(dir: &Path) -> std::result::Result<(Revision, u64), OpenError> {
    let found = recover(dir, Arc::new(SystemDisk), Limits::ETCD, Retention::default())?;
    let count = found.space.range(&Range::new(KeyRange::all())).unwrap().count;
    Ok((found.space.published(), count))
}

/// A store with ten keys, one frame each, and where its frames begin and the last one ends.
async fn ten_frames() -> (TempDir, PathBuf, Vec<usize>) {
    let dir = TempDir::new().unwrap();
    let kv = open(dir.path()).await;
    for n in 0..10 {
        put(&kv, &format!("key{n}"), &"v".repeat(20 * n)).await.unwrap();
    }
    drop(kv);
    let log = last_log(dir.path());
    let bytes = fs::read(&log).unwrap();
    let (mut at, mut seq, mut ends) = (FILE_HEADER, 1, vec![FILE_HEADER]);
    while let FrameStep::Frame { next, .. } = frame::read(&bytes, at, seq) {
        (at, seq) = (next, seq + 1);
        ends.push(at);
    }
    assert_eq!((ends.len(), at), (11, bytes.len()));
    (dir, log, ends)
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_byte() {
    let (dir, log, ends) = ten_frames().await;
    let whole = fs::read(&log).unwrap();
    for cut in ends[7]..=whole.len() {
        fs::write(&log, &whole[..cut]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        assert_eq!(recovered(dir.path()).unwrap(), (Revision(1 + kept), kept), "cut at {cut}");
        assert_eq!(fs::metadata(&log).unwrap().len(), ends[kept as usize] as u64, "cut at {cut}");
    }
    fs::write(&log, &whole[..whole.len() - 3]).unwrap();
    let kv = open(dir.path()).await;
    put(&kv, "after", "1").await.unwrap();
    drop(kv);
    assert_eq!(recovered(dir.path()).unwrap(), (Revision(11), 10), "what is written after a cut stays");
}

#[tokio::test]
async fn a_flipped_byte_is_refused_wherever_it_is() {
    let (dir, log, ends) = ten_frames().await;
    let whole = fs::read(&log).unwrap();
    let before = size(dir.path());
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x41;
        fs::write(&log, &bad).unwrap();
        let start = ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(0);
        match recovered(dir.path()) {
            Err(OpenError::Corrupt { file, offset, .. }) => {
                assert_eq!((file, offset), (log.clone(), start as u64), "byte {at}");
            }
            other => panic!("byte {at}: {other:?}"),
        }
    }
    assert_eq!(size(dir.path()), before, "a refused store is left as it is");
}

#[tokio::test]
async fn a_missing_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let small = Options { log_bytes_max: 1, ..options() };
    let kv = Embedded::open(dir.path(), small).await.unwrap();
    for n in 0..50 {
        put(&kv, "key", &n.to_string()).await.unwrap();
    }
    drop(kv);
    let files = layout::list(dir.path()).unwrap();
    assert!(!files.snapshots.is_empty());
    assert!(recovered(copy(dir.path()).path()).is_ok());
    for name in [layout::snapshot(dir.path(), files.snapshots[0]), layout::log(dir.path(), files.logs[0])] {
        let damaged = copy(dir.path());
        fs::remove_file(damaged.path().join(name.file_name().unwrap())).unwrap();
        let error = recovered(damaged.path()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }
    let damaged = copy(dir.path());
    let path = layout::snapshot(damaged.path(), files.snapshots[0]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = recovered(damaged.path()).unwrap_err();
    assert!(error.to_string().contains("not complete"), "{error}");
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let (dir, log, _) = ten_frames().await;
    let mut bytes = fs::read(&log).unwrap();
    let mut head = frame::file_header(Kind::Log, 1);
    head[12] = 9;
    let sum = crc32fast::hash(&head[..24]);
    head[24..].copy_from_slice(&sum.to_le_bytes());
    bytes[..FILE_HEADER].copy_from_slice(&head);
    fs::write(&log, &bytes).unwrap();
    let error = recovered(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 9, supported: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).await;
    let second = Embedded::open(dir.path(), Options { patience: Duration::ZERO, ..options() }).await;
    assert!(matches!(second, Err(OpenError::Locked(_))));
    drop(first);
    open(dir.path()).await;
}

#[tokio::test]
async fn all_files_are_private() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deep/store");
    let kv = Embedded::open(&path, Options { log_bytes_max: 1, ..options() }).await.unwrap();
    for n in 0..20 {
        put(&kv, "key", &n.to_string()).await.unwrap();
    }
    drop(kv);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn history_leases_and_watches_survive_a_restart() {
    for log_bytes_max in [1, 64 << 20] {
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new();
        let with = Options { log_bytes_max, clock: Arc::new(clock.clone()), ..options() };
        let kv = Embedded::open(dir.path(), with.clone()).await.unwrap();
        let first = put(&kv, "a", "1").await.unwrap();
        let lease = kv.lease_grant(10, None).await.unwrap().id;
        let held = Op::Put { key: "held".into(), value: "1".into(), lease };
        kv.txn(Txn::of(vec![held])).await.unwrap();
        let compacted = put(&kv, "a", "2").await.unwrap();
        let last = put(&kv, "a", "3").await.unwrap();
        kv.compact(compacted).await.unwrap();
        clock.advance_ms(6_000);
        drop(kv);
        clock.advance_ms(60_000);
        let kv = Embedded::open(dir.path(), with).await.unwrap();
        assert_eq!(kv.revision().await.unwrap(), last);
        let old = kv.range(Range::key("a").at(compacted)).await.unwrap();
        assert_eq!(&old.kvs[0].value[..], b"2");
        assert_eq!((old.kvs[0].version, old.kvs[0].create_revision), (2, first));
        let refused = kv.range(Range::key("a").at(first)).await;
        assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
        let request = WatchRequest::new(KeyRange::key("a"), compacted).prev_kv();
        let mut watch = kv.watch(request).await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().revision, compacted);
        let batch = watch.next().await.unwrap().unwrap();
        assert_eq!((batch.revision, batch.events[0].prev.is_some()), (last, true));
        assert_eq!(kv.lease_list().await.unwrap(), [lease]);
        assert_ne!(kv.lease_grant(10, None).await.unwrap().id, lease, "a name is not given twice");
        let mut watch = kv.watch(WatchRequest::new(KeyRange::key("held"), Revision::ZERO)).await.unwrap();
        clock.advance_ms(9_000);
        assert_eq!(kv.lease_keep_alive(lease).await.unwrap().ttl_s, 10, "it lives its whole time again");
        clock.advance_ms(10_000);
        assert_eq!(watch.next().await.unwrap().unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn the_disk_holds_a_bounded_log() {
    let dir = TempDir::new().unwrap();
    let limit = 32 << 10;
    let retention = Retention { revisions_max: 50, ..Retention::default() };
    let with = Options { log_bytes_max: limit, retention, ..options() };
    let kv = Embedded::open(dir.path(), with).await.unwrap();
    let (value, mut most) = ("x".repeat(1000), 0);
    for n in 0..2000 {
        put(&kv, &format!("key{}", n % 10), &value).await.unwrap();
        most = most.max(size(dir.path()));
    }
    assert!(most > 0 && most < 12 * u64::from(limit as u32), "2 MB written, {most} bytes at most on the disk");
    let old = kv.revision().await.unwrap().0 - 51;
    let refused = kv.range(Range::key("key1").at(Revision(old))).await;
    assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
    assert!(kv.range(Range::key("key1").at(Revision(old + 1))).await.is_ok());
    let before = all(&kv).await;
    drop(kv);
    assert_eq!(all(&open(dir.path()).await).await, before);
}

#[tokio::test]
async fn history_is_bounded_in_bytes() {
    let retention = Retention { bytes_max: 10_000, ..Retention::default() };
    let kv = Memory::with(Arc::new(ManualClock::new()), Limits::ETCD, retention);
    for n in 0..100 {
        put(&kv, &format!("key{n}"), &"x".repeat(1000)).await.unwrap();
    }
    let now = kv.revision().await.unwrap().0;
    assert!(kv.range(Range::key("key1").at(Revision(now - 5))).await.is_ok());
    let refused = kv.range(Range::key("key1").at(Revision(now - 20))).await;
    assert!(matches!(refused, Err(Error::Compacted { .. })), "{refused:?}");
    assert_eq!(all(&kv).await.len(), 100);
}

#[tokio::test]
async fn a_slow_watcher_is_told_and_closed() {
    let limits = Limits { watch_queue_max: 4, ..Limits::ETCD };
    let kv = Memory::with(Arc::new(ManualClock::new()), limits, Retention::default());
    let mut slow = kv.watch(WatchRequest::new(KeyRange::all(), Revision::ZERO)).await.unwrap();
    for n in 0..6 {
        put(&kv, "key", &n.to_string()).await.unwrap();
    }
    for _ in 0..4 {
        assert!(slow.next().await.unwrap().is_ok(), "what was queued is not lost");
    }
    let end = slow.next().await.unwrap();
    assert!(matches!(end, Err(Error::SlowWatcher { max: 4 })), "{end:?}");
    assert!(slow.next().await.is_none());
}

#[tokio::test]
async fn a_silent_watcher_is_told_of_progress() {
    let clock = ManualClock::new();
    let kv = Memory::with(Arc::new(clock.clone()), Limits::ETCD, Retention::default());
    let request = WatchRequest::new(KeyRange::key("silent"), Revision::ZERO).progress();
    let mut watch = kv.watch(request).await.unwrap();
    let now = put(&kv, "other", "1").await.unwrap();
    tokio::task::yield_now().await;
    clock.advance_ms(60_000);
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!((batch.revision, batch.events.len()), (now, 0));
}

/// A disk that fails when it is told to.
struct Faulty {
    /// Bytes that are left; negative means without end.
    room: AtomicI64,
    /// Syncs that fail next.
    bad_syncs: AtomicU64,
}

impl Faulty {
    fn new() -> Arc<Self> {
        Arc::new(Self { room: AtomicI64::new(-1), bad_syncs: AtomicU64::new(0) })
    }
}

impl Disk for Faulty {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let room = self.room.load(Ordering::SeqCst);
        let Ok(fits) = usize::try_from(room) else { return SystemDisk.write_at(file, bytes, offset) };
        if fits >= bytes.len() {
            self.room.fetch_sub(bytes.len() as i64, Ordering::SeqCst);
            return SystemDisk.write_at(file, bytes, offset);
        }
        SystemDisk.write_at(file, &bytes[..fits], offset)?;
        self.room.store(0, Ordering::SeqCst);
        Err(io::ErrorKind::StorageFull.into())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let failing = self.bad_syncs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_ok() { Err(io::Error::other("the disk is on fire")) } else { SystemDisk.sync(file) }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let (dir, disk) = (TempDir::new().unwrap(), Faulty::new());
    let with = Options { disk: disk.clone(), ..options() };
    let kv = Embedded::open(dir.path(), with).await.unwrap();
    let before = put(&kv, "a", "1").await.unwrap();
    let lease = kv.lease_grant(600, None).await.unwrap().id;
    let mut watch = kv.watch(WatchRequest::new(KeyRange::all(), Revision::ZERO)).await.unwrap();
    disk.room.store(30, Ordering::SeqCst);
    let held = Op::Put { key: "b".into(), value: "2".into(), lease };
    let full = kv.txn(Txn::of(vec![Op::put("a", "2"), held, Op::delete("x")])).await.unwrap_err();
    assert!(matches!(full, Error::NoSpace(_)), "{full:?}");
    assert!(full.to_string().starts_with("no space left for the store: write "), "{full}");
    assert!(matches!(kv.lease_revoke(lease).await, Err(Error::NoSpace(_))));
    assert!(matches!(kv.lease_grant(600, None).await, Err(Error::NoSpace(_))));
    assert!(matches!(kv.compact(before).await, Err(Error::NoSpace(_))));
    assert_eq!(kv.revision().await.unwrap(), before, "reads go on, and see nothing of it");
    assert_eq!(all(&kv).await, [("a".to_owned(), "1".to_owned())]);
    assert_eq!(kv.lease_list().await.unwrap(), [lease]);
    assert!(kv.lease_keep_alive(lease).await.is_ok());
    disk.room.store(-1, Ordering::SeqCst);
    let after = put(&kv, "a", "3").await.unwrap();
    assert_eq!(after, before.next());
    assert_eq!(watch.next().await.unwrap().unwrap().revision, after, "watchers saw nothing of it, either");
    drop(kv);
    assert_eq!(all(&open(dir.path()).await).await, [("a".to_owned(), "3".to_owned())]);
}

#[tokio::test]
async fn a_failed_sync_is_not_trusted() {
    let (dir, disk) = (TempDir::new().unwrap(), Faulty::new());
    let with = Options { disk: disk.clone(), ..options() };
    let kv = Embedded::open(dir.path(), with).await.unwrap();
    put(&kv, "a", "1").await.unwrap();
    // The second one is the sync of the mending: the write after it mends first.
    for bad in [1, 2, 3] {
        disk.bad_syncs.store(bad, Ordering::SeqCst);
        let failed = put(&kv, "a", "lost").await.unwrap_err();
        assert!(matches!(failed, Error::Storage { .. }), "{failed:?}");
        assert!(failed.to_string().contains("the disk is on fire"), "{failed}");
        disk.bad_syncs.store(0, Ordering::SeqCst);
        put(&kv, &format!("b{bad}"), "1").await.unwrap();
    }
    assert!(layout::list(dir.path()).unwrap().logs.len() > 1, "it went on in a new file");
    let before = all(&kv).await;
    assert_eq!(before.len(), 4);
    drop(kv);
    assert_eq!(all(&open(dir.path()).await).await, before);
}

#[tokio::test]
async fn whatever_fails_the_store_stays_what_was_acknowledged() {
    for seed in 1..=20 {
        let (dir, disk, mut random) = (TempDir::new().unwrap(), Faulty::new(), Random::new(seed));
        let memory = Memory::with(Arc::new(ManualClock::new()), Limits::ETCD, Retention::default());
        let with = Options { disk: disk.clone(), limits: Limits::ETCD, log_bytes_max: 2 << 10, ..options() };
        let mut model = Model::new(seed);
        for _ in 0..3 {
            disk.room.store(-1, Ordering::SeqCst);
            disk.bad_syncs.store(0, Ordering::SeqCst);
            let kv = Embedded::open(dir.path(), with.clone()).await.unwrap();
            for _ in 0..150 {
                match random.below(12) {
                    0 => disk.room.store(random.below(400) as i64, Ordering::SeqCst),
                    1 => disk.bad_syncs.store(1 + random.below(2), Ordering::SeqCst),
                    2..6 => disk.room.store(-1, Ordering::SeqCst),
                    _ => {}
                }
                let step = model.step(memory.revision().await.unwrap());
                if matches!(step, Step::Watch(_) | Step::Compact(_)) {
                    continue;
                }
                let got = answer(&kv, &step, 0).await;
                if matches!(got, Err(Error::NoSpace(_) | Error::Storage { .. })) {
                    assert_eq!(kv.revision().await.unwrap(), memory.revision().await.unwrap());
                    continue;
                }
                let expect = answer(&memory, &step, 0).await;
                let same = |a: &Result<Answer>, b: &Result<Answer>| match (a, b) {
                    (Ok(a), Ok(b)) => a == b,
                    (Err(a), Err(b)) => a.to_string() == b.to_string(),
                    _ => false,
                };
                assert!(same(&got, &expect), "seed {seed}: {step:?}\n{got:?}\n{expect:?}");
            }
        }
        disk.room.store(-1, Ordering::SeqCst);
        disk.bad_syncs.store(0, Ordering::SeqCst);
        let kv = Embedded::open(dir.path(), with).await.unwrap();
        assert_eq!(all(&kv).await, all(&memory).await, "seed {seed}");
    }
}

#[tokio::test]
async fn a_full_file_system_refuses_writes_and_goes_on_later() {
    use nix::mount::{MsFlags, mount, umount};
    let dir = TempDir::new().unwrap();
    let options_text = Some("size=256k,mode=0700");
    if let Err(error) = mount(Some("store-test"), dir.path(), Some("tmpfs"), MsFlags::empty(), options_text) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs root: {error}");
        println!("skipped: a small tmpfs cannot be mounted: {error}");
        return;
    }
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            umount(self.0).unwrap();
        }
    }
    let mounted = Mounted(dir.path());
    let path = dir.path().join("store");
    let ballast = dir.path().join("ballast");
    fs::write(&ballast, vec![1; 96 << 10]).unwrap();
    let kv = open(&path).await;
    let value = "x".repeat(4000);
    let mut written = 0;
    let full = loop {
        match put(&kv, &format!("key{written}"), &value).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the disk has no end");
    };
    assert!(matches!(full, Error::NoSpace(_)), "{full:?}");
    assert_eq!(all(&kv).await.len(), written);
    fs::remove_file(&ballast).unwrap();
    put(&kv, "after", &value).await.unwrap();
    drop(kv);
    let kv = open(&path).await;
    assert_eq!(all(&kv).await.len(), written + 1);
    drop(kv);
    drop(mounted);
}

const CHILD: &str = "MASTHEAD_STORE_TEST_CHILD";

/// Not a test of its own: the process that the next test kills.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let with = Options { log_bytes_max: 16 << 10, ..Options::default() };
    let kv = Arc::new(Embedded::open(dir, with).await.unwrap());
    let writers = (0..8).map(|writer| {
        let kv = Arc::clone(&kv);
        tokio::spawn(async move {
            for n in 0_u64.. {
                // Two keys in one transaction: one without the other would be half of it.
                let ops =
                    vec![Op::put(format!("a{writer}"), n.to_string()), Op::put(format!("b{writer}"), n.to_string())];
                kv.txn(Txn::of(ops)).await.unwrap();
                let line = format!("acknowledged {writer} {n}\n");
                io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    futures::future::join_all(writers.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut random = Random::new(3);
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "embedded::tests::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed in the midst of its writes, however long a busy machine takes to come to them.
        let wanted = 200 + random.below(1500);
        let (enough, reached) = tokio::sync::oneshot::channel();
        let reader = std::thread::spawn(move || {
            let (mut newest, mut read, mut enough) = ([None; 8], 0, Some(enough));
            for line in lines.map_while(io::Result::ok) {
                let Some(rest) = line.split("acknowledged ").nth(1) else { continue };
                if let Some((writer, n)) = rest.split_once(' ') {
                    newest[writer.parse::<usize>().unwrap()] = n.trim().parse::<u64>().ok();
                }
                read += 1;
                if read >= wanted
                    && let Some(enough) = enough.take()
                {
                    let _ = enough.send(());
                }
            }
            newest
        });
        tokio::time::timeout(Duration::from_secs(120), reached)
            .await
            .expect("the child writes")
            .expect("the child lives");
        child.kill().unwrap();
        child.wait().unwrap();
        let newest = reader.join().unwrap();
        let kv = open(dir.path()).await;
        let values: std::collections::BTreeMap<String, String> = all(&kv).await.into_iter().collect();
        for (writer, acknowledged) in newest.iter().enumerate() {
            let kept = values.get(&format!("a{writer}"));
            assert_eq!(kept, values.get(&format!("b{writer}")), "a transaction is whole");
            let kept: Option<u64> = kept.map(|n| n.parse().unwrap());
            // The line of the last one may be lost with the process, never its write.
            assert!(kept >= *acknowledged, "writer {writer}: {acknowledged:?} acknowledged, {kept:?} kept");
        }
        let keys = kv.txn(Txn::of(vec![Op::Delete { keys: KeyRange::all() }])).await.unwrap();
        assert!(keys.succeeded);
    }
    assert!(!layout::list(dir.path()).unwrap().snapshots.is_empty(), "snapshots were cut off, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_share_a_sync() {
    struct Counting(AtomicU64);
    impl Disk for Counting {
        fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
            SystemDisk.write_at(file, bytes, offset)
        }
        fn sync(&self, file: &File) -> io::Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
            SystemDisk.sync(file)
        }
    }
    let (dir, disk) = (TempDir::new().unwrap(), Arc::new(Counting(AtomicU64::new(0))));
    let with = Options { disk: disk.clone(), ..options() };
    let kv = Arc::new(Embedded::open(dir.path(), with).await.unwrap());
    let writers = (0..64).map(|writer| {
        let kv = Arc::clone(&kv);
        tokio::spawn(async move {
            for n in 0..20 {
                put(kv.as_ref(), &format!("key{writer}"), &n.to_string()).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let syncs = disk.0.load(Ordering::SeqCst);
    // A few dozen on a machine that has time; fewer than writes on any.
    assert!(syncs < 64 * 20 / 2, "{syncs} syncs for {} writes", 64 * 20);
    assert_eq!(kv.revision().await.unwrap(), Revision(1 + 64 * 20));
    assert_eq!(kv.lease_list().await.unwrap(), Vec::<LeaseId>::new());
    assert!(fs::metadata(last_log(dir.path())).unwrap().len() > HEADER as u64);
}

/// The bench in small: it prints, and what a machine must reach is not judged here.
#[tokio::test(flavor = "multi_thread")]
async fn many_writers_are_watched_write_by_write() {
    const WRITES: u32 = 64 * 50;
    let dir = TempDir::new().unwrap();
    let kv = Arc::new(open(dir.path()).await);
    let mut watch = kv.watch(WatchRequest::new(KeyRange::prefix("key"), Revision::ZERO)).await.unwrap();
    let start = std::time::Instant::now();
    let writers = (0..64).map(|writer| {
        let kv = Arc::clone(&kv);
        tokio::spawn(async move {
            let mut committed = Vec::new();
            for _ in 0..WRITES / 64 {
                let revision = put(kv.as_ref(), &format!("key{writer}"), &"x".repeat(256)).await.unwrap();
                committed.push((revision, std::time::Instant::now()));
            }
            committed
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = std::collections::HashMap::new();
    for _ in 0..WRITES {
        seen.insert(watch.next().await.unwrap().unwrap().revision, std::time::Instant::now());
    }
    let took = start.elapsed();
    let mut late = Vec::new();
    for writer in writers {
        let committed = writer.await.unwrap();
        late.extend(committed.iter().map(|(revision, at)| seen[revision].saturating_duration_since(*at)));
    }
    late.sort_unstable();
    let (rate, median) = (f64::from(WRITES) / took.as_secs_f64(), late[late.len() / 2]);
    println!("{rate:.0} durable writes/s, a watcher sees one {median:?} after its writer (median)");
    assert_eq!(late.len(), WRITES as usize, "each write is seen once");
}

#[test]
fn a_snapshot_holds_every_page_of_commits_and_keys() {
    for writes in [0, 1, 511, 512, 513, 1023, 1024, 1025] {
        let (dir, clock) = (TempDir::new().unwrap(), Arc::new(ManualClock::new()));
        let space = Keyspace::new(Limits::ETCD, Retention { revisions_max: 600, ..Retention::default() });
        let engine = Engine::new(space, Limits::ETCD, clock);
        for n in 0..writes {
            let mut space = engine.write();
            let txn = Txn::of(vec![Op::put(format!("key{}", n % 700), n.to_string())]);
            let (_, effects) = space.execute(Change::Txn(txn), 0).unwrap();
            engine.publish(space, &effects);
        }
        let stop = AtomicBool::new(false);
        Plan::of(&engine, 7).write(&engine, dir.path(), &SystemDisk, &stop).unwrap();
        Log::create(dir.path(), Arc::new(SystemDisk), 7).unwrap();
        let retention = Retention { revisions_max: 600, ..Retention::default() };
        let found = recover(dir.path(), Arc::new(SystemDisk), Limits::ETCD, retention).unwrap().space;
        let space = engine.read();
        assert_eq!(found.compacted(), space.compacted());
        for revision in space.compacted().0.max(1)..=space.published().0 {
            let range = Range::new(KeyRange::all()).at(Revision(revision));
            assert_eq!(found.range(&range).unwrap(), space.range(&range).unwrap(), "{writes} writes, at {revision}");
        }
        let all: Vec<_> = space.commits(space.compacted()).map(|commit| commit.revision).collect();
        let kept: Vec<_> = found.commits(found.compacted()).map(|commit| commit.revision).collect();
        assert_eq!(kept, all, "{writes} writes");
    }
}
