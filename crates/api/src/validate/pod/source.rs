//! The sources that a volume names, counted.

use crate::validate::error::Errors;
use crate::validate::path::Path;

/// Counts the sources of a volume; only the first is looked into.
#[derive(Default)]
pub(super) struct Sources(pub(super) usize);

impl Sources {
    /// Whether this source is the first; a further one is a fault at `path.field`.
    pub(super) fn first(&mut self, path: &Path<'_>, field: &str, errors: &mut Errors) -> bool {
        self.0 += 1;
        if self.0 > 1 {
            errors.forbidden(&path.child(field), "may not specify more than 1 volume type");
        }
        self.0 == 1
    }
}
