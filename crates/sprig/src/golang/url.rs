//! URLs to their parts and back, as Go's package `net/url` reads and writes them.

use super::runes;
use masthead_gotmpl::quote::quote;

/// A parsed URL, percent signs decoded where Go decodes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// Before the first `:`.
    pub scheme: Vec<u8>,
    /// What follows the scheme where that is no path.
    pub opaque: Vec<u8>,
    /// Before the `@`.
    pub user: Option<Userinfo>,
    /// With its port.
    pub host: Vec<u8>,
    /// Decoded.
    pub path: Vec<u8>,
    /// Behind the `?`, as it stands.
    pub raw_query: Vec<u8>,
    /// Behind the `#`, decoded.
    pub fragment: Vec<u8>,
}

/// What stands before the `@`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Userinfo {
    /// Decoded.
    pub username: Vec<u8>,
    /// Decoded; none where there is no `:`.
    pub password: Option<Vec<u8>>,
}

/// Which part of a URL bytes belong to: each keeps other bytes as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

/// Parses a URL; the error is the text of Go's `*url.Error`.
pub fn parse(text: &[u8]) -> Result<Url, String> {
    let (body, fragment) = cut(text, b'#');
    let wrap = |whole: &[u8], reason: String| format!("parse {}: {reason}", quote(whole));
    let mut url = parse_body(body).map_err(|reason| wrap(body, reason))?;
    if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
        url.fragment = unescape(fragment, Part::Fragment).map_err(|reason| wrap(text, reason))?;
    }
    Ok(url)
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| b == at) {
        Some(place) => (&text[..place], Some(&text[place + 1..])),
        None => (text, None),
    }
}

