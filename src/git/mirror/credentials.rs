//! Where secrets for a repository come from into what git is given for one host, never on a command line.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::git::error::{Context, Error};
use crate::git::mirror::url::{RemoteUrl, Scheme};

/// Bytes of a file with a password or token.
const SECRET_BYTES_MAX: u64 = 16 * 1024;
/// Seconds ssh waits for a connection.
const SSH_CONNECT_S: u32 = 15;

/// Text that may not be printed: it has no Debug or Display.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads a secret from a file, without the newline at its end.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        // The size that a file tells is not that of a device or a pipe.
        let limited = File::open(path).map(|file| file.take(SECRET_BYTES_MAX + 1));
        let read = limited.and_then(|mut file| file.read_to_string(&mut text));
        if read.what(|| format!("reading {}", path.display()))? as u64 > SECRET_BYTES_MAX {
            let what = format!("the size of {}", path.display());
            return Err(Error::Limit { what, limit: SECRET_BYTES_MAX, name: "SECRET_BYTES_MAX" });
        }
        Ok(Self(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn is_one_line(&self) -> bool {
        !self.0.contains(['\n', '\r', '\0'])
    }
}

/// How to authenticate to a repository.
#[derive(Clone, Default)]
pub struct Credentials {
    /// User for HTTPS; a token alone goes with any user, `git` by default.
    pub user: Option<String>,
    /// Password or token for HTTPS.
    pub password: Option<Secret>,
    /// Private key file for ssh; without it, ssh's own defaults and the agent.
    pub ssh_key: Option<PathBuf>,
    /// File of known host keys for ssh; without it, ssh's own. An unknown host is always refused.
    pub known_hosts: Option<PathBuf>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("ssh_key", &self.ssh_key).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Hands the credentials to a git command that will speak to `url`, before its sub-command is added. They are bound
    /// to scheme, host and port: git asks again after a redirect, and then nothing answers.
    pub fn apply(&self, command: &mut Command, url: &RemoteUrl) -> Result<(), Error> {
        match url.scheme {
            Scheme::Ssh => self.apply_ssh(command),
            Scheme::Https | Scheme::Http => self.apply_http(command, url),
        }
    }

    fn apply_http(&self, command: &mut Command, url: &RemoteUrl) -> Result<(), Error> {
        let in_url = url.password.as_ref().map(|p| Secret(p.clone()));
        let Some(password) = self.password.as_ref().or(in_url.as_ref()) else { return Ok(()) };
        let user = self.user.as_deref().or(url.user.as_deref()).unwrap_or("git");
        if !password.is_one_line() || user.contains(['\n', '\r', '\0']) {
            return Err(Error::BadName { what: "password", text: "…".into(), why: "holds a line break" });
        }
        let scheme = if url.scheme == Scheme::Https { "https" } else { "http" };
        // The helper is a shell function that reads two variables of the child: secrets are in no argument and no file.
        let helper = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$MASTHEAD_GIT_USER" "$MASTHEAD_GIT_PASSWORD"; }; f"#;
        command
            .arg("-c")
            .arg(format!("credential.{scheme}://{}.helper={helper}", url.authority))
            .env("MASTHEAD_GIT_USER", user)
            .env("MASTHEAD_GIT_PASSWORD", &password.0);
        Ok(())
    }

    fn apply_ssh(&self, command: &mut Command) -> Result<(), Error> {
        let mut ssh = format!(
            "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout={SSH_CONNECT_S} -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -o ClearAllForwardings=yes"
        );
        if let Some(file) = &self.known_hosts {
            ssh.push_str(&format!(" -o {}", quote(&format!("UserKnownHostsFile={}", option_path(file)?))));
        }
        if let Some(key) = &self.ssh_key {
            ssh.push_str(&format!(" -o IdentitiesOnly=yes -i {}", quote(&option_path(key)?)));
        }
        command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
        Ok(())
    }
}

/// A path as ssh takes it in an option, where spaces separate and `%` expands.
fn option_path(path: &Path) -> Result<String, Error> {
    let text = path.to_string_lossy();
    if text.contains(['"', '%', '\n', '\u{fffd}', ' ']) || !path.is_absolute() {
        return Err(Error::BadName {
            what: "path",
            text: text.escape_debug().to_string(),
            why: "must be absolute, without spaces, quotes and % (ssh can't take it)",
        });
    }
    Ok(text.into_owned())
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
