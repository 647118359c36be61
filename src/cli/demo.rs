//! `up --demo`: `examples/demo` pushed through git like anybody's commit, until it answers.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use masthead_api::core::pod::Pod;

use crate::cli::{init, logging};
use crate::control::view::View;

/// The demonstration's repository: the files of `examples/demo`.
pub const FILES: [(&str, &str); 3] = [
    ("README.md", include_str!("../../examples/demo/README.md")),
    ("apps/settings.yaml", include_str!("../../examples/demo/apps/settings.yaml")),
    ("apps/web.yaml", include_str!("../../examples/demo/apps/web.yaml")),
];

/// How long the demonstration may take to come up.
pub const READY_MAX: Duration = Duration::from_secs(60);

/// Commits the demonstration and pushes it; the URL at which it answers.
///
/// # Errors
/// git fails, or the demonstration does not come up.
pub async fn push(url: &str, branch: &str, view: &Arc<View>) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    init::write(&path, &FILES)?;
    let (url, branch) = (url.to_owned(), branch.to_owned());
    tokio::task::spawn_blocking(move || -> Result<()> {
        init::git(&path, &["init", "--quiet", &format!("--initial-branch={branch}")])?;
        init::git(&path, &["add", "--all"])?;
        let who = ["-c", "user.name=Masthead demo", "-c", "user.email=demo@localhost"];
        init::git(&path, &[&who[..], &["commit", "--quiet", "-m", "The demonstration"]].concat())?;
        logging::tell(&format!("\n$ git push {url} {branch}"));
        let pushed = Command::new("git")
            .current_dir(&path)
            .args(["push", &url, &branch])
            .stdin(Stdio::null())
            .status()
            .context("running git")?;
        if !pushed.success() {
            bail!("git push failed; the repository may hold something already");
        }
        Ok(())
    })
    .await??;
    let began = Instant::now();
    let mut revisions = view.subscribe();
    loop {
        if let Some(address) = address(view) {
            return Ok(format!("http://{address}/"));
        }
        let left = READY_MAX.checked_sub(began.elapsed()).context("no pod of the demo was ready within a minute")?;
        if let Ok(changed) = tokio::time::timeout(left, revisions.changed()).await {
            changed?;
        }
    }
}

/// The address of a ready pod of the demonstration.
fn address(view: &View) -> Option<String> {
    let cluster = view.read();
    let ready = |pod: &Arc<Pod>| pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    let mut pods =
        cluster.list::<Pod>("default").filter(|pod| pod.metadata.labels.get("app").is_some_and(|app| app == "web"));
    let pod = pods.find(ready)?;
    Some(SocketAddr::new(pod.status.pod_ip.parse().ok()?, 8080).to_string())
}
