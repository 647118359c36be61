//! The link's manifest → the same manifest, with hostPath volumes of pods led to the directories that the node was given
//! under those names (kind's `extraMounts`).
//!
//! Nodes of one machine share its file system, so a path that is to exist on one node only is a name for another path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::PodEntry;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Manifest = watch::Receiver<Option<Arc<NodeManifest>>>;

/// A directory or file of the machine under another name on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraMount {
    /// On the machine, absolute.
    pub host: PathBuf,
    /// What hostPath volumes of the node's pods call it, absolute.
    pub node: PathBuf,
    /// Pods may not write.
    pub is_read_only: bool,
}

impl ExtraMount {
    /// Reads `HOST:NODE` or `HOST:NODE:ro`.
    ///
    /// # Errors
    /// It is not of that form, or a path is not absolute.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, node, is_read_only) = match parts.as_slice() {
            [host, node] => (host, node, false),
            [host, node, "ro"] => (host, node, true),
            _ => bail!("{text:?} is not of the form HOST:NODE[:ro]"),
        };
        for path in [host, node] {
            let is_plain = !Path::new(path).components().any(|part| part == std::path::Component::ParentDir);
            ensure!(path.starts_with('/') && is_plain, "{path:?} is not an absolute path without \"..\"");
        }
        Ok(Self { host: host.into(), node: node.into(), is_read_only })
    }
}

