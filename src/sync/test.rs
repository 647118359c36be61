//! Somebody asks for the tests of a release → its test hooks, one after the other, and what came of each.
//!
//! A test run is no intent: nothing of it is in git, and the pods it leaves are what its delete policies leave.

use std::sync::Arc;
use std::time::Duration;

use masthead_api::change::Change;
use masthead_api::meta::Time;
use masthead_plan::delete::{self, Propagation};
use masthead_plan::sync::hooks::object_of;
use masthead_plan::sync::installed::{Active, Installed};
use masthead_plan::sync::outcome::{self, End};
use masthead_plan::sync::release::{Hook, HookEvent, RELEASE_ANNOTATION, ReleaseKey, in_order};
use masthead_store::objects::{self, Batch, Objects};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock;
use crate::sync::handle::Handle;
use crate::sync::logs;

/// Lines that may wait for a slow reader.
pub const TOLD_WAITING_MAX: usize = 16;

/// How long one test may take at most, in seconds: a week.
const TIMEOUT_MAX_S: u64 = 604_800;

/// How often a write is tried again when the object keeps changing under it.
const ATTEMPTS: usize = 16;

/// Which tests are run, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Asked {
    /// Names of those that are run; all when there are none.
    pub include: Vec<String>,
    /// Names of those that are not.
    pub exclude: Vec<String>,
    /// How long each may take, in seconds.
    pub timeout_s: u64,
    /// Whether the logs of pods are told.
    pub logs: bool,
}

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tested {
    /// The hook's name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended; none of a test that runs.
    pub completed_at: Option<Time>,
    /// Helm's word: `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Why it failed; empty where it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Its log, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// Why no test was run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such release.
    #[error("release: not found")]
    NotFound,
    /// Somebody else tests it.
    #[error("the tests of {0} are being run already")]
    Busy(ReleaseKey),
    /// A test that was asked for cannot be run.
    #[error("tests of {0} cannot be run: {1}")]
    Broken(ReleaseKey, String),
}

/// A run of tests that was begun.
pub struct Tests {
    sync: Handle,
    store: Objects,
    key: ReleaseKey,
    hooks: Vec<Hook>,
    asked: Asked,
    _alone: Alone,
}

/// While it lives, nobody else tests the release.
struct Alone(Handle, ReleaseKey);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.testing().remove(&self.1);
    }
}

/// The tests of a release as it is applied.
///
/// # Errors
/// It is not installed, is being tested, or has a test that cannot be run.
pub fn prepare(
    sync: &Handle,
    store: &Objects,
    key: &ReleaseKey,
    asked: Asked,
) -> Result<(Arc<Installed>, Tests), Error> {
    let installed = sync.view().read().installed().get(key).cloned();
    let installed = installed.filter(|installed| installed.applied.is_some()).ok_or(Error::NotFound)?;
    if !installed.broken_tests.is_empty() {
        return Err(Error::Broken(key.clone(), installed.broken_tests.join("; ")));
    }
    if asked.timeout_s > TIMEOUT_MAX_S {
        let why = format!("{} s for each are more than {TIMEOUT_MAX_S} (TIMEOUT_MAX_S)", asked.timeout_s);
        return Err(Error::Broken(key.clone(), why));
    }
    if !sync.testing().insert(key.clone()) {
        return Err(Error::Busy(key.clone()));
    }
    let alone = Alone(sync.clone(), key.clone());
    let is_chosen = |hook: &&Hook| {
        let name = &hook.key().name;
        (asked.include.is_empty() || asked.include.contains(name)) && !asked.exclude.contains(name)
    };
    let chosen = in_order(&installed.hooks, HookEvent::Test).into_iter().filter(is_chosen);
    let hooks = chosen.cloned().collect();
    let tests = Tests { sync: sync.clone(), store: store.clone(), key: key.clone(), hooks, asked, _alone: alone };
    Ok((installed, tests))
}

impl Tests {
    /// Runs them until one fails, as Helm does, and tells of each twice: when it begins and when it has ended.
    pub async fn run(self, told: mpsc::Sender<Tested>) {
        let mut done: Vec<&Hook> = Vec::new();
        for hook in &self.hooks {
            let mut tested = Tested {
                name: hook.key().name.clone(),
                kind: hook.key().kind.info().kind.to_owned(),
                started_at: Time(clock::now_s()),
                completed_at: None,
                phase: "Running".to_owned(),
                error: String::new(),
                log: None,
            };
            if told.send(tested.clone()).await.is_err() {
                return self.clean(&done, None).await;
            }
            // Who asked has gone: the test under way is left to its end, and no other begins.
            let end = tokio::select! {
                end = self.one(hook) => end,
                () = told.closed() => return self.clean(&done, None).await,
            };
            tested.completed_at = Some(Time(clock::now_s()));
            if self.asked.logs {
                tested.log = self.log(hook).await;
            }
            let failed = end.err();
            tested.phase = if failed.is_some() { "Failed" } else { "Succeeded" }.to_owned();
            tested.error = failed.clone().unwrap_or_default();
            // Nobody has to hear it for what follows to be done.
            let _ = told.send(tested).await;
            if failed.is_some() {
                return self.clean(&done, Some(hook)).await;
            }
            done.push(hook);
        }
        self.clean(&done, None).await;
    }

