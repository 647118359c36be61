//! An Ingress and the classes there are → whether it is ours.

use std::collections::BTreeMap;

use crate::ingress::objects::{Ingress, IngressClass};

/// The class that needs no IngressClass.
pub const CLASS: &str = "masthead";
/// What an IngressClass of ours names as its controller.
pub const CONTROLLER: &str = "masthead.dev/ingress";
/// The annotation of the time before classes were objects.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";
/// Marks the class of an Ingress that names none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Whether an Ingress is ours. Without any class at all in the cluster, one that names none is.
pub fn is_ours(ingress: &Ingress, classes: &BTreeMap<String, IngressClass>) -> bool {
    let of_class = |name: &str| match classes.get(name) {
        Some(class) => class.spec.controller == CONTROLLER,
        None => name == CLASS,
    };
    if let Some(name) = &ingress.spec.ingress_class_name {
        return of_class(name);
    }
    if let Some(name) = ingress.metadata.annotations.get(OLD_CLASS) {
        return of_class(name);
    }
    let is_default = |class: &&IngressClass| class.metadata.annotations.get(DEFAULT_CLASS).is_some_and(|v| v == "true");
    match classes.values().find(is_default) {
        // Of several defaults the first by name counts, as it does when an Ingress is made.
        Some(class) => class.spec.controller == CONTROLLER,
        None => classes.is_empty(),
    }
}
