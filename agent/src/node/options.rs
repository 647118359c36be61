//! How a node is set up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use masthead_wire::pki::token::Token;

use crate::node::mounts::ExtraMount;

/// Settings.
pub struct Options {
    /// The node's name.
    pub name: String,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Control planes as `HOST:PORT`.
    pub servers: Vec<String>,
    /// Needed once: a node that has joined has a certificate.
    pub token: Option<Token>,
    /// Labels that the node registers with, besides Kubernetes' own.
    pub labels: BTreeMap<String, String>,
    /// Taints that the node registers with the first time, `key[=value]:effect`.
    pub taints: Vec<String>,
    /// What runs containers.
    pub runtime: RuntimeChoice,
    /// What the embedded runtime starts for each container.
    pub shim: Shim,
    /// The cluster's domain, `cluster.local`.
    pub cluster_domain: String,
    /// Directories of the machine under other names for the pods of this node.
    pub mounts: Vec<ExtraMount>,
}

/// What runs containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// This program itself.
    Embedded,
    /// A CRI server, such as `unix:///run/containerd/containerd.sock`.
    Cri(String),
}

impl RuntimeChoice {
    /// Reads a choice; none is the embedded runtime.
    ///
    /// # Errors
    /// It is no unix socket's address.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Embedded),
            Some(text) if text.strip_prefix("unix://").is_some_and(|path| path.starts_with('/')) => {
                Ok(Self::Cri(text.to_owned()))
            }
            Some(text) => bail!("the runtime {text:?} is not of the form unix:///path/to/socket"),
        }
    }
}

/// A program that becomes a shim.
#[derive(Clone, Debug)]
pub struct Shim {
    /// Its path.
    pub program: PathBuf,
    /// Arguments before the shim's own.
    pub args: Vec<OsString>,
}

impl Shim {
    /// This program, with `shim` as its first argument.
    ///
    /// # Errors
    /// The path of this program can't be had.
    pub fn this_program() -> Result<Self> {
        // By its link, so that a program that was replaced on the disk starts shims all the same.
        let program = PathBuf::from("/proc/self/exe");
        std::fs::read_link(&program).context("the path of this program")?;
        Ok(Self { program, args: vec![OsString::from("shim")] })
    }
}
