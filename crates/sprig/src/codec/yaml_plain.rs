//! YAML in plain block style to values, as `fromYaml` gives them; anything unusual is left to the full reader.

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_yaml::number::Number;
use masthead_yaml::plain_tree::{self, Make};
use masthead_yaml::resolve::Scalar;

/// The mapping that a text is, where it is plain enough to be sure.
pub fn read(text: &[u8]) -> Option<Map> {
    plain_tree::read::<Values>(std::str::from_utf8(text).ok()?)
}

struct Values;

impl Make for Values {
    type Key = Str;
    type Value = Value;
    type Map = Map;

    fn key(text: &str) -> Str {
        Str::from(text)
    }

    fn text(text: &str) -> Value {
        Value::str(text)
    }

    /// JSON has no NaN and no infinities, and its numbers become floats.
    fn scalar(scalar: Scalar<'_>) -> Option<Value> {
        Some(match scalar {
            Scalar::Null => Value::Nil,
            Scalar::Bool(flag) => Value::Bool(flag),
            Scalar::Number(Number::Int(int)) => Value::Float(int as f64),
            Scalar::Number(Number::Uint(uint)) => Value::Float(uint as f64),
            Scalar::Number(Number::Float(float)) if float.is_finite() => Value::Float(float),
            Scalar::Number(_) | Scalar::Text(_) => return None,
        })
    }

    fn list(items: Vec<Value>) -> Value {
        Value::List(List::any(items))
    }

    fn map(entries: Vec<(Str, Value)>) -> Map {
        Map::from_pairs(&MAP_ANY, entries)
    }

    fn nested(map: Map) -> Value {
        Value::Map(map)
    }
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::json::{self, Numbers};
    use masthead_gotmpl::value::Value;
    use masthead_yaml::limits::{Duplicates, Limits};
    use masthead_yaml::parse;

    use super::read;

    /// What the full reader makes of it, as JSON text, which tells numbers apart.
    fn full(text: &str) -> Option<String> {
        let limits = Limits { duplicates: Duplicates::LastWins, ..Limits::default() };
        let json = parse::value_keeping_floats(text.as_bytes(), &limits).ok()?;
        json::to_json(&json::from_json(&json, Numbers::Float)).ok().map(|json| json.to_string())
    }

    fn plain(text: &str) -> Option<String> {
        json::to_json(&Value::Map(read(text.as_bytes())?)).ok().map(|json| json.to_string())
    }

    #[test]
    fn gives_what_the_full_reader_gives() {
        for text in [
            "a: 1\nb: 1.0\nc: 1.5\nd: -3\ne: 1e3\nf: 0\n",
            "a: yes\nb: ~\nc:\nd: 'x'\ne: \"y\\n\"\nf: 2024-01-01\n",
            "a:\n  b:\n    - c: {}\n    - [x, 1, 'y']\n    - |\n      t\n    - >-\n      f\n",
            "b: 1\na: 2\nb: 3\n",
            "a: 0o7\nb: 0x1F\nc: 1_000\n",
            "a: -0.0\nb: 0.0\nc: 18446744073709551615\nd: 1e300\ne: -9007199254740993\n",
        ] {
            assert_eq!(plain(text), full(text), "{text}");
            assert!(plain(text).is_some(), "{text}");
        }
        for text in ["", "a", "- a\n", "a: .inf\n", "a: \"\\/\"\n", "a: &x b"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
