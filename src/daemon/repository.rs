//! The repository that is watched: one of our own behind smart HTTP, or somebody's by path or URL; both tell tips.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use axum::Router;
use tokio::task::JoinSet;

use crate::clock;
use crate::daemon::data::Data;
use crate::daemon::options::{BRANCH, Options, REPOSITORY_NAME};
use crate::git::commit::CommitId;
use crate::git::hosted::{self, HookCommand};
use crate::git::http;
use crate::git::mirror::handle::{Event, Handle as Mirror};
use crate::git::mirror::options::Options as MirrorOptions;
use crate::git::mirror::{run as mirror, url};
use crate::git::reader::Reader;
use crate::git::receive::HookSocket;
use crate::git::watch::TipWatch;
use crate::sync::gate::{self, Gate};
use crate::sync::handle::{About, Handle as Sync, Tracked, Trouble};

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

    /// Tells the sync every tip from now on, the present one first; the tasks end only when something is wrong.
    pub fn run(self, sync: Sync, tasks: &mut JoinSet<()>) {
        match self {
            Repository::Hosted(socket) => {
                let gate = Arc::new(Gate::new(sync.clone()));
                tasks.spawn(async move {
                    let error = socket.serve(gate).await;
                    tracing::error!(%error, "pushes are not taken any more");
                });
                tasks.spawn(follow_hosted(sync));
            }
            Repository::Watched(mirror) => {
                tasks.spawn(follow_watched(mirror, sync));
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
        Err(error) => {
            tracing::error!(%error, "the hosted repository is not watched; pushes are taken nevertheless");
            std::future::pending().await
        }
    }
}

async fn follow_watched(mirror: Mirror, sync: Sync) {
    let mut events = mirror.subscribe();
    let applied = sync.view().read().applied_commit().and_then(|id| id.parse().ok());
    let mut history = History { repository: mirror.repository().to_owned(), accepted: applied };
    let status = mirror.status();
    if let Some(fault) = &status.fault {
        sync.set_trouble(About::Source, Some(trouble(fault)));
    }
    if let Some(tip) = status.tip {
        history.take(&sync, tip).await;
    }
    while let Some(event) = events.next().await {
        match event {
            Event::Ref(moved) => {
                sync.set_trouble(About::Source, None);
                history.take(&sync, moved.new).await;
            }
            Event::Fault(fault) => {
                sync.set_trouble(About::Source, Some(trouble(&fault)));
                if let Some(held) = mirror.status().held.filter(|held| history.is_confirmed(*held)) {
                    mirror.confirm(held).await;
                }
            }
            Event::Recovered => sync.set_trouble(About::Source, None),
        }
    }
}

/// Holds tips against what was taken before: history that was rewritten needs a word of whoever did it.
struct History {
    repository: PathBuf,
    accepted: Option<CommitId>,
}

impl History {
    async fn take(&mut self, sync: &Sync, tip: CommitId) {
        match self.held(tip) {
            None => {
                self.accepted = Some(tip);
                sync.set_trouble(About::History, None);
                sync.tip(tip).await;
            }
            Some(why) => {
                tracing::warn!(tip = %tip.short(), why, "the tip is held back");
                sync.set_trouble(About::History, Some(Trouble { since_s: clock::now_s(), why }));
            }
        }
    }

    /// Why a tip may not be applied, if it may not.
    fn held(&self, tip: CommitId) -> Option<String> {
        let old = self.accepted?;
        // A commit that cannot be found shows nothing of how it is related, which is no reason to trust the new one.
        let forward = Reader::open(&self.repository).and_then(|reader| reader.is_descendant(tip, old)).unwrap_or(false);
        if forward || self.is_confirmed(tip) {
            return None;
        }
        Some(format!(
            "history was rewritten: {}..{}; what is applied stays until the newest commit has the trailer \"Masthead-Confirm: rewrite\"",
            old.short(),
            tip.short()
        ))
    }

    fn is_confirmed(&self, tip: CommitId) -> bool {
        Reader::open(&self.repository).is_ok_and(|reader| gate::rewrite_confirmed(&reader, tip))
    }
}

fn trouble(fault: &crate::git::mirror::fault::Fault) -> Trouble {
    let since = fault.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Trouble { since_s: i64::try_from(since).unwrap_or(i64::MAX), why: fault.why.clone() }
}
