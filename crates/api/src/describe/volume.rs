//! Volumes of a pod and their sources to lines of a description.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::core::claim::PersistentVolumeClaimTemplate;
use crate::core::reference::LocalObjectReference;
use crate::core::volume::{
    CSIVolumeSource, DownwardAPIVolumeSource, EmptyDirVolumeSource, EphemeralVolumeSource, HostPathVolumeSource,
    ProjectedVolumeSource, Volume,
};
use crate::core::volume_driver::{FCVolumeSource, ISCSIVolumeSource, RBDVolumeSource, ScaleIOVolumeSource};
use crate::describe::page::Page;

/// Volumes; `space` stands before the title, and then one space before each name.
pub fn volumes(page: &mut Page, volumes: &[Volume], space: &str) {
    if volumes.is_empty() {
        return page.put(0, format_args!("{space}Volumes:\t<none>\n"));
    }
    page.put(0, format_args!("{space}Volumes:\n"));
    let indent = if space.is_empty() { "" } else { " " };
    for volume in volumes {
        page.put(1, format_args!("{indent}{}:\n", volume.name));
        if !common(page, volume) && !driver(page, volume) {
            page.put(1, format_args!("<unknown>\n"));
        }
    }
}

/// The type of a source and its fields.
fn source(page: &mut Page, type_: &str, fields: &[(&str, &dyn Display)]) {
    page.field(2, "Type", type_);
    for (label, value) in fields {
        page.field(2, label, value);
    }
}

/// Sources that every cluster can fill; false when the volume has none of them.
fn common(page: &mut Page, volume: &Volume) -> bool {
    if let Some(path) = &volume.host_path {
        host_path(page, path);
    } else if let Some(dir) = &volume.empty_dir {
        empty_dir(page, dir);
    } else if let Some(secret) = &volume.secret {
        let optional = secret.optional.unwrap_or_default();
        let fields: [(&str, &dyn Display); 2] = [("SecretName", &secret.secret_name), ("Optional", &optional)];
        source(page, "Secret (a volume populated by a Secret)", &fields);
    } else if let Some(map) = &volume.config_map {
        let optional = map.optional.unwrap_or_default();
        let fields: [(&str, &dyn Display); 2] = [("Name", &map.name), ("Optional", &optional)];
        source(page, "ConfigMap (a volume populated by a ConfigMap)", &fields);
    } else if let Some(nfs) = &volume.nfs {
        let fields: [(&str, &dyn Display); 3] =
            [("Server", &nfs.server), ("Path", &nfs.path), ("ReadOnly", &nfs.read_only)];
        source(page, "NFS (an NFS mount that lasts the lifetime of a pod)", &fields);
    } else if let Some(claim) = &volume.persistent_volume_claim {
        let fields: [(&str, &dyn Display); 2] = [("ClaimName", &claim.claim_name), ("ReadOnly", &claim.read_only)];
        let type_ = "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)";
        source(page, type_, &fields);
    } else if let Some(given) = &volume.ephemeral {
        ephemeral(page, given);
    } else if let Some(given) = &volume.downward_api {
        downward_api(page, given);
    } else if let Some(given) = &volume.projected {
        projected(page, given);
    } else if let Some(given) = &volume.csi {
        csi(page, given);
    } else if let Some(image) = &volume.image {
        let fields: [(&str, &dyn Display); 2] = [("Reference", &image.reference), ("PullPolicy", &image.pull_policy)];
        source(page, "Image (a container image or OCI artifact)", &fields);
    } else {
        return false;
    }
    true
}

fn host_path(page: &mut Page, path: &HostPathVolumeSource) {
    let type_ = path.type_.as_deref().unwrap_or("<none>");
    let fields: [(&str, &dyn Display); 2] = [("Path", &path.path), ("HostPathType", &type_)];
    source(page, "HostPath (bare host directory volume)", &fields);
}

fn empty_dir(page: &mut Page, dir: &EmptyDirVolumeSource) {
    let limit = dir.size_limit.filter(|limit| limit.sign() > 0).map_or_else(|| "<unset>".to_owned(), |l| l.to_string());
    let fields: [(&str, &dyn Display); 2] = [("Medium", &dir.medium), ("SizeLimit", &limit)];
    source(page, "EmptyDir (a temporary directory that shares a pod's lifetime)", &fields);
}

