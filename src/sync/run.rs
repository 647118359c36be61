//! Tips of the tracked branch → commits applied and followed to their outcome; a newer one supersedes at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use masthead_api::key::ObjectKey;
use masthead_store::objects::Objects;
use tokio::sync::{broadcast, mpsc, watch};

use crate::clock;
use crate::control::view::View;
use crate::git::commit::CommitId;
use crate::git::reader::Reader;
use crate::sync::apply;
use crate::sync::handle::{About, Handle, PROGRESS_WAITING_MAX, Progress, Tracked, Trouble, Troubles};
use crate::sync::observe::{Fault, Observed, Source};
use crate::sync::progress::{self, Assessed};
use crate::sync::record::{AppliedCommit, CommitRecord, Outcome, RECORDS_MAX};

/// How long a rollout may take whose objects have no deadline of their own.
pub const ROLLOUT_MAX: Duration = Duration::from_secs(900);

/// How long a failed read of a repository waits before it is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Tips that may wait; all but the newest are skipped.
const TIPS_WAITING_MAX: usize = 64;

/// The loop behind a [`Handle`].
pub struct Sync {
    handle: Handle,
    store: Objects,
    tips: mpsc::Receiver<CommitId>,
}

impl Sync {
    /// The sync of one branch, not yet running.
    pub fn new(tracked: Tracked, repository: PathBuf, view: Arc<View>, store: Objects) -> Sync {
        let (tips_in, tips) = mpsc::channel(TIPS_WAITING_MAX);
        let source = Arc::new(Source::new(tracked.path.clone()));
        let progress = broadcast::Sender::new(PROGRESS_WAITING_MAX);
        let trouble = watch::Sender::new(Troubles::default());
        Sync { handle: Handle { tracked, repository, source, view, tips: tips_in, progress, trouble }, store, tips }
    }

    /// The handle.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until all handles are gone.
    pub async fn run(mut self) {
        let mut next = None;
        loop {
            let commit = match next.take() {
                Some(commit) => commit,
                None => match self.tips.recv().await {
                    Some(commit) => commit,
                    None => return,
                },
            };
            let commit = self.newest(commit).await;
            next = self.roll(commit).await;
        }
    }

    /// Skips to the newest tip that waits.
    async fn newest(&mut self, mut commit: CommitId) -> CommitId {
        while let Ok(newer) = self.tips.try_recv() {
            if newer != commit {
                self.skip(commit, newer).await;
            }
            commit = newer;
        }
        commit
    }

    /// Records a commit that was never taken up, because a newer one was there already.
    async fn skip(&mut self, commit: CommitId, newer: CommitId) {
        if let Ok(commit) = self.handle.reader().and_then(|reader| reader.commit(commit)) {
            let mut rolling = Rolling::new(self, crate::sync::observe::facts(&commit), commit.id);
            rolling.end(self, Outcome::Superseded, format!("by {}", newer.short())).await;
        }
    }

    /// Takes one commit to its outcome; returns the newer commit that came meanwhile.
    #[tracing::instrument(name = "commit", skip_all, fields(commit = %commit.short()))]
    async fn roll(&mut self, commit: CommitId) -> Option<CommitId> {
        let observed = match self.observe(commit).await {
            Ok(observed) => observed,
            Err(newer) => return newer,
        };
        let mut rolling = Rolling::new(self, observed.desired.commit.clone(), commit);
        let applied = AppliedCommit { commit: commit.to_string(), branch: self.handle.tracked.branch.clone() };
        loop {
            rolling.write(self).await;
            let done: Vec<_> = applied.put().into_iter().collect();
            let plan = match apply::apply(&self.handle.view, &self.store, &observed, &done).await {
                Ok(plan) => plan,
                Err(error @ (apply::Error::Problems(_) | apply::Error::Refused(_))) => {
                    rolling.refuse(self, error.to_string()).await;
                    return self.tips.recv().await;
                }
                Err(error) => {
                    tracing::error!(%error, "the commit is not applied yet");
                    rolling.say(self, format!("not applied yet: {error}"));
                    match tokio::time::timeout(READ_AGAIN, self.tips.recv()).await {
                        Ok(newer) => return self.supersede(&mut rolling, newer).await,
                        Err(_) => continue,
                    }
                }
            };
            rolling.planned(self, &plan).await;
            match self.follow(&mut rolling, apply::waits(&plan)).await {
                Followed::Newer(newer) => return self.supersede(&mut rolling, newer).await,
                Followed::PlanAgain => {}
            }
        }
    }

