//! The device rules of a container → a program in the kernel that its cgroup (version 2) asks at each open and mknod.

use std::ffi::c_long;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use libcontainer::oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use nix::libc;

use crate::runtime::embedded::cgroup::Cgroup;
use crate::shim::error::{Context, Error, Result};
use crate::shim::task::Task;

/// The most rules of a container; each is at most eight instructions, of which the kernel takes a million.
const RULES_MAX: usize = 4096;

/// `BPF_DEVCG_*` of linux/bpf.h.
const BLOCK: u32 = 1;
const CHAR: u32 = 2;
const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const ALL: u32 = MKNOD | READ | WRITE;

/// What every container may do, as runc has it: make any device file, use the harmless ones and its terminals.
const USUAL: [Rule; 10] = [
    Rule { kind: Some(CHAR), major: None, minor: None, access: MKNOD },
    Rule { kind: Some(BLOCK), major: None, minor: None, access: MKNOD },
    Rule::character(1, Some(3)),
    Rule::character(1, Some(5)),
    Rule::character(1, Some(7)),
    Rule::character(1, Some(8)),
    Rule::character(1, Some(9)),
    Rule::character(5, Some(0)),
    Rule::character(5, Some(2)),
    Rule::character(136, None),
];

/// What is allowed; None stands for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    kind: Option<u32>,
    major: Option<u32>,
    minor: Option<u32>,
    access: u32,
}

impl Rule {
    const fn character(major: u32, minor: Option<u32>) -> Self {
        Self { kind: Some(CHAR), major: Some(major), minor, access: ALL }
    }
}

/// One instruction as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u8,
    /// The source in the upper half, the destination in the lower.
    registers: u8,
    offset: i16,
    value: i32,
}

/// Restricts the devices of a container that was made and does not run yet.
///
/// # Errors
/// The rules are of a shape we do not make, or the kernel takes no such program.
pub fn restrict(task: &Task) -> Result<()> {
    let linux = task.spec.linux().as_ref();
    let rules = linux.and_then(|linux| linux.resources().as_ref()?.devices().clone()).unwrap_or_default();
    let Some(allowed) = allowed(&rules)? else { return Ok(()) };
    let cgroup = Cgroup::open(&task.cgroup);
    let Some(directory) = cgroup.dirs().into_iter().next() else { return Ok(()) };
    attach(&directory, &allowed)
}

/// The rules as a list of what is allowed; None when all is.
fn allowed(rules: &[LinuxDeviceCgroup]) -> Result<Option<Vec<Rule>>> {
    let unknown = |rule: &LinuxDeviceCgroup| Error::Config(format!("device rule {rule:?} is not supported"));
    if rules.len() > RULES_MAX {
        return Err(Error::Config(format!("more than device rules = {RULES_MAX}")));
    }
    let Some((first, rest)) = rules.split_first() else { return Ok(None) };
    if first.typ().unwrap_or_default() != LinuxDeviceType::A {
        return Err(unknown(first));
    }
    if first.allow() && rest.is_empty() {
        return Ok(None);
    }
    let mut allowed = USUAL.to_vec();
    for rule in rest {
        let kind = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::B => Some(BLOCK),
            LinuxDeviceType::C | LinuxDeviceType::U => Some(CHAR),
            _ => return Err(unknown(rule)),
        };
        if !rule.allow() || first.allow() {
            return Err(unknown(rule));
        }
        // Negative numbers stand for any, as in the OCI's specification.
        let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        let access = rule.access().as_deref().unwrap_or("rwm").chars().fold(0, |bits, letter| {
            bits | match letter {
                'm' => MKNOD,
                'r' => READ,
                'w' => WRITE,
                _ => 0,
            }
        });
        allowed.push(Rule { kind, major: number(rule.major()), minor: number(rule.minor()), access });
    }
    Ok(Some(allowed))
}

/// Registers by what is in them; the first is the answer's.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// Free once the context was read.
const SPARE: u8 = CONTEXT;

/// Opcodes of linux/bpf.h, all on 32 bits; the jump takes Linux 5.1.
const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

const fn with(code: u8, to: u8, value: i32) -> Instruction {
    Instruction { code, registers: to, offset: 0, value }
}

