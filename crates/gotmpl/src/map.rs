//! Go's maps with string keys: shared, mutable in place, kept in the order of their keys.
use crate::kind::{MAP_ANY, MapType};
use crate::list::List;
use crate::string::{Str, prefix};
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One key and its value.
pub type Entry = (Str, Value);

/// A map. Clones share the entries: what one changes, all see, as in Go.
#[derive(Clone)]
pub struct Map {
    data: Option<Rc<MapData>>,
    typ: &'static MapType,
}

/// Entries are behind a second `Rc` so that a loop keeps what it started with while its body changes the map.
pub(crate) struct MapData {
    entries: RefCell<Rc<Vec<Entry>>>,
    path: Cell<u32>,
}

/// What Go says when a nil map is written to.
pub const NIL_MAP: &str = "assignment to entry in nil map";

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn any() -> Map {
        Map::new(&MAP_ANY)
    }

    /// An empty map of a given type.
    pub fn new(typ: &'static MapType) -> Map {
        Map::from_sorted(typ, Vec::new())
    }

    /// A map of a given type; of equal keys the last one wins.
    pub fn from_pairs(typ: &'static MapType, mut pairs: Vec<Entry>) -> Map {
        if pairs.windows(2).any(|two| two[0].0 >= two[1].0) {
            pairs.reverse();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.dedup_by(|later, first| later.0 == first.0);
        }
        Map::from_sorted(typ, pairs)
    }

    fn from_sorted(typ: &'static MapType, pairs: Vec<Entry>) -> Map {
        let data = MapData { entries: RefCell::new(Rc::new(pairs)), path: Cell::new(0) };
        Map { data: Some(Rc::new(data)), typ }
    }

    /// A nil map of the type: empty, `null` in JSON, and refuses writes.
    pub fn nil(typ: &'static MapType) -> Map {
        Map { data: None, typ }
    }

    /// Is it a nil map?
    pub fn is_nil(&self) -> bool {
        self.data.is_none()
    }

    /// Its type.
    pub fn typ(&self) -> &'static MapType {
        self.typ
    }

    /// The same entries under another type with the same element type.
    pub fn retyped(&self, typ: &'static MapType) -> Map {
        Map { data: self.data.clone(), typ }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        let entries = self.data.as_ref()?.entries.borrow();
        let at = position(&entries, key).ok()?;
        Some(entries[at].1.clone())
    }

    /// The value of a key that is looked for at a hint first, which then says where it was found.
    #[inline]
    pub(crate) fn get_near(&self, key: &Str, hint: &AtomicU32) -> Option<Value> {
        let entries = self.data.as_ref()?.entries.borrow();
        let near = hint.load(Ordering::Relaxed) as usize;
        if let Some((found, value)) = entries.get(near)
            && found == key
        {
            return Some(value.clone());
        }
        let at = position(&entries, key.as_bytes()).ok()?;
        hint.store(at as u32, Ordering::Relaxed);
        Some(entries[at].1.clone())
    }

    /// Is the key there?
    pub fn contains(&self, key: &[u8]) -> bool {
        let Some(data) = &self.data else { return false };
        position(&data.entries.borrow(), key).is_ok()
    }

    /// Sets a key in place; fails on a nil map with Go's own words.
    pub fn insert(&self, key: Str, value: Value) -> Result<(), String> {
        let Some(data) = &self.data else { return Err(NIL_MAP.to_owned()) };
        let old = {
            let mut shared = data.entries.borrow_mut();
            let entries = Rc::make_mut(&mut shared);
            match position(entries, key.as_bytes()) {
                Ok(at) => Some(std::mem::replace(&mut entries[at].1, value)),
                Err(at) => {
                    entries.insert(at, (key, value));
                    None
                }
            }
        };
        drop(old);
        Ok(())
    }

    /// Takes a key out in place; nothing happens where it is not there.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let data = self.data.as_ref()?;
        let mut shared = data.entries.borrow_mut();
        let at = position(&shared, key).ok()?;
        Some(Rc::make_mut(&mut shared).remove(at).1)
    }

    /// Takes out all entries. The way to break the cycles that a template made, once its values are done with.
    pub fn clear(&self) {
        if let Some(data) = &self.data {
            let old = data.entries.replace(Rc::new(Vec::new()));
            drop(old);
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.entries.borrow().len())
    }

    /// Has it no entry?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries as they are now, in the order of their keys; later changes are not seen. Cheap.
    pub fn entries(&self) -> Rc<Vec<Entry>> {
        self.data.as_ref().map_or_else(Default::default, |data| Rc::clone(&data.entries.borrow()))
    }

    /// The keys in order.
    pub fn keys(&self) -> Vec<Str> {
        self.entries().iter().map(|entry| entry.0.clone()).collect()
    }

    /// A copy that shares the values but not the entries.
    pub fn shallow_copy(&self) -> Map {
        let Some(data) = &self.data else { return self.clone() };
        let entries = RefCell::new(Rc::clone(&data.entries.borrow()));
        Map { data: Some(Rc::new(MapData { entries, path: Cell::new(0) })), typ: self.typ }
    }

    /// Do both share their entries in memory?
    pub fn same(&self, other: &Map) -> bool {
        match (&self.data, &other.data) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Which path of the values this map stands at, for tracing; 0 means none.
    pub fn path_id(&self) -> u32 {
        self.data.as_ref().map_or(0, |data| data.path.get())
    }

    /// Says which path of the values this map stands at.
    pub fn set_path_id(&self, id: u32) {
        if let Some(data) = &self.data {
            data.path.set(id);
        }
    }
}

