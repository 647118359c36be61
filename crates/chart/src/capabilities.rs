//! What a chart may know of the cluster it is for: its version, its APIs, and which Helm it is rendered as.

use std::any::Any;

use masthead_gotmpl::function::{Call, Method, Param, Signature};
use masthead_gotmpl::kind::{Elem, Kind, ListType};
use masthead_gotmpl::list::List;
use masthead_gotmpl::object::Object;
use masthead_gotmpl::quote::quote;
use masthead_gotmpl::value::Value;
use serde_json::{Value as Json, json};

/// The version of Helm whose behaviour this crate has.
pub const HELM_VERSION: &str = "v3.21.4";

/// Kubernetes' version that this Helm assumes without a cluster.
pub const KUBE_VERSION: &str = "v1.36.0";

/// The APIs that this Helm assumes without a cluster.
pub const API_VERSIONS: [&str; 53] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha2",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
];

/// The two that Helm adds for definitions of resources.
const EXTENSIONS: [&str; 2] = ["apiextensions.k8s.io/v1beta1", "apiextensions.k8s.io/v1"];

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As the server gives it: `v1.36.0`.
    pub version: String,
    /// `1`
    pub major: String,
    /// `36`
    pub minor: String,
}

/// `.Capabilities`, as given by whoever renders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The cluster's version.
    pub kube_version: KubeVersion,
    /// The APIs it serves, `group/version` and `group/version/Kind`.
    pub api_versions: Vec<String>,
}

impl Default for Capabilities {
    fn default() -> Capabilities {
        Capabilities {
            kube_version: KubeVersion { version: KUBE_VERSION.into(), major: "1".into(), minor: "36".into() },
            api_versions: API_VERSIONS.iter().chain(&EXTENSIONS).map(|version| (*version).to_owned()).collect(),
        }
    }
}

impl KubeVersion {
    /// Reads what `--kube-version` is given, as Kubernetes' `ParseGeneric` does.
    ///
    /// # Errors
    /// Kubernetes' own words.
    pub fn parse(text: &str) -> Result<KubeVersion, String> {
        let quoted = quote(text.as_bytes());
        let body = text.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        let body = body.strip_prefix('v').unwrap_or(body);
        let mut parts: Vec<&str> = Vec::new();
        let mut rest = body;
        loop {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                break;
            }
            parts.push(&rest[..length]);
            match rest[length..].strip_prefix('.') {
                Some(next) => rest = next,
                None => break,
            }
        }
        if parts.is_empty() || body.contains('\n') {
            return Err(format!("could not parse {quoted} as version"));
        }
        if parts.len() < 2 {
            return Err(format!("illegal version string {quoted}"));
        }
        let mut numbers = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let named = quote(part.as_bytes());
            if at == 0 && part.starts_with('0') && *part != "0" {
                return Err(format!("illegal zero-prefixed version component {named} in {quoted}"));
            }
            let number: u64 = part.parse().map_err(|_| {
                format!("illegal non-numeric version component {named} in {quoted}: strconv.ParseUint: parsing {named}: value out of range")
            })?;
            numbers.push(number.to_string());
        }
        let version = format!("v{}", numbers.join("."));
        Ok(KubeVersion { version, major: numbers[0].clone(), minor: numbers[1].clone() })
    }
}

/// `*chartutil.Capabilities` in a template.
pub(crate) struct CapabilitiesObject {
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

impl CapabilitiesObject {
    pub(crate) fn new(capabilities: &Capabilities) -> CapabilitiesObject {
        let items = capabilities.api_versions.iter().map(Value::str).collect();
        CapabilitiesObject {
            kube_version: Value::Object(std::rc::Rc::new(KubeVersionObject {
                version: capabilities.kube_version.clone(),
                is_copy: false,
            })),
            api_versions: Value::List(List::new(&VERSION_SET, items)),
            helm_version: Value::Object(std::rc::Rc::new(HelmVersionObject)),
        }
    }
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> &str {
        "*chartutil.Capabilities"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone()),
            "HelmVersion" => Some(self.helm_version.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        ["KubeVersion", "APIVersions", "HelmVersion"]
            .into_iter()
            .filter_map(|name| self.field(name).map(|value| (name, value)))
            .collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(self.fields())
    }

