//! The steps of a render, for those who measure.

/// A step of a render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Values are put together.
    Values,
    /// Values are held against schemas.
    Schema,
    /// Templates are parsed, where no earlier render did it.
    Parse,
    /// Templates are executed.
    Execute,
    /// What they gave is split, read and sorted.
    Sort,
}
