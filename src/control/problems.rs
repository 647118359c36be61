//! What nodes say that they can't do → Events on the objects that ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use masthead_api::change::{EventKind, EventNote};
use masthead_api::core::pod::Pod;
use masthead_api::discovery::endpoint_slice::EndpointSlice;
use masthead_api::key::ObjectKey;
use masthead_api::kind::Kind;
use masthead_api::kind::registry::{ENDPOINT_SLICE, NODE, POD, SERVICE};
use masthead_api::object::Object;
use masthead_plan::cluster::view::Cluster;
use masthead_plan::service::slices::SERVICE_NAME;
use masthead_wire::report::{Problem, Problems};

/// Groups whose objects nodes act on, besides the core group's Services, Pods and Nodes.
const GROUPS: [&str; 3] = ["networking.k8s.io", "discovery.k8s.io", "gateway.networking.k8s.io"];

/// What each connected node said last.
#[derive(Default)]
pub struct Told(BTreeMap<String, BTreeSet<Problem>>);

impl Told {
    /// Takes a node's list in. Gives an Event for each problem that is new, and for all when nothing changed: the node
    /// then says that they are still there, so that their Events live on.
    pub fn take(&mut self, cluster: &Cluster, node: &str, told: Problems) -> Vec<EventNote> {
        if told.left_out > 0 {
            tracing::warn!(node, left_out = told.left_out, "the node has more problems than it can tell");
        }
        let now: BTreeSet<Problem> = told.problems.into_iter().collect();
        let before = self.0.insert(node.to_owned(), now).unwrap_or_default();
        let now = self.0.get(node).into_iter().flatten();
        let is_again = self.0.get(node) == Some(&before);
        now.filter(|problem| is_again || !before.contains(problem))
            .filter_map(|problem| note(cluster, node, problem))
            .collect()
    }

    /// The node's session ended: it says all of it again in the next.
    pub fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }
}

/// The Event of a problem; none about what is not there, or about what is not this node's to speak of.
fn note(cluster: &Cluster, node: &str, problem: &Problem) -> Option<EventNote> {
    let kind = kind_of(&problem.kind)?;
    let object = cluster.get(&ObjectKey::new(kind, problem.namespace.as_str(), problem.name.as_str()))?;
    let is_its_own = match kind {
        NODE => problem.name == node,
        POD => object.typed::<Pod>().is_ok_and(|pod| pod.spec.node_name == node),
        _ => true,
    };
    if !is_its_own {
        return None;
    }
    let shown = shown(cluster, object);
    Some(EventNote {
        about: shown.key().clone(),
        uid: shown.meta().uid.clone(),
        kind: EventKind::Warning,
        reason: problem.reason.clone(),
        message: format!("node {node}: {}", problem.message),
        source: problem.component.clone(),
    })
}

fn kind_of(name: &str) -> Option<Kind> {
    let is_told_of = |kind: &Kind| [SERVICE, POD, NODE].contains(kind) || GROUPS.contains(&kind.info().group);
    Kind::all().iter().copied().find(|kind| kind.info().kind == name && is_told_of(kind))
}

/// Where users look: a slice's trouble is its service's.
fn shown<'c>(cluster: &'c Cluster, object: &'c Arc<Object>) -> &'c Arc<Object> {
    if object.kind() != ENDPOINT_SLICE {
        return object;
    }
    let service = object.typed::<EndpointSlice>().ok().and_then(|slice| {
        let name = slice.metadata.labels.get(SERVICE_NAME)?.clone();
        cluster.get(&ObjectKey::new(SERVICE, slice.metadata.namespace.as_str(), name))
    });
    service.unwrap_or(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use masthead_plan::cluster::event::Event;
    use serde_json::json;

    fn problem(kind: &str, name: &str, reason: &str) -> Problem {
        let namespace = if kind == "Node" { String::new() } else { "n".to_owned() };
        let (kind, name, reason) = (kind.to_owned(), name.to_owned(), reason.to_owned());
        Problem { kind, namespace, name, reason, message: "no".to_owned(), component: "kube-proxy".to_owned() }
    }

    #[test]
    fn new_problems_are_told_and_those_that_stay_are_told_again() {
        let mut cluster = Cluster::default();
        for object in [
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "n", "uid": "s"}}),
            json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [],
                "metadata": {"name": "web-x", "namespace": "n", "uid": "e", "labels": {SERVICE_NAME: "web"}}}),
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "n1"}}),
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2", "uid": "n2"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web", "namespace": "n", "uid": "x"}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "p"},
                "spec": {"nodeName": "n2", "containers": []}}),
        ] {
            let revision = cluster.revision() + 1;
            cluster.apply(Event::Put(Arc::new(Object::from_value(object).unwrap().at(revision))));
        }
        let mut told = Told::default();
        let mut take = |problems: &[Problem]| -> Vec<String> {
            let notes = told.take(&cluster, "n1", Problems::new(problems.iter().cloned()));
            notes.into_iter().map(|note| format!("{}: {} {}", note.uid, note.reason, note.message)).collect()
        };
        let (taken, full) = (problem("Service", "web", "Taken"), problem("EndpointSlice", "web-x", "Full"));
        assert_eq!(take(std::slice::from_ref(&taken)), ["s: Taken node n1: no"]);
        assert_eq!(take(&[taken.clone(), full.clone()]), ["s: Full node n1: no"]);
        assert_eq!(take(&[taken.clone(), full.clone()]).len(), 2, "they are still there");
        assert!(take(&[]).is_empty());
        assert_eq!(take(std::slice::from_ref(&taken)).len(), 1, "it is back");
        // Not there, not its own, and nothing that nodes speak of.
        let others = [("Service", "gone"), ("Node", "n2"), ("Pod", "p"), ("Secret", "web"), ("Nonsense", "web")];
        assert!(take(&others.map(|(kind, name)| problem(kind, name, "X"))).is_empty());
        assert_eq!(take(&[problem("Node", "n1", "X")]), ["n1: X node n1: no"]);
    }
}
