//! The repository that is watched: one of our own behind smart HTTP, or somebody's by path or URL; both tell tips.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use axum::Router;

use crate::clock;
use crate::daemon::data::Data;
use crate::daemon::options::{BRANCH, Options, REPOSITORY_NAME};
use crate::git::hosted::{self, HookCommand};
use crate::git::http;
use crate::git::mirror::handle::{Event, Handle as Mirror};
use crate::git::mirror::options::Options as MirrorOptions;
use crate::git::mirror::{run as mirror, url};
use crate::git::reader::Reader;
use crate::git::receive::HookSocket;
use crate::git::watch::TipWatch;
use crate::sync::gate::{self, Gate};
use crate::sync::handle::{Handle as Sync, Tracked, Trouble};

/// A repository before its sync exists.
pub enum Repository {
    /// Ours; the socket takes the hooks' calls.
    Hosted(HookSocket),
    /// Somebody's.
    Watched(Mirror),
}

/// Opens or makes the repository; `api_url` is where ours is served.
///
/// # Errors
/// The repository cannot be made, or the address to watch is refused.
pub async fn open(options: &Options, data: &Data, api_url: &str) -> Result<(Repository, Tracked, std::path::PathBuf)> {
    let path = options.path.trim_matches('/').to_owned();
    let Some(address) = &options.repo else {
        let branch = options.branch.clone().unwrap_or_else(|| BRANCH.to_owned());
        let hook = HookCommand { program: options.program.clone(), args: vec!["hook".to_owned()] };
        hosted::ensure(&data.repository(), &branch, &hook, &data.hook_socket())?;
        let socket = HookSocket::bind(&data.hook_socket())?;
        let url = format!("{api_url}/{REPOSITORY_NAME}.git");
        return Ok((Repository::Hosted(socket), Tracked { url, branch, path, hosted: true }, data.repository()));
    };
    let source = url::parse(address, false)?;
    let mut watched = MirrorOptions::new(source, data.mirror());
    watched.branch.clone_from(&options.branch);
    let mirror = mirror::start(watched)?;
    let branch = mirror.status().branch.or_else(|| options.branch.clone()).unwrap_or_else(|| BRANCH.to_owned());
    let repository = mirror.repository().to_owned();
    Ok((Repository::Watched(mirror), Tracked { url: address.clone(), branch, path, hosted: false }, repository))
}

impl Repository {
    /// The routes of a hosted repository.
    pub fn routes(&self, data: &Data) -> Router {
        match self {
            Repository::Hosted(_) => http::router(http::Options::new(REPOSITORY_NAME, data.repository())),
            Repository::Watched(_) => Router::new(),
        }
    }

    /// "Look now", for a web hook; nothing for a hosted repository, which knows of every push.
    pub fn poke(&self) -> Option<Mirror> {
        match self {
            Repository::Hosted(_) => None,
            Repository::Watched(mirror) => Some(mirror.clone()),
        }
    }

    /// Tells the sync every tip from now on, the present one first; ends with the program.
    pub fn run(self, sync: Sync) {
        match self {
            Repository::Hosted(socket) => {
                let gate = Arc::new(Gate::new(sync.clone()));
                tokio::spawn(async move {
                    let error = socket.serve(gate).await;
                    tracing::error!(%error, "pushes are not taken any more");
                });
                tokio::spawn(follow_hosted(sync));
            }
            Repository::Watched(mirror) => {
                tokio::spawn(follow_watched(mirror, sync));
            }
        }
    }
}

/// Pushes announce themselves; this sees commits that were made in the repository by other means.
async fn follow_hosted(sync: Sync) {
    match TipWatch::new(&sync.repository, &sync.tracked.branch, None) {
        Ok(mut tips) => loop {
            let (_, tip) = tips.next().await;
            sync.tip(tip).await;
        },
        Err(error) => tracing::error!(%error, "the hosted repository is not watched; pushes are taken nevertheless"),
    }
}

async fn follow_watched(mirror: Mirror, sync: Sync) {
    let mut events = mirror.subscribe();
    let status = mirror.status();
    if let Some(fault) = &status.fault {
        sync.set_trouble(Some(trouble(fault)));
    }
    if let Some(tip) = status.tip {
        sync.tip(tip).await;
    }
    while let Some(event) = events.next().await {
        match event {
            Event::Ref(moved) => {
                let confirmed = || {
                    Reader::open(mirror.repository()).is_ok_and(|reader| gate::rewrite_confirmed(&reader, moved.new))
                };
                if moved.rewritten && !confirmed() {
                    let why = format!(
                        "history was {}; the last good commit stays applied until a commit with the trailer \"Masthead-Confirm: rewrite\" comes",
                        moved.rewritten_text().unwrap_or_default()
                    );
                    sync.set_trouble(Some(Trouble { since_s: clock::now_s(), why }));
                } else {
                    sync.set_trouble(None);
                    sync.tip(moved.new).await;
                }
            }
            Event::Fault(fault) => sync.set_trouble(Some(trouble(&fault))),
            Event::Recovered => sync.set_trouble(None),
        }
    }
}

fn trouble(fault: &crate::git::mirror::fault::Fault) -> Trouble {
    let since = fault.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Trouble { since_s: i64::try_from(since).unwrap_or(i64::MAX), why: fault.why.clone() }
}