    async fn supersede(&self, rolling: &mut Rolling, newer: Option<CommitId>) -> Option<CommitId> {
        let newer = newer?;
        if newer.to_string() == rolling.record.commit.id {
            return Some(newer);
        }
        if !rolling.record.outcome.is_final() {
            rolling.end(self, Outcome::Superseded, format!("by {}", newer.short())).await;
        }
        Some(newer)
    }

    /// Reads a commit; a tree with faults is recorded as refused. `Err` is what to do instead.
    async fn observe(&mut self, commit: CommitId) -> Result<Observed, Option<CommitId>> {
        loop {
            let fault = match self.handle.reader() {
                Ok(reader) => match self.handle.observe(reader, commit).await {
                    Ok(observed) => {
                        self.handle.set_trouble(About::Commit, None);
                        return Ok(observed);
                    }
                    Err(fault) => fault,
                },
                Err(error) => Fault::Git(error),
            };
            match fault {
                Fault::Invalid(problems) => {
                    let facts = self
                        .handle
                        .reader()
                        .and_then(|reader| reader.commit(commit))
                        .map(|c| crate::sync::observe::facts(&c));
                    let mut rolling = Rolling::new(self, facts.unwrap_or_default(), commit);
                    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    rolling.refuse(self, text.join("\n")).await;
                    return Err(self.tips.recv().await);
                }
                Fault::Git(error) => {
                    tracing::warn!(%error, "the commit cannot be read; what is applied stays");
                    self.handle
                        .set_trouble(About::Commit, Some(Trouble { since_s: clock::now_s(), why: error.to_string() }));
                    if let Ok(newer) = tokio::time::timeout(READ_AGAIN, self.tips.recv()).await {
                        return Err(newer);
                    }
                }
            }
        }
    }

    /// Watches what a commit changed until a newer commit comes; its outcome may come before, and may turn good again.
    async fn follow(&mut self, rolling: &mut Rolling, waits: bool) -> Followed {
        let mut revisions = self.handle.view.subscribe();
        let deadline = rolling.started + ROLLOUT_MAX;
        loop {
            let (lines, assessed) = progress::assess(&self.handle.view.read(), &rolling.keys);
            rolling.lines(self, lines);
            let done = rolling.record.outcome;
            match assessed {
                Assessed::Healthy if done != Outcome::Healthy && !waits => {
                    rolling.end(self, Outcome::Healthy, String::new()).await
                }
                Assessed::Failed(why) if !done.is_final() => rolling.end(self, Outcome::Failed, why.join("; ")).await,
                Assessed::Progressing if !done.is_final() && Instant::now() >= deadline => {
                    let why = format!("timed out after {} s", ROLLOUT_MAX.as_secs());
                    rolling.end(self, Outcome::Failed, why).await;
                }
                _ => {}
            }
            let settled = rolling.record.outcome == Outcome::Healthy;
            let open = !rolling.record.outcome.is_final();
            tokio::select! {
                newer = self.tips.recv() => match newer {
                    Some(newer) if newer.to_string() == rolling.record.commit.id && settled => return Followed::PlanAgain,
                    Some(newer) if newer.to_string() == rolling.record.commit.id => {}
                    newer => return Followed::Newer(newer),
                },
                changed = revisions.changed(), if !settled => {
                    if changed.is_err() {
                        return Followed::Newer(None);
                    }
                    if waits {
                        return Followed::PlanAgain;
                    }
                }
                () = tokio::time::sleep_until(deadline.into()), if open => {}
            }
        }
    }
}

enum Followed {
    Newer(Option<CommitId>),
    PlanAgain,
}

/// One commit on its way.
struct Rolling {
    id: CommitId,
    started: Instant,
    record: CommitRecord,
    keys: Vec<ObjectKey>,
    said: BTreeMap<String, String>,
}

