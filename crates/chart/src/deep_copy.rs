//! Values → a copy that shares no map with them.

use masthead_gotmpl::list::List;
use masthead_gotmpl::map::Map;
use masthead_gotmpl::value::Value;

/// A copy of which no map is shared. Lists can't be changed, but maps in them can.
pub(crate) fn deep_copy(map: &Map) -> Map {
    let pairs = map.entries().iter().map(|(key, value)| (key.clone(), deep_value(value))).collect();
    Map::from_pairs(map.typ(), pairs)
}

fn deep_value(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(deep_copy(map)),
        Value::List(list) if list.as_slice().iter().any(|item| matches!(item, Value::Map(_) | Value::List(_))) => {
            let items = list.as_slice().iter().map(deep_value).collect();
            Value::List(List::new(list.typ(), items))
        }
        other => other.clone(),
    }
}
