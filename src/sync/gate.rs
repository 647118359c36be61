//! A push before it is accepted → its plan, or every reason to refuse it; after it is accepted → its progress, live.

use futures::future::BoxFuture;
use masthead_plan::report;
use tokio::sync::broadcast::error::RecvError;

use crate::git::commit::CommitId;
use crate::git::names;
use crate::git::protocol::{Push, RefUpdate};
use crate::git::receive::{self, Lines, Receiver, Verdict};
use crate::git::text;
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
        if update.name.starts_with("refs/notes/masthead") {
            lines.send("refs/notes/masthead is written by Masthead alone").await;
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
        match self.observe(push, new).await {
            Ok(observed) => self.show(&observed, tracked, lines).await,
            Err(Fault::Invalid(problems)) => {
                let verb = if tracked { "refused" } else { "not applicable" };
                lines.send(&format!("{} is {verb}: {}", new.short(), count(problems.len(), "problem"))).await;
                for problem in problems.iter().take(PROBLEMS_SHOWN) {
                    lines.send(&text::line(&format!("  {problem}"))).await;
                }
                if problems.len() > PROBLEMS_SHOWN {
                    lines.send(&format!("  … and {} more", problems.len() - PROBLEMS_SHOWN)).await;
                }
                !tracked
            }
            Err(Fault::Git(error)) => {
                lines.send(&format!("{} cannot be read: {error}", new.short())).await;
                !tracked
            }
        }
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

    async fn observe(&self, push: &Push, new: CommitId) -> Result<Observed, Fault> {
        let reader = receive::open(push)?;
        self.sync.observe(reader, new).await
    }

    /// Shows the plan; false when it may not run.
    async fn show(&self, observed: &Observed, tracked: bool, lines: &Lines) -> bool {
        for note in &observed.notes {
            lines.send(&format!("note: {note}")).await;
        }
        let (plan, problems) = apply::plan(self.sync.view(), observed);
        for problem in problems.iter().take(PROBLEMS_SHOWN) {
            lines.send(&text::line(&format!("  {problem}"))).await;
        }
        for line in report::text::plan(&plan, true) {
            lines.send(&line).await;
        }
        if !tracked {
            let branch = &self.sync.tracked.branch;
            lines.send(&format!("nothing is applied: only {branch} is")).await;
            return true;
        }
        if !problems.is_empty() || !plan.refusals.is_empty() {
            return false;
        }
        true
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
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
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
pub fn rewrite_confirmed(reader: &crate::git::reader::Reader, commit: CommitId) -> bool {
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
