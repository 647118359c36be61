//! An ingress and the classes there are → whether Masthead serves it, or why not.

use crate::networking::ingress::{Ingress, IngressClass};

/// The controller of the classes that Masthead itself serves.
pub const CONTROLLER: &str = "masthead.dev/ingress";

/// The class that every cluster has.
pub const CLASS: &str = "masthead";

/// The annotation that named the class before there was a field for it.
pub const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The annotation of the class that ingresses without one are of.
pub const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

/// Who serves an ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// Masthead.
    Here,
    /// Another controller.
    Elsewhere {
        /// The class's controller.
        controller: String,
    },
    /// Nobody: there is no such class.
    NoClass {
        /// The name that was asked for; empty when none was and there is no default.
        name: String,
    },
}

/// The class that an ingress names, by field or by the older annotation.
pub fn named(ingress: &Ingress) -> Option<&str> {
    let annotation = || ingress.metadata.annotations.get(CLASS_ANNOTATION);
    ingress.spec.ingress_class_name.as_ref().or_else(annotation).map(String::as_str).filter(|name| !name.is_empty())
}

/// The class of ingresses that name none: of those marked as default the one made last, then by name, as in Kubernetes;
/// Masthead's own stands back behind any other that is marked.
pub fn default_class<'a>(classes: impl IntoIterator<Item = &'a IngressClass>) -> Option<&'a IngressClass> {
    classes
        .into_iter()
        .filter(|class| class.metadata.annotations.get(DEFAULT_ANNOTATION).is_some_and(|value| value == "true"))
        .max_by(|a, b| {
            let rank = |class: &IngressClass| (class.metadata.name != CLASS, class.metadata.creation_timestamp);
            rank(a).cmp(&rank(b)).then_with(|| b.metadata.name.cmp(&a.metadata.name))
        })
}

/// Who serves an ingress.
pub fn served<'a>(ingress: &Ingress, classes: impl IntoIterator<Item = &'a IngressClass>) -> Served {
    let (name, class) = match named(ingress) {
        Some(name) => (name, classes.into_iter().find(|class| class.metadata.name == name)),
        None => ("", default_class(classes)),
    };
    match class {
        None => Served::NoClass { name: name.to_owned() },
        Some(class) if class.spec.controller == CONTROLLER => Served::Here,
        Some(class) => Served::Elsewhere { controller: class.spec.controller.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, controller: &str, default: bool, at: i64) -> IngressClass {
        let mut class = IngressClass::default();
        class.metadata.name = name.to_owned();
        class.metadata.creation_timestamp = Some(crate::meta::time::Time(at));
        class.spec.controller = controller.to_owned();
        if default {
            class.metadata.annotations.insert(DEFAULT_ANNOTATION.to_owned(), "true".to_owned());
        }
        class
    }

    #[test]
    fn the_class_decides_who_serves() {
        let ours = || class(CLASS, CONTROLLER, true, 9);
        let theirs = |default| class("nginx", "k8s.io/ingress-nginx", default, 1);
        let elsewhere = || Served::Elsewhere { controller: "k8s.io/ingress-nginx".to_owned() };
        let none = |name: &str| Served::NoClass { name: name.to_owned() };
        let check = |field: Option<&str>, annotation: Option<&str>, classes: &[IngressClass], expect: Served| {
            let mut ingress = Ingress::default();
            ingress.spec.ingress_class_name = field.map(str::to_owned);
            if let Some(name) = annotation {
                ingress.metadata.annotations.insert(CLASS_ANNOTATION.to_owned(), name.to_owned());
            }
            assert_eq!(served(&ingress, classes), expect, "{field:?} {annotation:?} {classes:?}");
        };
        check(None, None, &[ours(), theirs(false)], Served::Here);
        check(None, None, &[ours(), theirs(true)], elsewhere());
        check(None, None, &[], none(""));
        check(Some("nginx"), None, &[ours(), theirs(false)], elsewhere());
        check(Some("traefik"), None, &[ours()], none("traefik"));
        check(None, Some("masthead"), &[ours(), theirs(true)], Served::Here);
        check(None, Some("nginx"), &[ours()], none("nginx"));
        let (a, b) = (class("a", "x/a", true, 5), class("b", "x/b", true, 5));
        check(None, None, &[b, a], Served::Elsewhere { controller: "x/a".to_owned() });
    }
}
