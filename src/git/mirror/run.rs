//! The loop that watches a repository: waits for a change, fetches, judges, moves the mirror's branch, tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::time::Instant;

use crate::git::commit::CommitId;
use crate::git::error::Error;
use crate::git::mirror::copy::{self, Copied};
use crate::git::mirror::fault::{Failure, Fault, FaultKind};
use crate::git::mirror::fetch;
use crate::git::mirror::handle::{Ask, EVENTS_MAX, Event, Handle, Inner, RefEvent, Status};
use crate::git::mirror::options::{JITTER, Options};
use crate::git::mirror::store::{self, Judgement};
use crate::git::mirror::url::Source;
use crate::git::names;
use crate::git::reader::Reader;
use crate::git::ref_events::RefEvents;

/// Moves of the branch after which the mirror is offered to git for packing.
const TIDY_EVERY: u32 = 200;
/// Wake-ups in a row without a new tip after which the next look waits for [`CALM`].
const IDLE_WAKES_MAX: u32 = 8;
/// Questions to the watch that may wait; who asks one more waits.
const ASKS_MAX: usize = 16;
/// How long a busy repository is left alone.
const CALM: Duration = Duration::from_millis(50);

/// Starts to watch a repository; must be called inside a tokio runtime. The last good tip of an earlier run is in the
/// status at once, whether the source answers or not. Blocks for the few milliseconds of checking what an earlier run left.
pub fn start(options: Options) -> Result<Handle, Error> {
    if let Some(branch) = &options.branch {
        names::branch(branch)?;
    }
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let (asks, asked) = mpsc::channel(ASKS_MAX);
    let poke = Arc::new(Notify::new());
    let mut first = Status { branch: options.branch.clone(), ..Status::default() };
    store::mend(&options.mirror);
    if let Ok(mirror) = Reader::open(&options.mirror) {
        first.branch = first.branch.or_else(|| mirror.head_branch());
        first.tip = first.branch.as_deref().and_then(|b| mirror.tip(b).ok().flatten());
        if first.tip.is_none() {
            first.branch.clone_from(&options.branch);
        }
    }
    let (status, seen) = watch::channel(first.clone());
    let repository = options.mirror.clone();
    let run = Run {
        branch: first.branch,
        tip: first.tip,
        options,
        status,
        events: events.clone(),
        poke: Arc::clone(&poke),
        asked,
        source_events: None,
        confirmed: None,
        held: None,
        rebuild: false,
        failures: 0,
        idle_wakes: 0,
        moves: 0,
    };
    let task = tokio::spawn(run.run());
    Ok(Handle::new(Inner { repository, events, status: seen, poke, asks, task }))
}

struct Run {
    options: Options,
    branch: Option<String>,
    tip: Option<CommitId>,
    status: watch::Sender<Status>,
    events: broadcast::Sender<Event>,
    poke: Arc<Notify>,
    asked: mpsc::Receiver<Ask>,
    /// Changes of a source on this machine.
    source_events: Option<RefEvents>,
    confirmed: Option<CommitId>,
    /// The tip that the last look refused to follow.
    held: Option<CommitId>,
    /// Whether a reader found the mirror damaged.
    rebuild: bool,
    failures: u32,
    idle_wakes: u32,
    moves: u32,
}

impl Run {
    async fn run(mut self) {
        loop {
            let started = Instant::now();
            self.arm();
            match self.check().await {
                Ok(moved) => self.good(moved),
                Err(failure) => self.bad(&failure),
            }
            // The source came back, or was replaced, between the two lines above: look again with a watch on it.
            if self.failures == 0 && self.arm() {
                continue;
            }
            if self.moves >= TIDY_EVERY {
                self.moves = 0;
                fetch::tidy(&self.options, &self.options.mirror).await;
            }
            self.wait(started).await;
        }
    }

    fn local(&self) -> Option<PathBuf> {
        match &self.options.source {
            Source::Local(path) => Some(path.clone()),
            Source::Remote(_) => None,
        }
    }

    /// Watches a local source before it is read, so that no change falls in between; true when the watch is new.
    fn arm(&mut self) -> bool {
        let Some(path) = self.local() else { return false };
        if self.source_events.as_ref().is_some_and(RefEvents::is_current) {
            return false;
        }
        // What is wrong with it, the read that follows tells.
        self.source_events = RefEvents::new(&path).ok();
        self.source_events.is_some()
    }

