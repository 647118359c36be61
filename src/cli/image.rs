//! `masthead image`: imports, lists and removes images of this machine's nodes, without a registry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use masthead_agent::node::{self, ImagesHandle};

use crate::cli::block_on;
use crate::cli::tabular::Tabular;
use crate::daemon::lacking::Lacking;
use crate::daemon::options::DATA_DIR;
use crate::fleet::record::{Record, node_data};

/// Arguments of `image`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The data directory of the node, or of the cluster, all of whose nodes on this machine are meant.
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
    block_on(async {
        let kept = kept(&args.data, matches!(args.command, Command::Import { .. })).await?;
        match args.command {
            Command::Import { path, name } => {
                for Kept { node, images } in &kept {
                    let imported = images
                        .import(&path, name.as_deref())
                        .await
                        .with_context(|| format!("importing {}", path.display()))?;
                    for reference in imported {
                        println!("imported {reference}{}", on(node));
                    }
                }
            }
            Command::Ls => {
                let is_fleet = kept.iter().any(|kept| kept.node.is_some());
                let header = ["NODE", "NAME", "ID", "SIZE"].map(str::to_owned);
                let mut rows = vec![header[usize::from(!is_fleet)..].to_vec()];
                for Kept { node, images } in &kept {
                    rows.extend(images.list().await?.into_iter().map(|image| {
                        let id = image.id.trim_start_matches("sha256:").chars().take(12).collect();
                        let names = if image.names.is_empty() { "<none>".to_owned() } else { image.names.join(", ") };
                        node.clone().into_iter().chain([names, id, size(image.size_bytes)]).collect()
                    }));
                }
                print!("{}", Tabular::default().lines(&rows));
            }
            Command::Rm { images: names } => {
                for name in names {
                    let mut is_known = false;
                    for Kept { node, images } in &kept {
                        if images.remove(&name).await? {
                            is_known = true;
                            println!("removed {name}{}", on(node));
                        }
                    }
                    if !is_known {
                        bail!("there is no image {name:?}");
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The images of a node, which has a name where it is one of several.
struct Kept {
    node: Option<String>,
    images: ImagesHandle,
}

/// The images in a data directory: those of its node, or those of each node of its fleet.
async fn kept(data: &Path, makes: bool) -> Result<Vec<Kept>> {
    let Some(fleet) = Record::load(data)?.filter(|fleet| !fleet.nodes.is_empty()) else {
        if !makes && !data.join("images").exists() {
            let what = format!("no node keeps images in {}", data.display());
            return Err(Lacking::error(what, "--data names the data directory of a node"));
        }
        return Ok(vec![Kept { node: None, images: node::images(data).await? }]);
    };
    let mut kept = Vec::new();
    for name in fleet.nodes.into_keys() {
        let images = node::images(&node_data(data, &name)).await?;
        kept.push(Kept { node: Some(name), images });
    }
    Ok(kept)
}

/// ` on worker`, or nothing.
fn on(node: &Option<String>) -> String {
    node.as_ref().map(|name| format!(" on {name}")).unwrap_or_default()
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
