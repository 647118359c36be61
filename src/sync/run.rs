//! Tips of the tracked branch → commits applied and followed to their outcome; a newer one supersedes at once.
//!
//! The simulation runs this very loop, on commits and a clock of its own.

use std::any::Any;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_plan::sync::entry::SyncPlan;
use masthead_plan::sync::hooks::{Recovery, State};
use masthead_plan::sync::release::ReleaseKey;
use masthead_plan::sync::rollout::{self, Rollout};
use masthead_store::kv::Op;
use masthead_store::objects::{Batch, Objects};
use tokio::sync::{broadcast, mpsc, watch};

use crate::control::clock::{Clock, System};
use crate::control::view::View;
use crate::git::commit::CommitId;
use crate::sync::commits::{Commits, OfRepository};
use crate::sync::handle::{About, Handle, PROGRESS_WAITING_MAX, Progress, Tracked, Trouble, Troubles};
use crate::sync::notes::Notes;
use crate::sync::observe::{Fault, Observed, Source};
use crate::sync::progress::{self, Assessed, Watched};
use crate::sync::record::{AppliedCommit, CHANGED_MAX, CommitRecord, HOOKS_MAX, Outcome, RECORDS_MAX};
use crate::sync::telling::Telling;
use crate::sync::witness::Witness;
use crate::sync::{apply, logs};

/// How long a rollout may take whose objects have no deadline of their own.
const ROLLOUT_MAX_MS: u64 = 900_000;

/// How long nodes have to tell what they run, where the store may have been lost: agents dial again within ten seconds.
const NODES_TELL_MAX_MS: u64 = 15_000;

/// How long a failed read of a repository waits before it is tried again.
const READ_AGAIN_MS: u64 = 5000;

/// Entries of a plan above which its writes take long enough to be told of before they are made.
const LARGE: usize = 500;

/// Tips that may wait; all but the newest are skipped.
const TIPS_WAITING_MAX: usize = 64;

/// What is left of a commit.
type Past = Box<dyn Any + Send + std::marker::Sync>;

/// The loop behind a [`Handle`].
pub struct Sync {
    handle: Handle,
    commits: Arc<dyn Commits>,
    /// What is left of the commit before, to be freed when there is time.
    past: Option<Past>,
    store: Objects,
    tips: mpsc::Receiver<CommitId>,
    /// Outcomes as git notes, where the repository is ours to write.
    notes: Option<Notes>,
    /// What is kept of releases outside of the store.
    witness: Option<Witness>,
    /// What commits had changed that newer ones superseded, and was not up: who takes their place watches it too.
    left: Vec<ObjectKey>,
}

impl Sync {
    /// The sync of one branch, not yet running.
    pub fn new(tracked: Tracked, repository: PathBuf, view: Arc<View>, store: Objects) -> Sync {
        Sync::over(tracked, repository, view, store, Arc::new(System::start()), |handle| Arc::new(OfRepository(handle)))
    }

    /// The same on another clock, with commits from elsewhere.
    pub fn over(
        tracked: Tracked,
        repository: PathBuf,
        view: Arc<View>,
        store: Objects,
        clock: Arc<dyn Clock>,
        commits: impl FnOnce(Handle) -> Arc<dyn Commits>,
    ) -> Sync {
        let (tips_in, tips) = mpsc::channel(TIPS_WAITING_MAX);
        let source = Arc::new(Source::new(tracked.path.clone()));
        let progress = broadcast::Sender::new(PROGRESS_WAITING_MAX);
        let trouble = watch::Sender::new(Troubles::default());
        let (lost_until, logs, testing) = (Arc::default(), Arc::default(), Arc::default());
        let handle = Handle {
            tracked,
            repository,
            source,
            view,
            memo: Arc::default(),
            tips: tips_in,
            progress,
            trouble,
            clock,
            lost_until,
            logs,
            testing,
            witness: Arc::default(),
        };
        Sync {
            commits: commits(handle.clone()),
            past: None,
            handle,
            store,
            tips,
            notes: None,
            witness: None,
            left: Vec::new(),
        }
    }

