//! Character classes of Go's patterns (`\d`, `[:alpha:]`, `\p{Greek}`) to sets of code points.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// A set of one range.
pub fn range(low: char, high: char) -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new(low, high)])
}

fn ranges(pairs: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(pairs.iter().map(|&(low, high)| ClassUnicodeRange::new(low, high)))
}

/// `\d` and its kind by letter: the set and whether it is negated.
pub fn perl(letter: u8) -> Option<(ClassUnicode, bool)> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => ranges(&[('0', '9')]),
        b's' => ranges(&[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')]),
        b'w' => ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        _ => return None,
    };
    Some((set, letter.is_ascii_uppercase()))
}

/// `[:alnum:]` and its kind by what stands between the colons.
pub fn posix(name: &[u8]) -> Option<(ClassUnicode, bool)> {
    let (name, negated) = match name.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let set = match name {
        b"alnum" => ranges(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        b"alpha" => ranges(&[('A', 'Z'), ('a', 'z')]),
        b"ascii" => ranges(&[('\0', '\x7f')]),
        b"blank" => ranges(&[('\t', '\t'), (' ', ' ')]),
        b"cntrl" => ranges(&[('\0', '\x1f'), ('\x7f', '\x7f')]),
        b"digit" => ranges(&[('0', '9')]),
        b"graph" => ranges(&[('!', '~')]),
        b"lower" => ranges(&[('a', 'z')]),
        b"print" => ranges(&[(' ', '~')]),
        b"punct" => ranges(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        b"space" => ranges(&[('\t', '\r'), (' ', ' ')]),
        b"upper" => ranges(&[('A', 'Z')]),
        b"word" => ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        b"xdigit" => ranges(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        _ => return None,
    };
    Some((set, negated))
}

/// A Unicode category or script by name, compared as Go 1.25 and later do: case, spaces, `_` and `-` do not count.
pub fn unicode(name: &str) -> Option<ClassUnicode> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    match plain.as_str() {
        "any" => return Some(range('\0', char::MAX)),
        "ascii" => return Some(range('\0', '\x7f')),
        "assigned" => {
            let mut set = lookup("gc=cn")?;
            set.negate();
            return Some(set);
        }
        "lc" => {
            let mut set = lookup("gc=lu")?;
            set.union(&lookup("gc=ll")?);
            set.union(&lookup("gc=lt")?);
            return Some(set);
        }
        _ => {}
    }
    let category = lookup(&format!("gc={plain}"));
    // Scripts go by their long names: of four letters, only these are no codes.
    let named = plain.len() != 4
        || matches!(plain.as_str(), "ahom" | "cham" | "kawi" | "lisu" | "miao" | "modi" | "newa" | "thai" | "toto");
    category.or_else(|| if named { lookup(&format!("sc={plain}")) } else { None })
}

fn lookup(property: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{property}}}")).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(set)) => Some(set.clone()),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            let only = text.chars().next()?;
            Some(range(only, only))
        }
        _ => None,
    }
}