    /// One look: the event of a move, None when the tip is the same.
    async fn check(&mut self) -> Result<Option<RefEvent>, Failure> {
        let mirror = self.options.mirror.clone();
        let ready = blocking(move || store::ensure(&mirror)).await?;
        if ready.is_err() || std::mem::take(&mut self.rebuild) {
            return self.make_anew().await;
        }
        let looked = self.look().await;
        match looked {
            Err(failure) if failure.kind == FaultKind::LocalCopy => {
                tracing::warn!(why = %failure.why, "the mirror is damaged, making it anew");
                self.make_anew().await
            }
            other => other,
        }
    }

    async fn look(&mut self) -> Result<Option<RefEvent>, Failure> {
        let mirror = self.options.mirror.clone();
        let branch = self.find_branch(&mirror).await?;
        if let Some(source) = self.local() {
            let (to, name, tip) = (mirror.clone(), branch.clone(), self.tip);
            if let Copied::Tip(new) = blocking(move || copy::sync(&source, &to, &name, tip)).await?? {
                return self.decide(mirror, branch, new).await;
            }
        }
        fetch::fetch(&self.options, &mirror, &branch).await?;
        let new = fetched(&mirror, &branch).await?;
        self.decide(mirror, branch, new).await
    }

    async fn find_branch(&mut self, mirror: &std::path::Path) -> Result<String, Failure> {
        if let Some(branch) = &self.branch {
            return Ok(branch.clone());
        }
        if let Some(path) = self.local()
            && !path.exists()
        {
            return Err(Failure::new(FaultKind::Missing, format!("{} is not there", path.display())));
        }
        let branch = fetch::head_branch(&self.options, mirror).await?;
        self.branch = Some(branch.clone());
        Ok(branch)
    }

    /// Clones beside the damaged mirror and swaps, with the last good tip still being what the new one is held against.
    async fn make_anew(&mut self) -> Result<Option<RefEvent>, Failure> {
        let fresh = self.options.mirror.with_extension("fresh");
        let local = |e: Error| Failure::new(FaultKind::Other, e.to_string());
        let path = fresh.clone();
        blocking(move || store::remove(&path).and_then(|()| store::ensure(&path))).await?.map_err(local)?;
        let branch = self.find_branch(&fresh).await?;
        // What is wrong with a clone just made is the source's fault.
        let theirs = |f: Failure| match f.kind {
            FaultKind::LocalCopy => Failure { kind: FaultKind::TruncatedPack, ..f },
            _ => f,
        };
        fetch::fetch(&self.options, &fresh, &branch).await.map_err(theirs)?;
        let new = fetched(&fresh, &branch).await.map_err(theirs)?;
        let moved = self.decide(fresh.clone(), branch, new).await.map_err(theirs)?;
        if self.options.mirror.exists() {
            fetch::rescue_notes(&self.options, &self.options.mirror, &fresh).await;
        }
        let path = self.options.mirror.clone();
        blocking(move || store::swap(&path, &fresh)).await?.map_err(local)?;
        Ok(moved)
    }

    /// Judges a fetched tip and moves the branch of the mirror at `path`.
    async fn decide(&mut self, path: PathBuf, branch: String, new: CommitId) -> Result<Option<RefEvent>, Failure> {
        let (last, confirmed) = (self.tip, self.confirmed == Some(new));
        let anew = path != self.options.mirror;
        let name = branch.clone();
        let judgement = blocking(move || {
            let open = |e: Error| Failure::new(FaultKind::LocalCopy, e.to_string());
            let mirror = Reader::open(&path).map_err(open)?;
            // A clone that lacks the last good commit can't show how it is related: that is no reason to trust it.
            let lost = anew && last.is_some_and(|id| mirror.commit(id).is_err());
            let judgement = match store::judge(&mirror, last.filter(|_| !lost), new)? {
                Judgement::First if lost => Judgement::Unrelated,
                other => other,
            };
            if anew || (judgement != Judgement::Same && (judgement != Judgement::Unrelated || confirmed)) {
                store::accept(&mirror, &name, new).map_err(open)?;
            }
            Ok::<_, Failure>(judgement)
        })
        .await??;
        if judgement == Judgement::Unrelated && !confirmed {
            self.held = Some(new);
            let old = last.map_or(String::new(), |id| id.short());
            let why = format!(
                "{branch} is now {}, which shares no history with {old}: another repository? confirm it to follow",
                new.short()
            );
            return Err(Failure::new(FaultKind::Unrelated, why));
        }
        self.confirmed = None;
        if judgement == Judgement::Same {
            return Ok(None);
        }
        let rewritten = matches!(judgement, Judgement::Rewritten | Judgement::Unrelated);
        Ok(Some(RefEvent { branch, old: last, new, rewritten }))
    }

