//! `masthead init`: writes the skeleton of a repository of desired state.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::cli::{block_on, example};
use crate::daemon::data;
use crate::daemon::options::{BRANCH, DATA_DIR};

/// The skeleton: the files of `repo-layout/`, which a test holds to what is accepted.
pub const LAYOUT: [(&str, &str); 4] = [
    ("README.md", include_str!("../../repo-layout/README.md")),
    (".mastheadignore", include_str!("../../repo-layout/.mastheadignore")),
    ("namespaces.yaml", include_str!("../../repo-layout/namespaces.yaml")),
    ("apps/example.yaml", include_str!("../../repo-layout/apps/example.yaml")),
];

/// Arguments of `init`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder; it must be empty or not exist.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The branch that will be tracked.
    #[arg(long, default_value = BRANCH)]
    pub branch: String,
    /// The data directory of the control plane that it is for: its nodes get the image that the example runs.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR)]
    pub data: PathBuf,
}

/// Writes the files and makes a git repository with a first commit around them.
///
/// # Errors
/// The folder is not empty, or git fails.
pub fn run(args: &Args) -> Result<ExitCode> {
    let folder = &args.folder;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; give a folder that is, or does not exist", folder.display());
    }
    write(folder, &LAYOUT)?;
    git(folder, &["init", "--quiet", &format!("--initial-branch={}", args.branch)])?;
    git(folder, &["add", "--all"])?;
    println!("wrote {}:", folder.display());
    for (path, _) in LAYOUT {
        println!("  {path}");
    }
    match block_on(example::provide(&args.data)) {
        Ok(true) => println!("The example runs {}, which this machine's nodes have.", example::NAME),
        Ok(false) => println!(
            "The example runs {}, which no node has: there is none with its data in {}. `masthead init` beside a running \
             `masthead up` makes it; or name an image of your own.",
            example::NAME,
            args.data.display()
        ),
        Err(error) => eprintln!("warning: the image of the example, {}, can't be made: {error:#}", example::NAME),
    }
    let url = data::read(&args.data).map_or_else(|_| "URL".to_owned(), |daemon| daemon.repository_url);
    println!("Next:");
    if folder != Path::new(".") {
        println!("  cd {}", folder.display());
    }
    println!("  git commit -m 'first'");
    println!("  git remote add origin {url} && git push -u origin {}", args.branch);
    Ok(ExitCode::SUCCESS)
}

/// Writes files below a folder.
///
/// # Errors
/// The file system refuses.
pub fn write(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Runs git in a folder.
///
/// # Errors
/// git is missing, or fails; its own words are passed on.
pub fn git(folder: &Path, args: &[&str]) -> Result<()> {
    let output = Command::new("git").current_dir(folder).args(args).output().context("running git")?;
    if !output.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
