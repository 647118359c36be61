//! ConfigMap, Secret and ServiceAccount.

use std::collections::BTreeMap;

use crate::bytes::ByteString;
use crate::core::reference::{LocalObjectReference, ObjectReference};
use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

object! {
    /// Configuration as keys with text or bytes.
    pub struct ConfigMap {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        immutable: Option<bool> = "immutable", 4, [omitempty];
        data: BTreeMap<String, String> = "data", 2, [omitempty];
        binary_data: BTreeMap<String, ByteString> = "binaryData", 3, [omitempty];
    }

    /// Keys with bytes that are not shown.
    pub struct Secret {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        immutable: Option<bool> = "immutable", 5, [omitempty];
        data: BTreeMap<String, ByteString> = "data", 2, [omitempty];
        string_data: BTreeMap<String, String> = "stringData", 4, [omitempty];
        type_: String = "type", 3, [omitempty, go("v1.SecretType")];
    }

    /// An identity for pods.
    pub struct ServiceAccount {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        secrets: Vec<ObjectReference> = "secrets", 2, [omitempty, merge("name"), list_map(&["name"])];
        image_pull_secrets: Vec<LocalObjectReference> = "imagePullSecrets", 3, [omitempty, list_atomic];
        automount_service_account_token: Option<bool> = "automountServiceAccountToken", 4, [omitempty];
    }
}