/// The program: 1 when some rule allows everything that is asked for, else 0.
fn program(rules: &[Rule]) -> Vec<Instruction> {
    let load = |to: u8, offset: i16| Instruction { code: LOAD_WORD, registers: CONTEXT << 4 | to, offset, value: 0 };
    let copy = |to: u8, from: u8| Instruction { code: MOVE_REGISTER, registers: from << 4 | to, offset: 0, value: 0 };
    // struct bpf_cgroup_dev_ctx: access in the upper half of the first word and the kind in the lower, then the numbers.
    let mut program = vec![
        load(KIND, 0),
        copy(ACCESS, KIND),
        with(AND, KIND, 0xffff),
        with(SHIFT_RIGHT, ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in rules {
        let mut tests = Vec::new();
        for (register, wanted) in [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)] {
            if let Some(wanted) = wanted {
                tests.push(with(JUMP_UNLESS_EQUAL, register, wanted.cast_signed()));
            }
        }
        if rule.access != ALL {
            tests.push(copy(SPARE, ACCESS));
            tests.push(with(AND, SPARE, (ALL & !rule.access).cast_signed()));
            tests.push(with(JUMP_UNLESS_EQUAL, SPARE, 0));
        }
        tests.extend([with(MOVE, ANSWER, 1), with(EXIT, 0, 0)]);
        let end = tests.len();
        for (at, test) in tests.iter_mut().enumerate().filter(|(_, test)| test.code == JUMP_UNLESS_EQUAL) {
            // To the first instruction after this rule's; a rule has nine at most.
            test.offset = i16::try_from(end - at - 1).unwrap_or(i16::MAX);
        }
        program.append(&mut tests);
    }
    program.extend([with(MOVE, ANSWER, 0), with(EXIT, 0, 0)]);
    program
}

/// `BPF_PROG_LOAD` and `BPF_PROG_ATTACH`, and the kind and place of a program that decides on devices.
const LOAD: c_long = 5;
const ATTACH: c_long = 8;
const KIND_CGROUP_DEVICE: u32 = 15;
const PLACE_CGROUP_DEVICE: u32 = 6;
/// A cgroup above or below may have one of its own; all are asked.
const ALLOW_MULTI: u32 = 2;

/// What `BPF_PROG_LOAD` reads, as far as we use it.
#[repr(C)]
struct LoadRequest {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
}

/// What `BPF_PROG_ATTACH` reads, as far as we use it.
#[repr(C)]
struct AttachRequest {
    target: u32,
    program: u32,
    place: u32,
    flags: u32,
}

/// Puts a program of these rules to a cgroup; it goes with the cgroup.
fn attach(cgroup: &Path, rules: &[Rule]) -> Result<()> {
    let directory = File::open(cgroup).context(format!("open {}", cgroup.display()))?;
    let program = load(&program(rules)).context("load the device rules into the kernel")?;
    let number = |fd: i32| u32::try_from(fd).unwrap_or(u32::MAX);
    let request = AttachRequest {
        target: number(directory.as_raw_fd()),
        program: number(program.as_raw_fd()),
        place: PLACE_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    bpf(ATTACH, &request).context(format!("attach the device rules to {}", cgroup.display())).map(drop)
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let request = LoadRequest {
        kind: KIND_CGROUP_DEVICE,
        count: u32::try_from(program.len()).unwrap_or(u32::MAX),
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log: [0; 2],
        kernel_version: 0,
        flags: 0,
    };
    let fd = bpf(LOAD, &request)?;
    Ok(own(fd))
}

/// Calls bpf(2) with a request of the command's own shape.
#[expect(unsafe_code, reason = "there is no safe wrapper of bpf(2)")]
fn bpf<T>(command: c_long, request: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes at the request, which lives through the call, and takes what is
    // beyond for zeros. Both requests of this file are plain numbers without padding; the two addresses in one are of
    // slices that the caller holds, with the length given beside it and a terminating zero. Nothing is written.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(request), size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { i32::try_from(done).map_err(io::Error::other) }
}

#[expect(unsafe_code, reason = "bpf(2) answers with a plain number")]
fn own(fd: i32) -> OwnedFd {
    // SAFETY: BPF_PROG_LOAD has just made this descriptor, and nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
#[path = "device_filter_tests.rs"]
mod tests;