    fn to_json(&self) -> Result<Json, String> {
        let part = masthead_gotmpl::json::to_json;
        Ok(json!({
            "KubeVersion": part(&self.kube_version)?,
            "APIVersions": part(&self.api_versions)?,
            "HelmVersion": part(&self.helm_version)?,
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `chartutil.VersionSet`
static VERSION_SET: ListType = ListType {
    name: "chartutil.VersionSet",
    elem: Elem::Str,
    methods: &[&Method {
        name: "Has",
        params: &[Param::Str],
        variadic: None,
        call: |_, args| {
            let wanted = args.get(1).and_then(Value::as_bytes);
            let list = args.first().and_then(Value::as_list);
            Ok(Value::Bool(list.is_some_and(|list| list.as_slice().iter().any(|item| item.as_bytes() == wanted))))
        },
    }],
};

/// `chartutil.KubeVersion`, whose pointer has the method `String`: an action prints the field, but not its copy, with it.
struct KubeVersionObject {
    version: KubeVersion,
    is_copy: bool,
}

impl Object for KubeVersionObject {
    fn type_name(&self) -> &str {
        "chartutil.KubeVersion"
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(&self.version.version)),
            "Major" => Some(Value::str(&self.version.major)),
            "Minor" => Some(Value::str(&self.version.minor)),
            _ => None,
        }
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (!self.is_copy && matches!(name, "String" | "GitVersion")).then_some(Signature { params: &[], variadic: None })
    }

    fn call(&self, _call: &mut Call<'_>, _method: &str, _args: &[Value]) -> Result<Value, String> {
        Ok(Value::str(&self.version.version))
    }

    fn printed_in_place(&self) -> Option<String> {
        (!self.is_copy).then(|| self.version.version.clone())
    }

    fn copied(&self) -> Option<Value> {
        let copy = || KubeVersionObject { version: self.version.clone(), is_copy: true };
        (!self.is_copy).then(|| Value::Object(std::rc::Rc::new(copy())))
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        ["Version", "Major", "Minor"]
            .into_iter()
            .filter_map(|name| self.field(name).map(|value| (name, value)))
            .collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(self.fields())
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(json!({"Version": self.version.version, "Major": self.version.major, "Minor": self.version.minor}))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        Some(other.as_any().downcast_ref::<KubeVersionObject>().is_some_and(|other| other.version == self.version))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `version.BuildInfo` of the Helm this crate renders as.
struct HelmVersionObject;

const BUILD: [(&str, &str, &str); 4] = [
    ("Version", "version", HELM_VERSION),
    ("GitCommit", "git_commit", "813176c51bb5c181dbbd7901298ddcc104cd3417"),
    ("GitTreeState", "git_tree_state", "clean"),
    ("GoVersion", "go_version", "go1.26"),
];

impl Object for HelmVersionObject {
    fn type_name(&self) -> &str {
        "version.BuildInfo"
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        BUILD.iter().find(|field| field.0 == name).map(|field| Value::str(field.2))
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        BUILD.iter().map(|field| (field.0, Value::str(field.2))).collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        Some(BUILD.iter().map(|field| (field.1, Value::str(field.2))).collect())
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(BUILD.iter().map(|field| (field.1.to_owned(), Json::from(field.2))).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::KubeVersion;

    fn check(text: &str, expect: Result<(&str, &str, &str), &str>) {
        let got = KubeVersion::parse(text);
        let got = got.as_ref().map(|v| (v.version.as_str(), v.major.as_str(), v.minor.as_str()));
        assert_eq!(got.map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn versions_of_kubernetes() {
        check("1.20", Ok(("v1.20", "1", "20")));
        check("v1.29.3-gke.100", Ok(("v1.29.3", "1", "29")));
        check("1.27.0+k3s1", Ok(("v1.27.0", "1", "27")));
        check("abc", Err("could not parse \"abc\" as version"));
        check("1", Err("illegal version string \"1\""));
        check("1.020x", Ok(("v1.20", "1", "20")));
        check("01.2", Err("illegal zero-prefixed version component \"01\" in \"01.2\""));
    }
}
