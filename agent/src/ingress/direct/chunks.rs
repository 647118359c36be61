//! A body in chunks as it passes → where it ends, and whether it is one at all.

/// Bytes of a line of a chunk's size, with its extensions.
const LINE_MAX: usize = 1024;
/// Bytes of all trailers of a body.
const TRAILER_BYTES_MAX: usize = 64 << 10;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(&'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataLineFeed,
    /// At the first byte of a line of trailers.
    Trailer,
    TrailerLine,
    TrailerEnd,
    LastLineFeed,
    Done,
}

/// Reads along.
#[derive(Clone, Debug)]
pub struct Chunks {
    at: At,
    left: u64,
    digits: usize,
    line: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, left: 0, digits: 0, line: 0 }
    }
}

impl Chunks {
    /// Reads on: how many bytes are the body's, and whether the last of them ends it.
    ///
    /// # Errors
    /// They are no chunks.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(usize, bool), Error> {
        let mut at = 0;
        while at < bytes.len() && self.at != At::Done {
            if self.at == At::Data {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.left -= step as u64;
                at += step;
                if self.left == 0 {
                    self.at = At::DataEnd;
                }
                continue;
            }
            self.step(bytes[at])?;
            at += 1;
        }
        Ok((at, self.at == At::Done))
    }

    fn step(&mut self, byte: u8) -> Result<(), Error> {
        self.line += 1;
        let is_trailer = matches!(self.at, At::Trailer | At::TrailerLine | At::TrailerEnd);
        if self.line > if is_trailer { TRAILER_BYTES_MAX } else { LINE_MAX } {
            return Err(Error("a line between chunks is too long"));
        }
        self.at = match (self.at, byte) {
            (At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.digits += 1;
                if self.digits > 15 {
                    return Err(Error("a chunk's size is too large"));
                }
                self.left = self.left << 4 | digit;
                At::Size
            }
            (At::Size, b'\r') if self.digits > 0 => At::SizeEnd,
            (At::Size, b';' | b' ' | b'\t') if self.digits > 0 => At::Extension,
            (At::Extension, b'\r') => At::SizeEnd,
            (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => At::Extension,
            (At::SizeEnd, b'\n') => {
                (self.digits, self.line) = (0, 0);
                if self.left == 0 { At::Trailer } else { At::Data }
            }
            (At::DataEnd, b'\r') => At::DataLineFeed,
            (At::DataLineFeed, b'\n') => {
                self.line = 0;
                At::Size
            }
            (At::Trailer, b'\r') => At::LastLineFeed,
            (At::Trailer | At::TrailerLine, b'\t' | b' '..=b'~' | 0x80..) => At::TrailerLine,
            (At::TrailerLine, b'\r') => At::TrailerEnd,
            (At::TrailerEnd, b'\n') => At::Trailer,
            (At::LastLineFeed, b'\n') => At::Done,
            _ => return Err(Error("the body's chunks can't be read")),
        };
        Ok(())
    }
}
