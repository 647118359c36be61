//! A push before it is accepted → its plan, or every reason to refuse it; after it is accepted → its progress, live.

use futures::future::BoxFuture;
use masthead_plan::desired::Problem;
use masthead_plan::report;
use tokio::sync::broadcast::error::RecvError;

use crate::git::commit::CommitId;
use crate::git::keep::OWN_REFS;
use crate::git::protocol::{Push, RefUpdate};
use crate::git::reader::Reader;
use crate::git::receive::{self, Lines, Receiver, Verdict};
use crate::git::text;
use crate::git::{names, notes};
use crate::sync::apply;
use crate::sync::handle::Handle;
use crate::sync::observe::{Fault, Observed, count};

/// The push option that does not wait for the rollout.
pub const NO_WAIT: &str = "no-wait";

/// Problems shown of one push; the rest is counted.
const PROBLEMS_SHOWN: usize = 200;

/// Decides about pushes to the hosted repository.
pub struct Gate {
    sync: Handle,
}

impl Gate {
    /// The gate before a sync.
    pub fn new(sync: Handle) -> Gate {
        Gate { sync }
    }

    fn is_tracked(&self, update: &RefUpdate) -> bool {
        update.branch() == Some(self.sync.tracked.branch.as_str())
    }

    /// Decides about one ref; false refuses the whole push.
    async fn check(&self, push: &Push, update: &RefUpdate, lines: &Lines) -> bool {
        if update.name.starts_with(notes::REF) || update.name.starts_with(OWN_REFS) {
            lines.send(&format!("{} is written by Masthead alone", update.name)).await;
            return false;
        }
        if update.new.is_some()
            && let Err(why) = accepted_name(update)
        {
            lines.send(&why).await;
            return false;
        }
        if update.branch().is_none() {
            return true;
        }
        let tracked = self.is_tracked(update);
        let Some(new) = update.new else {
            if tracked {
                lines
                    .send(&format!(
                        "the tracked branch {} may not be deleted: what it asks for would be lost",
                        self.sync.tracked.branch
                    ))
                    .await;
            }
            return !tracked;
        };
        if tracked && let Err(why) = self.forward(push, update, new) {
            lines.send(&why).await;
            return false;
        }
        let judged = match receive::open(push) {
            Ok(reader) => judge(&self.sync, reader, new, tracked).await,
            Err(error) => Judged::unreadable(new, &error, tracked),
        };
        for line in &judged.lines {
            lines.send(line).await;
        }
        judged.accepted
    }

    /// Whether the tracked branch goes on from where it is.
    fn forward(&self, push: &Push, update: &RefUpdate, new: CommitId) -> Result<(), String> {
        let Some(old) = update.old else { return Ok(()) };
        let reader = receive::open(push).map_err(|e| e.to_string())?;
        if reader.is_descendant(new, old).map_err(|e| e.to_string())? || rewrite_confirmed(&reader, new) {
            return Ok(());
        }
        Err(format!(
            "a forced push would rewrite {}, whose history is the log of the cluster; use `git revert`, or add the trailer \"Masthead-Confirm: rewrite\" to {}",
            self.sync.tracked.branch,
            new.short()
        ))
    }

