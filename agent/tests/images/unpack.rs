//! Layers on disk: what overlayfs needs of them, what the metadata is, and that nothing gets out.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use masthead_agent::images::error::Error;
use masthead_agent::images::limits::Limits;
use masthead_agent::images::unpack::unpack;
use tar::EntryType;

use crate::images::layer::{Entry, file, is_root, tar};

/// Unpacks layers on top of each other and gives their roots, base first.
fn stack(dir: &Path, layers: &[Vec<u8>]) -> Result<Vec<PathBuf>, Error> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        let root = dir.join(n.to_string());
        std::fs::create_dir(&root).unwrap();
        let open = |p: &PathBuf| std::fs::File::open(p).unwrap().into();
        let lowers: Vec<_> = roots.iter().rev().map(open).collect();
        unpack(layer.as_slice(), open(&root), &lowers, &Limits::default())?;
        roots.push(root);
    }
    Ok(roots)
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn is_whiteout(path: impl AsRef<Path>) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == 0)
}

fn is_opaque(path: impl AsRef<Path>) -> bool {
    xattr::get(path, "trusted.overlay.opaque").unwrap().as_deref() == Some(b"y")
}

#[test]
fn metadata() {
    if !is_root("layer metadata") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let long: &'static str = Box::leak(format!("{}/{}", "d".repeat(120), "f".repeat(200)).into_boxed_str());
    let capability = vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = tar(&[
        Entry::Dir("./", 0o711),
        Entry::Dir("d", 0o1777),
        Entry::File("d/suid", b"x".to_vec(), 0o4755),
        Entry::Hard("d/same", "d/suid"),
        Entry::Link("d/up", "../../../../etc/passwd"),
        Entry::Device("d/null", EntryType::Char, 1, 3),
        Entry::Device("d/block", EntryType::Block, 7, 0),
        Entry::Device("d/pipe", EntryType::Fifo, 0, 0),
        Entry::File(long, b"long".to_vec(), 0o600),
        Entry::Pax(vec![
            ("SCHILY.xattr.security.capability", capability.clone()),
            ("SCHILY.xattr.user.note", b"hi".to_vec()),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc".to_vec()),
            ("mtime", b"1234567890.5".to_vec()),
        ]),
        file("capable", "c"),
        Entry::Pax(vec![("path", b"from/pax".to_vec())]),
        file("ignored", "p"),
    ]);
    let root = stack(dir.path(), &[layer]).unwrap().remove(0);
    let meta = |p: &str| std::fs::symlink_metadata(root.join(p)).unwrap();
    assert_eq!(meta("").permissions().mode() & 0o7777, 0o711);
    assert_eq!(meta("d").permissions().mode() & 0o7777, 0o1777);
    assert_eq!(meta("d").mtime(), 1_000_000_000);
    assert_eq!(meta("d/suid").permissions().mode() & 0o7777, 0o4755);
    assert_eq!((meta("d/suid").uid(), meta("d/suid").gid()), (7, 8));
    assert_eq!(meta("d/suid").ino(), meta("d/same").ino());
    assert_eq!(std::fs::read_link(root.join("d/up")).unwrap(), Path::new("../../../../etc/passwd"));
    assert_eq!((meta("d/up").uid(), meta("d/up").mtime()), (7, 1_000_000_000));
    assert!(meta("d/null").file_type().is_char_device() && meta("d/null").rdev() == 0x103);
    assert_eq!(meta("d/null").permissions().mode() & 0o7777, 0o666);
    assert!(meta("d/block").file_type().is_block_device() && meta("d/block").rdev() == 0x700);
    assert!(meta("d/pipe").file_type().is_fifo());
    assert_eq!(read(root.join(long)), "long");
    assert_eq!(xattr::get(root.join("capable"), "security.capability").unwrap(), Some(capability));
    assert_eq!(xattr::get(root.join("capable"), "user.note").unwrap().as_deref(), Some(&b"hi"[..]));
    assert_eq!(xattr::get(root.join("capable"), "trusted.overlay.redirect").unwrap(), None);
    assert_eq!((meta("capable").mtime(), meta("capable").mtime_nsec()), (1_234_567_890, 500_000_000));
    assert_eq!(read(root.join("from/pax")), "p");
}

#[test]
fn whiteouts() {
    if !is_root("whiteouts") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let roots = stack(
        dir.path(),
        &[
            tar(&[
                file("gone", "1"),
                file("kept/a", "1"),
                file("hidden/b", "1"),
                file("turned/c", "1"),
                file(".wh.x", ""),
            ]),
            tar(&[
                file(".wh.gone", ""),
                file("hidden/.wh..wh..opq", ""),
                file("hidden/new", "2"),
                file(".wh.turned", ""),
                file("turned/fresh", "2"),
                file(".wh..wh.plnk", ""),
                file("own", "2"),
                file(".wh.own", ""),
                Entry::Dir("kept", 0o700),
            ]),
        ],
    )
    .unwrap();
    assert!(!roots[0].join("x").exists() && !roots[0].join(".wh.x").exists(), "nothing lies below the base");
    assert!(is_whiteout(roots[1].join("gone")));
    assert!(is_opaque(roots[1].join("hidden")) && roots[1].join("hidden/new").exists());
    assert!(is_opaque(roots[1].join("turned")) && roots[1].join("turned/fresh").exists());
    assert!(!is_opaque(roots[1].join("kept")));
    assert_eq!(read(roots[1].join("own")), "2");
    assert!(!roots[1].join(".wh..wh.plnk").exists());
    // The kernel agrees.
    let merged = dir.path().join("merged");
    std::fs::create_dir(&merged).unwrap();
    let options = format!("lowerdir={}:{}", roots[1].display(), roots[0].display());
    nix::mount::mount(Some("overlay"), &merged, Some("overlay"), nix::mount::MsFlags::empty(), Some(options.as_str()))
        .unwrap();
    let mut seen: Vec<String> = ["gone", "kept/a", "hidden/b", "hidden/new", "turned/c", "turned/fresh", "own"]
        .into_iter()
        .filter(|p| merged.join(p).exists())
        .map(str::to_owned)
        .collect();
    nix::mount::umount(&merged).unwrap();
    seen.sort();
    assert_eq!(seen, ["hidden/new", "kept/a", "own", "turned/fresh"]);
}

