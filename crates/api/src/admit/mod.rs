//! A manifest to the object that is stored, or to everything that is wrong with it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::admit::admitted::{Admitted, Visit};
use crate::admit::families::Families;
use crate::decode;
use crate::kind::Kind;
use crate::kind::Resource;
use crate::kind::registry;
use crate::meta::object_meta::ObjectMeta;
use crate::validate::error::Errors;
use crate::validate::meta::{Scope, validate_any, validate_update as validate_meta_update};

pub mod admission;
pub mod admitted;
pub mod families;
pub mod gates;
pub mod gateway;
pub mod kinds;
pub mod network;
pub mod pod;
mod prepare;
pub mod service;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod tests;

pub use crate::problem::{FieldProblem, ProblemKind};

/// What becomes of fields that the type does not have (`fieldValidation` of a request).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are faults (`Strict`).
    Refuse,
    /// They are dropped and named (`Warn`, `Ignore`).
    Drop,
}

/// An admitted object, and what was dropped from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The stored form: defaulted, prepared, canonical.
    pub object: Value,
    /// Fields that the type does not have.
    pub dropped: Vec<FieldProblem>,
}

/// The stored form of a new object: defaulted, prepared, canonical; `metadata.namespace` is filled in.
///
/// Names are not generated here: an object with `generateName` alone keeps its empty name. Addresses and ports of
/// services are not given out here either. The cluster is one of IPv4 alone.
///
/// # Errors
/// Everything that is wrong with it. Wrong types hide broken rules, for without types there is nothing to judge.
pub fn create(value: Value, default_namespace: &str) -> Result<Value, Vec<FieldProblem>> {
    create_for(value, default_namespace, Families::default())
}

/// As [`create`], in a cluster of these families.
///
/// # Errors
/// As for [`create`].
pub fn create_for(value: Value, default_namespace: &str, families: Families) -> Result<Value, Vec<FieldProblem>> {
    create_with(value, default_namespace, Unknown::Refuse, families).map(|outcome| outcome.object)
}

/// As [`create_for`], with a choice of what becomes of unknown fields.
///
/// # Errors
/// As for [`create`].
pub fn create_with(
    mut value: Value,
    default_namespace: &str,
    unknown: Unknown,
    families: Families,
) -> Result<Outcome, Vec<FieldProblem>> {
    let kind = decode::kind_of(&value).map_err(|problem| vec![problem])?;
    let (problems, dropped) = shape(kind, &mut value, unknown)?;
    let object = kinds::with(kind, Create { value, default_namespace, problems, families })?;
    Ok(Outcome { object, dropped })
}

/// The stored form of an object that replaces `old`; what the server owns is taken from `old`.
///
/// A new object without `metadata.resourceVersion` or `uid` takes those of `old`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn update(old: &Value, new: Value) -> Result<Value, Vec<FieldProblem>> {
    update_for(old, new, Families::default())
}

/// As [`update`], in a cluster of these families.
///
/// # Errors
/// As for [`update`].
pub fn update_for(old: &Value, new: Value, families: Families) -> Result<Value, Vec<FieldProblem>> {
    update_with(old, new, Unknown::Refuse, families).map(|outcome| outcome.object)
}

/// As [`update_for`], with a choice of what becomes of unknown fields.
///
/// # Errors
/// As for [`update`].
pub fn update_with(
    old: &Value,
    mut new: Value,
    unknown: Unknown,
    families: Families,
) -> Result<Outcome, Vec<FieldProblem>> {
    let kind = decode::kind_of(&new).map_err(|problem| vec![problem])?;
    let (problems, dropped) = shape(kind, &mut new, unknown)?;
    let object = kinds::with(kind, Update { old, new, problems, families })?;
    Ok(Outcome { object, dropped })
}

/// A new object that was admitted for a cluster of unknown families, as it is in one of these.
///
/// # Errors
/// What stands in the way of it there.
pub fn fit(value: Value, families: Families) -> Result<Value, Vec<FieldProblem>> {
    struct Fit(Value, Families);
    impl Visit for Fit {
        type Out = Result<Value, Vec<FieldProblem>>;
        fn visit<T: Admitted>(self) -> Self::Out {
            let mut object: T = decode::typed(self.0).map_err(|problem| vec![problem])?;
            let mut errors = Errors::default();
            object.fit(None, self.1, &mut errors);
            finish(&object, Problems::new(), errors)
        }
    }
    match decode::kind_of(&value).map_err(|problem| vec![problem])? {
        kind @ registry::SERVICE => kinds::with(kind, Fit(value, families)),
        _ => Ok(value),
    }
}

/// An admitted object that was given its uid: what follows from that is filled in, as a Job's selector is.
///
/// # Errors
/// The object does not have the shape of its kind, which an admitted one has.
pub fn settle(value: Value) -> Result<Value, FieldProblem> {
    struct Settle(Value);
    impl Visit for Settle {
        type Out = Result<Value, FieldProblem>;
        fn visit<T: Admitted>(self) -> Self::Out {
            let mut object: T = decode::typed(self.0)?;
            object.settle();
            written(&object)
        }
    }
    match decode::kind_of(&value)? {
        kind @ registry::JOB => kinds::with(kind, Settle(value)),
        _ => Ok(value),
    }
}

type Problems = Vec<FieldProblem>;

