//! Typed objects to the JSON of the API server's own, unversioned types, which some of its messages show.
//!
//! There fields carry Go's names, nothing is left out, and a few stand in another order or another struct.

use serde::Serialize;
use serde_json::Value;

use crate::schema::field::{Schema, Shape};
use crate::schema::wire::Wire;
use crate::validate::quote::go_json;

/// Fields whose Go name is not the JSON name with a capital.
const NAMES: &[(&str, &str)] = &[
    ("apiGroup", "APIGroup"),
    ("apiVersion", "APIVersion"),
    ("awsElasticBlockStore", "AWSElasticBlockStore"),
    ("cephfs", "CephFS"),
    ("chapAuthDiscovery", "DiscoveryCHAPAuth"),
    ("chapAuthSession", "SessionCHAPAuth"),
    ("csi", "CSI"),
    ("diskURI", "DataDiskURI"),
    ("dnsConfig", "DNSConfig"),
    ("dnsPolicy", "DNSPolicy"),
    ("endpoints", "EndpointsName"),
    ("fc", "FC"),
    ("fsGroup", "FSGroup"),
    ("fsGroupChangePolicy", "FSGroupChangePolicy"),
    ("fsType", "FSType"),
    ("gcePersistentDisk", "GCEPersistentDisk"),
    ("gmsaCredentialSpec", "GMSACredentialSpec"),
    ("gmsaCredentialSpecName", "GMSACredentialSpecName"),
    ("grpc", "GRPC"),
    ("httpGet", "HTTPGet"),
    ("httpHeaders", "HTTPHeaders"),
    ("ip", "IP"),
    ("iqn", "IQN"),
    ("iscsi", "ISCSI"),
    ("iscsiInterface", "ISCSIInterface"),
    ("nfs", "NFS"),
    ("os", "OS"),
    ("pdName", "PDName"),
    ("rbd", "RBD"),
    ("seLinuxChangePolicy", "SELinuxChangePolicy"),
    ("seLinuxOptions", "SELinuxOptions"),
    ("sslEnabled", "SSLEnabled"),
    ("storageos", "StorageOS"),
    ("tcpSocket", "TCPSocket"),
    ("tty", "TTY"),
    ("wwids", "WWIDs"),
];

/// Types whose fields stand in another order than in v1, or are named otherwise; the rest follow their schema.
const ORDERS: &[(&str, &[&str])] = &[
    (
        "PodSpec",
        &[
            "volumes",
            "initContainers",
            "containers",
            "ephemeralContainers",
            "restartPolicy",
            "terminationGracePeriodSeconds",
            "activeDeadlineSeconds",
            "dnsPolicy",
            "nodeSelector",
            "serviceAccountName",
            "automountServiceAccountToken",
            "nodeName",
            "securityContext",
            "imagePullSecrets",
            "hostname",
            "subdomain",
            "setHostnameAsFQDN",
            "affinity",
            "schedulerName",
            "tolerations",
            "hostAliases",
            "priorityClassName",
            "priority",
            "preemptionPolicy",
            "dnsConfig",
            "readinessGates",
            "runtimeClassName",
            "overhead",
            "enableServiceLinks",
            "topologySpreadConstraints",
            "os",
            "schedulingGates",
            "resourceClaims",
            "resources",
            "hostnameOverride",
            "schedulingGroup",
        ],
    ),
    (
        "PodSecurityContext",
        &[
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "shareProcessNamespace",
            "hostUsers",
            "seLinuxOptions",
            "windowsOptions",
            "runAsUser",
            "runAsGroup",
            "runAsNonRoot",
            "supplementalGroups",
            "supplementalGroupsPolicy",
            "fsGroup",
            "fsGroupChangePolicy",
            "sysctls",
            "seccompProfile",
            "appArmorProfile",
            "seLinuxChangePolicy",
        ],
    ),
    (
        "SecurityContext",
        &[
            "capabilities",
            "privileged",
            "seLinuxOptions",
            "windowsOptions",
            "runAsUser",
            "runAsGroup",
            "runAsNonRoot",
            "readOnlyRootFilesystem",
            "allowPrivilegeEscalation",
            "procMount",
            "seccompProfile",
            "appArmorProfile",
        ],
    ),
    (
        "Volume",
        &[
            "name",
            "hostPath",
            "emptyDir",
            "gcePersistentDisk",
            "awsElasticBlockStore",
            "gitRepo",
            "secret",
            "nfs",
            "iscsi",
            "glusterfs",
            "persistentVolumeClaim",
            "rbd",
            "quobyte",
            "flexVolume",
            "cinder",
            "cephfs",
            "flocker",
            "downwardAPI",
            "fc",
            "azureFile",
            "configMap",
            "vsphereVolume",
            "azureDisk",
            "photonPersistentDisk",
            "projected",
            "portworxVolume",
            "scaleIO",
            "storageos",
            "csi",
            "ephemeral",
            "image",
        ],
    ),
];

