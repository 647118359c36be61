//! Parts of the benchmark that run in processes of their own, on cores of their own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// Pins this process, and those it starts from now on, to a core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("two cores are needed")
}

/// A child that says in its first line where it listens; it ends with this value.
pub struct Part {
    child: Child,
    pub places: Vec<SocketAddr>,
}

impl Part {
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let places = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { child, places })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // One that has ended is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The time that these processes have had of cores, in microseconds.
pub fn cpu_us(pids: &[u32]) -> Result<f64> {
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("no clock")? as f64;
    let mut sum = 0.0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().context("no fields")?.split_whitespace().collect();
        sum += fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    }
    Ok(sum / ticks * 1e6)
}