/// Where a key is, or where it would be. Most comparisons end at the first eight bytes.
#[inline]
fn position(entries: &[Entry], key: &[u8]) -> Result<usize, usize> {
    let head = prefix(key);
    entries.binary_search_by(|entry| entry.0.prefix().cmp(&head).then_with(|| entry.0.as_bytes().cmp(key)))
}

impl FromIterator<Entry> for Map {
    fn from_iter<I: IntoIterator<Item = Entry>>(iter: I) -> Map {
        Map::from_pairs(&MAP_ANY, iter.into_iter().collect())
    }
}

impl Drop for MapData {
    fn drop(&mut self) {
        if let Some(entries) = Rc::get_mut(self.entries.get_mut())
            && entries.iter().any(|entry| entry.1.is_container())
        {
            dismantle(std::mem::take(entries).into_iter().map(|entry| entry.1).collect());
        }
    }
}

/// Empties every map that a value reaches: for the context of a render that is over, since a template can make maps
/// that contain themselves, which would never be freed. Nothing else may need these maps any more.
pub fn dissolve(value: Value) {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        match value {
            Value::Map(map) => {
                let entries = map.entries();
                map.clear();
                stack.extend(entries.iter().filter(|entry| entry.1.is_container()).map(|entry| entry.1.clone()));
            }
            // A list is looked into once, and kept until the end so that its address stays its own.
            Value::List(list) if holds_containers(&list) && seen.insert(list.as_slice().as_ptr() as usize) => {
                stack.extend(list.as_slice().iter().filter(|item| item.is_container()).cloned());
                kept.push(list);
            }
            _ => {}
        }
    }
}

fn holds_containers(list: &List) -> bool {
    list.as_slice().iter().any(Value::is_container)
}

/// Drops values without recursion: a template can nest lists deeper than a stack is.
pub(crate) fn dismantle(mut stack: Vec<Value>) {
    while let Some(value) = stack.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut data) = list.into_data().and_then(Rc::into_inner) {
                    stack.append(&mut data.items);
                }
            }
            Value::Map(map) => {
                if let Some(mut data) = map.data.and_then(Rc::into_inner)
                    && let Some(entries) = Rc::get_mut(data.entries.get_mut())
                {
                    stack.extend(std::mem::take(entries).into_iter().map(|entry| entry.1));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Map, NIL_MAP, dissolve};
    use crate::kind::MAP_ANY;
    use crate::list::List;
    use crate::string::Str;
    use crate::value::Value;
    use std::rc::Rc;
    use std::sync::atomic::AtomicU32;

    fn pair(key: &str, value: i64) -> (Str, Value) {
        (key.into(), Value::int(value))
    }

    #[test]
    fn keeps_order_and_the_last_of_equal_keys() {
        let map = Map::from_pairs(&MAP_ANY, vec![pair("b", 1), pair("a", 2), pair("b", 3)]);
        assert_eq!(map.keys(), ["a", "b"].map(Str::from));
        assert!(matches!(map.get(b"b"), Some(Value::Int(_, 3))));
        map.insert("aa".into(), Value::Nil).unwrap();
        assert_eq!(map.keys(), ["a", "aa", "b"].map(Str::from));
        let hint = AtomicU32::new(7);
        for key in ["b", "a", "aa", "b", "x"] {
            let (near, plain) = (map.get_near(&key.into(), &hint), map.get(key.as_bytes()));
            assert_eq!(near.map(|value| value.truth()), plain.map(|value| value.truth()), "{key}");
        }
        assert_eq!(hint.into_inner(), 2);
        map.remove(b"a");
        assert_eq!(map.len(), 2);
        assert_eq!(Map::nil(&MAP_ANY).insert("a".into(), Value::Nil), Err(NIL_MAP.to_owned()));
    }

    #[test]
    fn clones_share_and_loops_keep_what_they_began_with() {
        let map = Map::from_pairs(&MAP_ANY, vec![pair("a", 1)]);
        let twin = map.clone();
        let seen = map.entries();
        twin.insert("b".into(), Value::Bool(true)).unwrap();
        assert_eq!((map.len(), seen.len()), (2, 1));
        let copy = map.shallow_copy();
        copy.insert("c".into(), Value::Nil).unwrap();
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn cycles_are_dissolved() {
        let (outer, inner) = (Map::any(), Map::any());
        let watched = Rc::downgrade(inner.data.as_ref().unwrap());
        outer.insert("inner".into(), Value::Map(inner.clone())).unwrap();
        let mut list = List::any(vec![Value::Map(outer.clone())]);
        for _ in 0..64 {
            list = List::any(vec![Value::List(list.clone()), Value::List(list)]);
        }
        inner.insert("outer".into(), Value::List(list)).unwrap();
        drop(inner);
        assert!(watched.upgrade().is_some());
        dissolve(Value::Map(outer));
        assert!(watched.upgrade().is_none());
    }

    #[test]
    fn a_million_nested_lists_are_dropped() {
        let mut value = Value::Nil;
        for at in 0..1_000_000 {
            value = match at % 2 {
                0 => Value::List(List::any(vec![value])),
                _ => Value::Map([("a".into(), value)].into_iter().collect()),
            };
        }
        drop(value);
    }
}
