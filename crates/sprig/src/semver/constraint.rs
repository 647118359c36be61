//! A constraint's text (`>=1.2, <2 || ~3.1`, `1.2 - 1.4`) to the comparisons in it.

use super::version::{self, Version};
use masthead_gotmpl::quote::quote;

/// The longest constraint that is read.
const CONSTRAINT_MAX_BYTES: usize = 512;
/// The most alternatives between `||`.
const GROUPS_MAX: usize = 32;

/// A constraint that does not read, in Masterminds' words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Over 512 bytes.
    #[error("constraint string is too long (max 512 bytes)")]
    TooLong,
    /// Over 32 alternatives.
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
    /// Not of a constraint's form.
    #[error("improper constraint: {}", quote(.0))]
    Improper(Vec<u8>),
    /// A version in it that does not read.
    #[error("constraint parser error")]
    Version,
}

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=` or nothing.
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=` or `=>`
    GreaterEqual,
    /// `<=` or `=<`
    LessEqual,
    /// `~` or `~>`
    Tilde,
    /// `^`
    Caret,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How.
    pub operator: Operator,
    /// Missing and wild parts are 0.
    pub version: Version,
    /// The minor part is missing or wild.
    pub minor_dirty: bool,
    /// Only the patch part is missing or wild.
    pub patch_dirty: bool,
    /// Some part is.
    pub dirty: bool,
}

/// Alternatives, of which one has to hold, of comparisons that all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// One of these has to hold.
    pub groups: Vec<Vec<Comparison>>,
}

/// A version in a constraint: `v?N(.N)?(.N)?(-ids)?(+ids)?`, with `x`, `X` and `*` for numbers.
struct Token<'t> {
    text: &'t [u8],
    numbers: [&'t [u8]; 3],
    prerelease: &'t [u8],
}

/// Reads a constraint as `semver.NewConstraint` does.
pub fn parse(text: &[u8]) -> Result<Constraints, Error> {
    if text.len() > CONSTRAINT_MAX_BYTES {
        return Err(Error::TooLong);
    }
    let rewritten = rewrite_ranges(text);
    let groups = crate::golang::runes::split(&rewritten, b"||", -1);
    if groups.len() > GROUPS_MAX {
        return Err(Error::TooManyGroups);
    }
    let groups = groups.into_iter().map(parse_group).collect::<Result<_, _>>()?;
    Ok(Constraints { groups })
}

fn parse_group(text: &[u8]) -> Result<Vec<Comparison>, Error> {
    let improper = || Error::Improper(text.to_vec());
    let mut found = Vec::new();
    let mut rest = skip_space(text);
    loop {
        let (operator, after) = operator(rest);
        let (token, after) = token(skip_space(after)).ok_or_else(improper)?;
        found.push((operator, token));
        rest = skip_space(after);
        if rest.is_empty() {
            break;
        }
        if let Some(after) = rest.strip_prefix(b",") {
            rest = skip_space(after);
        } else if rest.len() == after.len() {
            return Err(improper());
        }
    }
    found.into_iter().map(|(operator, token)| comparison(operator, &token)).collect()
}

fn comparison(operator: Operator, token: &Token<'_>) -> Result<Comparison, Error> {
    let [major, minor, patch] = token.numbers;
    let wild = |part: &[u8]| matches!(part, b"" | b"x" | b"X" | b"*");
    let (mut minor_dirty, mut patch_dirty) = (false, false);
    let text = if wild(major) {
        [b"0.0.0", token.prerelease].concat()
    } else if wild(minor) {
        minor_dirty = true;
        [major, b".0.0", token.prerelease].concat()
    } else if wild(patch) {
        patch_dirty = true;
        [major, b".", minor, b".0", token.prerelease].concat()
    } else {
        token.text.to_vec()
    };
    let dirty = wild(major) || minor_dirty || patch_dirty;
    let version = version::parse(&text).map_err(|_| Error::Version)?;
    Ok(Comparison { operator, version, minor_dirty, patch_dirty, dirty })
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

fn skip_space(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| is_space(b)).count()..]
}

fn operator(text: &[u8]) -> (Operator, &[u8]) {
    let known: [(&[u8], Operator); 11] = [
        (b">=", Operator::GreaterEqual),
        (b"=>", Operator::GreaterEqual),
        (b"<=", Operator::LessEqual),
        (b"=<", Operator::LessEqual),
        (b"!=", Operator::NotEqual),
        (b"~>", Operator::Tilde),
        (b"=", Operator::Equal),
        (b">", Operator::Greater),
        (b"<", Operator::Less),
        (b"~", Operator::Tilde),
        (b"^", Operator::Caret),
    ];
    known
        .into_iter()
        .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)))
        .unwrap_or((Operator::Equal, text))
}

/// The longest version at the start of a text.
fn token(text: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let mut rest = text.strip_prefix(b"v").unwrap_or(text);
    let mut numbers: [&[u8]; 3] = [&[]; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let from = match rest.first() {
            Some(b'.') if index > 0 => &rest[1..],
            _ if index > 0 => break,
            _ => rest,
        };
        // Masterminds' class for a number holds a `|`.
        let width = from.iter().take_while(|b| b.is_ascii_digit() || b"|xX*".contains(b)).count();
        if width == 0 {
            if index == 0 {
                return None;
            }
            break;
        }
        *number = &from[..width];
        rest = &from[width..];
    }
    let (prerelease, after) = identifiers(rest, b'-');
    let (_, after) = identifiers(after, b'+');
    let token = Token { text: &text[..text.len() - after.len()], numbers, prerelease };
    Some((token, after))
}

/// `-a.b.c` with its mark; nothing where that is not there.
fn identifiers(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    if text.first() != Some(&mark) {
        return text.split_at(0);
    }
    let part = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    let mut end = match part(1) {
        0 => return text.split_at(0),
        width => 1 + width,
    };
    while text.get(end) == Some(&b'.') {
        match part(end + 1) {
            0 => break,
            width => end += 1 + width,
        }
    }
    text.split_at(end)
}

/// `1.2 - 1.4` anywhere in the text to `>= 1.2, <= 1.4 `.
fn rewrite_ranges(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let Some((low, high, after)) = range(&text[at..]) else {
            at += 1;
            continue;
        };
        let whole = &text[at..text.len() - after.len()];
        let new = [b">= ", low, b", <= ", high, b" "].concat();
        // The first place where the same text stands, as in Go.
        if let Some(place) = crate::golang::runes::find(&out, whole) {
            out.splice(place..place + whole.len(), new);
        }
        at = text.len() - after.len();
    }
    out
}

fn range(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (low, rest) = token(skip_space(text))?;
    let dash = skip_space(rest);
    let after = dash.strip_prefix(b"-").filter(|_| dash.len() < rest.len())?;
    let high = skip_space(after);
    if high.len() == after.len() {
        return None;
    }
    let (high, rest) = token(high)?;
    Some((low.text, high.text, skip_space(rest)))
}