    /// Streams the lines of one commit until its outcome is known.
    async fn follow(&self, commit: CommitId, lines: &Lines) {
        let mut progress = self.sync.follow();
        self.sync.tip(commit).await;
        loop {
            let next = tokio::select! {
                next = progress.recv() => next,
                () = lines.closed() => return,
            };
            match next {
                Ok(next) if next.commit == commit => {
                    lines.send(&next.line).await;
                    if next.outcome.is_some() {
                        return;
                    }
                }
                Ok(_) => {}
                // The last line may be among those that were missed: it is asked for once more.
                Err(RecvError::Lagged(_)) => self.sync.tip(commit).await,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// What was decided about a commit before the branch moves to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its plan, or every reason why not.
    pub lines: Vec<String>,
    /// Whether the branch may move.
    pub accepted: bool,
}

impl Judged {
    fn unreadable(commit: CommitId, error: &crate::git::error::Error, tracked: bool) -> Judged {
        Judged { lines: vec![format!("{} cannot be read: {error}", commit.short())], accepted: !tracked }
    }
}

/// Decides about a commit, on the tracked branch or on another one, which is only shown.
pub async fn judge(sync: &Handle, reader: Reader, commit: CommitId, tracked: bool) -> Judged {
    match sync.observe(reader, commit).await {
        Ok(observed) => show(sync, &observed, tracked),
        Err(Fault::Invalid(problems)) => Judged { lines: refusal(commit, &problems, tracked), accepted: !tracked },
        Err(Fault::Git(error)) => Judged::unreadable(commit, &error, tracked),
    }
}

/// All that is wrong with a commit.
fn refusal(commit: CommitId, problems: &[Problem], tracked: bool) -> Vec<String> {
    let verb = if tracked { "refused" } else { "not applicable" };
    let mut lines = vec![format!("{} is {verb}: {}", commit.short(), count(problems.len(), "problem"))];
    let shown = problems.iter().take(PROBLEMS_SHOWN);
    lines.extend(shown.map(|problem| text::line(&format!("  {problem}")).into_owned()));
    if problems.len() > PROBLEMS_SHOWN {
        lines.push(format!("  … and {} more", problems.len() - PROBLEMS_SHOWN));
    }
    lines
}

/// The plan of a commit, after what the cluster has no place for, and whether it may run.
fn show(sync: &Handle, observed: &Observed, tracked: bool) -> Judged {
    let mut lines: Vec<String> = observed.notes.iter().map(|note| format!("note: {note}")).collect();
    let (plan, problems) = apply::plan(sync, observed);
    if !problems.is_empty() {
        lines.extend(refusal(observed.commit.id, &problems, tracked));
    }
    lines.extend(report::text::plan(&plan, true));
    if !tracked {
        lines.push(format!("nothing is applied: only {} is", sync.tracked.branch));
    }
    let may_run = problems.is_empty() && plan.refusals.is_empty();
    Judged { lines, accepted: may_run || !tracked }
}

/// Whether a ref may be made: commands would read one that begins with a dash as an option.
fn accepted_name(update: &RefUpdate) -> Result<(), String> {
    let refused = |why: &str| Err(format!("{} is refused: {why}", text::line(&update.name)));
    if update.name.split('/').any(|part| part.starts_with('-')) {
        return refused("a part of its name begins with a dash");
    }
    match update.branch().map(names::branch) {
        Some(Err(error)) => refused(&error.to_string()),
        _ => Ok(()),
    }
}

/// Whether a commit says that the rewrite of its branch is meant.
pub fn rewrite_confirmed(reader: &Reader, commit: CommitId) -> bool {
    reader.commit(commit).is_ok_and(|commit| {
        commit.trailers.iter().any(|(key, value)| {
            key.eq_ignore_ascii_case(masthead_plan::sync::guard::CONFIRM_TRAILER)
                && value.trim().eq_ignore_ascii_case("rewrite")
        })
    })
}

impl Receiver for Gate {
    fn pre_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            let mut accept = true;
            for option in push.options.iter().filter(|option| *option != NO_WAIT) {
                lines.send(&format!("push option {option:?} is not known and does nothing; there is {NO_WAIT}")).await;
            }
            for update in &push.updates {
                accept &= self.check(&push, update, &lines).await;
            }
            if accept {
                return Verdict::Accept;
            }
            lines.send("the push is refused, nothing changed").await;
            Verdict::Refuse
        })
    }

    fn post_receive(&self, push: Push, lines: Lines) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(new) = push.updates.iter().find(|update| self.is_tracked(update)).and_then(|update| update.new)
            else {
                return;
            };
            if push.has_option(NO_WAIT) {
                self.sync.tip(new).await;
                lines.send("not waiting for the rollout: `masthead status` and `masthead log` show it").await;
            } else {
                self.follow(new, &lines).await;
            }
        })
    }
}
