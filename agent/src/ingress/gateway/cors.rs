//! A rule about other sites' pages, and a request of one → the headers by which a browser lets the page ask and read
//! (Fetch standard, CORS protocol).

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode};
use masthead_api::gateway::filter::HTTPCORSFilter;

use crate::ingress::body::Body;

/// What answers of pods may not say where a rule says it.
const OF_THE_RULE: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// A list of names, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// None are named: nothing is said of them.
    None,
    /// `*`.
    All,
    /// As the header has them.
    These(HeaderValue),
}

/// Sites by scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Site {
    is_https: bool,
    /// In lower case; `*` is every host, `*.` at its beginning one label or more.
    host: String,
    port: u16,
}

/// Which pages may ask, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Nothing is every site.
    sites: Option<Vec<Site>>,
    credentials: bool,
    methods: Names,
    headers: Names,
    expose: Names,
    max_age_s: i32,
}

impl Names {
    fn new(all: &[String]) -> Result<Self, String> {
        match all {
            [] => Ok(Self::None),
            [one] if one == "*" => Ok(Self::All),
            all => {
                let joined = all.join(", ");
                HeaderValue::from_str(&joined).map(Self::These).map_err(|_| format!("{joined:?} can't be sent"))
            }
        }
    }

    /// What is said of them to one who asked for `asked`: of all, just that, which also holds where `*` would not.
    fn said(&self, asked: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::All => asked.cloned(),
            Self::These(names) => Some(names.clone()),
        }
    }
}

impl Site {
    /// A site as an `Origin` header or a rule writes it.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, place) = text.split_once("://")?;
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, if is_https { 443 } else { 80 }),
        };
        Some(Self { is_https, host: host.to_ascii_lowercase(), port })
    }

    fn covers(&self, other: &Self) -> bool {
        let covers_host = match self.host.strip_prefix('*') {
            // What follows the star begins with a dot: at least one label is before it.
            Some(end) => other.host.strip_suffix(end).is_some_and(|rest| !rest.is_empty()),
            None => self.host == other.host,
        };
        self.is_https == other.is_https && self.port == other.port && covers_host
    }
}

impl Cors {
    /// The rule of a filter.
    ///
    /// # Errors
    /// A name can't be sent, or a site is none.
    pub fn new(filter: &HTTPCORSFilter) -> Result<Self, String> {
        let site = |text: &String| Site::parse(text).ok_or_else(|| format!("{text:?} is no origin"));
        let is_any = filter.allow_origins.iter().any(|origin| origin == "*");
        let sites = filter.allow_origins.iter().map(site);
        Ok(Self {
            sites: if is_any { None } else { Some(sites.collect::<Result<_, _>>()?) },
            credentials: filter.allow_credentials == Some(true),
            methods: Names::new(&filter.allow_methods)?,
            headers: Names::new(&filter.allow_headers)?,
            expose: Names::new(&filter.expose_headers)?,
            max_age_s: filter.max_age.unwrap_or(5),
        })
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Some(sites) = &self.sites else { return true };
        let site = origin.to_str().ok().and_then(Site::parse);
        site.is_some_and(|site| sites.iter().any(|known| known.covers(&site)))
    }

    /// Says in an answer what a page of a site may do with it; what the pod says of that counts no more.
    pub fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        OF_THE_RULE.iter().for_each(|name| drop(headers.remove(name)));
        let shown = if self.sites.is_none() && !self.credentials {
            // The same for all, also for who names no site: a cache may give the answer to another.
            HeaderValue::from_static("*")
        } else {
            headers.append(VARY, HeaderValue::from_static("origin"));
            let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
            origin.clone()
        };
        let expose = match &self.expose {
            // Where credentials are sent, `*` is a name like others: all are named.
            Names::All if self.credentials => all_names(headers),
            Names::All => Some(HeaderValue::from_static("*")),
            expose => expose.said(None),
        };
        expose.into_iter().for_each(|expose| drop(headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose)));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, shown);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The answer to a browser that asks before it sends a page's request; nothing when it does not.
    pub fn preflight(&self, method: &Method, asked: &HeaderMap) -> Option<Response<Body>> {
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| *method == Method::OPTIONS)?;
        let origin = asked.get(ORIGIN)?;
        let mut response = Response::new(Body::Text(None));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.apply(Some(origin), headers);
        if self.allows(origin) {
            for (name, value) in [
                (ACCESS_CONTROL_ALLOW_METHODS, self.methods.said(Some(wanted))),
                (ACCESS_CONTROL_ALLOW_HEADERS, self.headers.said(asked.get(ACCESS_CONTROL_REQUEST_HEADERS))),
                (ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from(self.max_age_s))),
            ] {
                value.into_iter().for_each(|value| drop(headers.insert(&name, value)));
            }
        }
        Some(response)
    }
}

