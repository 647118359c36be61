//! Random input to everything that reads a text: no panic, and properties that hold for all of it.
//!
//! The same bounded number of cases each time; `examples/fuzz` goes on for as long as one likes.

use masthead_gotmpl::exec::execution::{Execution, Options};
use masthead_gotmpl::map::Map;
use masthead_gotmpl::set::Set;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use masthead_sprig::host::Host;
use masthead_sprig::regex::program::Regex;
use masthead_sprig::semver::{constraint, version};
use masthead_sprig::table;
use masthead_sprig::time::moment::Moment;
use masthead_sprig::time::{duration, format, parse};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A text put together from pieces, now and then with a byte of any kind.
    fn text(&mut self, pieces: &[&str], most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.below(most) {
            match self.below(40) {
                0 => out.push(self.next() as u8),
                _ => out.extend_from_slice(pieces[self.below(pieces.len())].as_bytes()),
            }
        }
        out
    }
}

/// Runs a check with random numbers.
fn repeat(seed: u64, cases: usize, mut check: impl FnMut(&mut Random)) {
    let mut random = Random(seed);
    (0..cases).for_each(|_| check(&mut random));
}

#[test]
fn versions_and_constraints() {
    let parts = [
        "0",
        "1",
        "2",
        "10",
        "x",
        "*",
        "X",
        ".",
        ".",
        ".",
        "-",
        "+",
        "v",
        "alpha",
        "rc.1",
        " ",
        ",",
        "||",
        ">",
        "<",
        "=",
        "!",
        "~",
        "^",
        " - ",
        "|",
        "\t",
        "00",
        "99999999999999999999",
    ];
    repeat(1, 20_000, |random| {
        let (left, right) = (random.text(&parts, 8), random.text(&parts, 8));
        let (left, right) = (version::parse(&left), version::parse(&right));
        let constraint = constraint::parse(&random.text(&parts, 14));
        if let (Ok(left), Ok(right)) = (&left, &right) {
            let same = left.major == right.major && left.minor == right.minor && left.patch == right.patch;
            if !same {
                assert_eq!(left.compare(right), right.compare(left).reverse());
            }
            assert_eq!(
                version::parse(left.to_string().as_bytes()).map(|again| again.compare(left)),
                Ok(std::cmp::Ordering::Equal)
            );
            if let Ok(constraint) = &constraint {
                constraint.check(left);
            }
        }
    });
}

#[test]
fn patterns() {
    let parts = [
        "a",
        "b",
        "1",
        ".",
        "*",
        "+",
        "?",
        "{2}",
        "{1,3}",
        "{,",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?P<n>",
        "(?<m>",
        "[",
        "]",
        "^",
        "$",
        "|",
        "\\d",
        "\\W",
        "\\pL",
        "\\p{Greek}",
        "\\Q",
        "\\E",
        "\\x{e9}",
        "\\b",
        "[[:alpha:]]",
        "-",
        "é",
        "\\",
        "\\z",
        "(?s-m:",
        "[^",
        "&&",
        "\\1",
        "{1000}",
        "(?U)",
        "#",
        " ",
    ];
    let texts = ["a", "b", "ab", "1", " ", "é", "-", "\n", "$1", "${n}"];
    repeat(2, 3_000, |random| {
        let Ok(regex) = Regex::new(&random.text(&parts, 9)) else { return };
        let text = random.text(&texts, 12);
        let found = regex.find_all(&text, -1);
        assert_eq!(regex.is_match(&text), !found.is_empty());
        assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        // What is found and what is between is all there is.
        let kept = regex.replace_all_literal(&text, b"");
        assert_eq!(kept.len(), text.len() - found.iter().map(|(start, end)| end - start).sum::<usize>());
        assert_eq!(regex.replace_all(&text, b"$0"), text);
        regex.replace_all(&text, &random.text(&["$1", "${n}", "$", "{", "}", "x"], 5));
        if let Some(parts) = regex.split(&text, random.below(5) as i64 - 1) {
            assert!(parts.iter().all(|(start, end)| start <= end && *end <= text.len()));
        }
    });
}

