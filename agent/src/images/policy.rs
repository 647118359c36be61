//! The pull policy of a container, and whether to pull under it.

use crate::images::reference::Reference;

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Ask the registry at each start.
    Always,
    /// Pull what is not there.
    IfNotPresent,
    /// Never pull.
    Never,
}

/// What to do before a container starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start from what is in the store.
    Use,
    /// Pull first.
    Pull,
    /// Refuse with `ErrImageNeverPull`.
    Refuse,
}

impl PullPolicy {
    /// The policy Kubernetes fills in: `Always` for the tag `latest`, else `IfNotPresent`.
    pub fn default_for(reference: &Reference) -> Self {
        match (reference.digest(), reference.tag()) {
            (None, Some("latest")) => Self::Always,
            _ => Self::IfNotPresent,
        }
    }
}

/// Decides whether to pull.
///
/// `local_only` marks an image that was put together or imported here and has no registry: to ask
/// one under `Always` would fail for ever, so what is present is used.
pub fn decide(policy: PullPolicy, present: bool, local_only: bool) -> Decision {
    match (policy, present) {
        (PullPolicy::Always, true) if local_only => Decision::Use,
        (PullPolicy::Always, _) | (PullPolicy::IfNotPresent, false) => Decision::Pull,
        (_, true) => Decision::Use,
        (PullPolicy::Never, false) => Decision::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use Decision::{Pull, Refuse, Use};
        for (policy, present, local, expect) in [
            (PullPolicy::Always, true, false, Pull),
            (PullPolicy::Always, false, false, Pull),
            (PullPolicy::Always, true, true, Use),
            (PullPolicy::IfNotPresent, true, false, Use),
            (PullPolicy::IfNotPresent, false, false, Pull),
            (PullPolicy::Never, true, false, Use),
            (PullPolicy::Never, false, false, Refuse),
        ] {
            assert_eq!(decide(policy, present, local), expect, "{policy:?} {present} {local}");
        }
    }

    #[test]
    fn defaults() {
        let of = |text: &str| PullPolicy::default_for(&Reference::parse(text).unwrap());
        assert_eq!(of("nginx"), PullPolicy::Always);
        assert_eq!(of("nginx:latest"), PullPolicy::Always);
        assert_eq!(of("nginx:1"), PullPolicy::IfNotPresent);
        let digest = format!("nginx:latest@sha256:{}", "0".repeat(64));
        assert_eq!(of(&digest), PullPolicy::IfNotPresent);
    }
}
