//! A change of headers as a route has it → the same, ready to be done on each request or answer.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use masthead_api::gateway::filter::{HTTPHeader, HTTPHeaderFilter};

/// What is set, then added, then removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

impl Edit {
    /// The changes of a filter.
    ///
    /// # Errors
    /// A name or a value is none that can be sent.
    pub fn new(filter: &HTTPHeaderFilter) -> Result<Self, String> {
        let name = |text: &str| text.parse::<HeaderName>().map_err(|_| format!("{text:?} is no header"));
        let pair = |header: &HTTPHeader| {
            let value = HeaderValue::from_str(&header.value);
            Ok::<_, String>((
                name(&header.name)?,
                value.map_err(|_| format!("the value of {} can't be sent", header.name))?,
            ))
        };
        Ok(Self {
            set: filter.set.iter().map(pair).collect::<Result<_, _>>()?,
            add: filter.add.iter().map(pair).collect::<Result<_, _>>()?,
            remove: filter.remove.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
        })
    }

    /// Changes headers.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}
