//! A CRI container, its pod and its image into an OCI spec. Pure: what the host says is an argument.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::{
    Capability, Linux, LinuxCapabilities, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder,
    LinuxDeviceType, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxResources, Process, Root, Spec,
};

use crate::runtime::embedded::devices::Node;
use crate::runtime::embedded::host::Host;
use crate::runtime::embedded::spec_mounts::{self, PodFiles};
use crate::runtime::embedded::{capabilities, limits};
use crate::runtime::error::{Error, Result};
use crate::runtime::images::ImageConfig;
use crate::runtime::v1::security_profile::ProfileType;
use crate::runtime::v1::{
    ContainerConfig, LinuxContainerSecurityContext, NamespaceMode, SeLinuxOption, SupplementalGroupsPolicy,
};
use crate::shim::executor::{CAPABILITIES, SECCOMP};
use crate::shim::task::UserRequest;

/// The search path of an image that names none.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Kernel files that tell of or reach the host (containerd's defaults).
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/scsi",
    "/sys/firmware",
];
/// Kernel files that must not be written (containerd's defaults).
const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Which pid namespace a container is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PidNamespace {
    /// Its own.
    #[default]
    Own,
    /// The host's.
    Host,
    /// A pinned one.
    At(PathBuf),
}

/// The namespaces a container joins; None is the host's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Network.
    pub network: Option<PathBuf>,
    /// IPC.
    pub ipc: Option<PathBuf>,
    /// Host name.
    pub uts: Option<PathBuf>,
    /// Processes.
    pub pid: PidNamespace,
}

/// Everything that decides.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What was asked for.
    pub config: &'a ContainerConfig,
    /// What its image says.
    pub image: &'a ImageConfig,
    /// The pod's host name.
    pub hostname: &'a str,
    /// The pod's namespaces.
    pub joined: &'a Joined,
    /// The pod's files.
    pub files: &'a PodFiles,
    /// The container's cgroup.
    pub cgroup: &'a str,
    /// The device files it gets.
    pub devices: &'a [Node],
    /// The host.
    pub host: &'a Host,
}

/// The spec, but for its root's path and its user.
pub fn build(input: &Input<'_>) -> Result<Spec> {
    let security = security(input.config);
    if let Some(device) = input.config.cdi_devices.first() {
        return Err(Error::Unsupported(format!("CDI device {:?}", device.name)));
    }
    let readonly = security.readonly_rootfs;
    let capabilities = capabilities::of(security.capabilities.as_ref(), security.privileged, input.host.capabilities)?;
    let mut annotations = HashMap::new();
    let given = confine(&security, capabilities, &mut annotations)?;
    let mounts = spec_mounts::build(&input.config.mounts, input.files, security.privileged, readonly)?;
    let mut root = Root::default();
    root.set_path(PathBuf::from("rootfs")).set_readonly(Some(readonly));
    let mut spec = Spec::default();
    spec.set_root(Some(root))
        .set_mounts(Some(mounts))
        .set_hostname(None)
        .set_annotations(Some(annotations))
        .set_process(Some(process(input, &security, given)?))
        .set_linux(Some(linux(input, &security)?));
    Ok(spec)
}

fn security(config: &ContainerConfig) -> LinuxContainerSecurityContext {
    config.linux.as_ref().and_then(|linux| linux.security_context.clone()).unwrap_or_default()
}

/// What asks for a security module that this runtime does not set up: taken in silence, it would only look confined.
#[expect(deprecated, reason = "clients of before fill the old fields")]
fn refuse_modules(security: &LinuxContainerSecurityContext) -> Result<()> {
    let unsupported = |what: String| Err(Error::Unsupported(what));
    if let Some(profile) = &security.apparmor {
        match profile.profile_type() {
            ProfileType::Unconfined => {}
            ProfileType::RuntimeDefault => return unsupported("the runtime's default AppArmor profile".to_owned()),
            ProfileType::Localhost => return unsupported(format!("AppArmor profile {:?}", profile.localhost_ref)),
        }
    } else if !matches!(security.apparmor_profile.as_str(), "" | "unconfined") {
        return unsupported(format!("AppArmor profile {:?}", security.apparmor_profile));
    }
    if let Some(options) = security.selinux_options.as_ref().filter(|options| **options != SeLinuxOption::default()) {
        return unsupported(format!(
            "SELinux options {}:{}:{}:{}",
            options.user, options.role, options.r#type, options.level
        ));
    }
    if security.seccomp.is_none() && !matches!(security.seccomp_profile_path.as_str(), "" | "unconfined") {
        return unsupported(format!("seccomp profile {:?} in the old field", security.seccomp_profile_path));
    }
    Ok(())
}

