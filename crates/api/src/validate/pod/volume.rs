//! Volumes of a pod to faults, and which names mounts may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::env::{ObjectFieldSelector, ResourceFieldSelector};
use crate::core::volume::{
    ClusterTrustBundleProjection, DownwardAPIVolumeFile, KeyToPath, PodCertificateProjection, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use crate::validate::claim::validate_claim_template;
use crate::validate::error::{Errors, Shown};
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::common::PULL_POLICIES;
use crate::validate::pod::driver;
use crate::validate::pod::env::{FILE_FIELDS, validate_field, validate_resource_field};
use crate::validate::pod::place::{validate_local_path, validate_no_backsteps};
use crate::validate::pod::source::Sources;
use crate::validate::selector::validate_selector;

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// What the volumes belong to.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// The pod's name; none within a template.
    pub pod_name: Option<&'a str>,
}

/// The volumes of a pod; gives the valid ones by name.
pub fn validate_volumes<'v>(
    path: &Path<'_>,
    volumes: &'v [Volume],
    owner: Owner<'_>,
    errors: &mut Errors,
) -> BTreeMap<&'v str, &'v Volume> {
    let pod = owner.pod_name.filter(|name| !name.is_empty());
    let made: BTreeSet<String> = volumes
        .iter()
        .filter(|v| v.ephemeral.is_some())
        .filter_map(|v| pod.map(|pod| format!("{pod}-{}", v.name)))
        .collect();
    let mut valid = BTreeMap::new();
    for (i, volume) in volumes.iter().enumerate() {
        let at = path.index(i);
        let before = errors.len();
        validate_source(&at, volume, owner, errors);
        let name_at = at.child("name");
        if !errors.required_text(&name_at, &volume.name) {
            errors.invalid_each(&name_at, &volume.name, name::dns_label(&volume.name));
        }
        if valid.contains_key(volume.name.as_str()) {
            errors.duplicate(&name_at, &volume.name);
        }
        if errors.len() == before {
            valid.insert(volume.name.as_str(), volume);
        }
        if let Some(claim) = &volume.persistent_volume_claim
            && made.contains(&claim.claim_name)
        {
            let at = at.child("persistentVolumeClaim");
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&at.child("claimName"), &claim.claim_name, detail);
        }
    }
    valid
}

