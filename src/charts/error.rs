//! Why a chart could not be had from where it is.

use masthead_agent::images::error::Error as Registry;

/// A chart that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of a repository is none that can be used.
    #[error("{url:?} is no chart repository: {why}")]
    Address {
        /// As it was written.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server did not answer, or not with what was asked for.
    #[error("{url}: {why}")]
    Fetch {
        /// What was fetched.
        url: String,
        /// What came instead.
        why: String,
    },
    /// A registry refused.
    #[error("{reference}: {source}")]
    Registry {
        /// The chart's reference.
        reference: String,
        /// What it said.
        #[source]
        source: Box<Registry>,
    },
    /// More bytes than allowed.
    #[error("{url}: more than {bound} bytes ({limit})")]
    Limit {
        /// What was fetched.
        url: String,
        /// The bound's name.
        limit: &'static str,
        /// The bound.
        bound: u64,
    },
    /// An index does not read.
    #[error("the index of {url} does not read: {why}")]
    Index {
        /// The repository.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A version or a range is none.
    #[error("version {text:?}: {why}")]
    Version {
        /// As it was written.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// There is no such chart.
    #[error("chart {name:?} not found in {from}")]
    NoChart {
        /// Its name.
        name: String,
        /// The repository.
        from: String,
    },
    /// No version fits.
    #[error("no version of chart {name} in {from} fits {range:?}; the newest is {newest}")]
    NoVersion {
        /// The chart.
        name: String,
        /// The repository.
        from: String,
        /// What was asked for.
        range: String,
        /// The newest there is, `none` when none is a version.
        newest: String,
    },
    /// What came is not what was pinned.
    #[error("{what} has the digest {actual}, not {expect}")]
    Digest {
        /// What came.
        what: String,
        /// What was pinned or promised.
        expect: String,
        /// What it is.
        actual: String,
    },
    /// The user's list of repositories does not read.
    #[error("{path}: {why}")]
    Repositories {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// There is no repository of that name.
    #[error("repo {name} not found")]
    UnknownRepository {
        /// As it was written.
        name: String,
    },
    /// A signature is missing, or is not what it should be.
    #[error("{0}")]
    Provenance(String),
    /// A program that is needed is not there, or failed.
    #[error("{program}: {why}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The disk, for what is kept.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