/// Decides on seccomp, and gives the capabilities libcontainer is to leave.
fn confine(
    security: &LinuxContainerSecurityContext,
    wanted: LinuxCapabilities,
    annotations: &mut HashMap<String, String>,
) -> Result<LinuxCapabilities> {
    refuse_modules(security)?;
    let Some(profile) = security.seccomp.as_ref().filter(|_| !security.privileged) else {
        return Ok(wanted);
    };
    match profile.profile_type() {
        ProfileType::Unconfined => Ok(wanted),
        ProfileType::Localhost => {
            let text = format!("seccomp profile {:?} of the node", profile.localhost_ref);
            Err(Error::Unsupported(text))
        }
        ProfileType::RuntimeDefault => {
            annotations.insert(SECCOMP.to_owned(), "default".to_owned());
            if security.no_new_privs {
                return Ok(wanted);
            }
            // A filter without no_new_privs takes CAP_SYS_ADMIN; the executor drops it after.
            let json = serde_json::to_string(&wanted).map_err(|error| Error::internal("write capabilities", error))?;
            annotations.insert(CAPABILITIES.to_owned(), json);
            let mut more = wanted.bounding().clone().unwrap_or_default();
            more.extend([Capability::SysAdmin, Capability::Setpcap]);
            Ok(capabilities::set(&more, HashSet::new()))
        }
    }
}

fn process(
    input: &Input<'_>,
    security: &LinuxContainerSecurityContext,
    capabilities: LinuxCapabilities,
) -> Result<Process> {
    let (config, image) = (input.config, input.image);
    let cwd = [config.working_dir.as_str(), image.working_dir.as_str(), "/"]
        .into_iter()
        .find(|directory| !directory.is_empty())
        .unwrap_or("/");
    let mut process = Process::default();
    process
        .set_terminal(Some(config.tty))
        .set_args(Some(args(config, image)?))
        .set_env(Some(env(input)))
        .set_cwd(Path::new("/").join(cwd))
        .set_capabilities(Some(capabilities))
        .set_no_new_privileges(security.no_new_privs.then_some(true))
        .set_rlimits(None)
        .set_oom_score_adj(Some(oom_score_adj(config, input.host)));
    Ok(process)
}

/// As Kubernetes says: a command replaces the entrypoint and drops the image's arguments.
fn args(config: &ContainerConfig, image: &ImageConfig) -> Result<Vec<String>> {
    let mut args = match config.command.is_empty() {
        true => image.entrypoint.clone(),
        false => config.command.clone(),
    };
    match (config.command.is_empty(), config.args.is_empty()) {
        (true, true) => args.extend(image.cmd.iter().cloned()),
        _ => args.extend(config.args.iter().cloned()),
    }
    if args.is_empty() {
        return Err(Error::InvalidArgument("no command specified".to_owned()));
    }
    Ok(args)
}

fn env(input: &Input<'_>) -> Vec<String> {
    let mut env: Vec<String> = vec![PATH.to_owned()];
    let mut put = |entry: String| {
        let name = entry.split('=').next().unwrap_or_default().to_owned();
        let same = |old: &String| old.split('=').next() == Some(name.as_str());
        match env.iter_mut().find(|old| same(old)) {
            Some(old) => *old = entry,
            None => env.push(entry),
        }
    };
    if input.config.tty {
        put("TERM=xterm".to_owned());
    }
    if !input.hostname.is_empty() {
        put(format!("HOSTNAME={}", input.hostname));
    }
    input.image.env.iter().cloned().for_each(&mut put);
    for pair in &input.config.envs {
        put(format!("{}={}", pair.key, String::from_utf8_lossy(&pair.value)));
    }
    env
}

fn oom_score_adj(config: &ContainerConfig, host: &Host) -> i32 {
    let resources = config.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let wanted = resources.map_or(0, |resources| resources.oom_score_adj).clamp(-1000, 1000);
    let wanted = i32::try_from(wanted).unwrap_or(0);
    host.oom_score_adj_min.map_or(wanted, |least| wanted.max(least))
}

fn linux(input: &Input<'_>, security: &LinuxContainerSecurityContext) -> Result<Linux> {
    let paths = |own: &[String], usual: &[&str]| match (security.privileged, own.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => usual.iter().map(|path| (*path).to_owned()).collect(),
        (false, false) => own.to_vec(),
    };
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(namespaces(input)?))
        .set_cgroups_path(Some(PathBuf::from(input.cgroup)))
        .set_resources(Some(resources(input, security)?))
        .set_devices(Some(input.devices.iter().map(device).collect::<Result<_>>()?))
        .set_masked_paths(Some(paths(&security.masked_paths, &MASKED)))
        .set_readonly_paths(Some(paths(&security.readonly_paths, &READONLY)))
        .set_rootfs_propagation(Some(spec_mounts::root_propagation(&input.config.mounts).to_owned()))
        .set_seccomp(None);
    Ok(linux)
}

