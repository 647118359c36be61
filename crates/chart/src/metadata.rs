//! Chart.yaml and requirements.yaml to what they say, checked as Helm checks it.

use std::collections::BTreeSet;

use masthead_gotmpl::quote::quote;
use masthead_sprig::golang::path;
use masthead_sprig::golang::unicode;
use masthead_sprig::semver::version;
use serde_json::{Map, Value as Json, json};

use crate::decode::{Decoder, yaml};
use crate::tree::Tree;

/// A chart of Helm 2's time.
pub const V1: &str = "v1";
/// A chart whose dependencies stand in Chart.yaml.
pub const V2: &str = "v2";

/// Helm's `chart.Metadata`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// The chart's name.
    pub name: String,
    /// A project's page.
    pub home: String,
    /// Where its sources are.
    pub sources: Option<Vec<String>>,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Words to find it by.
    pub keywords: Option<Vec<String>>,
    /// Who keeps it; an entry that is null is none.
    pub maintainers: Option<Vec<Option<Maintainer>>>,
    /// URL of an icon.
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    /// Not used by Helm 3.
    pub condition: String,
    /// Not used by Helm 3.
    pub tags: String,
    /// Version of what it installs.
    pub app_version: String,
    /// Whether it should not be used any more.
    pub deprecated: bool,
    /// Free for other programs.
    pub annotations: Option<Vec<(String, String)>>,
    /// Which versions of Kubernetes it is for.
    pub kube_version: String,
    /// The charts it needs; an entry that is null is none.
    pub dependencies: Option<Vec<Option<Dependency>>>,
    /// `application`, `library` or nothing.
    pub typ: String,
}

/// Helm's `chart.Maintainer`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maintainer {
    /// A name.
    pub name: String,
    /// An address.
    pub email: String,
    /// A page.
    pub url: String,
}

/// Helm's `chart.Dependency`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// The chart's name.
    pub name: String,
    /// A version or a range.
    pub version: String,
    /// Where it is found.
    pub repository: String,
    /// Paths of values, of which the first that is a boolean switches it.
    pub condition: String,
    /// Names under `tags` of the values that switch it.
    pub tags: Option<Vec<String>>,
    /// Whether it is switched on; set while values are put together.
    pub enabled: bool,
    /// What of its values the parent takes over.
    pub import_values: Option<Vec<Tree>>,
    /// Whether that was done: `import_values` are maps of two strings then.
    pub imported: bool,
    /// The name it goes by.
    pub alias: String,
}

const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

impl Metadata {
    /// Reads a text over what is there: its fields win.
    ///
    /// # Errors
    /// What `yaml.Unmarshal` says.
    pub fn read(&mut self, text: &[u8]) -> Result<(), String> {
        let json = yaml(text)?;
        let mut decoder = Decoder::new("chart.Metadata");
        decoder.root(json, "Metadata", &FIELDS, |decoder, field, json| self.field(decoder, field, json));
        decoder.finish()
    }

    fn field(&mut self, decoder: &mut Decoder, field: &str, json: Json) {
        match field {
            "name" => decoder.string(json, &mut self.name),
            "home" => decoder.string(json, &mut self.home),
            "sources" => decoder.strings(json, &mut self.sources),
            "version" => decoder.string(json, &mut self.version),
            "description" => decoder.string(json, &mut self.description),
            "keywords" => decoder.strings(json, &mut self.keywords),
            "maintainers" => {
                if let Some(items) = decoder.array(json, "[]*chart.Maintainer", &mut self.maintainers) {
                    self.maintainers = Some(items.into_iter().map(|item| maintainer(decoder, item)).collect());
                }
            }
            "icon" => decoder.string(json, &mut self.icon),
            "apiVersion" => decoder.string(json, &mut self.api_version),
            "condition" => decoder.string(json, &mut self.condition),
            "tags" => decoder.string(json, &mut self.tags),
            "appVersion" => decoder.string(json, &mut self.app_version),
            "deprecated" => decoder.boolean(json, &mut self.deprecated),
            "annotations" => decoder.string_map(json, &mut self.annotations),
            "kubeVersion" => decoder.string(json, &mut self.kube_version),
            "dependencies" => dependencies(decoder, json, &mut self.dependencies),
            _ => decoder.string(json, &mut self.typ),
        }
    }

