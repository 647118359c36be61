//! What is kept of a fleet between runs of the daemon: its segment and its nodes, in one file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use masthead_agent::fleet::plan::Segment;
use serde::{Deserialize, Serialize};

use crate::daemon::data;
use crate::fleet::config::NodeSpec;

/// A fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its network.
    pub segment: Segment,
    /// The machine's `ip_forward` before the fleet.
    pub forward_before: String,
    /// Other settings of the machine before the fleet, of those that are others now.
    #[serde(default)]
    pub settings_before: BTreeMap<String, String>,
    /// By name.
    pub nodes: BTreeMap<String, Member>,
}

/// A node of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// As it was asked for.
    #[serde(flatten)]
    pub spec: NodeSpec,
    /// Gives its address; counts from 1.
    pub number: u8,
    /// Switched off by hand.
    #[serde(default)]
    pub is_stopped: bool,
}

fn file(root: &Path) -> PathBuf {
    root.join("fleet.json")
}

/// The data directory of a node.
pub fn node_data(root: &Path, name: &str) -> PathBuf {
    root.join("nodes").join(name)
}

impl Record {
    /// The fleet of a data directory; none when it never had one.
    ///
    /// # Errors
    /// The file does not read.
    pub fn load(root: &Path) -> Result<Option<Record>> {
        let path = file(root);
        match std::fs::read(&path) {
            Ok(body) => serde_json::from_slice(&body).map(Some).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Writes it in one step.
    ///
    /// # Errors
    /// The disk.
    pub fn save(&self, root: &Path) -> Result<()> {
        data::write_private(&file(root), &serde_json::to_vec_pretty(self)?)
    }

    /// The smallest number that no node has.
    fn free_number(&self) -> Option<u8> {
        (1..=masthead_agent::fleet::plan::NODES_MAX).find(|n| self.nodes.values().all(|member| member.number != *n))
    }

    /// Adds the nodes that are not there yet; those that are keep what they are.
    pub fn add(&mut self, specs: &[NodeSpec]) -> Vec<String> {
        let mut added = Vec::new();
        for spec in specs {
            if !self.nodes.contains_key(&spec.name)
                && let Some(number) = self.free_number()
            {
                self.nodes.insert(spec.name.clone(), Member { spec: spec.clone(), number, is_stopped: false });
                added.push(spec.name.clone());
            }
        }
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::config::plain;

    #[test]
    fn numbers_are_reused_and_kept() {
        let segment = Segment { base: std::net::Ipv4Addr::new(172, 29, 0, 0), base_v6: None };
        let settings_before = BTreeMap::new();
        let mut record = Record { segment, forward_before: "0".to_owned(), settings_before, nodes: BTreeMap::new() };
        assert_eq!(record.add(&plain(3)).len(), 3);
        assert!(record.add(&plain(3)).is_empty());
        record.nodes.remove("node-2");
        assert_eq!(record.free_number(), Some(2));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), None);
        record.save(dir.path()).unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), Some(record));
    }
}
