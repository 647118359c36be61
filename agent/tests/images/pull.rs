//! Pulling: what arrives, what is refused and with which reason, what is shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use masthead_agent::images::auth::{Credentials, Keyring};
use masthead_agent::images::collect_plan::{Policy, Usage};
use masthead_agent::images::limits::Limits;
use masthead_agent::images::manifest::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use masthead_agent::images::platform::Platform;
use masthead_agent::images::reference::Reference;
use masthead_agent::images::store::{ImageStore, Options};
use masthead_agent::runtime::images::{Images, Layers};
use masthead_agent::runtime::v1;

use crate::images::layer::{Made, Packing, file, image, image_with, is_root, leftovers, store};
use crate::images::registry::{Access, Fault, Registry};

fn three_layers() -> Made {
    let big: String = "0123456789abcdef".repeat(4096);
    image(&[
        (vec![file("etc/base", "base"), file("big", &big)], Packing::Plain),
        (vec![file("etc/gz", "gz")], Packing::Gzip),
        (vec![file("etc/zst", "zst"), file(".wh.big", "")], Packing::Zstd),
    ])
}

fn parse(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

#[tokio::test]
async fn a_tag_arrives_with_all_packings_and_is_known_by_all_its_names() {
    if !is_root("image pull") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let made = three_layers();
    registry.push("team/app", "v1", &made);
    let store = store(dir.path());
    let name = registry.name("team/app:v1");
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let listener = Arc::new(move |p: &masthead_agent::images::flights::Progress| {
        counter.fetch_max(p.done_bytes, Ordering::Relaxed);
        assert!(p.done_bytes <= p.total_bytes);
    });
    let image = store.pull(&parse(&name), None, Some(listener)).await.unwrap();
    assert_eq!(image.id, made.id());
    assert_eq!(image.layers.len(), 3);
    assert_eq!(seen.load(Ordering::Relaxed), made.blobs[0].len() as u64);
    assert_eq!(std::fs::read_to_string(image.layers[0].join("etc/zst")).unwrap(), "zst");
    assert_eq!(std::fs::read_to_string(image.layers[1].join("etc/gz")).unwrap(), "gz");
    assert_eq!(std::fs::read_to_string(image.layers[2].join("etc/base")).unwrap(), "base");
    let by_digest = registry.name(&format!("team/app@{}", made.digest()));
    for known in [name.as_str(), &by_digest, made.id().as_str(), &made.id().hex()[..12]] {
        assert_eq!(store.get(known).unwrap().id, made.id(), "{known}");
    }
    let rootfs = Layers::resolve(&store, &name).await.unwrap();
    assert_eq!((rootfs.image_ref, rootfs.lower), (by_digest.clone(), image.layers));
    assert_eq!(rootfs.config.entrypoint, ["/bin/app"]);
    let spec = |image: &str| v1::ImageSpec { image: image.to_owned(), ..Default::default() };
    let status = store.image_status(spec(&name)).await.unwrap().unwrap();
    assert_eq!((status.repo_tags, status.repo_digests), (vec![name.clone()], vec![by_digest]));
    assert!(store.image_status(spec("other")).await.unwrap().is_none());
    assert_eq!(store.list_images(None).await.unwrap().len(), 1);
    // A second pull asks for the manifest and the config, and for no layer.
    registry.requests();
    store.pull(&parse(&name), None, None).await.unwrap();
    assert_eq!(registry.requests().len(), 2);
    store.remove_image(spec(&name)).await.unwrap();
    store.remove_image(spec(&name)).await.unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(std::fs::read_dir(dir.path().join("layers")).unwrap().next().is_none());
    assert!(leftovers(dir.path()).is_empty());
}

#[tokio::test]
async fn faults_have_the_reasons_kubernetes_shows_and_leave_nothing() {
    if !is_root("image pull faults") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let made = three_layers();
    registry.push("app", "1", &made);
    let store = store(dir.path());
    let name = registry.name("app:1");
    for (fault, reason, text) in [
        (Fault::Truncated, "RegistryUnavailable", "is unavailable"),
        (Fault::Short, "ErrImagePull", "bytes came"),
        (Fault::Corrupt, "ErrImagePull", "digest is sha256:"),
        (Fault::Long, "ErrImagePull", "longer than its"),
        (Fault::Status(404), "ErrImagePull", "not found"),
        (Fault::Status(403), "ErrImagePull", "access denied"),
        (Fault::Status(503), "RegistryUnavailable", "503"),
        (Fault::Status(429), "RegistryUnavailable", "429"),
    ] {
        registry.fault(&made.blobs[1], Some(fault));
        let error = store.pull(&parse(&name), None, None).await.expect_err("pulled");
        assert_eq!(error.reason(), reason, "{fault:?}: {error}");
        assert!(error.to_string().contains(text), "{fault:?}: {error}");
        assert!(store.get(&name).is_err(), "{fault:?}");
    }
    registry.fault(&made.config, Some(Fault::Corrupt));
    let error = store.pull(&parse(&name), None, None).await.expect_err("pulled");
    assert!(error.to_string().contains("config"), "{error}");
    registry.fault(&made.config, None);
    registry.fault(&made.blobs[1], Some(Fault::Redirect));
    store.pull(&parse(&name), None, None).await.unwrap();
    for (name, reason, text) in [
        (registry.name("app:2"), "ErrImagePull", "not found"),
        (registry.name("none:1"), "ErrImagePull", "not found"),
        ("127.0.0.1:1/app:1".to_owned(), "RegistryUnavailable", "127.0.0.1:1 is unavailable"),
    ] {
        let error = store.pull(&parse(&name), None, None).await.expect_err("pulled");
        assert_eq!(error.reason(), reason, "{name}: {error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let wrong = registry.name(&format!("app@{}", made.id()));
    registry.manifest("app", made.id().as_str(), OCI_MANIFEST, &made.manifest);
    let error = store.pull(&parse(&wrong), None, None).await.expect_err("pulled");
    assert!(error.to_string().contains("expected"), "{error}");
    assert!(leftovers(dir.path()).is_empty());
}

#[tokio::test]
async fn a_layer_that_is_not_its_diff_id_is_refused() {
    if !is_root("diff id check") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let mut made = image(&[(vec![file("a", "true")], Packing::Plain)]);
    // The manifest and the blob agree with each other, but not with the config.
    let other = image(&[(vec![file("a", "lies")], Packing::Plain)]);
    let config = String::from_utf8(made.manifest.clone()).unwrap();
    let lie = config.replace(
        masthead_agent::images::digest::Digest::of(&made.blobs[0]).as_str(),
        masthead_agent::images::digest::Digest::of(&other.blobs[0]).as_str(),
    );
    made.manifest = lie.into_bytes();
    made.blobs.clone_from(&other.blobs);
    registry.push("app", "1", &made);
    let store = store(dir.path());
    let error = store.pull(&parse(&registry.name("app:1")), None, None).await.expect_err("pulled");
    assert!(error.to_string().contains("layer content: digest is"), "{error}");
    assert!(std::fs::read_dir(dir.path().join("layers")).unwrap().next().is_none());
}

#[tokio::test]
async fn credentials() {
    if !is_root("image pull with credentials") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let made = three_layers();
    registry.push("app", "1", &made);
    let store = store(dir.path());
    let name = parse(&registry.name("app:1"));
    let json = format!(r#"{{"auths":{{"http://{}":{{"username":"u","password":"p"}}}}}}"#, registry.address);
    let mut ring = Keyring::default();
    ring.add_config_json(json.as_bytes()).unwrap();
    let good = ring.lookup(&name).pop();
    let bad = Some(Credentials::Basic { user: "u".into(), password: "x".into() });
    let pair = || ("u".to_owned(), "p".to_owned());
    for (access, credentials, expect) in [
        (Access::Bearer(None), None, true),
        (Access::Bearer(Some(pair())), None, false),
        (Access::Bearer(Some(pair())), bad.clone(), false),
        (Access::Bearer(Some(pair())), good.clone(), true),
        (Access::Basic(pair().0, pair().1), good, true),
        (Access::Basic(pair().0, pair().1), bad, false),
        (Access::Basic(pair().0, pair().1), None, false),
    ] {
        registry.access(access.clone());
        store.remove(&name.to_string()).unwrap();
        let result = store.pull(&name, credentials, None).await;
        assert_eq!(result.is_ok(), expect, "{access:?}: {result:?}");
        if let Err(error) = result {
            assert!(error.to_string().contains("may require authorization"), "{error}");
            assert!(!error.to_string().contains("dTpw"), "{error}");
        }
    }
    // A token that ends in the middle of a pull is renewed.
    registry.access(Access::Bearer(None));
    registry.token_uses(3);
    store.remove(&name.to_string()).unwrap();
    store.pull(&name, None, None).await.unwrap();
    // A CRI call carries the same credentials.
    registry.access(Access::Basic("u".into(), "p".into()));
    let auth = v1::AuthConfig { auth: "dTpw".into(), ..Default::default() };
    let spec = v1::ImageSpec { image: name.to_string(), ..Default::default() };
    assert_eq!(store.pull_image(spec, Some(auth)).await.unwrap(), made.id().to_string());
}

#[tokio::test]
async fn an_index_gives_the_image_of_this_platform() {
    if !is_root("index pull") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let mut entries = Vec::new();
    let mut made = Vec::new();
    for (architecture, variant) in [("arm", "v6"), ("arm", "v7"), ("amd64", ""), ("s390x", "")] {
        let one = image_with(&[(vec![file("arch", architecture)], Packing::Gzip)], &[architecture, variant]);
        registry.push("multi", &format!("{architecture}{variant}"), &one);
        let mut entry = Descriptor::of(OCI_MANIFEST, &one.manifest);
        entry.platform = Some(Platform::linux(architecture, variant));
        entries.push(entry);
        made.push(one);
    }
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let index = serde_json::to_vec(&index).unwrap();
    registry.manifest("multi", "1", OCI_INDEX, &index);
    for (platforms, expect) in [
        (vec![Platform::linux("amd64", "v1")], Some(2)),
        (vec![Platform::linux("arm", "v7"), Platform::linux("arm", "v6")], Some(1)),
        (vec![Platform::linux("riscv64", "")], None),
    ] {
        let root = dir.path().join(platforms[0].text().replace('/', "-"));
        let store = ImageStore::open(&root, Options { platforms, ..Options::default() }).unwrap();
        let result = store.pull(&parse(&registry.name("multi:1")), None, None).await;
        match expect {
            Some(n) => {
                let image = result.unwrap();
                assert_eq!(image.id, made[n].id());
                // The digest that names the image is that of the index, as with containerd.
                let digest = masthead_agent::images::digest::Digest::of(&index);
                assert_eq!(image.digests, [registry.name(&format!("multi@{digest}"))]);
            }
            None => {
                let error = result.expect_err("pulled").to_string();
                assert!(error.contains("linux/arm/v7") && error.contains("linux/riscv64"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn one_pull_for_all_who_wait_and_none_for_other_credentials() {
    if !is_root("shared pulls") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let made = three_layers();
    registry.push("app", "1", &made);
    registry.fault(&made.blobs[0], Some(Fault::Slow(Duration::from_millis(20))));
    let store = store(dir.path());
    let name = parse(&registry.name("app:1"));
    let pulls = (0..20).map(|_| store.pull(&name, None, None));
    let results = futures::future::join_all(pulls).await;
    assert!(results.iter().all(|r| r.as_ref().is_ok_and(|i| i.id == made.id())));
    let requests = registry.requests();
    assert_eq!(requests.iter().filter(|r| r.contains("/manifests/")).count(), 1, "{requests:?}");
    assert_eq!(requests.iter().filter(|r| r.contains("/blobs/")).count(), 4, "{requests:?}");
    let other = Some(Credentials::Bearer("x".into()));
    let (a, b) = tokio::join!(store.pull(&name, None, None), store.pull(&name, other, None));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(registry.requests().iter().filter(|r| r.contains("/manifests/")).count(), 2);
    // A caller that goes away does not stop the pull.
    store.remove(&name.to_string()).unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(30), store.pull(&name, None, None)).await;
    assert!(gone.is_err());
    assert!(store.pull(&name, None, None).await.is_ok());
    assert_eq!(registry.requests().iter().filter(|r| r.contains("/manifests/")).count(), 1);
}

#[tokio::test]
async fn limits_are_named() {
    if !is_root("limits") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let made = three_layers();
    registry.push("app", "1", &made);
    let bomb = vec![0_u8; 8 << 20];
    let zeros = vec![crate::images::layer::Entry::File("zeros", bomb, 0o644)];
    registry.push("bomb", "1", &image(&[(zeros, Packing::Zstd)]));
    let base = Limits::default;
    for (n, (image, limit, limits)) in [
        ("app:1", "manifest_bytes", Limits { manifest_bytes: 100, ..base() }),
        ("app:1", "layers_count", Limits { layers_count: 2, ..base() }),
        ("app:1", "layer_bytes", Limits { layer_bytes: 1000, ..base() }),
        ("app:1", "layer_files", Limits { layer_files: 2, ..base() }),
        ("bomb:1", "layer_unpacked_bytes", Limits { layer_unpacked_bytes: 4 << 20, ..base() }),
    ]
    .into_iter()
    .enumerate()
    {
        let root = dir.path().join(n.to_string());
        let store = ImageStore::open(&root, Options { limits, ..Options::default() }).unwrap();
        let error = store.pull(&parse(&registry.name(image)), None, None).await.expect_err(limit);
        assert!(error.to_string().contains(limit), "{limit}: {error}");
        assert_eq!(error.reason(), "ErrImagePull");
        assert!(leftovers(&root).is_empty());
    }
}

#[tokio::test]
async fn collection_keeps_what_is_used_and_what_is_shared() {
    if !is_root("image collection") {
        return;
    }
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let base = (vec![file("base", "0123456789")], Packing::Gzip);
    for (name, own) in [("a", "aa"), ("b", "bb"), ("c", "cc")] {
        registry.push(name, "1", &image_with(&[base.clone(), (vec![file("own", own)], Packing::Gzip)], &[name]));
    }
    let store = store(dir.path());
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(store.pull(&parse(&registry.name(&format!("{name}:1"))), None, None).await.unwrap().id);
    }
    let layers = || std::fs::read_dir(dir.path().join("layers")).unwrap().count();
    assert_eq!(layers(), 4);
    let used = ids[0].clone();
    store.set_users(Arc::new(move |id| *id == used));
    assert!(store.remove(&registry.name("a:1")).expect_err("in use").to_string().contains("in use"));
    let full = Usage { capacity_bytes: 1000, available_bytes: 0 };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(store.collect_at(Policy::default(), full, now).unwrap().remove.is_empty(), "all are young");
    let plan = store.collect_at(Policy::default(), full, now + 1000).unwrap();
    assert_eq!(plan.remove.len(), 2);
    assert_eq!(store.list().unwrap().into_iter().map(|i| i.id).collect::<Vec<_>>(), [ids[0].clone()]);
    assert_eq!(layers(), 2);
    assert!(store.resolve(&registry.name("a:1")).is_ok());
}
