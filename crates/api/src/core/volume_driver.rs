//! Volume sources that belong to storage vendors: read, checked and stored, not mounted.

use std::collections::BTreeMap;

use crate::core::reference::LocalObjectReference;
use crate::schema::object::object;

object! {
    /// A Google Compute Engine disk.
    pub struct GCEPersistentDiskVolumeSource {
        pd_name: String = "pdName", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        partition: i32 = "partition", 3, [omitempty];
        read_only: bool = "readOnly", 4, [omitempty];
    }

    /// An Amazon EBS disk.
    pub struct AWSElasticBlockStoreVolumeSource {
        volume_id: String = "volumeID", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        partition: i32 = "partition", 3, [omitempty];
        read_only: bool = "readOnly", 4, [omitempty];
    }

    /// A checkout of a git repository (no longer run by Kubernetes).
    pub struct GitRepoVolumeSource {
        repository: String = "repository", 1, [];
        revision: String = "revision", 2, [omitempty];
        directory: String = "directory", 3, [omitempty];
    }

    /// A disk over iSCSI.
    pub struct ISCSIVolumeSource {
        target_portal: String = "targetPortal", 1, [];
        iqn: String = "iqn", 2, [];
        lun: i32 = "lun", 3, [];
        iscsi_interface: String = "iscsiInterface", 4, [omitempty];
        fs_type: String = "fsType", 5, [omitempty];
        read_only: bool = "readOnly", 6, [omitempty];
        portals: Vec<String> = "portals", 7, [omitempty, list_atomic];
        chap_auth_discovery: bool = "chapAuthDiscovery", 8, [omitempty];
        chap_auth_session: bool = "chapAuthSession", 11, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 10, [omitempty];
        initiator_name: Option<String> = "initiatorName", 12, [omitempty];
    }

    /// A Glusterfs volume.
    pub struct GlusterfsVolumeSource {
        endpoints: String = "endpoints", 1, [];
        path: String = "path", 2, [];
        read_only: bool = "readOnly", 3, [omitempty];
    }

    /// A Ceph block device.
    pub struct RBDVolumeSource {
        monitors: Vec<String> = "monitors", 1, [list_atomic];
        image: String = "image", 2, [];
        fs_type: String = "fsType", 3, [omitempty];
        pool: String = "pool", 4, [omitempty];
        user: String = "user", 5, [omitempty];
        keyring: String = "keyring", 6, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 7, [omitempty];
        read_only: bool = "readOnly", 8, [omitempty];
    }

    /// A volume of a FlexVolume driver.
    pub struct FlexVolumeSource {
        driver: String = "driver", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 3, [omitempty];
        read_only: bool = "readOnly", 4, [omitempty];
        options: BTreeMap<String, String> = "options", 5, [omitempty];
    }

    /// An OpenStack Cinder disk.
    pub struct CinderVolumeSource {
        volume_id: String = "volumeID", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        read_only: bool = "readOnly", 3, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 4, [omitempty];
    }

    /// A Ceph file system.
    pub struct CephFSVolumeSource {
        monitors: Vec<String> = "monitors", 1, [list_atomic];
        path: String = "path", 2, [omitempty];
        user: String = "user", 3, [omitempty];
        secret_file: String = "secretFile", 4, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 5, [omitempty];
        read_only: bool = "readOnly", 6, [omitempty];
    }

    /// A Flocker volume.
    pub struct FlockerVolumeSource {
        dataset_name: String = "datasetName", 1, [omitempty];
        dataset_uuid: String = "datasetUUID", 2, [omitempty];
    }

    /// A Fibre Channel disk.
    pub struct FCVolumeSource {
        target_wwns: Vec<String> = "targetWWNs", 1, [omitempty, list_atomic];
        lun: Option<i32> = "lun", 2, [omitempty];
        fs_type: String = "fsType", 3, [omitempty];
        read_only: bool = "readOnly", 4, [omitempty];
        wwids: Vec<String> = "wwids", 5, [omitempty, list_atomic];
    }

    /// An Azure file share.
    pub struct AzureFileVolumeSource {
        secret_name: String = "secretName", 1, [];
        share_name: String = "shareName", 2, [];
        read_only: bool = "readOnly", 3, [omitempty];
    }

    /// A vSphere disk.
    pub struct VsphereVirtualDiskVolumeSource {
        volume_path: String = "volumePath", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        storage_policy_name: String = "storagePolicyName", 3, [omitempty];
        storage_policy_id: String = "storagePolicyID", 4, [omitempty];
    }

    /// A Quobyte volume.
    pub struct QuobyteVolumeSource {
        registry: String = "registry", 1, [];
        volume: String = "volume", 2, [];
        read_only: bool = "readOnly", 3, [omitempty];
        user: String = "user", 4, [omitempty];
        group: String = "group", 5, [omitempty];
        tenant: String = "tenant", 6, [omitempty];
    }

    /// An Azure data disk.
    pub struct AzureDiskVolumeSource {
        disk_name: String = "diskName", 1, [];
        disk_uri: String = "diskURI", 2, [];
        caching_mode: Option<String> = "cachingMode", 3, [omitempty, go("v1.AzureDataDiskCachingMode")];
        fs_type: Option<String> = "fsType", 4, [omitempty];
        read_only: Option<bool> = "readOnly", 5, [omitempty];
        kind: Option<String> = "kind", 6, [omitempty, go("v1.AzureDataDiskKind")];
    }

    /// A Photon Controller disk.
    pub struct PhotonPersistentDiskVolumeSource {
        pd_id: String = "pdID", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
    }

    /// A Portworx volume.
    pub struct PortworxVolumeSource {
        volume_id: String = "volumeID", 1, [];
        fs_type: String = "fsType", 2, [omitempty];
        read_only: bool = "readOnly", 3, [omitempty];
    }

    /// A ScaleIO volume.
    pub struct ScaleIOVolumeSource {
        gateway: String = "gateway", 1, [];
        system: String = "system", 2, [];
        secret_ref: Option<LocalObjectReference> = "secretRef", 3, [];
        ssl_enabled: bool = "sslEnabled", 4, [omitempty];
        protection_domain: String = "protectionDomain", 5, [omitempty];
        storage_pool: String = "storagePool", 6, [omitempty];
        storage_mode: String = "storageMode", 7, [omitempty];
        volume_name: String = "volumeName", 8, [omitempty];
        fs_type: String = "fsType", 9, [omitempty];
        read_only: bool = "readOnly", 10, [omitempty];
    }

    /// A StorageOS volume.
    pub struct StorageOSVolumeSource {
        volume_name: String = "volumeName", 1, [omitempty];
        volume_namespace: String = "volumeNamespace", 2, [omitempty];
        fs_type: String = "fsType", 3, [omitempty];
        read_only: bool = "readOnly", 4, [omitempty];
        secret_ref: Option<LocalObjectReference> = "secretRef", 5, [omitempty];
    }
}
