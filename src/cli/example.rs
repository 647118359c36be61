//! The demonstration's program as images of a node: what `up --demo` and the example of `masthead init` run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masthead_agent::images::assemble;
use masthead_agent::images::manifest::Defaults;
use masthead_agent::node::{self, ImagesHandle};

use crate::fleet::record::{Record, node_data};

/// The image of the example.
pub const NAME: &str = "masthead.local/demo:v1";

/// Both versions, so that there is one to roll to.
const VERSIONS: [(&str, &str); 2] = [(NAME, "v1"), ("masthead.local/demo:v2", "v2")];

/// Makes the images from this program's own files.
///
/// # Errors
/// The files cannot be read, or the image store is full.
pub async fn images(images: &ImagesHandle) -> Result<()> {
    let program = std::env::current_exe()?;
    for (reference, version) in VERSIONS {
        let config = Defaults {
            entrypoint: vec!["/masthead".to_owned(), "demo-app".to_owned()],
            env: vec![format!("VERSION={version}")],
            ..Defaults::default()
        };
        let files = assemble::program(Path::new("/masthead"), &program).context("collecting this program's files")?;
        images.assemble(reference, files, config).await.with_context(|| format!("making the image {reference}"))?;
    }
    Ok(())
}

/// Makes the images on the nodes of a data directory that lack them; false when it has no node that keeps images.
///
/// # Errors
/// As [`images()`], or it cannot be read.
pub async fn provide(data: &Path) -> Result<bool> {
    let nodes: Vec<PathBuf> = match Record::load(data)? {
        Some(fleet) => fleet.nodes.keys().map(|name| node_data(data, name)).collect(),
        None => vec![data.to_owned()],
    };
    let mut some = false;
    for node in nodes.iter().filter(|node| node.join("images").is_dir()) {
        let store = node::images(node).await?;
        let known = store.list().await?;
        let has = |name: &str| known.iter().any(|image| image.names.iter().any(|known| known == name));
        if !VERSIONS.iter().all(|(name, _)| has(name)) {
            images(&store).await?;
        }
        some = true;
    }
    Ok(some)
}
