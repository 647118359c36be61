//! Anchors, aliases, tags and directives to tokens.

use std::borrow::Cow;

use crate::chars::{self, URI, WORD};
use crate::error::Error;
use crate::scan::Scanner;
use crate::token::{Kind, NO_LEVEL, Token};

impl<'a> Scanner<'a> {
    fn skip_blanks(&mut self) {
        while matches!(self.byte(0), b' ' | b'\t') {
            self.pos += 1;
        }
    }

    fn scan_word(&mut self) -> &'a str {
        let start = self.pos;
        while chars::is(self.byte(0), WORD) {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    /// `&name` or `*name` at the position.
    pub(crate) fn scan_anchor(&mut self, kind: Kind) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        self.pos += 1;
        let name = self.scan_word();
        let ends = chars::is_blankz(self.bytes, self.pos)
            || matches!(self.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            return Err(self.error_at(mark, "did not find expected alphabetic or numeric character"));
        }
        Ok(Token { kind, level: NO_LEVEL, mark, value: Cow::Borrowed(name), tag: None })
    }

    /// `!<uri>`, `!suffix`, `!handle!suffix` or `!` at the position.
    pub(crate) fn scan_tag(&mut self) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.pos += 2;
            let suffix = self.scan_uri("")?;
            if self.byte(0) != b'>' {
                return Err(self.error_at(mark, "did not find the expected '>'"));
            }
            self.pos += 1;
            (String::new(), suffix)
        } else {
            let handle = self.scan_handle(false)?;
            if handle.len() > 1 && handle.ends_with('!') {
                (handle.to_owned(), self.scan_uri("")?)
            } else {
                let suffix = self.scan_uri(handle)?;
                // A lone `!` is the non-specific tag.
                if suffix.is_empty() { (String::new(), "!".to_owned()) } else { ("!".to_owned(), suffix) }
            }
        };
        if !chars::is_blankz(self.bytes, self.pos) {
            return Err(self.error_at(mark, "did not find expected whitespace or line break"));
        }
        let tag = Some(Box::new((handle, suffix)));
        Ok(Token { kind: Kind::Tag, level: NO_LEVEL, mark, value: Cow::Borrowed(""), tag })
    }

    fn scan_handle(&mut self, directive: bool) -> Result<&'a str, Error> {
        if self.byte(0) != b'!' {
            return Err(self.error("did not find expected '!'"));
        }
        let start = self.pos;
        self.pos += 1;
        self.scan_word();
        if self.byte(0) == b'!' {
            self.pos += 1;
        } else if directive && self.pos - start > 1 {
            return Err(self.error("did not find expected '!'"));
        }
        Ok(&self.text[start..self.pos])
    }

    /// A tag's URI; `head` is what was taken for a handle and is part of it, less its `!`.
    fn scan_uri(&mut self, head: &str) -> Result<String, Error> {
        let mut uri = head.get(1..).unwrap_or_default().to_owned();
        let mut found = !head.is_empty();
        while chars::is(self.byte(0), URI) {
            found = true;
            if self.byte(0) == b'%' {
                let c = self.scan_uri_escape()?;
                uri.push(c);
            } else {
                uri.push(self.byte(0) as char);
                self.pos += 1;
            }
        }
        if found { Ok(uri) } else { Err(self.error("did not find expected tag URI")) }
    }

    /// One character that `%` escapes spell in UTF-8.
    fn scan_uri_escape(&mut self) -> Result<char, Error> {
        let mut octets = [0u8; 4];
        let (mut have, mut width) = (0, 1);
        while have < width {
            let digits = [self.byte(1), self.byte(2)].map(|digit| (digit as char).to_digit(16));
            let ([Some(high), Some(low)], b'%') = (digits, self.byte(0)) else {
                return Err(self.error("did not find URI escaped octet"));
            };
            let octet = (high << 4 | low) as u8;
            if have == 0 {
                width = match octet {
                    0x00..=0x7F => 1,
                    0xC0..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF7 => 4,
                    _ => return Err(self.error("found an incorrect leading UTF-8 octet")),
                };
            } else if octet & 0xC0 != 0x80 {
                return Err(self.error("found an incorrect trailing UTF-8 octet"));
            }
            octets[have] = octet;
            have += 1;
            self.pos += 3;
        }
        let c = std::str::from_utf8(&octets[..width]).ok().and_then(|text| text.chars().next());
        c.ok_or_else(|| self.error("found an incorrect leading UTF-8 octet"))
    }

    /// `%YAML` or `%TAG` at the position, to the end of its line.
    pub(crate) fn scan_directive(&mut self) -> Result<Token<'a>, Error> {
        let mark = self.mark();
        self.pos += 1;
        let name = self.scan_word();
        if name.is_empty() {
            return Err(self.error_at(mark, "could not find expected directive name"));
        }
        if !chars::is_blankz(self.bytes, self.pos) {
            return Err(self.error_at(mark, "found unexpected non-alphabetical character"));
        }
        let mut token = Token::bare(Kind::VersionDirective, mark);
        self.skip_blanks();
        match name {
            "YAML" => token.value = self.scan_version()?,
            "TAG" => {
                token.kind = Kind::TagDirective;
                let handle = self.scan_handle(true)?.to_owned();
                if !matches!(self.byte(0), b' ' | b'\t') {
                    return Err(self.error_at(mark, "did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.scan_uri("")?;
                if !chars::is_blankz(self.bytes, self.pos) {
                    return Err(self.error_at(mark, "did not find expected whitespace or line break"));
                }
                token.tag = Some(Box::new((handle, prefix)));
            }
            _ => return Err(self.error_at(mark, "found unknown directive name")),
        }
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_line_rest();
        }
        if self.pos < self.bytes.len() && self.skip_break() == 0 {
            return Err(self.error_at(mark, "did not find expected comment or line break"));
        }
        Ok(token)
    }

    fn scan_version(&mut self) -> Result<Cow<'a, str>, Error> {
        let major = self.scan_version_number()?;
        if self.byte(0) != b'.' {
            return Err(self.error("did not find expected digit or '.' character"));
        }
        self.pos += 1;
        let minor = self.scan_version_number()?;
        Ok(Cow::Owned(format!("{major}.{minor}")))
    }

    fn scan_version_number(&mut self) -> Result<u8, Error> {
        let start = self.pos;
        while self.byte(0).is_ascii_digit() {
            self.pos += 1;
        }
        match &self.text[start..self.pos] {
            "" => Err(self.error("did not find expected version number")),
            digits => digits
                .parse()
                .ok()
                .filter(|_| digits.len() <= 2)
                .ok_or_else(|| self.error("found extremely long version number")),
        }
    }
}
