//! Kinds: which exist, how they are called, and which Rust type each has.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::meta::object_meta::ObjectMeta;
use crate::schema::field::Schema;

pub mod find;
pub mod known;
pub mod registry;

/// What is known of a kind.
#[derive(Debug)]
pub struct KindInfo {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version, in which objects are stored.
    pub version: &'static str,
    /// Further versions of the same shape, which are read and served too.
    pub other_versions: &'static [&'static str],
    /// Kind, as in `Pod`.
    pub kind: &'static str,
    /// Resource, as in `pods`.
    pub plural: &'static str,
    /// As in `pod`.
    pub singular: &'static str,
    /// As in `po`.
    pub short_names: &'static [&'static str],
    /// As in `all`.
    pub categories: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Subresources that Kubernetes has for it.
    pub subresources: &'static [&'static str],
    /// Fields of its objects.
    pub schema: &'static Schema,
}

impl KindInfo {
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        self.api_version_of(self.version)
    }

    /// The group with one of its versions: `apps/v1`.
    pub fn api_version_of(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// The versions in which it is served, the stored one first.
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.version).chain(self.other_versions.iter().copied())
    }

    /// Whether it is served in a version.
    pub fn is_served_in(&self, version: &str) -> bool {
        self.versions().any(|served| served == version)
    }

    /// `pods`, `deployments.apps`: the resource with its group, as messages name it.
    pub fn qualified_plural(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Pod`, `Deployment.apps`: the kind with its group, as messages name it.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// `PodList`.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// Whether it has this subresource.
    pub fn has_subresource(&self, name: &str) -> bool {
        self.subresources.contains(&name)
    }
}

/// A supported kind: a handle that copies, compares by group and resource, and is cheap.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub(crate) registry::Id);

impl Kind {
    /// What is known of it.
    pub fn info(self) -> &'static KindInfo {
        &registry::INFOS[self.0 as usize]
    }

    /// All supported kinds, in the order in which they are created when nothing else decides.
    pub fn all() -> &'static [Kind] {
        registry::KINDS
    }

    /// By `apiVersion`, of any version in which it is served, and `kind`.
    pub fn by_gvk(api_version: &str, kind: &str) -> Option<Kind> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Kind::all().iter().copied().find(|k| {
            let info = k.info();
            info.kind == kind && info.is_served_in(version) && info.group == group
        })
    }

    /// By group and resource, as in a request's path.
    pub fn by_plural(group: &str, plural: &str) -> Option<Kind> {
        Kind::all().iter().copied().find(|k| k.info().plural == plural && k.info().group == group)
    }

    /// By any word kubectl takes, in any case: `po`, `pod`, `pods`, `deployments.apps`, `deploy.v1.apps`.
    pub fn by_alias(word: &str) -> Option<Kind> {
        let word = word.to_ascii_lowercase();
        let (name, rest) = word.split_once('.').unwrap_or((&word, ""));
        let named = |info: &KindInfo| {
            name == info.plural
                || name == info.singular
                || info.short_names.contains(&name)
                || name == info.kind.to_ascii_lowercase()
        };
        let grouped = |info: &KindInfo| {
            let is_group = |group: &str| {
                let rest = info.group.strip_prefix(group).filter(|_| !group.is_empty());
                group == info.group || rest.is_some_and(|rest| rest.starts_with('.'))
            };
            let mut bare = info.versions().filter_map(|version| rest.strip_prefix(version));
            rest.is_empty() || is_group(rest) || bare.any(|group| is_group(group.strip_prefix('.').unwrap_or(group)))
        };
        Kind::all().iter().copied().find(|k| named(k.info()) && grouped(k.info()))
    }

    /// All kinds of a category, such as `all`.
    pub fn by_category(category: &str) -> Vec<Kind> {
        Kind::all().iter().copied().filter(|k| k.info().categories.contains(&category)).collect()
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |kind: &Self| (kind.info().group, kind.info().plural);
        key(self).cmp(&key(other))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().kind)
    }
}

impl Serialize for Kind {
    /// As `apps/v1/Deployment`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.info().api_version(), self.info().kind))
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.rsplit_once('/')
            .and_then(|(api_version, kind)| Kind::by_gvk(api_version, kind))
            .ok_or_else(|| D::Error::custom(format_args!("{text:?} is no supported kind")))
    }
}

/// The Rust type of a kind.
pub trait Resource: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;

    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;

    /// Its metadata, to change.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// Reads it from JSON. This and the two below are compiled once, here: each crate that asks serde for a type has a
    /// copy of its own, and of all that the type is made of.
    ///
    /// # Errors
    /// The bytes are not JSON of its shape.
    fn from_json(bytes: &[u8]) -> serde_json::Result<Self>;

    /// Reads it from a JSON value.
    ///
    /// # Errors
    /// The value has another shape.
    fn from_json_value(value: Value) -> serde_json::Result<Self>;

    /// Its JSON form.
    ///
    /// # Errors
    /// It has a map with keys that are no strings, which no registered kind has.
    fn to_json_value(&self) -> serde_json::Result<Value>;
}

#[cfg(test)]
mod tests {
    use super::{Kind, registry};

    #[test]
    fn words_name_kinds() {
        for (word, expect) in [
            ("po", Some(registry::POD)),
            ("Pods", Some(registry::POD)),
            ("deploy", Some(registry::DEPLOYMENT)),
            ("deployments.apps", Some(registry::DEPLOYMENT)),
            ("deployment.v1.apps", Some(registry::DEPLOYMENT)),
            ("pods.v1", Some(registry::POD)),
            ("pods.v1.", Some(registry::POD)),
            ("lease.coordination", Some(registry::LEASE)),
            ("referencegrants.v1beta1.gateway.networking.k8s.io", Some(registry::REFERENCE_GRANT)),
            ("refgrant.v1.gateway", Some(registry::REFERENCE_GRANT)),
            ("grpcroutes.v1beta1.gateway.networking.k8s.io", None),
            ("deployments.v1", None),
            ("pods.apps", None),
            ("nothing", None),
        ] {
            assert_eq!(Kind::by_alias(word), expect, "{word}");
        }
    }

    #[test]
    fn kinds_go_through_json() {
        for kind in Kind::all() {
            let text = serde_json::to_string(kind).unwrap();
            assert_eq!(serde_json::from_str::<Kind>(&text).unwrap(), *kind);
        }
    }
}
