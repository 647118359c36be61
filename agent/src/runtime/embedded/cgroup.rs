//! One cgroup on whatever this host has, v1, hybrid or v2: made, looked into, emptied, removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often, and how long each time, dying processes are waited for: 2 s in all.
const WAIT_ROUNDS: usize = 1000;
const WAIT: Duration = Duration::from_millis(2);
/// How deep a container's own cgroups are followed.
const DEPTH_MAX: usize = 16;
/// v2 controllers that are handed down to pods.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"];

static HIERARCHY: OnceLock<Hierarchy> = OnceLock::new();

/// Where controllers are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// v1, or hybrid: each mount point with its controllers.
    V1(Vec<(PathBuf, Vec<String>)>),
    /// v2 alone.
    V2(PathBuf),
}

impl Hierarchy {
    /// This host's, looked up once.
    pub fn host() -> &'static Self {
        HIERARCHY.get_or_init(|| Self::parse(&fs::read_to_string("/proc/self/mounts").unwrap_or_default()))
    }

    /// From the text of /proc/self/mounts.
    pub fn parse(mounts: &str) -> Self {
        let mut v1 = Vec::new();
        for line in mounts.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, point, "cgroup", options, ..] = fields[..] else { continue };
            let is_controller = |word: &&str| {
                !word.contains('=')
                    && !matches!(*word, "rw" | "ro" | "nosuid" | "nodev" | "noexec" | "relatime" | "xattr")
            };
            let controllers: Vec<String> = options.split(',').filter(is_controller).map(str::to_owned).collect();
            let known = v1.iter().any(|(_, seen)| *seen == controllers);
            if !controllers.is_empty() && !known {
                v1.push((PathBuf::from(point), controllers));
            }
        }
        if v1.is_empty() { Self::V2(PathBuf::from("/sys/fs/cgroup")) } else { Self::V1(v1) }
    }
}

/// One cgroup, in all of its hierarchies.
#[derive(Clone, Debug)]
pub struct Cgroup {
    hierarchy: &'static Hierarchy,
    path: PathBuf,
}

impl Cgroup {
    /// By its path below the mount points, as an OCI `cgroupsPath`; it need not exist.
    pub fn open(path: &str) -> Self {
        let parts = Path::new(path).components().filter(|part| matches!(part, std::path::Component::Normal(_)));
        Self { hierarchy: Hierarchy::host(), path: parts.collect() }
    }

    /// Whether this host has v2 alone.
    pub fn is_v2(&self) -> bool {
        matches!(self.hierarchy, Hierarchy::V2(_))
    }

    /// Its directory for a v1 controller; on v2 the only one.
    pub fn dir(&self, controller: &str) -> Option<PathBuf> {
        match self.hierarchy {
            Hierarchy::V2(root) => Some(root.join(&self.path)),
            Hierarchy::V1(mounts) => mounts
                .iter()
                .find(|(_, controllers)| controllers.iter().any(|name| name == controller))
                .map(|(point, _)| point.join(&self.path)),
        }
    }

    /// Its directories.
    pub fn dirs(&self) -> Vec<PathBuf> {
        match self.hierarchy {
            Hierarchy::V2(root) => vec![root.join(&self.path)],
            Hierarchy::V1(mounts) => mounts.iter().map(|(point, _)| point.join(&self.path)).collect(),
        }
    }