    /// What the policies of tests that have ended leave.
    async fn clean(&self, done: &[&Hook], failed: Option<&Hook>) {
        let failed = failed.filter(|hook| hook.deletes_failed);
        for hook in done.iter().rev().copied().filter(|hook| hook.deletes_succeeded).chain(failed) {
            if let Err(why) = self.delete(hook).await {
                tracing::warn!(why, hook = %hook.key(), "a test is not deleted");
            }
        }
    }

    async fn log(&self, hook: &Hook) -> Option<String> {
        let pod = logs::pod_of(&self.sync.view().read(), hook.key())?;
        Some((self.sync.logs.get()?)(pod, None).await)
    }

    /// One test; an error says why it failed.
    async fn one(&self, hook: &Hook) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(self.asked.timeout_s);
        let late = |what: &str| Err(format!("timed out waiting for {} {what}", hook.key()));
        match tokio::time::timeout_at(until, self.make_room(hook)).await {
            Ok(made) => made?,
            Err(_) => return late("to be gone"),
        }
        let active = self.make(hook).await?;
        if !hook.has_end() {
            return Ok(());
        }
        match tokio::time::timeout_at(until, self.end(&active)).await {
            Ok(end) => end,
            Err(_) => late("to end"),
        }
    }

    async fn end(&self, active: &Active) -> Result<(), String> {
        let mut revisions = self.sync.view().subscribe();
        loop {
            revisions.mark_unchanged();
            let end = outcome::end(&self.sync.view().read(), active);
            match end {
                End::Succeeded => return Ok(()),
                End::Failed(why) => {
                    let (kind, name) = (active.key.kind.info().singular, &active.key.name);
                    return Err(format!("{kind} {name} failed: {why}"));
                }
                End::Open { .. } => {}
            }
            revisions.changed().await.map_err(|_| "the control plane stops".to_owned())?;
        }
    }

    /// Deletes what an earlier run left, and waits until it is gone.
    async fn make_room(&self, hook: &Hook) -> Result<(), String> {
        let mut revisions = self.sync.view().subscribe();
        loop {
            revisions.mark_unchanged();
            let live = self.sync.view().read().get(hook.key()).cloned();
            let Some(live) = live else { return Ok(()) };
            let is_ours = live.meta().annotations.contains_key(RELEASE_ANNOTATION);
            if !is_ours || self.sync.view().read().applied_of(hook.key()).is_some() {
                return Err(format!("there is a {} that no hook made", hook.key()));
            }
            if !hook.deletes_before {
                return Err(format!(
                    "{} is there already, and its delete policies do not name before-hook-creation",
                    hook.key()
                ));
            }
            if live.meta().deletion_timestamp.is_none() {
                self.delete(hook).await?;
                continue;
            }
            revisions.changed().await.map_err(|_| "the control plane stops".to_owned())?;
        }
    }

    async fn make(&self, hook: &Hook) -> Result<Active, String> {
        let mut cx = clock::context();
        let object = object_of(&self.key, HookEvent::Test, hook, &self.sync.view().read(), &mut cx)?;
        let active = Active { key: hook.key().clone(), uid: object.meta().uid.clone(), since_s: cx.now.0 };
        let change = Change::Create { object, reason: format!("test of {}", self.key) };
        self.write(change).await.map_err(|error| error.to_string())?;
        Ok(active)
    }

    /// Deletes the object of a test where it is there.
    async fn delete(&self, hook: &Hook) -> Result<(), String> {
        for _ in 0..ATTEMPTS {
            let live = self.sync.view().read().get(hook.key()).cloned();
            let Some(live) = live else { return Ok(()) };
            let (now, reason) = (Time(clock::now_s()), format!("a test of {} made it", self.key));
            let change =
                delete::delete(&live, None, Propagation::Background, now, &reason).map_err(|e| e.to_string())?;
            let Some(change) = change else { return Ok(()) };
            match self.write(change).await {
                Ok(()) => return Ok(()),
                Err(objects::Error::Conflict { .. }) => self.catch_up().await?,
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("{} kept changing while it was to be deleted", hook.key()))
    }

    async fn write(&self, change: Change) -> Result<(), objects::Error> {
        let revision = self.store.apply(Batch { changes: vec![change], ..Batch::default() }).await?;
        self.sync.view().at_least(revision.0).await;
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), String> {
        let revision = self.store.kv().revision().await.map_err(|error| error.to_string())?;
        self.sync.view().at_least(revision.0).await;
        Ok(())
    }
}
