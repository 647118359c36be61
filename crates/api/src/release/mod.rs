//! Masthead's own kinds, `masthead.dev/v1`.

#[expect(clippy::module_inception, reason = "the folder is the group's, the file the kind's")]
pub mod release;