    /// Makes it, for children to be put into.
    pub fn create(&self) -> io::Result<()> {
        let Hierarchy::V2(root) = self.hierarchy else {
            return self.dirs().iter().try_for_each(fs::create_dir_all);
        };
        let mut directory = root.clone();
        enable_controllers(&directory);
        for part in &self.path {
            directory.push(part);
            match fs::create_dir(&directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            enable_controllers(&directory);
        }
        Ok(())
    }

    /// Processes in it and below it.
    pub fn pids(&self) -> Vec<i32> {
        let Some(directory) = self.some_dir() else { return Vec::new() };
        let mut pids = Vec::new();
        collect_pids(&directory, DEPTH_MAX, &mut pids);
        pids
    }

    fn some_dir(&self) -> Option<PathBuf> {
        self.dirs().into_iter().find(|directory| directory.exists())
    }

    /// How often the kernel has killed a process of it for its memory.
    pub fn oom_kills(&self) -> u64 {
        let file = if self.is_v2() { "memory.events" } else { "memory.oom_control" };
        let text = self.dir("memory").and_then(|dir| fs::read_to_string(dir.join(file)).ok());
        text.and_then(|text| keyed(&text, "oom_kill")).unwrap_or(0)
    }

    /// Kills every process in it and waits until they are gone, for 2 s at most; false when
    /// some are left even so.
    pub fn kill_all(&self) -> bool {
        if self.pids().is_empty() {
            return true;
        }
        let killed_at_once =
            self.is_v2() && self.some_dir().is_some_and(|dir| fs::write(dir.join("cgroup.kill"), "1").is_ok());
        for round in 0..WAIT_ROUNDS {
            let pids = self.pids();
            if pids.is_empty() {
                return true;
            }
            if !killed_at_once && round % 16 == 0 {
                // Frozen processes can't fork while the list is worked off.
                self.freeze(true);
                for pid in self.pids() {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                self.freeze(false);
            }
            sleep(WAIT);
        }
        self.pids().is_empty()
    }

    fn freeze(&self, frozen: bool) {
        let (file, text) = match (self.is_v2(), frozen) {
            (true, true) => ("cgroup.freeze", "1"),
            (true, false) => ("cgroup.freeze", "0"),
            (false, true) => ("freezer.state", "FROZEN"),
            (false, false) => ("freezer.state", "THAWED"),
        };
        if let Some(directory) = self.dir("freezer") {
            let _ = fs::write(directory.join(file), text);
        }
    }

    /// Removes it with what is below it; false when something is left, as where processes are.
    pub fn remove(&self) -> bool {
        self.dirs().iter().map(|directory| remove_tree(directory, DEPTH_MAX)).fold(true, |a, b| a & b)
    }

    /// Removes it where it has no children; for directories that pods share.
    pub fn remove_if_empty(&self) {
        for directory in self.dirs() {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn enable_controllers(directory: &Path) {
    let available = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    for name in CONTROLLERS {
        if available.split_whitespace().any(|word| word == name) {
            let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{name}"));
        }
    }
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

fn collect_pids(directory: &Path, depth: usize, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // A process of a foreign pid namespace reads as 0, which kill() would take for ourselves.
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    if depth > 0 {
        children(directory).for_each(|child| collect_pids(&child, depth - 1, pids));
    }
}

fn remove_tree(directory: &Path, depth: usize) -> bool {
    if depth > 0 {
        for child in children(directory) {
            remove_tree(&child, depth - 1);
        }
    }
    // A process that has just ended keeps its cgroup busy for a moment.
    for _ in 0..WAIT_ROUNDS / 10 {
        match nix::unistd::unlinkat(nix::fcntl::AT_FDCWD, directory, nix::unistd::UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return true,
            Err(Errno::EBUSY) => sleep(WAIT),
            Err(_) => return false,
        }
    }
    false
}

/// The value of `key` in lines of a key and a number.
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told_apart() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0\n\
            cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,relatime,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
            cgroup /again cgroup rw,memory 0 0\n\
            cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let expect = vec![
            (PathBuf::from("/sys/fs/cgroup/cpu,cpuacct"), vec!["cpu".into(), "cpuacct".into()]),
            (PathBuf::from("/sys/fs/cgroup/memory"), vec!["memory".into()]),
        ];
        assert_eq!(Hierarchy::parse(hybrid), Hierarchy::V1(expect));
        let unified = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        assert_eq!(Hierarchy::parse(unified), Hierarchy::V2("/sys/fs/cgroup".into()));
    }

    #[test]
    fn a_path_never_leaves_the_mount_point() {
        assert_eq!(Cgroup::open("/a/../../b/./c").path, Path::new("a/b/c"));
    }

    #[test]
    fn keyed_values() {
        let text = "low 0\noom 2\noom_kill 3\n";
        assert_eq!((keyed(text, "oom_kill"), keyed(text, "oom"), keyed(text, "x")), (Some(3), Some(2), None));
    }
}