/// Gives each manifest on with the volumes of its pods led elsewhere; with no mounts it is the same.
pub fn before_pods(mut from: Manifest, mut mounts: Vec<ExtraMount>, stop: CancellationToken) -> Manifest {
    if mounts.is_empty() {
        return from;
    }
    // The longest name first: it is the one that lies over the others.
    mounts.sort_by_key(|mount| std::cmp::Reverse(mount.node.components().count()));
    let (to, manifest) = watch::channel(None);
    tokio::spawn(async move {
        let mut known = Known::new();
        loop {
            let next = from.borrow_and_update().clone();
            if let Some(next) = next {
                to.send_replace(Some(led(&next, &mounts, &mut known)));
            }
            tokio::select! {
                changed = from.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    });
    manifest
}

/// Pods as they came and as they were given on, so that one that stays the same stays the same allocation.
type Known = BTreeMap<Arc<str>, (Arc<PodEntry>, Arc<PodEntry>)>;

fn led(manifest: &Arc<NodeManifest>, mounts: &[ExtraMount], known: &mut Known) -> Arc<NodeManifest> {
    known.retain(|uid, _| manifest.content.pods.contains_key(uid));
    let mut out = None;
    for (uid, pod) in &manifest.content.pods {
        let kept = known.get(uid).filter(|(came, _)| Arc::ptr_eq(came, pod)).map(|(_, given)| given.clone());
        let given = kept.unwrap_or_else(|| {
            let given = rewritten(pod, mounts).map_or_else(|| pod.clone(), Arc::new);
            known.insert(uid.clone(), (pod.clone(), given.clone()));
            given
        });
        if !Arc::ptr_eq(&given, pod) {
            out.get_or_insert_with(|| NodeManifest::clone(manifest)).content.insert_pod(given);
        }
    }
    out.map_or_else(|| manifest.clone(), Arc::new)
}

/// The pod with its volumes led elsewhere; nothing when none is.
fn rewritten(pod: &PodEntry, mounts: &[ExtraMount]) -> Option<PodEntry> {
    // Most pods have no such volume, and need not be read.
    if !pod.bytes.windows(10).any(|text| text == b"\"hostPath\"") {
        return None;
    }
    let mut value: Value = serde_json::from_slice(&pod.bytes).ok()?;
    let mut read_only = Vec::new();
    let mut is_changed = false;
    for volume in value.pointer_mut("/spec/volumes")?.as_array_mut()? {
        let name = volume.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(source) = volume.get_mut("hostPath") else { continue };
        let path = source.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        let under =
            |mount: &ExtraMount| Some((mount.clone(), Path::new(&path).strip_prefix(&mount.node).ok()?.to_owned()));
        let Some((mount, rest)) = mounts.iter().find_map(under) else { continue };
        is_changed = true;
        let there = if rest.as_os_str().is_empty() { mount.host } else { mount.host.join(rest) };
        source["path"] = json!(there.to_string_lossy());
        if mount.is_read_only {
            read_only.push(name);
            let kind = source.get("type").and_then(Value::as_str).unwrap_or_default();
            // Nothing can be made where nothing can be written.
            if let Some(kind) = kind.strip_suffix("OrCreate").map(str::to_owned) {
                source["type"] = json!(kind);
            }
        }
    }
    if !is_changed {
        return None;
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let containers = value.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let of_container = container.get_mut("volumeMounts").and_then(Value::as_array_mut);
            for mount in of_container.into_iter().flatten() {
                if read_only.iter().any(|name| mount.get("name").and_then(Value::as_str) == Some(name)) {
                    mount["readOnly"] = json!(true);
                }
            }
        }
    }
    PodEntry::parse(serde_json::to_vec(&value).ok()?.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let mount =
            |host: &str, node: &str, is_read_only| ExtraMount { host: host.into(), node: node.into(), is_read_only };
        assert_eq!(ExtraMount::parse("/a/b:/c").unwrap(), mount("/a/b", "/c", false));
        assert_eq!(ExtraMount::parse("/a:/c/d:ro").unwrap(), mount("/a", "/c/d", true));
        for text in ["", "/a", "a:/b", "/a:b", "/a:/b:rw", "/a:/b:ro:x", "/a/../b:/c", "/a:/b/.."] {
            assert!(ExtraMount::parse(text).is_err(), "{text:?}");
        }
    }

    fn pod(uid: &str, volumes: Value) -> Arc<PodEntry> {
        let mounts = json!([{"name": "v0", "mountPath": "/m"}, {"name": "v1", "mountPath": "/n"}]);
        let pod = json!({"metadata": {"uid": uid, "name": uid, "namespace": "n"},
            "spec": {"volumes": volumes, "containers": [{"name": "c", "volumeMounts": mounts}]}});
        Arc::new(PodEntry::parse(pod.to_string().into()).unwrap())
    }

    #[test]
    fn volumes_below_a_mount_are_led_to_it_and_others_stay() {
        let mut mounts: Vec<ExtraMount> = ["/srv/data:/data", "/srv/inner:/data/inner:ro", "/etc/x:/file"]
            .map(|text| ExtraMount::parse(text).unwrap())
            .into();
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.node.components().count()));
        let check = |path: &str, kind: &str, expect: Option<(&str, &str, bool)>| {
            let volumes =
                json!([{"name": "v0", "hostPath": {"path": path, "type": kind}}, {"name": "v1", "emptyDir": {}}]);
            let found = rewritten(&pod("a", volumes), &mounts).map(|pod| {
                let value: Value = serde_json::from_slice(&pod.bytes).unwrap();
                let text = |at: &str| value.pointer(at).unwrap().as_str().unwrap().to_owned();
                let is = |n: usize| value.pointer(&format!("/spec/containers/0/volumeMounts/{n}/readOnly")).is_some();
                assert!(!is(1), "the other volume is as it was");
                (text("/spec/volumes/0/hostPath/path"), text("/spec/volumes/0/hostPath/type"), is(0))
            });
            let expect = expect.map(|(path, kind, read_only)| (path.to_owned(), kind.to_owned(), read_only));
            assert_eq!(found, expect, "{path}");
        };
        check("/data", "", Some(("/srv/data", "", false)));
        check("/data/", "", Some(("/srv/data", "", false)));
        check("/data//a/b", "DirectoryOrCreate", Some(("/srv/data/a/b", "DirectoryOrCreate", false)));
        check("/data/inner/x", "DirectoryOrCreate", Some(("/srv/inner/x", "Directory", true)));
        check("/data/inner", "FileOrCreate", Some(("/srv/inner", "File", true)));
        check("/file", "File", Some(("/etc/x", "File", false)));
        for other in ["/database", "/", "/srv/data", "/dat"] {
            check(other, "", None);
        }
    }

    #[test]
    fn what_does_not_change_stays_the_same_allocation() {
        let mounts = vec![ExtraMount::parse("/srv:/data").unwrap()];
        let mut manifest = NodeManifest::default();
        manifest.content.insert_pod(pod("plain", json!([{"name": "v0", "emptyDir": {}}])));
        let mut known = Known::new();
        let first = Arc::new(manifest.clone());
        assert!(Arc::ptr_eq(&first, &led(&first, &mounts, &mut known)), "nothing to do, nothing made");
        manifest.content.insert_pod(pod("led", json!([{"name": "v0", "hostPath": {"path": "/data/x"}}])));
        let second = Arc::new(manifest);
        let one = led(&second, &mounts, &mut known);
        let two = led(&second, &mounts, &mut known);
        assert!(Arc::ptr_eq(&one.content.pods["led"], &two.content.pods["led"]));
        assert!(Arc::ptr_eq(&second.content.pods["plain"], &one.content.pods["plain"]));
        assert_eq!(one.generation, second.generation);
        led(&first, &mounts, &mut known);
        assert_eq!(known.len(), 1, "a pod that is gone is forgotten");
    }
}
