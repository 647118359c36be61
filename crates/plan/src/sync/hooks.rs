//! (release as wanted, what is known of it, the cluster) → the next step of its change: hooks to make, objects that may
//! be applied now, or what it waits for.
//!
//! A change goes through three phases: the hooks before it, its objects, the hooks after it. Each step is one write of
//! the store that holds both what is done and how far the release has come, so that whoever starts anew goes on from
//! there: a hook that has come to its end does not run again.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::view::Cluster;
use crate::context::Context;
use crate::delete::{self, Propagation};
use crate::desired::Desired;
use crate::health::assess::{assess, line};
use crate::health::verdict::Health;
use crate::sync::evidence;
use crate::sync::installed::{Active, FORMER_MAX, Failed, Installed, Phase, Run};
use crate::sync::newborn::newborn;
use crate::sync::outcome::{End, end};
use crate::sync::release::{Hook, HookEvent, RELEASE_ANNOTATION, ReleaseKey, WantedRelease, in_order};
use crate::sync::remake;

/// The annotation of an object that a hook made: `pre-upgrade`.
pub const EVENT_ANNOTATION: &str = "masthead.dev/hook-event";

/// What a store that was just born may not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// All that was ever applied is known.
    #[default]
    No,
    /// The store may have been lost, and nodes have yet to tell what they run.
    Waiting,
    /// The store may have been lost; nodes have had their time.
    Over,
}

/// Where a release is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// As asked.
    Rest,
    /// Left alone, as asked.
    Suspended,
    /// Something has to happen first.
    Waits {
        /// What, for who watches; empty where other lines tell it.
        line: String,
        /// What will not get better by itself, as far as can be told now.
        trouble: Option<String>,
    },
    /// A hook failed: nothing goes on with this commit.
    Failed {
        /// Which hook, and why.
        why: String,
    },
    /// A step is taken; the next is decided on what comes of it.
    Goes,
}

/// What becomes of the record of a release.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It stays.
    Keep,
    /// It is now this.
    Set(Box<Installed>),
    /// The release is gone.
    Clear,
}

/// One step of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where the release is.
    pub state: State,
    /// Its record; written in one transaction with `changes`, or, where `opens`, with its objects.
    pub write: Write,
    /// Hooks that are made and deleted.
    pub changes: Vec<Change>,
    /// Whether its objects may not be touched yet.
    pub holds: bool,
    /// Whether its objects are applied with this very step.
    pub opens: bool,
    /// What has happened, a line each.
    pub said: Vec<String>,
    /// The object of the hook that has just failed, whose log may tell more.
    pub failed: Option<ObjectKey>,
}

impl Step {
    fn of(state: State, holds: bool) -> Step {
        Step { state, write: Write::Keep, changes: Vec::new(), holds, opens: false, said: Vec::new(), failed: None }
    }

    /// Whether anything is to be written.
    pub fn has_work(&self) -> bool {
        self.write != Write::Keep || !self.changes.is_empty()
    }
}

/// What a step is decided on besides the release.
pub struct Around<'a> {
    /// What the commit asks for.
    pub desired: &'a Desired,
    /// The state.
    pub cluster: &'a Cluster,
    /// What is not known.
    pub recovery: Recovery,
}

/// The next step of a release; `target` is none when the commit asks for it no more.
pub fn step(
    key: &ReleaseKey,
    target: Option<&WantedRelease>,
    known: Option<&Installed>,
    around: &Around<'_>,
    cx: &mut Context,
) -> Step {
    if target.is_some_and(|target| target.is_suspended) {
        // What a store that was lost does not know of it must not be taken for what nobody asks for; a witness names no
        // objects.
        let is_unknown = known.is_none_or(|known| known.objects.is_empty());
        return Step::of(State::Suspended, is_unknown && around.recovery != Recovery::No);
    }
    let record = match (target, known) {
        (None, None) => return Step::of(State::Rest, false),
        (Some(target), None) => match first(target, around) {
            Ok(record) => record,
            Err(step) => return *step,
        },
        (_, Some(known)) => known.clone(),
    };
    let hooks = target.map(|target| &target.hooks).or(known.map(|known| &known.hooks)).map_or(&[][..], Vec::as_slice);
    let step = Step::of(State::Goes, true);
    let mut machine = Machine { key, target, known, hooks, around, cx, record, step };
    machine.remake();
    machine.begin();
    machine.advance();
    machine.finish()
}