    /// The handle.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until all handles are gone.
    pub async fn run(mut self) {
        self.notes = self.handle.tracked.hosted.then(|| Notes::start(self.handle.repository.clone()));
        let may_be_lost = self.may_be_lost();
        self.recall(may_be_lost).await;
        self.left = self.unfinished();
        if may_be_lost {
            // Set once: there is one run of a handle.
            let _ = self.handle.lost_until.set(self.now_ms().saturating_add(NODES_TELL_MAX_MS));
        }
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

    /// Whether this store is new although its repository is not, so that it may have been lost.
    fn may_be_lost(&self) -> bool {
        // A repository that is elsewhere is fetched when this has begun.
        self.handle.view.read().applied_commit().is_none() && (!self.handle.tracked.hosted || self.commits.is_there())
    }

    /// What the newest commit was still about when this began; should another take its place at once, it goes on.
    fn unfinished(&self) -> Vec<ObjectKey> {
        let newest = self.handle.view.commits().last().filter(|record| !record.outcome.is_final()).cloned();
        let Some(record) = newest else { return Vec::new() };
        let changed = progress::recorded(&record, &self.handle.view.read());
        changed.into_iter().chain(progress::inherited(&record)).collect()
    }

    /// Learns what became of releases before, which a store that was lost does not know.
    async fn recall(&mut self, may_be_lost: bool) {
        let Some(path) = self.handle.witness.get() else { return };
        match Witness::open(path.clone()).await {
            Ok(witness) => {
                if may_be_lost {
                    match witness.restore(&self.handle.view, &self.store).await {
                        Ok(count) => tracing::info!(count, "releases are known from before the store was made"),
                        Err(error) => tracing::error!(%error, "what became of releases before is not known here"),
                    }
                }
                self.witness = Some(witness);
            }
            Err(error) => tracing::error!(%error, "what becomes of releases is kept in the store alone"),
        }
    }

    /// Keeps what has become of releases.
    async fn witness(&mut self) {
        if let Some(witness) = &mut self.witness
            && let Err(error) = witness.keep(&self.handle.view, self.handle.clock.now_s()).await
        {
            tracing::warn!(%error, "what became of releases is kept in the store alone");
        }
    }

    fn now_ms(&self) -> u64 {
        self.handle.clock.now_ms()
    }

    /// The next tip; the commit that is under way when none comes for a while, so that it is tried again.
    async fn tip_or_again(&mut self) -> Tip {
        let again = self.handle.clock.until(self.now_ms().saturating_add(READ_AGAIN_MS));
        tokio::select! {
            biased;
            newer = self.tips.recv() => Tip::Newer(newer),
            () = again => Tip::Again,
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
        if let Ok(facts) = self.commits.facts(commit) {
            let mut rolling = Rolling::new(self, facts, commit);
            rolling.end(self, Outcome::Superseded, format!("by {}", newer.short())).await;
        }
    }

    /// Takes one commit to its outcome; returns the newer commit that came meanwhile.
    #[tracing::instrument(name = "commit", skip_all, fields(commit = %commit.short()))]
    async fn roll(&mut self, commit: CommitId) -> Option<CommitId> {
        tracing::debug!("taken up");
        let observed = match self.observe(commit).await {
            Ok(observed) => observed,
            Err(newer) => return newer,
        };
        let mut rolling = Rolling::new(self, observed.desired.commit.clone(), commit);
        let newer = self.take(&mut rolling, &observed).await;
        // The newer commit is put together from what this one asked for, which nobody may hold then.
        drop(observed);
        // It is in a hurry: what is left of this one is freed when the plan of that one is stored.
        self.let_go(Some(Box::new(rolling)));
        newer
    }

    /// Frees what is left of the commit before, and keeps what is left of this one: never more than of one.
    fn let_go(&mut self, past: Option<Past>) {
        if let Some(before) = std::mem::replace(&mut self.past, past) {
            self.commits.free(before);
        }
    }

    /// Plans, applies and follows a commit, again and again where it takes that; returns the newer one.
    async fn take(&mut self, rolling: &mut Rolling, observed: &Observed) -> Option<CommitId> {
        loop {
            let plan = match self.apply(rolling, observed).await {
                Ok(plan) => plan,
                Err(error @ (apply::Error::Problems(_) | apply::Error::Refused(_))) => {
                    rolling.refuse(self, error.to_string()).await;
                    return self.tips.recv().await;
                }
                Err(error) => {
                    tracing::error!(%error, "the commit is not applied yet");
                    rolling.say(self, format!("not applied yet: {error}"));
                    match self.tip_or_again().await {
                        Tip::Newer(newer) => return self.supersede(rolling, newer).await,
                        Tip::Again => continue,
                    }
                }
            };
            rolling.planned(self, &plan);
            let waits = apply::waits(&plan);
            self.let_go(None);
            self.commits.free(Box::new(plan));
            match self.follow(rolling, observed, waits).await {
                Followed::Newer(newer) => return self.supersede(rolling, newer).await,
                Followed::PlanAgain => {}
            }
        }
    }

    /// Applies a commit, planned anew whenever the state has moved on; the record of the commit is written with the plan.
    async fn apply(&mut self, rolling: &mut Rolling, observed: &Observed) -> Result<SyncPlan, apply::Error> {
        let branch = self.handle.tracked.branch.clone();
        let applied = AppliedCommit { commit: rolling.id.to_string(), branch };
        for _ in 0..apply::ATTEMPTS {
            let plan = apply::decide(&self.handle, observed)?;
            tracing::debug!(entries = plan.entries.len(), "planned");
            let logs = self.logs_of(&plan).await;
            if plan.entries.len() > LARGE {
                rolling.write(self).await;
            }
            rolling.take(&plan);
            let said = rolling.record.hooks.len();
            rolling.hooks(&plan, logs);
            let mut done = rolling.ops(self);
            if apply::is_whole(&plan) {
                done.extend(applied.put());
            }
            let lines = rolling.record.hooks[said..].to_vec();
            if apply::execute(&self.handle.view, &self.store, &plan, done).await? {
                if plan.entries.len() > LARGE {
                    // The next commit need not look at all of them again; whoever pushes it waits for its plan.
                    apply::plan(&self.handle, observed);
                }
                self.witness().await;
                lines.into_iter().for_each(|line| rolling.say(self, line));
                rolling.continues = true;
                return Ok(plan);
            }
            rolling.record.hooks.truncate(said);
        }
        Err(apply::Error::Contended)
    }

    /// What the logs of hooks that have failed just now end with; read before their policies delete them.
    async fn logs_of(&self, plan: &SyncPlan) -> Vec<String> {
        let Some(read) = self.handle.logs.get() else { return Vec::new() };
        let mut out = Vec::new();
        for release in &plan.releases {
            let Some(key) = &release.step.failed else { continue };
            let pod = logs::pod_of(&self.handle.view.read(), key);
            if let Some(pod) = pod {
                let log = logs::on_one_line(&read(pod.clone(), Some(logs::LINES)).await);
                if !log.is_empty() {
                    out.push(format!("{}: the log of {} ends with: {log}", release.key, pod.metadata.name));
                }
            }
        }
        out
    }

    /// Ends a commit in whose place a newer one comes, which takes over what is not up yet; of what has failed, its own
    /// commit has told.
    async fn supersede(&mut self, rolling: &mut Rolling, newer: Option<CommitId>) -> Option<CommitId> {
        let newer = newer?;
        if newer.to_string() == rolling.record.commit.id {
            return Some(newer);
        }
        self.left.clear();
        if !rolling.record.outcome.is_final() {
            self.left.extend_from_slice(rolling.watched.open());
            rolling.end(self, Outcome::Superseded, format!("by {}", newer.short())).await;
        }
        Some(newer)
    }

    /// Reads a commit; a tree with faults is recorded as refused. `Err` is what to do instead.
    async fn observe(&mut self, commit: CommitId) -> Result<Observed, Option<CommitId>> {
        loop {
            let fault = match self.commits.observe(commit).await {
                Ok(observed) => {
                    tracing::debug!(objects = observed.desired.objects.len(), "read");
                    self.handle.set_trouble(About::Commit, None);
                    return Ok(observed);
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Invalid(problems) => {
                    let facts = self.commits.facts(commit).unwrap_or_default();
                    let mut rolling = Rolling::new(self, facts, commit);
                    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    rolling.refuse(self, text.join("\n")).await;
                    return Err(self.tips.recv().await);
                }
                Fault::Git(error) => {
                    tracing::warn!(%error, "the commit cannot be read; what is applied stays");
                    let since_s = self.handle.clock.now_s();
                    self.handle.set_trouble(About::Commit, Some(Trouble { since_s, why: error.to_string() }));
                    if let Tip::Newer(newer) = self.tip_or_again().await {
                        return Err(newer);
                    }
                }
            }
        }
    }

    /// Watches what a commit changed until a newer commit comes; its outcome may come before, and may turn good again.
    async fn follow(&mut self, rolling: &mut Rolling, observed: &Observed, waits: bool) -> Followed {
        let mut revisions = self.handle.view.subscribe();
        let deadline_ms = rolling.started_ms.saturating_add(ROLLOUT_MAX_MS);
        loop {
            let (lines, assessed) = match self.look(rolling, observed) {
                Some(found) => found,
                None => return Followed::PlanAgain,
            };
            let open = progress::first_of(&lines);
            for line in rolling.telling.take(self.now_ms(), lines) {
                rolling.say(self, line);
            }
            let done = rolling.record.outcome;
            match assessed {
                Assessed::Healthy if done != Outcome::Healthy && !waits => {
                    rolling.end(self, Outcome::Healthy, String::new()).await
                }
                Assessed::Failed(why) if !done.is_final() => rolling.end(self, Outcome::Failed, why.join("; ")).await,
                // Healthy counts too: what waits for an old object to go may wait for ever.
                _ if !done.is_final() && self.now_ms() >= deadline_ms => {
                    let why = format!("timed out after {} s{open}", ROLLOUT_MAX_MS / 1000);
                    rolling.end(self, Outcome::Failed, why).await;
                }
                _ => {}
            }
            let settled = rolling.record.outcome == Outcome::Healthy;
            let open = !rolling.record.outcome.is_final();
            let told = self.handle.lost_until.get().filter(|_| self.handle.recovery() == Recovery::Waiting).copied();
            let due_ms = told.unwrap_or(u64::MAX).min(if open { deadline_ms } else { u64::MAX });
            let due_ms = due_ms.min(rolling.telling.due_ms());
            let due = self.handle.clock.until(due_ms);
            tokio::select! {
                biased;
                newer = self.tips.recv() => match newer {
                    Some(newer) if newer.to_string() == rolling.record.commit.id && settled => return Followed::PlanAgain,
                    // Whoever pushed it listens from now on, and it may have failed before that.
                    Some(newer) if newer.to_string() == rolling.record.commit.id => rolling.repeat(self),
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
                () = due => {}
            }
        }
    }

    /// Looks at what a commit changed and at its releases; none when a release may take its next step.
    fn look(&self, rolling: &mut Rolling, observed: &Observed) -> Option<(Vec<String>, Assessed)> {
        let cluster = self.handle.view.read().clone();
        let recovery = self.handle.recovery();
        let steps =
            rollout::states(&rolling.releases, &observed.desired, &cluster, recovery, &mut self.handle.clock.context());
        if steps.iter().any(|(_, step)| step.has_work()) {
            return None;
        }
        let (mut lines, mut assessed) = rolling.watched.assess(&cluster);
        let (mut failed, mut troubles) = (Vec::new(), Vec::new());
        for (_, step) in steps {
            match step.state {
                State::Failed { why } => failed.push(why),
                State::Waits { line, trouble } => {
                    lines.push(line);
                    troubles.extend(trouble);
                    if assessed == Assessed::Healthy {
                        assessed = Assessed::Progressing;
                    }
                }
                State::Rest | State::Suspended | State::Goes => {}
            }
        }
        let assessed = match assessed {
            Assessed::Failed(why) => Assessed::Failed(failed.into_iter().chain(why).collect()),
            _ if !failed.is_empty() => Assessed::Failed(failed),
            _ if !troubles.is_empty() => Assessed::Failed(troubles),
            other => other,
        };
        Some((lines, assessed))
    }
}

enum Tip {
    Newer(Option<CommitId>),
    Again,
}

enum Followed {
    Newer(Option<CommitId>),
    PlanAgain,
}

/// One commit on its way.
struct Rolling {
    id: CommitId,
    started_ms: u64,
    record: CommitRecord,
    /// What it made, changed and removed.
    changed: BTreeSet<ObjectKey>,
    /// That, and what the commits in whose place it came have left to it.
    watched: Watched,
    /// Its releases that are on their way.
    releases: BTreeSet<ReleaseKey>,
    /// Whether a plan of it was applied before.
    continues: bool,
    telling: Telling,
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
            summary: String::new(),
            detail: String::new(),
            started_s: sync.handle.clock.now_s(),
            finished_s: None,
            took_ms: None,
            changed: Vec::new(),
            changed_more: 0,
            inherited: Vec::new(),
            hooks: Vec::new(),
        };
        let mut record = match known {
            // A restart finds the record of the commit that is applied, and goes on with it; a branch may come back to it.
            Some(known) => CommitRecord { detail: String::new(), ..CommitRecord::clone(&known) },
            None => record,
        };
        let changed = progress::recorded(&record, &sync.handle.view.read());
        let inherited = progress::inherited(&record).chain(sync.left.iter().cloned());
        let inherited: BTreeSet<ObjectKey> = inherited.filter(|key| !changed.contains(key)).collect();
        record.inherited = inherited.iter().take(CHANGED_MAX).map(ObjectKey::store_key).collect();
        let mut watched = Watched::new(changed.clone());
        watched.add(inherited.into_iter());
        let (releases, telling) = (BTreeSet::new(), Telling::default());
        Rolling { id, started_ms: sync.now_ms(), record, changed, watched, releases, continues: false, telling }
    }

    fn say(&self, sync: &Sync, line: String) {
        // Nobody has to listen.
        let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: None });
    }

