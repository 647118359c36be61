//! Whether a version fulfils a constraint, by Masterminds' rules for wildcards, `~`, `^` and prereleases.

use std::cmp::Ordering;

use super::constraint::{Comparison, Constraints, Operator};
use super::version::{self, Version};

impl Constraints {
    /// Whether one of the alternatives holds. A prerelease counts only where the alternative names one.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let prereleases = group.iter().any(|comparison| !comparison.version.prerelease.is_empty());
            (version.prerelease.is_empty() || prereleases) && group.iter().all(|comparison| comparison.check(version))
        })
    }
}

impl Comparison {
    fn check(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        match self.operator {
            Operator::Equal if !self.dirty => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(version, order),
            Operator::NotEqual => self.not_equal(version, order),
            Operator::Greater => self.greater(version, order),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => self.less_equal(version, order),
            Operator::Caret => self.caret(version, order),
        }
    }

    fn not_equal(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if self.dirty {
            if own.major != version.major {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if own.minor != version.minor {
                return true;
            }
            if self.patch_dirty {
                return version::compare_prerelease(&version.prerelease, &own.prerelease) != Ordering::Equal;
            }
            if own.patch != version.patch {
                return true;
            }
        }
        order != Ordering::Equal
    }

    fn greater(&self, version: &Version, order: Ordering) -> bool {
        if !self.dirty {
            return order == Ordering::Greater;
        }
        match version.major.cmp(&self.version.major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.minor_dirty => false,
            Ordering::Equal if self.patch_dirty => version.minor > self.version.minor,
            Ordering::Equal => order == Ordering::Greater,
        }
    }

    fn less_equal(&self, version: &Version, order: Ordering) -> bool {
        if !self.dirty {
            return order != Ordering::Greater;
        }
        let own = &self.version;
        version.major < own.major || version.major == own.major && (version.minor <= own.minor || self.minor_dirty)
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        // `~*` and `~0.0.0` take everything.
        if (own.major, own.minor, own.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if own.major > 0 || self.minor_dirty {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.patch_dirty {
            return version.minor == own.minor;
        }
        version.minor == 0 && version.patch == own.patch
    }
}
