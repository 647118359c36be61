//! RFC 6902: a document and a JSON patch to the patched document, with the habits of the library that Kubernetes uses:
//! negative indexes count from the end, `replace` may add a field, a path may lack its first slash.

use serde_json::{Map, Value};

use crate::patch::error::Error;

/// Operations that one patch may have (Kubernetes' `maxJSONPatchOperations`).
const OPERATIONS_MAX: usize = 10_000;

/// Bytes that the `copy` operations of one patch may copy (Kubernetes' `JSONPatchMaxCopyBytes`).
const COPIED_MAX: usize = 3 * 1024 * 1024;

type Operation = Map<String, Value>;

/// Carries out a list of operations on a document.
///
/// # Errors
/// The patch is no list of objects, has too many of them, or one of them does not apply.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), Error> {
    let wrong = |what: &str, target: &str| {
        Error::BadRequest(format!("json: cannot unmarshal {what} into Go value of type {target}"))
    };
    let word = crate::decode::strict::word;
    let operations = match patch {
        Value::Array(operations) => operations.as_slice(),
        Value::Null => &[],
        other => return Err(wrong(word(other), "jsonpatch.Patch")),
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(Error::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
            operations.len()
        )));
    }
    let mut copied = 0;
    let nothing = Map::new();
    for operation in operations {
        let operation = match operation {
            Value::Object(operation) => operation,
            Value::Null => &nothing,
            other => return Err(wrong(word(other), "jsonpatch.Operation")),
        };
        one(document, operation, &mut copied)?;
    }
    Ok(())
}

fn one(document: &mut Value, operation: &Operation, copied: &mut usize) -> Result<(), Error> {
    let kind = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match kind {
        "add" => add(document, text(operation, "path")?, value()),
        "remove" => take(document, text(operation, "path")?).map(drop),
        "replace" => replace(document, text(operation, "path")?, value()),
        "move" => {
            let moved = take(document, text(operation, "from")?)?;
            add(document, text(operation, "path")?, moved)
        }
        "copy" => {
            let copy = find(document, text(operation, "from")?)?.cloned().unwrap_or(Value::Null);
            *copied += copy.to_string().len();
            if *copied > COPIED_MAX {
                return Err(rejected(format!("copy operations copy more than {COPIED_MAX} bytes")));
            }
            add(document, text(operation, "path")?, copy)
        }
        "test" => test(document, text(operation, "path")?, operation.get("value")),
        other => Err(rejected(format!("unexpected operation {other:?}"))),
    }
}

fn rejected(why: String) -> Error {
    Error::Rejected(why)
}

fn missing(path: &str) -> Error {
    rejected(format!("the document has nothing at {path:?}"))
}

fn text<'a>(operation: &'a Operation, field: &str) -> Result<&'a str, Error> {
    operation
        .get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| rejected(format!("an operation lacks its field {field:?}")))
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The object or list that holds what a path names, and the name or index of that within it.
fn holder<'d>(document: &'d mut Value, path: &str) -> Result<(&'d mut Value, String), Error> {
    // What stands before the first slash is not looked at.
    let Some((_, rest)) = path.split_once('/') else { return Err(missing(path)) };
    let mut tokens = rest.split('/');
    let last = tokens.next_back().unwrap_or_default();
    let mut at = document;
    for token in tokens {
        let token = unescaped(token);
        at = match at {
            Value::Object(map) => map.get_mut(&token),
            Value::Array(items) => {
                let index = index(&token, items.len()).filter(|index| *index < items.len());
                index.and_then(|index| items.get_mut(index))
            }
            _ => None,
        }
        .ok_or_else(|| missing(path))?;
    }
    if at.is_object() || at.is_array() { Ok((at, unescaped(last))) } else { Err(missing(path)) }
}

/// An index of a list of `len` elements, negative ones from its end; `None` for what is none or lies before its start.
fn index(token: &str, len: usize) -> Option<usize> {
    let number: i64 = token.parse().ok()?;
    if number >= 0 { usize::try_from(number).ok() } else { len.checked_sub(usize::try_from(-number).ok()?) }
}

/// What a path names; `None` for a field that is not there.
fn find<'d>(document: &'d mut Value, path: &str) -> Result<Option<&'d Value>, Error> {
    let (holder, name) = holder(document, path)?;
    match holder {
        Value::Object(map) => Ok(map.get(&name)),
        Value::Array(items) => {
            index(&name, items.len()).and_then(|i| items.get(i)).map(Some).ok_or_else(|| missing(path))
        }
        _ => Err(missing(path)),
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), Error> {
    let (holder, name) = holder(document, path)?;
    match holder {
        Value::Object(map) => {
            map.insert(name, value);
            Ok(())
        }
        Value::Array(items) if name == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => match index(&name, items.len() + 1).filter(|i| *i <= items.len()) {
            Some(i) => {
                items.insert(i, value);
                Ok(())
            }
            None => Err(missing(path)),
        },
        _ => Err(missing(path)),
    }
}

fn take(document: &mut Value, path: &str) -> Result<Value, Error> {
    let (holder, name) = holder(document, path)?;
    match holder {
        Value::Object(map) => map.remove(&name).ok_or_else(|| missing(path)),
        Value::Array(items) => match index(&name, items.len()).filter(|i| *i < items.len()) {
            Some(i) => Ok(items.remove(i)),
            None => Err(missing(path)),
        },
        _ => Err(missing(path)),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), Error> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(rejected("the whole can only be replaced by an object or a list".to_owned()));
        }
        *document = value;
        return Ok(());
    }
    let (holder, name) = holder(document, path)?;
    let place = match holder {
        // The library sets a field that is not there, too.
        Value::Object(map) => {
            map.insert(name, value);
            return Ok(());
        }
        Value::Array(items) => index(&name, items.len()).and_then(|i| items.get_mut(i)),
        _ => None,
    };
    *place.ok_or_else(|| missing(path))? = value;
    Ok(())
}

fn test(document: &mut Value, path: &str, expected: Option<&Value>) -> Result<(), Error> {
    let found = if path.is_empty() { Some(&*document) } else { find(document, path)? };
    // Null, and what is not there, are the same on both sides.
    let some = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    if some(found) == some(expected) { Ok(()) } else { Err(rejected(format!("the test of {path:?} fails"))) }
}