fn downward_api(page: &mut Page, given: &DownwardAPIVolumeSource) {
    page.field(2, "Type", "DownwardAPI (a volume populated by information about the pod)");
    page.put(2, format_args!("Items:\n"));
    for item in &given.items {
        if let Some(field) = &item.field_ref {
            page.put(3, format_args!("{} -> {}\n", field.field_path, item.path));
        }
        if let Some(resource) = &item.resource_field_ref {
            page.put(3, format_args!("{} -> {}\n", resource.resource, item.path));
        }
    }
}

fn projected(page: &mut Page, given: &ProjectedVolumeSource) {
    page.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
    // kubectl 1.32 prints the address of a value that is set; the value itself says more.
    let optional = |value: Option<bool>| value.map_or_else(|| "<nil>".to_owned(), |value| value.to_string());
    for part in &given.sources {
        if let Some(secret) = &part.secret {
            page.field(2, "SecretName", &secret.name);
            page.field(2, "SecretOptionalName", optional(secret.optional));
        } else if part.downward_api.is_some() {
            page.field(2, "DownwardAPI", true);
        } else if let Some(map) = &part.config_map {
            page.field(2, "ConfigMapName", &map.name);
            page.field(2, "ConfigMapOptional", optional(map.optional));
        } else if let Some(token) = &part.service_account_token {
            page.field(2, "TokenExpirationSeconds", token.expiration_seconds.unwrap_or_default());
        }
    }
}

fn csi(page: &mut Page, csi: &CSIVolumeSource) {
    let (fs_type, read_only) = (csi.fs_type.as_deref().unwrap_or_default(), csi.read_only.unwrap_or_default());
    let fields: [(&str, &dyn Display); 3] = [("Driver", &csi.driver), ("FSType", &fs_type), ("ReadOnly", &read_only)];
    source(page, "CSI (a Container Storage Interface (CSI) volume source)", &fields);
    page.attributes("VolumeAttributes", &csi.volume_attributes);
}

fn ephemeral(page: &mut Page, given: &EphemeralVolumeSource) {
    let type_ = "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)";
    page.field(2, "Type", type_);
    if let Some(template) = &given.volume_claim_template {
        page.nest += 2;
        claim_template(page, template);
        page.nest -= 2;
    }
}

fn claim_template(page: &mut Page, template: &PersistentVolumeClaimTemplate) {
    let (meta, spec) = (&template.metadata, &template.spec);
    let class = meta.annotations.get("volume.beta.kubernetes.io/storage-class").or(spec.storage_class_name.as_ref());
    page.field(0, "StorageClass", class.map_or("", String::as_str));
    page.field(0, "Volume", &spec.volume_name);
    page.labels("Labels", &meta.labels);
    page.annotations("Annotations", &meta.annotations);
    // A template has no status, from which capacity and modes would come.
    page.field(0, "Capacity", if spec.volume_name.is_empty() { "" } else { "0" });
    page.field(0, "Access Modes", "");
    if let Some(mode) = &spec.volume_mode {
        page.field(0, "VolumeMode", mode);
    }
    if let Some(from) = &spec.data_source {
        page.put(0, format_args!("DataSource:\n"));
        if let Some(group) = &from.api_group {
            page.field(1, "APIGroup", group);
        }
        page.field(1, "Kind", &from.kind);
        page.field(1, "Name", &from.name);
    }
}

/// As Go prints a list of strings.
fn list(texts: &[String]) -> String {
    format!("[{}]", texts.join(" "))
}

/// As Go prints a map of strings.
fn map(pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("map[{}]", pairs.join(" "))
}

/// As Kubernetes' types print a reference.
fn reference(secret: Option<&LocalObjectReference>) -> String {
    secret.map_or_else(|| "nil".to_owned(), |secret| format!("&LocalObjectReference{{Name:{},}}", secret.name))
}

/// Sources that need a driver or a cloud; false when the volume has none of them.
fn driver(page: &mut Page, volume: &Volume) -> bool {
    if let Some(v) = &volume.iscsi {
        iscsi(page, v);
    } else if let Some(v) = &volume.rbd {
        rbd(page, v);
    } else if let Some(v) = &volume.scale_io {
        scale_io(page, v);
    } else if let Some(v) = &volume.fc {
        fibre_channel(page, v);
    } else {
        return cloud(page, volume) || shared(page, volume);
    }
    true
}

