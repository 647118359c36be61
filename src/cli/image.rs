//! `masthead image`: imports, lists and removes images of this node, without a registry.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use masthead_agent::node;

use crate::cli::block_on;
use crate::cli::tabular::Tabular;
use crate::daemon::lacking::Lacking;
use crate::daemon::options::DATA_DIR;

/// Arguments of `image`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The data directory of the node.
    #[arg(long, value_name = "DIR", env = "MASTHEAD_DATA", default_value = DATA_DIR, global = true)]
    pub data: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with images.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Import a `docker save` archive or an OCI layout (a directory or an archive).
    Import {
        /// The archive or directory.
        path: PathBuf,
        /// The name it gets, when it brings none.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the images.
    Ls,
    /// Remove images by name or id.
    Rm {
        /// Names or ids.
        #[arg(required = true)]
        images: Vec<String>,
    },
}

/// Does it.
///
/// # Errors
/// The archive is no image, or the image is not here.
pub fn run(args: Args) -> Result<ExitCode> {
    if !matches!(args.command, Command::Import { .. }) && !args.data.join("images").exists() {
        let what = format!("no node keeps images in {}", args.data.display());
        return Err(Lacking::error(what, "--data names the data directory of a node"));
    }
    block_on(async {
        let images = node::images(&args.data).await?;
        match args.command {
            Command::Import { path, name } => {
                let imported = images
                    .import(&path, name.as_deref())
                    .await
                    .with_context(|| format!("importing {}", path.display()))?;
                for reference in imported {
                    println!("imported {reference}");
                }
            }
            Command::Ls => {
                let header = ["NAME", "ID", "SIZE"].map(str::to_owned).to_vec();
                let rows = images.list().await?.into_iter().map(|image| {
                    let id = image.id.trim_start_matches("sha256:").chars().take(12).collect();
                    let names = if image.names.is_empty() { "<none>".to_owned() } else { image.names.join(", ") };
                    vec![names, id, size(image.size_bytes)]
                });
                print!("{}", Tabular::default().lines(&std::iter::once(header).chain(rows).collect::<Vec<_>>()));
            }
            Command::Rm { images: names } => {
                for name in names {
                    images.remove(&name).await?;
                    println!("removed {name}");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Bytes as `12.3 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let unit = (bytes.ilog2() / 10).clamp(1, 4);
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit as usize - 1])
}
