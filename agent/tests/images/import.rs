//! Importing archives and layouts, and putting an image together from local files.

use std::path::{Path, PathBuf};

use masthead_agent::images::assemble::{Content, program};
use masthead_agent::images::digest::Digest;
use masthead_agent::images::manifest::{Defaults, Descriptor, OCI_INDEX, OCI_MANIFEST};
use masthead_agent::images::reference::Reference;

use crate::images::layer::{Entry, Made, Packing, file, image, is_root, leftovers, store, tar};

fn made() -> Made {
    image(&[
        (vec![file("etc/base", "base")], Packing::Gzip),
        (vec![file("etc/top", "top"), file("etc/.wh.base", "")], Packing::Plain),
    ])
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// `docker save` before version 25: a directory for each layer, equal layers as links.
fn old_archive(made: &Made, tags: &str) -> Vec<u8> {
    let id = made.id();
    let manifest =
        format!(r#"[{{"Config":"{0}.json","RepoTags":{tags},"Layers":["aa/layer.tar","bb/layer.tar"]}}]"#, id.hex());
    tar(&[
        Entry::File(leak(format!("{}.json", id.hex())), made.config.clone(), 0o644),
        Entry::Dir("aa", 0o755),
        Entry::Link("aa/layer.tar", "../cc/layer.tar"),
        Entry::File("bb/layer.tar", made.tars[1].clone(), 0o644),
        Entry::File("cc/layer.tar", made.tars[0].clone(), 0o644),
        Entry::File("manifest.json", manifest.into_bytes(), 0o644),
    ])
}

/// An OCI layout's files.
fn layout(made: &Made, annotations: &str) -> Vec<(String, Vec<u8>)> {
    let mut entry = serde_json::to_value(Descriptor::of(OCI_MANIFEST, &made.manifest)).unwrap();
    entry["annotations"] = serde_json::from_str(annotations).unwrap();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let mut files = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), serde_json::to_vec(&index).unwrap()),
    ];
    for blob in made.blobs.iter().chain([&made.config, &made.manifest]) {
        files.push((format!("blobs/sha256/{}", Digest::of(blob).hex()), blob.clone()));
    }
    files
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<Entry> = files.iter().map(|(n, b)| Entry::File(leak(n.clone()), b.clone(), 0o644)).collect();
    tar(&entries)
}

