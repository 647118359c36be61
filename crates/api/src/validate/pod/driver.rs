//! Volume sources of storage vendors to faults.

use crate::core::volume::Volume;
use crate::core::volume_driver::{
    AzureDiskVolumeSource, FCVolumeSource, FlexVolumeSource, FlockerVolumeSource, ISCSIVolumeSource,
    QuobyteVolumeSource, StorageOSVolumeSource,
};
use crate::validate::error::{Errors, Shown};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::place::validate_descending_path;
use crate::validate::pod::source::Sources;

fn required(path: &Path<'_>, fields: &[(&str, &str)], errors: &mut Errors) {
    for (field, value) in fields {
        errors.required_text(&path.child(field), value);
    }
}

/// What Kubernetes looks at before sources of its own.
pub(super) fn validate_first(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(git) = &volume.git_repo
        && sources.first(path, "gitRepo", errors)
    {
        let at = path.child("gitRepo");
        errors.required_text(&at.child("repository"), &git.repository);
        validate_descending_path(&at.child("directory"), &git.directory, errors);
    }
    if let Some(disk) = &volume.gce_persistent_disk
        && sources.first(path, "gcePersistentDisk", errors)
    {
        let at = path.child("persistentDisk");
        errors.required_text(&at.child("pdName"), &disk.pd_name);
        validate_partition(&at.child("partition"), disk.partition, errors);
    }
    if let Some(disk) = &volume.aws_elastic_block_store
        && sources.first(path, "awsElasticBlockStore", errors)
    {
        let at = path.child("awsElasticBlockStore");
        errors.required_text(&at.child("volumeID"), &disk.volume_id);
        validate_partition(&at.child("partition"), disk.partition, errors);
    }
}

fn validate_partition(path: &Path<'_>, partition: i32, errors: &mut Errors) {
    if !(0..=255).contains(&partition) {
        errors.invalid(path, &partition, "must be between 1 and 255, inclusive");
    }
}

/// What it looks at after NFS.
pub(super) fn validate_network(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(iscsi) = &volume.iscsi {
        if sources.first(path, "iscsi", errors) {
            validate_iscsi(&path.child("iscsi"), iscsi, errors);
        }
        if iscsi.initiator_name.is_some() && volume.name.len() + 1 + iscsi.target_portal.len() > 64 {
            let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if \
                          iscsi.initiatorName is specified.";
            errors.invalid(&path.child("name"), &volume.name, detail);
        }
    }
    if let Some(v) = &volume.glusterfs
        && sources.first(path, "glusterfs", errors)
    {
        required(&path.child("glusterfs"), &[("endpoints", &v.endpoints), ("path", &v.path)], errors);
    }
    if let Some(v) = &volume.flocker
        && sources.first(path, "flocker", errors)
    {
        validate_flocker(&path.child("flocker"), v, errors);
    }
}

/// What it looks at after claims.
pub(super) fn validate_ceph(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(v) = &volume.rbd
        && sources.first(path, "rbd", errors)
    {
        let at = path.child("rbd");
        if v.monitors.is_empty() {
            errors.required(&at.child("monitors"), "");
        }
        errors.required_text(&at.child("image"), &v.image);
    }
    if let Some(v) = &volume.cinder
        && sources.first(path, "cinder", errors)
    {
        let at = path.child("cinder");
        errors.required_text(&at.child("volumeID"), &v.volume_id);
        if let Some(secret) = &v.secret_ref {
            errors.required_text(&at.child("secretRef").child("name"), &secret.name);
        }
    }
    if let Some(v) = &volume.cephfs
        && sources.first(path, "cephFS", errors)
        && v.monitors.is_empty()
    {
        errors.required(&path.child("cephfs").child("monitors"), "");
    }
    if let Some(v) = &volume.quobyte
        && sources.first(path, "quobyte", errors)
    {
        validate_quobyte(&path.child("quobyte"), v, errors);
    }
}

