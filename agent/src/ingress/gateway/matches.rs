//! The head of a request and the conditions of a rule → whether all of them hold.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use masthead_api::gateway::resolved::{Match as Wanted, PathMatch, ValueMatch};
use regex_automata::meta::Regex;

/// Bytes of the automaton of one expression; the control plane refuses larger ones.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;

/// What is looked at of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The path, as it was sent.
    pub path: &'a str,
    /// What follows its `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
}

/// A path.
#[derive(Clone, Debug)]
enum Path {
    Exact(String),
    Prefix(String),
    Regex(Regex),
}

/// A text.
#[derive(Clone, Debug)]
enum Text {
    Exact(String),
    Regex(Regex),
}

/// Conditions, of which all must hold.
#[derive(Clone, Debug)]
pub struct Match {
    path: Path,
    method: String,
    headers: Vec<(HeaderName, Text)>,
    query: Vec<(String, Text)>,
}

/// An expression that a whole text must fit.
fn regex(expression: &str) -> Result<Regex, String> {
    let config = Regex::config().nfa_size_limit(Some(AUTOMATON_BYTES_MAX));
    let build = |text: &str| Regex::builder().configure(config.clone()).build(text).map_err(|error| error.to_string());
    let whole = format!(r"\A(?:{expression})\z");
    // Alone too, so that it can't end the group that stands around it.
    let built = build(expression).and_then(|_| build(&whole));
    built.map_err(|error| format!("the expression {expression:?} can't be used: {error}"))
}

fn text(wanted: &ValueMatch) -> Result<Text, String> {
    match wanted.regex {
        true => regex(&wanted.value).map(Text::Regex),
        false => Ok(Text::Exact(wanted.value.clone())),
    }
}

impl Text {
    fn fits(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.as_bytes() == bytes,
            // Bytes that are no text fit no expression.
            Self::Regex(regex) => std::str::from_utf8(bytes).is_ok_and(|text| regex.is_match(text)),
        }
    }
}

impl Match {
    /// The conditions of a rule.
    ///
    /// # Errors
    /// An expression or a name can't be used.
    pub fn new(wanted: &Wanted) -> Result<Self, String> {
        let path = match &wanted.path {
            PathMatch::Exact(path) => Path::Exact(path.clone()),
            PathMatch::Prefix(path) => Path::Prefix(path.trim_end_matches('/').to_owned()),
            PathMatch::Regex(expression) => Path::Regex(regex(expression)?),
        };
        let header = |one: &ValueMatch| {
            let name = one.name.parse::<HeaderName>().map_err(|_| format!("{:?} is no header", one.name))?;
            Ok::<_, String>((name, text(one)?))
        };
        Ok(Self {
            path,
            method: wanted.method.clone(),
            headers: wanted.headers.iter().map(header).collect::<Result<_, _>>()?,
            query: wanted.query.iter().map(|one| Ok((one.name.clone(), text(one)?))).collect::<Result<_, String>>()?,
        })
    }

    /// Whether a request has all that is wanted.
    pub fn fits(&self, head: &Head<'_>) -> bool {
        self.fits_path(head.path)
            && (self.method.is_empty() || self.method == head.method)
            && self.headers.iter().all(|(name, text)| fits_header(head.headers, name, text))
            && (self.query.is_empty() || self.fits_query(head.query.unwrap_or_default()))
    }

    fn fits_path(&self, path: &str) -> bool {
        match &self.path {
            Path::Exact(whole) => path == whole,
            Path::Prefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Path::Regex(regex) => regex.is_match(path),
        }
    }

    fn fits_query(&self, query: &str) -> bool {
        self.query.iter().all(|(name, text)| {
            // Of several of one name the first counts.
            let value = pairs(query).find(|(known, _)| known == name);
            value.is_some_and(|(_, value)| text.fits(value.as_bytes()))
        })
    }

    /// The first elements of paths that it is about, when it is about such.
    pub fn prefix(&self) -> &str {
        match &self.path {
            Path::Prefix(prefix) => prefix,
            _ => "",
        }
    }
}

/// Whether a header fits; of several lines of one name the values are joined by commas (RFC 9110, 5.3).
fn fits_header(headers: &HeaderMap, name: &HeaderName, text: &Text) -> bool {
    let mut all = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (all.next(), all.next()) {
        (None, _) => false,
        (Some(only), None) => text.fits(only),
        (Some(first), Some(second)) => {
            let joined = [first, second].into_iter().chain(all).collect::<Vec<_>>().join(&b","[..]);
            text.fits(&joined)
        }
    }
}

/// The parameters of a query, decoded.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// A text with `%XX` and `+` read; what is no such thing stays as it is.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(b) = bytes.get(at) {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (b, hex(at + 1), hex(at + 2)) {
            // Two digits of sixteen are below 256.
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (b, ..) => out.push(*b),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|_| text.to_owned()))
}
