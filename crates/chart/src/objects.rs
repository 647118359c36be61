//! What templates see of a chart: `.Files` and `.Chart`, with Go's types and methods.

use std::any::Any;
use std::rc::Rc;

use masthead_gotmpl::function::{Method, Param};
use masthead_gotmpl::kind::{Elem, Kind, LIST_ANY, LIST_STR, ListType, MAP_STR, MapType};
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::object::Object;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::golang::path;
use masthead_yaml::emit;
use serde_json::Value as Json;

use crate::chart::File;
use crate::file_glob::Pattern;
use crate::metadata::{Dependency, Maintainer, Metadata};
use crate::tree::Tree;
use crate::values_methods::METHODS;

/// `chartutil.Values`
pub(crate) static VALUES: MapType = MapType { name: "chartutil.Values", elem: Elem::Any, methods: &METHODS };

/// `engine.files`
static FILES: MapType = MapType {
    name: "engine.files",
    elem: Elem::Bytes,
    methods: &[
        &Method { name: "Get", params: &[Param::Str], variadic: None, call: |_, args| Ok(Value::Str(content(args))) },
        &Method {
            name: "GetBytes",
            params: &[Param::Str],
            variadic: None,
            call: |_, args| Ok(Value::Bytes(content(args))),
        },
        &Method { name: "Glob", params: &[Param::Str], variadic: None, call: |_, args| Ok(glob(args)) },
        &Method { name: "Lines", params: &[Param::Str], variadic: None, call: |_, args| Ok(lines(args)) },
        &Method {
            name: "AsConfig",
            params: &[],
            variadic: None,
            call: |_, args| Ok(yaml(args, |data| data.to_str_lossy().into_owned())),
        },
        &Method {
            name: "AsSecrets",
            params: &[],
            variadic: None,
            call: |_, args| Ok(yaml(args, |data| base64(data.as_bytes()))),
        },
    ],
};

/// `.Files` of a chart.
pub(crate) fn files(files: &[File]) -> Value {
    let pairs = files.iter().map(|file| (Str::from(&file.name), Value::Bytes(file.data.clone()))).collect();
    Value::Map(Map::from_pairs(&FILES, pairs))
}

fn receiver(args: &[Value]) -> Map {
    args.first().and_then(Value::as_map).cloned().unwrap_or_else(|| Map::nil(&FILES))
}

fn content(args: &[Value]) -> Str {
    let name = args.get(1).and_then(Value::as_bytes).unwrap_or_default();
    match receiver(args).get(name) {
        Some(Value::Bytes(data)) => data,
        _ => Str::EMPTY,
    }
}

fn glob(args: &[Value]) -> Value {
    let pattern =
        args.get(1).and_then(Value::as_string).map(|text| text.to_str_lossy().into_owned()).unwrap_or_default();
    let pattern = Pattern::parse(&pattern).unwrap_or_else(Pattern::everything);
    let all = receiver(args).entries();
    let found = all.iter().filter(|(name, _)| pattern.matches(&name.to_str_lossy())).cloned().collect();
    Value::Map(Map::from_pairs(&FILES, found))
}

fn lines(args: &[Value]) -> Value {
    let data = content(args);
    if data.is_empty() {
        return Value::List(List::strs(Vec::<Str>::new()));
    }
    let bytes = data.as_bytes();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    Value::List(List::strs(bytes.split(|byte| *byte == b'\n')))
}

