//! Device rules against a reading of the program by hand, and against the kernel where it lets us.

use std::fs;
use std::process::Command;

use libcontainer::oci_spec::runtime::LinuxDeviceCgroupBuilder;

use super::*;

/// Runs a program as the kernel would.
fn decide(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> u32 {
    let context = [access << 16 | kind, major, minor];
    let mut registers = [0_u32; 8];
    let mut at = 0;
    loop {
        let Instruction { code, registers: pair, offset, value } = program[at];
        let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
        at += 1;
        match code {
            LOAD_WORD => registers[to] = context[usize::try_from(offset).unwrap() / 4],
            MOVE => registers[to] = value.cast_unsigned(),
            MOVE_REGISTER => registers[to] = registers[from],
            AND => registers[to] &= value.cast_unsigned(),
            SHIFT_RIGHT => registers[to] >>= value,
            JUMP_UNLESS_EQUAL if registers[to] != value.cast_unsigned() => at += usize::try_from(offset).unwrap(),
            JUMP_UNLESS_EQUAL => {}
            EXIT => return registers[usize::from(ANSWER)],
            other => panic!("{other:#x}"),
        }
    }
}

fn rule(allow: bool, kind: LinuxDeviceType, numbers: Option<(i64, i64)>, access: &str) -> LinuxDeviceCgroup {
    let mut builder = LinuxDeviceCgroupBuilder::default().allow(allow).typ(kind).access(access);
    if let Some((major, minor)) = numbers {
        builder = builder.major(major).minor(minor);
    }
    builder.build().unwrap()
}

#[test]
fn rules_into_answers() {
    let deny = rule(false, LinuxDeviceType::A, None, "rwm");
    let rules = [
        deny.clone(),
        rule(true, LinuxDeviceType::B, Some((8, 0)), "r"),
        rule(true, LinuxDeviceType::C, Some((10, -1)), "rw"),
        rule(true, LinuxDeviceType::C, Some((4_000_000_000, 1)), "rwm"),
    ];
    let program = program(&allowed(&rules).unwrap().unwrap());
    for (kind, access, major, minor, expect) in [
        (CHAR, READ, 1, 3, 1),
        (CHAR, READ | WRITE, 1, 9, 1),
        (CHAR, READ, 1, 1, 0),
        (BLOCK, READ, 1, 3, 0),
        (CHAR, MKNOD, 1, 1, 1),
        (BLOCK, MKNOD, 7, 7, 1),
        (BLOCK, MKNOD | READ, 7, 7, 0),
        (BLOCK, READ, 8, 0, 1),
        (BLOCK, WRITE, 8, 0, 0),
        (BLOCK, READ | WRITE, 8, 0, 0),
        (BLOCK, READ, 8, 1, 0),
        (CHAR, READ | WRITE, 10, 229, 1),
        (CHAR, READ | WRITE | MKNOD, 10, 229, 0),
        (CHAR, WRITE, 136, 77, 1),
        (CHAR, WRITE, 4_000_000_000, 1, 1),
        (CHAR, WRITE, 4_000_000_000, 2, 0),
    ] {
        assert_eq!(decide(&program, kind, access, major, minor), expect, "{kind} {access} {major}:{minor}");
    }
    assert_eq!(allowed(&[rule(true, LinuxDeviceType::A, None, "rwm")]).unwrap(), None);
    assert!(allowed(&[deny.clone(), rule(false, LinuxDeviceType::C, Some((1, 3)), "rwm")]).is_err());
    assert!(allowed(&[rule(true, LinuxDeviceType::C, Some((1, 3)), "rwm")]).is_err());
    assert!(allowed(&vec![deny; RULES_MAX + 1]).is_err());
}

/// A cgroup of version 2, empty and for this test alone; its end is its removal.
struct Own(std::path::PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn the_kernel_keeps_the_rules() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let unified = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| Path::new(point).to_owned())
    });
    let Some(unified) = unified.filter(|_| nix::unistd::geteuid().is_root()) else {
        println!("skipped: needs root and a cgroup of version 2");
        return;
    };
    let own = Own(unified.join(format!("masthead-test-devices-{}", std::process::id())));
    fs::create_dir(&own.0).unwrap();
    let try_all = || {
        let script = "echo $$ >\"$1/cgroup.procs\"; for device in null zero full; do \
                      head -c 0 \"/dev/$device\" 2>/dev/null && echo $device; done; true";
        let output = Command::new("sh").args(["-c", script, "sh"]).arg(&own.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(try_all(), "null\nzero\nfull\n");
    let only = [Rule::character(1, Some(3))];
    match attach(&own.0, &only) {
        Ok(()) => assert_eq!(try_all(), "null\n"),
        // A sandbox without CAP_BPF, or a kernel without the feature.
        Err(error) if error.to_string().contains("Operation not permitted") => println!("skipped: {error}"),
        Err(error) => panic!("{error}"),
    }
}
