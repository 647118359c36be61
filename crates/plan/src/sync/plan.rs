//! (Desired, Cluster at a revision) → SyncPlan: what each object of a commit needs, in the order of execution.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::admit;
use masthead_api::batch::job::Job;
use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use masthead_api::problem::FieldProblem;
use serde_json::Value;

use crate::cluster::edit::{set_list, with_meta};
use crate::cluster::view::{Applied, Cluster};
use crate::context::Context;
use crate::delete::{self, Propagation};
use crate::desired::{Desired, Problem, Wanted};
use crate::garbage::finalize::{FOREGROUND, ORPHAN};
use crate::service::check;
use crate::sync::entry::{Action, Entry, Record, SyncPlan};
use crate::sync::guard::{self, Confirmed, DeleteBudget};
use crate::sync::hooks::Recovery;
use crate::sync::newborn;
use crate::sync::order;
use crate::sync::rollout::{self, Rollouts};
use crate::sync::scope::{Open, Scope};

/// What the plan of a commit may do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rules {
    /// How much may be deleted unconfirmed.
    pub budget: DeleteBudget,
    /// What the commit's message confirms.
    pub confirmed: Confirmed,
    /// What the store may not know of releases.
    pub recovery: Recovery,
}

/// Plans a commit; objects that cannot be planned are problems, beside the plan of all others.
///
/// The plan is empty when the state is as asked. Deletes come only from the records of what git asked for before: an
/// object that git never asked for is never deleted here.
pub fn plan(desired: &Desired, cluster: &Cluster, rules: Rules, cx: &mut Context) -> (SyncPlan, Vec<Problem>) {
    let (plan, problems, _) = plan_in(desired, cluster, rules, &Scope::All, cx);
    (plan, problems)
}

/// The same, looking only at what may not be as asked; gives what is not as asked or cannot be planned, too. All that was
/// so at an earlier plan and all that has changed since must be in the scope: then the plan is that of everything.
pub fn plan_in(
    desired: &Desired,
    cluster: &Cluster,
    rules: Rules,
    scope: &Scope,
    cx: &mut Context,
) -> (SyncPlan, Vec<Problem>, Open) {
    let mut out = SyncPlan { commit: desired.commit.clone(), base: cluster.revision(), ..SyncPlan::default() };
    let (mut problems, mut removal_problems) = (Vec::new(), Vec::new());
    let mut keys = BTreeSet::new();
    let releases = rollout::rollouts(desired, cluster, rules.recovery, cx);
    let mut is_not_as_asked = 0;
    for Candidate { key, wanted, applied } in candidates(desired, cluster, scope) {
        match (wanted, applied) {
            (Some(wanted), _) => match ask(key, wanted, applied, desired, cluster, cx) {
                Ok(Some(entry)) => out.entries.push(entry),
                Ok(None) => continue,
                Err(mut faults) => problems.append(&mut faults),
            },
            (None, Some(applied)) if !releases.leaves(key) => match remove(key, applied, desired, cluster, cx) {
                Ok(entry) => out.entries.push(entry),
                Err(problem) => removal_problems.push(*problem),
            },
            // Its release may be removed, too: then it goes, though nothing about it has changed.
            (None, Some(_)) => {}
            (None, None) => continue,
        }
        is_not_as_asked += usize::from(wanted.is_some());
        keys.insert(key.clone());
    }
    problems.append(&mut removal_problems);
    let mut clashes = if scope.has_services() { check::check(desired, cluster) } else { Vec::new() };
    let open = Open { keys, services: !clashes.is_empty() };
    problems.append(&mut clashes);
    let left_alone = releases.left().iter().filter(|key| cluster.applied_of(key).is_some()).count();
    out.unchanged = desired.objects.len() - is_not_as_asked + left_alone;
    out.entries.sort_by_cached_key(place);
    settle(&mut out, releases);
    // Exact, for it is a map's.
    let managed = cluster.applied().size_hint().0;
    out.refusals =
        guard::refusals(&out.entries, desired.objects.len() + left_alone, managed, rules.budget, rules.confirmed);
    (out, problems, open)
}

/// An object that a commit asks for, that git asked for before, or both.
struct Candidate<'a> {
    key: &'a ObjectKey,
    wanted: Option<&'a Wanted>,
    applied: Option<&'a Applied>,
}

