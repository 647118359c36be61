//! Frees disk space by removing images: reads the file system's fill, has the plan made, and carries it out.

use nix::sys::statvfs::statvfs;

use crate::images::collect_plan::{Candidate, Plan, Policy, Usage, plan};
use crate::images::error::{Context, Error};
use crate::images::index::Index;
use crate::images::layers;
use crate::images::store::{ImageStore, now_s};

impl ImageStore {
    /// The fill of the file system that the store is on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn disk(&self) -> Result<Usage, Error> {
        let stat = statvfs(self.root()).context(|| format!("statvfs {}", self.root().display()))?;
        let block = stat.fragment_size();
        Ok(Usage {
            capacity_bytes: stat.blocks().saturating_mul(block),
            available_bytes: stat.blocks_available().saturating_mul(block),
        })
    }

    /// Removes images as far as the fill of the disk asks for, and says what went.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn collect(&self, policy: Policy) -> Result<Plan, Error> {
        self.collect_at(policy, self.disk()?, now_s())
    }

    /// As [`ImageStore::collect`], for a given fill and time.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn collect_at(&self, policy: Policy, usage: Usage, now_s: u64) -> Result<Plan, Error> {
        let index = self.index()?;
        let mut candidates = Vec::with_capacity(index.images.len());
        for (id, record) in &index.images {
            let mut sizes = Vec::with_capacity(record.chains.len());
            for chain in &record.chains {
                sizes.push((chain.clone(), layers::find(self.home(), chain)?.map_or(0, |l| l.size_bytes)));
            }
            candidates.push(Candidate {
                id: id.clone(),
                added_s: record.added_s,
                last_used_s: self.last_used_s(id),
                is_used: self.is_used(id),
                is_local: record.local,
                layers: sizes,
            });
        }
        let plan = plan(&candidates, usage, policy, now_s);
        if !plan.remove.is_empty() {
            let scratch = self.home().scratch()?;
            Index::update(self.home(), &scratch, |index| {
                // Someone may have begun to use one since the plan was made.
                for id in plan.remove.iter().filter(|id| !self.is_used(id)) {
                    index.remove(id);
                }
            })?;
            self.sweep()?;
        }
        Ok(plan)
    }
}