    /// Notes what a plan changes.
    fn take(&mut self, plan: &SyncPlan) {
        if (!plan.is_empty() && !self.continues) || self.record.summary.is_empty() {
            self.record.summary = plan.summary();
        }
        let is_open = |release: &&Rollout| !matches!(release.step.state, State::Rest | State::Suspended);
        self.releases = plan.releases.iter().filter(is_open).map(|release| release.key.clone()).collect();
        self.changed.extend(progress::watched(plan));
        self.watched.add(progress::watched(plan));
        self.record.set_changed(self.changed.iter());
        if !self.record.outcome.is_final() || !plan.is_empty() {
            self.record.outcome = Outcome::Progressing;
            self.record.finished_s = None;
        }
    }

    /// Notes what hooks did.
    fn hooks(&mut self, plan: &SyncPlan, logs: Vec<String>) {
        let failed =
            plan.releases.iter().filter(|release| release.step.has_work()).filter_map(|release| {
                match &release.step.state {
                    State::Failed { why } => Some(why.clone()),
                    _ => None,
                }
            });
        let said = plan.releases.iter().flat_map(|release| release.step.said.iter().cloned());
        let room = HOOKS_MAX.saturating_sub(self.record.hooks.len());
        self.record.hooks.extend(said.chain(failed).chain(logs).take(room));
    }