fn write(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

const NAMED: &str = r#"{"io.containerd.image.name":"docker.io/library/app:1"}"#;

#[test]
fn every_shape_of_archive() {
    if !is_root("image import") {
        return;
    }
    let made = made();
    let dir = tempfile::tempdir().unwrap();
    let on_disk = dir.path().join("layout");
    write(&on_disk, &layout(&made, "{}"));
    let mut modern = layout(&made, "{}");
    let both = format!(r#"[{{"Config":"blobs/sha256/{}","RepoTags":["app:1"],"Layers":[]}}]"#, made.id().hex());
    modern.push(("manifest.json".to_owned(), both.into_bytes()));
    let zipped = crate::images::layer::pack(&old_archive(&made, r#"["app:1"]"#), Packing::Gzip);
    let name = Reference::parse("app:1").unwrap();
    let cases: [(&str, Vec<u8>, Option<&Reference>); 5] = [
        ("docker save, old", old_archive(&made, r#"["app:1","app:1"]"#), None),
        ("docker save, gzip, name given", zipped, Some(&name)),
        ("OCI layout tar", archive(&layout(&made, NAMED)), None),
        ("OCI layout tar, name given", archive(&layout(&made, "{}")), Some(&name)),
        ("docker save, both", archive(&modern), None),
    ];
    for (n, (what, bytes, given)) in cases.into_iter().enumerate() {
        let root = dir.path().join(n.to_string());
        let store = store(&root);
        let names = store.import(bytes.as_slice(), given).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(names[0], name, "{what}");
        let image = store.resolve("app:1").unwrap();
        assert_eq!((image.id, image.local), (made.id(), true), "{what}");
        assert_eq!(std::fs::read_to_string(image.layers[1].join("etc/base")).unwrap(), "base", "{what}");
        assert_eq!(std::fs::read_to_string(image.layers[0].join("etc/top")).unwrap(), "top", "{what}");
        assert!(leftovers(&root).is_empty(), "{what}");
    }
    let store = store(&dir.path().join("from-dir"));
    store.import_path(&on_disk, Some(&name)).unwrap();
    assert_eq!(store.get("app:1").unwrap().manifest, made.digest());
    let file = dir.path().join("saved.tar");
    std::fs::write(&file, old_archive(&made, r#"["other:2"]"#)).unwrap();
    store.import_path(&file, None).unwrap();
    assert_eq!(store.get("app:1").unwrap().tags.len(), 2);
}

#[test]
fn bad_archives_are_refused_and_change_nothing() {
    if !is_root("bad image archives") {
        return;
    }
    let made = made();
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let without = |skip: usize| {
        let mut files = layout(&made, NAMED);
        files.remove(skip);
        archive(&files)
    };
    let mut corrupt = layout(&made, NAMED);
    let at = corrupt[2].1.len() / 2;
    corrupt[2].1[at] ^= 1;
    let escape = tar(&[Entry::File(
        "manifest.json",
        br#"[{"Config":"../../etc/passwd","RepoTags":["a:1"],"Layers":[]}]"#.to_vec(),
        0o644,
    )]);
    let loops = tar(&[Entry::Link("manifest.json", "index.json"), Entry::Link("index.json", "manifest.json")]);
    for (what, bytes, expect) in [
        ("empty", Vec::new(), "neither index.json nor manifest.json"),
        ("no archive", b"hello world".repeat(100), "image archive"),
        ("no name", old_archive(&made, "null"), "without a name"),
        ("bad name", old_archive(&made, r#"["App:1"]"#), "must be lowercase"),
        ("no layer", without(2), "is missing"),
        ("no config", without(4), "is missing"),
        ("no manifest", without(5), "is missing"),
        ("corrupt layer", archive(&corrupt), "layer"),
        ("escape", escape, ".."),
        ("loop", loops, "links"),
    ] {
        let error = store.import(bytes.as_slice(), None).expect_err(what).to_string();
        assert!(error.contains(expect), "{what}: {error}");
        assert!(store.list().unwrap().is_empty(), "{what}");
        assert!(leftovers(dir.path()).is_empty(), "{what}");
    }
    let link = dir.path().join("evil");
    write(&link, &layout(&made, NAMED));
    std::fs::remove_file(link.join("index.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", link.join("index.json")).unwrap();
    assert!(store.import_path(&link, None).is_err());
}

#[test]
fn an_image_of_a_local_program_runs_in_its_own_root() {
    if !is_root("image of a local program") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let name = Reference::parse("masthead.local/demo:1").unwrap();
    let mut files = program(Path::new("/bin/prog"), &std::env::current_exe().unwrap()).unwrap();
    files.push((PathBuf::from("/tmp"), Content::Dir(0o1777)));
    files.push((PathBuf::from("/etc/demo"), Content::Bytes(b"hi".to_vec(), 0o600)));
    files.push((PathBuf::from("/bin/alias"), Content::Link("prog".to_owned())));
    let config = Defaults { entrypoint: vec!["/bin/prog".into()], ..Defaults::default() };
    let image = store.assemble(&name, &files, config.clone()).unwrap();
    let again = store.assemble(&name, &files, config).unwrap();
    assert_eq!(image, again, "the same files give the same image");
    assert_eq!(image.layers.len(), 1);
    assert!(image.local);
    let meta = std::fs::metadata(image.layers[0].join("tmp")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o7777, 0o1777);
    // The test binary itself lists its tests from inside of the image: loader and libraries are all there.
    let output = std::process::Command::new("chroot").arg(&image.layers[0]).args(["/bin/alias", "--list"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("an_image_of_a_local_program"));
    for bad in ["relative", "/", "/a/../b"] {
        let files = [(PathBuf::from(bad), Content::Bytes(Vec::new(), 0o644))];
        assert!(store.assemble(&name, &files, Defaults::default()).is_err(), "{bad}");
    }
}
