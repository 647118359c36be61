//! What Go's `regexp/syntax` refuses, in Go's words.

/// A pattern that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {code}: `{expr}`")]
pub struct Error {
    /// Go's `ErrorCode`.
    pub code: &'static str,
    /// The part of the pattern that is at fault.
    pub expr: String,
}

impl Error {
    pub(super) fn new(code: &'static str, expr: &[u8]) -> Self {
        Self { code, expr: String::from_utf8_lossy(expr).into_owned() }
    }
}

pub(super) const CHAR_RANGE: &str = "invalid character class range";
pub(super) const ESCAPE: &str = "invalid escape sequence";
pub(super) const NAMED_CAPTURE: &str = "invalid named capture";
pub(super) const PERL_OP: &str = "invalid or unsupported Perl syntax";
pub(super) const REPEAT_OP: &str = "invalid nested repetition operator";
pub(super) const REPEAT_SIZE: &str = "invalid repeat count";
pub(super) const UTF8: &str = "invalid UTF-8";
pub(super) const MISSING_BRACKET: &str = "missing closing ]";
pub(super) const MISSING_PAREN: &str = "missing closing )";
pub(super) const MISSING_ARGUMENT: &str = "missing argument to repetition operator";
pub(super) const TRAILING_BACKSLASH: &str = "trailing backslash at end of expression";
pub(super) const UNEXPECTED_PAREN: &str = "unexpected )";
pub(super) const NESTING: &str = "expression nests too deeply";
pub(super) const LARGE: &str = "expression too large";

impl Error {
    /// The render's budget is used up.
    pub(crate) fn budget(expr: &[u8]) -> Self {
        Self::new("budget of the render used up", expr)
    }
}