impl Rolling {
    fn new(sync: &Sync, commit: masthead_plan::desired::CommitFacts, id: CommitId) -> Rolling {
        let records = sync.handle.view.commits();
        let known = sync.handle.view.commit(&id.to_string());
        let sequence = records.last().map_or(0, |last| last.sequence) + 1;
        let record = CommitRecord {
            sequence,
            commit: masthead_plan::desired::CommitFacts { id: id.to_string(), ..commit },
            outcome: Outcome::Applying,
            summary: known.as_ref().map_or_else(String::new, |known| known.summary.clone()),
            detail: String::new(),
            started_s: clock::now_s(),
            finished_s: None,
            took_ms: None,
            changed: known.as_ref().map_or_else(Vec::new, |known| known.changed.clone()),
        };
        let keys = record.changed.iter().filter_map(|key| ObjectKey::parse_store_key(key)).collect();
        let record = match known {
            // A restart finds the record of the commit that is applied, and goes on with it.
            Some(known) => CommitRecord { detail: String::new(), ..CommitRecord::clone(&known) },
            None => record,
        };
        Rolling { id, started: Instant::now(), record, keys, said: BTreeMap::new() }
    }

    fn say(&self, sync: &Sync, line: String) {
        // Nobody has to listen.
        let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: None });
    }

    /// Says the lines that are new.
    fn lines(&mut self, sync: &Sync, lines: Vec<String>) {
        for line in lines {
            let what = line.split(": ").next().unwrap_or_default().to_owned();
            if self.said.get(&what) != Some(&line) {
                self.say(sync, line.clone());
                self.said.insert(what, line);
            }
        }
    }

    async fn planned(&mut self, sync: &Sync, plan: &masthead_plan::sync::entry::SyncPlan) {
        if !plan.is_empty() || self.record.summary.is_empty() {
            self.record.summary = plan.summary();
        }
        let mut keys = progress::watched(plan);
        for key in std::mem::take(&mut self.keys) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        self.record.changed = keys.iter().map(ObjectKey::store_key).collect();
        self.keys = keys;
        if !self.record.outcome.is_final() || !plan.is_empty() {
            self.record.outcome = Outcome::Progressing;
            self.record.finished_s = None;
        } else {
            // The commit was here before and all is as it asks: whoever waits for it hears so.
            let line = format!("{} {}", self.record.commit.short(), self.record.line());
            let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: Some(self.record.outcome) });
        }
        self.write(sync).await;
    }

    /// Ends as refused; what is applied stays, and the status says so until a better commit comes.
    async fn refuse(&mut self, sync: &Sync, detail: String) {
        let first = detail.lines().next().unwrap_or_default();
        let why = format!("commit {} is refused: {first}; what is applied stays", self.record.commit.short());
        sync.handle.set_trouble(About::Commit, Some(Trouble { since_s: self.record.started_s, why }));
        self.end(sync, Outcome::Refused, detail).await;
    }

    async fn end(&mut self, sync: &Sync, outcome: Outcome, detail: String) {
        self.record.outcome = outcome;
        self.record.detail = detail;
        self.record.finished_s = Some(clock::now_s());
        let took = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record.took_ms = Some(took);
        self.write(sync).await;
        tracing::info!(commit = self.id.short(), %outcome, detail = self.record.detail, took_ms = took, "outcome");
        let line = format!("{} {}", self.record.commit.short(), self.record.line());
        let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: Some(outcome) });
        self.note(sync).await;
    }

    /// Writes the record, and forgets the oldest ones.
    async fn write(&self, sync: &Sync) {
        let known = sync.handle.view.commit(&self.record.commit.id);
        if known.as_deref() == Some(&self.record) {
            return;
        }
        let mut batch = masthead_store::objects::Batch::default();
        let records = sync.handle.view.commits();
        let most = records.len().saturating_sub(RECORDS_MAX);
        batch.notes.extend(records.iter().take(most).map(|record| record.forget()));
        match self.record.put() {
            Ok(op) => batch.notes.push(op),
            Err(error) => tracing::error!(%error, "the record of a commit has no JSON form"),
        }
        match sync.store.apply(batch).await {
            Ok(revision) => sync.handle.view.at_least(revision.0).await,
            Err(error) => tracing::error!(%error, "the outcome of a commit is not recorded"),
        }
    }

    /// Tells the outcome as a git note, where the repository is ours to write.
    async fn note(&self, sync: &Sync) {
        if !sync.handle.tracked.hosted {
            return;
        }
        let (path, id, line) = (sync.handle.repository.clone(), self.id, self.record.line());
        let by = crate::git::commit::Person::new("masthead", "masthead@localhost", clock::now_s());
        let noted = tokio::task::spawn_blocking(move || Reader::open(&path)?.set_note(id, &line, &by)).await;
        match noted {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the outcome is not written as a git note"),
            Err(error) => tracing::error!(%error, "writing a git note"),
        }
    }
}
