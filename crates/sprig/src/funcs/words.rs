//! Words and letters: case, wrapping, abbreviating, as goutils, xstrings and Go's package `strings` do it.

use masthead_gotmpl::function::{Function, Param};
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;

use crate::args;
use crate::golang::{runes, unicode};
use crate::letters::{abbreviate, case, wrap};
use crate::signature::{INT, fixed};

const S: Param = Param::Str;

/// `upper`, `title`, `snakecase`, `wrap`, `abbrev` and their kind.
pub static FUNCTIONS: [Function; 17] = [
    fixed("upper", &[S], |_, a| done(case::upper(args::text(a, 0)))),
    fixed("lower", &[S], |_, a| done(case::lower(args::text(a, 0)))),
    fixed("title", &[S], |_, a| done(case::title(args::text(a, 0)))),
    fixed("untitle", &[S], |_, a| done(case::untitle(args::text(a, 0)))),
    fixed("swapcase", &[S], |_, a| done(case::swap(args::text(a, 0)))),
    fixed("initials", &[S], |_, a| done(case::initials(args::text(a, 0)))),
    fixed("camelcase", &[S], |_, a| done(case::pascal(args::text(a, 0)))),
    fixed("snakecase", &[S], |_, a| done(crate::letters::parts::lower_with(args::text(a, 0), '_'))),
    fixed("kebabcase", &[S], |_, a| done(crate::letters::parts::lower_with(args::text(a, 0), '-'))),
    fixed("nospace", &[S], |_, a| done(nospace(args::text(a, 0)))),
    fixed("abbrev", &[INT, S], |_, a| {
        let (width, text) = (args::int(a, 0), args::text(a, 1));
        done(if width < 4 { text.to_vec() } else { abbreviate::abbreviate(text, 0, width) })
    }),
    fixed("abbrevboth", &[INT, INT, S], |_, a| {
        let (left, right, text) = (args::int(a, 0), args::int(a, 1), args::text(a, 2));
        let keep = right < 4 || left > 0 && right < 7;
        done(if keep { text.to_vec() } else { abbreviate::abbreviate(text, left, right) })
    }),
    fixed("wrap", &[INT, S], |call, a| {
        let text = args::text(a, 1);
        call.spend(0, text.len() as u64 * 2)?;
        done(wrap::wrap(text, args::int(a, 0), b"\n", false))
    }),
    fixed("wrapWith", &[INT, S, S], |call, a| {
        let (separator, text) = (args::text(a, 1), args::text(a, 2));
        call.spend(0, (text.len() as u64 + 1).saturating_mul(separator.len() as u64 + 2))?;
        done(wrap::wrap(text, args::int(a, 0), if separator.is_empty() { b"\n" } else { separator }, true))
    }),
    fixed("osClean", &[S], |_, a| done(crate::golang::path::clean(args::text(a, 0)))),
    fixed("osExt", &[S], |_, a| done(crate::golang::path::ext(args::text(a, 0)).to_vec())),
    fixed("osIsAbs", &[S], |_, a| Ok(Value::Bool(crate::golang::path::is_abs(args::text(a, 0))))),
];

fn done(text: Vec<u8>) -> Result<Value, String> {
    Ok(Value::Str(Str::from(text)))
}

/// goutils looks at bytes, each as a code point: other text than ASCII becomes Latin-1 read twice once a space is in it.
fn nospace(text: &[u8]) -> Vec<u8> {
    if !text.iter().any(|&b| unicode::is_space(b as char)) {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.iter().map(|&b| b as char).filter(|&c| !unicode::is_space(c)) {
        runes::push(&mut out, c);
    }
    out
}
