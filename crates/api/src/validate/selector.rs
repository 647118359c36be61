//! Labels and label selectors to faults.

use std::collections::BTreeMap;

use crate::meta::selector::LabelSelector;
use crate::validate::error::Errors;
use crate::validate::name;
use crate::validate::path::Path;

/// The name of a label.
pub fn validate_label_name(path: &Path<'_>, text: &str, errors: &mut Errors) {
    errors.invalid_each(path, text, name::qualified_name(text));
}

/// Names and values of labels; all faults stand at the map itself.
pub fn validate_labels(path: &Path<'_>, labels: &BTreeMap<String, String>, errors: &mut Errors) {
    for (key, value) in labels {
        validate_label_name(path, key, errors);
        errors.invalid_each(path, value, name::label_value(value));
    }
}

/// A label selector, when there is one.
pub fn validate_selector(path: &Path<'_>, selector: Option<&LabelSelector>, errors: &mut Errors) {
    let Some(selector) = selector else { return };
    validate_labels(&path.child("matchLabels"), &selector.match_labels, errors);
    let expressions = path.child("matchExpressions");
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        let at = expressions.index(i);
        let values = at.child("values");
        match requirement.operator.as_str() {
            "In" | "NotIn" => {
                if requirement.values.is_empty() {
                    errors.required(&values, "must be specified when `operator` is 'In' or 'NotIn'");
                }
            }
            "Exists" | "DoesNotExist" => {
                if !requirement.values.is_empty() {
                    errors.forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
            }
            other => errors.invalid_named(&at.child("operator"), other, "not a valid selector operator"),
        }
        validate_label_name(&at.child("key"), &requirement.key, errors);
        for (j, value) in requirement.values.iter().enumerate() {
            errors.invalid_each(&values.index(j), value, name::label_value(value));
        }
    }
}

/// Whether Kubernetes can make a selector of it at all.
pub fn is_usable(selector: &LabelSelector) -> bool {
    let label = |key: &str, value: &str| name::qualified_name(key).is_empty() && name::label_value(value).is_empty();
    selector.match_labels.iter().all(|(key, value)| label(key, value))
        && selector.match_expressions.iter().all(|r| {
            let counted = match r.operator.as_str() {
                "In" | "NotIn" => !r.values.is_empty(),
                "Exists" | "DoesNotExist" => r.values.is_empty(),
                _ => false,
            };
            counted
                && name::qualified_name(&r.key).is_empty()
                && r.values.iter().all(|v| name::label_value(v).is_empty())
        })
}
