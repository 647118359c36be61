//! Security settings of pods and containers.

use crate::schema::object::object;

object! {
    /// Privileges of one container; they win over those of the pod.
    pub struct SecurityContext {
        capabilities: Option<Capabilities> = "capabilities", 1, [omitempty];
        privileged: Option<bool> = "privileged", 2, [omitempty];
        se_linux_options: Option<SELinuxOptions> = "seLinuxOptions", 3, [omitempty];
        windows_options: Option<WindowsSecurityContextOptions> = "windowsOptions", 10, [omitempty];
        run_as_user: Option<i64> = "runAsUser", 4, [omitempty];
        run_as_group: Option<i64> = "runAsGroup", 8, [omitempty];
        run_as_non_root: Option<bool> = "runAsNonRoot", 5, [omitempty];
        read_only_root_filesystem: Option<bool> = "readOnlyRootFilesystem", 6, [omitempty];
        allow_privilege_escalation: Option<bool> = "allowPrivilegeEscalation", 7, [omitempty];
        proc_mount: Option<String> = "procMount", 9, [omitempty, go("v1.ProcMountType")];
        seccomp_profile: Option<SeccompProfile> = "seccompProfile", 11, [omitempty];
        app_armor_profile: Option<AppArmorProfile> = "appArmorProfile", 12, [omitempty];
    }

    /// Privileges of all containers of a pod.
    pub struct PodSecurityContext {
        se_linux_options: Option<SELinuxOptions> = "seLinuxOptions", 1, [omitempty];
        windows_options: Option<WindowsSecurityContextOptions> = "windowsOptions", 8, [omitempty];
        run_as_user: Option<i64> = "runAsUser", 2, [omitempty];
        run_as_group: Option<i64> = "runAsGroup", 6, [omitempty];
        run_as_non_root: Option<bool> = "runAsNonRoot", 3, [omitempty];
        supplemental_groups: Vec<i64> = "supplementalGroups", 4, [omitempty, list_atomic];
        supplemental_groups_policy: Option<String> = "supplementalGroupsPolicy", 12, [omitempty, go("v1.SupplementalGroupsPolicy")];
        fs_group: Option<i64> = "fsGroup", 5, [omitempty];
        sysctls: Vec<Sysctl> = "sysctls", 7, [omitempty, list_atomic];
        fs_group_change_policy: Option<String> = "fsGroupChangePolicy", 9, [omitempty, go("v1.PodFSGroupChangePolicy")];
        seccomp_profile: Option<SeccompProfile> = "seccompProfile", 10, [omitempty];
        app_armor_profile: Option<AppArmorProfile> = "appArmorProfile", 11, [omitempty];
        se_linux_change_policy: Option<String> = "seLinuxChangePolicy", 13, [omitempty, go("v1.PodSELinuxChangePolicy")];
    }

    /// Linux capabilities added and dropped.
    pub struct Capabilities {
        add: Vec<String> = "add", 1, [omitempty, go("[]v1.Capability"), list_atomic];
        drop: Vec<String> = "drop", 2, [omitempty, go("[]v1.Capability"), list_atomic];
    }

    /// SELinux labels.
    pub struct SELinuxOptions {
        user: String = "user", 1, [omitempty];
        role: String = "role", 2, [omitempty];
        type_: String = "type", 3, [omitempty];
        level: String = "level", 4, [omitempty];
    }

    /// Windows' own settings.
    pub struct WindowsSecurityContextOptions {
        gmsa_credential_spec_name: Option<String> = "gmsaCredentialSpecName", 1, [omitempty];
        gmsa_credential_spec: Option<String> = "gmsaCredentialSpec", 2, [omitempty];
        run_as_user_name: Option<String> = "runAsUserName", 3, [omitempty];
        host_process: Option<bool> = "hostProcess", 4, [omitempty];
    }

    /// Which system call filter applies.
    pub struct SeccompProfile {
        type_: String = "type", 1, [go("v1.SeccompProfileType")];
        localhost_profile: Option<String> = "localhostProfile", 2, [omitempty];
    }

    /// Which AppArmor profile applies.
    pub struct AppArmorProfile {
        type_: String = "type", 1, [go("v1.AppArmorProfileType")];
        localhost_profile: Option<String> = "localhostProfile", 2, [omitempty];
    }

    /// A kernel parameter of the pod's namespaces.
    pub struct Sysctl {
        name: String = "name", 1, [];
        value: String = "value", 2, [];
    }
}
