//! Processes by pid and start time, and everything a command has started.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often a dying tree is looked at again; what forks faster than that stays.
const ROUNDS: usize = 32;

/// What /proc/PID/stat says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `Z` and so on.
    pub state: u8,
    /// Parent.
    pub parent: i32,
    /// Session.
    pub session: i32,
    /// Clock ticks from boot to its start; with the pid it names one process for ever.
    pub start_time: u64,
}

/// Reads it; None when there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may hold any character, so fields count from the last one.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    Some(Stat {
        state: *fields.next()?.as_bytes().first()?,
        parent: fields.next()?.parse().ok()?,
        session: fields.nth(1)?.parse().ok()?,
        start_time: fields.nth(15)?.parse().ok()?,
    })
}

/// Whether this very process lives; a zombie does not.
pub fn is_alive(pid: i32, start_time: u64) -> bool {
    stat(pid).is_some_and(|stat| stat.start_time == start_time && !matches!(stat.state, b'Z' | b'X'))
}

/// Reads a pid and a start time from a file.
pub fn load(path: &Path) -> Option<(i32, u64)> {
    let text = fs::read_to_string(path).ok()?;
    let (pid, start_time) = text.split_once(' ')?;
    Some((pid.parse().ok()?, start_time.trim().parse().ok()?))
}

/// Kills a command, its session and all descendants among `pids`, until none is left.
pub fn kill_command(command: i32, pids: impl Fn() -> Vec<i32>) {
    let mut known = HashSet::from([command]);
    for _ in 0..ROUNDS {
        let mut alive = false;
        let all: Vec<(i32, Stat)> = pids().into_iter().filter_map(|pid| Some((pid, stat(pid)?))).collect();
        while all
            .iter()
            .any(|(pid, stat)| (stat.session == command || known.contains(&stat.parent)) && known.insert(*pid))
        {
        }
        for (pid, stat) in &all {
            if known.contains(pid) && !matches!(stat.state, b'Z' | b'X') {
                alive = true;
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        if !alive {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let tail = "S 10 11 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 100 200";
        for name in ["sh", "a b", "x) R 1 2", "((", ""] {
            let stat = parse_stat(&format!("42 ({name}) {tail}"));
            let expect = Stat { state: b'S', parent: 10, session: 12, start_time: 987_654 };
            assert_eq!(stat, Some(expect), "{name}");
        }
        assert_eq!(parse_stat("42 (sh S"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn this_process_lives_and_another_start_time_does_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let start = stat(pid).unwrap().start_time;
        assert!(is_alive(pid, start));
        assert!(!is_alive(pid, start + 1));
    }
}
