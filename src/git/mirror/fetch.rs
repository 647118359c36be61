//! A branch of an address into the mirror's incoming ref, by a `git fetch` that can be cut.
//!
//! Git itself fetches, not libgit2: this build of libgit2 has no TLS and no ssh (they would need OpenSSL and a C library
//! on every machine that builds), it speaks no protocol version 2, and a hung process can be killed where a hung call
//! can't. Git is there anyway, for hosting.

use std::path::Path;

use tokio::process::Command;

use crate::git::error::Error;
use crate::git::mirror::fault::{self, Failure, FaultKind};
use crate::git::mirror::options::Options;
use crate::git::mirror::store::{self, GLOBAL_CONFIG};
use crate::git::mirror::url::Source;
use crate::git::names;
use crate::git::process::{self, Finished};

/// Bytes of a block in sh's `ulimit -f`.
const ULIMIT_BLOCK_BYTES: u64 = 512;

/// Fetches the branch into [`store::incoming`] of `mirror`.
pub async fn fetch(options: &Options, mirror: &Path, branch: &str) -> Result<(), Failure> {
    let refspec = format!("+refs/heads/{branch}:{}", store::incoming(branch));
    let args = [
        "fetch",
        "--quiet",
        "--force",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
        "--refmap=",
        "--update-shallow",
        "--",
    ];
    let mut failure = match run(options, mirror, &args, &[&refspec]).await? {
        Finished { success: true, .. } => return Ok(()),
        finished => fault::classify(&finished.stderr),
    };
    if store::drop_unfinished(mirror) >= options.pack_bytes_max && failure.kind == FaultKind::TruncatedPack {
        // The kernel stopped git at the bound; git itself only says that the pack is no good.
        let why = format!("the pack is larger than {} bytes (pack_bytes_max)", options.pack_bytes_max);
        return Err(Failure::new(FaultKind::TooLarge, why));
    }
    if failure.why.contains(".lock': File exists") {
        // A killed git left it: only this task writes the mirror.
        store::unlock(mirror);
        match run(options, mirror, &args, &[&refspec]).await? {
            Finished { success: true, .. } => return Ok(()),
            finished => failure = fault::classify(&finished.stderr),
        }
    }
    if failure.kind == FaultKind::BranchMissing {
        return Err(why_missing(options, mirror, branch).await?);
    }
    Err(failure)
}

/// Tells a missing branch from a repository without commits, and both from a page that is no repository: git takes any
/// answer of a web server for the list of an old-fashioned ("dumb") one, and an HTML page for an empty list.
async fn why_missing(options: &Options, mirror: &Path, branch: &str) -> Result<Failure, Failure> {
    let mut command = prepare(options, mirror, &["ls-remote", "--heads", "--"], &[])?;
    command.env("GIT_TRACE_PACKET", "1");
    let heads = finish(&mut command, options, mirror).await?;
    if !heads.success {
        return Ok(fault::classify(&heads.stderr));
    }
    let source = &options.source;
    let spoke_git = !matches!(source, Source::Remote(_)) || heads.stderr.contains("packet:");
    Ok(match (spoke_git, heads.stdout.trim().is_empty()) {
        (false, true) => {
            Failure::new(FaultKind::NotGit, format!("{source} answers, but not as a git server: a sign-in page?"))
        }
        (_, true) => Failure::new(FaultKind::EmptyRepository, format!("{source} has no commit yet")),
        _ => Failure::new(FaultKind::BranchMissing, format!("{source} has no branch {branch}")),
    })
}

