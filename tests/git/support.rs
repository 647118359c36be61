//! Temporary repositories, a server for them, and waiting without sleeping.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use masthead::git::commit::CommitId;
use masthead::git::mirror::handle::{Event, Handle, Subscription};
use masthead::git::mirror::options::Options;
use masthead::git::mirror::url;

/// Longest wait for something that must happen.
pub const SOON: Duration = Duration::from_secs(120);

/// `git` with fixed settings and times.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.com")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.com")
        .env("LC_ALL", "C");
    command
}

/// Runs git; must succeed. Its standard output, trimmed.
pub fn run(dir: &Path, args: &[&str]) -> String {
    let out = git(dir).args(args).output().expect("git");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// Runs git; may fail.
pub fn attempt(dir: &Path, args: &[&str]) -> Output {
    git(dir).args(args).output().expect("git")
}

/// Standard error as text.
pub fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// A work tree in a temporary folder.
pub struct Work {
    pub dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl Work {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("work");
        std::fs::create_dir(&path).expect("dir");
        run(&path, &["init", "-q", "-b", "main"]);
        // Git would pack in the background, behind the test's back.
        run(&path, &["config", "gc.auto", "0"]);
        Self { dir, path }
    }

    pub fn write(&self, path: &str, text: &str) -> &Self {
        let file = self.path.join(path);
        std::fs::create_dir_all(file.parent().expect("parent")).expect("dirs");
        std::fs::write(file, text).expect("write");
        self
    }

    pub fn commit(&self, message: &str) -> CommitId {
        run(&self.path, &["add", "-A"]);
        run(&self.path, &["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
        self.head()
    }

    pub fn head(&self) -> CommitId {
        run(&self.path, &["rev-parse", "HEAD"]).parse().expect("id")
    }

    /// A commit whose tree is written entry by entry, so that names git itself would refuse can stand in it.
    pub fn forged(&self, entries: &[(&str, &[u8], &str)]) -> CommitId {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(mode.as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend((0..40).step_by(2).map(|i| u8::from_str_radix(&id[i..i + 2], 16).expect("hex")));
        }
        let tree = self.object("tree", &raw);
        run(&self.path, &["commit-tree", &tree, "-m", "forged"]).parse().expect("id")
    }

    /// One commit with many files, packed, without writing them out first; the work tree is brought to it.
    pub fn many(&self, files: impl Iterator<Item = (String, String)>) -> CommitId {
        let mut stream =
            String::from("commit refs/heads/main\ncommitter Ada <ada@example.com> 1700000000 +0000\ndata 4\nmany\n");
        for (path, text) in files {
            stream.push_str(&format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()));
        }
        let file = self.dir.path().join("stream");
        std::fs::write(&file, stream).expect("write");
        let input = std::fs::File::open(&file).expect("stream");
        let status = git(&self.path).args(["fast-import", "--quiet"]).stdin(input).status().expect("git");
        assert!(status.success());
        run(&self.path, &["read-tree", "main"]);
        self.head()
    }

    /// Commits one file without looking at the work tree.
    pub fn commit_file(&self, path: &str, text: &str) -> CommitId {
        self.write(path, text);
        run(&self.path, &["add", path]);
        run(&self.path, &["commit", "-q", "-m", "one file"]);
        self.head()
    }

    /// Writes an object as it is.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let file = self.dir.path().join("object");
        std::fs::write(&file, bytes).expect("write");
        run(&self.path, &["hash-object", "-t", kind, "--literally", "-w", file.to_str().expect("utf-8")])
    }
}

/// Options for watching a path or address, quick on faults.
pub fn watching(source: &str, mirror: &Path) -> Options {
    let mut options = Options::new(url::parse(source, false).expect("source"), mirror);
    options.branch = Some("main".into());
    options.backoff_min = Duration::from_millis(50);
    options.backoff_max = Duration::from_millis(200);
    options.poke_gap = Duration::from_millis(10);
    options
}

/// The next event that `pick` wants.
pub async fn until<T>(events: &mut Subscription, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let found = tokio::time::timeout(SOON, async {
        loop {
            let event = events.next().await.expect("the watch goes on");
            if let Some(found) = pick(&event) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("no {what} came"))
}

/// Waits for a state of the watch.
pub async fn state(handle: &Handle, what: &str, mut want: impl FnMut(&masthead::git::mirror::handle::Status) -> bool) {
    let mut status = handle.watch();
    let waited = tokio::time::timeout(SOON, status.wait_for(|s| want(s))).await;
    assert!(waited.is_ok_and(|w| w.is_ok()), "no {what}; status is {:?}", handle.status());
}

/// Waits until the branch has this tip.
pub async fn tip(handle: &Handle, want: CommitId) {
    state(handle, "tip", |s| s.tip == Some(want) && s.fault.is_none()).await;
}

/// Text that does not compress.
pub fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state >> 32) as u8 % 90)
    };
    (0..bytes).map(|_| next()).collect()
}
