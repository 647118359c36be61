//! Installed charts: which chart, with which values, under which name.

use serde_json::Value;

use crate::meta::object_meta::ObjectMeta;
use crate::schema::object::object;

/// Hooks become ordered steps of the rollout.
pub const HOOKS_RUN: &str = "Run";
/// Hooks are left out.
pub const HOOKS_SKIP: &str = "Skip";

object! {
    /// A chart as it is installed, in the namespace of its objects.
    pub struct Release {
        api_version: String = "apiVersion", 102, [omitempty];
        kind: String = "kind", 101, [omitempty];
        metadata: ObjectMeta = "metadata", 1, [omitempty];
        spec: ReleaseSpec = "spec", 2, [omitempty];
    }

    /// What is installed, and how.
    pub struct ReleaseSpec {
        chart: ReleaseChart = "chart", 1, [];
        release_name: String = "releaseName", 2, [omitempty];
        values: Value = "values", 3, [omitempty];
        values_from: Vec<ValuesSource> = "valuesFrom", 4, [omitempty, list_atomic];
        include_crds: Option<bool> = "includeCRDs", 5, [omitempty];
        hooks: String = "hooks", 6, [omitempty];
        skip_schema_validation: bool = "skipSchemaValidation", 7, [omitempty];
        suspend: bool = "suspend", 8, [omitempty];
    }

    /// Where the chart is: a folder of this repository, or elsewhere under a name.
    pub struct ReleaseChart {
        path: String = "path", 1, [omitempty];
        repository: String = "repository", 2, [omitempty];
        name: String = "name", 3, [omitempty];
        version: String = "version", 4, [omitempty];
    }

    /// Values from elsewhere; later ones win over earlier ones, and `values` over all of them.
    pub struct ValuesSource {
        file: String = "file", 1, [omitempty];
        config_map: Option<ValuesKey> = "configMap", 2, [omitempty];
        secret: Option<ValuesKey> = "secret", 3, [omitempty];
    }

    /// A key of an object in the release's namespace that holds values as YAML.
    pub struct ValuesKey {
        name: String = "name", 1, [];
        key: String = "key", 2, [omitempty];
        optional: bool = "optional", 3, [omitempty];
    }
}
