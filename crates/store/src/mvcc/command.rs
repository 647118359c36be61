//! What changes a keyspace: a command in, a reply and the effects to keep out.

use std::sync::Arc;

use crate::kv::{Error, Event, Lease, LeaseId, Result, Revision, Txn, TxnResult};
use crate::mvcc::leases::Held;

/// A change that is asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Compare and commit.
    Txn(Txn),
    /// Forget what was superseded.
    Compact(Revision),
    /// Grant a lease.
    Grant {
        /// Its time to live.
        ttl_s: u64,
        /// Its name, if the caller gives it.
        id: Option<LeaseId>,
    },
    /// End a lease.
    Revoke(LeaseId),
    /// End the leases that are dead by now.
    Expire,
    /// List the leases, in order with the other commands.
    Leases,
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To a transaction.
    Txn(TxnResult),
    /// To a compaction or an expiry.
    Done,
    /// To a grant.
    Granted(Lease),
    /// To a revocation: what the store stands at.
    Revoked(Revision),
    /// The names of the leases.
    Leases(Vec<LeaseId>),
}

/// All that one revision did, in order. Every event has its `prev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The revision.
    pub revision: Revision,
    /// What it did.
    pub events: Vec<Event>,
}

/// One thing a command did, which is to be kept, or to be taken back if it can't be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A revision was made.
    Commit(Arc<Commit>),
    /// A lease was granted.
    Grant {
        /// The lease.
        lease: Lease,
        /// The last name given by the store before.
        last_named_before: i64,
        /// The same from then on.
        last_named: i64,
    },
    /// A lease was ended.
    Revoke {
        /// Its name.
        id: LeaseId,
        /// What it was.
        held: Held,
    },
    /// A compaction was accepted; it is carried out at the next publication.
    Compact {
        /// The first revision that stays.
        at: Revision,
        /// The one before.
        before: Revision,
    },
}

/// Reads the reply that belongs to a command; any other means that command and reply were mixed up.
macro_rules! reply {
    ($($(#[$doc:meta])* $name:ident: $pattern:pat => $value:expr, $type:ty;)*) => {
        impl Reply {
            $($(#[$doc])* pub fn $name(self) -> Result<$type> {
                match self {
                    $pattern => Ok($value),
                    other => Err(Error::Protocol(format!("{other:?}"))),
                }
            })*
        }
    };
}
reply! {
    /// The reply to a transaction.
    ///
    /// # Errors
    /// `Protocol`.
    txn: Self::Txn(result) => result, TxnResult;
    /// The reply to what has none.
    ///
    /// # Errors
    /// `Protocol`.
    done: Self::Done => (), ();
    /// The reply to a grant.
    ///
    /// # Errors
    /// `Protocol`.
    granted: Self::Granted(lease) => lease, Lease;
    /// The reply to a revocation.
    ///
    /// # Errors
    /// `Protocol`.
    revoked: Self::Revoked(revision) => revision, Revision;
    /// The reply to a list.
    ///
    /// # Errors
    /// `Protocol`.
    leases: Self::Leases(names) => names, Vec<LeaseId>;
}
