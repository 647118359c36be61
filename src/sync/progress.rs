//! The objects that a commit changed, as they are → one line each, and whether the commit is healthy or has failed.

use std::collections::BTreeSet;
use std::sync::Arc;

use masthead_api::key::ObjectKey;
use masthead_api::release::release::Release;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::health::assess;
use masthead_plan::health::verdict::Health;
use masthead_plan::sync::entry::{Action, SyncPlan};
use masthead_plan::sync::installed::{Installed, Phase};
use masthead_plan::sync::outcome::{self, End};
use masthead_plan::sync::release::ReleaseKey;

use crate::sync::record::CommitRecord;

/// Lines on objects that are not up in the outcome of a commit that ran out of time.
const LINES_MAX: usize = 5;

/// Where the changed objects are, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessed {
    /// Some are on their way.
    Progressing,
    /// All are up.
    Healthy,
    /// These came to nothing, with the reason of each.
    Failed(Vec<String>),
}

/// The objects whose health decides about a plan: what it made and changed, and what it removed and may stay for a while.
pub fn watched(plan: &SyncPlan) -> impl Iterator<Item = ObjectKey> {
    plan.entries.iter().filter(|entry| entry.action != Action::Move && !entry.is_held).map(|entry| entry.key.clone())
}

/// The objects that a commit changed by its record; of a large commit, all that git last asked for in it.
pub fn recorded(record: &CommitRecord, cluster: &Cluster) -> BTreeSet<ObjectKey> {
    if record.changed_more == 0 {
        return record.changed.iter().filter_map(|key| ObjectKey::parse_store_key(key)).collect();
    }
    let asked = cluster.applied().filter(|(_, applied)| applied.commit == record.commit.id).map(|(key, _)| key.clone());
    asked.chain(record.changed.iter().filter_map(|key| ObjectKey::parse_store_key(key))).collect()
}

/// What of earlier commits was not up when this one took their place, by its record.
pub fn inherited(record: &CommitRecord) -> impl Iterator<Item = ObjectKey> {
    record.inherited.iter().filter_map(|key| ObjectKey::parse_store_key(key))
}

/// Looks at each object once: the lines of those that are not yet up, and the whole.
pub fn assess<'a>(cluster: &Cluster, keys: impl IntoIterator<Item = &'a ObjectKey>) -> (Vec<String>, Assessed) {
    let (lines, assessed, _) = look(cluster, keys);
    (lines, assessed)
}

