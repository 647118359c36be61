//! Turns a data directory into the names of what this instance makes, and pod uids into link names.

use std::path::Path;

use sha2::{Digest, Sha256};

/// Thirty-two letters and digits that are hard to mistake for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of an instance's tag in its link names.
const TAG_CHARS: usize = 4;
/// Characters of a pod's hash in its link name; with `mh` and the tag they fill the kernel's 15.
const POD_CHARS: usize = 9;

/// The names one instance (one data directory) uses in the kernel's shared name spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    tag: String,
}

impl Names {
    /// The names of the instance whose data is in `data_dir` (an absolute path).
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        Self { tag: letters(&digest, 12) }
    }

    /// What every link of this instance begins with.
    #[must_use]
    pub fn link_prefix(&self) -> String {
        format!("mh{}", &self.tag[..TAG_CHARS])
    }

    /// The nftables table of this instance.
    #[must_use]
    pub fn table(&self) -> String {
        format!("masthead-{}", self.tag)
    }

    /// The table of services.
    #[must_use]
    pub fn services_table(&self) -> String {
        format!("masthead-{}-services", self.tag)
    }

    /// The table of NetworkPolicies.
    #[must_use]
    pub fn policy_table(&self) -> String {
        format!("masthead-{}-policy", self.tag)
    }

    /// Whether a table is one of this instance's.
    #[must_use]
    pub fn is_own_table(&self, table: &str) -> bool {
        [self.table(), self.services_table(), self.policy_table()].iter().any(|own| own == table)
    }

    /// The link of the overlay; it has the prefix of pods' links, and no pod's hash is as short.
    #[must_use]
    pub fn overlay_link(&self) -> String {
        format!("{}vx", self.link_prefix())
    }

    /// The comment on rules this instance puts into others' chains.
    #[must_use]
    pub fn comment(&self) -> String {
        format!("masthead {}", self.tag)
    }

    /// A pod's link; `attempt` tells apart uids whose hashes meet.
    #[must_use]
    pub fn pod_link(&self, uid: &str, attempt: u32) -> String {
        let mut hash = Sha256::new();
        hash.update(uid.as_bytes());
        if attempt > 0 {
            hash.update([0]);
            hash.update(attempt.to_be_bytes());
        }
        format!("{}{}", self.link_prefix(), letters(&hash.finalize(), POD_CHARS))
    }

    /// A link that waits in the pool; the dash is in no pod's link.
    #[must_use]
    pub fn pool_link(&self, number: u32) -> String {
        format!("{}-{:08x}", self.link_prefix(), number)
    }

    /// What a pod's link carries as its alias: by it the link is known to be ours, and whose.
    #[must_use]
    pub fn alias(&self, uid: &str) -> String {
        format!("masthead {} {uid}", self.tag)
    }

    /// Whose link this is, when it is one of this instance's.
    #[must_use]
    pub fn owner(&self, link: &str, alias: Option<&str>) -> Option<Owner> {
        if link.starts_with(&format!("{}-", self.link_prefix())) {
            return Some(Owner::Pool);
        }
        let mut words = alias?.splitn(3, ' ');
        if words.next() != Some("masthead") || words.next() != Some(&self.tag) {
            return None;
        }
        words.next().map(|uid| Owner::Pod(uid.to_owned()))
    }
}

/// Whose a link of this instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It waits for a pod.
    Pool,
    /// The pod with this uid.
    Pod(String),
}

/// Whether a uid can be a file's name as it is.
#[must_use]
pub fn is_uid(uid: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=128).contains(&uid.len()) && !uid.starts_with('.') && uid.bytes().all(plain)
}

fn letters(digest: &[u8], count: usize) -> String {
    digest.iter().take(count).map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_tell_instances_apart() {
        let a = Names::of(Path::new("/var/lib/a"));
        let b = Names::of(Path::new("/var/lib/b"));
        assert_ne!(a, b);
        for n in [a.pod_link("x", 0), a.pod_link("x", 1), a.pool_link(u32::MAX)] {
            assert_eq!(n.len(), 15, "{n}");
        }
        assert_ne!(a.pod_link("x", 0), a.pod_link("x", 1));
        assert_eq!(a.pod_link("x", 0), Names::of(Path::new("/var/lib/a")).pod_link("x", 0));
    }

    #[test]
    fn a_link_is_ours_by_its_alias_or_by_the_pools_name() {
        let n = Names::of(Path::new("/a"));
        let other = Names::of(Path::new("/b"));
        let link = n.pod_link("u-1", 0);
        assert_eq!(n.owner(&link, Some(&n.alias("u-1"))), Some(Owner::Pod("u-1".into())));
        assert_eq!(n.owner(&n.pool_link(3), None), Some(Owner::Pool));
        assert_eq!(n.owner(&link, None), None);
        assert_eq!(n.owner(&link, Some(&other.alias("u-1"))), None);
        assert_eq!(n.owner("eth0", Some("masthead")), None);
    }

    #[test]
    fn uids_are_file_names() {
        for good in ["a", "8f0c1f5e-0b8e-4a4c-9b1e-0a1b2c3d4e5f", "a_b.c"] {
            assert!(is_uid(good), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "a\n", &"x".repeat(129)] {
            assert!(!is_uid(bad), "{bad}");
        }
    }
}
