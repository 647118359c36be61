//! Policies as the manifest has them → the policy table in the kernel, by the smallest change.

use std::collections::{BTreeMap, BTreeSet};

use masthead_api::networking::resolved::{ADDRESS_SET, AddressSet, POLICY, ResolvedPolicy};
use masthead_wire::attachments::Difference;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::{Attachment, AttachmentKey};
use masthead_wire::report::Problem;
use nlink::netlink::{Connection, Nftables};

use crate::network::error::{IoContext, Result};
use crate::network::names::Names;
use crate::network::policy::build::{self, Addresses, Image, Members};
use crate::network::policy::table;
use crate::network::rules::apply;
use crate::network::rules::contents::{self, Ops};

/// The policy table and what it is made from.
pub struct Policies {
    nft: Connection<Nftables>,
    table: String,
    policies: BTreeMap<AttachmentKey, ResolvedPolicy>,
    /// By name.
    selectors: BTreeMap<String, Addresses>,
    /// What the kernel holds; unknown at first and after a failure.
    held: Option<Image>,
    is_stale: bool,
    faults: BTreeMap<AttachmentKey, String>,
}

impl Policies {
    /// Nothing is known yet, and the kernel is left as it is.
    pub fn new(names: &Names) -> Result<Self> {
        Ok(Self {
            nft: apply::connect()?,
            table: names.policy_table(),
            policies: BTreeMap::new(),
            selectors: BTreeMap::new(),
            held: None,
            is_stale: true,
            faults: BTreeMap::new(),
        })
    }

    /// What is not done, and why.
    pub fn problems(&self) -> Vec<Problem> {
        let of = |namespace: &str, name: &str, message: &str| Problem {
            kind: "NetworkPolicy".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            reason: "FailedToApplyPolicy".to_owned(),
            message: message.to_owned(),
            component: "network-policy".to_owned(),
        };
        let own = self.faults.iter().map(|(key, text)| of(&key.namespace, &key.name, text));
        let built = self.held.iter().flat_map(|image| &image.faults);
        own.chain(built.map(|((namespace, name), text)| of(namespace, name, text))).collect()
    }

    /// The table may be other than it was left: it is looked at before the next change.
    pub fn doubt(&mut self) {
        self.held = None;
        self.is_stale = true;
    }

    /// Whether the kernel still has the table.
    ///
    /// # Errors
    /// The kernel.
    pub async fn is_intact(&self) -> Result<bool> {
        match &self.held {
            Some(held) if !held.chains.is_empty() => Ok(!contents::chains(&self.nft, &self.table).await?.is_empty()),
            _ => Ok(true),
        }
    }

    /// Takes in what differs, or everything.
    pub fn take(&mut self, manifest: &NodeManifest, differences: Option<&[Difference]>) {
        match differences {
            Some(differences) => {
                for difference in differences {
                    if let Some(key) = difference.key() {
                        self.set(key, difference.new.as_deref());
                    }
                }
            }
            None => {
                for attachment in manifest.content.attachments.values() {
                    self.set(&attachment.key, Some(attachment));
                }
            }
        }
    }

    fn set(&mut self, key: &AttachmentKey, attachment: Option<&Attachment>) {
        let read = match (key.kind.as_str(), attachment) {
            (POLICY, Some(attachment)) => serde_json::from_slice(&attachment.bytes).map(|policy: ResolvedPolicy| {
                self.policies.insert(key.clone(), policy);
            }),
            (POLICY, None) => {
                self.policies.remove(key);
                Ok(())
            }
            (ADDRESS_SET, Some(attachment)) => serde_json::from_slice(&attachment.bytes).map(|set: AddressSet| {
                self.selectors.insert(key.name.clone(), Addresses::of(&set.addresses));
            }),
            (ADDRESS_SET, None) => {
                self.selectors.remove(&key.name);
                Ok(())
            }
            _ => return,
        };
        self.is_stale = true;
        match read {
            Ok(()) => drop(self.faults.remove(key)),
            // What was known of it before holds on: a pod is rather too closed than too open.
            Err(error) => {
                tracing::error!(?key, %error, "a policy is not applied");
                self.faults.insert(key.clone(), error.to_string());
            }
        }
    }

