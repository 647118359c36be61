//! Random commits on random states, by seed: what a plan says that looks only at what may not be as asked is what a plan
//! of everything says.

use std::sync::Arc;

use masthead_api::admit;
use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::object::Object;
use serde_json::{Value, json};

use crate::cluster::event::Event;
use crate::cluster::view::{Applied, Cluster};
use crate::context::{Context, Ids};
use crate::desired::{CommitFacts, Desired, Wanted};
use crate::origin::Origin;
use crate::sync::entry::{Entry, Record};
use crate::sync::journal::Journal;
use crate::sync::plan::{Rules, plan, plan_in};
use crate::sync::scope::{Open, Scope, Touched};

#[derive(Default)]
struct World {
    cluster: Cluster,
    touched: Touched,
    desired: Desired,
    journal: Journal,
}

impl World {
    fn event(&mut self, event: Event) {
        if let Some(changed) = self.cluster.apply(event) {
            self.touched.object(&self.cluster, &changed);
        }
    }

    fn put(&mut self, object: &Object) {
        let revision = self.cluster.revision() + 1;
        self.event(Event::Put(Arc::new(object.clone().at(revision))));
    }

    /// Writes what an entry says, as the store would.
    fn write(&mut self, entry: &Entry) {
        for change in &entry.changes {
            match change {
                Change::Create { object, .. } | Change::Update { object, .. } => self.put(object),
                Change::Delete { key, .. } => self.gone(key),
            }
        }
        let record = match &entry.record {
            Record::Set(Wanted { object, origin }) => {
                Some(Applied { commit: String::new(), origin: origin.clone(), desired: object.clone() })
            }
            Record::Clear => None,
        };
        self.cluster.set_applied(entry.key.clone(), record);
        self.touched.record(&entry.key);
    }

    fn gone(&mut self, key: &ObjectKey) {
        self.event(Event::Gone(key.clone(), self.cluster.revision() + 1));
    }

    fn ask(&mut self, manifest: Value, path: u64) {
        let wanted =
            Wanted { object: object(manifest), origin: Origin { path: format!("{path}.yaml").into(), line: 1 } };
        self.journal.note(wanted.object.key());
        self.desired.objects.insert(wanted.object.key().clone(), wanted);
    }

    /// Somebody else makes, changes, marks or removes an object.
    fn meddle(&mut self, ids: &mut Ids) {
        let all: Vec<Arc<Object>> = self.cluster.objects().cloned().collect();
        let any = (!all.is_empty()).then(|| all[ids.below(all.len() as u64) as usize].clone());
        match (ids.below(5), any) {
            (0, Some(any)) => self.gone(any.key()),
            (1, Some(any)) => {
                let mut value = any.value();
                let is_marked = value["metadata"].get("deletionTimestamp").is_some();
                value["metadata"]["deletionTimestamp"] =
                    if is_marked { Value::Null } else { json!("2030-01-01T00:00:00Z") };
                self.put(&Object::from_value(value).expect("an object"));
            }
            (2, Some(any)) => {
                let mut value = any.value();
                value["status"] = json!({"seen": ids.below(9)});
                self.put(&Object::from_value(value).expect("an object"));
            }
            _ => self.put(&object(manifest(ids))),
        }
    }
}

fn object(manifest: Value) -> Arc<Object> {
    let value = admit::create(manifest, "default").expect("a valid manifest");
    Arc::new(Object::from_value(value).expect("an object"))
}

/// A map, a service whose port may be another's, or a job that goes by itself.
fn manifest(ids: &mut Ids) -> Value {
    let (name, version) = (format!("o{}", ids.below(6)), ids.below(3));
    match ids.below(3) {
        0 => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": version.to_string()}})
        }
        1 => json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_000 + ids.below(8)}]}}),
        _ => json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
            "ttlSecondsAfterFinished": 5,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": format!("i:{version}")}]}}}}),
    }
}

#[test]
fn a_plan_of_what_is_open_is_the_plan_of_everything() {
    let (mut looked, mut all, mut clashes) = (0, 0, 0);
    for seed in 0..50 {
        let mut ids = Ids::new(seed);
        let mut world = World::default();
        let (mut mark, mut seen, mut open): (_, _, Option<Open>) = Default::default();
        for round in 0..40 {
            world.desired.commit = CommitFacts { id: format!("{round:040}"), ..CommitFacts::default() };
            for _ in 0..ids.below(3) {
                let (manifest, path) = (manifest(&mut ids), ids.below(3));
                world.ask(manifest, path);
            }
            if ids.below(2) == 0
                && let Some(key) = world.desired.objects.keys().nth(ids.below(6) as usize).cloned()
            {
                world.desired.objects.remove(&key);
                world.journal.note(&key);
            }
            for _ in 0..ids.below(3) {
                world.meddle(&mut ids);
            }
            let scope = open.take().map_or(Scope::All, |mut open| {
                open.extend(world.touched.since(seen).expect("remembered"));
                open.keys.extend(world.journal.since(mark).expect("remembered"));
                Scope::Open(open)
            });
            let mut cx = Context::new(1000, seed + round);
            let full = plan(&world.desired, &world.cluster, Rules::default(), &mut cx.clone());
            let (made, problems, left) = plan_in(&world.desired, &world.cluster, Rules::default(), &scope, &mut cx);
            assert_eq!((&made, &problems), (&full.0, &full.1), "seed {seed}, round {round}: {scope:?}");
            if let Scope::Open(open) = &scope {
                looked += open.keys.len();
                all += world.desired.objects.len();
                clashes += usize::from(left.services && !open.keys.iter().any(|key| key.kind.info().kind == "Service"));
            }
            (mark, seen, open) = (world.journal.mark(), world.touched.seen(), Some(left));
            // What is written of it may be all, nothing, or a part.
            let share = ids.below(4);
            for entry in made.entries.iter().filter(|_| ids.below(3) < share) {
                world.write(entry);
            }
        }
    }
    assert!(looked < all && clashes > 0, "{looked} of {all} were looked at; {clashes} clashes came from elsewhere");
}