/// The record of a release that the store knows nothing of.
///
/// After the store was lost it may be there all the same: what nodes run of it says so, and then its hooks have run.
fn first(target: &WantedRelease, around: &Around<'_>) -> Result<Installed, Box<Step>> {
    let mut record = Installed {
        commit: around.desired.commit.id.clone(),
        origin: target.origin.clone(),
        applied: None,
        is_settled: false,
        former: Vec::new(),
        changes: Default::default(),
        objects: Vec::new(),
        hooks: Vec::new(),
        broken_tests: Vec::new(),
        made: Default::default(),
        lost: Default::default(),
        run: None,
    };
    let has_hooks = [HookEvent::PreInstall, HookEvent::PostInstall]
        .into_iter()
        .any(|event| target.hooks.iter().any(|hook| hook.events.contains(&event)));
    if !has_hooks || around.recovery == Recovery::No {
        return Ok(record);
    }
    if let Some(pod) = evidence::of(target, around.desired, around.cluster) {
        record.changes.begin(&target.inputs, false);
        take(&mut record, target);
        record.is_settled = true;
        // Some of them may be among what nodes brought back.
        record.made = target.hooks.iter().map(|hook| hook.key().clone()).collect();
        let record = record.restored();
        let mut step = Step::of(State::Goes, false);
        step.write = Write::Set(Box::new(record));
        step.opens = true;
        step.said.push(format!("{}: {pod} runs already, so its hooks have run", target.key));
        return Err(Box::new(step));
    }
    if around.recovery == Recovery::Waiting {
        let line = format!("{}: its hooks wait until the nodes have told whether it runs already", target.key);
        return Err(Box::new(Step::of(State::Waits { line, trouble: None }, true)));
    }
    Ok(record)
}

/// Notes that the objects of a release are as it asks.
fn take(record: &mut Installed, target: &WantedRelease) {
    if let Some(before) = record.applied.replace(target.digest.clone()).filter(|before| *before != target.digest) {
        record.former.retain(|digest| *digest != before);
        record.former.push(before);
        let spare = record.former.len().saturating_sub(FORMER_MAX);
        record.former.drain(..spare);
    }
    record.former.retain(|digest| *digest != target.digest);
    record.changes.apply();
    describe(record, target);
}

/// Notes what a release consists of.
fn describe(record: &mut Installed, target: &WantedRelease) {
    record.origin = target.origin.clone();
    record.objects.clone_from(&target.objects);
    record.hooks.clone_from(&target.hooks);
    record.broken_tests.clone_from(&target.broken_tests);
}

struct Machine<'a, 'c> {
    key: &'a ReleaseKey,
    target: Option<&'a WantedRelease>,
    known: Option<&'a Installed>,
    /// The hooks of this change: of what comes, or, when it is removed, of what goes.
    hooks: &'a [Hook],
    around: &'a Around<'a>,
    cx: &'c mut Context,
    record: Installed,
    step: Step,
}

impl Machine<'_, '_> {
    fn commit(&self) -> &str {
        &self.around.desired.commit.id
    }

    /// Makes again what hooks had made and a lost store took: what the release needs beside its own objects.
    fn remake(&mut self) {
        let lost = std::mem::take(&mut self.record.lost);
        let Some(target) = self.target.filter(|_| !lost.is_empty()) else { return };
        for (hook, event) in remake::missing(&lost, &target.hooks, self.around.desired, self.around.cluster) {
            // A manifest that is no object was never made.
            let Ok(object) = self.object(event, hook) else { continue };
            let reason = format!("a hook of {} made it before the store was lost", self.key);
            self.step.changes.push(Change::Create { object, reason });
        }
    }