/// The branch that HEAD of the source names.
pub async fn head_branch(options: &Options, mirror: &Path) -> Result<String, Failure> {
    let finished = run(options, mirror, &["ls-remote", "--symref", "--"], &["HEAD"]).await?;
    if !finished.success {
        return Err(fault::classify(&finished.stderr));
    }
    let found = finished.stdout.lines().find_map(|l| l.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    match found {
        Some(branch) if names::branch(branch).is_ok() => Ok(branch.to_owned()),
        _ => Err(Failure::new(
            FaultKind::EmptyRepository,
            format!("{} has no HEAD branch with a commit: give --branch", options.source),
        )),
    }
}

/// Packs the mirror when git finds it worth it.
pub async fn tidy(options: &Options, mirror: &Path) {
    let mut command = process::git();
    command.args(["gc", "--auto", "--quiet"]);
    match process::run(&mut command, mirror, options.fetch_limit).await {
        Ok(Some(Finished { success: true, .. })) => {}
        Ok(Some(finished)) => tracing::warn!(words = %fault::classify(&finished.stderr).why, "packing the mirror"),
        Ok(None) => tracing::warn!("packing the mirror took too long and was cut"),
        Err(error) => tracing::warn!(%error, "packing the mirror"),
    }
}

/// Takes our notes over from a damaged mirror, as far as they can be read.
pub async fn rescue_notes(options: &Options, damaged: &Path, fresh: &Path) {
    let mut command = process::git();
    command.args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--"]);
    command.arg(damaged).arg("+refs/notes/*:refs/notes/*");
    match process::run(&mut command, fresh, options.fetch_limit).await {
        Ok(Some(Finished { success: true, .. })) => {}
        _ => tracing::warn!("the notes of the damaged mirror could not be read"),
    }
}

async fn run(options: &Options, mirror: &Path, args: &[&str], after: &[&str]) -> Result<Finished, Failure> {
    finish(&mut prepare(options, mirror, args, after)?, options, mirror).await
}

fn prepare(options: &Options, mirror: &Path, args: &[&str], after: &[&str]) -> Result<Command, Failure> {
    let mut command = command(options, mirror).map_err(|e| Failure::new(FaultKind::Other, e.to_string()))?;
    command.args(args);
    match &options.source {
        Source::Local(path) => command.arg(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        Source::Remote(url) => command.arg(url.text()),
    };
    command.args(after);
    Ok(command)
}

async fn finish(command: &mut Command, options: &Options, mirror: &Path) -> Result<Finished, Failure> {
    match process::run(command, mirror, options.fetch_limit).await {
        Ok(Some(finished)) => Ok(finished),
        Ok(None) => {
            Err(Failure::new(FaultKind::Timeout, format!("no end after {} s, cut", options.fetch_limit.as_secs())))
        }
        Err(e) if !mirror.exists() => Err(Failure::new(FaultKind::LocalCopy, format!("the mirror is gone: {e}"))),
        Err(e) => Err(Failure::new(FaultKind::Other, format!("git can't be started: {e}"))),
    }
}

/// `git` with a bound on the size of a file it writes, no settings of the user, and only the transports we allow.
fn command(options: &Options, mirror: &Path) -> Result<Command, Error> {
    let blocks = options.pack_bytes_max.div_ceil(ULIMIT_BLOCK_BYTES);
    let mut command = Command::new("sh");
    process::clean(&mut command);
    command.args(["-c", r#"ulimit -f "$1"; shift; exec git "$@""#, "sh", &blocks.to_string()]);
    command.env("GIT_CONFIG_GLOBAL", mirror.join(GLOBAL_CONFIG));
    if let Source::Remote(url) = &options.source {
        options.credentials.apply(&mut command, url)?;
    }
    let transports: &[&str] = match &options.source {
        Source::Local(_) => &["file"],
        Source::Remote(url) => match url.scheme {
            crate::git::mirror::url::Scheme::Ssh => &["ssh"],
            crate::git::mirror::url::Scheme::Https => &["https"],
            crate::git::mirror::url::Scheme::Http => &["http", "https"],
        },
    };
    command.args(["-c", "protocol.allow=never"]);
    for transport in transports {
        command.args(["-c", &format!("protocol.{transport}.allow=always")]);
    }
    let stall = format!("http.lowSpeedTime={}", options.stall_s);
    for setting in [
        "http.lowSpeedLimit=1000",
        &stall,
        "http.followRedirects=initial",
        "transfer.bundleURI=false",
        "submodule.recurse=false",
    ] {
        command.args(["-c", setting]);
    }
    Ok(command)
}
