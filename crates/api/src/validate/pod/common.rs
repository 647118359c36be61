//! What the three sorts of a pod's containers have in common, and each of them in turn.

use crate::core::container::{
    Container, ContainerPort, ContainerResizePolicy, EphemeralContainer, ResourceRequirements, VolumeDevice,
    VolumeMount,
};
use crate::core::env::{EnvFromSource, EnvVar};
use crate::core::pod::PodSpec;
use crate::core::security::SecurityContext;
use crate::validate::path::Path;

/// When an image is pulled, sorted.
pub const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];

/// What the three sorts of containers have in common.
#[derive(Clone, Copy)]
pub struct Common<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its security settings.
    pub security_context: Option<&'a SecurityContext>,
    /// Its variables.
    pub env: &'a [EnvVar],
    /// Its block devices.
    pub volume_devices: &'a [VolumeDevice],
    pub(super) image: &'a str,
    pub(super) termination_message_policy: &'a str,
    pub(super) ports: &'a [ContainerPort],
    pub(super) env_from: &'a [EnvFromSource],
    pub(super) volume_mounts: &'a [VolumeMount],
    pub(super) image_pull_policy: &'a str,
    pub(super) resources: &'a ResourceRequirements,
    pub(super) resize_policy: &'a [ContainerResizePolicy],
}

macro_rules! common {
    ($($ty:ident)*) => {$(
        impl<'a> From<&'a $ty> for Common<'a> {
            fn from(c: &'a $ty) -> Self {
                Common {
                    name: &c.name,
                    security_context: c.security_context.as_ref(),
                    image: &c.image,
                    termination_message_policy: &c.termination_message_policy,
                    ports: &c.ports,
                    env: &c.env,
                    env_from: &c.env_from,
                    volume_mounts: &c.volume_mounts,
                    volume_devices: &c.volume_devices,
                    image_pull_policy: &c.image_pull_policy,
                    resources: &c.resources,
                    resize_policy: &c.resize_policy,
                }
            }
        }
    )*};
}

common! { Container EphemeralContainer }

/// Calls `visit` with the path of each container: init, regular, ephemeral.
pub fn visit_containers(path: &Path<'_>, spec: &PodSpec, visit: &mut dyn FnMut(&Path<'_>, Common<'_>)) {
    for (field, list) in [("initContainers", &spec.init_containers), ("containers", &spec.containers)] {
        let at = path.child(field);
        for (i, container) in list.iter().enumerate() {
            visit(&at.index(i), container.into());
        }
    }
    let at = path.child("ephemeralContainers");
    for (i, container) in spec.ephemeral_containers.iter().enumerate() {
        visit(&at.index(i), container.into());
    }
}