    /// Starts the change that the commit asks for, where it is not the one under way.
    fn begin(&mut self) {
        let digest = self.target.map(|target| target.digest.clone());
        let is_same = self.record.run.as_ref().map(|run| run.digest == digest);
        let is_applied = digest.is_some() && self.record.applied == digest;
        match is_same {
            Some(true) => self.retry(),
            // Back to what is there: what was under way is called off.
            _ if is_applied && self.record.is_settled => {
                self.call_off();
                self.record.run = None;
            }
            _ => self.start(digest, is_applied),
        }
    }

    fn start(&mut self, digest: Option<String>, is_applied: bool) {
        let ending = self.call_off();
        let before = self.record.run.take();
        let left = before.map(|before| before.left.into_iter().chain(before.made).collect()).unwrap_or_default();
        let record = &self.record;
        let is_back = digest.as_ref().is_some_and(|digest| record.former.contains(digest));
        let pre = match (&digest, &record.applied) {
            (None, _) => HookEvent::PreDelete,
            (_, None) => HookEvent::PreInstall,
            _ if is_back => HookEvent::PreRollback,
            _ => HookEvent::PreUpgrade,
        };
        let post = match digest {
            None => HookEvent::PostDelete,
            _ if !record.is_settled => HookEvent::PostInstall,
            _ if is_back => HookEvent::PostRollback,
            _ => HookEvent::PostUpgrade,
        };
        if let Some(target) = self.target {
            let was_applied = self.record.applied.is_some();
            self.record.changes.begin(&target.inputs, was_applied);
        }
        let commit = self.commit().to_owned();
        self.record.commit.clone_from(&commit);
        let phase = if is_applied { Phase::Main } else { Phase::Pre };
        self.record.run = Some(Run {
            commit,
            digest,
            pre,
            post,
            phase,
            next: 0,
            done: Vec::new(),
            is_clean: false,
            active: None,
            made: Default::default(),
            left,
            ending,
            failed: None,
        });
    }

    /// Stops the hook that is under way; what has to end before another begins.
    fn call_off(&mut self) -> Vec<(ObjectKey, String)> {
        let Some(run) = &mut self.record.run else { return Vec::new() };
        let mut ending = std::mem::take(&mut run.ending);
        if let Some(active) = run.active.take() {
            self.delete(&active.key);
            ending.push((active.key, active.uid));
        }
        ending
    }

    /// A hook that failed runs again when another commit asks; those with an end that came to it do not.
    fn retry(&mut self) {
        let commit = self.around.desired.commit.id.as_str();
        let Some(run) = &mut self.record.run else { return };
        if run.failed.as_ref().is_none_or(|failed| failed.commit == commit) {
            return;
        }
        let event = if run.phase == Phase::Post { run.post } else { run.pre };
        let hooks = in_order(self.hooks, event);
        // What helpers of a failed hook made was deleted with it, or is still there.
        let is_done = |at: &usize| {
            hooks.get(*at).is_some_and(|hook| hook.has_end() || self.around.cluster.get(hook.key()).is_some())
        };
        run.done.retain(is_done);
        (run.failed, run.next, run.is_clean) = (None, 0, false);
        run.left.append(&mut run.made);
    }

