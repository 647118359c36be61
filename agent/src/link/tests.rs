//! The stored manifest: what is saved is loaded, what is torn counts as none.

use bytes::Bytes;
use masthead_wire::manifest::{Generation, Manifest, NodeContent, NodeManifest, NodeSetup};
use masthead_wire::object::{Attachment, PodEntry};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::persist::{self, Journal};

fn manifest(pods: usize) -> NodeManifest {
    let setup = NodeSetup { pod_cidrs: vec!["10.0.0.0/24".into()], ..NodeSetup::default() };
    let mut content = NodeContent { setup, ..NodeContent::default() };
    for n in 0..pods {
        let json = format!(r#"{{"metadata":{{"uid":"u{n}","namespace":"n","name":"p{n}"}}}}"#);
        content.insert_pod(Arc::new(PodEntry::parse(json.into()).unwrap()));
    }
    let secret = Bytes::from_static(br#"{"metadata":{"namespace":"n","name":"s"},"data":{}}"#);
    let secret = Attachment::parse("Secret", secret).unwrap();
    content.insert_attachment(Arc::new(secret));
    let generation = Generation { term: 3, counter: 9 };
    NodeManifest { generation, content }
}

fn at(counter: u64) -> Generation {
    Generation { term: 3, counter }
}

/// A step that adds a pod of some size.
fn one_more(held: &NodeManifest, counter: u64, padding: usize) -> (NodeManifest, Manifest) {
    let pad = "x".repeat(padding);
    let json = format!(r#"{{"metadata":{{"uid":"new{counter}","namespace":"n","name":"p"}},"spec":"{pad}"}}"#);
    let step = Manifest {
        base: Some(held.generation),
        generation: at(counter),
        setup: held.content.setup.clone(),
        pods: vec![Arc::new(PodEntry::parse(json.into()).unwrap())],
        removed_pods: vec!["u0".into()],
        ..Manifest::default()
    };
    (held.after(&step).unwrap(), step)
}

fn whole(manifest: &NodeManifest) -> Manifest {
    Manifest::whole(manifest.generation, &manifest.content)
}

#[test]
fn what_is_stored_is_loaded_and_private() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(persist::load(dir.path()).unwrap(), None);
    for pods in [0, 1, 2000] {
        let manifest = manifest(pods);
        let mut journal = Journal::new(dir.path());
        journal.store(&manifest, &whole(&manifest)).unwrap();
        assert_eq!(persist::load(dir.path()).unwrap(), Some(manifest));
    }
    let meta = std::fs::metadata(dir.path().join("manifest")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn steps_are_appended_and_the_file_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let size = || std::fs::metadata(dir.path().join("manifest")).unwrap().len();
    let mut held = manifest(100);
    let mut journal = Journal::new(dir.path());
    journal.store(&held, &whole(&held)).unwrap();
    let first = size();
    for counter in 10..200 {
        let (next, step) = one_more(&held, counter, 2000);
        journal.store(&next, &step).unwrap();
        held = next;
        if counter == 10 {
            assert!(size() - first < 3000, "a step costs what it changes");
        }
        if counter % 50 == 0 {
            // A restart begins a new file with the first step that follows.
            journal = Journal::new(dir.path());
        }
        assert_eq!(persist::load(dir.path()).unwrap().as_ref(), Some(&held));
        let pods: usize = held.content.pods.values().map(|p| p.bytes.len() + 200).sum();
        assert!(size() < 2 * pods as u64 + (80 << 10), "{} at {counter}", size());
    }
}

#[test]
fn a_torn_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest");
    let held = manifest(3);
    let mut journal = Journal::new(dir.path());
    journal.store(&held, &whole(&held)).unwrap();
    let first = std::fs::read(&path).unwrap().len();
    let (next, step) = one_more(&held, 10, 5);
    journal.store(&next, &step).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for len in 0..=bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        match persist::load(dir.path()) {
            Ok(Some(loaded)) if len == bytes.len() => assert_eq!(loaded, next),
            // The step was being written when the agent was killed: nobody acted on it.
            Ok(Some(loaded)) if len >= first => assert_eq!(loaded, held),
            Err(persist::Error::Damaged { .. }) if len < first => {}
            other => panic!("cut at {len}: {other:?}"),
        }
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        match persist::load(dir.path()) {
            // A length that points past the end reads like a step that was cut off.
            Ok(Some(loaded)) => assert!(loaded == held && (first..first + 8).contains(&at), "{at}"),
            Err(persist::Error::Damaged { .. }) => {}
            other => panic!("flipped at {at}: {other:?}"),
        }
    }
}