/// Fields of a pod's spec that the internal type keeps in its security context.
const MOVED: &[&str] = &["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];

/// JSON whose objects keep their order.
enum Tree {
    Leaf(Value),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// On one line, as in `Invalid value: {...}`.
pub fn compact<T: Wire + Serialize>(value: &T) -> String {
    let mut out = String::new();
    write_compact(&tree_of(value), &mut out);
    out
}

/// A list on one line.
pub fn compact_list<T: Wire + Serialize>(values: &[T]) -> String {
    let items: Vec<String> = values.iter().map(compact).collect();
    format!("[{}]", items.join(","))
}

/// Over many lines, indented by one space a level.
pub fn lines<T: Wire + Serialize>(value: &T) -> Vec<String> {
    let mut out = String::new();
    write_indented(&tree_of(value), 0, &mut out);
    out.lines().map(str::to_owned).collect()
}

fn tree_of<T: Wire + Serialize>(value: &T) -> Tree {
    let value = serde_json::to_value(value).unwrap_or_default();
    tree(&T::SHAPE, false, Some(&value))
}

fn tree(shape: &Shape, pointer: bool, value: Option<&Value>) -> Tree {
    let value = value.filter(|v| !v.is_null());
    match (shape, value) {
        (Shape::Struct(schema), value) if value.is_some() || !pointer => object(schema, value),
        (Shape::List(element), Some(Value::Array(items))) => {
            Tree::List(items.iter().map(|item| tree(element, false, Some(item))).collect())
        }
        (Shape::Map(element), Some(Value::Object(map))) => {
            Tree::Object(map.iter().map(|(key, value)| (key.clone(), tree(element, false, Some(value)))).collect())
        }
        (_, Some(value)) => Tree::Leaf(value.clone()),
        _ if pointer => Tree::Leaf(Value::Null),
        (Shape::String, None) => Tree::Leaf("".into()),
        (Shape::Bool, None) => Tree::Leaf(false.into()),
        (Shape::I32 | Shape::I64 | Shape::F64 | Shape::IntOrString, None) => Tree::Leaf(0.into()),
        (Shape::Quantity, None) => Tree::Leaf("0".into()),
        _ => Tree::Leaf(Value::Null),
    }
}

fn object(schema: &'static Schema, value: Option<&Value>) -> Tree {
    if schema.name == "LabelSelector" {
        return versioned(&Shape::Struct(schema), value.unwrap_or(&Value::Null));
    }
    if ["PodTemplateSpec", "PersistentVolumeClaimTemplate"].contains(&schema.name) {
        return template(schema, value);
    }
    let order = ORDERS.iter().find(|(name, _)| *name == schema.name).map(|(_, order)| *order);
    let names: Vec<&str> = match order {
        Some(order) => order.to_vec(),
        None => schema.fields.iter().map(|f| f.json).collect(),
    };
    let get = |name: &str| value.and_then(|v| v.get(name));
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let node = match schema.field(name) {
            Some(field) if schema.name == "PodSpec" && name == "securityContext" => {
                pod_security(&field.shape, get(name), value)
            }
            // What v1 can leave out is always there in this type.
            Some(field) if schema.name == "RollingUpdateDeployment" => tree(&field.shape, false, get(name)),
            Some(field) => tree(&field.shape, field.pointer, get(name)),
            // A field that the internal type has from elsewhere, filled in by its holder.
            None => get(name).map_or(Tree::Leaf(Value::Null), |v| Tree::Leaf(v.clone())),
        };
        out.push((go_name(name), node));
    }
    Tree::Object(out)
}

/// A template: Go embeds its metadata, so that their fields stand beside the specification.
fn template(schema: &'static Schema, value: Option<&Value>) -> Tree {
    let get = |name: &str| value.and_then(|v| v.get(name));
    let mut out = Vec::new();
    for field in schema.fields {
        match (field.json, get(field.json)) {
            ("metadata", meta) => {
                if let Tree::Object(fields) = versioned(&field.shape, meta.unwrap_or(&Value::Null)) {
                    out.extend(fields);
                }
            }
            (name, value) => out.push((go_name(name), tree(&field.shape, field.pointer, value))),
        }
    }
    Tree::Object(out)
}

/// The security context with the host flags of the spec put into it.
fn pod_security(shape: &Shape, context: Option<&Value>, spec: Option<&Value>) -> Tree {
    let mut merged = context.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if let Some(map) = merged.as_object_mut() {
        for name in MOVED {
            let given = spec.and_then(|spec| spec.get(*name)).cloned();
            let zero = if name.starts_with("hostU") || name.starts_with("share") { Value::Null } else { false.into() };
            map.insert((*name).to_owned(), given.unwrap_or(zero));
        }
    }
    tree(shape, true, Some(&merged))
}

/// Types that are the same in all versions keep JSON's names and leave out what is empty.
fn versioned(shape: &Shape, value: &Value) -> Tree {
    match (shape, value) {
        (Shape::Struct(schema), Value::Object(_)) => Tree::Object(
            schema
                .fields
                .iter()
                .filter_map(|f| Some((f.json.to_owned(), versioned(&f.shape, value.get(f.json)?))))
                .collect(),
        ),
        (Shape::List(element), Value::Array(items)) => {
            Tree::List(items.iter().map(|item| versioned(element, item)).collect())
        }
        (Shape::Map(element), Value::Object(map)) => {
            Tree::Object(map.iter().map(|(key, value)| (key.clone(), versioned(element, value))).collect())
        }
        (_, leaf) => Tree::Leaf(leaf.clone()),
    }
}

fn go_name(json: &str) -> String {
    if let Some((_, go)) = NAMES.iter().find(|(name, _)| *name == json) {
        return (*go).to_owned();
    }
    let mut chars = json.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn quoted(text: &str) -> String {
    go_json(text)
}

fn write_compact(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Leaf(value) => out.push_str(&go_json(value)),
        Tree::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_compact(item, out);
            }
            out.push(']');
        }
        Tree::Object(fields) => {
            out.push('{');
            for (i, (name, value)) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write_compact(value, out);
            }
            out.push('}');
        }
    }
}

fn write_indented(tree: &Tree, depth: usize, out: &mut String) {
    let pad = |out: &mut String, depth: usize| (0..depth).for_each(|_| out.push(' '));
    match tree {
        Tree::Leaf(value) => out.push_str(&go_json(value)),
        Tree::List(items) if items.is_empty() => out.push_str("[]"),
        Tree::Object(fields) if fields.is_empty() => out.push_str("{}"),
        Tree::List(items) => {
            out.push_str("[\n");
            for (i, item) in items.iter().enumerate() {
                pad(out, depth + 1);
                write_indented(item, depth + 1, out);
                out.push_str(if i + 1 < items.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push(']');
        }
        Tree::Object(fields) => {
            out.push_str("{\n");
            for (i, (name, value)) in fields.iter().enumerate() {
                pad(out, depth + 1);
                out.push_str(&quoted(name));
                out.push_str(": ");
                write_indented(value, depth + 1, out);
                out.push_str(if i + 1 < fields.len() { ",\n" } else { "\n" });
            }
            pad(out, depth);
            out.push('}');
        }
    }
}
