//! Label selectors: from their JSON to a match.

use std::collections::BTreeMap;
use std::fmt;

use crate::schema::object::object;

object! {
    /// A condition on labels; an empty one matches everything.
    pub struct LabelSelector {
        match_labels: BTreeMap<String, String> = "matchLabels", 1, [omitempty];
        match_expressions: Vec<LabelSelectorRequirement> = "matchExpressions", 2, [omitempty, list_atomic];
    }

    /// One requirement on a label.
    pub struct LabelSelectorRequirement {
        key: String = "key", 1, [];
        operator: String = "operator", 2, [go("v1.LabelSelectorOperator")];
        values: Vec<String> = "values", 3, [omitempty, list_atomic];
    }
}

impl LabelSelector {
    /// Whether labels satisfy every pair and every requirement. An empty selector matches everything; whether an absent
    /// one matches nothing or everything depends on the field that holds it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether it has neither pairs nor requirements.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

impl LabelSelectorRequirement {
    /// Whether labels satisfy it; an unknown operator satisfies nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|v| self.values.contains(v)),
            "NotIn" => value.is_none_or(|v| !self.values.contains(v)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

impl fmt::Display for LabelSelector {
    /// As `kubectl` prints it: `a=b,c in (d,e),f,!g`; nothing is `<none>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("<none>");
        }
        // Kubernetes sorts requirements by key; pairs and requirements of one key keep their order.
        let mut parts: Vec<(&str, String)> =
            self.match_labels.iter().map(|(key, value)| (key.as_str(), format!("{key}={value}"))).collect();
        for requirement in &self.match_expressions {
            let key = &requirement.key;
            let mut values = requirement.values.clone();
            values.sort_unstable();
            let values = values.join(",");
            parts.push((
                key,
                match requirement.operator.as_str() {
                    "In" => format!("{key} in ({values})"),
                    "NotIn" => format!("{key} notin ({values})"),
                    "Exists" => key.clone(),
                    _ => format!("!{key}"),
                },
            ));
        }
        parts.sort_by(|a, b| a.0.cmp(b.0));
        let texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
        f.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::LabelSelector;

    #[test]
    fn selectors_match() {
        let check = |selector: &str, labels: &str, expect: bool, text: &str| {
            let selector: LabelSelector = serde_json::from_str(selector).unwrap();
            assert_eq!(selector.matches(&serde_json::from_str(labels).unwrap()), expect, "{text} on {labels}");
            assert_eq!(selector.to_string(), text);
        };
        check("{}", r#"{"a":"b"}"#, true, "<none>");
        check(r#"{"matchLabels":{"a":"b"}}"#, r#"{"a":"b","c":"d"}"#, true, "a=b");
        check(r#"{"matchLabels":{"a":"b"}}"#, r#"{"a":"c"}"#, false, "a=b");
        let with = |op: &str, values: &str| {
            format!(r#"{{"matchExpressions":[{{"key":"a","operator":"{op}","values":{values}}}]}}"#)
        };
        check(&with("In", r#"["y","x"]"#), r#"{"a":"x"}"#, true, "a in (x,y)");
        check(&with("NotIn", r#"["x"]"#), r#"{"a":"x"}"#, false, "a notin (x)");
        check(&with("NotIn", r#"["x"]"#), "{}", true, "a notin (x)");
        check(&with("Exists", "null"), r#"{"a":""}"#, true, "a");
        check(&with("DoesNotExist", "null"), r#"{"a":""}"#, false, "!a");
    }
}
