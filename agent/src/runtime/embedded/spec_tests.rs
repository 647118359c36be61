//! Tables of containers and the parts of their specs that differ.

use super::*;
use crate::runtime::v1::{Int64Value, KeyValue, LinuxContainerConfig, LinuxContainerResources, SecurityProfile};

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn built(config: &ContainerConfig, image: &ImageConfig, host: &Host) -> Result<Spec> {
    let joined = Joined { network: Some("/n".into()), ..Joined::default() };
    build(&Input {
        config,
        image,
        hostname: "web-0",
        joined: &joined,
        files: &PodFiles::default(),
        cgroup: "/pod/c",
        devices: &[],
        host,
    })
}

fn host() -> Host {
    Host { capabilities: u64::MAX, swap: true, ..Host::default() }
}

fn with(security: LinuxContainerSecurityContext) -> ContainerConfig {
    let linux = LinuxContainerConfig { security_context: Some(security), resources: None };
    ContainerConfig { command: list(&["sh"]), linux: Some(linux), ..Default::default() }
}

#[test]
fn command_and_args_against_the_image() {
    let image = ImageConfig { entrypoint: list(&["e"]), cmd: list(&["c"]), ..Default::default() };
    for (command, arguments, expect) in [
        (&[][..], &[][..], &["e", "c"][..]),
        (&[], &["a"], &["e", "a"]),
        (&["x"], &[], &["x"]),
        (&["x"], &["a"], &["x", "a"]),
    ] {
        let config = ContainerConfig { command: list(command), args: list(arguments), ..Default::default() };
        assert_eq!(args(&config, &image).unwrap(), expect);
    }
    assert!(args(&ContainerConfig::default(), &ImageConfig::default()).is_err());
}

#[test]
fn environment_by_rank() {
    let image = ImageConfig { env: list(&["A=image", "B=image", "PATH=/bin"]), ..Default::default() };
    let envs = vec![KeyValue { key: "B".into(), value: b"own=1".to_vec() }];
    let config = ContainerConfig { envs, command: list(&["sh"]), ..Default::default() };
    let spec = built(&config, &image, &host()).unwrap();
    let env = spec.process().as_ref().unwrap().env().clone().unwrap();
    assert_eq!(env, ["PATH=/bin", "HOSTNAME=web-0", "A=image", "B=own=1"]);
}

#[test]
fn users_by_rank() {
    let value = |value| Some(Int64Value { value });
    let image = ImageConfig { user: "web:logs".into(), ..Default::default() };
    let plain = LinuxContainerSecurityContext::default();
    for (security, expect) in [
        (plain.clone(), Some(("web", "logs"))),
        (LinuxContainerSecurityContext { run_as_user: value(7), ..plain.clone() }, Some(("7", ""))),
        (LinuxContainerSecurityContext { run_as_group: value(9), ..plain.clone() }, Some(("web", "9"))),
        (LinuxContainerSecurityContext { run_as_username: "x".into(), ..plain.clone() }, Some(("x", ""))),
        (LinuxContainerSecurityContext { supplemental_groups: vec![-1], ..plain.clone() }, None),
    ] {
        let found = user(&with(security), &image).ok();
        let found = found.as_ref().map(|user| (user.user.as_str(), user.group.as_str()));
        assert_eq!(found, expect);
    }
    let alone = LinuxContainerSecurityContext { run_as_group: value(9), ..plain };
    assert!(user(&with(alone), &ImageConfig::default()).is_err());
}

#[test]
fn seccomp_keeps_what_its_filter_needs_and_says_what_to_drop() {
    let profile = |kind: ProfileType| Some(SecurityProfile { profile_type: kind.into(), localhost_ref: "p".into() });
    let plain = LinuxContainerSecurityContext::default();
    let bounding = |spec: &Spec| {
        let process = spec.process().as_ref().unwrap();
        process.capabilities().as_ref().unwrap().bounding().clone().unwrap()
    };
    let security = LinuxContainerSecurityContext { seccomp: profile(ProfileType::RuntimeDefault), ..plain.clone() };
    let spec = built(&with(security.clone()), &ImageConfig::default(), &host()).unwrap();
    assert!(bounding(&spec).contains(&Capability::SysAdmin));
    let kept = &spec.annotations().as_ref().unwrap()[CAPABILITIES];
    assert!(!kept.contains("SYS_ADMIN"), "{kept}");

    let confined = LinuxContainerSecurityContext { no_new_privs: true, ..security };
    let spec = built(&with(confined), &ImageConfig::default(), &host()).unwrap();
    assert!(!bounding(&spec).contains(&Capability::SysAdmin));
    assert!(spec.annotations().as_ref().unwrap().contains_key(SECCOMP));

    let local = LinuxContainerSecurityContext { seccomp: profile(ProfileType::Localhost), ..plain };
    let error = built(&with(local), &ImageConfig::default(), &host()).unwrap_err();
    assert!(matches!(error, Error::Unsupported(_)), "{error}");
}

