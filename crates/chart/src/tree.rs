//! Values as charts and users give them: what Helm holds as `map[string]interface {}`, sendable between threads.

use masthead_gotmpl::kind::IntKind;
use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use serde_json::Value as Json;

/// One value. Files give floats only, as Go's decoder does; `--set` gives integers.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// `null`
    Nil,
    /// `bool`
    Bool(bool),
    /// `int64`
    Int(i64),
    /// `float64`
    Float(f64),
    /// `string`: bytes, since `--set-file` reads any file.
    Str(Str),
    /// `[]interface {}`
    List(Vec<Tree>),
    /// `map[string]interface {}`
    Map(Table),
}

/// A mapping in the order of its keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    entries: Vec<(Str, Tree)>,
}

impl Table {
    /// An empty one.
    pub fn new() -> Table {
        Table::default()
    }

    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.0.as_bytes().cmp(key))
    }

    /// A mapping of entries in any order; of equal keys the last counts.
    pub(crate) fn from_unsorted(mut entries: Vec<(Str, Tree)>) -> Table {
        if entries.windows(2).any(|two| two[0].0 >= two[1].0) {
            entries.reverse();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.dedup_by(|later, first| later.0 == first.0);
        }
        Table { entries }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Tree> {
        self.find(key).ok().map(|at| &self.entries[at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Tree> {
        self.find(key).ok().map(|at| &mut self.entries[at].1)
    }

    /// Sets a key.
    pub fn insert(&mut self, key: Str, value: Tree) {
        match self.find(key.as_bytes()) {
            Ok(at) => self.entries[at].1 = value,
            Err(at) => self.entries.insert(at, (key, value)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Tree> {
        self.find(key).ok().map(|at| self.entries.remove(at).1)
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Tree)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Has it no entry?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A template's map with the same entries, none of them shared.
    pub fn to_map(&self) -> Map {
        let pairs = self.entries.iter().map(|(key, value)| (key.clone(), value.to_value())).collect();
        Map::from_pairs(&MAP_ANY, pairs)
    }

    /// Helm's `mergeMaps`: `over` wins, mappings are merged.
    pub fn merge(&mut self, over: Table) {
        for (key, value) in over.entries {
            match (self.get_mut(key.as_bytes()), value) {
                (Some(Tree::Map(mine)), Tree::Map(theirs)) => mine.merge(theirs),
                (_, value) => self.insert(key, value),
            }
        }
    }
}

impl FromIterator<(Str, Tree)> for Table {
    fn from_iter<I: IntoIterator<Item = (Str, Tree)>>(iter: I) -> Table {
        Table::from_unsorted(iter.into_iter().collect())
    }
}

impl Tree {
    /// A string.
    pub fn str(text: impl Into<Str>) -> Tree {
        Tree::Str(text.into())
    }

    /// The value of JSON as `json.Unmarshal` into an interface makes it: every number a float.
    pub fn from_json(json: Json) -> Tree {
        match json {
            Json::Null => Tree::Nil,
            Json::Bool(flag) => Tree::Bool(flag),
            Json::Number(number) => Tree::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Tree::Str(text.into()),
            Json::Array(items) => Tree::List(items.into_iter().map(Tree::from_json).collect()),
            Json::Object(fields) => Tree::Map(table_from_json(fields)),
        }
    }

    /// The JSON it is; bytes that are not UTF-8 become U+FFFD, a float that JSON lacks becomes null.
    pub fn to_json(&self) -> Json {
        match self {
            Tree::Nil => Json::Null,
            Tree::Bool(flag) => Json::Bool(*flag),
            Tree::Int(int) => Json::from(*int),
            Tree::Float(float) => serde_json::Number::from_f64(*float).map_or(Json::Null, Json::Number),
            Tree::Str(text) => Json::String(text.to_str_lossy().into_owned()),
            Tree::List(items) => Json::Array(items.iter().map(Tree::to_json).collect()),
            Tree::Map(table) => {
                Json::Object(table.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
            }
        }
    }

    /// A template's value, no map of it shared with another.
    pub fn to_value(&self) -> Value {
        match self {
            Tree::Nil => Value::Nil,
            Tree::Bool(flag) => Value::Bool(*flag),
            Tree::Int(int) => Value::Int(IntKind::Int64, *int),
            Tree::Float(float) => Value::Float(*float),
            Tree::Str(text) => Value::Str(text.clone()),
            Tree::List(items) => Value::List(List::any(items.iter().map(Tree::to_value).collect())),
            Tree::Map(table) => Value::Map(table.to_map()),
        }
    }

    /// What a template's value was made of; none where files and flags give no such thing.
    pub(crate) fn of(value: &Value) -> Option<Tree> {
        Some(match value {
            Value::Nil => Tree::Nil,
            Value::Bool(flag) => Tree::Bool(*flag),
            Value::Int(IntKind::Int64, int) => Tree::Int(*int),
            Value::Float(float) => Tree::Float(*float),
            Value::Str(text) => Tree::Str(text.clone()),
            Value::List(list) => Tree::List(list.as_slice().iter().map(Tree::of).collect::<Option<_>>()?),
            Value::Map(map) if !map.is_nil() => {
                let entries = map.entries();
                let pairs = entries.iter().map(|(key, value)| Some((key.clone(), Tree::of(value)?)));
                Tree::Map(Table { entries: pairs.collect::<Option<_>>()? })
            }
            _ => return None,
        })
    }

    /// The name of its dynamic type in Go, `nil` for null, as Go's messages about conversions have it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Tree::Nil => "nil",
            Tree::Bool(_) => "bool",
            Tree::Int(_) => "int64",
            Tree::Float(_) => "float64",
            Tree::Str(_) => "string",
            Tree::List(_) => "[]interface {}",
            Tree::Map(_) => "map[string]interface {}",
        }
    }
}

/// The mapping of a JSON object.
pub fn table_from_json(fields: serde_json::Map<String, Json>) -> Table {
    fields.into_iter().map(|(key, value)| (Str::from(key), Tree::from_json(value))).collect()
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::value::Value;
    use serde_json::json;

    use super::{Table, Tree, table_from_json};

    fn table(json: serde_json::Value) -> Table {
        match json {
            serde_json::Value::Object(fields) => table_from_json(fields),
            _ => Table::new(),
        }
    }

    #[test]
    fn merging_is_deep_and_the_later_wins() {
        let mut base = table(json!({"a": {"b": 1, "c": 2}, "d": {"e": 1}, "f": 1}));
        base.merge(table(json!({"a": {"b": 5, "x": null}, "d": 7, "f": {"g": 1}})));
        assert_eq!(base, table(json!({"a": {"b": 5, "c": 2, "x": null}, "d": 7, "f": {"g": 1}})));
    }

    #[test]
    fn numbers_of_files_are_floats() {
        assert_eq!(Tree::from_json(json!(3)), Tree::Float(3.0));
        assert_eq!(Tree::from_json(json!(u64::MAX)).type_name(), "float64");
    }

    #[test]
    fn a_template_s_value_gives_its_tree_back() {
        let mut tree = Tree::from_json(json!({"a": {"b": [1.5, "x", null, [], {}]}, "c": true}));
        if let Tree::Map(table) = &mut tree {
            table.insert("i".into(), Tree::Int(i64::MIN));
            table.insert("s".into(), Tree::Str(masthead_gotmpl::string::Str::new(b"\xff")));
        }
        assert_eq!(Tree::of(&tree.to_value()), Some(tree));
        assert_eq!(Tree::of(&Value::int(1)), None, "an int is no int64");
    }
}
