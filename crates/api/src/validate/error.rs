//! A fault of one field: its kind, where, which value, and Kubernetes' sentence for it.

use std::fmt;

use serde::Serialize;

use crate::validate::path::Path;
use crate::validate::quote::{escape_html, go_json, go_string};

/// What is wrong with a field; named as the reasons of a `StatusCause`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A referenced thing is not there.
    NotFound,
    /// A value is missing.
    Required,
    /// A value occurs twice.
    Duplicate,
    /// A value is malformed.
    Invalid,
    /// A value is none of those allowed.
    NotSupported,
    /// A field may not be set or changed.
    Forbidden,
    /// A value is too long.
    TooLong,
    /// A list has too many elements.
    TooMany,
    /// A value has the wrong type.
    TypeInvalid,
    /// A fault that is not the user's.
    Internal,
}

impl ErrorKind {
    /// The reason of a `StatusCause`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::Internal => "InternalError",
        }
    }

    /// The words a message begins with.
    fn words(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What kind of fault.
    pub kind: ErrorKind,
    /// Which field; empty for the whole object.
    pub path: String,
    /// Kubernetes' message, with the value: `Invalid value: 0: must be between 1 and 65535, inclusive`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// A value as a message shows it.
pub trait Shown {
    /// Strings as Go quotes them, numbers plain, the rest as JSON.
    fn shown(&self) -> String;

    /// As JSON throughout: a string whose Go type has a name of its own, or that is behind a pointer, is shown so.
    fn shown_named(&self) -> String;
}

impl<T: Serialize + ?Sized> Shown for T {
    fn shown(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        match serde_json::from_str::<String>(&json) {
            Ok(text) => go_string(&text),
            Err(_) => escape_html(&json),
        }
    }

    fn shown_named(&self) -> String {
        go_json(self)
    }
}

/// The faults found so far, in the order in which Kubernetes reports them.
#[derive(Debug, Default)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, kind: ErrorKind, path: &Path<'_>, value: Option<String>, detail: &str) {
        let mut message = kind.words().to_owned();
        for part in value.as_deref().into_iter().chain((!detail.is_empty()).then_some(detail)) {
            message.push_str(": ");
            message.push_str(part);
        }
        self.0.push(FieldError { kind, path: path.to_string(), message });
    }

    /// A value is missing.
    pub fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.push(ErrorKind::Required, path, None, detail);
    }

    /// A value is missing when it is empty; says whether it is.
    pub fn required_text(&mut self, path: &Path<'_>, text: &str) -> bool {
        if text.is_empty() {
            self.required(path, "");
        }
        text.is_empty()
    }

    /// A field may not be set or changed.
    pub fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.push(ErrorKind::Forbidden, path, None, detail);
    }

    /// A value is malformed.
    pub fn invalid<T: Shown + ?Sized>(&mut self, path: &Path<'_>, value: &T, detail: &str) {
        self.push(ErrorKind::Invalid, path, Some(value.shown()), detail);
    }

    /// A value of a string type with a name of its own is malformed.
    pub fn invalid_named<T: Shown + ?Sized>(&mut self, path: &Path<'_>, value: &T, detail: &str) {
        self.push(ErrorKind::Invalid, path, Some(value.shown_named()), detail);
    }

    /// A value is malformed, and is already written as a message shows it.
    pub fn invalid_shown(&mut self, path: &Path<'_>, shown: String, detail: &str) {
        self.push(ErrorKind::Invalid, path, Some(shown), detail);
    }

    /// A fault that is not the user's.
    pub fn internal(&mut self, path: &Path<'_>, detail: &str) {
        self.push(ErrorKind::Internal, path, None, detail);
    }

    /// One fault for each sentence.
    pub fn invalid_each(&mut self, path: &Path<'_>, value: &str, details: impl IntoIterator<Item = impl AsRef<str>>) {
        for detail in details {
            self.invalid(path, value, detail.as_ref());
        }
    }

    /// A value occurs twice.
    pub fn duplicate<T: Shown + ?Sized>(&mut self, path: &Path<'_>, value: &T) {
        self.push(ErrorKind::Duplicate, path, Some(value.shown()), "");
    }

    /// A value occurs twice, and is already written as a message shows it.
    pub fn duplicate_shown(&mut self, path: &Path<'_>, shown: String, detail: &str) {
        self.push(ErrorKind::Duplicate, path, Some(shown), detail);
    }

    /// A referenced thing is not there.
    pub fn not_found(&mut self, path: &Path<'_>, value: &str, detail: &str) {
        self.push(ErrorKind::NotFound, path, Some(value.shown()), detail);
    }

    /// A value is none of those allowed, which are listed in this order.
    pub fn not_supported<T: Shown + ?Sized>(&mut self, path: &Path<'_>, value: &T, allowed: &[&str]) {
        self.not_supported_shown(path, value.shown_named(), allowed);
    }

    /// A value is none of those allowed, and is already written as a message shows it.
    pub fn not_supported_shown(&mut self, path: &Path<'_>, shown: String, allowed: &[&str]) {
        let quoted: Vec<String> = allowed.iter().map(|value| go_string(value)).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        self.push(ErrorKind::NotSupported, path, Some(shown), &detail);
    }

    /// A text must be one of those allowed.
    pub fn one_of(&mut self, path: &Path<'_>, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            self.not_supported(path, value, allowed);
        }
    }

    /// A text must be there and one of those allowed.
    pub fn required_one_of(&mut self, path: &Path<'_>, value: &str, allowed: &[&str]) {
        if !self.required_text(path, value) {
            self.one_of(path, value, allowed);
        }
    }

    /// A value is longer than `max` bytes.
    pub fn too_long(&mut self, path: &Path<'_>, max: usize) {
        let unit = if max == 1 { "byte" } else { "bytes" };
        self.push(ErrorKind::TooLong, path, None, &format!("may not be more than {max} {unit}"));
    }

    /// A list has more than `max` elements.
    pub fn too_many(&mut self, path: &Path<'_>, count: usize, max: usize) {
        let unit = if max == 1 { "item" } else { "items" };
        self.push(ErrorKind::TooMany, path, Some(count.to_string()), &format!("must have at most {max} {unit}"));
    }

    /// A number must not be negative.
    pub fn non_negative(&mut self, path: &Path<'_>, value: i64) {
        if value < 0 {
            self.invalid(path, &value, "must be greater than or equal to 0");
        }
    }

    /// A number must lie within both bounds.
    pub fn in_range(&mut self, path: &Path<'_>, value: i64, min: i64, max: i64) {
        if !(min..=max).contains(&value) {
            self.invalid(path, &value, &format!("must be between {min} and {max}, inclusive"));
        }
    }

    /// A number must be a port.
    pub fn port(&mut self, path: &Path<'_>, value: i32) {
        self.in_range(path, i64::from(value), 1, 65_535);
    }

    /// A field may not change.
    pub fn immutable<T: Shown + PartialEq + ?Sized>(&mut self, path: &Path<'_>, new: &T, old: &T) {
        if new != old {
            self.invalid(path, new, "field is immutable");
        }
    }
}
