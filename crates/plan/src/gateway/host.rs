//! Two hosts, whole or with a wildcard → what both are.

/// The narrower of two hosts, where they have something in common. Empty is every host; `*.` is at least one label more.
fn intersect<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    let covers = |wide: &str, narrow: &str| match wide.strip_prefix("*.") {
        _ if wide.is_empty() => true,
        Some(rest) => narrow.strip_prefix("*.").is_some_and(|narrow| narrow == rest) || ends_below(narrow, rest),
        None => wide == narrow,
    };
    if covers(a, b) {
        Some(b)
    } else if covers(b, a) {
        Some(a)
    } else {
        None
    }
}

/// Whether a host is below a domain, by one label or more.
fn ends_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|rest| !rest.is_empty() && rest != "*")
}

/// The hosts of a route at a listener: the route's own, as far as the listener has them.
pub fn at_listener(listener: &str, route: &[String]) -> Vec<String> {
    if route.is_empty() {
        return vec![listener.to_owned()];
    }
    let mut hosts: Vec<String> = route.iter().filter_map(|host| intersect(listener, host)).map(str::to_owned).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Whether two lists of hosts have something in common.
pub fn overlap(a: &[String], b: &[String]) -> bool {
    a.iter().any(|a| b.iter().any(|b| intersect(a, b).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_of_two_hosts_counts() {
        for (a, b, expect) in [
            ("", "a.b", Some("a.b")),
            ("a.b", "", Some("a.b")),
            ("", "", Some("")),
            ("a.b", "a.b", Some("a.b")),
            ("a.b", "c.b", None),
            ("*.b", "a.b", Some("a.b")),
            ("*.b", "x.a.b", Some("x.a.b")),
            ("*.b", "b", None),
            ("*.b", "ab", None),
            ("a.b", "*.b", Some("a.b")),
            ("*.b", "*.b", Some("*.b")),
            ("*.b", "*.a.b", Some("*.a.b")),
            ("*.a.b", "*.b", Some("*.a.b")),
            ("*.a.b", "*.c.b", None),
            ("*.b", "", Some("*.b")),
        ] {
            assert_eq!(intersect(a, b), expect, "{a:?} {b:?}");
            assert_eq!(intersect(b, a), expect, "{b:?} {a:?}");
        }
        let hosts = |list: &[&str]| list.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
        assert_eq!(at_listener("*.b", &hosts(&["a.b", "a.c", "*.b", "a.b"])), ["*.b", "a.b"]);
        assert_eq!(at_listener("a.b", &[]), ["a.b"]);
        assert!(at_listener("a.b", &hosts(&["c"])).is_empty());
        assert!(overlap(&hosts(&["*.b"]), &hosts(&["x", "a.b"])) && !overlap(&hosts(&["*.b"]), &hosts(&["b"])));
    }
}