#[test]
fn parents_nobody_names_look_as_below() {
    if !is_root("implied parents") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let base = tar(&[
        Entry::Dir("tmp", 0o1777),
        Entry::Dir("usr/lib", 0o755),
        Entry::Link("lib", "usr/lib"),
        Entry::Link("abs", "/usr/../usr/./lib"),
    ]);
    let upper = tar(&[file("tmp/x", "x"), file("lib/y", "y"), file("abs/z", "z"), file("new/deep/w", "w")]);
    let roots = stack(dir.path(), &[base, upper]).unwrap();
    let tmp = std::fs::metadata(roots[1].join("tmp")).unwrap();
    assert_eq!((tmp.permissions().mode() & 0o7777, tmp.uid()), (0o1777, 7));
    // A name through a link of the layer below goes where the link points.
    assert_eq!(read(roots[1].join("usr/lib/y")), "y");
    assert_eq!(read(roots[1].join("usr/lib/z")), "z");
    assert!(std::fs::symlink_metadata(roots[1].join("lib")).is_err());
    assert_eq!(std::fs::metadata(roots[1].join("new/deep")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn later_entries_replace_earlier_ones() {
    if !is_root("replaced entries") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layer = tar(&[
        file("a/x", "1"),
        file("a/x", "2"),
        Entry::Dir("b", 0o755),
        file("b/inner/y", "1"),
        file("b", "now a file"),
        file("c", "file"),
        Entry::Dir("c", 0o755),
        file("c/in", "1"),
        Entry::Link("d", "a"),
        file("d/through", "1"),
        Entry::Dir("d", 0o755),
        file("d/own", "1"),
    ]);
    let root = stack(dir.path(), &[layer]).unwrap().remove(0);
    assert_eq!(read(root.join("a/x")), "2");
    assert_eq!(read(root.join("b")), "now a file");
    assert_eq!(read(root.join("c/in")), "1");
    assert_eq!(read(root.join("a/through")), "1");
    assert!(std::fs::symlink_metadata(root.join("d")).unwrap().is_dir());
    assert_eq!(read(root.join("d/own")), "1");
}

#[test]
fn hostile_layers_stay_inside_or_are_refused() {
    if !is_root("hostile layers") {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("victim");
    std::fs::write(&target, "untouched").unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let out: &'static str = Box::leak(outside.path().display().to_string().into_boxed_str());
    let victim: &'static str = Box::leak(target.display().to_string().into_boxed_str());
    for (what, entries, refused) in [
        ("dot dot", vec![file("../victim", "x")], true),
        ("dot dot inside", vec![file("a/../../victim", "x")], true),
        ("absolute", vec![file(victim, "x")], false),
        ("through a link", vec![Entry::Link("l", out), file("l/victim", "x")], false),
        ("through a relative link", vec![Entry::Link("l", "../../../.."), file("l/victim", "x")], false),
        ("through two links", vec![Entry::Link("a", "b"), Entry::Link("b", out), file("a/victim", "x")], false),
        ("onto a link", vec![Entry::Link("l", victim), file("l", "x")], false),
        ("hard link out", vec![Entry::Hard("h", "../victim")], true),
        ("hard link absolute", vec![Entry::Hard("h", victim)], true),
        ("hard link by a link", vec![Entry::Link("l", out), Entry::Hard("h", "l/victim"), file("h", "x")], true),
        ("mode through a link", vec![Entry::Link("l", out), Entry::Dir("l", 0o777)], false),
        ("whiteout of dot dot", vec![file("a/.wh...", "")], false),
        ("link loop", vec![Entry::Link("l", "l"), file("l/x", "x")], true),
        ("file as a directory", vec![file("f", "x"), file("f/x", "x")], true),
        ("root as a file", vec![file("./", "x")], true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let result = stack(dir.path(), &[tar(&entries)]);
        assert_eq!(result.is_err(), refused, "{what}: {result:?}");
        assert_eq!(read(&target), "untouched", "{what}");
        let names: Vec<_> = std::fs::read_dir(outside.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["victim"], "{what}");
        let mode = std::fs::metadata(outside.path()).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{what}");
        assert!(!dir.path().join("victim").exists(), "{what}");
    }
}

#[test]
fn cut_and_random_streams_are_errors_or_nothing_and_never_a_panic() {
    if !is_root("broken layers") {
        return;
    }
    let whole = tar(&[
        Entry::Dir("d", 0o755),
        file("d/a", "content"),
        Entry::Pax(vec![("path", b"x/y".to_vec())]),
        file("b", "more"),
        Entry::Link("l", "d"),
        file("l/c", "z"),
    ]);
    let mut seed = 42_u64;
    for round in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] = (seed >> 24) as u8;
        }
        if round % 2 == 0 {
            bytes.truncate((seed >> 20) as usize % bytes.len());
        }
        let dir = tempfile::tempdir().unwrap();
        let _ = stack(dir.path(), &[bytes]);
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(stack(dir.path(), &[whole[..700].to_vec()]).is_err());
}