/// The files by the last part of their names, as YAML.
fn yaml(args: &[Value], text: impl Fn(&Str) -> String) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, data) in receiver(args).entries().iter() {
        let name = String::from_utf8_lossy(path::base(name.as_bytes())).into_owned();
        if let Value::Bytes(data) = data {
            fields.insert(name, Json::String(text(data)));
        }
    }
    let mut text = emit::to_string(&Json::Object(fields));
    if text.ends_with('\n') {
        text.pop();
    }
    Value::str(text)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            text.push(if at <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

/// `.Chart`: the metadata's fields, and whether the chart is at the top.
pub(crate) struct ChartObject {
    metadata: Rc<MetadataObject>,
    is_root: bool,
}

impl ChartObject {
    pub(crate) fn new(metadata: Metadata, is_root: bool) -> ChartObject {
        ChartObject { metadata: Rc::new(MetadataObject(metadata)), is_root }
    }
}

impl Object for ChartObject {
    fn type_name(&self) -> &str {
        "struct { chart.Metadata; IsRoot bool }"
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Metadata" => Some(Value::Object(Rc::clone(&self.metadata) as Rc<dyn Object>)),
            "IsRoot" => Some(Value::Bool(self.is_root)),
            _ => self.metadata.field(name),
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        ["Metadata", "IsRoot"].into_iter().filter_map(|name| self.field(name).map(|value| (name, value))).collect()
    }

    fn embedded(&self) -> Option<&'static str> {
        Some("Metadata")
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let mut fields = self.metadata.json_fields()?;
        fields.push(("IsRoot", Value::Bool(self.is_root)));
        Some(fields)
    }

    fn to_json(&self) -> Result<Json, String> {
        let mut json = self.metadata.0.to_json();
        if let Json::Object(fields) = &mut json {
            fields.insert("IsRoot".to_owned(), Json::Bool(self.is_root));
        }
        Ok(json)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `chart.Metadata`
struct MetadataObject(Metadata);

const METADATA: [&str; 17] = [
    "Name",
    "Home",
    "Sources",
    "Version",
    "Description",
    "Keywords",
    "Maintainers",
    "Icon",
    "APIVersion",
    "Condition",
    "Tags",
    "AppVersion",
    "Deprecated",
    "Annotations",
    "KubeVersion",
    "Dependencies",
    "Type",
];

/// The keys of the fields in JSON.
const JSON_NAMES: [&str; 17] = [
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

/// `[]*chart.Maintainer`
static MAINTAINERS: ListType =
    ListType { name: "[]*chart.Maintainer", elem: Elem::Object("*chart.Maintainer"), methods: &[] };

/// `[]*chart.Dependency`
static DEPENDENCIES: ListType =
    ListType { name: "[]*chart.Dependency", elem: Elem::Object("*chart.Dependency"), methods: &[] };

fn strings(list: Option<&Vec<String>>) -> Value {
    Value::List(list.map_or_else(|| List::nil(&LIST_STR), |list| List::strs(list.iter().map(String::as_str))))
}

impl Object for MetadataObject {
    fn type_name(&self) -> &str {
        "chart.Metadata"
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        let chart = &self.0;
        Some(match name {
            "Name" => Value::str(&chart.name),
            "Home" => Value::str(&chart.home),
            "Sources" => strings(chart.sources.as_ref()),
            "Version" => Value::str(&chart.version),
            "Description" => Value::str(&chart.description),
            "Keywords" => strings(chart.keywords.as_ref()),
            "Maintainers" => match &chart.maintainers {
                None => Value::List(List::nil(&MAINTAINERS)),
                Some(list) => {
                    let object = |entry: &Option<Maintainer>| match entry {
                        Some(maintainer) => Value::Object(Rc::new(MaintainerObject(maintainer.clone()))),
                        None => Value::Nil,
                    };
                    Value::List(List::new(&MAINTAINERS, list.iter().map(object).collect()))
                }
            },
            "Icon" => Value::str(&chart.icon),
            "APIVersion" => Value::str(&chart.api_version),
            "Condition" => Value::str(&chart.condition),
            "Tags" => Value::str(&chart.tags),
            "AppVersion" => Value::str(&chart.app_version),
            "Deprecated" => Value::Bool(chart.deprecated),
            "Annotations" => Value::Map(match &chart.annotations {
                None => Map::nil(&MAP_STR),
                Some(list) => {
                    let pairs = list.iter().map(|(key, value)| (Str::from(key), Value::str(value))).collect();
                    Map::from_pairs(&MAP_STR, pairs)
                }
            }),
            "KubeVersion" => Value::str(&chart.kube_version),
            "Dependencies" => match &chart.dependencies {
                None => Value::List(List::nil(&DEPENDENCIES)),
                Some(list) => {
                    let object = |entry: &Option<Dependency>| match entry {
                        Some(dependency) => Value::Object(Rc::new(DependencyObject(dependency.clone()))),
                        None => Value::Nil,
                    };
                    Value::List(List::new(&DEPENDENCIES, list.iter().map(object).collect()))
                }
            },
            "Type" => Value::str(&chart.typ),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        METADATA.into_iter().filter_map(|name| self.field(name).map(|value| (name, value))).collect()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let present = |value: &Value| value.truth();
        let fields = METADATA.iter().zip(JSON_NAMES);
        Some(fields.filter_map(|(name, key)| self.field(name).filter(present).map(|value| (key, value))).collect())
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(self.0.to_json())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `*chart.Maintainer`
struct MaintainerObject(Maintainer);

impl Object for MaintainerObject {
    fn type_name(&self) -> &str {
        "*chart.Maintainer"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(Value::str(&self.0.name)),
            "Email" => Some(Value::str(&self.0.email)),
            "URL" => Some(Value::str(&self.0.url)),
            _ => None,
        }
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let fields = [("Name", "name"), ("Email", "email"), ("URL", "url")].into_iter();
        Some(fields.filter_map(|(name, key)| self.field(name).filter(Value::truth).map(|value| (key, value))).collect())
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        ["Name", "Email", "URL"].into_iter().filter_map(|name| self.field(name).map(|value| (name, value))).collect()
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(self.0.to_json())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A mapping as `map[string]string`.
fn of_strings(tree: &Tree) -> Value {
    let pairs = match tree {
        Tree::Map(table) => table.iter().map(|(key, value)| (key.clone(), value.to_value())).collect(),
        _ => Vec::new(),
    };
    Value::Map(Map::from_pairs(&MAP_STR, pairs))
}

/// `*chart.Dependency`
struct DependencyObject(Dependency);

const DEPENDENCY: [&str; 8] =
    ["Name", "Version", "Repository", "Condition", "Tags", "Enabled", "ImportValues", "Alias"];

impl Object for DependencyObject {
    fn type_name(&self) -> &str {
        "*chart.Dependency"
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn field(&self, name: &str) -> Option<Value> {
        let dependency = &self.0;
        Some(match name {
            "Name" => Value::str(&dependency.name),
            "Version" => Value::str(&dependency.version),
            "Repository" => Value::str(&dependency.repository),
            "Condition" => Value::str(&dependency.condition),
            "Tags" => strings(dependency.tags.as_ref()),
            "Enabled" => Value::Bool(dependency.enabled),
            "ImportValues" => Value::List(match &dependency.import_values {
                None => List::nil(&LIST_ANY),
                Some(list) if dependency.imported => List::any(list.iter().map(of_strings).collect()),
                Some(list) => List::any(list.iter().map(Tree::to_value).collect()),
            }),
            "Alias" => Value::str(&dependency.alias),
            _ => return None,
        })
    }

    fn yaml_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        self.json_fields()
    }

    fn json_fields(&self) -> Option<Vec<(&'static str, Value)>> {
        let keys = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];
        let fields = DEPENDENCY.iter().zip(keys).filter_map(|(name, key)| self.field(name).map(|value| (key, value)));
        // These two are written even where they are empty.
        Some(fields.filter(|(key, value)| matches!(*key, "name" | "repository") || value.truth()).collect())
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        DEPENDENCY.into_iter().filter_map(|name| self.field(name).map(|value| (name, value))).collect()
    }

    fn to_json(&self) -> Result<Json, String> {
        Ok(self.0.to_json())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::exec::execution::{Execution, Options};
    use masthead_gotmpl::set::Set;
    use masthead_sprig::host::Host;
    use masthead_sprig::table;
    use masthead_sprig::time::moment::Moment;

    use super::*;

    fn render(source: &str) -> Result<String, String> {
        let metadata = Metadata {
            name: "c".to_owned(),
            maintainers: Some(vec![Some(Maintainer { name: "m".to_owned(), ..Maintainer::default() })]),
            dependencies: Some(vec![Some(Dependency {
                name: "d".to_owned(),
                import_values: Some(vec![Tree::Str("data".into())]),
                ..Dependency::default()
            })]),
            ..Metadata::default()
        };
        let mut set = Set::new(table::functions());
        set.parse("t", source.as_bytes()).map_err(|error| error.to_string())?;
        let mut host = Host::new([7; 32], "r", Moment::from_unix(0, 0));
        let dot = Value::Object(Rc::new(ChartObject::new(metadata, true)));
        let out = Execution::new(&set, Options::default(), &mut host).execute(b"t", dot).map_err(|error| error.text)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn actions_and_escapers_show_what_pointers_point_to() {
        for (source, expect) in [
            ("{{ range .Maintainers }}{{ . }}{{ end }}", "{m  }"),
            ("{{ first .Maintainers }}", "{m  }"),
            ("{{ first .Maintainers | html }}|{{ html 1 (first .Maintainers) 2 }}", "{m  }|1 {m  } 2"),
            ("{{ first .Maintainers | js }}|{{ first .Maintainers | urlquery }}", "{m  }|%7Bm++%7D"),
            ("{{ printf \"%v\" (first .Maintainers) }}|{{ first .Maintainers | toString }}", "&{m  }|&{m  }"),
            ("{{ range .Dependencies }}{{ . }}{{ end }}", "{d    [] false [data] }"),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expect), "{source}");
        }
        let error = render("{{ range first .Maintainers }}{{ end }}").unwrap_err();
        assert!(error.ends_with("range can't iterate over {m  }"), "{error}");
    }

    #[test]
    fn tags_and_embedded_structs_count_where_they_are_written() {
        for (source, expect) in [
            ("{{ toYamlPretty .Dependencies }}", "- name: d\n  repository: \"\"\n  import-values:\n    - data"),
            (
                "{{ regexFindAll \"(?m)^(Name|IsRoot|\\\\[+).*\" (toToml .) -1 }}",
                "[Name = \"c\" IsRoot = true [[Maintainers]] [[Dependencies]]]",
            ),
        ] {
            assert_eq!(render(source).as_deref(), Ok(expect), "{source}");
        }
    }
}