fn validate_source(path: &Path<'_>, volume: &Volume, owner: Owner<'_>, errors: &mut Errors) {
    let mut sources = Sources::default();
    if let Some(dir) = &volume.empty_dir {
        sources.0 += 1;
        if dir.size_limit.is_some_and(|limit| limit.sign() < 0) {
            let at = path.child("emptyDir");
            errors.forbidden(&at.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
        }
    }
    if let Some(host) = &volume.host_path
        && sources.first(path, "hostPath", errors)
    {
        let at = path.child("hostPath");
        if !errors.required_text(&at.child("path"), &host.path) {
            validate_no_backsteps(&at.child("path"), &host.path, errors);
            if let Some(kind) = &host.type_ {
                errors.one_of(&at.child("type"), kind, HOST_PATH_TYPES);
            }
        }
    }
    // Kubernetes' order: of two sources the later one is a fault too many.
    driver::validate_first(path, volume, &mut sources, errors);
    validate_secret(path, volume, &mut sources, errors);
    driver::validate_network(path, volume, &mut sources, errors);
    validate_claim(path, volume, &mut sources, errors);
    driver::validate_ceph(path, volume, &mut sources, errors);
    validate_downward(path, volume, &mut sources, errors);
    driver::validate_fibre(path, volume, &mut sources, errors);
    validate_config_map(path, volume, &mut sources, errors);
    driver::validate_cloud(path, volume, &mut sources, errors);
    validate_projection_source(path, volume, &mut sources, errors);
    driver::validate_scale(path, volume, &mut sources, errors);
    validate_late_source(path, volume, owner, &mut sources, errors);
    if sources.0 == 0 {
        errors.required(path, "must specify a volume type");
    }
}

fn validate_secret(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(secret) = &volume.secret
        && sources.first(path, "secret", errors)
    {
        let at = path.child("secret");
        errors.required_text(&at.child("secretName"), &secret.secret_name);
        validate_mode(&at.child("defaultMode"), secret.default_mode, errors);
        validate_items(&at.child("items"), &secret.items, errors);
    }
    if let Some(nfs) = &volume.nfs
        && sources.first(path, "nfs", errors)
    {
        let at = path.child("nfs");
        errors.required_text(&at.child("server"), &nfs.server);
        errors.required_text(&at.child("path"), &nfs.path);
        if !nfs.path.starts_with('/') {
            errors.invalid(&at.child("path"), &nfs.path, "must be an absolute path");
        }
    }
}

fn validate_claim(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(claim) = &volume.persistent_volume_claim
        && sources.first(path, "persistentVolumeClaim", errors)
    {
        errors.required_text(&path.child("persistentVolumeClaim").child("claimName"), &claim.claim_name);
    }
}

fn validate_downward(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    // Kubernetes misspells the field here.
    if let Some(downward) = &volume.downward_api
        && sources.first(path, "downwarAPI", errors)
    {
        let at = path.child("downwardAPI");
        validate_mode(&at.child("defaultMode"), downward.default_mode, errors);
        for file in &downward.items {
            validate_downward_file(&at, file, errors);
        }
    }
}

fn validate_config_map(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(map) = &volume.config_map
        && sources.first(path, "configMap", errors)
    {
        let at = path.child("configMap");
        errors.required_text(&at.child("name"), &map.name);
        validate_mode(&at.child("defaultMode"), map.default_mode, errors);
        validate_items(&at.child("items"), &map.items, errors);
    }
}

fn validate_projection_source(path: &Path<'_>, volume: &Volume, sources: &mut Sources, errors: &mut Errors) {
    if let Some(projected) = &volume.projected
        && sources.first(path, "projected", errors)
    {
        let at = path.child("projected");
        validate_mode(&at.child("defaultMode"), projected.default_mode, errors);
        validate_projected(&at, projected, errors);
    }
}

fn validate_late_source(
    path: &Path<'_>,
    volume: &Volume,
    owner: Owner<'_>,
    sources: &mut Sources,
    errors: &mut Errors,
) {
    if let Some(csi) = &volume.csi
        && sources.first(path, "csi", errors)
    {
        let at = path.child("csi");
        let driver = at.child("driver");
        errors.required_text(&driver, &csi.driver);
        if csi.driver.len() > 63 {
            errors.too_long(&driver, 63);
        }
        errors.invalid_each(
            &driver,
            &csi.driver,
            if csi.driver.is_empty() { Vec::new() } else { name::dns_subdomain(&csi.driver.to_lowercase()) },
        );
        if let Some(secret) = &csi.node_publish_secret_ref
            && !errors.required_text(&at.child("nodePublishSecretRef").child("name"), &secret.name)
        {
            errors.invalid_each(&at.child("name"), &secret.name, name::dns_subdomain(&secret.name));
        }
    }
    if let Some(ephemeral) = &volume.ephemeral
        && sources.first(path, "ephemeral", errors)
    {
        let at = path.child("ephemeral");
        let template_at = at.child("volumeClaimTemplate");
        match &ephemeral.volume_claim_template {
            None => errors.required(&template_at, ""),
            Some(template) => validate_claim_template(&template_at, template, errors),
        }
        if let Some(pod) = owner.pod_name.filter(|pod| !pod.is_empty() && !volume.name.is_empty()) {
            let claim = format!("{pod}-{}", volume.name);
            for fault in name::dns_subdomain(&claim) {
                errors.invalid(&path.child("name"), &volume.name, &format!("PVC name {}: {fault}", claim.shown()));
            }
        }
    }
    if let Some(image) = &volume.image
        && sources.first(path, "image", errors)
    {
        let at = path.child("image");
        if owner.pod_name.is_some() {
            errors.required_text(&at.child("reference"), &image.reference);
        }
        errors.required_one_of(&at.child("pullPolicy"), &image.pull_policy, PULL_POLICIES);
    }
}

fn validate_items(path: &Path<'_>, items: &[KeyToPath], errors: &mut Errors) {
    for (i, item) in items.iter().enumerate() {
        validate_key_to_path(&path.index(i), item, errors);
    }
}

fn validate_key_to_path(path: &Path<'_>, item: &KeyToPath, errors: &mut Errors) {
    errors.required_text(&path.child("key"), &item.key);
    errors.required_text(&path.child("path"), &item.path);
    validate_local_path(&path.child("path"), &item.path, errors);
    validate_mode(&path.child("mode"), item.mode, errors);
}

fn validate_mode(path: &Path<'_>, mode: Option<i32>, errors: &mut Errors) {
    if let Some(mode) = mode
        && !(0..=0o777).contains(&mode)
    {
        errors.invalid(path, &mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn validate_downward_file(path: &Path<'_>, file: &DownwardAPIVolumeFile, errors: &mut Errors) {
    errors.required_text(&path.child("path"), &file.path);
    validate_local_path(&path.child("path"), &file.path, errors);
    let field: Option<&ObjectFieldSelector> = file.field_ref.as_ref();
    let resource: Option<&ResourceFieldSelector> = file.resource_field_ref.as_ref();
    match (field, resource) {
        (Some(field), resource) => {
            validate_field(&path.child("fieldRef"), field, FILE_FIELDS, errors);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, "resource", detail);
            }
        }
        (None, Some(resource)) => {
            validate_resource_field(&path.child("resourceFieldRef"), resource, true, errors);
        }
        (None, None) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    validate_mode(&path.child("mode"), file.mode, errors);
}

fn validate_projected(path: &Path<'_>, projected: &ProjectedVolumeSource, errors: &mut Errors) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let sources = path.child("sources");
    for (i, source) in projected.sources.iter().enumerate() {
        let at = sources.index(i);
        let count = validate_projection(path, &at, source, &mut taken, errors);
        if count > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

/// Remembers a path of a projected volume; a second use of it is a fault of the whole volume.
fn take(taken: &mut BTreeSet<String>, volume: &Path<'_>, file: &str, shown: &str, errors: &mut Errors) {
    if !file.is_empty() && !taken.insert(file.to_owned()) {
        errors.invalid(volume, shown, "conflicting duplicate paths");
    }
}

fn validate_projection(
    volume: &Path<'_>,
    path: &Path<'_>,
    source: &VolumeProjection,
    taken: &mut BTreeSet<String>,
    errors: &mut Errors,
) -> usize {
    let mut count = 0;
    let keyed = [
        ("secret", source.secret.as_ref().map(|s| (&s.name, &s.items))),
        ("configMap", source.config_map.as_ref().map(|s| (&s.name, &s.items))),
    ];
    for (field, keyed) in keyed {
        let Some((object, items)) = keyed else { continue };
        count += 1;
        let at = path.child(field);
        errors.required_text(&at.child("name"), object);
        let items_at = at.child("items");
        for (i, item) in items.iter().enumerate() {
            validate_key_to_path(&items_at.index(i), item, errors);
            take(taken, volume, &item.path, object, errors);
        }
    }
    if let Some(downward) = &source.downward_api {
        count += 1;
        for file in &downward.items {
            validate_downward_file(&path.child("downwardAPI"), file, errors);
            take(taken, volume, &file.path, &file.path, errors);
        }
    }
    if let Some(token) = &source.service_account_token {
        count += 1;
        validate_token(volume, &path.child("serviceAccountToken"), token, errors);
    }
    if let Some(bundle) = &source.cluster_trust_bundle {
        count += 1;
        validate_trust_bundle(&path.child("clusterTrustBundle"), bundle, errors);
        // An empty path takes part here, as in Kubernetes.
        if !taken.insert(bundle.path.clone()) {
            errors.invalid(volume, &bundle.path, "conflicting duplicate paths");
        }
    }
    if let Some(certificate) = &source.pod_certificate {
        count += 1;
        validate_certificate(volume, &path.child("podCertificate"), certificate, taken, errors);
    }
    count
}

fn validate_token(volume: &Path<'_>, path: &Path<'_>, token: &ServiceAccountTokenProjection, errors: &mut Errors) {
    let seconds = token.expiration_seconds.unwrap_or_default();
    let at = path.child("expirationSeconds");
    if seconds < 600 {
        errors.invalid(&at, &seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        errors.invalid(&at, &seconds, "may not specify a duration larger than 2^32 seconds");
    }
    if !errors.required_text(&volume.child("path"), &token.path) {
        validate_local_path(&volume.child("path"), &token.path, errors);
    }
}

fn validate_trust_bundle(path: &Path<'_>, bundle: &ClusterTrustBundleProjection, errors: &mut Errors) {
    match (&bundle.name, &bundle.signer_name) {
        (Some(_), Some(_)) => errors.invalid(path, bundle, "only one of name and signerName may be used"),
        (Some(name), None) => {
            let at = path.child("name");
            if name.is_empty() {
                errors.required(&at, "must be a valid object name");
            }
            for fault in name::dns_subdomain(&name.replace(':', ".")) {
                errors.invalid(&at, name, &format!("not a valid clustertrustbundlename: {fault}"));
            }
            if let Some(selector) = &bundle.label_selector {
                let detail = "labelSelector must be unset if name is specified";
                errors.invalid(&path.child("labelSelector"), selector, detail);
            }
        }
        (None, Some(signer)) => {
            let at = path.child("signerName");
            if signer.is_empty() {
                errors.required(&at, "must be a valid signer name");
            }
            validate_signer(&at, signer, errors);
            validate_selector(&path.child("labelSelector"), bundle.label_selector.as_ref(), errors);
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    errors.required_text(&path.child("path"), &bundle.path);
    validate_local_path(&path.child("path"), &bundle.path, errors);
}

fn validate_signer(path: &Path<'_>, signer: &str, errors: &mut Errors) {
    match signer.split_once('/') {
        None if signer.is_empty() => errors.required(path, ""),
        None => errors.invalid(
            path,
            signer,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
        Some((domain, _)) => {
            errors.invalid_each(path, domain, name::dns_subdomain(domain));
            if !domain.contains('.') {
                errors.invalid(path, domain, "should be a domain with at least two segments separated by dots");
            }
        }
    }
}

fn validate_certificate(
    volume: &Path<'_>,
    path: &Path<'_>,
    certificate: &PodCertificateProjection,
    taken: &mut BTreeSet<String>,
    errors: &mut Errors,
) {
    const KEY_TYPES: &[&str] = &["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    validate_signer(&path.child("signerName"), &certificate.signer_name, errors);
    errors.one_of(&path.child("keyType"), &certificate.key_type, KEY_TYPES);
    if let Some(seconds) = certificate.max_expiration_seconds {
        let at = path.child("maxExpirationSeconds");
        if seconds < 3600 {
            errors.invalid(&at, &seconds, "if provided, maxExpirationSeconds must be >= 3600");
        }
        if seconds > 91 * 24 * 3600 {
            errors.invalid(&at, &seconds, "if provided, maxExpirationSeconds must be <= 7862400");
        }
    }
    let files = [
        ("credentialBundlePath", &certificate.credential_bundle_path),
        ("keyPath", &certificate.key_path),
        ("certificateChainPath", &certificate.certificate_chain_path),
    ];
    let mut any = false;
    for (field, file) in files {
        if !file.is_empty() {
            any = true;
            validate_local_path(&path.child(field), file, errors);
            take(taken, volume, file, file, errors);
        }
    }
    if !any {
        errors.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
    }
}