#[test]
fn layouts_dates_and_durations() {
    let elements = [
        "2006", "06", "01", "1", "Jan", "January", "02", "2", "_2", "__2", "002", "15", "3", "03", "04", "4", "05",
        "5", "PM", "pm", "MST", "-0700", "Z07:00", "Z070000", ".000", ",999", ".9", "Mon", "Monday", "-", "T", " ",
        ":", "x",
    ];
    let digits =
        ["0", "1", "2", "9", "31", "2024", "-", "T", " ", ":", "Z", "+", ".", "PM", "Jan", "UTC", "CET", "GMT+3"];
    repeat(3, 20_000, |random| {
        let layout = random.text(&elements, 8);
        drop(parse::parse(&layout, &random.text(&digits, 10)));
        let moment =
            Moment::from_unix(random.next().cast_signed() >> random.below(60), random.next() as u32 % 1_000_000_000);
        format::format(&moment, &layout);
        let length = random.next().cast_signed() >> random.below(63);
        assert_eq!(duration::parse(duration::format(length).as_bytes()), Ok(length));
        drop(duration::parse(&random.text(&["1", "9223372036854775807", ".", "h", "m", "s", "ms", "-", "µs"], 8)));
    });
    // A full layout gives back the same moment.
    let layout = b"2006-01-02T15:04:05.999999999Z07:00";
    repeat(4, 5_000, |random| {
        let moment = Moment::from_unix(random.below(250_000_000_000) as i64, random.next() as u32 % 1_000_000_000);
        let text = format::format(&moment, layout);
        let again = parse::parse(layout, &text).expect("what was written reads back");
        assert_eq!((again.seconds, again.nanoseconds), (moment.seconds, moment.nanoseconds));
    });
}

/// Renders a source with the text as `.t`.
fn render(set: &Set, text: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut host = Host::new([1; 32], "r", Moment::from_unix(0, 0));
    let dot: Map = [(Str::from("t"), Value::str(text))].into_iter().collect();
    let mut execution = Execution::new(set, Options::default(), &mut host);
    execution.execute(b"x", Value::Map(dot)).map_err(|failure| failure.text)
}

fn set(source: &str) -> Set {
    let mut set = Set::new(table::functions());
    set.parse("x", source.as_bytes()).expect("the source is fixed");
    set
}

#[test]
fn texts_that_functions_read() {
    let readers =
        set("{{ fromToml .t }}{{ fromJson .t }}{{ fromJsonArray .t }}{{ b64dec .t }}{{ b32dec .t }}{{ snakecase .t }}\
         {{ kebabcase .t }}{{ camelcase .t }}{{ title .t }}{{ swapcase .t }}{{ abbrevboth 5 9 .t }}{{ wrap 4 .t }}\
         {{ toDecimal .t }}{{ int .t }}{{ float64 .t }}{{ quote .t }}{{ toToml .t }}{{ clean .t }}");
    let writer = set("{{ toToml (dict \"t\" .t) | fromToml | toJson }}");
    let url = set("{{ $u := urlParse .t }}{{ urlJoin $u }}");
    let parts = [
        "a",
        "B",
        "1",
        "_",
        "-",
        " ",
        ".",
        "=",
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\r\n",
        "#",
        "\\",
        "true",
        "inf",
        "1e5",
        "0x1F",
        "2024-01-02",
        "12:30:00",
        "null",
        ":",
        "\"\"\"",
        "'''",
        "[[",
        "]]",
        "é",
        "日",
        "://",
        "%41",
        "@",
        "?",
        "\\u00e9",
        "MZXW6===",
        "Zm9v",
        "[::1]",
    ];
    repeat(5, 4_000, |random| {
        let text = random.text(&parts, 14);
        drop(render(&readers, text.clone()).expect("these functions fail for no text"));
        drop(render(&url, text.clone()));
        // What TOML is made of a text reads back as the text, as far as it is UTF-8.
        if let Ok(plain) = String::from_utf8(text) {
            let json = render(&writer, plain.clone().into_bytes()).expect("a text becomes TOML");
            let read: serde_json::Value = serde_json::from_slice(&json).expect("toJson writes JSON");
            if read.get("Error").is_none() {
                assert_eq!(read["t"], serde_json::Value::String(plain));
            }
        }
    });
}

/// What JSON, YAML and `%v` show of a float are digits of the same kind: Go's shortest ones, the even one of two.
#[test]
fn floats_have_the_same_digits_everywhere() {
    let check = |float: f64| {
        let (printed, yaml) = (masthead_gotmpl::float::shortest(float), masthead_yaml::number::format(float));
        assert_eq!(printed, yaml, "{float:e}");
    };
    // Halfway between two decimals that both read back.
    for tie in [
        1_302_845_740_032_421.2_f64,
        -79_289_238_871_486.12,
        2_251_799_813_685_248.5,
        2_251_799_813_685_249.5,
        9_007_199_254_740_993.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
    ] {
        check(tie);
    }
    repeat(6, 50_000, |random| {
        let bits = random.next();
        // Floats with a fraction of a few bits, as far as they have one: among them are ties.
        let whole = (bits >> 12) as f64 / f64::from(1u32 << (bits % 12));
        for float in [f64::from_bits(bits), whole, whole * 2f64.powi((bits % 80) as i32)] {
            if float.is_finite() {
                check(float);
            }
        }
    });
}
