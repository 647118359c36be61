//! `format`: what a string must look like to be a date, an address, a URL, with the library's own reasons.

use masthead_sprig::golang::url;
use masthead_sprig::regex::program::Regex;

use super::pointer::decode;

/// A format that is asserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    name: &'static str,
    check: fn(&str) -> Checked,
}

type Checked = Result<(), String>;

const FORMATS: [Format; 19] = [
    Format { name: "json-pointer", check: json_pointer },
    Format { name: "relative-json-pointer", check: relative_json_pointer },
    Format { name: "uuid", check: uuid },
    Format { name: "duration", check: duration },
    Format { name: "period", check: period },
    Format { name: "ipv4", check: ipv4 },
    Format { name: "ipv6", check: ipv6 },
    Format { name: "hostname", check: hostname },
    Format { name: "email", check: email },
    Format { name: "date", check: date },
    Format { name: "time", check: time },
    Format { name: "date-time", check: date_time },
    Format { name: "uri", check: uri },
    Format { name: "iri", check: uri },
    Format { name: "uri-reference", check: uri_reference },
    Format { name: "iri-reference", check: uri_reference },
    Format { name: "uri-template", check: uri_template },
    Format { name: "semver", check: semver },
    Format { name: "regex", check: regex },
];

impl Format {
    /// The format of a name; none for one that is not asserted.
    pub fn of_name(name: &str) -> Option<Format> {
        FORMATS.iter().find(|format| format.name == name).copied()
    }

    pub fn name(self) -> &'static str {
        self.name
    }

    pub fn check(self, text: &str) -> Checked {
        (self.check)(text)
    }
}

fn no<T>(words: impl Into<String>) -> Result<T, String> {
    Err(words.into())
}

fn require(holds: bool, words: &str) -> Checked {
    if holds { Ok(()) } else { no(words) }
}

/// Go's `%q` of a character.
fn quoted(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => {
            let double = masthead_gotmpl::quote::quote(c.to_string().as_bytes());
            format!("'{}'", &double[1..double.len() - 1])
        }
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn json_pointer(text: &str) -> Checked {
    if text.is_empty() {
        return Ok(());
    }
    require(text.starts_with('/'), "not starting with /")?;
    for token in text.split('/').skip(1) {
        let mut chars = token.chars();
        while let Some(c) = chars.next() {
            if c == '~' {
                require(matches!(chars.next(), Some('0' | '1')), "~ must be followed by 0 or 1")?;
            }
        }
    }
    Ok(())
}

fn relative_json_pointer(text: &str) -> Checked {
    let count = digits(text);
    require(count > 0, "must start with non-negative integer")?;
    require(count == 1 || !text.starts_with('0'), "starts with zero")?;
    let rest = &text[count..];
    if rest == "#" { Ok(()) } else { json_pointer(rest) }
}

fn uuid(text: &str) -> Checked {
    let lengths = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    require(groups.len() == lengths.len(), "must have 5 elements")?;
    for (at, (group, length)) in groups.iter().zip(lengths).enumerate() {
        if group.len() != length {
            return no(format!("element {} must be {length} characters long", at + 1));
        }
        if let Some(c) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return no(format!("non-hex character {}", quoted(c)));
        }
    }
    Ok(())
}

fn duration(text: &str) -> Checked {
    let Some(text) = text.strip_prefix('P') else { return no("must start with P") };
    require(!text.is_empty(), "nothing after P")?;
    if let Some(weeks) = text.strip_suffix('W') {
        require(!weeks.is_empty(), "no number in week")?;
        return require(digits(weeks) == weeks.len(), "invalid week");
    }
    let all = ["YMD", "HMS"];
    for (at, part) in text.split('T').enumerate() {
        require(at == 0 || !part.is_empty(), "no time elements")?;
        let Some(known) = all.get(at) else { return no("more than one T") };
        let (mut units, mut rest) = (*known, part);
        while !rest.is_empty() {
            let count = digits(rest);
            require(count > 0, "missing number")?;
            rest = &rest[count..];
            let Some(unit) = rest.chars().next() else { return no("missing unit") };
            match units.find(unit) {
                Some(at) => units = &units[at + 1..],
                None if known.contains(unit) => return no(format!("unit {} out of order", quoted(unit))),
                None => return no(format!("invalid unit {}", quoted(unit))),
            }
            rest = &rest[unit.len_utf8()..];
        }
    }
    Ok(())
}

fn period(text: &str) -> Checked {
    let Some((start, end)) = text.split_once('/') else { return no("missing slash") };
    let under = |what: &str, done: Checked| done.map_err(|why| format!("invalid {what}: {why}"));
    if start.starts_with('P') {
        under("start duration", duration(start))?;
        return under("end date-time", date_time(end));
    }
    under("start date-time", date_time(start))?;
    if end.starts_with('P') { under("end duration", duration(end)) } else { under("end date-time", date_time(end)) }
}

