//! What the functions that are not pure ask for: entropy, the time, applied objects, and how strict to be.

use std::collections::HashMap;
use std::rc::Rc;

use masthead_gotmpl::function::Call;
use masthead_gotmpl::hash::Hashing;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::crypto::rng::Derived;
use crate::regex::program::Regex;
use crate::time::moment::Moment;

/// Patterns kept compiled during a render.
const PATTERNS_MAX: usize = 1000;

/// Finds applied objects for `lookup`: API version, kind, namespace, name (empty: a list of all).
pub type Lookup = Box<dyn FnMut(&str, &str, &str, &str) -> Result<serde_json::Value, String>>;

/// One render's surroundings. The engine carries it; functions find it by its type.
pub struct Host {
    /// The secret that random values derive from. A plain run draws a new one; a repository keeps one in its store.
    pub entropy: [u8; 32],
    /// Name of the release: other releases get other values from the same entropy.
    pub release: String,
    /// What `now` says.
    pub now: Moment,
    /// What `lookup` asks; without one it finds nothing.
    pub lookup: Option<Lookup>,
    /// Helm's lint mode: `required` and `fail` report here and let the render go on.
    pub lint: bool,
    /// What lint mode reported, in order.
    pub reports: Vec<String>,
    pub(crate) included: HashMap<Str, u32, Hashing>,
    patterns: HashMap<Str, Rc<Regex>, Hashing>,
}

impl Host {
    /// Surroundings of a render that looks nothing up and is not in lint mode.
    pub fn new(entropy: [u8; 32], release: impl Into<String>, now: Moment) -> Self {
        Self {
            entropy,
            release: release.into(),
            now,
            lookup: None,
            lint: false,
            reports: Vec::new(),
            included: HashMap::default(),
            patterns: HashMap::default(),
        }
    }

    pub(crate) fn pattern(&mut self, pattern: &Str) -> Result<Rc<Regex>, crate::regex::error::Error> {
        if let Some(known) = self.patterns.get(pattern) {
            return Ok(Rc::clone(known));
        }
        let compiled = Rc::new(Regex::new(pattern.as_bytes())?);
        if self.patterns.len() >= PATTERNS_MAX {
            self.patterns.clear();
        }
        self.patterns.insert(pattern.clone(), Rc::clone(&compiled));
        Ok(compiled)
    }
}

/// The host of a call; an error where the engine's caller supplied none.
pub fn of<'c>(call: &'c mut Call<'_>) -> Result<&'c mut Host, String> {
    call.host::<Host>().ok_or_else(|| "no host: this render has no entropy, time or lookups".to_owned())
}

/// Random bytes for this call: stable for its place in the templates, unpredictable without the entropy.
pub fn derived(call: &mut Call<'_>, purpose: &str) -> Result<Derived, String> {
    let place = call.place();
    let host = of(call)?;
    Ok(Derived::new(&host.entropy, &host.release, purpose, &place))
}

/// The time of the render.
pub fn now(call: &mut Call<'_>) -> Result<Moment, String> {
    Ok(of(call)?.now.clone())
}

/// An empty map, which is what `lookup` gives for nothing.
pub fn nothing() -> Value {
    Value::Map(masthead_gotmpl::map::Map::any())
}