fn namespaces(input: &Input<'_>) -> Result<Vec<LinuxNamespace>> {
    let joined = input.joined;
    let mut namespaces = vec![namespace(LinuxNamespaceType::Mount, None)?];
    for (kind, path) in [
        (LinuxNamespaceType::Network, &joined.network),
        (LinuxNamespaceType::Ipc, &joined.ipc),
        (LinuxNamespaceType::Uts, &joined.uts),
    ] {
        if let Some(path) = path {
            namespaces.push(namespace(kind, Some(path))?);
        }
    }
    match &joined.pid {
        PidNamespace::Own => namespaces.push(namespace(LinuxNamespaceType::Pid, None)?),
        PidNamespace::At(path) => namespaces.push(namespace(LinuxNamespaceType::Pid, Some(path))?),
        PidNamespace::Host => {}
    }
    if input.host.cgroup_v2 {
        namespaces.push(namespace(LinuxNamespaceType::Cgroup, None)?);
    }
    Ok(namespaces)
}

fn namespace(kind: LinuxNamespaceType, path: Option<&PathBuf>) -> Result<LinuxNamespace> {
    let mut builder = LinuxNamespaceBuilder::default().typ(kind);
    if let Some(path) = path {
        builder = builder.path(path);
    }
    builder.build().map_err(|error| Error::internal("build a namespace", error))
}

fn resources(input: &Input<'_>, security: &LinuxContainerSecurityContext) -> Result<LinuxResources> {
    let wanted = input.config.linux.as_ref().and_then(|linux| linux.resources.clone());
    let mut resources = limits::to_spec(&wanted.unwrap_or_default(), input.host.swap);
    let rule = |allow, node: Option<&Node>| {
        let mut builder = LinuxDeviceCgroupBuilder::default().allow(allow);
        builder = match node {
            Some(node) => builder.typ(kind(node)).major(node.major).minor(node.minor).access(node.permissions.clone()),
            None => builder.typ(LinuxDeviceType::A).access("rwm"),
        };
        builder.build().map_err(|error| Error::internal("build a device rule", error))
    };
    let mut rules: Vec<LinuxDeviceCgroup> = vec![rule(security.privileged, None)?];
    if !security.privileged {
        for node in input.devices {
            rules.push(rule(true, Some(node))?);
        }
    }
    resources.set_devices(Some(rules));
    Ok(resources)
}

fn kind(node: &Node) -> LinuxDeviceType {
    if node.block { LinuxDeviceType::B } else { LinuxDeviceType::C }
}

fn device(node: &Node) -> Result<LinuxDevice> {
    LinuxDeviceBuilder::default()
        .path(&node.path)
        .typ(kind(node))
        .major(node.major)
        .minor(node.minor)
        .file_mode(node.mode)
        .uid(node.uid)
        .gid(node.gid)
        .build()
        .map_err(|error| Error::internal("build a device", error))
}

/// Who runs it: the container's own choice, else the image's.
pub fn user(config: &ContainerConfig, image: &ImageConfig) -> Result<UserRequest> {
    let security = security(config);
    let own = security.run_as_user.as_ref().map(|user| user.value.to_string());
    let named = (!security.run_as_username.is_empty()).then(|| security.run_as_username.clone());
    let (image_user, image_group) = image.user.split_once(':').unwrap_or((&image.user, ""));
    let group = security.run_as_group.as_ref().map(|group| group.value.to_string());
    let chosen = named.or(own);
    if group.is_some() && chosen.is_none() && image_user.is_empty() {
        let text = "a group without a user".to_owned();
        return Err(Error::InvalidArgument(text));
    }
    let group = match (&chosen, group) {
        (_, Some(group)) => group,
        (Some(_), None) => String::new(),
        (None, None) => image_group.to_owned(),
    };
    let supplemental = security
        .supplemental_groups
        .iter()
        .map(|group| u32::try_from(*group))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Error::InvalidArgument("a supplemental group is out of range".to_owned()))?;
    Ok(UserRequest {
        user: chosen.unwrap_or_else(|| image_user.to_owned()),
        group,
        supplemental,
        strict: security.supplemental_groups_policy() == SupplementalGroupsPolicy::Strict,
    })
}

/// The modes a container asks for: network, pid, ipc.
pub fn modes(config: &ContainerConfig) -> (NamespaceMode, NamespaceMode, NamespaceMode, String) {
    let options = security(config).namespace_options.unwrap_or_default();
    (options.network(), options.pid(), options.ipc(), options.target_id)
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