fn ipv4(text: &str) -> Checked {
    let groups: Vec<&str> = text.split('.').collect();
    require(groups.len() == 4, "expected four decimals")?;
    for group in groups {
        require(group.len() < 2 || !group.starts_with('0'), "leading zeros")?;
        let number = masthead_sprig::golang::number::parse_int(group.as_bytes(), 10).map_err(|error| {
            let why = error.to_string();
            let why = why.rsplit(": ").next().unwrap_or(&why);
            format!("strconv.Atoi: parsing {}: {why}", masthead_gotmpl::quote::quote(group.as_bytes()))
        })?;
        require((0..=255).contains(&number), "decimal must be between 0 and 255")?;
    }
    Ok(())
}

fn ipv6(text: &str) -> Checked {
    require(text.contains(':'), "missing colon")?;
    match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && address.parse::<std::net::Ipv6Addr>().is_ok() => {
            no("zone id is not a part of ipv6 address")
        }
        _ => match text.parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => no(format!("ParseAddr({}): unable to parse IP", masthead_gotmpl::quote::quote(text.as_bytes()))),
        },
    }
}

fn hostname(text: &str) -> Checked {
    let text = text.strip_suffix('.').unwrap_or(text);
    require(text.len() <= 253, "more than 253 characters long")?;
    for label in text.split('.') {
        require((1..=63).contains(&label.len()), "label must be 1 to 63 characters long")?;
        require(!label.starts_with('-'), "label starts with hyphen")?;
        require(!label.ends_with('-'), "label ends with hyphen")?;
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            return no(format!("invalid character {}", quoted(c)));
        }
    }
    Ok(())
}

fn email(text: &str) -> Checked {
    require(text.len() <= 254, "more than 255 characters long")?;
    let Some((local, domain)) = text.rsplit_once('@') else { return no("missing @") };
    require(local.len() <= 64, "local part more than 64 characters long")?;
    if local.len() > 1 && local.starts_with('"') {
        let inner = local.get(1..local.len() - 1).unwrap_or_default();
        let words = "backslash and quote are not allowed within quoted local part";
        require(!inner.contains(['\\', '"']), words)?;
    } else {
        require(!local.starts_with('.'), "starts with dot")?;
        require(!local.ends_with('.'), "ends with dot")?;
        require(!local.contains(".."), "consecutive dots")?;
        let allowed = |c: &char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(*c);
        if let Some(c) = local.chars().find(|c| !allowed(c)) {
            return no(format!("invalid character {}", quoted(c)));
        }
    }
    if let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.strip_prefix("IPv6:") {
            Some(address) => ipv6(address).map_err(|why| format!("invalid ipv6 address: {why}")),
            None => ipv4(inner).map_err(|why| format!("invalid ipv4 address: {why}")),
        };
    }
    hostname(domain).map_err(|why| format!("invalid domain: {why}"))
}

/// `time.Parse("2006-01-02", text)`, with its errors.
fn date(text: &str) -> Checked {
    let quote = |text: &str| masthead_gotmpl::quote::quote(text.as_bytes());
    let cannot = |rest: &str, want: &str| {
        no(format!("parsing time {} as \"2006-01-02\": cannot parse {} as {}", quote(text), quote(rest), quote(want)))
    };
    let mut rest = text;
    let mut numbers = [0_u32; 3];
    for (at, (width, want)) in [(4, "2006"), (2, "01"), (2, "02")].into_iter().enumerate() {
        if at > 0 {
            match rest.strip_prefix('-') {
                Some(next) => rest = next,
                None => return cannot(rest, "-"),
            }
        }
        match rest.get(..width).filter(|part| digits(part) == width) {
            Some(part) => numbers[at] = part.parse().unwrap_or(0),
            None => return cannot(rest, want),
        }
        rest = &rest[width..];
        if at == 1 && !(1..=12).contains(&numbers[1]) {
            return no(format!("parsing time {}: month out of range", quote(text)));
        }
    }
    if !rest.is_empty() {
        return no(format!("parsing time {}: extra text: {}", quote(text), quote(rest)));
    }
    let [year, month, day] = numbers;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=last).contains(&day) {
        return no(format!("parsing time {}: day out of range", quote(text)));
    }
    Ok(())
}

/// Two decimal digits, a sign in front of one of them allowed, as `strconv.Atoi` reads two characters.
fn two(text: &str) -> Option<i32> {
    text.parse().ok()
}

