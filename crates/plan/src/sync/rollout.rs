//! All releases of a commit and of the state → the step of each, and which objects they hold back or leave alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::object::Object;

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::desired::Desired;
use crate::origin::Origin;
use crate::sync::hooks::{self, Around, Recovery, State, Step, Write};
use crate::sync::installed::{Installed, Phase, Run};
use crate::sync::release::{Hook, HookEvent, ReleaseKey, WantedRelease, in_order};

/// Where a hook is on the way of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookState {
    /// It will run.
    Pending,
    /// It runs.
    Running,
    /// It has come to a good end.
    Done,
    /// It has failed.
    Failed,
}

/// A hook of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct HookStep {
    /// When it runs.
    pub event: HookEvent,
    /// Its manifest.
    pub object: Arc<Object>,
    /// Where it is written.
    pub origin: Origin,
    /// Its place among the hooks of its event.
    pub weight: i64,
    /// Where it is.
    pub state: HookState,
}

/// A release that changes, is on its way, or is left alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Which one.
    pub key: ReleaseKey,
    /// Where it is written, or was.
    pub origin: Origin,
    /// The hooks of the change, in order: those before the objects, then those after them.
    pub hooks: Vec<HookStep>,
    /// What is done now.
    pub step: Step,
}

/// The releases of a plan.
pub struct Rollouts {
    steps: Vec<Rollout>,
    held: BTreeSet<ObjectKey>,
    left: BTreeSet<ObjectKey>,
    hooks: BTreeSet<ObjectKey>,
}

impl Rollouts {
    /// Whether an object may not be touched yet.
    pub fn holds(&self, key: &ObjectKey) -> bool {
        self.held.contains(key)
    }

    /// Whether an object belongs to a release that is left as it is, and so is not deleted.
    pub fn leaves(&self, key: &ObjectKey) -> bool {
        self.left.contains(key)
    }

    /// The objects that are left as they are although the commit does not ask for them.
    pub fn left(&self) -> &BTreeSet<ObjectKey> {
        &self.left
    }

    /// Whether an object is what a hook makes.
    pub fn is_hook(&self, key: &ObjectKey) -> bool {
        self.hooks.contains(key)
    }

    /// The steps.
    pub fn into_steps(self) -> Vec<Rollout> {
        self.steps
    }
}

/// Decides on every release.
pub fn rollouts(desired: &Desired, cluster: &Cluster, recovery: Recovery, cx: &mut Context) -> Rollouts {
    let around = Around { desired, cluster, recovery };
    let mut out = Rollouts { steps: Vec::new(), held: BTreeSet::new(), left: BTreeSet::new(), hooks: BTreeSet::new() };
    for (key, target, known) in pairs(&desired.releases, cluster.installed()) {
        let step = hooks::step(key, target, known, &around, cx);
        if let Some(target) = target {
            let keys = target.hooks.iter().filter(|hook| !hook.is_test()).map(|hook| hook.key().clone());
            out.hooks.extend(keys);
        }
        let objects = || target.map(|t| &t.objects).into_iter().chain(known.map(|k| &k.objects)).flatten();
        if step.state == State::Suspended {
            out.left.extend(objects().filter(|key| !desired.objects.contains_key(key)).cloned());
        } else if step.holds {
            out.held.extend(objects().filter(|object| is_of(key, object, desired)).cloned());
        }
        if step.state != State::Rest || step.has_work() {
            let origin = target.map(|t| &t.origin).or(known.map(|k| &k.origin));
            let origin = origin.cloned().unwrap_or_else(|| Origin { path: Arc::from(""), line: 0 });
            let hooks = steps(target, known, &step);
            out.steps.push(Rollout { key: key.clone(), origin, hooks, step });
        }
    }
    out
}

/// The next steps of some releases: what a rollout that waits looks at when the state has changed.
pub fn states<'k>(
    keys: &'k BTreeSet<ReleaseKey>,
    desired: &Desired,
    cluster: &Cluster,
    recovery: Recovery,
    cx: &mut Context,
) -> Vec<(&'k ReleaseKey, Step)> {
    let around = Around { desired, cluster, recovery };
    let one = |key: &'k ReleaseKey| {
        let (target, known) = (desired.releases.get(key), cluster.installed().get(key));
        (key, hooks::step(key, target.map(|t| &**t), known.map(|k| &**k), &around, cx))
    };
    keys.iter().map(one).collect()
}

/// Whether an object that a release had or has is its own now: one that moved elsewhere in the repository is not.
fn is_of(release: &ReleaseKey, object: &ObjectKey, desired: &Desired) -> bool {
    let is_its = desired.releases.get(release).is_some_and(|target| target.objects.binary_search(object).is_ok());
    is_its || !desired.objects.contains_key(object)
}

type Pair<'a> = (&'a ReleaseKey, Option<&'a WantedRelease>, Option<&'a Installed>);

/// Releases that are wanted, known, or both; in order.
fn pairs<'a>(
    wanted: &'a BTreeMap<ReleaseKey, Arc<WantedRelease>>,
    known: &'a BTreeMap<ReleaseKey, Arc<Installed>>,
) -> Vec<Pair<'a>> {
    let mut out: Vec<Pair<'a>> =
        wanted.iter().map(|(key, target)| (key, Some(&**target), known.get(key).map(|k| &**k))).collect();
    let gone = known.iter().filter(|(key, _)| !wanted.contains_key(key));
    out.extend(gone.map(|(key, known)| (key, None, Some(&**known))));
    out.sort_by(|a, b| a.0.cmp(b.0));
    out
}

/// The hooks of the change that a step belongs to, as they are before it.
fn steps(target: Option<&WantedRelease>, known: Option<&Installed>, step: &Step) -> Vec<HookStep> {
    let after = match &step.write {
        Write::Set(record) => record.run.as_ref(),
        Write::Keep => known.and_then(|known| known.run.as_ref()),
        Write::Clear => None,
    };
    let Some(run) = after else { return Vec::new() };
    // A hook that this very step begins has yet to run.
    let before = known.and_then(|known| known.run.as_ref()).filter(|before| before.digest == run.digest);
    let hooks = target.map(|target| &target.hooks).or(known.map(|known| &known.hooks)).map_or(&[][..], Vec::as_slice);
    let mut out = phase(hooks, run.pre, before, Phase::Pre);
    out.extend(phase(hooks, run.post, before, Phase::Post));
    out
}

fn phase(hooks: &[Hook], event: HookEvent, run: Option<&Run>, phase: Phase) -> Vec<HookStep> {
    let state = |at: usize| match run {
        Some(run) if run.phase > phase => HookState::Done,
        Some(run) if run.phase < phase => HookState::Pending,
        Some(run) if run.done.contains(&at) => HookState::Done,
        Some(run) if run.next == at && run.failed.is_some() => HookState::Failed,
        Some(run) if run.next == at && run.active.is_some() => HookState::Running,
        _ => HookState::Pending,
    };
    let one = |(at, hook): (usize, &Hook)| HookStep {
        event,
        object: hook.object.clone(),
        origin: hook.origin.clone(),
        weight: hook.weight,
        state: state(at),
    };
    in_order(hooks, event).into_iter().enumerate().map(one).collect()
}
