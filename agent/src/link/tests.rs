//! The stored manifest: what is saved is loaded, what is torn counts as none.

use bytes::Bytes;
use masthead_wire::manifest::{Generation, NodeContent, NodeManifest, NodeSetup};
use masthead_wire::object::{Attachment, PodEntry};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::persist;

fn manifest(pods: usize) -> NodeManifest {
    let setup = NodeSetup {
        pod_cidrs: vec!["10.0.0.0/24".into()],
        ..NodeSetup::default()
    };
    let mut content = NodeContent {
        setup,
        ..NodeContent::default()
    };
    for n in 0..pods {
        let json = format!(r#"{{"metadata":{{"uid":"u{n}","namespace":"n","name":"p{n}"}}}}"#);
        content.insert_pod(Arc::new(PodEntry::parse(json.into()).unwrap()));
    }
    let secret = Bytes::from_static(br#"{"metadata":{"namespace":"n","name":"s"},"data":{}}"#);
    let secret = Attachment::parse("Secret", secret).unwrap();
    content.insert_attachment(Arc::new(secret));
    let generation = Generation {
        term: 3,
        counter: 9,
    };
    NodeManifest {
        generation,
        content,
    }
}

#[test]
fn what_is_saved_is_loaded_and_private() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(persist::load(dir.path()).unwrap(), None);
    for pods in [0, 1, 2000] {
        let manifest = manifest(pods);
        persist::save(dir.path(), &manifest).unwrap();
        persist::sync(dir.path()).unwrap();
        assert_eq!(persist::load(dir.path()).unwrap(), Some(manifest));
    }
    let meta = std::fs::metadata(dir.path().join("manifest")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_torn_file_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    persist::save(dir.path(), &manifest(3)).unwrap();
    let path = dir.path().join("manifest");
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        let loaded = persist::load(dir.path());
        assert!(matches!(loaded, Err(persist::Error::Damaged { .. })), "{len}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        let loaded = persist::load(dir.path());
        assert!(matches!(loaded, Err(persist::Error::Damaged { .. })), "{at}");
    }
}
