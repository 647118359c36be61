//! An installed chart as a commit wants it: the objects it consists of, and the hooks that run beside them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;

/// The annotation of an object that a hook made: `default/shop`, the release.
pub const RELEASE_ANNOTATION: &str = "masthead.dev/release";

/// What identifies a release: its namespace and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseKey {
    /// The namespace it is installed in.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ReleaseKey {
    /// `Release default/shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Release {}/{}", self.namespace, self.name)
    }
}

/// When a hook runs (Helm's `helm.sh/hook`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// Before a release is applied for the first time.
    PreInstall,
    /// When it is healthy for the first time.
    PostInstall,
    /// Before it changes.
    PreUpgrade,
    /// When it is healthy after a change.
    PostUpgrade,
    /// Before it goes back to what it was.
    PreRollback,
    /// When it is healthy after it went back.
    PostRollback,
    /// Before its objects are deleted.
    PreDelete,
    /// When they are gone.
    PostDelete,
    /// When somebody asks for it.
    Test,
}

impl HookEvent {
    /// All of them.
    pub const ALL: [HookEvent; 9] = [
        HookEvent::PreInstall,
        HookEvent::PostInstall,
        HookEvent::PreUpgrade,
        HookEvent::PostUpgrade,
        HookEvent::PreRollback,
        HookEvent::PostRollback,
        HookEvent::PreDelete,
        HookEvent::PostDelete,
        HookEvent::Test,
    ];

    /// Its name in the annotation.
    pub fn name(self) -> &'static str {
        match self {
            HookEvent::PreInstall => "pre-install",
            HookEvent::PostInstall => "post-install",
            HookEvent::PreUpgrade => "pre-upgrade",
            HookEvent::PostUpgrade => "post-upgrade",
            HookEvent::PreRollback => "pre-rollback",
            HookEvent::PostRollback => "post-rollback",
            HookEvent::PreDelete => "pre-delete",
            HookEvent::PostDelete => "post-delete",
            HookEvent::Test => "test",
        }
    }

    /// The event of a name.
    pub fn parse(name: &str) -> Option<HookEvent> {
        HookEvent::ALL.into_iter().find(|event| event.name() == name)
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An object that is made at a moment of its release, and, if it is a Job or a Pod, waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// The manifest after defaulting.
    #[serde(with = "as_value")]
    pub object: Arc<Object>,
    /// Where it is written.
    pub origin: Origin,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Its place among the hooks of an event, the lowest first.
    pub weight: i64,
    /// What an earlier run left is deleted before it runs again (`before-hook-creation`).
    pub deletes_before: bool,
    /// It is deleted when all hooks of its event have succeeded (`hook-succeeded`).
    pub deletes_succeeded: bool,
    /// It is deleted when it has failed (`hook-failed`).
    pub deletes_failed: bool,
}

impl Hook {
    /// The object's key.
    pub fn key(&self) -> &ObjectKey {
        self.object.key()
    }

    /// Whether it has an end that is waited for: Jobs and Pods have, as with Helm.
    pub fn has_end(&self) -> bool {
        has_end(self.key())
    }

    /// Whether it does nothing but test.
    pub fn is_test(&self) -> bool {
        self.events.iter().all(|event| *event == HookEvent::Test)
    }
}

/// Whether objects of this kind run to an end.
pub fn has_end(key: &ObjectKey) -> bool {
    matches!(key.kind.info().kind, "Job" | "Pod")
}

/// The hooks of an event in the order in which they run: by weight, then by name, then as they come (Helm's
/// `hookByWeight`, stable on hooks that are sorted by kind).
pub fn in_order(hooks: &[Hook], event: HookEvent) -> Vec<&Hook> {
    let mut chosen: Vec<&Hook> = hooks.iter().filter(|hook| hook.events.contains(&event)).collect();
    let order = |a: &&Hook, b: &&Hook| -> Ordering { (a.weight, &a.key().name).cmp(&(b.weight, &b.key().name)) };
    chosen.sort_by(order);
    chosen
}

/// A release as a commit wants it.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedRelease {
    /// Which one.
    pub key: ReleaseKey,
    /// Where it is written: the Release, or the Chart.yaml of a plain chart.
    pub origin: Origin,
    /// Stands for all that was rendered but the tests: another digest is a change of the release, and its hooks run.
    pub digest: String,
    /// Stands for all that went into the render: chart, values, name and namespace.
    pub inputs: String,
    /// Its hooks in the order of kinds, tests among them.
    pub hooks: Vec<Hook>,
    /// The keys of its objects, sorted; hooks are not among them.
    pub objects: Vec<ObjectKey>,
    /// Nothing of it may change.
    pub is_suspended: bool,
    /// Tests that cannot be run, and why.
    pub broken_tests: Vec<String>,
}

/// An object as the JSON of its manifest.
mod as_value {
    use std::sync::Arc;

    use masthead_api::object::Object;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(object: &Arc<Object>, serializer: S) -> Result<S::Ok, S::Error> {
        object.value().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Object>, D::Error> {
        Object::from_value(Value::deserialize(deserializer)?).map(Arc::new).map_err(D::Error::custom)
    }
}
