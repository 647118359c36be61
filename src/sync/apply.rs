//! A plan of a commit → writes of the store, planned anew from a fresh view whenever the state has moved on.

use masthead_plan::desired::Problem;
use masthead_plan::report;
use masthead_plan::sync::entry::{Record, SyncPlan};
use masthead_plan::sync::guard::{CONFIRM_TRAILER, Confirmed};
use masthead_plan::sync::hooks::Write;
use masthead_plan::sync::plan::{self, Rules};
use masthead_plan::sync::rollout::Rollout;
use masthead_store::kv::Op;
use masthead_store::objects::{self, Batch, Objects};

use crate::control::record;
use crate::control::view::View;
use crate::git::commit::Commit;
use crate::sync::handle::Handle;
use crate::sync::observe::Observed;
use crate::sync::record::put_installed;

/// How often a plan is made anew when others keep writing what it writes.
pub const ATTEMPTS: usize = 64;

/// Why a commit was not applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan has faults: immutable fields, objects that do not fit.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// The plan must be confirmed in the commit's message.
    #[error("needs a confirmation: {}", .0.refusals.iter().map(|r| format!("{} (trailer {:?})", r.what, r.trailer)).collect::<Vec<_>>().join("; "))]
    Refused(Box<SyncPlan>),
    /// Others kept writing the same objects.
    #[error("the objects kept changing while the plan was made, {ATTEMPTS} times in a row")]
    Contended,
    /// The store.
    #[error(transparent)]
    Store(#[from] objects::Error),
    /// A record could not be written as JSON.
    #[error(transparent)]
    Record(#[from] record::Error),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What a commit's message confirms.
pub fn confirmed(commit: &Commit) -> Confirmed {
    let key = |name: &str| name.eq_ignore_ascii_case(CONFIRM_TRAILER);
    Confirmed::from_trailers(commit.trailers.iter().filter(|(name, _)| key(name)).map(|(_, value)| value.as_str()))
}

/// The plan of a commit on the newest view, and what is wrong with it.
pub fn plan(sync: &Handle, observed: &Observed) -> (SyncPlan, Vec<Problem>) {
    let rules = Rules { confirmed: confirmed(&observed.commit), recovery: sync.recovery(), ..Rules::default() };
    let (cluster, seen) = sync.view().to_plan_on();
    let scope = sync.memo.scope(&observed.version, sync.view());
    let mut cx = sync.clock.context();
    let whole = cfg!(debug_assertions).then(|| plan::plan(&observed.desired, &cluster, rules, &mut cx.clone()));
    let (plan, problems, open) = plan::plan_in(&observed.desired, &cluster, rules, &scope, &mut cx);
    if let Some((whole, its_problems)) = whole {
        assert_eq!((&whole, &its_problems), (&plan, &problems), "something is open that the memo does not know");
    }
    sync.memo.keep(observed.version.clone(), seen, open);
    (plan, problems)
}

/// The plan of a commit on the newest view, if it may be executed.
///
/// # Errors
/// `Problems` and `Refused`.
pub fn decide(sync: &Handle, observed: &Observed) -> Result<SyncPlan, Error> {
    let (plan, problems) = plan(sync, observed);
    if !problems.is_empty() {
        return Err(Error::Problems(problems));
    }
    if !plan.refusals.is_empty() {
        return Err(Error::Refused(Box::new(plan)));
    }
    Ok(plan)
}

/// Executes a plan; `done` are further writes that belong to the last part of the objects, such as the record that it is
/// applied. What hooks of a release do is written after them, each release's in one transaction.
///
/// Returns false when the state has moved on since the plan was made; the view is up to date then.
///
/// # Errors
/// The store, or a record that has no JSON form. A part of the plan may be written, and planning anew finds what is left.
pub async fn execute(view: &View, store: &Objects, plan: &SyncPlan, done: Vec<Op>) -> Result<bool, Error> {
    let mut batches = vec![objects(plan, done)?];
    for release in plan.releases.iter().filter(|release| !release.step.opens && release.step.has_work()) {
        let notes = written(release)?.into_iter().collect();
        batches.push(Batch { changes: release.step.changes.clone(), notes, ..Batch::default() });
    }
    for batch in batches.into_iter().filter(|batch| !batch.is_empty()) {
        match store.apply(batch).await {
            Ok(revision) => {
                tracing::debug!(%revision, "stored");
                view.at_least(revision.0).await;
                tracing::debug!(%revision, "seen");
            }
            Err(objects::Error::Conflict { keys }) => {
                tracing::debug!(?keys, "planning anew");
                let revision = store.kv().revision().await.map_err(objects::Error::from)?;
                view.at_least(revision.0).await;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
    tracing::info!(
        commit = plan.commit.short(),
        digest = report::json::digest(plan),
        summary = plan.summary(),
        "applied"
    );
    Ok(true)
}

/// The objects of a plan that no hook holds back, and the releases that are applied with them.
fn objects(plan: &SyncPlan, done: Vec<Op>) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    for entry in plan.entries.iter().filter(|entry| !entry.is_held) {
        batch.changes.extend(entry.changes.iter().cloned());
        let record = match &entry.record {
            Record::Set(wanted) => Some(record::write(&plan.commit.id, wanted)?),
            Record::Clear => None,
        };
        batch.records.push((entry.key.clone(), record));
    }
    for release in plan.releases.iter().filter(|release| release.step.opens) {
        batch.notes.extend(written(release)?);
    }
    batch.notes.extend(done);
    Ok(batch)
}

/// The write of a release's record.
fn written(release: &Rollout) -> Result<Option<Op>, Error> {
    let put = |installed| put_installed(&release.key, installed).map(Some).map_err(record::Error::from);
    Ok(match &release.step.write {
        Write::Keep => None,
        Write::Set(installed) => put(Some(&**installed))?,
        Write::Clear => put(None)?,
    })
}

/// Whether a plan leaves objects for later, because the ones they replace are still on their way out.
pub fn waits(plan: &SyncPlan) -> bool {
    plan.entries
        .iter()
        .filter(|entry| !entry.is_held)
        .any(|entry| entry.before.is_some() && entry.after.is_none() && matches!(entry.record, Record::Set(_)))
}

/// Whether all that a commit asks for is written with a plan: no release holds anything back.
pub fn is_whole(plan: &SyncPlan) -> bool {
    !plan.releases.iter().any(|release| release.step.holds)
}
