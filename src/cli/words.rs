//! Small words that commands share: durations, the default container, whether output is a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use masthead_api::validate::name;
use serde_json::Value;

/// The annotation that names the container kubectl takes when none is given.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Reads labels, `key=value` each.
///
/// # Errors
/// One is not of this form, or Kubernetes would not take it.
pub fn labels(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=') else { bail!("{text:?} is not of the form key=value") };
        let faults = [name::qualified_name(key), name::label_value(value)].concat();
        if let Some(fault) = faults.first() {
            bail!("{text:?}: {fault}");
        }
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(labels)
}

/// Reads Go's durations, `1h2m3.5s`; a plain number is seconds.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => bail!("time: invalid duration {text:?}"),
        };
        let Ok(number) = number.parse::<f64>() else { bail!("time: invalid duration {text:?}") };
        total += number * scale;
        rest = after;
    }
    if text.is_empty() {
        bail!("time: invalid duration {text:?}");
    }
    Duration::try_from_secs_f64(total).map_err(|_| anyhow::anyhow!("time: invalid duration {text:?}"))
}

/// The names in a list of containers or ports.
pub fn names(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned).collect()
}

/// The container to talk to when none is named: the one that the pod's annotation names, else its first, which is told
/// when there are others.
pub fn default_container(pod: &Value, tell: bool) -> String {
    let all = names(pod.pointer("/spec/containers"));
    let annotated =
        pod.pointer("/metadata/annotations").and_then(|all| all.get(DEFAULT_CONTAINER)).and_then(Value::as_str);
    if let Some(annotated) = annotated.filter(|name| all.iter().any(|known| known == name)) {
        return annotated.to_owned();
    }
    let inits = names(pod.pointer("/spec/initContainers"));
    let first = all.first().cloned().unwrap_or_default();
    if tell && all.len() + inits.len() > 1 {
        let inits = inits.into_iter().map(|name| format!("{name} (init)"));
        eprintln!(
            "Defaulted container {first:?} out of: {}",
            all.into_iter().chain(inits).collect::<Vec<_>>().join(", ")
        );
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_go_s() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration(text).ok().map(|d| d.as_millis() as u64), expect, "{text}")
        };
        check("5s", Some(5000));
        check("1h2m3.5s", Some(3_723_500));
        check("90", Some(90_000));
        check("250ms", Some(250));
        check("", None);
        check("5", Some(5000));
        check("5d", None);
        check("s", None);
        check("-1s", None);
    }

    #[test]
    fn the_annotated_container_comes_before_the_first() {
        let mut pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        assert_eq!(default_container(&pod, false), "a");
        pod["metadata"]["annotations"] = json!({DEFAULT_CONTAINER: "b"});
        assert_eq!(default_container(&pod, false), "b");
        pod["metadata"]["annotations"] = json!({DEFAULT_CONTAINER: "x"});
        assert_eq!(default_container(&pod, false), "a");
    }
}
