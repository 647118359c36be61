//! The registry of kinds → discovery documents, aggregated and legacy, as Kubernetes writes them.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use masthead_api::kind::{Kind, KindInfo};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

/// The media type of the aggregated form.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Subresources that are served, of those that a kind has.
const SERVED: &[&str] = &["attach", "eviction", "exec", "log", "portforward"];

/// The verbs of every resource. Objects are made and changed in git: `create`, `patch` and `update` judge with
/// `dryRun=All`.
const VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

static CORE: LazyLock<Document> = LazyLock::new(|| Document::of(&aggregated(true)));
static GROUPS: LazyLock<Document> = LazyLock::new(|| Document::of(&aggregated(false)));

struct Document {
    body: String,
    etag: String,
}

impl Document {
    fn of(body: &Value) -> Document {
        let body = body.to_string();
        let digest = Sha512::digest(body.as_bytes());
        let etag = digest.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        Document { body, etag: format!("\"{etag}\"") }
    }
}

/// `/api`.
pub fn core(headers: &HeaderMap) -> Response {
    answer(headers, &CORE, || json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
}

/// `/apis`.
pub fn groups(headers: &HeaderMap) -> Response {
    answer(headers, &GROUPS, group_list)
}

fn answer(headers: &HeaderMap, document: &Document, legacy: impl Fn() -> Value) -> Response {
    let accept = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let wants = |range: &str| {
        range.contains("g=apidiscovery.k8s.io") && range.contains("v=v2;") && range.contains("as=APIGroupDiscoveryList")
    };
    let mut response = if !accept.map(|range| range.replace(' ', "")).any(|range| wants(&format!("{range};"))) {
        json(&legacy())
    } else if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == document.etag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, AGGREGATED)], document.body.clone()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// `/apis/<group>`; `None` when there is no such group.
pub fn group(name: &str) -> Option<Response> {
    let mut group = by_group(false).iter().find(|group| group.name == name).map(group_entry)?;
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(json(&group))
}

/// `/api/v1`, `/apis/<group>/<version>`; `None` when there is no such version.
pub fn version(group: &str, version: &str) -> Option<Response> {
    resource_list(group, version).map(|body| json(&body))
}

fn json(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A group with its versions, the preferred one first, and the kinds of each.
pub(in crate::server) struct Group {
    /// Its name; empty for the core group.
    pub name: &'static str,
    /// Its versions with their kinds.
    pub versions: Vec<(&'static str, Vec<&'static KindInfo>)>,
}

impl Group {
    /// A version with its group: `apps/v1`.
    fn version(&self, version: &str) -> String {
        if self.name.is_empty() { version.to_owned() } else { format!("{}/{version}", self.name) }
    }
}

/// The groups, in the registry's order. Of their versions those come first in which kinds are stored.
pub(in crate::server) fn by_group(is_core: bool) -> Vec<Group> {
    let infos = || Kind::all().iter().map(|kind| kind.info()).filter(|info| info.group.is_empty() == is_core);
    let mut out: Vec<Group> = Vec::new();
    for info in infos() {
        if !out.iter().any(|group| group.name == info.group) {
            out.push(Group { name: info.group, versions: Vec::new() });
        }
    }
    for group in &mut out {
        let members = || infos().filter(|info| info.group == group.name);
        let stored = members().map(|info| info.version);
        for version in stored.chain(members().flat_map(KindInfo::versions)) {
            if !group.versions.iter().any(|(known, _)| *known == version) {
                let mut kinds: Vec<_> = members().filter(|info| info.is_served_in(version)).collect();
                kinds.sort_by_key(|info| info.plural);
                group.versions.push((version, kinds));
            }
        }
    }
    out
}

fn subresources(info: &KindInfo) -> impl Iterator<Item = (&'static str, [&'static str; 3], &'static [&'static str])> {
    // The kind's name, then its group and version where they are not the parent's.
    info.subresources.iter().filter(|sub| SERVED.contains(sub)).map(|sub| match *sub {
        "attach" => ("attach", ["PodAttachOptions", "", ""], &["create", "get"][..]),
        "exec" => ("exec", ["PodExecOptions", "", ""], &["create", "get"][..]),
        "portforward" => ("portforward", ["PodPortForwardOptions", "", ""], &["create", "get"][..]),
        "eviction" => ("eviction", ["Eviction", "policy", "v1"], &["create"][..]),
        other => (other, ["Pod", "", ""], &["get"][..]),
    })
}

