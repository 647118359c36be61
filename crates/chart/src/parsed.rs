//! What a chart keeps of earlier renders: the templates that were parsed for them.

use std::fmt;
use std::sync::{Arc, Mutex};

use masthead_gotmpl::set::Set;

/// The templates of a chart and those below it, parsed; by the names under which they were parsed.
#[derive(Default)]
pub(crate) struct Parsed {
    pub sets: Mutex<Vec<(Vec<String>, Arc<Set>)>>,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsed")
    }
}