/// Faults and dropped fields of a value that can be typed.
fn shape(kind: Kind, value: &mut Value, unknown: Unknown) -> Result<(Problems, Problems), Problems> {
    let problems = decode::check(kind, value);
    if problems.iter().any(|p| p.kind == ProblemKind::Type) {
        return Err(problems);
    }
    Ok(match unknown {
        Unknown::Refuse => (problems, Problems::new()),
        Unknown::Drop => (Problems::new(), problems),
    })
}

/// An owner that is named twice in the same way is named once.
fn drop_repeated_owners(meta: &mut ObjectMeta) {
    if meta.owner_references.len() < 2 {
        return;
    }
    let mut seen = BTreeSet::new();
    meta.owner_references.retain(|owner| {
        let name = (owner.api_version.clone(), owner.kind.clone(), owner.name.clone());
        seen.insert((owner.uid.clone(), name, owner.controller, owner.block_owner_deletion))
    });
}

struct Create<'a> {
    value: Value,
    default_namespace: &'a str,
    problems: Vec<FieldProblem>,
    families: Families,
}

fn scope(kind: Kind) -> Scope {
    if kind.info().namespaced { Scope::Namespaced } else { Scope::Cluster }
}

fn finish<T: Resource>(
    object: &T,
    mut problems: Vec<FieldProblem>,
    errors: Errors,
) -> Result<Value, Vec<FieldProblem>> {
    problems.extend(errors.0.into_iter().map(FieldProblem::from));
    if !problems.is_empty() {
        return Err(problems);
    }
    written(object).map_err(|problem| vec![problem])
}

fn written<T: Resource>(object: &T) -> Result<Value, FieldProblem> {
    object.to_json_value().map_err(|fault| FieldProblem {
        path: String::new(),
        message: fault.to_string(),
        kind: ProblemKind::Type,
        hint: None,
    })
}

impl Visit for Create<'_> {
    type Out = Result<Value, Vec<FieldProblem>>;

    fn visit<T: Admitted>(self) -> Self::Out {
        let mut object: T = decode::typed(self.value).map_err(|problem| vec![problem])?;
        let scope = scope(T::KIND);
        let meta = object.meta_mut();
        // What the server alone sets. A generation is judged before it is set.
        meta.uid.clear();
        meta.creation_timestamp = None;
        meta.deletion_timestamp = None;
        meta.deletion_grace_period_seconds = None;
        meta.resource_version.clear();
        meta.self_link.clear();
        drop_repeated_owners(meta);
        match scope {
            Scope::Cluster => meta.namespace.clear(),
            Scope::Namespaced if meta.namespace.is_empty() => self.default_namespace.clone_into(&mut meta.namespace),
            Scope::Namespaced => {}
        }
        object.fill_defaults();
        object.drop_disabled();
        object.prepare_create();
        let mut errors = Errors::default();
        object.fit(None, self.families, &mut errors);
        if errors.is_empty() {
            object.validate_create(&mut errors);
        }
        if errors.is_empty() {
            // What holds for every kind is only looked at when the kind has no complaint of its own.
            validate_any(object.meta(), scope, &mut errors);
        }
        finish(&object, self.problems, errors)
    }
}

struct Update<'a> {
    old: &'a Value,
    new: Value,
    problems: Vec<FieldProblem>,
    families: Families,
}

impl Visit for Update<'_> {
    type Out = Result<Value, Vec<FieldProblem>>;

    fn visit<T: Admitted>(self) -> Self::Out {
        let mut old: T = decode::typed(self.old.clone()).map_err(|problem| vec![problem])?;
        let mut new: T = decode::typed(self.new).map_err(|problem| vec![problem])?;
        // An object that was stored by an older program may lack a default of today.
        old.fill_defaults();
        old.drop_disabled();
        let before = old.meta().clone();
        let meta = new.meta_mut();
        for (text, from) in [(&mut meta.resource_version, &before.resource_version), (&mut meta.uid, &before.uid)] {
            if text.is_empty() {
                text.clone_from(from);
            }
        }
        // Nothing is stored yet under a version in the pure path; the rule is about its absence in a request.
        let unversioned = meta.resource_version.is_empty();
        if unversioned {
            meta.resource_version = "0".to_owned();
        }
        let scope = scope(T::KIND);
        if scope == Scope::Cluster {
            meta.namespace.clear();
        } else if meta.namespace.is_empty() {
            meta.namespace.clone_from(&before.namespace);
        }
        meta.creation_timestamp = before.creation_timestamp;
        meta.generation = before.generation;
        if before.deletion_timestamp.is_some() {
            meta.deletion_timestamp = before.deletion_timestamp;
        }
        if before.deletion_grace_period_seconds.is_some() {
            meta.deletion_grace_period_seconds = before.deletion_grace_period_seconds;
        }
        meta.self_link.clear();
        drop_repeated_owners(meta);
        new.fill_defaults();
        new.drop_disabled();
        new.prepare_update(&old);
        let mut errors = Errors::default();
        new.fit(Some(&old), self.families, &mut errors);
        if errors.is_empty() {
            // Kinds look at metadata again: some faults come several times, as from Kubernetes.
            validate_any(new.meta(), scope, &mut errors);
            validate_meta_update(new.meta(), old.meta(), false, &mut errors);
            new.validate_update(&old, &mut errors);
        }
        if unversioned {
            new.meta_mut().resource_version.clear();
        }
        finish(&new, self.problems, errors)
    }
}
