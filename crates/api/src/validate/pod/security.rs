//! Security settings of pods and containers to faults.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::pod::PodSpec;
use crate::core::security::{
    AppArmorProfile, PodSecurityContext, SeccompProfile, SecurityContext, WindowsSecurityContextOptions,
};
use crate::validate::error::Errors;
use crate::validate::internal;
use crate::validate::name;
use crate::validate::path::Path;
use crate::validate::pod::common::visit_containers;
use crate::validate::pod::place::validate_descending_path;
use crate::validate::quote::go_string;

/// Greatest user and group id.
const ID_MAX: i64 = 2_147_483_647;
const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn validate_id(path: &Path<'_>, id: Option<i64>, errors: &mut Errors) {
    if let Some(id) = id {
        errors.in_range(path, id, 0, ID_MAX);
    }
}

/// The settings of one container; `host_users` is false when the pod has a user namespace of its own.
pub fn validate_container(path: &Path<'_>, context: &SecurityContext, host_users: bool, errors: &mut Errors) {
    validate_id(&path.child("runAsUser"), context.run_as_user, errors);
    validate_id(&path.child("runAsGroup"), context.run_as_group, errors);
    if let Some(mount) = &context.proc_mount {
        let at = path.child("procMount");
        errors.one_of(&at, mount, &["Default", "Unmasked"]);
        if host_users && mount == "Unmasked" {
            errors.invalid(&at, mount, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    validate_seccomp(&path.child("seccompProfile"), context.seccomp_profile.as_ref(), errors);
    if context.allow_privilege_escalation == Some(false) {
        let shown = || internal::compact(context);
        if context.privileged == Some(true) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid_shown(path, shown(), detail);
        }
        let added = context.capabilities.iter().flat_map(|c| &c.add);
        for _ in added.filter(|capability| *capability == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid_shown(path, shown(), detail);
        }
    }
    validate_windows_options(&path.child("windowsOptions"), context.windows_options.as_ref(), errors);
    validate_app_armor(&path.child("appArmorProfile"), context.app_armor_profile.as_ref(), errors);
}

/// The settings of a pod.
pub fn validate_pod(path: &Path<'_>, context: &PodSecurityContext, spec: &PodSpec, errors: &mut Errors) {
    validate_id(&path.child("fsGroup"), context.fs_group, errors);
    validate_id(&path.child("runAsUser"), context.run_as_user, errors);
    validate_id(&path.child("runAsGroup"), context.run_as_group, errors);
    let groups = path.child("supplementalGroups");
    for (i, group) in context.supplemental_groups.iter().enumerate() {
        validate_id(&groups.index(i), Some(*group), errors);
    }
    if spec.share_process_namespace == Some(true) && spec.host_pid {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.invalid(&path.child("shareProcessNamespace"), &true, detail);
    }
    validate_sysctls(&path.child("sysctls"), context, spec, errors);
    if let Some(policy) = &context.fs_group_change_policy {
        errors.one_of(&path.child("fsGroupChangePolicy"), policy, &["Always", "OnRootMismatch"]);
    }
    validate_seccomp(&path.child("seccompProfile"), context.seccomp_profile.as_ref(), errors);
    validate_windows_options(&path.child("windowsOptions"), context.windows_options.as_ref(), errors);
    validate_app_armor(&path.child("appArmorProfile"), context.app_armor_profile.as_ref(), errors);
    if let Some(policy) = &context.supplemental_groups_policy {
        errors.one_of(&path.child("supplementalGroupsPolicy"), policy, &["Merge", "Strict"]);
    }
    if let Some(policy) = &context.se_linux_change_policy {
        errors.one_of(&path.child("seLinuxChangePolicy"), policy, &["Recursive"]);
    }
}

fn validate_sysctls(path: &Path<'_>, context: &PodSecurityContext, spec: &PodSpec, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (i, sysctl) in context.sysctls.iter().enumerate() {
        let element = path.index(i);
        let at = element.child("name");
        if sysctl.name.is_empty() {
            errors.required(&at, "");
        } else if !name::is_sysctl(&sysctl.name) {
            let detail = "must have at most 253 characters and match regex \
                          ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&at, &sysctl.name, detail);
        } else if seen.contains(&sysctl.name) {
            errors.duplicate(&at, &sysctl.name);
        }
        let dotted = sysctl.name.replace('/', ".");
        if spec.host_network && dotted.starts_with("net.") {
            errors.invalid(&at, &sysctl.name, "may not be specified when 'hostNetwork' is true");
        }
        let ipc = dotted.starts_with("kernel.shm")
            || dotted.starts_with("kernel.msg")
            || dotted.starts_with("fs.mqueue.")
            || dotted == "kernel.sem";
        if spec.host_ipc && ipc {
            errors.invalid(&at, &sysctl.name, "may not be specified when 'hostIPC' is true");
        }
        seen.insert(sysctl.name.clone());
    }
}

fn validate_seccomp(path: &Path<'_>, profile: Option<&SeccompProfile>, errors: &mut Errors) {
    let Some(profile) = profile else { return };
    let kind = path.child("type");
    if profile.type_.is_empty() {
        errors.required(&kind, "type is required when seccompProfile is set");
    } else {
        errors.one_of(&kind, &profile.type_, PROFILE_TYPES);
    }
    let at = path.child("localhostProfile");
    match (profile.type_ == "Localhost", &profile.localhost_profile) {
        (true, None) => errors.required(&at, "must be set when seccomp type is Localhost"),
        (true, Some(file)) => validate_descending_path(&at, file, errors),
        (false, Some(_)) => {
            let detail = "can only be set when seccomp type is Localhost";
            errors.invalid_shown(&at, internal::compact(profile), detail);
        }
        (false, None) => {}
    }
}

fn validate_app_armor(path: &Path<'_>, profile: Option<&AppArmorProfile>, errors: &mut Errors) {
    let Some(profile) = profile else { return };
    let at = path.child("localhostProfile");
    match profile.type_.as_str() {
        "Localhost" => match &profile.localhost_profile {
            None => errors.required(&at, "must be set when AppArmor type is Localhost"),
            Some(file) => {
                if file.trim() != file {
                    errors.invalid(&at, file, "must not be padded with whitespace");
                } else if file.is_empty() {
                    errors.required(&at, "must be set when AppArmor type is Localhost");
                }
                if file.len() > 4095 {
                    errors.too_long(&at, 4095);
                }
            }
        },
        "RuntimeDefault" | "Unconfined" => {
            if let Some(file) = &profile.localhost_profile {
                errors.invalid(&at, file, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => errors.required(&path.child("type"), "type is required when appArmorProfile is set"),
        other => errors.not_supported(&path.child("type"), other, PROFILE_TYPES),
    }
}

fn validate_windows_options(path: &Path<'_>, options: Option<&WindowsSecurityContextOptions>, errors: &mut Errors) {
    let Some(options) = options else { return };
    if let Some(spec) = &options.gmsa_credential_spec_name {
        for fault in name::dns_subdomain(spec) {
            errors.invalid_named(&path.child("gmsaCredentialSpecName"), spec, &fault);
        }
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let at = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.invalid_named(&at, spec, "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > 64 * 1024 {
            errors.invalid_named(&at, spec, "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(user) = &options.run_as_user_name {
        validate_windows_user(&path.child("runAsUserName"), user, errors);
    }
}

/// `[domain\]user`, with Windows' own limits.
fn validate_windows_user(path: &Path<'_>, text: &str, errors: &mut Errors) {
    let parts: Vec<&str> = text.split('\\').collect();
    if text.is_empty() {
        return errors.invalid_named(path, text, "runAsUserName cannot be an empty string");
    }
    if text.contains(|c: char| c.is_ascii_control()) {
        return errors.invalid_named(path, text, "runAsUserName cannot contain control characters");
    }
    if parts.len() > 2 {
        return errors.invalid_named(path, text, "runAsUserName cannot contain more than one backslash");
    }
    let user = parts[parts.len() - 1];
    if parts.len() == 2 {
        let domain = parts[0];
        if domain.len() >= 256 {
            errors.invalid_named(path, text, "runAsUserName's Domain length must be under 256 characters");
        }
        if !is_netbios(domain) && !is_dns_domain(domain) {
            errors.invalid_named(path, text, "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    if user.is_empty() {
        errors.invalid_named(path, text, "runAsUserName's User cannot be empty");
    } else if user.len() > 104 {
        errors.invalid_named(path, text, "runAsUserName's User length must not be longer than 104 characters");
    }
    if !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ') {
        errors.invalid_named(path, text, "runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(|c: char| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        let detail = "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]";
        errors.invalid_named(path, text, detail);
    }
}

fn is_netbios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(|c: char| "\\/:*?\"<>|".contains(c))
}

fn is_dns_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Pods with host process containers have them throughout, and the node's network.
pub fn validate_windows_host_process(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    let of = |options: Option<&WindowsSecurityContextOptions>| options.and_then(|o| o.host_process);
    let pod = of(spec.security_context.as_ref().and_then(|c| c.windows_options.as_ref()));
    let (mut all, mut host) = (0, 0);
    visit_containers(path, spec, &mut |at, container| {
        all += 1;
        let own = of(container.security_context.and_then(|c| c.windows_options.as_ref()));
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let (context, field) = (at.child("securityContext"), "windowsOptions");
            let options = context.child(field);
            let detail = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&options.child("hostProcess"), &own, &detail);
        }
        host += usize::from(own.or(pod) == Some(true));
    });
    if host == 0 {
        return;
    }
    if host != all {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", detail);
    }
    if !spec.host_network {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(&path.child("hostNetwork"), &false, detail);
    }
}

/// Linux pods carry no options of Windows.
pub fn validate_linux(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    const DETAIL: &str = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|c| c.windows_options.is_some()) {
        errors.forbidden(&path.child("securityContext").child("windowsOptions"), DETAIL);
    }
    visit_containers(path, spec, &mut |at, container| {
        if container.security_context.is_some_and(|c| c.windows_options.is_some()) {
            errors.forbidden(&at.child("securityContext").child("windowsOptions"), DETAIL);
        }
    });
}

/// Windows pods carry no options of Linux.
pub fn validate_windows(path: &Path<'_>, spec: &PodSpec, errors: &mut Errors) {
    const DETAIL: &str = "cannot be set for a windows pod";
    let context = spec.security_context.clone().unwrap_or_default();
    let inner = path.child("securityContext");
    for (field, at, set) in [
        ("appArmorProfile", &inner, context.app_armor_profile.is_some()),
        ("seLinuxOptions", &inner, context.se_linux_options.is_some()),
        ("hostUsers", path, spec.host_users.is_some()),
        ("hostPID", path, spec.host_pid),
        ("hostIPC", path, spec.host_ipc),
        ("seccompProfile", &inner, context.seccomp_profile.is_some()),
        ("fsGroup", &inner, context.fs_group.is_some()),
        ("fsGroupChangePolicy", &inner, context.fs_group_change_policy.is_some()),
        ("sysctls", &inner, !context.sysctls.is_empty()),
        ("shareProcessNamespace", path, spec.share_process_namespace.is_some()),
        ("runAsUser", &inner, context.run_as_user.is_some()),
        ("runAsGroup", &inner, context.run_as_group.is_some()),
        ("supplementalGroups", &inner, !context.supplemental_groups.is_empty()),
        ("supplementalGroupsPolicy", &inner, context.supplemental_groups_policy.is_some()),
        ("seLinuxChangePolicy", &inner, context.se_linux_change_policy.is_some()),
    ] {
        if set {
            errors.forbidden(&at.child(field), DETAIL);
        }
    }
    visit_containers(path, spec, &mut |at, container| {
        let Some(c) = container.security_context else { return };
        let inner = at.child("securityContext");
        for (field, set) in [
            ("appArmorProfile", c.app_armor_profile.is_some()),
            ("seLinuxOptions", c.se_linux_options.is_some()),
            ("seccompProfile", c.seccomp_profile.is_some()),
            ("capabilities", c.capabilities.is_some()),
            ("readOnlyRootFilesystem", c.read_only_root_filesystem.is_some()),
            ("privileged", c.privileged.is_some()),
            ("allowPrivilegeEscalation", c.allow_privilege_escalation.is_some()),
            ("procMount", c.proc_mount.is_some()),
            ("runAsUser", c.run_as_user.is_some()),
            ("runAsGroup", c.run_as_group.is_some()),
        ] {
            if set {
                errors.forbidden(&inner.child(field), DETAIL);
            }
        }
    });
}

const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The annotations that came before the fields for seccomp and AppArmor.
pub fn validate_annotations(
    path: &Path<'_>,
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    errors: &mut Errors,
) {
    for (key, value) in annotations.iter().filter(|(k, _)| *k == SECCOMP_POD || k.starts_with(SECCOMP_CONTAINER)) {
        let at = path.child(key);
        match value.strip_prefix("localhost/") {
            Some(file) => validate_descending_path(&at, file, errors),
            None if ["runtime/default", "docker/default", "unconfined"].contains(&value.as_str()) => {}
            None => errors.invalid(&at, value, "must be a valid seccomp profile"),
        }
    }
    for (key, value) in annotations {
        let Some(container) = key.strip_prefix(APP_ARMOR) else { continue };
        let mut found = false;
        visit_containers(path, spec, &mut |_, c| found |= c.name == container);
        if !found {
            errors.invalid(&path.key(key), container, "container not found");
        }
        let known = ["", "runtime/default", "unconfined"].contains(&value.as_str()) || value.starts_with("localhost/");
        if !known {
            errors.invalid(&path.key(key), value, &format!("invalid AppArmor profile name: {}", go_string(value)));
        }
    }
}

/// Where an annotation and a field both name a profile, they agree.
pub fn validate_annotations_match(
    path: &Path<'_>,
    annotations: &BTreeMap<String, String>,
    spec: &PodSpec,
    errors: &mut Errors,
) {
    if annotations.is_empty() {
        return;
    }
    let pod = spec.security_context.as_ref();
    if let Some(profile) = pod.and_then(|c| c.seccomp_profile.as_ref())
        && let Some(value) = annotations.get(SECCOMP_POD)
    {
        let context = path.child("securityContext");
        let file = profile.localhost_profile.as_deref();
        match_profile(&context.child("seccompProfile"), "seccomp", value, &profile.type_, file, errors);
    }
    visit_containers(path, spec, &mut |at, container| {
        let profile = container.security_context.and_then(|c| c.seccomp_profile.as_ref());
        if let Some(profile) = profile
            && let Some(value) = annotations.get(&format!("{SECCOMP_CONTAINER}{}", container.name))
        {
            let context = at.child("securityContext");
            let file = profile.localhost_profile.as_deref();
            match_profile(&context.child("seccompProfile"), "seccomp", value, &profile.type_, file, errors);
        }
    });
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    visit_containers(path, spec, &mut |at, container| {
        let own = container.security_context.and_then(|c| c.app_armor_profile.as_ref());
        if let Some(profile) = own.or(pod.and_then(|c| c.app_armor_profile.as_ref()))
            && let Some(value) = annotations.get(&format!("{APP_ARMOR}{}", container.name))
        {
            let context = at.child("securityContext");
            let file = profile.localhost_profile.as_deref();
            match_profile(&context.child("appArmorProfile"), "apparmor", value, &profile.type_, file, errors);
        }
    });
}

fn match_profile(path: &Path<'_>, what: &str, value: &str, kind: &str, file: Option<&str>, errors: &mut Errors) {
    let same_type = match kind {
        "Unconfined" => value == "unconfined",
        "RuntimeDefault" => value == "runtime/default" || (what == "seccomp" && value == "docker/default"),
        "Localhost" => value.starts_with("localhost/"),
        _ => true,
    };
    if !same_type {
        errors.forbidden(&path.child("type"), &format!("{what} type in annotation and field must match"));
    } else if kind == "Localhost" && value.strip_prefix("localhost/") != file {
        let detail = format!("{what} profile in annotation and field must match");
        errors.forbidden(&path.child("localhostProfile"), &detail);
    }
}