    /// Brings the kernel to what the policies say.
    ///
    /// # Errors
    /// The kernel. What is wanted stays to be done.
    pub async fn apply(&mut self) -> Result<()> {
        if !self.is_stale {
            return Ok(());
        }
        let what = || "build the policy table".to_owned();
        let image = build::build(&self.table, self.policies.values(), &self.selectors).doing(what)?;
        let held = self.held.take();
        if image.chains.is_empty() {
            // Without policies a packet has nothing to pass.
            if held.is_none_or(|held| !held.chains.is_empty()) {
                apply::remove(&self.nft, &self.table).await?;
            }
        } else {
            self.bring(held, &image).await?;
        }
        self.held = Some(image);
        self.is_stale = false;
        Ok(())
    }

    async fn bring(&self, held: Option<Image>, image: &Image) -> Result<()> {
        let skeleton = table::skeleton(&self.table).doing(|| "build the policy table".to_owned())?;
        let sets: Vec<_> =
            skeleton.sets.iter().cloned().chain(image.sets.values().map(|(set, _)| set.clone())).collect();
        let there = match held {
            Some(held) if !held.chains.is_empty() => Some(There::of(held)),
            Some(_) => None,
            None => self.observe(&skeleton.version, image).await?,
        };
        let is_new = there.is_none();
        let there = there.unwrap_or_default();
        let none = Members::new();
        let mut ops = Ops::default();
        for (name, (set, members)) in &image.sets {
            if !there.sets.contains_key(name) {
                ops.new_sets.push(set.clone());
            }
            ops.differ(name, there.sets.get(name).unwrap_or(&none), members);
        }
        for set in skeleton.sets.iter().map(|set| set.name()) {
            let wanted = image.maps.get(set).unwrap_or(&none);
            ops.differ(set, there.maps.get(set).unwrap_or(&none), wanted);
        }
        let fresh = image.chains.iter().filter(|(name, _)| !there.chains.contains(*name));
        ops.new_chains = fresh.map(|(_, made)| made.clone()).collect();
        ops.old_chains = there.chains.iter().filter(|name| !image.chains.contains_key(*name)).cloned().collect();
        ops.old_sets = there.sets.keys().filter(|name| !image.sets.contains_key(*name)).cloned().collect();
        if is_new {
            return contents::replace(&self.nft, &self.table, &skeleton, ops).await;
        }
        contents::change(&self.nft, &self.table, &sets, ops).await
    }

    /// What an earlier life left; nothing when that was built otherwise, or not at all.
    async fn observe(&self, version: &str, image: &Image) -> Result<Option<There>> {
        let chains = contents::chains(&self.nft, &self.table).await?;
        if !chains.contains(version) {
            return Ok(None);
        }
        let mut there = There::default();
        for set in contents::sets(&self.nft, &self.table).await? {
            let is_own = set.starts_with("peers-") || set.starts_with("nets-");
            if is_own && !image.sets.contains_key(&set) {
                // It goes with whatever it holds.
                there.sets.insert(set, Members::new());
                continue;
            }
            let members = contents::read(&self.nft, &self.table, &set).await?;
            if is_own {
                there.sets.insert(set, members);
            } else {
                there.maps.insert(set, members);
            }
        }
        let own = |name: &String| ["group-", "allow-", "ports-"].iter().any(|prefix| name.starts_with(prefix));
        there.chains = chains.into_iter().filter(own).collect();
        Ok(Some(there))
    }
}

/// What there is of the table.
#[derive(Default)]
struct There {
    chains: BTreeSet<String>,
    sets: BTreeMap<String, Members>,
    maps: BTreeMap<String, Members>,
}

impl There {
    fn of(image: Image) -> Self {
        Self {
            chains: image.chains.into_keys().collect(),
            sets: image.sets.into_iter().map(|(name, (_, members))| (name, (*members).clone())).collect(),
            maps: image.maps.into_iter().map(|(name, members)| (name.to_owned(), members)).collect(),
        }
    }
}
