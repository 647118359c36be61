//! The tokens of a template.
use crate::quote;
use crate::string::lossy;

/// What a token is. Keywords come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum ItemType {
    /// The scan failed; the lexer has the text.
    Error,
    /// `true` or `false`
    Bool,
    /// A printable ASCII character that means nothing by itself, like a comma.
    Char,
    /// `'x'`
    CharConstant,
    /// `1+2i`
    Complex,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// The end of the text.
    Eof,
    /// `.name`
    Field,
    /// A name without a dot before it.
    Identifier,
    /// `{{`
    LeftDelim,
    /// `(`
    LeftParen,
    /// Any number but a complex pair.
    Number,
    /// `|`
    Pipe,
    /// A string in backquotes.
    RawString,
    /// `}}`
    RightDelim,
    /// `)`
    RightParen,
    /// A string in double quotes.
    String,
    /// Text outside of actions.
    Text,
    /// `$name`
    Variable,
    /// `block`
    Block,
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `.`
    Dot,
    /// `define`
    Define,
    /// `else`
    Else,
    /// `end`
    End,
    /// `if`
    If,
    /// `nil`
    Nil,
    /// `range`
    Range,
    /// `template`
    Template,
    /// `with`
    With,
}

/// One token: a stretch of the source.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What it is.
    pub typ: ItemType,
    /// A string in double quotes: it is ASCII without a backslash.
    pub is_plain: bool,
    /// Where it starts, in bytes.
    pub pos: u32,
    /// Where it ends.
    pub end: u32,
    /// Where the space in front of it starts; where it starts itself, if there is none.
    pub gap: u32,
}

impl Item {
    /// Does it follow what is before it without space?
    #[inline]
    pub fn is_attached(self) -> bool {
        self.gap == self.pos
    }

    /// How Go's messages show the token.
    pub fn show(self, text: &[u8]) -> String {
        match self.typ {
            ItemType::Eof => "EOF".to_owned(),
            typ if typ >= ItemType::Block => format!("<{}>", lossy(text)),
            _ if text.len() > 10 => {
                let head: usize = match lossy_end(text, 10) {
                    Some(end) => end,
                    None => text.len(),
                };
                format!("{}...", quote::quote(&text[..head]))
            }
            _ => quote::quote(text),
        }
    }
}

/// Where the first `count` characters end, if there are more.
fn lossy_end(text: &[u8], count: usize) -> Option<usize> {
    let mut at = 0;
    for _ in 0..count {
        if at >= text.len() {
            return None;
        }
        at += quote::decode(&text[at..]).1;
    }
    (at < text.len()).then_some(at)
}

/// The keyword of a word.
pub fn keyword(word: &[u8]) -> Option<ItemType> {
    Some(match word {
        b"." => ItemType::Dot,
        b"block" => ItemType::Block,
        b"break" => ItemType::Break,
        b"continue" => ItemType::Continue,
        b"define" => ItemType::Define,
        b"else" => ItemType::Else,
        b"end" => ItemType::End,
        b"if" => ItemType::If,
        b"range" => ItemType::Range,
        b"nil" => ItemType::Nil,
        b"template" => ItemType::Template,
        b"with" => ItemType::With,
        _ => return None,
    })
}
