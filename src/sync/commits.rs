//! The commits of the tracked branch as the sync reads them: of a repository, or of a simulation.

use std::any::Any;

use futures::future::{BoxFuture, FutureExt};
use masthead_plan::desired::CommitFacts;

use crate::git::commit::CommitId;
use crate::git::error::Error;
use crate::sync::handle::Handle;
use crate::sync::observe::{self, Fault, Observed};

/// Where commits come from.
pub trait Commits: Send + Sync {
    /// Whether the tracked branch has a commit already.
    fn is_there(&self) -> bool;

    /// What a commit says of itself.
    ///
    /// # Errors
    /// It cannot be read.
    fn facts(&self, id: CommitId) -> Result<CommitFacts, Error>;

    /// What a commit asks for.
    fn observe(&self, id: CommitId) -> BoxFuture<'_, Result<Observed, Fault>>;

    /// Frees what nobody needs any more: of a large commit that takes a while.
    fn free(&self, past: Box<dyn Any + Send>);
}

/// Those of the repository that a handle reads.
pub(in crate::sync) struct OfRepository(pub(in crate::sync) Handle);

impl Commits for OfRepository {
    fn is_there(&self) -> bool {
        let tip = self.0.reader().and_then(|reader| reader.tip(&self.0.tracked.branch));
        tip.is_ok_and(|tip| tip.is_some())
    }

    fn facts(&self, id: CommitId) -> Result<CommitFacts, Error> {
        Ok(observe::facts(&self.0.reader()?.commit(id)?))
    }

    fn observe(&self, id: CommitId) -> BoxFuture<'_, Result<Observed, Fault>> {
        async move { self.0.observe(self.0.reader()?, id).await }.boxed()
    }

    fn free(&self, past: Box<dyn Any + Send>) {
        // It ends by itself.
        tokio::task::spawn_blocking(move || drop(past));
    }
}
