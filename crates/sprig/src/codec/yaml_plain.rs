//! YAML in plain block style to values, as `fromYaml` gives them; anything unusual is left to the full reader.

use masthead_gotmpl::kind::MAP_ANY;
use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_yaml::number::Number;
use masthead_yaml::plain::{self, Sink, Value as Plain};
use masthead_yaml::resolve::{self, Scalar};

/// The mapping that a text is, where it is plain enough to be sure.
pub fn read(text: &[u8]) -> Option<Map> {
    let mut values = Values { open: Vec::with_capacity(8), root: None };
    plain::read(std::str::from_utf8(text).ok()?, &mut values)?;
    values.root
}

/// A mapping or a sequence that is open.
enum Open {
    Map(Vec<(Str, Value)>, Str),
    List(Vec<Value>),
}

struct Values {
    open: Vec<Open>,
    root: Option<Map>,
}

impl Values {
    fn put(&mut self, value: Value) {
        match (self.open.last_mut(), value) {
            (Some(Open::Map(entries, key)), value) => entries.push((std::mem::take(key), value)),
            (Some(Open::List(items)), value) => items.push(value),
            (None, Value::Map(map)) => self.root = Some(map),
            (None, _) => {}
        }
    }
}

impl Sink for Values {
    fn mapping(&mut self) -> Option<()> {
        self.open.push(Open::Map(Vec::new(), Str::EMPTY));
        Some(())
    }

    fn sequence(&mut self) -> Option<()> {
        self.open.push(Open::List(Vec::new()));
        Some(())
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::Map(entries, _)) => self.put(Value::Map(Map::from_pairs(&MAP_ANY, entries))),
            Some(Open::List(items)) => self.put(Value::List(List::any(items))),
            None => {}
        }
    }

    fn key(&mut self, name: &str) -> Option<()> {
        if let Some(Open::Map(_, key)) = self.open.last_mut() {
            *key = Str::from(name);
        }
        Some(())
    }

    fn value(&mut self, value: Plain<'_>) -> Option<()> {
        let value = match value {
            Plain::Null => Value::Nil,
            Plain::EmptyMapping => Value::Map(Map::any()),
            Plain::Plain(text) => scalar(text)?,
            Plain::List(inner) => {
                let item = |item: Option<Plain<'_>>| match item? {
                    Plain::Plain(text) => scalar(text),
                    item => plain::string(item).map(Value::str),
                };
                Value::List(List::any(plain::items(inner).map(item).collect::<Option<_>>()?))
            }
            value => Value::str(plain::string(value)?),
        };
        self.put(value);
        Some(())
    }
}

/// What a plain scalar is: JSON has no NaN and no infinities, and its numbers become floats. A zero with a sign, and what
/// is too large for a whole number, go another way through JSON.
fn scalar(text: &str) -> Option<Value> {
    const WHOLE_MAX: u64 = 1 << 53;
    Some(match resolve::implicit(text) {
        None => Value::str(text),
        Some(Scalar::Null) => Value::Nil,
        Some(Scalar::Bool(flag)) => Value::Bool(flag),
        Some(Scalar::Number(Number::Int(int))) if int.unsigned_abs() < WHOLE_MAX => Value::Float(int as f64),
        Some(Scalar::Number(Number::Float(float))) if float != 0.0 && float.abs() < WHOLE_MAX as f64 => {
            Value::Float(float)
        }
        Some(_) => return None,
    })
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
        let json = parse::value(text.as_bytes(), &limits).ok()?;
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
        ] {
            assert_eq!(plain(text), full(text), "{text}");
            assert!(plain(text).is_some(), "{text}");
        }
        for text in [
            "",
            "a",
            "- a\n",
            "a: -0.0\n",
            "a: 0.0\n",
            "a: 18446744073709551615\n",
            "a: 1e300\n",
            "a: .inf\n",
            "a: &x b",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
