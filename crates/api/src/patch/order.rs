//! Elements of a merged list to the order that Kubernetes gives them: those of the patch as the patch has them, those of
//! the server alone as they were, one among the other as near to the live list as that allows.

use serde_json::Value;

use crate::patch::element::{DELETE, DIRECTIVE, expected, no_key};
use crate::patch::error::Error;

/// What elements are told apart by: their field of this name, or for a list of scalars themselves.
fn identity<'v>(item: &'v Value, key: &str) -> Option<&'v Value> {
    if key.is_empty() { Some(item) } else { item.get(key) }
}

/// Where in a list the first element like this is.
fn position(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    list.iter().position(|one| identity(one, key) == identity(item, key))
}

/// Elements that `by` names, and the others.
///
/// # Errors
/// An element is no object, or lacks the key.
pub fn split(list: Vec<Value>, by: &[Value], key: &str) -> Result<(Vec<Value>, Vec<Value>), Error> {
    if !key.is_empty() {
        has_keys(&list, key)?;
        if let Some(at) = by.iter().position(|one| !one.is_object()).filter(|_| !list.is_empty()) {
            return Err(Error::Internal(format!("value for key {at} is not a map.")));
        }
    }
    Ok(list.into_iter().partition(|item| position(by, item, key).is_some()))
}

fn has_keys(list: &[Value], key: &str) -> Result<(), Error> {
    for item in list {
        match item {
            Value::Object(map) if map.contains_key(key) => {}
            Value::Object(map) => return Err(no_key(map, key)),
            other => return Err(expected("map[string]interface {}", other)),
        }
    }
    Ok(())
}

/// Both parts in one list; `patch_order` orders the first, `live_order` the second and where one meets the other.
///
/// # Errors
/// As for [`split`].
pub fn merged(
    patch: Vec<Value>,
    live: Vec<Value>,
    patch_order: &[Value],
    live_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, Error> {
    let patch = sorted(patch, patch_order, key)?;
    let live = sorted(live, live_order, key)?;
    let mut out = Vec::with_capacity(patch.len() + live.len());
    let mut patch = patch.into_iter().peekable();
    for item in live {
        let before = |other: &Value| match (position(live_order, &item, key), position(live_order, other, key)) {
            (Some(mine), Some(other)) => mine < other,
            _ => false,
        };
        while let Some(next) = patch.next_if(|next| !before(next)) {
            out.push(next);
        }
        out.push(item);
    }
    out.extend(patch);
    Ok(out)
}

/// Sorted as `order` has them. Elements that it has not come to stand before those they are compared with, as in Go's
/// stable sort of Kubernetes' comparison; what is to be deleted comes last.
fn sorted(list: Vec<Value>, order: &[Value], key: &str) -> Result<Vec<Value>, Error> {
    let mut deleted = Vec::new();
    let mut list = list;
    if !key.is_empty() {
        has_keys(&list, key)?;
        has_keys(order, key)?;
        (deleted, list) =
            list.into_iter().partition(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some(DELETE));
    }
    let places: Vec<Option<usize>> = list.iter().map(|item| position(order, item, key)).collect();
    let mut at: Vec<usize> = (0..list.len()).collect();
    for i in 1..at.len() {
        let mut j = i;
        while j > 0 && places[at[j]].zip(places[at[j - 1]]).is_none_or(|(one, other)| one < other) {
            at.swap(j, j - 1);
            j -= 1;
        }
    }
    let mut list: Vec<Option<Value>> = list.into_iter().map(Some).collect();
    let mut out: Vec<Value> = at.into_iter().filter_map(|i| list[i].take()).collect();
    out.append(&mut deleted);
    Ok(out)
}
