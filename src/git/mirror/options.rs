//! How a repository is watched, with its bounds.

use std::path::PathBuf;
use std::time::Duration;

use crate::git::mirror::credentials::Credentials;
use crate::git::mirror::url::Source;

/// What to watch and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The repository.
    pub source: Source,
    /// The branch; None takes the one its HEAD names when it is first seen.
    pub branch: Option<String>,
    /// The bare mirror, in our data directory; nobody else writes it.
    pub mirror: PathBuf,
    /// How to log in.
    pub credentials: Credentials,
    /// Time between polls of an address, give or take [`JITTER`].
    pub poll: Duration,
    /// Time to the first poll after a fault; doubled at each.
    pub backoff_min: Duration,
    /// Longest time between polls after faults.
    pub backoff_max: Duration,
    /// The same for a repository on this machine, where a look costs nothing.
    pub local_backoff_max: Duration,
    /// Least time between two polls whoever asks for them.
    pub poke_gap: Duration,
    /// Time after which a fetch is cut.
    pub fetch_limit: Duration,
    /// Seconds a server may send less than 1 KB/s.
    pub stall_s: u32,
    /// Bytes of one fetched pack.
    pub pack_bytes_max: u64,
}

/// Share of a waiting time by which it is randomly shortened or lengthened, so that many daemons spread.
pub const JITTER: f64 = 0.2;

impl Options {
    /// The usual bounds: a poll a minute, 1 s to 5 min after faults, 10 min a fetch, 30 s of silence, 4 GiB a pack.
    pub fn new(source: Source, mirror: impl Into<PathBuf>) -> Self {
        Self {
            source,
            branch: None,
            mirror: mirror.into(),
            credentials: Credentials::default(),
            poll: Duration::from_secs(60),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            local_backoff_max: Duration::from_secs(2),
            poke_gap: Duration::from_secs(1),
            fetch_limit: Duration::from_secs(600),
            stall_s: 30,
            pack_bytes_max: 4 << 30,
        }
    }
}