/// What it looks at after the downward API.
pub(super) fn validate_fibre(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(v) = &volume.fc
        && sources.first(path, "fc", errors)
    {
        validate_fc(&path.child("fc"), v, errors);
    }
    if let Some(v) = &volume.flex_volume
        && sources.first(path, "flexVolume", errors)
    {
        validate_flex(&path.child("flexVolume"), v, errors);
    }
}

/// What it looks at after ConfigMaps.
pub(super) fn validate_cloud(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(v) = &volume.azure_file
        && sources.first(path, "azureFile", errors)
    {
        required(&path.child("azureFile"), &[("secretName", &v.secret_name), ("shareName", &v.share_name)], errors);
    }
    if let Some(v) = &volume.vsphere_volume
        && sources.first(path, "vsphereVolume", errors)
    {
        required(&path.child("vsphereVolume"), &[("volumePath", &v.volume_path)], errors);
    }
    if let Some(v) = &volume.photon_persistent_disk
        && sources.first(path, "photonPersistentDisk", errors)
    {
        required(&path.child("photonPersistentDisk"), &[("pdID", &v.pd_id)], errors);
    }
    if let Some(v) = &volume.portworx_volume
        && sources.first(path, "portworxVolume", errors)
    {
        required(&path.child("portworxVolume"), &[("volumeID", &v.volume_id)], errors);
    }
    if let Some(v) = &volume.azure_disk
        && sources.first(path, "azureDisk", errors)
    {
        validate_azure_disk(&path.child("azureDisk"), v, errors);
    }
    if let Some(v) = &volume.storageos
        && sources.first(path, "storageos", errors)
    {
        validate_storageos(&path.child("storageos"), v, errors);
    }
}

/// What it looks at after projected volumes.
pub(super) fn validate_scale(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(v) = &volume.scale_io
        && sources.first(path, "scaleIO", errors)
    {
        let fields = [("gateway", v.gateway.as_str()), ("system", &v.system), ("volumeName", &v.volume_name)];
        required(&path.child("scaleIO"), &fields, errors);
    }
}

fn validate_iscsi(path: &Path<'_>, v: &ISCSIVolumeSource, errors: &mut Errors) {
    errors.required_text(&path.child("targetPortal"), &v.target_portal);
    if !errors.required_text(&path.child("iqn"), &v.iqn) {
        validate_iscsi_name(&path.child("iqn"), &v.iqn, errors);
    }
    if !(0..=255).contains(&v.lun) {
        errors.invalid(&path.child("lun"), &v.lun, "must be between 0 and 255, inclusive");
    }
    if (v.chap_auth_discovery || v.chap_auth_session) && v.secret_ref.is_none() {
        errors.required(&path.child("secretRef"), "");
    }
    if let Some(initiator) = &v.initiator_name {
        validate_iscsi_name(&path.child("initiatorname"), initiator, errors);
    }
}

/// `iqn.YYYY-MM.domain:name`, `eui.` and 16 letters or digits, `naa.` and 32.
fn validate_iscsi_name(path: &Path<'_>, text: &str, errors: &mut Errors) {
    let alphanumeric = |rest: &str, count: usize| {
        rest.len() == count + 1 && rest.as_bytes()[1..].iter().all(u8::is_ascii_alphanumeric)
    };
    let good = match (text.strip_prefix("iqn"), text.strip_prefix("eui"), text.strip_prefix("naa")) {
        (Some(rest), ..) => is_iqn(rest),
        (_, Some(rest), _) => alphanumeric(rest, 16),
        (.., Some(rest)) => alphanumeric(rest, 32),
        _ => {
            errors.invalid(path, text, "must be valid format starting with iqn, eui, or naa");
            return;
        }
    };
    if !good {
        errors.invalid(path, text, "must be valid format");
    }
}

fn is_iqn(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let date = bytes.len() > 9
        && bytes[0] == b'.'
        && bytes[1..5].iter().chain(&bytes[6..8]).all(u8::is_ascii_digit)
        && bytes[5] == b'-'
        && bytes[8] == b'.';
    let Some((domain, unit)) = rest.get(9..).and_then(|rest| rest.split_once(':')) else { return false };
    date && !domain.is_empty()
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !unit.is_empty()
        && !unit.contains(|c: char| ",;*&$|".contains(c) || c.is_ascii_whitespace())
}