    fn good(&mut self, moved: Option<RefEvent>) {
        self.failures = 0;
        self.idle_wakes = if moved.is_some() { 0 } else { self.idle_wakes.saturating_add(1) };
        let recovered = self.status.borrow().fault.is_some();
        if let Some(event) = &moved {
            self.moves += 1;
            self.tip = Some(event.new);
            if let Some(text) = event.rewritten_text() {
                tracing::warn!(branch = %event.branch, "{text}");
            }
        }
        self.status.send_modify(|s| {
            s.branch.clone_from(&self.branch);
            s.tip = self.tip;
            s.checked = Some(SystemTime::now());
            s.fault = None;
            s.held = None;
            if let Some(event) = &moved {
                s.rewritten = event.rewritten_text();
            }
        });
        // Nobody listening is no fault.
        if recovered {
            let _ = self.events.send(Event::Recovered);
        }
        if let Some(event) = moved {
            let _ = self.events.send(Event::Ref(event));
        }
    }

    fn bad(&mut self, failure: &Failure) {
        self.failures = self.failures.saturating_add(1);
        self.idle_wakes = self.idle_wakes.saturating_add(1);
        let (before, held_before) = {
            let status = self.status.borrow();
            (status.fault.clone(), status.held)
        };
        let held = self.held.take().filter(|_| failure.kind == FaultKind::Unrelated);
        let since = before.as_ref().map_or_else(SystemTime::now, |f| f.since);
        let fault = Fault { since, why: failure.why.clone(), kind: failure.kind };
        if before.as_ref() == Some(&fault) && held_before == held {
            return;
        }
        tracing::warn!(source = %self.options.source, kind = ?fault.kind, why = %fault.why, "the repository can't be followed, the last good commit stays");
        self.status.send_modify(|s| {
            s.branch.clone_from(&self.branch);
            s.fault = Some(fault.clone());
            s.held = held;
        });
        let _ = self.events.send(Event::Fault(fault));
    }

    /// How long to the next look when nothing wakes us.
    fn pause(&self) -> Duration {
        let o = &self.options;
        let base = match self.failures {
            // Without a watch (the kernel has no more of them) looking is all that is left.
            0 if self.local().is_some() && self.source_events.is_none() => o.local_backoff_max.min(o.poll),
            0 => o.poll,
            n => {
                let max = if self.local().is_some() { o.local_backoff_max.min(o.backoff_max) } else { o.backoff_max };
                o.backoff_min.saturating_mul(1 << (n - 1).min(16)).min(max)
            }
        };
        base.mul_f64(1.0 + rand::random_range(-JITTER..=JITTER))
    }

    async fn wait(&mut self, started: Instant) {
        let next = Instant::now() + self.pause();
        let gap = started + self.options.poke_gap;
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = self.poke.notified() => tokio::time::sleep_until(gap.min(next)).await,
            alive = changed(&mut self.source_events) => {
                if !alive {
                    self.source_events = None;
                }
                if self.idle_wakes > IDLE_WAKES_MAX {
                    tokio::time::sleep(CALM).await;
                }
                return;
            }
            ask = self.asked.recv() => match ask {
                Some(Ask::Confirm(id)) => self.confirmed = Some(id),
                Some(Ask::Rebuild) => {
                    // A reader that keeps finding faults may not make us clone in a loop.
                    tokio::time::sleep_until(gap.min(next)).await;
                    self.rebuild = true;
                }
                None => tokio::time::sleep_until(next).await,
            },
        }
        self.idle_wakes = 0;
    }
}

async fn changed(events: &mut Option<RefEvents>) -> bool {
    match events {
        Some(events) => events.changed().await,
        None => std::future::pending().await,
    }
}

async fn fetched(mirror: &std::path::Path, branch: &str) -> Result<CommitId, Failure> {
    let (mirror, name) = (mirror.to_owned(), store::incoming(branch));
    let read = blocking(move || Reader::open(&mirror)?.reference(&name)).await?;
    match read {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(Failure::new(FaultKind::BranchMissing, "the fetched branch is no commit")),
        Err(e) => Err(Failure::new(FaultKind::LocalCopy, e.to_string())),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Failure::new(FaultKind::Other, e.to_string()))
}
