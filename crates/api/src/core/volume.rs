//! Volumes of a pod and the sources this program can fill.

use std::collections::BTreeMap;

use crate::core::claim::PersistentVolumeClaimTemplate;
use crate::core::env::{ObjectFieldSelector, ResourceFieldSelector};
use crate::core::reference::LocalObjectReference;
use crate::core::volume_driver::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, AzureFileVolumeSource, CephFSVolumeSource,
    CinderVolumeSource, FCVolumeSource, FlexVolumeSource, FlockerVolumeSource, GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource, GlusterfsVolumeSource, ISCSIVolumeSource, PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource, QuobyteVolumeSource, RBDVolumeSource, ScaleIOVolumeSource, StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
};
use crate::meta::selector::LabelSelector;
use crate::quantity::Quantity;
use crate::schema::object::object;

object! {
    /// A named directory that containers of a pod can mount; exactly one source is set.
    pub struct Volume {
        name: String = "name", 1, [];
        host_path: Option<HostPathVolumeSource> = "hostPath", 1, [omitempty, within(2)];
        empty_dir: Option<EmptyDirVolumeSource> = "emptyDir", 2, [omitempty, within(2)];
        gce_persistent_disk: Option<GCEPersistentDiskVolumeSource> = "gcePersistentDisk", 3, [omitempty, within(2)];
        aws_elastic_block_store: Option<AWSElasticBlockStoreVolumeSource> = "awsElasticBlockStore", 4, [omitempty, within(2)];
        git_repo: Option<GitRepoVolumeSource> = "gitRepo", 5, [omitempty, within(2)];
        secret: Option<SecretVolumeSource> = "secret", 6, [omitempty, within(2)];
        nfs: Option<NFSVolumeSource> = "nfs", 7, [omitempty, within(2)];
        iscsi: Option<ISCSIVolumeSource> = "iscsi", 8, [omitempty, within(2)];
        glusterfs: Option<GlusterfsVolumeSource> = "glusterfs", 9, [omitempty, within(2)];
        persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource> = "persistentVolumeClaim", 10, [omitempty, within(2)];
        rbd: Option<RBDVolumeSource> = "rbd", 11, [omitempty, within(2)];
        flex_volume: Option<FlexVolumeSource> = "flexVolume", 12, [omitempty, within(2)];
        cinder: Option<CinderVolumeSource> = "cinder", 13, [omitempty, within(2)];
        cephfs: Option<CephFSVolumeSource> = "cephfs", 14, [omitempty, within(2)];
        flocker: Option<FlockerVolumeSource> = "flocker", 15, [omitempty, within(2)];
        downward_api: Option<DownwardAPIVolumeSource> = "downwardAPI", 16, [omitempty, within(2)];
        fc: Option<FCVolumeSource> = "fc", 17, [omitempty, within(2)];
        azure_file: Option<AzureFileVolumeSource> = "azureFile", 18, [omitempty, within(2)];
        config_map: Option<ConfigMapVolumeSource> = "configMap", 19, [omitempty, within(2)];
        vsphere_volume: Option<VsphereVirtualDiskVolumeSource> = "vsphereVolume", 20, [omitempty, within(2)];
        quobyte: Option<QuobyteVolumeSource> = "quobyte", 21, [omitempty, within(2)];
        azure_disk: Option<AzureDiskVolumeSource> = "azureDisk", 22, [omitempty, within(2)];
        photon_persistent_disk: Option<PhotonPersistentDiskVolumeSource> = "photonPersistentDisk", 23, [omitempty, within(2)];
        projected: Option<ProjectedVolumeSource> = "projected", 26, [omitempty, within(2)];
        portworx_volume: Option<PortworxVolumeSource> = "portworxVolume", 24, [omitempty, within(2)];
        scale_io: Option<ScaleIOVolumeSource> = "scaleIO", 25, [omitempty, within(2)];
        storageos: Option<StorageOSVolumeSource> = "storageos", 27, [omitempty, within(2)];
        csi: Option<CSIVolumeSource> = "csi", 28, [omitempty, within(2)];
        ephemeral: Option<EphemeralVolumeSource> = "ephemeral", 29, [omitempty, within(2)];
        image: Option<ImageVolumeSource> = "image", 30, [omitempty, within(2)];
    }

    /// A path of the node itself.
    pub struct HostPathVolumeSource {
        path: String = "path", 1, [];
        type_: Option<String> = "type", 2, [omitempty, go("v1.HostPathType")];
    }

    /// An empty directory that lives as long as its pod.
    pub struct EmptyDirVolumeSource {
        medium: String = "medium", 1, [omitempty, go("v1.StorageMedium")];
        size_limit: Option<Quantity> = "sizeLimit", 2, [omitempty];
    }

    /// Files made of a Secret's keys.
    pub struct SecretVolumeSource {
        secret_name: String = "secretName", 1, [omitempty];
        items: Vec<KeyToPath> = "items", 2, [omitempty, list_atomic];
        default_mode: Option<i32> = "defaultMode", 3, [omitempty];
        optional: Option<bool> = "optional", 4, [omitempty];
    }

    /// Files made of a ConfigMap's keys.
    pub struct ConfigMapVolumeSource {
        name: String = "name", 1, [omitempty, within(1)];
        items: Vec<KeyToPath> = "items", 2, [omitempty, list_atomic];
        default_mode: Option<i32> = "defaultMode", 3, [omitempty];
        optional: Option<bool> = "optional", 4, [omitempty];
    }

