//! `kill -9` at random moments of an import: what is named is whole, what is not named is swept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use masthead_agent::images::reference::Reference;

use crate::images::layer::{Entry, Packing, image, is_root, leftovers, store, tar};

const CHILD: &str = "MASTHEAD_TEST_IMAGE_DIR";

fn archive(n: u32) -> Vec<u8> {
    let files: Vec<Entry> = (0..200)
        .map(|f| Entry::File(Box::leak(format!("d{}/f{f}", f % 7).into_boxed_str()), vec![n as u8; 3000], 0o644))
        .collect();
    let made =
        image(&[(files, Packing::Plain), (vec![crate::images::layer::file("n", &n.to_string())], Packing::Plain)]);
    let manifest = r#"[{"Config":"config.json","RepoTags":null,"Layers":["a.tar","b.tar"]}]"#;
    tar(&[
        Entry::File("config.json", made.config, 0o644),
        Entry::File("a.tar", made.tars[0].clone(), 0o644),
        Entry::File("b.tar", made.tars[1].clone(), 0o644),
        Entry::File("manifest.json", manifest.as_bytes().to_vec(), 0o644),
    ])
}

/// The file beside the store that says that an import is done.
fn mark(dir: &Path) -> PathBuf {
    dir.with_extension("imported")
}

/// What the killed process runs: imports and removals without end.
#[test]
fn child_of_the_crash_test() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = store(dir.as_ref());
    for n in 0_u32.. {
        let name = Reference::parse(&format!("app:{}", n % 3)).unwrap();
        if n % 4 == 3 {
            store.remove(&name.to_string()).unwrap();
        } else {
            store.import(archive(n % 5).as_slice(), Some(&name)).unwrap();
            std::fs::write(mark(dir.as_ref()), "").unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_the_store_is_whole() {
    if !is_root("crash of the image store") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let me = std::env::current_exe().unwrap();
    let mut seed = 7_u64;
    let mut images_seen = 0;
    for round in 0..25 {
        let mut child = Command::new(&me)
            .args(["images::crash::child_of_the_crash_test", "--exact"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Every other one is killed after its first import, however long a busy machine takes for that.
        let began = Instant::now();
        while round % 2 == 0 && !mark(dir.path()).exists() {
            assert!(began.elapsed() < Duration::from_secs(120), "nothing is imported");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis((seed >> 33) % 170));
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        let _ = std::fs::remove_file(mark(dir.path()));
        let store = store(dir.path());
        assert!(leftovers(dir.path()).is_empty());
        let mut expected = std::collections::BTreeSet::new();
        for image in store.list().unwrap() {
            images_seen += 1;
            for layer in &image.layers {
                expected.insert(layer.parent().unwrap().to_owned());
            }
            let count = walk(&image.layers[1]);
            assert_eq!(count, 200, "a layer is not whole");
            let n: u8 = std::fs::read_to_string(image.layers[0].join("n")).unwrap().parse().unwrap();
            assert_eq!(std::fs::read(image.layers[1].join("d0/f0")).unwrap(), vec![n; 3000]);
        }
        let there: std::collections::BTreeSet<_> =
            std::fs::read_dir(dir.path().join("layers")).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(there, expected, "layers that nobody names");
    }
    assert!(images_seen > 0, "every kill came before the first import was done");
}

fn walk(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).map(|p| if p.is_dir() { walk(&p) } else { 1 }).sum()
}