/// The same, and which are not up.
fn look<'a>(
    cluster: &Cluster,
    keys: impl IntoIterator<Item = &'a ObjectKey>,
) -> (Vec<String>, Assessed, Vec<&'a ObjectKey>) {
    let (mut lines, mut failed, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let mut waiting = false;
    for key in keys {
        match assess::assess_asked(cluster, key) {
            // Gone: this commit, a later one or a user removed it, so nothing is left to wait for.
            None | Some(Health::Healthy) => continue,
            Some(Health::Progressing { .. }) => {
                waiting = true;
                lines.push(assess::line_asked(cluster, key));
            }
            Some(Health::Failed { reason, message }) => failed.push(format!("{key}: {reason}: {message}")),
        }
        open.push(key);
    }
    let assessed = match (failed.is_empty(), waiting) {
        (false, _) => Assessed::Failed(failed),
        (true, true) => Assessed::Progressing,
        (true, false) => Assessed::Healthy,
    };
    (lines, assessed, open)
}

/// What is waited for, as the end of a sentence: `: r: BackendNotFound: …; and 2 more`; empty where it is nothing.
pub fn first_of(lines: &[String]) -> String {
    let (told, more) = lines.split_at(lines.len().min(LINES_MAX));
    let more = (!more.is_empty()).then(|| format!("and {} more", more.len()));
    let parts: Vec<&str> = told.iter().map(String::as_str).chain(more.as_deref()).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
}

/// What hooks of releases do now; of those that have failed the commit tells.
pub fn hooks(cluster: &Cluster) -> Vec<String> {
    let line = |(key, installed): (&ReleaseKey, &Arc<Installed>)| {
        let run = installed.run.as_ref()?;
        let event = if run.phase == Phase::Post { run.post } else { run.pre };
        let active = run.active.as_ref()?;
        let how = match outcome::end(cluster, active) {
            End::Open { line, .. } => line,
            End::Succeeded => "succeeded".to_owned(),
            End::Failed(why) => why,
        };
        Some(format!("{key}: {event} hook {}: {how}", active.key))
    };
    cluster.installed().iter().filter_map(line).collect()
}

/// The releases that are left alone, as their Releases ask.
pub fn suspended(cluster: &Cluster) -> Vec<String> {
    let releases = cluster.list_all::<Release>().filter(|release| release.spec.suspend);
    releases.map(|release| format!("Release {}/{}", release.metadata.namespace, release.metadata.name)).collect()
}

/// The objects of one commit on their way; a look costs what is not up yet, not what the commit changed.
#[derive(Debug, Default)]
pub struct Watched {
    all: BTreeSet<ObjectKey>,
    /// Those that were not up when they were looked at last.
    open: Vec<ObjectKey>,
    /// Whether all of those were looked at: nobody has heard of one that was up from the first look on.
    is_looked_at: bool,
}

impl Watched {
    /// All of these, none of which was looked at.
    pub fn new(all: BTreeSet<ObjectKey>) -> Watched {
        Watched { open: all.iter().cloned().collect(), all, is_looked_at: false }
    }

    /// Those that were not up when they were looked at last.
    pub fn open(&self) -> &[ObjectKey] {
        &self.open
    }

    /// Adds objects; all are looked at anew.
    pub fn add(&mut self, keys: impl Iterator<Item = ObjectKey>) {
        self.all.extend(keys);
        self.open = self.all.iter().cloned().collect();
        self.is_looked_at = false;
    }

    /// Looks at what was not up: a line for each that is not, then one for each that has come up since the last look. Once
    /// nothing is left, all are looked at together: what was up before may be down.
    pub fn assess(&mut self, cluster: &Cluster) -> (Vec<String>, Assessed) {
        let (mut lines, mut assessed, open) = look(cluster, &self.open);
        let mut up = Vec::new();
        if open.len() != self.open.len() {
            let mut left = open.iter().peekable();
            let no_more = self.open.iter().filter(|key| left.next_if(|left| ***left == **key).is_none());
            let is_up = |key: &&ObjectKey| matches!(assess::assess_asked(cluster, key), None | Some(Health::Healthy));
            if self.is_looked_at {
                up.extend(no_more.filter(is_up).map(|key| assess::line_asked(cluster, key)));
            }
            self.open = open.into_iter().cloned().collect();
        }
        self.is_looked_at = true;
        if assessed == Assessed::Healthy {
            let open;
            (lines, assessed, open) = look(cluster, &self.all);
            self.open = open.into_iter().cloned().collect();
        }
        lines.extend(up);
        (lines, assessed)
    }
}

#[cfg(test)]
mod tests {
    use masthead_api::object::Object;
    use masthead_plan::cluster::event::Event;
    use masthead_plan::cluster::view::Applied;
    use masthead_plan::origin::Origin;
    use serde_json::{Value, json};

    use super::*;

    fn put(cluster: &mut Cluster, name: &str, phase: &str, ready: &str) -> ObjectKey {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        });
        let key = stored(cluster, pod);
        let desired = cluster.get(&key).unwrap().clone();
        let origin = Origin { path: Arc::from("a.yaml"), line: 1 };
        cluster.set_applied(key.clone(), Some(Applied { commit: "c".to_owned(), origin, desired }));
        key
    }

    fn stored(cluster: &mut Cluster, object: Value) -> ObjectKey {
        let object = Object::from_value(object).unwrap().at(cluster.revision() + 1);
        let key = object.key().clone();
        cluster.apply(Event::Put(Arc::new(object)));
        key
    }

    #[test]
    fn what_was_removed_is_waited_for_until_it_is_gone() {
        let mut cluster = Cluster::default();
        let mut map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}});
        let anew = stored(&mut cluster, map.clone());
        map["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        map["metadata"]["finalizers"] = json!(["x/y"]);
        map["metadata"]["name"] = json!("held");
        let held = stored(&mut cluster, map);
        let ended = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default",
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]},
            "spec": {"template": {"spec": {"containers": []}}}, "status": {"conditions": [
                {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "no"}]}});
        let ended = stored(&mut cluster, ended);
        let mut watched = Watched::new([anew, held.clone(), ended.clone()].into());
        let waits = ["Job default/j", "ConfigMap default/held"];
        let (lines, assessed) = watched.assess(&cluster);
        assert_eq!(assessed, Assessed::Progressing, "how the job fared is of no matter now");
        assert!(waits.iter().all(|key| lines.iter().any(|l| l.contains(key) && l.contains("waits for"))), "{lines:?}");
        cluster.apply(Event::Gone(ended, cluster.revision() + 1));
        assert_eq!(watched.assess(&cluster).0[1], "Job default/j: gone");
        cluster.apply(Event::Gone(held, cluster.revision() + 1));
        assert_eq!(watched.assess(&cluster), (vec!["ConfigMap default/held: gone".to_owned()], Assessed::Healthy));
    }

    #[test]
    fn some_of_what_is_waited_for_is_told() {
        let lines = |count: usize| -> Vec<String> { (0..count).map(|i| format!("r{i}: waits")).collect() };
        assert_eq!(first_of(&lines(0)), "");
        assert_eq!(first_of(&lines(2)), ": r0: waits; r1: waits");
        assert_eq!(first_of(&lines(7)), ": r0: waits; r1: waits; r2: waits; r3: waits; r4: waits; and 2 more");
    }

    #[test]
    fn what_was_up_and_is_down_again_is_seen_in_the_end() {
        let mut cluster = Cluster::default();
        let keys: BTreeSet<ObjectKey> = ["a", "b"].map(|name| put(&mut cluster, name, "Pending", "False")).into();
        let mut watched = Watched::new(keys);
        assert_eq!(watched.assess(&cluster).1, Assessed::Progressing);
        put(&mut cluster, "a", "Running", "True");
        let (lines, assessed) = watched.assess(&cluster);
        assert_eq!((lines[1].as_str(), assessed), ("Pod default/a: healthy", Assessed::Progressing), "{lines:?}");
        assert_eq!(watched.open.len(), 1, "the one that is up is not looked at again");
        put(&mut cluster, "a", "Running", "False");
        put(&mut cluster, "b", "Running", "True");
        let (lines, assessed) = watched.assess(&cluster);
        assert_eq!((lines.len(), assessed), (2, Assessed::Progressing), "{lines:?}");
        put(&mut cluster, "a", "Running", "True");
        assert_eq!(watched.assess(&cluster), (vec!["Pod default/a: healthy".to_owned()], Assessed::Healthy));
        assert_eq!(watched.assess(&cluster), (Vec::new(), Assessed::Healthy), "told once");
    }
}