fn validate_flocker(path: &Path<'_>, v: &FlockerVolumeSource, errors: &mut Errors) {
    if v.dataset_name.is_empty() && v.dataset_uuid.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !v.dataset_name.is_empty() && !v.dataset_uuid.is_empty() {
        errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
    }
    if v.dataset_name.contains('/') {
        errors.invalid(&path.child("datasetName"), &v.dataset_name, "must not contain '/'");
    }
}

fn validate_quobyte(path: &Path<'_>, v: &QuobyteVolumeSource, errors: &mut Errors) {
    const PAIRS: &str = "must be a host:port pair or multiple pairs separated by commas";
    if v.registry.is_empty() {
        errors.required(&path.child("registry"), PAIRS);
    } else if v.tenant.len() >= 65 {
        errors.required(&path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for pair in v.registry.split(',') {
            let bracketed = pair.starts_with('[') && pair.contains("]:");
            if !bracketed && pair.matches(':').count() != 1 {
                errors.invalid(&path.child("registry"), &v.registry, PAIRS);
            }
        }
    }
    errors.required_text(&path.child("volume"), &v.volume);
}

fn validate_fc(path: &Path<'_>, v: &FCVolumeSource, errors: &mut Errors) {
    let targets = path.child("targetWWNs");
    if v.target_wwns.is_empty() && v.wwids.is_empty() {
        errors.required(&targets, "must specify either targetWWNs or wwids, but not both");
    }
    if v.target_wwns.is_empty() {
        return;
    }
    if !v.wwids.is_empty() {
        errors.invalid(&targets, &v.target_wwns, "targetWWNs and wwids can not be specified simultaneously");
    }
    match v.lun {
        None => errors.required(&path.child("lun"), "lun is required if targetWWNs is specified"),
        Some(lun) => errors.in_range(&path.child("lun"), i64::from(lun), 0, 255),
    }
}

fn validate_flex(path: &Path<'_>, v: &FlexVolumeSource, errors: &mut Errors) {
    errors.required_text(&path.child("driver"), &v.driver);
    for key in v.options.keys() {
        let namespace = key.split_once('/').map_or(key.as_str(), |(namespace, _)| namespace);
        let normal = format!(".{}", namespace.to_lowercase());
        if normal.ends_with(".kubernetes.io") || normal.ends_with(".k8s.io") {
            let options = path.child("options");
            errors.invalid(&options.key(key), key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

fn validate_azure_disk(path: &Path<'_>, v: &AzureDiskVolumeSource, errors: &mut Errors) {
    required(path, &[("diskName", &v.disk_name), ("diskURI", &v.disk_uri)], errors);
    if let Some(mode) = &v.caching_mode {
        errors.one_of(&path.child("cachingMode"), mode, &["None", "ReadOnly", "ReadWrite"]);
    }
    let Some(kind) = &v.kind else { return };
    errors.one_of(&path.child("kind"), kind, &["Dedicated", "Managed", "Shared"]);
    let managed = kind == "Managed";
    let (prefix, form) = if managed {
        let form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
        ("/subscriptions/", form)
    } else {
        ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
    };
    if !v.disk_uri.starts_with(prefix) {
        errors.not_supported_shown(&path.child("diskURI"), v.disk_uri.shown(), &[form]);
    }
}

fn validate_storageos(path: &Path<'_>, v: &StorageOSVolumeSource, errors: &mut Errors) {
    if !errors.required_text(&path.child("volumeName"), &v.volume_name) {
        errors.invalid_each(&path.child("volumeName"), &v.volume_name, name::dns_label(&v.volume_name));
    }
    if !v.volume_namespace.is_empty() {
        errors.invalid_each(&path.child("volumeNamespace"), &v.volume_namespace, name::dns_label(&v.volume_namespace));
    }
    if let Some(secret) = &v.secret_ref {
        errors.required_text(&path.child("secretRef").child("name"), &secret.name);
    }
}
