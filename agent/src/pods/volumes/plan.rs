//! A volume of the manifest → what it is made of on this node: a directory, a path of the node, or files with content.

use std::collections::BTreeMap;

use masthead_api::bytes::ByteString;
use masthead_api::core::pod::Pod;
use masthead_api::core::volume::{DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Volume};

use crate::pods::convert::context::{Placed, References};
use crate::pods::convert::env::field_value;
use crate::pods::convert::resources;

/// Permissions of files when the manifest says nothing (Kubernetes' `defaultMode`).
const MODE: u32 = 0o644;

/// Why a volume can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// A file with content. Debug prints no content: it may be a Secret's.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} bytes, mode {:o}>", self.bytes.len(), self.mode)
    }
}

/// What a volume is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A directory that begins empty.
    Empty {
        /// In memory; with a bound in bytes.
        memory: Option<Option<u64>>,
    },
    /// A path of the node.
    HostPath {
        /// Which.
        path: String,
        /// `Directory`, `FileOrCreate`, …; empty: whatever is there.
        kind: String,
    },
    /// Files, replaced all at once; paths are relative and plain.
    Files(BTreeMap<String, File>),
}

/// What a volume is made of.
///
/// # Errors
/// It names what is missing, or a kind that this node can't provide.
pub fn source(pod: &Pod, volume: &Volume, placed: &Placed, refs: &dyn References) -> Result<Source, Error> {
    if let Some(empty) = &volume.empty_dir {
        let limit =
            empty.size_limit.as_ref().and_then(|limit| u64::try_from(limit.value()).ok()).filter(|limit| *limit > 0);
        return match empty.medium.as_str() {
            "" => Ok(Source::Empty { memory: None }),
            "Memory" => Ok(Source::Empty { memory: Some(limit) }),
            medium => Err(Error(format!("emptyDir medium {medium:?} is not supported by this node"))),
        };
    }
    if let Some(host) = &volume.host_path {
        return Ok(Source::HostPath { path: host.path.clone(), kind: host.type_.clone().unwrap_or_default() });
    }
    let mut files = Files { files: BTreeMap::new(), mode: MODE, pod, placed, refs };
    if let Some(map) = &volume.config_map {
        files.mode = mode(map.default_mode);
        files.config_map(&map.name, &map.items, map.optional)?;
    } else if let Some(secret) = &volume.secret {
        files.mode = mode(secret.default_mode);
        files.secret(&secret.secret_name, &secret.items, secret.optional)?;
    } else if let Some(downward) = &volume.downward_api {
        files.mode = mode(downward.default_mode);
        files.downward(&downward.items)?;
    } else if let Some(projected) = &volume.projected {
        files.mode = mode(projected.default_mode);
        files.projected(&volume.name, projected)?;
    } else {
        return Err(unsupported(volume));
    }
    Ok(Source::Files(files.files))
}

fn mode(given: Option<i32>) -> u32 {
    given.and_then(|mode| u32::try_from(mode).ok()).map_or(MODE, |mode| mode & 0o777)
}

/// Names the kind by its JSON field.
fn unsupported(volume: &Volume) -> Error {
    let json = serde_json::to_value(volume).unwrap_or_default();
    let kind = json.as_object().and_then(|fields| fields.keys().find(|key| *key != "name")).cloned();
    match kind {
        Some(kind) => Error(format!("volumes of kind {kind} are not supported by this node")),
        None => Error("the volume has no source".to_owned()),
    }
}

struct Files<'a> {
    files: BTreeMap<String, File>,
    mode: u32,
    pod: &'a Pod,
    placed: &'a Placed,
    refs: &'a dyn References,
}

