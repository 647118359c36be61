//! `--sort-by` → rows and objects in the order of one of their fields.

use std::cmp::Ordering;

use anyhow::{Result, bail};
use serde_json::Value;

/// Sorts rows of a table by a field of their objects.
///
/// # Errors
/// The path is none.
pub fn rows(rows: &mut [Value], path: &str) -> Result<()> {
    let path = parse(path)?;
    rows.sort_by(|a, b| order(find(&a["object"], &path), find(&b["object"], &path)));
    Ok(())
}

/// Sorts objects.
///
/// # Errors
/// The path is none.
pub fn objects(items: &mut [Value], path: &str) -> Result<()> {
    let path = parse(path)?;
    items.sort_by(|a, b| order(find(a, &path), find(b, &path)));
    Ok(())
}

/// Reads `.metadata.name`, `metadata.name`, `{.status.containerStatuses[0].restartCount}`.
fn parse(path: &str) -> Result<Vec<String>> {
    let inner =
        path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$').trim_start_matches('.');
    let mut out = Vec::new();
    for part in inner.split('.') {
        let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        let fine =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !fine(name) {
            bail!("--sort-by takes a path of fields, such as .metadata.name; {path:?} is none");
        }
        out.push(name.to_owned());
        for index in indexes.split_terminator(']') {
            match index.strip_prefix('[').and_then(|index| index.parse::<usize>().ok()) {
                Some(index) => out.push(index.to_string()),
                None => bail!("--sort-by takes whole numbers in brackets; {path:?} has others"),
            }
        }
    }
    Ok(out)
}

fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// What is absent comes first, as with kubectl.
fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_sorted_by_a_field() {
        let check = |path: &str, expect: &[i64]| {
            let mut items = vec![
                json!({"id": 1, "m": {"n": "b"}, "s": [{"c": 9}]}),
                json!({"id": 2, "m": {"n": "a"}, "s": [{"c": 10}]}),
                json!({"id": 3, "m": {}, "s": []}),
            ];
            objects(&mut items, path).unwrap();
            assert_eq!(items.iter().map(|i| i["id"].as_i64().unwrap()).collect::<Vec<_>>(), expect, "{path}");
        };
        check(".m.n", &[3, 2, 1]);
        check("m.n", &[3, 2, 1]);
        check("{.s[0].c}", &[3, 1, 2]);
        check("{.id}", &[1, 2, 3]);
        assert!(objects(&mut [], "").is_err() && objects(&mut [], ".a[x]").is_err());
    }
}