fn iscsi(page: &mut Page, v: &ISCSIVolumeSource) {
    let (portals, secret) = (list(&v.portals), reference(v.secret_ref.as_ref()));
    let type_ =
        "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)";
    source(page, type_, &[("TargetPortal", &v.target_portal), ("IQN", &v.iqn), ("Lun", &v.lun)]);
    // kubectl leaves the colon out here.
    page.put(2, format_args!("ISCSIInterface\t{}\n", v.iscsi_interface));
    let initiator = v.initiator_name.as_deref().unwrap_or("<none>");
    let rest: [(&str, &dyn Display); 7] = [
        ("FSType", &v.fs_type),
        ("ReadOnly", &v.read_only),
        ("Portals", &portals),
        ("DiscoveryCHAPAuth", &v.chap_auth_discovery),
        ("SessionCHAPAuth", &v.chap_auth_session),
        ("SecretRef", &secret),
        ("InitiatorName", &initiator),
    ];
    for (label, value) in rest {
        page.field(2, label, value);
    }
}

fn rbd(page: &mut Page, v: &RBDVolumeSource) {
    let (monitors, secret) = (list(&v.monitors), reference(v.secret_ref.as_ref()));
    let fields: [(&str, &dyn Display); 8] = [
        ("CephMonitors", &monitors),
        ("RBDImage", &v.image),
        ("FSType", &v.fs_type),
        ("RBDPool", &v.pool),
        ("RadosUser", &v.user),
        ("Keyring", &v.keyring),
        ("SecretRef", &secret),
        ("ReadOnly", &v.read_only),
    ];
    source(page, "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)", &fields);
}

fn scale_io(page: &mut Page, v: &ScaleIOVolumeSource) {
    let fields: [(&str, &dyn Display); 8] = [
        ("Gateway", &v.gateway),
        ("System", &v.system),
        ("Protection Domain", &v.protection_domain),
        ("Storage Pool", &v.storage_pool),
        ("Storage Mode", &v.storage_mode),
        ("VolumeName", &v.volume_name),
        ("FSType", &v.fs_type),
        ("ReadOnly", &v.read_only),
    ];
    source(page, "ScaleIO (a persistent volume backed by a block device in ScaleIO)", &fields);
}

fn fibre_channel(page: &mut Page, v: &FCVolumeSource) {
    let lun = v.lun.map_or_else(|| "<none>".to_owned(), |lun| lun.to_string());
    let names = v.target_wwns.join(", ");
    let fields: [(&str, &dyn Display); 4] =
        [("TargetWWNs", &names), ("LUN", &lun), ("FSType", &v.fs_type), ("ReadOnly", &v.read_only)];
    source(page, "FC (a Fibre Channel disk)", &fields);
}

/// Disks of cloud providers.
fn cloud(page: &mut Page, volume: &Volume) -> bool {
    if let Some(v) = &volume.gce_persistent_disk {
        let type_ = "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)";
        disk(page, type_, ("PDName", &v.pd_name), &v.fs_type, v.partition, v.read_only);
    } else if let Some(v) = &volume.aws_elastic_block_store {
        let type_ = "AWSElasticBlockStore (a Persistent Disk resource in AWS)";
        disk(page, type_, ("VolumeID", &v.volume_id), &v.fs_type, v.partition, v.read_only);
    } else if let Some(v) = &volume.azure_disk {
        let text = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        source(
            page,
            "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
            &[
                ("DiskName", &v.disk_name),
                ("DiskURI", &v.disk_uri),
                ("Kind", &text(&v.kind)),
                ("FSType", &text(&v.fs_type)),
                ("CachingMode", &text(&v.caching_mode)),
                ("ReadOnly", &v.read_only.unwrap_or_default()),
            ],
        );
    } else if let Some(v) = &volume.azure_file {
        let type_ = "AzureFile (an Azure File Service mount on the host and bind mount to the pod)";
        let fields: [(&str, &dyn Display); 3] =
            [("SecretName", &v.secret_name), ("ShareName", &v.share_name), ("ReadOnly", &v.read_only)];
        source(page, type_, &fields);
    } else if let Some(v) = &volume.vsphere_volume {
        let type_ = "vSphereVolume (a Persistent Disk resource in vSphere)";
        let fields: [(&str, &dyn Display); 3] =
            [("VolumePath", &v.volume_path), ("FSType", &v.fs_type), ("StoragePolicyName", &v.storage_policy_name)];
        source(page, type_, &fields);
    } else if let Some(v) = &volume.photon_persistent_disk {
        let type_ = "PhotonPersistentDisk (a Persistent Disk resource in photon platform)";
        source(page, type_, &[("PdID", &v.pd_id), ("FSType", &v.fs_type)]);
    } else if let Some(v) = &volume.cinder {
        let secret = reference(v.secret_ref.as_ref());
        let fields: [(&str, &dyn Display); 4] =
            [("VolumeID", &v.volume_id), ("FSType", &v.fs_type), ("ReadOnly", &v.read_only), ("SecretRef", &secret)];
        source(page, "Cinder (a Persistent Disk resource in OpenStack)", &fields);
    } else {
        return false;
    }
    true
}

