//! Paths inside of a volume or a container to faults.

use crate::validate::error::Errors;
use crate::validate::path::Path;

/// No element of a path may be `..`.
pub fn validate_no_backsteps(path: &Path<'_>, target: &str, errors: &mut Errors) {
    if target.split('/').any(|part| part == "..") {
        errors.invalid(path, target, "must not contain '..'");
    }
}

/// A relative path that does not leave its root.
pub fn validate_descending_path(path: &Path<'_>, target: &str, errors: &mut Errors) {
    if target.starts_with('/') {
        errors.invalid(path, target, "must be a relative path");
    }
    validate_no_backsteps(path, target, errors);
}

/// A relative path whose name is not reserved: it does not begin with `..`.
pub fn validate_local_path(path: &Path<'_>, target: &str, errors: &mut Errors) {
    validate_descending_path(path, target, errors);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.invalid(path, target, "must not start with '..'");
    }
}