fn aggregated(is_core: bool) -> Value {
    let version = |(version, kinds): (&str, Vec<&'static KindInfo>)| {
        let resources: Vec<Value> = kinds.into_iter().map(aggregated_resource).collect();
        json!({ "version": version, "resources": resources, "freshness": "Current" })
    };
    let items: Vec<Value> = by_group(is_core)
        .into_iter()
        .map(|group| {
            let metadata = if is_core { json!({}) } else { json!({ "name": group.name }) };
            json!({ "metadata": metadata, "versions": group.versions.into_iter().map(version).collect::<Vec<_>>() })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregated_resource(info: &KindInfo) -> Value {
    let mut out = json!({
        "resource": info.plural,
        "responseKind": { "group": "", "version": "", "kind": info.kind },
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": info.singular,
        "verbs": VERBS,
    });
    if !info.short_names.is_empty() {
        out["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        out["categories"] = json!(info.categories);
    }
    let subs: Vec<Value> = subresources(info)
        .map(|(name, [kind, group, version], verbs)| json!({ "subresource": name, "responseKind": { "group": group, "version": version, "kind": kind }, "verbs": verbs }))
        .collect();
    if !subs.is_empty() {
        out["subresources"] = json!(subs);
    }
    out
}

fn group_entry(group: &Group) -> Value {
    let version = |(version, _): &(&str, _)| json!({ "groupVersion": group.version(version), "version": version });
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({ "name": group.name, "versions": versions, "preferredVersion": versions.first() })
}

fn group_list() -> Value {
    let groups: Vec<Value> = by_group(false).iter().map(group_entry).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resource_list(group: &str, version: &str) -> Option<Value> {
    let found = by_group(group.is_empty()).into_iter().find(|found| found.name == group)?;
    let (_, kinds) = found.versions.iter().find(|(served, _)| *served == version)?;
    let mut resources = Vec::new();
    for info in kinds {
        resources.push(legacy_resource(info));
        for (name, [kind, group, version], verbs) in subresources(info) {
            let mut sub = json!({ "name": format!("{}/{name}", info.plural), "singularName": "", "namespaced": info.namespaced, "kind": kind, "verbs": verbs });
            if !group.is_empty() {
                sub["group"] = group.into();
                sub["version"] = version.into();
            }
            resources.push(sub);
        }
    }
    let mut list = Map::new();
    list.insert("kind".into(), "APIResourceList".into());
    if !group.is_empty() {
        list.insert("apiVersion".into(), "v1".into());
    }
    list.insert("groupVersion".into(), found.version(version).into());
    list.insert("resources".into(), resources.into());
    Some(list.into())
}

fn legacy_resource(info: &KindInfo) -> Value {
    let mut out = json!({ "name": info.plural, "singularName": info.singular, "namespaced": info.namespaced, "kind": info.kind, "verbs": VERBS });
    if !info.short_names.is_empty() {
        out["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        out["categories"] = json!(info.categories);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn corpus(file: &str) -> Option<Value> {
        let shared = std::env::var_os("MASTHEAD_SHARED")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
        let path = shared.join("corpus/api/openapi").join(file);
        match std::fs::read(&path) {
            Ok(body) => Some(serde_json::from_slice(&body).unwrap()),
            Err(_) => {
                eprintln!("skipped: no {}", path.display());
                None
            }
        }
    }

    fn find<'a>(list: &'a Value, field: &str, name: &Value) -> Option<&'a Value> {
        list.as_array()?.iter().find(|entry| entry.pointer(field) == Some(name))
    }

    /// Everything but the verbs of resources is as recorded; ours are a part of the recorded ones.
    fn same_resource(ours: &Value, theirs: &Value) {
        let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
        let verbs = |value: &Value| value["verbs"].as_array().cloned().unwrap_or_default();
        for verb in verbs(&ours) {
            assert!(verbs(&theirs).contains(&verb), "{ours}: {verb}");
        }
        for value in [&mut ours, &mut theirs] {
            let map = value.as_object_mut().unwrap();
            map.remove("verbs");
            map.remove("subresources");
            map.remove("storageVersionHash");
        }
        assert_eq!(ours, theirs);
    }

    /// Groups of kinds that no plain Kubernetes has: Masthead's own, and one that is installed into clusters.
    const OTHER_GROUPS: [&str; 2] = ["masthead.dev", "gateway.networking.k8s.io"];

    fn is_other(name: &Value) -> bool {
        OTHER_GROUPS.iter().any(|group| name == group)
    }

    #[test]
    fn the_aggregated_documents_are_a_part_of_the_recorded_ones() {
        for (file, ours) in [("discovery-api.json", aggregated(true)), ("discovery-apis.json", aggregated(false))] {
            let Some(theirs) = corpus(file) else { return };
            assert_eq!(
                (&ours["kind"], &ours["apiVersion"], &ours["metadata"]),
                (&theirs["kind"], &theirs["apiVersion"], &theirs["metadata"])
            );
            for group in ours["items"].as_array().unwrap() {
                let name = group.pointer("/metadata/name").cloned();
                // Kubernetes has no such group.
                if name.as_ref().is_some_and(is_other) {
                    continue;
                }
                let recorded =
                    theirs["items"].as_array().unwrap().iter().find(|g| g.pointer("/metadata/name").cloned() == name);
                let recorded = &recorded.unwrap_or_else(|| panic!("group {name:?}"))["versions"];
                for version in group["versions"].as_array().unwrap() {
                    let recorded = find(recorded, "/version", &version["version"]).unwrap();
                    assert_eq!(version["freshness"], recorded["freshness"]);
                    for resource in version["resources"].as_array().unwrap() {
                        let recorded = find(&recorded["resources"], "/resource", &resource["resource"]).unwrap();
                        same_resource(resource, recorded);
                        for sub in resource["subresources"].as_array().into_iter().flatten() {
                            same_resource(
                                sub,
                                find(&recorded["subresources"], "/subresource", &sub["subresource"]).unwrap(),
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_legacy_documents_are_a_part_of_the_recorded_ones() {
        let (Some(resources), Some(groups)) = (corpus("legacy-resources.json"), corpus("legacy-apis.json")) else {
            return;
        };
        let ours = group_list();
        for group in ours["groups"].as_array().unwrap().iter().filter(|group| !is_other(&group["name"])) {
            assert_eq!(find(&groups["groups"], "/name", &group["name"]), Some(group));
        }
        for (path, group, version) in [
            ("/api/v1", "", "v1"),
            ("/apis/apps/v1", "apps", "v1"),
            ("/apis/batch/v1", "batch", "v1"),
            ("/apis/coordination.k8s.io/v1", "coordination.k8s.io", "v1"),
        ] {
            let (ours, theirs) = (resource_list(group, version).unwrap(), &resources[path]);
            for field in ["kind", "apiVersion", "groupVersion"] {
                assert_eq!(ours.get(field), theirs.get(field), "{path} {field}");
            }
            for resource in ours["resources"].as_array().unwrap() {
                same_resource(
                    resource,
                    find(&theirs["resources"], "/name", &resource["name"]).unwrap_or_else(|| panic!("{resource}")),
                );
            }
        }
        assert!(
            resource_list("apps", "v2").is_none() && version("nothing", "v1").is_none() && group("nothing").is_none()
        );
    }

    #[test]
    fn a_group_has_all_versions_of_its_kinds() {
        let gateways = |list: &Value, at: &str| -> Vec<Value> {
            let is_it = |group: &&Value| group.pointer(at).is_some_and(|name| name == "gateway.networking.k8s.io");
            list.as_array().unwrap().iter().filter(is_it).cloned().collect()
        };
        let aggregated = aggregated(false);
        let found = gateways(&aggregated["items"], "/metadata/name");
        let versions = found[0]["versions"].as_array().unwrap();
        let names = |version: &Value| -> Vec<Value> {
            version["resources"].as_array().unwrap().iter().map(|resource| resource["resource"].clone()).collect()
        };
        let all = ["gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants"];
        let old = ["gatewayclasses", "gateways", "httproutes", "referencegrants"];
        assert_eq!((found.len(), versions.len()), (1, 2), "one group, in which each version is once");
        assert_eq!((&versions[0]["version"], names(&versions[0])), (&json!("v1"), all.map(Value::from).to_vec()));
        assert_eq!((&versions[1]["version"], names(&versions[1])), (&json!("v1beta1"), old.map(Value::from).to_vec()));
        let legacy = gateways(&group_list()["groups"], "/name").remove(0);
        assert_eq!(
            legacy["preferredVersion"],
            json!({"groupVersion": "gateway.networking.k8s.io/v1", "version": "v1"})
        );
        assert_eq!(legacy["versions"][1]["groupVersion"], "gateway.networking.k8s.io/v1beta1");
        let listed = resource_list("gateway.networking.k8s.io", "v1beta1").unwrap();
        assert_eq!(listed["groupVersion"], "gateway.networking.k8s.io/v1beta1");
        assert_eq!(listed["resources"][3]["name"], "referencegrants");
    }

    #[test]
    fn the_form_follows_what_is_accepted() {
        let with = |accept: &str, etag: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            if let Some(etag) = etag {
                headers.insert(header::IF_NONE_MATCH, etag.parse().unwrap());
            }
            let response = groups(&headers);
            let text = |name| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
            (response.status().as_u16(), text(header::CONTENT_TYPE), text(header::ETAG).unwrap())
        };
        let kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        let (code, form, etag) = with(kubectl, None);
        assert_eq!((code, form.as_deref()), (200, Some(AGGREGATED)));
        assert_eq!(etag.len(), 130);
        assert_eq!(with(kubectl, Some(&etag)).0, 304);
        assert_eq!(with("application/json", None).1.as_deref(), Some("application/json"));
        assert_eq!(
            with("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", None).1.as_deref(),
            Some("application/json")
        );
    }
}
