//! Arguments to flags and words, by the rules and with the messages of the library that Helm uses (pflag).

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, or `=true` and the like.
    Bool,
    /// A text; the last one counts.
    Text,
    /// A text; all of them count.
    Each,
    /// A text with commas, read as CSV; all of them count.
    List,
    /// A whole number.
    Int,
    /// A whole number from 0.
    Uint,
    /// A number.
    Float,
    /// `key=value`, more of them with commas; nothing is done with them.
    Pairs,
    /// A duration; nothing is done with it.
    Duration,
    /// A text, or nothing, which means this one.
    Optional(&'static str),
}

/// One flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name after `--`.
    pub name: &'static str,
    /// Its letter after `-`, or a blank.
    pub short: char,
    /// What it takes.
    pub takes: Takes,
}

/// A flag without a letter.
pub const fn flag(name: &'static str, takes: Takes) -> Flag {
    Flag { name, short: ' ', takes }
}

/// A flag with a letter.
pub const fn short(name: &'static str, short: char, takes: Takes) -> Flag {
    Flag { name, short, takes }
}

/// What was given.
#[derive(Debug, Clone, Default)]
pub struct Given {
    values: Vec<(&'static str, String)>,
    /// The words that are no flags.
    pub words: Vec<String>,
}

impl Given {
    /// The last value of a flag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a flag, empty where it was not given.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a flag is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// All values of a flag, in their order.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.values.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.clone()).collect()
    }
}

/// Reads arguments; flags may stand before, between and after words.
///
/// # Errors
/// The library's words.
pub fn parse(flags: &[&[Flag]], args: &[String]) -> Result<Given, String> {
    let mut given = Given::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            given.words.extend(rest.by_ref().cloned());
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            if name.is_empty() || name.starts_with('-') {
                return Err(format!("bad flag syntax: {arg}"));
            }
            let known = flags.iter().copied().flatten().find(|known| known.name == name);
            let Some(known) = known else { return Err(format!("unknown flag: --{name}")) };
            let value = match (value, known.takes) {
                (Some(value), _) => value.to_owned(),
                (None, Takes::Bool) => "true".to_owned(),
                (None, Takes::Optional(text)) => text.to_owned(),
                (None, _) => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: {arg}"))?,
            };
            given.set(known, value)?;
        } else if arg.len() > 1 && arg.starts_with('-') {
            shorts(flags, arg, &mut rest, &mut given)?;
        } else {
            given.words.push(arg.clone());
        }
    }
    Ok(given)
}

fn shorts<'a>(
    flags: &[&[Flag]],
    arg: &str,
    rest: &mut impl Iterator<Item = &'a String>,
    given: &mut Given,
) -> Result<(), String> {
    let mut letters = &arg[1..];
    while let Some(letter) = letters.chars().next() {
        let tail = &letters[letter.len_utf8()..];
        let known = flags.iter().copied().flatten().find(|known| known.short == letter);
        let Some(known) = known.filter(|_| letter != ' ') else {
            return Err(format!("unknown shorthand flag: '{letter}' in -{letters}"));
        };
        if let Some(value) = tail.strip_prefix('=') {
            return given.set(known, value.to_owned());
        }
        match known.takes {
            Takes::Bool => given.set(known, "true".to_owned())?,
            Takes::Optional(text) => given.set(known, text.to_owned())?,
            _ if !tail.is_empty() => return given.set(known, tail.to_owned()),
            _ => {
                let value = rest.next().ok_or_else(|| format!("flag needs an argument: '{letter}' in -{letters}"))?;
                return given.set(known, value.clone());
            }
        }
        letters = tail;
    }
    Ok(())
}

