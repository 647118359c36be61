//! A request's host and path, and what a rule puts in their stead → where it goes: another path, or a redirect.

use masthead_api::gateway::filter::{HTTPPathModifier, HTTPRequestRedirectFilter};

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Its host, without port.
    pub host: &'a str,
    /// Its path.
    pub path: &'a str,
    /// What follows the `?` of it.
    pub query: Option<&'a str>,
    /// It came by TLS.
    pub is_tls: bool,
    /// The port of the listener.
    pub port: u16,
    /// The first elements of the path that the rule is about.
    pub prefix: &'a str,
}

/// A path after a rule has changed it.
pub fn path(modifier: &HTTPPathModifier, path: &str, prefix: &str) -> String {
    let replaced = match (modifier.type_.as_str(), &modifier.replace_full_path, &modifier.replace_prefix_match) {
        ("ReplaceFullPath", Some(whole), _) => whole.clone(),
        ("ReplacePrefixMatch", _, Some(first)) => {
            // Prefixes end with an element: what follows is nothing, or begins with a slash.
            let rest = path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or(path);
            format!("{}{rest}", first.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    };
    if replaced.starts_with('/') { replaced } else { format!("/{replaced}") }
}

/// A path with the query that it came with.
pub fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// The place that a client is sent to.
pub fn location(redirect: &HTTPRequestRedirectFilter, at: &At<'_>) -> String {
    let own = if at.is_tls { "https" } else { "http" };
    let scheme = redirect.scheme.as_deref().filter(|scheme| !scheme.is_empty());
    let known = |scheme: &str| if scheme == "https" { 443 } else { 80 };
    let asked = redirect.port.and_then(|port| u16::try_from(port).ok());
    let port = asked.unwrap_or_else(|| scheme.map_or(at.port, known));
    let scheme = scheme.unwrap_or(own);
    let host = redirect.hostname.as_deref().unwrap_or(at.host);
    let port = if port == known(scheme) { String::new() } else { format!(":{port}") };
    let path = match &redirect.path {
        Some(modifier) => path(modifier, at.path, at.prefix),
        None => at.path.to_owned(),
    };
    format!("{scheme}://{host}{port}{}", with_query(&path, at.query))
}
