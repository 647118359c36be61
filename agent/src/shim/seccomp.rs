//! The default seccomp profile: what containerd's allows is allowed, the rest fails with EPERM.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use libcontainer::oci_spec::runtime::{Capability, LinuxCapabilities};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::shim::seccomp_table::{ALLOWED, BY_CAPABILITY};

/// Flags of clone(2) that make a namespace.
const CLONE_NAMESPACES: u64 = 0x7E02_0000;
/// What personality(2) may be asked for: Linux and 32-bit, with or without UNAME26, and "which".
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

static COMMON: OnceLock<Option<Programs>> = OnceLock::new();

/// Two filters: glibc must see ENOSYS of clone3 to fall back on clone, whose flags can be
/// inspected; one filter has one error number only.
#[derive(Debug)]
struct Programs {
    allowed: BpfProgram,
    clone3: BpfProgram,
}

/// Compiles the profile of a container without special capabilities, for all forks to share.
pub fn prepare() {
    COMMON.get_or_init(|| compile(&[]).ok());
}

/// Installs the profile for good; capabilities open the system calls that need them.
pub fn install(capabilities: Option<&LinuxCapabilities>) -> io::Result<()> {
    let held: Vec<Capability> = capabilities
        .and_then(|all| all.bounding().as_ref())
        .into_iter()
        .flatten()
        .copied()
        .filter(|held| BY_CAPABILITY.iter().any(|(capability, _)| capability == held))
        .collect();
    let own;
    let programs = match COMMON.get_or_init(|| compile(&[]).ok()) {
        Some(common) if held.is_empty() => common,
        _ => {
            own = compile(&held)?;
            &own
        }
    };
    load(&programs.allowed)?;
    if held.contains(&Capability::SysAdmin) { Ok(()) } else { load(&programs.clone3) }
}

fn compile(held: &[Capability]) -> io::Result<Programs> {
    let privileged = held.contains(&Capability::SysAdmin);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
    for (_, numbers) in BY_CAPABILITY.iter().filter(|(capability, _)| held.contains(capability)) {
        rules.extend(numbers.iter().map(|number| (*number, Vec::new())));
    }
    // The filter of clone3 answers for it; here it must not be EPERM.
    rules.insert(libc::SYS_clone3, Vec::new());
    if !privileged {
        rules.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(CLONE_NAMESPACES), 0)?]);
    } else {
        rules.insert(libc::SYS_clone, Vec::new());
    }
    let personalities: io::Result<Vec<_>> =
        PERSONALITIES.iter().map(|value| rule(0, SeccompCmpOp::Eq, *value)).collect();
    rules.insert(libc::SYS_personality, personalities?);
    let vsock = u64::try_from(libc::AF_VSOCK).unwrap_or_default();
    rules.insert(libc::SYS_socket, vec![rule(0, SeccompCmpOp::Ne, vsock)?]);
    let deny = SeccompAction::Errno(errno(libc::EPERM));
    let allowed = program(rules, deny, SeccompAction::Allow)?;
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let missing = SeccompAction::Errno(errno(libc::ENOSYS));
    Ok(Programs { allowed, clone3: program(clone3, SeccompAction::Allow, missing)? })
}

fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> io::Result<SeccompRule> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(io::Error::other)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> io::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)?;
    SeccompFilter::new(rules, otherwise, matched, arch).and_then(BpfProgram::try_from).map_err(io::Error::other)
}

/// Loads a filter without setting no_new_privs, which is the container's own choice.
#[expect(unsafe_code, reason = "no safe wrapper leaves no_new_privs alone")]
fn load(program: &BpfProgram) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    // `seccompiler::sock_filter` is the kernel's struct (repr(C): u16, u8, u8, u32).
    let filter = program.as_ptr().cast::<libc::sock_filter>().cast_mut();
    let program = libc::sock_fprog { len: length, filter };
    // SAFETY: `program` points to `length` filters that live until the call returns; the kernel
    // copies them and writes nothing.
    let loaded = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if loaded == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_compiles_with_and_without_capabilities() {
        let plain = compile(&[]).unwrap();
        let all: Vec<_> = BY_CAPABILITY.iter().map(|(capability, _)| *capability).collect();
        let full = compile(&all).unwrap();
        assert!(plain.allowed.len() < 4096 && plain.allowed.len() < full.allowed.len());
    }

    #[test]
    fn what_needs_a_capability_is_not_in_the_common_list() {
        for (capability, numbers) in BY_CAPABILITY {
            for number in *numbers {
                assert!(!ALLOWED.contains(number), "{capability:?} {number}");
            }
        }
    }
}