/// Those in the scope, by key.
fn candidates<'a>(
    desired: &'a Desired,
    cluster: &'a Cluster,
    scope: &'a Scope,
) -> Box<dyn Iterator<Item = Candidate<'a>> + 'a> {
    if let Scope::Open(open) = scope {
        let one = |key| Candidate { key, wanted: desired.objects.get(key), applied: cluster.applied_of(key) };
        return Box::new(open.keys.iter().map(one));
    }
    // Both are sorted by key: one walk over the two costs no look-up.
    let (mut wanted, mut records) = (desired.objects.iter().peekable(), cluster.applied().peekable());
    Box::new(std::iter::from_fn(move || {
        let order = match (wanted.peek(), records.peek()) {
            (Some((wanted, _)), Some((applied, _))) => wanted.cmp(applied),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let wanted = if order.is_le() { wanted.next() } else { None };
        let applied = if order.is_ge() { records.next() } else { None };
        let key = wanted.map(|(key, _)| key).or(applied.map(|(key, _)| key))?;
        Some(Candidate { key, wanted: wanted.map(|(_, wanted)| wanted), applied: applied.map(|(_, applied)| applied) })
    }))
}

/// Holds back what hooks have to run before, and keeps the steps of releases.
fn settle(out: &mut SyncPlan, releases: Rollouts) {
    for entry in &mut out.entries {
        entry.is_held = releases.holds(&entry.key);
        // A hook makes an object of its own under the name of one that git asked for before.
        if entry.action == Action::Delete && releases.is_hook(&entry.key) {
            entry.changes.clear();
        }
    }
    out.releases = releases.into_steps();
}

/// Creates and changes in the order of kinds, then deletes the other way round.
fn place(entry: &Entry) -> (bool, usize, ObjectKey) {
    let rank = order::rank(entry.key.kind);
    match entry.action {
        Action::Delete => (true, usize::MAX - rank, entry.key.clone()),
        _ => (false, rank, entry.key.clone()),
    }
}

/// What one wanted object needs; `None` when it is as asked.
fn ask(
    key: &ObjectKey,
    wanted: &Wanted,
    applied: Option<&Applied>,
    desired: &Desired,
    cluster: &Cluster,
    cx: &mut Context,
) -> Result<Option<Entry>, Vec<Problem>> {
    let entry = |action, reason: String, before: Option<&Arc<Object>>, after: Option<Arc<Object>>, changes| Entry {
        key: key.clone(),
        action,
        reason,
        origin: Some(wanted.origin.clone()),
        before: before.cloned(),
        after,
        changes,
        record: Record::Set(wanted.clone()),
        is_held: false,
    };
    let Some(live) = cluster.get(key).filter(|live| live.meta().deletion_timestamp.is_none()) else {
        if applied.is_some_and(|a| a.desired.body() == wanted.object.body()) && leaves_by_itself(&wanted.object) {
            return Ok(moved(applied, wanted).then(|| {
                let reason = format!("now written at {}; it ran and has gone", wanted.origin);
                entry(Action::Move, reason, None, None, Vec::new())
            }));
        }
        if let Some(dying) = cluster.get(key) {
            // It is made once the old one is gone: the control loop plans again at that change.
            let reason = format!("waits until the old {} is gone", dying.key());
            let freed = free(dying, wanted, desired).map_err(|e| vec![wanted.problem(String::new(), e.to_string())])?;
            return Ok(Some(entry(Action::Create, reason, Some(dying), None, freed.into_iter().collect())));
        }
        let object = born(cluster, wanted, cx)?;
        let reason = format!("{} asks for it", wanted.origin);
        let change =
            Change::Create { object: object.clone(), reason: format!("commit {}: {reason}", desired.commit.short()) };
        return Ok(Some(entry(Action::Create, reason, None, Some(object), vec![change])));
    };
    // Only git writes what git owns, so what was asked for before and is asked for again is as asked.
    if applied.is_some_and(|applied| {
        Arc::ptr_eq(&applied.desired, &wanted.object) || applied.desired.body() == wanted.object.body()
    }) {
        return Ok(moved(applied, wanted).then(|| {
            entry(Action::Move, format!("now written at {}", wanted.origin), Some(live), Some(live.clone()), Vec::new())
        }));
    }
    let (old, families) = (live.value(), cluster.network().families());
    // With the uid of the live object comes what follows from it, as a job's selector.
    let laid = admit::settle(crate::sync::merge::overlay(live, applied.map(|a| &*a.desired), &wanted.object));
    match laid.map_err(|fault| vec![fault]).and_then(|laid| admit::update_for(&old, laid, families)) {
        Ok(new) => {
            let after = Object::from_value(new).map_err(|e| vec![wanted.problem(String::new(), e.to_string())])?;
            if after.body() == live.body() {
                let newly = applied.is_none_or(|applied| applied.desired.body() != wanted.object.body())
                    || moved(applied, wanted);
                return Ok(newly.then(|| {
                    entry(
                        Action::Move,
                        format!("now written at {}", wanted.origin),
                        Some(live),
                        Some(live.clone()),
                        Vec::new(),
                    )
                }));
            }
            let reason = changed_fields(&old, &after.value());
            let after = Arc::new(after);
            let change = Change::Update {
                object: after.clone(),
                base: live.revision(),
                reason: format!("commit {}: {reason} ({})", desired.commit.short(), wanted.origin),
            };
            Ok(Some(entry(Action::Change, reason, Some(live), Some(after), vec![change])))
        }
        Err(faults) if faults.iter().all(is_immutable) => {
            let fields: Vec<&str> = faults.iter().map(|f| f.path.as_str()).collect();
            let reason = format!("{} cannot be changed", fields.join(", "));
            let object = born(cluster, wanted, cx)?;
            // One write, so that no crash can leave the object deleted: the new uid makes it another object, and the
            // garbage collector takes what belonged to the old one.
            let change = Change::Update {
                object: object.clone(),
                base: live.revision(),
                reason: format!("commit {}: {reason}", desired.commit.short()),
            };
            Ok(Some(entry(Action::Replace, reason, Some(live), Some(object), vec![change])))
        }
        Err(faults) => Err(faults.into_iter().map(|f| wanted.problem(f.path, f.message)).collect()),
    }
}

/// What a manifest asks for as this cluster makes it anew.
fn born(cluster: &Cluster, wanted: &Wanted, cx: &mut Context) -> Result<Arc<Object>, Vec<Problem>> {
    let value = admit::fit(wanted.object.value(), cluster.network().families())
        .map_err(|faults| faults.into_iter().map(|f| wanted.problem(f.path, f.message)).collect::<Vec<_>>())?;
    newborn::newborn(&wanted.object, value, cluster, cx).map_err(|why| vec![wanted.problem(String::new(), why)])
}

/// Whether an object goes when it has done its work, as a job with a time after its end does: it was made when git asked
/// for it, so that its absence is as asked until git asks for something else.
fn leaves_by_itself(wanted: &Object) -> bool {
    wanted.typed::<Job>().is_ok_and(|job| job.spec.ttl_seconds_after_finished.is_some())
}

/// Whether the text of an object moved in the repository.
fn moved(applied: Option<&Applied>, wanted: &Wanted) -> bool {
    applied.is_none_or(|applied| applied.origin != wanted.origin)
}

/// Lets go of an object on its way out that git asks for again: of its finalizers stay those that git still asks for and
/// those of the garbage collector. Others were git's own, to which alone the API leaves them.
fn free(dying: &Object, wanted: &Wanted, desired: &Desired) -> Result<Option<Change>, masthead_api::object::Error> {
    let stays = |f: &String| f == FOREGROUND || f == ORPHAN || wanted.object.meta().finalizers.contains(f);
    let left: Vec<&String> = dying.meta().finalizers.iter().filter(|f| stays(f)).collect();
    if left.len() == dying.meta().finalizers.len() {
        return Ok(None);
    }
    let object = with_meta(dying, |meta| set_list(meta, "finalizers", &left))?;
    let reason = format!("commit {} asks for it without what holds it", desired.commit.short());
    Ok(Some(Change::Update { object, base: dying.revision(), reason }))
}

/// Whether a fault of an update says that a field may not change, as Kubernetes' messages do.
fn is_immutable(fault: &FieldProblem) -> bool {
    fault.message.contains("field is immutable")
        || fault.message.contains("may not change once set")
        || fault.message.contains("updates to")
        || fault.message.contains("pod updates may not")
        || fault.message.contains("existing toleration can not be modified")
        || fault.message.contains("can only be modified in tandem")
        // The address that a service was given is of the family that it had.
        || fault.message.contains("value as indicated by `ipFamilies[")
}

/// The delete of an object that the commit removed.
fn remove(
    key: &ObjectKey,
    applied: &Applied,
    desired: &Desired,
    cluster: &Cluster,
    cx: &Context,
) -> Result<Entry, Box<Problem>> {
    let reason = format!("commit {} removed it from {}", desired.commit.short(), applied.origin.path);
    let live = cluster.get(key);
    let change = match live {
        Some(live) => delete::delete(live, None, Propagation::Background, cx.now, &reason).map_err(|e| {
            Box::new(Problem {
                path: applied.origin.path.to_string(),
                line: applied.origin.line,
                object: format!("{}/{}", key.kind.info().kind, key.name),
                field: String::new(),
                message: e.to_string(),
                hint: String::new(),
            })
        })?,
        None => None,
    };
    Ok(Entry {
        key: key.clone(),
        action: Action::Delete,
        reason,
        origin: Some(applied.origin.clone()),
        before: live.cloned(),
        after: None,
        changes: change.into_iter().collect(),
        record: Record::Clear,
        is_held: false,
    })
}

/// At most this many fields are named in a reason.
const FIELDS_NAMED: usize = 4;

/// The paths of the leaves that differ, `spec.replicas, spec.template.spec.containers[0].image and 3 more`.
fn changed_fields(before: &Value, after: &Value) -> String {
    let mut fields = Vec::new();
    differing("", before, after, &mut fields);
    fields.retain(|f| f != "metadata.generation");
    let more = fields.len().saturating_sub(FIELDS_NAMED);
    fields.truncate(FIELDS_NAMED);
    let named = fields.join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn differing(path: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differing(&field, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differing(&format!("{path}[{i}]"), a, b, out);
            }
        }
        _ if before != after => out.push(path.to_owned()),
        _ => {}
    }
}
