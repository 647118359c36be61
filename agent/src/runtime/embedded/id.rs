//! Metadata into ids: the same pod and attempt is the same sandbox, however often it is asked for.

use sha2::{Digest, Sha256};

use crate::runtime::v1::{ContainerMetadata, PodSandboxMetadata};

/// A sandbox's id.
pub fn sandbox(metadata: &PodSandboxMetadata) -> String {
    let attempt = metadata.attempt.to_string();
    digest(&["sandbox", &metadata.namespace, &metadata.name, &metadata.uid, &attempt])
}

/// A container's id.
pub fn container(sandbox_id: &str, metadata: &ContainerMetadata) -> String {
    digest(&["container", sandbox_id, &metadata.name, &metadata.attempt.to_string()])
}

/// Half of SHA-256 as hex: 32 characters, long enough to never meet twice, short in paths.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text can be an id of ours, and so a directory's name.
pub fn is_valid(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let base = PodSandboxMetadata { name: "a".into(), namespace: "b".into(), ..Default::default() };
        let swapped = PodSandboxMetadata { name: "b".into(), namespace: "a".into(), ..Default::default() };
        let again = PodSandboxMetadata { attempt: 1, ..base.clone() };
        assert_eq!(sandbox(&base), sandbox(&base.clone()));
        assert_ne!(sandbox(&base), sandbox(&swapped));
        assert_ne!(sandbox(&base), sandbox(&again));
        assert!(is_valid(&sandbox(&base)) && !is_valid("../x") && !is_valid(""));
    }
}