#[test]
#[expect(deprecated, reason = "clients of before fill the old fields")]
fn security_modules_are_refused_by_name() {
    let profile = |kind: ProfileType| Some(SecurityProfile { profile_type: kind.into(), localhost_ref: "p".into() });
    let plain = LinuxContainerSecurityContext::default;
    let labels = SeLinuxOption { level: "s0:c1".into(), ..Default::default() };
    for (security, expect) in [
        (plain(), None),
        (LinuxContainerSecurityContext { apparmor: profile(ProfileType::Unconfined), ..plain() }, None),
        (LinuxContainerSecurityContext { apparmor_profile: "unconfined".into(), ..plain() }, None),
        (LinuxContainerSecurityContext { selinux_options: Some(Default::default()), ..plain() }, None),
        (LinuxContainerSecurityContext { apparmor: profile(ProfileType::RuntimeDefault), ..plain() }, Some("AppArmor")),
        (LinuxContainerSecurityContext { apparmor: profile(ProfileType::Localhost), ..plain() }, Some("AppArmor")),
        (LinuxContainerSecurityContext { apparmor_profile: "localhost/p".into(), ..plain() }, Some("AppArmor")),
        (LinuxContainerSecurityContext { selinux_options: Some(labels), ..plain() }, Some("SELinux options :::s0:c1")),
        (LinuxContainerSecurityContext { seccomp_profile_path: "localhost/p".into(), ..plain() }, Some("seccomp")),
    ] {
        let error = built(&with(security), &ImageConfig::default(), &host()).err().map(|error| error.to_string());
        match expect {
            None => assert_eq!(error, None),
            Some(word) => assert!(error.as_ref().is_some_and(|text| text.contains(word)), "{word}: {error:?}"),
        }
    }
    let config = ContainerConfig {
        cdi_devices: vec![crate::runtime::v1::CdiDevice { name: "vendor.example/gpu=0".into() }],
        command: list(&["sh"]),
        ..Default::default()
    };
    assert!(built(&config, &ImageConfig::default(), &host()).is_err());
}

#[test]
fn paths_and_devices_of_a_privileged_container() {
    let plain = built(&with(Default::default()), &ImageConfig::default(), &host()).unwrap();
    let masked = |spec: &Spec| spec.linux().as_ref().unwrap().masked_paths().clone().unwrap();
    assert_eq!(masked(&plain).len(), MASKED.len());
    let own = LinuxContainerSecurityContext { masked_paths: list(&["/x"]), ..Default::default() };
    let spec = built(&with(own), &ImageConfig::default(), &host()).unwrap();
    assert_eq!(masked(&spec), ["/x"]);
    let privileged = LinuxContainerSecurityContext { privileged: true, ..Default::default() };
    let spec = built(&with(privileged), &ImageConfig::default(), &host()).unwrap();
    assert!(masked(&spec).is_empty());
    let resources = spec.linux().as_ref().unwrap().resources().clone().unwrap();
    assert!(resources.devices().as_ref().unwrap()[0].allow());
}

#[test]
fn the_oom_score_is_clamped_to_what_we_may() {
    let resources = LinuxContainerResources { oom_score_adj: -997, ..Default::default() };
    let linux = LinuxContainerConfig { resources: Some(resources), security_context: None };
    let config = ContainerConfig { linux: Some(linux), ..Default::default() };
    assert_eq!(oom_score_adj(&config, &Host::default()), -997);
    let limited = Host { oom_score_adj_min: Some(5), ..Host::default() };
    assert_eq!(oom_score_adj(&config, &limited), 5);
}
