//! A change of headers as a route has it → the same, ready to be done on each request or answer.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use masthead_api::gateway::filter::{HTTPHeader, HTTPHeaderFilter};

/// What is set, then added, then removed. Of several values for one name the first counts.
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
            set: first_of_each(filter.set.iter().map(pair).collect::<Result<_, _>>()?),
            add: first_of_each(filter.add.iter().map(pair).collect::<Result<_, _>>()?),
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

/// Names differ in more than their case, which says nothing in a header.
fn first_of_each(all: Vec<(HeaderName, HeaderValue)>) -> Vec<(HeaderName, HeaderValue)> {
    let mut out: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(all.len());
    for one in all {
        if !out.iter().any(|(known, _)| *known == one.0) {
            out.push(one);
        }
    }
    out
}