fn parse_body(text: &[u8]) -> Result<Url, String> {
    if text.iter().any(|&b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    let mut url = Url::default();
    if text == b"*" {
        url.path = b"*".to_vec();
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (mut rest, query) = cut(rest, b'?');
    url.raw_query = query.unwrap_or_default().to_vec();
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    if (!url.scheme.is_empty() || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
        let (authority, _) = cut(&rest[2..], b'/');
        rest = &rest[2 + authority.len()..];
        (url.user, url.host) = authority_parts(&url.scheme, authority)?;
    }
    url.path = unescape(rest, Part::Path)?;
    Ok(url)
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn authority_parts(scheme: &[u8], authority: &[u8]) -> Result<(Option<Userinfo>, Vec<u8>), String> {
    let Some(at) = authority.iter().rposition(|&b| b == b'@') else {
        return Ok((None, host(scheme, authority)?));
    };
    let host = host(scheme, &authority[at + 1..])?;
    let userinfo = &authority[..at];
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
    if !userinfo.iter().all(fits) {
        return Err("net/url: invalid userinfo".into());
    }
    let (username, password) = cut(userinfo, b':');
    let username = unescape(username, Part::User)?;
    let password = password.map(|password| unescape(password, Part::User)).transpose()?;
    Ok((Some(Userinfo { username, password }), host))
}

fn host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    match host.iter().rposition(|&b| b == b'[') {
        Some(0) => return bracketed_host(host),
        Some(_) => return Err("invalid IP-literal".into()),
        None => {}
    }
    if let Some(first) = host.iter().position(|&b| b == b':') {
        let last = host.iter().rposition(|&b| b == b':').unwrap_or(first);
        let strict = scheme == b"http" || scheme == b"https";
        check_port(&host[if strict { first } else { last }..])?;
    }
    unescape(host, Part::Host)
}

fn bracketed_host(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = host.iter().rposition(|&b| b == b']') else {
        return Err("missing ']' in host".into());
    };
    let port = &host[close + 1..];
    check_port(port)?;
    let port = unescape(port, Part::Host)?;
    let name = &host[1..close];
    let name = match runes::find(name, b"%25") {
        Some(zone) => [unescape(&name[..zone], Part::Host)?, unescape(&name[zone..], Part::Zone)?].concat(),
        None => unescape(name, Part::Host)?,
    };
    ipv6(&name)?;
    Ok([b"[", name.as_slice(), b"]", &port].concat())
}

fn check_port(port: &[u8]) -> Result<(), String> {
    if valid_port(port) { Ok(()) } else { Err(format!("invalid port {} after host", quote(port))) }
}

fn valid_port(port: &[u8]) -> bool {
    port.is_empty() || port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit)
}

/// Refuses what is no IPv6 address, with the texts of `netip.ParseAddr`.
fn ipv6(text: &[u8]) -> Result<(), String> {
    let wrong = |reason: &str, at: &[u8]| {
        let place = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        Err(format!("invalid host: ParseAddr({}): {reason}{place}", quote(text)))
    };
    match text.iter().find(|b| b".:%".contains(b)) {
        None => return wrong("unable to parse IP", b""),
        Some(b'%') => return wrong("missing IPv6 address", b""),
        Some(b'.') if std::str::from_utf8(text).is_ok_and(|t| t.parse::<std::net::Ipv4Addr>().is_ok()) => {
            return Err("invalid IP-literal".into());
        }
        Some(b'.') => return wrong("unexpected character", text),
        Some(_) => {}
    }
    let (address, zone) = cut(text, b'%');
    if zone.is_some_and(<[u8]>::is_empty) {
        return wrong("zone must be a non-empty string", b"");
    }
    let mut rest = address;
    let (mut filled, mut ellipsis) = (0, false);
    if let Some(after) = rest.strip_prefix(b"::") {
        ellipsis = true;
        rest = after;
    }
    while filled < 16 && !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if digits > 4 {
            return wrong("each group must have 4 or less digits", rest);
        }
        if digits == 0 {
            return wrong("each colon-separated field must have at least one digit", rest);
        }
        if rest.get(digits) == Some(&b'.') {
            if !ellipsis && filled != 12 {
                return wrong("embedded IPv4 address must replace the final 2 fields of the address", rest);
            }
            if filled > 12 {
                return wrong("too many hex fields to fit an embedded IPv4 at the end of the address", rest);
            }
            if !std::str::from_utf8(rest).is_ok_and(|t| t.parse::<std::net::Ipv4Addr>().is_ok()) {
                return wrong("unexpected character", rest);
            }
            rest = b"";
            filled += 4;
            break;
        }
        filled += 2;
        rest = &rest[digits..];
        match rest {
            [] => break,
            [b':'] => return wrong("colon must be followed by more characters", rest),
            [b':', b':', ..] if ellipsis => return wrong("multiple :: in address", &rest[1..]),
            [b':', b':', after @ ..] => {
                ellipsis = true;
                rest = after;
            }
            [b':', after @ ..] => rest = after,
            _ => return wrong("unexpected character, want colon", rest),
        }
    }
    match (rest.is_empty(), filled < 16, ellipsis) {
        (false, ..) => wrong("trailing garbage after address", rest),
        (_, true, false) => wrong("address string too short", b""),
        (_, false, true) => wrong("the :: must expand to at least one field of zeros", b""),
        _ => Ok(()),
    }
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let invalid = |escape: &[u8]| Err(format!("invalid URL escape {}", quote(escape)));
    while at < text.len() {
        let byte = text[at];
        if byte == b'%' {
            let escape = &text[at..text.len().min(at + 3)];
            let digits = escape.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
            let value = digits
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let Some(value) = value else { return invalid(escape) };
            let percent = escape == b"%25";
            let refused = match part {
                Part::Host => value < 0x80 && !percent,
                Part::Zone => !percent && value != b' ' && must_escape(value, Part::Host),
                _ => false,
            };
            if refused {
                return invalid(escape);
            }
            out.push(value);
            at += 3;
            continue;
        }
        if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && must_escape(byte, part) {
            return Err(format!("invalid character {} in host name", quote(&[byte])));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if must_escape(byte, part) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    out
}

fn must_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    if matches!(part, Part::Host | Part::Zone) && b"!$&'()*+,;=:[]<>\"".contains(&byte) {
        return false;
    }
    if b"$&+,/:;=?@".contains(&byte) {
        return match part {
            Part::Path => byte == b'?',
            Part::User => b"@/?:".contains(&byte),
            Part::Fragment => false,
            Part::Host | Part::Zone => true,
        };
    }
    !(part == Part::Fragment && b"!()*".contains(&byte))
}

impl Userinfo {
    /// As it stands in a URL.
    pub fn text(&self) -> Vec<u8> {
        let mut out = escape(&self.username, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::User));
        }
        out
    }
}

impl Url {
    /// The host without port and brackets.
    pub fn hostname(&self) -> &[u8] {
        let mut host = self.host.as_slice();
        if let Some(colon) = host.iter().rposition(|&b| b == b':').filter(|&colon| valid_port(&host[colon..])) {
            host = &host[..colon];
        }
        match host {
            [b'[', inner @ .., b']'] => inner,
            _ => host,
        }
    }

    /// The URL as text. A URL put together from parts has no raw path, no forced query and no omitted host.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.raw_query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }

    fn hierarchy(&self, out: &mut Vec<u8>) {
        if !self.host.is_empty() || self.user.is_some() || !self.scheme.is_empty() && !self.path.is_empty() {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend(user.text());
            out.push(b'@');
        }
        out.extend(escape(&self.host, Part::Host));
        let path = if self.path == b"*" { b"*".to_vec() } else { escape(&self.path, Part::Path) };
        if !path.is_empty() && path[0] != b'/' && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}
