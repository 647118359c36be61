//! What an execution may use up, and what it did use.

/// Bounds of one execution with all that it includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Templates within templates, by `template` and by functions; Go's bound is 100,000.
    pub depth: u32,
    /// Templates that functions execute (`include`, `tpl`) within each other; Go has no bound.
    pub call_depth: u32,
    /// Bytes of the output, and of any single text a function makes.
    pub output_bytes: usize,
    /// Bytes of all texts that functions make together.
    pub made_bytes: u64,
    /// Nodes executed and turns of loops.
    pub steps: u64,
    /// After how many steps the probe is asked whether to go on.
    pub probe_steps: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 100_000,
            call_depth: 10_000,
            output_bytes: 64 << 20,
            made_bytes: 1 << 30,
            steps: 20_000_000,
            probe_steps: 4096,
        }
    }
}

/// What a field gives whose map has no such key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// `missingkey=default`: nothing, printed as `<no value>`.
    #[default]
    Invalid,
    /// `missingkey=zero`: the zero of the map's element type, as Helm sets it.
    Zero,
    /// `missingkey=error`: the execution fails, as Helm sets it under `--strict`.
    Error,
}
