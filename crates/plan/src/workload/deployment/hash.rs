//! A pod template → the hash that names its replica set, and whether two templates are the same.

use masthead_api::core::pod::PodTemplateSpec;
use serde_json::Value;

/// The label that carries the hash.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Letters of an encoded hash, Kubernetes' (`rand.SafeEncodeString`): no vowels, so that no words arise.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template, with the number of collisions so far mixed in.
///
/// Kubernetes hashes a dump of Go's memory, which nothing else can reproduce; this hashes the template's canonical JSON
/// by the same function (FNV-1a, 32 bits) and writes it in the same letters, so that it is as stable as the template.
pub fn template_hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    // Through a Value, whose keys are sorted.
    let canonical = serde_json::to_value(template).unwrap_or(Value::Null).to_string();
    let mut hash = fnv1a(0x811c_9dc5, canonical.as_bytes());
    if let Some(collisions) = collisions {
        hash = fnv1a(hash, &collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

fn fnv1a(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Whether two templates make the same pods, whatever hash label they carry.
pub fn same_template(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let labels = |template: &PodTemplateSpec| {
        let mut labels = template.metadata.labels.clone();
        labels.remove(POD_TEMPLATE_HASH);
        labels
    };
    a.spec == b.spec
        && a.metadata.annotations == b.metadata.annotations
        && a.metadata.finalizers == b.metadata.finalizers
        && a.metadata.name == b.metadata.name
        && labels(a) == labels(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(value: Value) -> PodTemplateSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn hashes_are_stable_and_tell_templates_apart() {
        assert_eq!(fnv1a(0x811c_9dc5, b"foobar"), 0xbf9c_f968, "the published vector");
        let a = template(
            json!({"metadata": {"labels": {"b": "1", "a": "2"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}),
        );
        let b = template(
            json!({"spec": {"containers": [{"image": "x:1", "name": "c"}]}, "metadata": {"labels": {"a": "2", "b": "1"}}}),
        );
        let c = template(
            json!({"metadata": {"labels": {"b": "1", "a": "2"}}, "spec": {"containers": [{"name": "c", "image": "x:2"}]}}),
        );
        assert_eq!(template_hash(&a, None), template_hash(&b, None));
        assert_ne!(template_hash(&a, None), template_hash(&c, None));
        assert_ne!(template_hash(&a, None), template_hash(&a, Some(1)));
        assert_ne!(template_hash(&a, Some(1)), template_hash(&a, Some(2)));
        assert!(template_hash(&a, None).bytes().all(|c| LETTERS.contains(&c)));
        assert!(same_template(&a, &b) && !same_template(&a, &c));
        let mut labelled = a.clone();
        labelled.metadata.labels.insert(POD_TEMPLATE_HASH.into(), "x".into());
        assert!(same_template(&a, &labelled));
        labelled.metadata.annotations.insert("x".into(), "1".into());
        assert!(!same_template(&a, &labelled));
    }
}