impl Files<'_> {
    fn put(&mut self, path: &str, bytes: Vec<u8>, mode: u32) -> Result<(), Error> {
        let plain = !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !plain || path.starts_with("..") {
            return Err(Error(format!("invalid path {path:?}: must be relative, without \"..\"")));
        }
        self.files.insert(path.to_owned(), File { bytes, mode });
        Ok(())
    }

    fn keys<'v>(
        &mut self,
        what: &str,
        items: &[KeyToPath],
        optional: bool,
        find: &dyn Fn(&str) -> Option<&'v [u8]>,
    ) -> Result<(), Error> {
        for item in items {
            match find(&item.key) {
                Some(bytes) => {
                    let mode = item.mode.map_or(self.mode, |own| mode(Some(own)));
                    self.put(&item.path, bytes.to_vec(), mode)?;
                }
                None if optional => {}
                None => {
                    return Err(Error(format!("{what} key: {}", item.key)));
                }
            }
        }
        Ok(())
    }

    fn config_map(&mut self, name: &str, items: &[KeyToPath], optional: Option<bool>) -> Result<(), Error> {
        let refs = self.refs;
        let Some(map) = refs.config_map(name) else {
            return if optional == Some(true) { Ok(()) } else { Err(Error(format!("configmap {name:?} not found"))) };
        };
        let find = |key: &str| {
            let text = map.data.get(key).map(|text| text.as_bytes());
            text.or_else(|| map.binary_data.get(key).map(|bytes| bytes.0.as_slice()))
        };
        if !items.is_empty() {
            return self.keys("configmap references non-existent config", items, optional == Some(true), &find);
        }
        for key in map.data.keys().chain(map.binary_data.keys()) {
            self.put(key, find(key).unwrap_or_default().to_vec(), self.mode)?;
        }
        Ok(())
    }

    fn secret(&mut self, name: &str, items: &[KeyToPath], optional: Option<bool>) -> Result<(), Error> {
        let refs = self.refs;
        let Some(secret) = refs.secret(name) else {
            return if optional == Some(true) { Ok(()) } else { Err(Error(format!("secret {name:?} not found"))) };
        };
        let find = |key: &str| secret.data.get(key).map(|ByteString(bytes)| bytes.as_slice());
        if !items.is_empty() {
            return self.keys("references non-existent secret", items, optional == Some(true), &find);
        }
        for (key, ByteString(bytes)) in &secret.data {
            self.put(key, bytes.clone(), self.mode)?;
        }
        Ok(())
    }

    fn downward(&mut self, items: &[DownwardAPIVolumeFile]) -> Result<(), Error> {
        for item in items {
            let text = if let Some(field) = &item.field_ref {
                field_value(self.pod, &field.field_path, self.placed).map_err(|error| Error(error.to_string()))?
            } else if let Some(field) = &item.resource_field_ref {
                let spec = &self.pod.spec;
                let named =
                    spec.containers.iter().chain(&spec.init_containers).find(|c| c.name == field.container_name);
                let container = named.ok_or_else(|| Error(format!("container {} not found", field.container_name)))?;
                resources::field_value(container, field, self.placed).map_err(Error)?.to_string()
            } else {
                return Err(Error(format!("downwardAPI file {:?} names no field", item.path)));
            };
            let mode = item.mode.map_or(self.mode, |own| mode(Some(own)));
            self.put(&item.path, text.into_bytes(), mode)?;
        }
        Ok(())
    }

    fn projected(&mut self, volume: &str, projected: &ProjectedVolumeSource) -> Result<(), Error> {
        for source in &projected.sources {
            if let Some(map) = &source.config_map {
                self.config_map(&map.name, &map.items, map.optional)?;
            } else if let Some(secret) = &source.secret {
                self.secret(&secret.name, &secret.items, secret.optional)?;
            } else if let Some(downward) = &source.downward_api {
                self.downward(&downward.items)?;
            } else if source.service_account_token.is_some() {
                // What admission adds to every pod is left out; what somebody asked for is refused.
                if !volume.starts_with("kube-api-access-") {
                    return Err(Error("projected serviceAccountToken is not supported by this node".to_owned()));
                }
            } else if source.cluster_trust_bundle.is_some() {
                return Err(Error("projected clusterTrustBundle is not supported by this node".to_owned()));
            } else if source.pod_certificate.is_some() {
                return Err(Error("projected podCertificate is not supported by this node".to_owned()));
            }
        }
        Ok(())
    }
}
