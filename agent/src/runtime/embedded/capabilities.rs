//! Which capabilities a container has: containerd's default set, with what is added and dropped.

use std::collections::HashSet;
use std::str::FromStr;

use libcontainer::oci_spec::runtime::{Capability, LinuxCapabilities};

use crate::runtime::error::{Error, Result};
use crate::runtime::v1::Capability as Wanted;

/// What a container has that asks for nothing (containerd's and Docker's set).
const DEFAULT: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// All that we hold ourselves: a process can not be given what its maker has not.
fn all(held: u64) -> HashSet<Capability> {
    ALL.iter().filter(|(bit, _)| held & (1 << bit) != 0).map(|(_, capability)| *capability).collect()
}

const ALL: [(u32, Capability); 41] = [
    (0, Capability::Chown),
    (1, Capability::DacOverride),
    (2, Capability::DacReadSearch),
    (3, Capability::Fowner),
    (4, Capability::Fsetid),
    (5, Capability::Kill),
    (6, Capability::Setgid),
    (7, Capability::Setuid),
    (8, Capability::Setpcap),
    (9, Capability::LinuxImmutable),
    (10, Capability::NetBindService),
    (11, Capability::NetBroadcast),
    (12, Capability::NetAdmin),
    (13, Capability::NetRaw),
    (14, Capability::IpcLock),
    (15, Capability::IpcOwner),
    (16, Capability::SysModule),
    (17, Capability::SysRawio),
    (18, Capability::SysChroot),
    (19, Capability::SysPtrace),
    (20, Capability::SysPacct),
    (21, Capability::SysAdmin),
    (22, Capability::SysBoot),
    (23, Capability::SysNice),
    (24, Capability::SysResource),
    (25, Capability::SysTime),
    (26, Capability::SysTtyConfig),
    (27, Capability::Mknod),
    (28, Capability::Lease),
    (29, Capability::AuditWrite),
    (30, Capability::AuditControl),
    (31, Capability::Setfcap),
    (32, Capability::MacOverride),
    (33, Capability::MacAdmin),
    (34, Capability::Syslog),
    (35, Capability::WakeAlarm),
    (36, Capability::BlockSuspend),
    (37, Capability::AuditRead),
    (38, Capability::Perfmon),
    (39, Capability::Bpf),
    (40, Capability::CheckpointRestore),
];

/// The set of a container; `held` is our own, as the bits of /proc/self/status.
pub fn of(wanted: Option<&Wanted>, privileged: bool, held: u64) -> Result<LinuxCapabilities> {
    let have = all(held);
    if privileged {
        return Ok(set(&have, HashSet::new()));
    }
    let none = Wanted::default();
    let wanted = wanted.unwrap_or(&none);
    let is_all = |name: &String| name.eq_ignore_ascii_case("all");
    let mut kept: HashSet<Capability> =
        if wanted.drop_capabilities.iter().any(is_all) { HashSet::new() } else { DEFAULT.into() };
    if wanted.add_capabilities.iter().any(is_all) {
        kept.extend(&have);
    }
    for name in wanted.drop_capabilities.iter().filter(|name| !is_all(name)) {
        kept.remove(&parse(name)?);
    }
    for name in wanted.add_capabilities.iter().filter(|name| !is_all(name)) {
        kept.insert(parse(name)?);
    }
    let ambient: HashSet<Capability> =
        wanted.add_ambient_capabilities.iter().map(|name| parse(name)).collect::<Result<_>>()?;
    kept.extend(&ambient);
    kept.retain(|capability| have.contains(capability));
    Ok(set(&kept, ambient))
}

fn parse(name: &str) -> Result<Capability> {
    let upper = name.to_ascii_uppercase();
    Capability::from_str(upper.trim_start_matches("CAP_"))
        .map_err(|_| Error::InvalidArgument(format!("unknown capability {name:?}")))
}

/// A set without anything inheritable, so that a program of another user gets nothing by accident.
pub fn set(kept: &HashSet<Capability>, ambient: HashSet<Capability>) -> LinuxCapabilities {
    let mut capabilities = LinuxCapabilities::default();
    capabilities
        .set_bounding(Some(kept.clone()))
        .set_effective(Some(kept.clone()))
        .set_permitted(Some(kept.clone()))
        .set_inheritable(Some(ambient.clone()))
        .set_ambient(Some(ambient));
    capabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(add: &[&str], drop: &[&str], has: &[Capability], not: &[Capability]) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Wanted { add_capabilities: names(add), drop_capabilities: names(drop), ..Wanted::default() };
        let set = of(Some(&wanted), false, u64::MAX).unwrap();
        let bounding = set.bounding().clone().unwrap();
        assert!(has.iter().all(|capability| bounding.contains(capability)), "+{add:?} -{drop:?}");
        assert!(!not.iter().any(|capability| bounding.contains(capability)), "+{add:?} -{drop:?}");
        assert_eq!(set.inheritable().clone().unwrap_or_default().len(), 0);
    }

    #[test]
    fn added_and_dropped() {
        use Capability::*;
        check(&[], &[], &[Chown, NetRaw], &[SysAdmin, NetAdmin]);
        check(&["NET_ADMIN"], &["NET_RAW"], &[NetAdmin, Chown], &[NetRaw]);
        check(&["cap_sys_time"], &["ALL"], &[SysTime], &[Chown, NetRaw]);
        check(&["ALL"], &["SYS_ADMIN"], &[NetAdmin, Bpf], &[SysAdmin]);
        check(&["ALL"], &["all"], &[SysAdmin], &[]);
    }

    #[test]
    fn nothing_is_given_that_we_have_not() {
        let held = !(1 << 24);
        let set = of(None, true, held).unwrap();
        let bounding = set.bounding().clone().unwrap();
        assert!(!bounding.contains(&Capability::SysResource) && bounding.len() == 40);
        assert!(
            of(Some(&Wanted { add_capabilities: vec!["NO_SUCH".into()], ..Default::default() }), false, held).is_err()
        );
    }
}