    /// Which key becomes which file.
    pub struct KeyToPath {
        key: String = "key", 1, [];
        path: String = "path", 2, [];
        mode: Option<i32> = "mode", 3, [omitempty];
    }

    /// Files made of the pod's own fields.
    pub struct DownwardAPIVolumeSource {
        items: Vec<DownwardAPIVolumeFile> = "items", 1, [omitempty, list_atomic];
        default_mode: Option<i32> = "defaultMode", 2, [omitempty];
    }

    /// One file made of one field of the pod.
    pub struct DownwardAPIVolumeFile {
        path: String = "path", 1, [];
        field_ref: Option<ObjectFieldSelector> = "fieldRef", 2, [omitempty];
        resource_field_ref: Option<ResourceFieldSelector> = "resourceFieldRef", 3, [omitempty];
        mode: Option<i32> = "mode", 4, [omitempty];
    }

    /// Several sources laid into one directory.
    pub struct ProjectedVolumeSource {
        sources: Vec<VolumeProjection> = "sources", 1, [optional, list_atomic];
        default_mode: Option<i32> = "defaultMode", 2, [omitempty];
    }

    /// One source of a projected volume; exactly one is set.
    pub struct VolumeProjection {
        secret: Option<SecretProjection> = "secret", 1, [omitempty];
        downward_api: Option<DownwardAPIProjection> = "downwardAPI", 2, [omitempty];
        config_map: Option<ConfigMapProjection> = "configMap", 3, [omitempty];
        service_account_token: Option<ServiceAccountTokenProjection> = "serviceAccountToken", 4, [omitempty];
        cluster_trust_bundle: Option<ClusterTrustBundleProjection> = "clusterTrustBundle", 5, [omitempty];
        pod_certificate: Option<PodCertificateProjection> = "podCertificate", 6, [omitempty];
    }

    /// A Secret's keys within a projected volume.
    pub struct SecretProjection {
        name: String = "name", 1, [omitempty, within(1)];
        items: Vec<KeyToPath> = "items", 2, [omitempty, list_atomic];
        optional: Option<bool> = "optional", 4, [omitempty];
    }

    /// The pod's own fields within a projected volume.
    pub struct DownwardAPIProjection {
        items: Vec<DownwardAPIVolumeFile> = "items", 1, [omitempty, list_atomic];
    }

    /// A ConfigMap's keys within a projected volume.
    pub struct ConfigMapProjection {
        name: String = "name", 1, [omitempty, within(1)];
        items: Vec<KeyToPath> = "items", 2, [omitempty, list_atomic];
        optional: Option<bool> = "optional", 4, [omitempty];
    }

    /// A token of the pod's service account, renewed before it expires.
    pub struct ServiceAccountTokenProjection {
        audience: String = "audience", 1, [omitempty];
        expiration_seconds: Option<i64> = "expirationSeconds", 2, [omitempty];
        path: String = "path", 3, [];
    }

    /// Trust anchors of the cluster within a projected volume.
    pub struct ClusterTrustBundleProjection {
        name: Option<String> = "name", 1, [omitempty];
        signer_name: Option<String> = "signerName", 2, [omitempty];
        label_selector: Option<LabelSelector> = "labelSelector", 3, [omitempty];
        optional: Option<bool> = "optional", 5, [omitempty];
        path: String = "path", 4, [];
    }

    /// A key and certificate issued for the pod.
    pub struct PodCertificateProjection {
        signer_name: String = "signerName", 1, [omitempty, required];
        key_type: String = "keyType", 2, [omitempty, required];
        max_expiration_seconds: Option<i32> = "maxExpirationSeconds", 3, [omitempty];
        credential_bundle_path: String = "credentialBundlePath", 4, [omitempty];
        key_path: String = "keyPath", 5, [omitempty];
        certificate_chain_path: String = "certificateChainPath", 6, [omitempty];
        user_annotations: BTreeMap<String, String> = "userAnnotations", 7, [omitempty];
    }

    /// A claim whose volume is mounted.
    pub struct PersistentVolumeClaimVolumeSource {
        claim_name: String = "claimName", 1, [];
        read_only: bool = "readOnly", 2, [omitempty];
    }

    /// A claim that is made for the pod and goes with it.
    pub struct EphemeralVolumeSource {
        volume_claim_template: Option<PersistentVolumeClaimTemplate> = "volumeClaimTemplate", 1, [omitempty];
    }

    /// The files of an OCI image or artifact.
    pub struct ImageVolumeSource {
        reference: String = "reference", 1, [omitempty];
        pull_policy: String = "pullPolicy", 2, [omitempty, go("v1.PullPolicy")];
    }

    /// An ephemeral volume of a CSI driver.
    pub struct CSIVolumeSource {
        driver: String = "driver", 1, [];
        read_only: Option<bool> = "readOnly", 2, [omitempty];
        fs_type: Option<String> = "fsType", 3, [omitempty];
        volume_attributes: BTreeMap<String, String> = "volumeAttributes", 4, [omitempty];
        node_publish_secret_ref: Option<LocalObjectReference> = "nodePublishSecretRef", 5, [omitempty];
    }

    /// A directory of an NFS server.
    pub struct NFSVolumeSource {
        server: String = "server", 1, [];
        path: String = "path", 2, [];
        read_only: bool = "readOnly", 3, [omitempty];
    }
}
