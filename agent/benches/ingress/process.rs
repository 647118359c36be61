//! Parts of the benchmark that run in processes of their own, on cores of their own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Pins this process, and those it starts from now on, to a core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set).context("two cores are needed")
}

/// A child that says in its first line where it listens; it is told to end with this value.
pub struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub places: Vec<SocketAddr>,
}

impl Part {
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let mut part = Self { child, input, output, places: Vec::new() };
        let line = part.line()?;
        part.places = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(part)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says a line, and hears one.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.line()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "it has ended");
        Ok(line)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Tells a child to end, and waits until it has.
pub fn end(child: &mut Child) {
    let Ok(pid) = i32::try_from(child.id()) else { return };
    if kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok() {
        // One that has ended is what is wanted.
        let _ = child.wait();
    }
}

/// The time that these processes have had of cores, in microseconds.
pub fn cpu_us(pids: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for pid in pids {
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().context("no time")?.parse::<f64>()? / 1e3;
        }
    }
    Ok(sum)
}