    /// Tells that the plan is applied.
    fn planned(&self, sync: &Sync, plan: &SyncPlan) {
        if plan.is_empty() {
            // The commit was here before and all is as it asks: whoever waits for it hears so.
            self.repeat(sync);
        }
    }

    /// Says once more what became of it, if that is known.
    fn repeat(&self, sync: &Sync) {
        if self.record.outcome.is_final() {
            let line = format!("{} {}", self.record.commit.short(), self.record.line());
            let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: Some(self.record.outcome) });
        }
    }

    /// Ends as refused; what is applied stays, and the status says why until a better commit comes.
    async fn refuse(&mut self, sync: &Sync, detail: String) {
        let first = detail.lines().next().unwrap_or_default();
        let why = format!("commit {} is refused: {first}", self.record.commit.short());
        sync.handle.set_trouble(About::Commit, Some(Trouble { since_s: self.record.started_s, why }));
        self.end(sync, Outcome::Refused, detail).await;
    }

    async fn end(&mut self, sync: &Sync, outcome: Outcome, detail: String) {
        self.record.outcome = outcome;
        self.record.detail = detail;
        self.record.finished_s = Some(sync.handle.clock.now_s());
        let took = sync.now_ms().saturating_sub(self.started_ms);
        self.record.took_ms = Some(took);
        self.write(sync).await;
        tracing::info!(commit = self.id.short(), %outcome, detail = self.record.detail, took_ms = took, "outcome");
        for line in self.telling.rest() {
            self.say(sync, line);
        }
        let line = format!("{} {}", self.record.commit.short(), self.record.line());
        let _ = sync.handle.progress.send(Progress { commit: self.id, line, outcome: Some(outcome) });
        if let Some(notes) = &sync.notes {
            notes.tell(self.id, self.record.line()).await;
        }
    }

    /// Writes the record, and forgets the oldest ones.
    async fn write(&self, sync: &Sync) {
        let notes = self.ops(sync);
        if notes.is_empty() {
            return;
        }
        match sync.store.apply(Batch { notes, ..Batch::default() }).await {
            Ok(revision) => sync.handle.view.at_least(revision.0).await,
            Err(error) => tracing::error!(%error, "the outcome of a commit is not recorded"),
        }
    }

    /// The writes that keep the record, and those that forget the oldest ones; none when it is kept as it is.
    fn ops(&self, sync: &Sync) -> Vec<Op> {
        let view = &sync.handle.view;
        if view.commit(&self.record.commit.id).as_deref() == Some(&self.record) {
            return Vec::new();
        }
        let records = view.commits();
        let most = records.len().saturating_sub(RECORDS_MAX);
        let mut ops: Vec<Op> = records.iter().take(most).map(|record| record.forget()).collect();
        match self.record.put() {
            Ok(op) => ops.push(op),
            Err(error) => tracing::error!(%error, "the record of a commit has no JSON form"),
        }
        ops
    }
}