    /// Helm's `Validate`: cleans the texts and checks what must be there.
    ///
    /// # Errors
    /// Helm's words, `validation: ` in front.
    pub fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(text);
        }
        self.sources.iter_mut().flatten().for_each(sanitize);
        self.keywords.iter_mut().flatten().for_each(sanitize);
        self.check().map_err(|words| format!("validation: {words}"))
    }

    fn check(&mut self) -> Result<(), String> {
        let named = |words: &str| Err(words.to_owned());
        if self.api_version.is_empty() {
            return named("chart.metadata.apiVersion is required");
        }
        if self.name.is_empty() {
            return named("chart.metadata.name is required");
        }
        if self.name == "." || self.name == ".." {
            return Err(format!("chart.metadata.name {} is not allowed", quote(self.name.as_bytes())));
        }
        if path::base(self.name.as_bytes()) != self.name.as_bytes() {
            return Err(format!("chart.metadata.name {} is invalid", quote(self.name.as_bytes())));
        }
        if self.version.is_empty() {
            return named("chart.metadata.version is required");
        }
        if version::parse(self.version.as_bytes()).is_err() {
            return Err(format!("chart.metadata.version {} is invalid", quote(self.version.as_bytes())));
        }
        if !matches!(self.typ.as_str(), "" | "application" | "library") {
            return named("chart.metadata.type must be application or library");
        }
        for maintainer in self.maintainers.iter_mut().flatten() {
            let Some(maintainer) = maintainer else { return named("maintainers must not contain empty or null nodes") };
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        let mut seen = BTreeSet::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            let Some(dependency) = dependency else {
                return named("dependencies must not contain empty or null nodes");
            };
            dependency.check()?;
            let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
            if !seen.insert(key.clone()) {
                return Err(format!("more than one dependency with name or alias {}", quote(key.as_bytes())));
            }
        }
        Ok(())
    }

    /// Is it a library, whose templates only other charts use?
    pub fn is_library(&self) -> bool {
        self.typ.eq_ignore_ascii_case("library")
    }

    /// The JSON that Go makes of it: what is empty is left out.
    pub fn to_json(&self) -> Json {
        let mut out = Map::new();
        let mut text = |key: &str, value: &str| {
            if !value.is_empty() {
                out.insert(key.to_owned(), Json::from(value));
            }
        };
        text("name", &self.name);
        text("home", &self.home);
        text("version", &self.version);
        text("description", &self.description);
        text("icon", &self.icon);
        text("apiVersion", &self.api_version);
        text("condition", &self.condition);
        text("tags", &self.tags);
        text("appVersion", &self.app_version);
        text("kubeVersion", &self.kube_version);
        text("type", &self.typ);
        if self.deprecated {
            out.insert("deprecated".to_owned(), Json::Bool(true));
        }
        for (key, list) in [("sources", &self.sources), ("keywords", &self.keywords)] {
            if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
                out.insert(key.to_owned(), json!(list));
            }
        }
        if let Some(list) = self.maintainers.as_ref().filter(|list| !list.is_empty()) {
            let list = list.iter().map(|entry| entry.as_ref().map_or(Json::Null, Maintainer::to_json)).collect();
            out.insert("maintainers".to_owned(), list);
        }
        if let Some(map) = self.annotations.as_ref().filter(|map| !map.is_empty()) {
            let map = map.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect();
            out.insert("annotations".to_owned(), Json::Object(map));
        }
        if let Some(list) = self.dependencies.as_ref().filter(|list| !list.is_empty()) {
            let list = list.iter().map(|entry| entry.as_ref().map_or(Json::Null, Dependency::to_json)).collect();
            out.insert("dependencies".to_owned(), list);
        }
        Json::Object(out)
    }
}

fn maintainer(decoder: &mut Decoder, json: Json) -> Option<Maintainer> {
    let mut into = Maintainer::default();
    let there =
        decoder.fields(json, "Maintainer", "chart.Maintainer", &["name", "email", "url"], |decoder, field, json| {
            decoder.string(
                json,
                match field {
                    "name" => &mut into.name,
                    "email" => &mut into.email,
                    _ => &mut into.url,
                },
            );
        });
    there.then_some(into)
}

/// Decodes a list of dependencies.
pub(crate) fn dependencies(decoder: &mut Decoder, json: Json, into: &mut Option<Vec<Option<Dependency>>>) {
    if let Some(items) = decoder.array(json, "[]*chart.Dependency", into) {
        *into = Some(items.into_iter().map(|item| dependency(decoder, item)).collect());
    }
}

fn dependency(decoder: &mut Decoder, json: Json) -> Option<Dependency> {
    let names = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
    let mut into = Dependency::default();
    let there = decoder.fields(json, "Dependency", "chart.Dependency", &names, |decoder, field, json| match field {
        "name" => decoder.string(json, &mut into.name),
        "version" => decoder.string(json, &mut into.version),
        "repository" => decoder.string(json, &mut into.repository),
        "condition" => decoder.string(json, &mut into.condition),
        "tags" => decoder.strings(json, &mut into.tags),
        "enabled" => decoder.boolean(json, &mut into.enabled),
        "import-values" => decoder.values(json, &mut into.import_values),
        _ => decoder.string(json, &mut into.alias),
    });
    there.then_some(into)
}

impl Maintainer {
    /// The JSON that Go makes of it.
    pub fn to_json(&self) -> Json {
        let fields = [("name", &self.name), ("email", &self.email), ("url", &self.url)];
        let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
        Json::Object(fields.map(|(key, text)| (key.to_owned(), Json::from(text.as_str()))).collect())
    }
}

