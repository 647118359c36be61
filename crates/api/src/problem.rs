//! A fault of an object that a user wrote, as both the REST server and the git path report it.

use std::fmt;

use crate::validate::error::{ErrorKind, FieldError};

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// `apiVersion` and `kind` name nothing known.
    UnknownKind,
    /// Kubernetes has the kind, this program does not.
    UnsupportedKind,
    /// The type has no such field.
    UnknownField,
    /// A field stands there twice.
    DuplicateField,
    /// A value has the wrong JSON type, or text that its type cannot read.
    Type,
    /// A value breaks a rule.
    Value(ErrorKind),
}

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Kubernetes' dotted path, `spec.containers[0].image`; empty for the whole object.
    pub path: String,
    /// Kubernetes' words, without the path.
    pub message: String,
    /// What kind of fault.
    pub kind: ProblemKind,
    /// What may have been meant.
    pub hint: Option<String>,
}

impl From<FieldError> for FieldProblem {
    fn from(error: FieldError) -> Self {
        Self { path: error.path, message: error.message, kind: ProblemKind::Value(error.kind), hint: None }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " (did you mean {hint}?)")?;
        }
        Ok(())
    }
}
