//! The bare repository Masthead hosts: made once, its settings and hooks written anew at each start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Repository, RepositoryInitOptions};

use crate::git::error::{Context, Error};
use crate::git::loose;
use crate::git::names;
use crate::git::protocol::SOCKET_ENV;

/// Bytes of a pack a push may bring.
pub const PACK_BYTES_MAX: u64 = 2 << 30;
/// Lock files of what [`ensure`] alone writes; one that a killed daemon left would keep every later one from starting.
const OWN_LOCKS: [&str; 2] = ["HEAD.lock", "config.lock"];
/// Seconds after which a lock file of a killed git is taken to be left behind.
const STALE_LOCK_S: u64 = 60;

/// What the hooks run: an absolute program and its arguments; the hook's name is added last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand {
    /// The program.
    pub program: PathBuf,
    /// Arguments before the hook's name, such as `hook`.
    pub args: Vec<String>,
}

/// Makes the repository when it is missing and brings settings, HEAD and hooks up to date. Refs are never touched, and
/// of objects only those a power cut left half written.
pub fn ensure(path: &Path, branch: &str, hook: &HookCommand, socket: &Path) -> Result<(), Error> {
    names::branch(branch)?;
    let repo = match Repository::open_bare(path) {
        Ok(repo) => repo,
        Err(_) if !path.exists() || is_empty_dir(path) => {
            let mut options = RepositoryInitOptions::new();
            // `external_template(false)`: the user's template could bring hooks of its own.
            options.bare(true).mkpath(true).external_template(false).initial_head(branch);
            Repository::init_opts(path, &options).what(|| format!("making the repository {}", path.display()))?
        }
        Err(source) => return Err(Error::Git { what: format!("opening the repository {}", path.display()), source }),
    };
    let broken = loose::sweep(&path.join("objects"))?;
    if broken > 0 {
        tracing::error!(broken, repository = %path.display(), "objects of the repository are damaged: `git fsck` says which");
    }
    for name in OWN_LOCKS {
        // Written here alone, and the data directory is ours: whoever held it was killed. Gone is as good.
        let _ = fs::remove_file(path.join(name));
    }
    let head = format!("refs/heads/{branch}");
    // Not at each start: a write that is cut short by a kill leaves its lock.
    if !repo.find_reference("HEAD").is_ok_and(|now| now.symbolic_target_bytes() == Some(head.as_bytes())) {
        repo.set_head(&head).what(|| format!("pointing HEAD at {branch}"))?;
    }
    configure(&repo, path)?;
    let hooks = path.join("hooks");
    fs::create_dir_all(&hooks).what(|| format!("making {}", hooks.display()))?;
    for kind in ["pre-receive", "post-receive"] {
        let script = script(hook, socket, kind)?;
        let file = hooks.join(kind);
        let fresh = hooks.join(format!("{kind}.new"));
        fs::write(&fresh, script)
            .and_then(|()| fs::set_permissions(&fresh, Permissions::from_mode(0o755)))
            .and_then(|()| fs::rename(&fresh, &file))
            .what(|| format!("writing {}", file.display()))?;
    }
    remove_stale_locks(path, Duration::from_secs(STALE_LOCK_S));
    Ok(())
}

fn configure(repo: &Repository, path: &Path) -> Result<(), Error> {
    let what = || format!("configuring {}", path.display());
    let mut config = repo.config().and_then(|c| c.open_level(git2::ConfigLevel::Local)).what(what)?;
    let hooks = path.canonicalize().what(what)?.join("hooks");
    let max = PACK_BYTES_MAX.to_string();
    for (key, value) in [
        ("http.receivepack", "true"),
        ("receive.advertisePushOptions", "true"),
        ("receive.maxInputSize", max.as_str()),
        // Housekeeping in the foreground: nothing is left running behind a push.
        ("gc.autoDetach", "false"),
        ("core.logAllRefUpdates", "true"),
        // A commit that was accepted must survive a power cut.
        ("core.fsync", "committed,loose-object,reference"),
        ("core.fsyncMethod", "batch"),
        // A push into the file system by a user with `core.hooksPath` set would pass our hooks by.
        ("core.hooksPath", &hooks.to_string_lossy()),
    ] {
        if config.get_string(key).ok().as_deref() != Some(value) {
            config.set_str(key, value).what(what)?;
        }
    }
    Ok(())
}

fn script(hook: &HookCommand, socket: &Path, kind: &str) -> Result<String, Error> {
    let mut command = quote(&hook.program.to_string_lossy())?;
    for arg in hook.args.iter().map(String::as_str).chain([kind]) {
        command.push(' ');
        command.push_str(&quote(arg)?);
    }
    let socket = quote(&socket.to_string_lossy())?;
    Ok(format!("#!/bin/sh\n# Written by masthead at each start.\n{SOCKET_ENV}={socket} exec {command}\n"))
}

/// A word as sh reads it back unchanged.
fn quote(word: &str) -> Result<String, Error> {
    if word.contains(['\0', '\n', '\u{fffd}']) {
        return Err(Error::BadName {
            what: "path",
            text: word.escape_debug().to_string(),
            why: "can't stand in a shell script",
        });
    }
    Ok(format!("'{}'", word.replace('\'', "'\\''")))
}

fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut d| d.next().is_none())
}

/// Removes lock files a killed git left behind; a lock younger than `age` may belong to a living one.
pub(in crate::git) fn remove_stale_locks(repository: &Path, age: Duration) {
    let mut folders = vec![(repository.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let name = entry.file_name();
            if kind.is_dir() && depth < 32 && (depth > 0 || name == "refs") {
                folders.push((path, depth + 1));
            } else if kind.is_file() && name.as_encoded_bytes().ends_with(b".lock") {
                let old =
                    entry.metadata().and_then(|m| m.modified()).is_ok_and(|t| t.elapsed().is_ok_and(|e| e >= age));
                if old {
                    tracing::warn!(lock = %path.display(), "removing a lock file left behind");
                    // Somebody else may have removed it first.
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_was_killed_does_not_keep_the_next_from_starting() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("repo.git");
        let hook = HookCommand { program: "/bin/true".into(), args: Vec::new() };
        let start = |branch: &str| ensure(&path, branch, &hook, Path::new("/nowhere"));
        start("main").expect("a repository");
        for name in OWN_LOCKS {
            fs::write(path.join(name), "").expect("a lock");
        }
        start("other").expect("started again, with another branch to point to");
        let head = fs::read_to_string(path.join("HEAD")).expect("HEAD");
        assert_eq!(head.trim(), "ref: refs/heads/other");
        assert!(OWN_LOCKS.iter().all(|name| !path.join(name).exists()));
    }

    #[test]
    fn words_survive_the_shell() {
        for word in ["plain", "with space", "it's", "$(touch x)", "`x`", "a\"b", "\\", "-x", "*"] {
            let quoted = quote(word).expect("quotable");
            let out =
                std::process::Command::new("sh").args(["-c", &format!("printf %s {quoted}")]).output().expect("sh");
            assert_eq!(String::from_utf8_lossy(&out.stdout), word);
        }
        assert!(quote("a\nb").is_err());
    }
}