impl Dependency {
    fn check(&mut self) -> Result<(), String> {
        [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition].into_iter().for_each(sanitize);
        self.tags.iter_mut().flatten().for_each(sanitize);
        if self.alias.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
            return Ok(());
        }
        Err(format!("dependency {} has disallowed characters in the alias", quote(self.name.as_bytes())))
    }

    /// The fields in the order of Go's struct, as `json.Marshal` writes them.
    pub fn fields_json(&self) -> Vec<(&'static str, Json)> {
        let mut out = vec![("name", Json::from(self.name.as_str()))];
        if !self.version.is_empty() {
            out.push(("version", Json::from(self.version.as_str())));
        }
        out.push(("repository", Json::from(self.repository.as_str())));
        if !self.condition.is_empty() {
            out.push(("condition", Json::from(self.condition.as_str())));
        }
        if let Some(tags) = self.tags.as_ref().filter(|tags| !tags.is_empty()) {
            out.push(("tags", json!(tags)));
        }
        if self.enabled {
            out.push(("enabled", Json::Bool(true)));
        }
        if let Some(items) = self.import_values.as_ref().filter(|items| !items.is_empty()) {
            out.push(("import-values", items.iter().map(Tree::to_json).collect()));
        }
        if !self.alias.is_empty() {
            out.push(("alias", Json::from(self.alias.as_str())));
        }
        out
    }

    /// The JSON that Go makes of it.
    pub fn to_json(&self) -> Json {
        Json::Object(self.fields_json().into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// White space to blanks; what can't be printed goes.
fn sanitize(text: &mut String) {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| if unicode::is_space(c) { Some(' ') } else { unicode::is_print(c).then_some(c) })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    fn read(text: &str) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        metadata.read(text.as_bytes())?;
        Ok(metadata)
    }

    fn refuses(text: &str, expect: &str) {
        assert_eq!(read(text), Err(format!("error unmarshaling JSON: while decoding JSON: json: {expect}")), "{text}");
    }

    /// Every expectation was printed by Go.
    #[test]
    fn decodes_as_go_does() {
        assert_eq!(
            read("version: 1.10\nappVersion: 1_000").map(|m| (m.version, m.app_version)),
            Ok(("1.1".into(), "1000".into()))
        );
        assert_eq!(read("appVersion: 123456789.123").map(|m| m.app_version), Ok("1.2345679e+08".into()));
        assert_eq!(read("NAME: upper\nVersion: 2").map(|m| (m.name, m.version)), Ok(("upper".into(), "2".into())));
        assert_eq!(
            read("appVersion: 1e3\nname: true").map(|m| (m.app_version, m.name)),
            Ok(("1000".into(), "true".into()))
        );
        refuses("name: [a]", "cannot unmarshal array into Go struct field Metadata.name of type string");
        refuses("keywords: abc", "cannot unmarshal string into Go struct field Metadata.keywords of type []string");
        refuses("keywords: [1, [1]]", "cannot unmarshal array into Go struct field Metadata.keywords of type string");
        refuses(
            "maintainers: [foo]",
            "cannot unmarshal string into Go struct field Metadata.maintainers of type chart.Maintainer",
        );
        refuses(
            "maintainers: [{name: [1]}]",
            "cannot unmarshal array into Go struct field Maintainer.maintainers.name of type string",
        );
        refuses("deprecated: 'true'", "cannot unmarshal string into Go struct field Metadata.deprecated of type bool");
        refuses(
            "annotations: foo",
            "cannot unmarshal string into Go struct field Metadata.annotations of type map[string]string",
        );
        refuses("- a", "cannot unmarshal array into Go value of type chart.Metadata");
    }

    #[test]
    fn validates_as_helm_does() {
        let check = |text: &str, expect: &str| {
            let mut metadata = read(text).unwrap_or_default();
            assert_eq!(metadata.validate(), Err(format!("validation: {expect}")), "{text}");
        };
        check("name: a", "chart.metadata.apiVersion is required");
        check("apiVersion: v2", "chart.metadata.name is required");
        check("apiVersion: v2\nname: ..", "chart.metadata.name \"..\" is not allowed");
        check("apiVersion: v2\nname: a/b", "chart.metadata.name \"a/b\" is invalid");
        check("apiVersion: v2\nname: a", "chart.metadata.version is required");
        check("apiVersion: v2\nname: a\nversion: x", "chart.metadata.version \"x\" is invalid");
        check("apiVersion: v2\nname: a\nversion: 1.0.0\ntype: x", "chart.metadata.type must be application or library");
        check(
            "apiVersion: v2\nname: a\nversion: 1.0.0\nmaintainers: [null]",
            "maintainers must not contain empty or null nodes",
        );
        check(
            "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: x, alias: y z}]",
            "dependency \"x\" has disallowed characters in the alias",
        );
        check(
            "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies: [{name: x}, {name: y, alias: x}]",
            "more than one dependency with name or alias \"x\"",
        );
    }
}
