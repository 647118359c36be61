//! Go's slices: an immutable vector of values that knows the type of its elements.
use crate::kind::{LIST_ANY, LIST_STR, ListType};
use crate::map::dismantle;
use crate::string::Str;
use crate::value::Value;
use std::rc::Rc;

/// A slice. Clones share the elements; nothing changes them.
#[derive(Clone)]
pub struct List {
    data: Option<Rc<ListData>>,
    typ: &'static ListType,
}

pub(crate) struct ListData {
    pub(crate) items: Vec<Value>,
}

impl List {
    /// A list of a given type; the values must be of its element type.
    pub fn new(typ: &'static ListType, items: Vec<Value>) -> List {
        List { data: Some(Rc::new(ListData { items })), typ }
    }

    /// `[]interface {}`
    pub fn any(items: Vec<Value>) -> List {
        List::new(&LIST_ANY, items)
    }

    /// `[]string`
    pub fn strs<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> List {
        List::new(&LIST_STR, items.into_iter().map(|item| Value::Str(item.into())).collect())
    }

    /// A nil slice of the type: empty, but `null` in JSON.
    pub fn nil(typ: &'static ListType) -> List {
        List { data: None, typ }
    }

    /// Is it a nil slice?
    pub fn is_nil(&self) -> bool {
        self.data.is_none()
    }

    /// Its type.
    pub fn typ(&self) -> &'static ListType {
        self.typ
    }

    /// The same elements under another type with the same element type.
    pub fn retyped(&self, typ: &'static ListType) -> List {
        List { data: self.data.clone(), typ }
    }

    /// The elements.
    pub fn as_slice(&self) -> &[Value] {
        self.data.as_ref().map_or(&[], |data| &data.items)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Has it no element?
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The element at an index.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.as_slice().get(index)
    }

    /// Do both share their elements in memory?
    pub fn same(&self, other: &List) -> bool {
        match (&self.data, &other.data) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    pub(crate) fn into_data(self) -> Option<Rc<ListData>> {
        self.data
    }
}

impl Drop for ListData {
    fn drop(&mut self) {
        if self.items.iter().any(Value::is_container) {
            dismantle(std::mem::take(&mut self.items));
        }
    }
}
