//! Environment variables and the sources of their values.

use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// Environment variables from all keys of a ConfigMap or Secret.
    pub struct EnvFromSource {
        prefix: String = "prefix", 1, [omitempty];
        config_map_ref: Option<ConfigMapEnvSource> = "configMapRef", 2, [omitempty];
        secret_ref: Option<SecretEnvSource> = "secretRef", 3, [omitempty];
    }

    /// The ConfigMap whose keys become variables.
    pub struct ConfigMapEnvSource {
        name: String = "name", 1, [omitempty, within(1)];
        optional: Option<bool> = "optional", 2, [omitempty];
    }

    /// The Secret whose keys become variables.
    pub struct SecretEnvSource {
        name: String = "name", 1, [omitempty, within(1)];
        optional: Option<bool> = "optional", 2, [omitempty];
    }

    /// One environment variable.
    pub struct EnvVar {
        name: String = "name", 1, [];
        value: String = "value", 2, [omitempty];
        value_from: Option<EnvVarSource> = "valueFrom", 3, [omitempty];
    }

    /// Where a variable's value comes from; exactly one is set.
    pub struct EnvVarSource {
        field_ref: Option<ObjectFieldSelector> = "fieldRef", 1, [omitempty];
        resource_field_ref: Option<ResourceFieldSelector> = "resourceFieldRef", 2, [omitempty];
        config_map_key_ref: Option<ConfigMapKeySelector> = "configMapKeyRef", 3, [omitempty];
        secret_key_ref: Option<SecretKeySelector> = "secretKeyRef", 4, [omitempty];
        file_key_ref: Option<FileKeySelector> = "fileKeyRef", 5, [omitempty];
    }

    /// One key of a ConfigMap.
    pub struct ConfigMapKeySelector {
        name: String = "name", 1, [omitempty, within(1)];
        key: String = "key", 2, [];
        optional: Option<bool> = "optional", 3, [omitempty];
    }

    /// One key of a Secret.
    pub struct SecretKeySelector {
        name: String = "name", 1, [omitempty, within(1)];
        key: String = "key", 2, [];
        optional: Option<bool> = "optional", 3, [omitempty];
    }

    /// One key of an environment file in a volume.
    pub struct FileKeySelector {
        volume_name: String = "volumeName", 1, [];
        path: String = "path", 2, [];
        key: String = "key", 3, [];
        optional: Option<bool> = "optional", 4, [omitempty];
    }

    /// A field of the pod, by path.
    pub struct ObjectFieldSelector {
        api_version: String = "apiVersion", 1, [omitempty];
        field_path: String = "fieldPath", 2, [];
    }

    /// A request or limit of a container.
    pub struct ResourceFieldSelector {
        container_name: String = "containerName", 1, [omitempty];
        resource: String = "resource", 2, [];
        divisor: Quantity = "divisor", 3, [omitempty];
    }
}
