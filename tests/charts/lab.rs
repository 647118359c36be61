//! A folder of its own with charts in it, and the program run there with nothing of the user's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::archive;

/// What a run did.
#[derive(Debug)]
pub struct Done {
    pub is_ok: bool,
    pub stdout: String,
    pub stderr: String,
}

pub struct Lab {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Lab {
    pub fn new() -> Lab {
        let lab = Lab { folder: tempfile::tempdir().expect("a folder"), environment: Vec::new() };
        std::fs::create_dir(lab.path("home")).expect("a home");
        lab
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As text.
    pub fn text_of_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    /// A small chart.
    pub fn chart(&self, folder: &str, name: &str, version: &str) {
        self.write(&format!("{folder}/Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n"));
        self.write(&format!("{folder}/values.yaml"), "# how many\ncount: 1\n");
        let template = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  count: \"{{ .Values.count }}\"\n";
        self.write(&format!("{folder}/templates/map.yaml"), template);
    }

    /// `masthead chart` on words that are split at blanks.
    pub fn run(&self, line: &str) -> Done {
        self.run_words(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>())
    }

    pub fn run_words(&self, words: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_masthead"));
        command.arg("chart").args(words);
        self.finish(&mut command)
    }

    /// The same with no more than so many bytes of address space, of which the stack for renders takes a GiB.
    pub fn run_within(&self, kib: u64, line: &str) -> Done {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {kib}; exec \"$0\" chart \"$@\""), env!("CARGO_BIN_EXE_masthead")]);
        command.args(line.split(' '));
        self.finish(&mut command)
    }

    /// A command in the folder, with an environment of its own.
    pub fn finish(&self, command: &mut Command) -> Done {
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HOME", self.path("home")).env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&self.text_of_path(""), "HERE/");
        assert!(status.code().is_some(), "it was killed: {status}, {}", text(stderr.clone()));
        Done { is_ok: status.success(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs what has to succeed; gives standard output.
    pub fn good(&self, line: &str) -> String {
        let done = self.run(line);
        assert!(done.is_ok, "{line}\n{}{}", done.stdout, done.stderr);
        done.stdout
    }

    /// Runs what has to fail; gives standard error.
    pub fn bad(&self, line: &str) -> String {
        let done = self.run(line);
        assert!(!done.is_ok, "{line}\n{}{}", done.stdout, done.stderr);
        assert!(!done.stderr.contains("panicked"), "{line}\n{}", done.stderr);
        done.stderr
    }

    /// Every file below a folder, sorted; without what the program keeps for itself.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let mut out = Vec::new();
        walk(&self.path(folder), "", &mut out);
        out.retain(|name| !name.starts_with("home/"));
        out.sort();
        out
    }

    /// The names in an archive, in their order.
    pub fn packed(&self, name: &str) -> Vec<String> {
        archive::entries(&self.read(name)).into_iter().map(|(name, _)| name).collect()
    }

    /// One file out of an archive.
    pub fn unpacked(&self, archive: &str, name: &str) -> String {
        let found = archive::entries(&self.read(archive)).into_iter().find(|(known, _)| known == name);
        String::from_utf8(found.expect("it is in the archive").1).expect("text")
    }
}

fn walk(folder: &Path, below: &str, out: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        match entry.path().is_dir() {
            true => walk(&entry.path(), &name, out),
            false => out.push(name),
        }
    }
}

/// Whether programs are there; in CI they must be.
pub fn has(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    match programs.iter().find(|program| !is_there(program)) {
        None => true,
        Some(missing) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have {missing}");
            println!("skipped: there is no {missing}");
            false
        }
    }
}