fn time(text: &str) -> Checked {
    require(text.len() >= 9, "less than 9 characters long")?;
    let bytes = text.as_bytes();
    require(bytes[2] == b':' && bytes[5] == b':', "missing colon in correct place")?;
    let part = |text: &str, from: usize| text.get(from..from + 2).and_then(two);
    let (Some(mut hour), Some(mut minute), Some(second)) = (part(text, 0), part(text, 3), part(text, 6)) else {
        return no("invalid hour/min/sec");
    };
    require(hour >= 0 && minute >= 0 && second >= 0, "non-positive hour/min/sec")?;
    require(hour <= 23 && minute <= 59 && second <= 60, "hour/min/sec out of range")?;
    let mut rest = text.get(8..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        require(count > 0, "no digits in second fraction")?;
        rest = &fraction[count..];
    }
    if !rest.eq_ignore_ascii_case("z") {
        require(rest.len() == 6, "offset must be 6 characters long")?;
        let sign = match rest.as_bytes()[0] {
            b'+' => -1,
            b'-' => 1,
            _ => return no("offset must begin with plus/minus"),
        };
        require(rest.as_bytes()[3] == b':', "missing colon in offset in correct place")?;
        let (Some(hours), Some(minutes)) = (part(rest, 1), part(rest, 4)) else {
            return no("invalid hour/min in offset");
        };
        require(hours >= 0 && minutes >= 0, "non-positive hour/min in offset")?;
        require(hours <= 23 && minutes <= 59, "hour/min in offset out of range")?;
        let mut total = hour * 60 + minute + sign * (hours * 60 + minutes);
        if total < 0 {
            total += 24 * 60;
        }
        (hour, minute) = (total / 60, total % 60);
    }
    require(second < 60 || (hour == 23 && minute == 59), "invalid leap second")
}

fn date_time(text: &str) -> Checked {
    require(text.len() >= 20, "less than 20 characters long")?;
    require(matches!(text.as_bytes()[10], b't' | b'T'), "11th character must be t or T")?;
    let (Some(day), Some(clock)) = (text.get(..10), text.get(11..)) else {
        return no("11th character must be t or T");
    };
    date(day).map_err(|why| format!("invalid date element: {why}"))?;
    time(clock).map_err(|why| format!("invalid time element: {why}"))
}

fn parsed(text: &str) -> Result<url::Url, String> {
    let url = url::parse(text.as_bytes())?;
    let host = String::from_utf8_lossy(url.hostname()).into_owned();
    if host.contains(':') {
        ipv6(&host).map_err(|why| format!("invalid ipv6 address: {why}"))?;
    }
    Ok(url)
}

fn uri(text: &str) -> Checked {
    let url = parsed(text)?;
    require(!url.scheme.is_empty(), "relative url")
}

fn uri_reference(text: &str) -> Checked {
    require(!text.contains('\\'), "contains \\")?;
    parsed(text).map(drop)
}

fn uri_template(text: &str) -> Checked {
    parsed(text)?;
    let path = text.split(['?', '#']).next().unwrap_or(text);
    for token in path.split('/') {
        let Some(token) = decode(token) else {
            return no("percent decode failed: invalid URL escape");
        };
        let mut open = false;
        for c in token.chars().filter(|c| matches!(c, '{' | '}')) {
            require((c == '{') != open, "nested curly braces")?;
            open = !open;
        }
        require(!open, "no matching closing brace")?;
    }
    Ok(())
}

fn semver(text: &str) -> Checked {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let (text, build) = text.split_once('+').map_or((text, None), |(core, build)| (core, Some(build)));
    if let Some(build) = build {
        require(!build.is_empty(), "build is empty")?;
        for part in build.split('.') {
            require(!part.is_empty(), "build identifier is empty")?;
            if let Some(c) = part.chars().find(|c| !allowed(c)) {
                return no(format!("invalid character {} in build identifier", quoted(c)));
            }
        }
    }
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    for part in pre.into_iter().flat_map(|pre| pre.split('.')) {
        require(!part.is_empty(), "pre-release identifier is empty")?;
        if let Some(c) = part.chars().find(|c| !allowed(c)) {
            return no(format!("invalid character {} in pre-release identifier", quoted(c)));
        }
        let numeric = digits(part) == part.len();
        require(
            !(numeric && part.len() > 1 && part.starts_with('0')),
            "pre-release numeric identifier starts with zero",
        )?;
    }
    let parts: Vec<&str> = core.split('.').collect();
    require(parts.len() == 3, "versionCore must have 3 numbers separated by dot")?;
    for (part, name) in parts.iter().zip(["major", "minor", "patch"]) {
        require(!part.is_empty(), &format!("{name} is empty"))?;
        require(part.len() == 1 || !part.starts_with('0'), &format!("{name} starts with zero"))?;
        require(digits(part) == part.len(), &format!("{name} contains non-digit"))?;
    }
    Ok(())
}

fn regex(text: &str) -> Checked {
    Regex::new(text.as_bytes()).map(drop).map_err(|error| error.to_string())
}