    /// Goes as far as one write may.
    fn advance(&mut self) {
        loop {
            let Some(run) = &self.record.run else { return self.rest() };
            if let Some(failed) = &run.failed {
                self.step.holds = run.phase == Phase::Pre;
                self.step.state = State::Failed { why: format!("{}: {}", self.key, failed.why) };
                return;
            }
            let (phase, pre, post) = (run.phase, run.pre, run.post);
            self.step.holds = phase == Phase::Pre;
            if let Some(line) = self.still_ending() {
                return self.wait(line, None);
            }
            let goes_on = match phase {
                Phase::Pre => self.run_hooks(pre) && self.open(post),
                Phase::Main => self.is_applied(post),
                Phase::Post => self.run_hooks(post) && self.complete(),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn wait(&mut self, line: String, trouble: Option<String>) {
        self.step.state = State::Waits { line, trouble };
    }

    /// What of an earlier change has not ended.
    fn still_ending(&mut self) -> Option<String> {
        let cluster = self.around.cluster;
        let is_there = |(key, uid): &(ObjectKey, String)| {
            cluster.get(key).is_some_and(|live| live.meta().uid == *uid) || cluster.owned_by(uid).next().is_some()
        };
        let run = self.record.run.as_mut()?;
        run.ending.retain(is_there);
        let (key, _) = run.ending.first()?;
        Some(format!("{}: waits until {key} of the change before has ended", self.key))
    }

    /// Runs the hooks of an event, from where they are; true when all have come to their end.
    fn run_hooks(&mut self, event: HookEvent) -> bool {
        let hooks = in_order(self.hooks, event);
        loop {
            let Some(run) = &mut self.record.run else { return false };
            let Some(hook) = hooks.get(run.next).copied() else { break };
            if run.done.contains(&run.next) {
                run.next += 1;
                continue;
            }
            let Some(active) = run.active.clone() else {
                if self.make(event, hook, &hooks) {
                    continue;
                }
                return false;
            };
            match end(self.around.cluster, &active) {
                End::Open { line, trouble } => {
                    let name = format!("{}: {event} hook {}", self.key, hook.key());
                    let trouble = trouble.map(|why| format!("{name}: {why}"));
                    self.wait(format!("{name}: {line}"), trouble);
                    return false;
                }
                End::Succeeded => {
                    run.active = None;
                    run.done.push(run.next);
                    run.next += 1;
                    let took_s = (self.cx.now.0 - active.since_s).max(0);
                    let said = format!("{}: {event} hook {} succeeded after {took_s} s", self.key, hook.key());
                    self.step.said.push(said);
                }
                End::Failed(why) => {
                    self.fail(event, hook, &hooks, &why);
                    return false;
                }
            }
        }
        self.clean(&hooks)
    }

    /// Deletes what the hooks that succeeded leave, the last first; true when there is nothing to delete.
    fn clean(&mut self, hooks: &[&Hook]) -> bool {
        let Some(run) = &mut self.record.run else { return false };
        if std::mem::replace(&mut run.is_clean, true) {
            return true;
        }
        for hook in hooks.iter().rev().filter(|hook| hook.deletes_succeeded) {
            self.delete(hook.key());
        }
        self.step.changes.is_empty()
    }

    /// Makes the object of the next hook; true when that was all and the one after it may be made at once.
    fn make(&mut self, event: HookEvent, hook: &Hook, hooks: &[&Hook]) -> bool {
        let key = hook.key();
        if self.step.changes.iter().any(|change| change.key() == key) {
            // Its name is taken in this very write.
            return false;
        }
        let object = match self.object(event, hook) {
            Ok(object) => object,
            Err(why) => {
                self.fail(event, hook, hooks, &why);
                return false;
            }
        };
        let reason = format!("{event} hook of {}", self.key);
        let change = match self.around.cluster.get(key) {
            None => Change::Create { object: object.clone(), reason },
            Some(live) => match self.room_for(hook, live) {
                Room::Taken(why) => {
                    self.fail(event, hook, hooks, &why);
                    return false;
                }
                Room::Later => {
                    self.delete(key);
                    let line = format!("{}: {event} hook {key}: waits until the old one is gone", self.key);
                    self.wait(line, None);
                    return false;
                }
                Room::Now => Change::Update { object: object.clone(), base: live.revision(), reason },
            },
        };
        self.step.changes.push(change);
        self.record.made.insert(key.clone());
        let Some(run) = &mut self.record.run else { return false };
        run.made.insert(key.clone());
        if !hook.has_end() {
            run.done.push(run.next);
            run.next += 1;
            self.step.said.push(format!("{}: {event} hook {key} is made", self.key));
            return true;
        }
        let uid = object.meta().uid.clone();
        run.active = Some(Active { key: key.clone(), uid, since_s: self.cx.now.0 });
        self.wait(format!("{}: {event} hook {key}: begins", self.key), None);
        false
    }

    /// Whether another object of a hook's name makes room for it.
    fn room_for(&self, hook: &Hook, live: &Object) -> Room {
        if let Some(asked) = self.around.desired.objects.get(hook.key()) {
            return Room::Taken(format!("{} asks for an object of this name", asked.origin));
        }
        let is_ours = live.meta().annotations.contains_key(RELEASE_ANNOTATION);
        if !is_ours && self.around.cluster.applied_of(hook.key()).is_none() {
            return Room::Taken("there is an object of this name that no hook made".to_owned());
        }
        if live.meta().deletion_timestamp.is_some() {
            return Room::Later;
        }
        let is_left = self.record.run.as_ref().is_some_and(|run| run.left.contains(hook.key()));
        if !(hook.deletes_before || is_left) {
            let why = "there is one already, and its delete policies do not name before-hook-creation";
            return Room::Taken(why.to_owned());
        }
        if hook.has_end() { Room::Later } else { Room::Now }
    }

    /// The object of a hook as it is made.
    fn object(&mut self, event: HookEvent, hook: &Hook) -> Result<Arc<Object>, String> {
        object_of(self.key, event, hook, self.around.cluster, self.cx)
    }

    /// The change does not go on with this commit.
    fn fail(&mut self, event: HookEvent, hook: &Hook, hooks: &[&Hook], why: &str) {
        let why = format!("{event} hook {} failed: {why}", hook.key());
        let commit = self.commit().to_owned();
        let Some(run) = &mut self.record.run else { return };
        let (earlier, was_made) = (run.next, run.active.take().is_some());
        run.failed = Some(Failed { commit, why: why.clone() });
        let holds = run.phase == Phase::Pre;
        if was_made {
            self.step.failed = Some(hook.key().clone());
            if hook.deletes_failed {
                self.delete(hook.key());
            }
        }
        for hook in hooks.iter().take(earlier).filter(|hook| hook.deletes_succeeded) {
            self.delete(hook.key());
        }
        self.step.holds = holds;
        self.step.state = State::Failed { why: format!("{}: {why}", self.key) };
    }

    /// The hooks before have run: the objects are applied with this step.
    fn open(&mut self, post: HookEvent) -> bool {
        if !self.step.changes.is_empty() {
            // What hooks left is deleted in a write of its own, so that none of it is forgotten.
            return false;
        }
        if let Some(target) = self.target {
            take(&mut self.record, target);
        }
        if let Some(run) = &mut self.record.run {
            (run.phase, run.next, run.is_clean) = (Phase::Main, 0, false);
            run.done.clear();
        }
        self.step.opens = true;
        self.step.holds = false;
        // Nothing comes after: then all is done with the same write.
        if self.has_no(post) && self.leftovers().is_empty() {
            self.complete();
        }
        false
    }

    fn has_no(&self, event: HookEvent) -> bool {
        in_order(self.hooks, event).is_empty()
    }

    /// Whether no object of a removed release is there.
    fn is_gone(&self) -> bool {
        let (cluster, desired) = (self.around.cluster, self.around.desired);
        let still = |key: &&ObjectKey| !desired.objects.contains_key(*key) && cluster.get(key).is_some();
        !self.record.objects.iter().any(|key| still(&key))
    }

    /// Waits for the objects; true when the hooks after them may run.
    fn is_applied(&mut self, post: HookEvent) -> bool {
        if self.has_no(post) {
            return self.complete();
        }
        if self.target.is_none() && !self.is_gone() {
            self.wait(format!("{}: its {post} hooks wait until its objects are gone", self.key), None);
            return false;
        }
        if let Some(target) = self.target
            && let Some((line, trouble)) = unhealthy(self.around.cluster, target)
        {
            self.wait(format!("{}: its {post} hooks wait for {line}", self.key), trouble);
            return false;
        }
        if let Some(run) = &mut self.record.run {
            (run.phase, run.next, run.is_clean) = (Phase::Post, 0, false);
            run.done.clear();
        }
        true
    }

    /// The change is done: what hooks made that no hook makes any more is deleted.
    fn complete(&mut self) -> bool {
        self.step.holds = false;
        for key in self.leftovers() {
            self.delete(&key);
        }
        self.record.run = None;
        match self.target {
            Some(target) => {
                self.record.is_settled = true;
                self.record.made.retain(|key| target.hooks.iter().any(|hook| hook.key() == key));
            }
            None => self.step.write = Write::Clear,
        }
        false
    }

    /// Objects that hooks made and none of this release makes any more.
    fn leftovers(&self) -> Vec<ObjectKey> {
        let is_hook = |key: &ObjectKey| {
            self.target.is_some_and(|target| target.hooks.iter().any(|hook| hook.key() == key && !hook.is_test()))
        };
        let made = self.record.made.iter();
        // Tests are made beside all changes; they go with the release.
        let tests = self.hooks.iter().filter(|hook| self.target.is_none() && hook.is_test()).map(Hook::key);
        let all: BTreeSet<&ObjectKey> = made.chain(tests).filter(|key| !is_hook(key)).collect();
        all.into_iter().filter(|key| self.may_delete(key)).cloned().collect()
    }

    /// Nothing is under way.
    fn rest(&mut self) {
        self.step.holds = false;
        self.step.state = State::Rest;
        let leftovers = self.leftovers();
        for key in leftovers {
            self.delete(&key);
        }
        if let Some(target) = self.target {
            describe(&mut self.record, target);
            self.record.made.retain(|key| target.hooks.iter().any(|hook| hook.key() == key));
        }
    }

    /// Whether an object is there that a hook made, and that git does not ask for.
    fn may_delete(&self, key: &ObjectKey) -> bool {
        let is_asked = self.around.desired.objects.contains_key(key);
        let live = self.around.cluster.get(key);
        !is_asked && live.is_some_and(|live| live.meta().annotations.contains_key(RELEASE_ANNOTATION))
    }

    /// Deletes the object of a hook, where it is there.
    fn delete(&mut self, key: &ObjectKey) {
        let Some(live) = self.around.cluster.get(key) else { return };
        let is_applied = self.around.cluster.applied_of(key).is_some();
        if !(self.may_delete(key) || is_applied) || self.step.changes.iter().any(|change| change.key() == key) {
            return;
        }
        let reason = format!("a hook of {} made it", self.key);
        // An object that does not decode is told of elsewhere; it stays.
        if let Ok(Some(change)) = delete::delete(live, None, Propagation::Background, self.cx.now, &reason) {
            self.step.changes.push(change);
        }
    }

    fn finish(self) -> Step {
        let Machine { mut step, record, known, .. } = self;
        if step.write == Write::Keep && known != Some(&record) {
            step.write = Write::Set(Box::new(record));
        }
        step
    }
}

enum Room {
    /// The name is another's.
    Taken(String),
    /// The old object has to be gone first.
    Later,
    /// The old object is replaced.
    Now,
}

/// The object of a hook as it is made for an event of a release.
///
/// # Errors
/// The manifest is no object, or a pod that is not admitted.
pub fn object_of(
    release: &ReleaseKey,
    event: HookEvent,
    hook: &Hook,
    cluster: &Cluster,
    cx: &mut Context,
) -> Result<Arc<Object>, String> {
    let mut value = hook.object.value();
    if hook.key().kind.info().kind == "Job"
        && let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut)
    {
        // Its end must be seen before it goes; the delete policies say when it goes.
        spec.remove("ttlSecondsAfterFinished");
    }
    let meta = value.get_mut("metadata").and_then(Value::as_object_mut).ok_or("metadata: Required value")?;
    let notes = meta.entry("annotations").or_insert_with(|| json!({}));
    if let Some(notes) = notes.as_object_mut() {
        notes.insert(RELEASE_ANNOTATION.to_owned(), json!(format!("{}/{}", release.namespace, release.name)));
        notes.insert(EVENT_ANNOTATION.to_owned(), json!(event.name()));
    }
    newborn(&hook.object, value, cluster, cx)
}

/// The first object of a release that is not healthy: what it waits for, and why it has failed if it has.
fn unhealthy(cluster: &Cluster, target: &WantedRelease) -> Option<(String, Option<String>)> {
    target.objects.iter().find_map(|key| match assess(cluster, key) {
        Some(Health::Healthy) => None,
        None => Some((format!("{key} to be made"), None)),
        Some(Health::Progressing { .. }) => Some((line(cluster, key), None)),
        Some(Health::Failed { reason, message }) => {
            let why = format!("{key}: {reason}: {message}");
            Some((line(cluster, key), Some(why)))
        }
    })
}