impl Given {
    fn set(&mut self, known: &Flag, value: String) -> Result<(), String> {
        let shown = match known.short {
            ' ' => format!("--{}", known.name),
            letter => format!("-{letter}, --{}", known.name),
        };
        let quoted = |value: &str| masthead_gotmpl::quote::quote(value.as_bytes());
        let invalid =
            |why: String| Err(format!("invalid argument {} for {} flag: {why}", quoted(&value), quoted(&shown)));
        match known.takes {
            Takes::Bool => {
                let flag = match value.as_str() {
                    "1" | "t" | "T" | "TRUE" | "true" | "True" => "true",
                    "0" | "f" | "F" | "FALSE" | "false" | "False" => "false",
                    _ => return invalid(format!("strconv.ParseBool: parsing {}: invalid syntax", quoted(&value))),
                };
                self.values.push((known.name, flag.to_owned()));
            }
            Takes::Int => {
                if let Err(error) = masthead_sprig::golang::number::parse_int(value.as_bytes(), 0) {
                    return invalid(error.to_string());
                }
                self.values.push((known.name, value));
            }
            Takes::Uint => {
                if let Err(error) = masthead_sprig::golang::number::parse_uint(value.as_bytes(), 0) {
                    return invalid(error.to_string());
                }
                self.values.push((known.name, value));
            }
            Takes::Float if masthead_sprig::golang::float::parse(value.as_bytes()).is_none() => {
                return invalid(format!("strconv.ParseFloat: parsing {}: invalid syntax", quoted(&value)));
            }
            Takes::Duration => match duration_fault(&value) {
                Some(why) => return invalid(why),
                None => self.values.push((known.name, value)),
            },
            Takes::Pairs => match pairs_fault(&value) {
                Some(why) => return invalid(why),
                None => self.values.push((known.name, value)),
            },
            Takes::List => match csv(&value) {
                Ok(items) => self.values.extend(items.into_iter().map(|item| (known.name, item))),
                Err(why) => return invalid(why),
            },
            _ => self.values.push((known.name, value)),
        }
        Ok(())
    }
}

/// What Go's `time.ParseDuration` says against a text.
fn duration_fault(text: &str) -> Option<String> {
    let shown = masthead_gotmpl::quote::quote(text.as_bytes());
    let invalid = || Some(format!("time: invalid duration {shown}"));
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return None;
    }
    if rest.is_empty() {
        return invalid();
    }
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let behind = &rest[whole..];
        let (part, tail) = match behind.strip_prefix('.') {
            Some(fraction) => (digits(fraction), &fraction[digits(fraction)..]),
            None => (0, behind),
        };
        if whole + part == 0 {
            return invalid();
        }
        let end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        if unit.is_empty() {
            return Some(format!("time: missing unit in duration {shown}"));
        }
        if !["ns", "us", "µs", "μs", "ms", "s", "m", "h"].contains(&unit) {
            let unit = masthead_gotmpl::quote::quote(unit.as_bytes());
            return Some(format!("time: unknown unit {unit} in duration {shown}"));
        }
        rest = next;
    }
    None
}

/// What is wrong with pairs of keys and values.
fn pairs_fault(text: &str) -> Option<String> {
    let items = match text.matches('=').count() {
        0 | 1 => vec![text.trim_matches('"').to_owned()],
        _ => match csv(text) {
            Ok(items) => items,
            Err(why) => return Some(why),
        },
    };
    let bad = items.iter().find(|item| !item.contains('='))?;
    Some(format!("{bad} must be formatted as key=value"))
}

/// One line of CSV, as Go's reader takes it.
fn csv(line: &str) -> Result<Vec<String>, String> {
    if line.is_empty() {
        return Ok(Vec::new());
    }
    let line = line.split('\n').next().unwrap_or(line);
    let mut items = Vec::new();
    let mut rest = line;
    loop {
        let column = line.len() - rest.len();
        if let Some(quoted) = rest.strip_prefix('"') {
            let (item, tail) = quoted_item(quoted).ok_or_else(|| {
                format!("parse error on line 1, column {}: extraneous or missing \" in quoted-field", line.len() + 1)
            })?;
            items.push(item);
            match tail.strip_prefix(',') {
                Some(next) => rest = next,
                None => return Ok(items),
            }
        } else {
            let (item, tail) = rest.split_once(',').map_or((rest, None), |(item, tail)| (item, Some(tail)));
            if let Some(at) = item.find('"') {
                return Err(format!("parse error on line 1, column {}: bare \" in non-quoted field", column + at + 1));
            }
            items.push(item.to_owned());
            match tail {
                Some(next) => rest = next,
                None => return Ok(items),
            }
        }
    }
}