fn disk(page: &mut Page, type_: &str, id: (&str, &dyn Display), fs_type: &str, partition: i32, read_only: bool) {
    let fields: [(&str, &dyn Display); 4] =
        [id, ("FSType", &fs_type), ("Partition", &partition), ("ReadOnly", &read_only)];
    source(page, type_, &fields);
}

/// Shared file systems and volumes of other drivers.
fn shared(page: &mut Page, volume: &Volume) -> bool {
    if let Some(v) = &volume.git_repo {
        let type_ = "GitRepo (a volume that is pulled from git when the pod is created)";
        source(page, type_, &[("Repository", &v.repository), ("Revision", &v.revision)]);
    } else if let Some(v) = &volume.glusterfs {
        let type_ = "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)";
        let fields: [(&str, &dyn Display); 3] =
            [("EndpointsName", &v.endpoints), ("Path", &v.path), ("ReadOnly", &v.read_only)];
        source(page, type_, &fields);
    } else if let Some(v) = &volume.quobyte {
        let type_ = "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)";
        let fields: [(&str, &dyn Display); 3] =
            [("Registry", &v.registry), ("Volume", &v.volume), ("ReadOnly", &v.read_only)];
        source(page, type_, &fields);
    } else if let Some(v) = &volume.portworx_volume {
        source(page, "PortworxVolume (a Portworx Volume resource)", &[("VolumeID", &v.volume_id)]);
    } else if let Some(v) = &volume.cephfs {
        let (monitors, secret) = (list(&v.monitors), reference(v.secret_ref.as_ref()));
        let fields: [(&str, &dyn Display); 6] = [
            ("Monitors", &monitors),
            ("Path", &v.path),
            ("User", &v.user),
            ("SecretFile", &v.secret_file),
            ("SecretRef", &secret),
            ("ReadOnly", &v.read_only),
        ];
        source(page, "CephFS (a CephFS mount on the host that shares a pod's lifetime)", &fields);
    } else if let Some(v) = &volume.storageos {
        let fields: [(&str, &dyn Display); 4] = [
            ("VolumeName", &v.volume_name),
            ("VolumeNamespace", &v.volume_namespace),
            ("FSType", &v.fs_type),
            ("ReadOnly", &v.read_only),
        ];
        source(page, "StorageOS (a StorageOS Persistent Disk resource)", &fields);
    } else if let Some(v) = &volume.flex_volume {
        let (secret, options) = (reference(v.secret_ref.as_ref()), map(&v.options));
        let type_ = "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)";
        let fields: [(&str, &dyn Display); 5] = [
            ("Driver", &v.driver),
            ("FSType", &v.fs_type),
            ("SecretRef", &secret),
            ("ReadOnly", &v.read_only),
            ("Options", &options),
        ];
        source(page, type_, &fields);
    } else if let Some(v) = &volume.flocker {
        let fields: [(&str, &dyn Display); 2] = [("DatasetName", &v.dataset_name), ("DatasetUUID", &v.dataset_uuid)];
        source(page, "Flocker (a Flocker volume mounted by the Flocker agent)", &fields);
    } else {
        return false;
    }
    true
}