/// The names of all headers of an answer.
fn all_names(headers: &HeaderMap) -> Option<HeaderValue> {
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).ok().filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool, [methods, names, expose]: [&[&str]; 3]) -> Cors {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Cors::new(&HTTPCORSFilter {
            allow_origins: owned(origins),
            allow_credentials: Some(credentials),
            allow_methods: owned(methods),
            allow_headers: owned(names),
            expose_headers: owned(expose),
            max_age: Some(60),
        })
        .unwrap()
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut all: Vec<String> = headers
            .iter()
            .map(|(name, value)| {
                let name = name.as_str();
                format!("{}: {}", name.strip_prefix("access-control-").unwrap_or(name), value.to_str().unwrap())
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn sites_are_told_apart() {
        let rule = |origin: &str| cors(&[origin], false, [&[], &[], &[]]);
        for (origin, good, bad) in [
            ("*", &["null", "https://a.b", "x://y"][..], &[][..]),
            (
                "https://a.b",
                &["https://a.b", "https://A.b:443"],
                &["http://a.b", "https://a.b:1", "https://x.a.b", "null"],
            ),
            (
                "https://*.b",
                &["https://a.b", "https://x.a.b"],
                &["https://b", "https://.b", "https://ab", "http://a.b"],
            ),
            ("http://*:81", &["http://a.b:81", "http://[::1]:81"], &["http://a.b", "https://a:81", "http://a:x"]),
        ] {
            for (sites, expect) in [(good, true), (bad, false)] {
                for site in sites {
                    assert_eq!(rule(origin).allows(&HeaderValue::from_str(site).unwrap()), expect, "{origin} {site}");
                }
            }
        }
        let bad = HTTPCORSFilter { allow_origins: vec!["a.b".to_owned()], ..HTTPCORSFilter::default() };
        assert_eq!(Cors::new(&bad).unwrap_err(), "\"a.b\" is no origin");
    }

    #[test]
    fn answers_say_what_pages_may_do() {
        let check = |rule: &Cors, origin: Option<&str>, expect: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-own", HeaderValue::from_static("1"));
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://pod"));
            rule.apply(origin.map(|o| HeaderValue::from_str(o).unwrap()).as_ref(), &mut headers);
            assert_eq!(shown(&headers), [expect, &["x-own: 1"]].concat(), "{origin:?}");
        };
        let open = cors(&["*"], false, [&[], &[], &["*"]]);
        check(&open, Some("https://a.b"), &["allow-origin: *", "expose-headers: *"]);
        check(&open, None, &["allow-origin: *", "expose-headers: *"]);
        let own = cors(&["*"], true, [&[], &[], &["*"]]);
        check(
            &own,
            Some("https://a.b"),
            &["allow-credentials: true", "allow-origin: https://a.b", "expose-headers: x-own, vary", "vary: origin"],
        );
        let one = cors(&["https://a.b"], false, [&[], &[], &["x-a", "x-b"]]);
        check(&one, Some("https://a.b"), &["allow-origin: https://a.b", "expose-headers: x-a, x-b", "vary: origin"]);
        check(&one, Some("https://a.c"), &["vary: origin"]);
        check(&one, None, &["vary: origin"]);
    }

    #[test]
    fn browsers_that_ask_first_are_answered() {
        let asked = |origin: &str, method: Option<&str>, headers: Option<&str>| {
            let mut map = HeaderMap::new();
            map.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
            for (name, value) in [(ACCESS_CONTROL_REQUEST_METHOD, method), (ACCESS_CONTROL_REQUEST_HEADERS, headers)] {
                value.into_iter().for_each(|value| drop(map.insert(&name, HeaderValue::from_str(value).unwrap())));
            }
            map
        };
        let check = |rule: &Cors, asked: &HeaderMap, expect: &[&str]| {
            let response = rule.preflight(&Method::OPTIONS, asked).unwrap();
            assert_eq!(
                (response.status().as_u16(), shown(response.headers())),
                (204, expect.iter().map(|s| (*s).to_owned()).collect())
            );
        };
        let some = cors(&["https://a.b"], true, [&["GET", "PUT"], &["x-a", "x-b"], &["x-c"]]);
        check(
            &some,
            &asked("https://a.b", Some("DELETE"), Some("x-z")),
            &[
                "allow-credentials: true",
                "allow-headers: x-a, x-b",
                "allow-methods: GET, PUT",
                "allow-origin: https://a.b",
                "expose-headers: x-c",
                "max-age: 60",
                "vary: origin",
            ],
        );
        check(&some, &asked("https://a.c", Some("GET"), None), &["vary: origin"]);
        let all = cors(&["*"], false, [&["*"], &["*"], &[]]);
        check(
            &all,
            &asked("https://a.b", Some("PUT"), Some("x-a, authorization")),
            &["allow-headers: x-a, authorization", "allow-methods: PUT", "allow-origin: *", "max-age: 60"],
        );
        check(&all, &asked("null", Some("PUT"), None), &["allow-methods: PUT", "allow-origin: *", "max-age: 60"]);
        assert!(all.preflight(&Method::OPTIONS, &asked("https://a.b", None, None)).is_none(), "a plain OPTIONS");
        assert!(all.preflight(&Method::GET, &asked("https://a.b", Some("PUT"), None)).is_none(), "the request itself");
    }
}
