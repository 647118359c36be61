//! A container's mounts and where the pod's volumes are → what the runtime mounts.

use std::path::{Path, PathBuf};

use masthead_api::core::container::{Container, VolumeMount};
use masthead_api::core::pod::Pod;

use crate::pods::convert::container::{HostMount, propagation};
use crate::pods::convert::context::{Placed, References};
use crate::pods::convert::env::{expand, variables};
use crate::pods::files;
use crate::pods::site::safe;
use crate::pods::volumes::apply::Places;
use crate::pods::volumes::plan::Error;
use crate::pods::volumes::sub_path;
use crate::runtime::v1::MountPropagation;

/// All mounts of a container: its volumes, its hosts file, its termination message. Touches the
/// disk for sub-paths only.
///
/// # Errors
/// A volume that is not there, a sub-path that leads elsewhere, an environment that can't be resolved.
pub fn of(
    pod: &Pod,
    container: &Container,
    pod_dir: &Path,
    places: &Places,
    message: Option<&Path>,
    placed: &Placed,
    refs: &dyn References,
) -> Result<Vec<HostMount>, Error> {
    let mut mounts = Vec::new();
    for (index, wanted) in container.volume_mounts.iter().enumerate() {
        let volume = places.get(&wanted.name);
        let volume = volume.ok_or_else(|| Error(format!("volume {:?} of the mount is not defined", wanted.name)))?;
        let sub = sub_path_of(pod, container, wanted, placed, refs)?;
        let host = if sub.is_empty() {
            volume.clone()
        } else {
            let target = pod_dir.join("subpaths").join(safe(&container.name)).join(index.to_string());
            sub_path::bind(volume, &sub, &target)?;
            target
        };
        // Content that the agent keeps in step is not the container's to change.
        let is_kept = pod.spec.volumes.iter().any(|v| {
            v.name == wanted.name
                && (v.config_map.is_some() || v.secret.is_some() || v.downward_api.is_some() || v.projected.is_some())
        });
        mounts.push(HostMount {
            container_path: absolute(&wanted.mount_path),
            host_path: host.to_string_lossy().into_owned(),
            read_only: wanted.read_only || is_kept,
            propagation: propagation(wanted),
        });
    }
    let own = |container_path: &str, host: PathBuf| HostMount {
        container_path: container_path.to_owned(),
        host_path: host.to_string_lossy().into_owned(),
        read_only: false,
        propagation: MountPropagation::PropagationPrivate,
    };
    if !mounts.iter().any(|mount| mount.container_path == "/etc/hosts") {
        mounts.push(own("/etc/hosts", files::hosts_path(pod_dir)));
    }
    if let Some(message) = message {
        mounts.push(own(&container.termination_message_path, message.to_owned()));
    }
    Ok(mounts)
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn sub_path_of(
    pod: &Pod,
    container: &Container,
    wanted: &VolumeMount,
    placed: &Placed,
    refs: &dyn References,
) -> Result<String, Error> {
    if wanted.sub_path_expr.is_empty() {
        return Ok(wanted.sub_path.clone());
    }
    let vars = variables(pod, container, placed, refs).map_err(|error| Error(error.0))?;
    let lookup = |name: &str| vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let expanded = String::from_utf8_lossy(&expand(wanted.sub_path_expr.as_bytes(), &lookup)).into_owned();
    if expanded.contains("$(") {
        return Err(Error(format!("subPathExpr {:?} names a variable that is not set", wanted.sub_path_expr)));
    }
    Ok(expanded)
}