fn quoted_item(text: &str) -> Option<(String, &str)> {
    let mut item = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('"')?;
        item.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.chars().next() {
            Some('"') => {
                item.push('"');
                rest = &rest[1..];
            }
            None | Some(',') => return Some((item, rest)),
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flag, Takes, flag, parse, short};

    const FLAGS: &[Flag] = &[
        flag("set", Takes::Each),
        short("values", 'f', Takes::List),
        short("generate-name", 'g', Takes::Bool),
        flag("timeout", Takes::Duration),
        flag("width", Takes::Uint),
        flag("qps", Takes::Float),
        short("labels", 'l', Takes::Pairs),
        flag("dry-run", Takes::Optional("client")),
        short("namespace", 'n', Takes::Text),
    ];

    fn run(args: &[&str]) -> Result<super::Given, String> {
        parse(&[FLAGS], &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn flags_in_all_their_forms() {
        let given =
            run(&["a", "--set", "x=1", "--set=y=2", "-f", "a,b", "-fc", "-gn", "ns", "--dry-run", "b", "--", "--set"])
                .expect("the flags are known");
        assert_eq!(given.all("set"), ["x=1", "y=2"]);
        assert_eq!(given.all("values"), ["a", "b", "c"]);
        assert!(given.is_on("generate-name"));
        assert_eq!((given.text("namespace"), given.text("dry-run")), ("ns", "client"));
        assert_eq!(given.words, ["a", "b", "--set"]);
    }

    #[test]
    fn faults_are_the_librarys() {
        let refuses = |args: &[&str], expect: &str| assert_eq!(run(args).err().as_deref(), Some(expect));
        refuses(&["--bogus"], "unknown flag: --bogus");
        refuses(&["-gx"], "unknown shorthand flag: 'x' in -x");
        refuses(&["--set"], "flag needs an argument: --set");
        refuses(&["-f"], "flag needs an argument: 'f' in -f");
        refuses(
            &["-g=x"],
            "invalid argument \"x\" for \"-g, --generate-name\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
        );
        refuses(&["--timeout", "x"], "invalid argument \"x\" for \"--timeout\" flag: time: invalid duration \"x\"");
        refuses(
            &["--timeout", "5"],
            "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"",
        );
        refuses(
            &["--timeout", "1.5h2x"],
            "invalid argument \"1.5h2x\" for \"--timeout\" flag: time: unknown unit \"x\" in duration \"1.5h2x\"",
        );
        refuses(
            &["--width", "-1"],
            "invalid argument \"-1\" for \"--width\" flag: strconv.ParseUint: parsing \"-1\": invalid syntax",
        );
        refuses(
            &["--qps", "x"],
            "invalid argument \"x\" for \"--qps\" flag: strconv.ParseFloat: parsing \"x\": invalid syntax",
        );
        refuses(&["-l", "a"], "invalid argument \"a\" for \"-l, --labels\" flag: a must be formatted as key=value");
        refuses(
            &["-l", "a=b,c,d=e"],
            "invalid argument \"a=b,c,d=e\" for \"-l, --labels\" flag: c must be formatted as key=value",
        );
        for good in [["--timeout", "1h2.5m.5s"], ["--timeout", "-0"], ["--width", "0x10"], ["-l", "a=b,c=d"]] {
            assert!(run(&good).is_ok(), "{good:?}");
        }
    }
}
