//! A reader that walks beside a tar stream and stops it before an extended header or the whole outgrows its bound.
//!
//! The tar crate reads long names and PAX records into memory whole, so their size is checked here first.

use std::io::{self, Read};

const BLOCK: usize = 512;

/// Where the guard stands in the stream.
enum State {
    /// Collecting a header block.
    Header,
    /// Collecting the block that follows an old GNU sparse header; then so much data.
    Sparse(u64),
    /// Passing data, padding included; keeps it when it is a PAX record.
    Data(u64),
}

/// Bounds a tar stream: total bytes and bytes of each extended header.
pub struct Guard<R> {
    inner: R,
    state: State,
    block: Vec<u8>,
    pax: Option<(Vec<u8>, u64)>,
    size_override: Option<u64>,
    passed: u64,
    max_total: u64,
    max_header: u64,
    hit: Option<&'static str>,
}

impl<R: Read> Guard<R> {
    /// Wraps a plain tar stream.
    pub fn new(inner: R, max_total: u64, max_header: u64) -> Self {
        Self {
            inner,
            state: State::Header,
            block: Vec::with_capacity(BLOCK),
            pax: None,
            size_override: None,
            passed: 0,
            max_total,
            max_header,
            hit: None,
        }
    }

    /// Name of the limit that stopped the stream.
    pub fn hit(&self) -> Option<&'static str> {
        self.hit
    }

    /// The wrapped reader.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn stop(&mut self, limit: &'static str) -> io::Error {
        self.hit = Some(limit);
        io::Error::other(format!("more than {limit}"))
    }

    fn walk(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.state {
                State::Data(left) => {
                    let n = left.min(bytes.len() as u64) as usize;
                    if let Some((kept, size)) = &mut self.pax {
                        let want = (*size as usize).saturating_sub(kept.len()).min(n);
                        kept.extend_from_slice(&bytes[..want]);
                    }
                    bytes = &bytes[n..];
                    self.state = State::Data(left - n as u64);
                    if left == n as u64 {
                        self.state = State::Header;
                        if let Some((kept, _)) = self.pax.take() {
                            self.size_override = pax_size(&kept);
                        }
                    }
                }
                State::Header | State::Sparse(_) => {
                    let n = (BLOCK - self.block.len()).min(bytes.len());
                    self.block.extend_from_slice(&bytes[..n]);
                    bytes = &bytes[n..];
                    if self.block.len() == BLOCK {
                        self.next_block()?;
                        self.block.clear();
                    }
                }
            }
        }
        Ok(())
    }

    fn next_block(&mut self) -> io::Result<()> {
        if let State::Sparse(data) = self.state {
            if self.block[504] == 0 {
                self.enter(data);
            }
            return Ok(());
        }
        if self.block.iter().all(|b| *b == 0) {
            return Ok(());
        }
        let kind = self.block[156];
        let mut size = number(&self.block[124..136]);
        if matches!(kind, b'x' | b'g' | b'L' | b'K') {
            if size > self.max_header {
                return Err(self.stop("header_bytes"));
            }
            if kind == b'x' {
                self.pax = Some((Vec::new(), size));
            }
        } else if let Some(wide) = self.size_override.take() {
            size = wide;
        }
        if kind == b'S' && self.block[482] != 0 {
            self.state = State::Sparse(size);
        } else {
            self.enter(size);
        }
        Ok(())
    }

    fn enter(&mut self, size: u64) {
        let padded = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        self.state = if padded == 0 { State::Header } else { State::Data(padded) };
        if padded == 0 {
            self.pax = None;
        }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.passed += n as u64;
        if self.passed > self.max_total {
            return Err(self.stop("layer_unpacked_bytes"));
        }
        self.walk(&buf[..n])?;
        Ok(n)
    }
}

/// A size field: octal text, or base 256 when the top bit is set (GNU).
fn number(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[field.len() - 8..].iter().fold(0, |n, b| (n << 8) | u64::from(*b));
    }
    field.iter().filter(|b| (b'0'..=b'7').contains(*b)).fold(0, |n, b| (n << 3) | u64::from(b - b'0'))
}

/// The `size` record of a PAX header.
fn pax_size(records: &[u8]) -> Option<u64> {
    records.split(|b| *b == b'\n').find_map(|line| {
        let text = std::str::from_utf8(line).ok()?;
        text.split_once(' ')?.1.strip_prefix("size=")?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, size: u64) -> Vec<u8> {
        let mut h = tar::Header::new_gnu();
        h.set_size(size);
        h.set_entry_type(tar::EntryType::new(kind));
        h.set_cksum();
        h.as_bytes().to_vec()
    }

    fn run(bytes: &[u8], total: u64, head: u64) -> Option<&'static str> {
        let mut guard = Guard::new(bytes, total, head);
        let _ = io::copy(&mut guard, &mut io::sink());
        guard.hit()
    }

    #[test]
    fn bounds() {
        let mut stream = header(b'0', 600);
        stream.extend([7; 1024]);
        stream.extend(header(b'x', 2000));
        assert_eq!(run(&stream, u64::MAX, 2000), None);
        assert_eq!(run(&stream, u64::MAX, 1999), Some("header_bytes"));
        assert_eq!(run(&stream, 1535, 4096), Some("layer_unpacked_bytes"));
        // Data that looks like a header is not taken for one.
        let mut hidden = header(b'0', 512);
        hidden.extend(header(b'x', 1 << 40));
        assert_eq!(run(&hidden, u64::MAX, 10), None);
    }

    #[test]
    fn a_size_record_moves_the_next_header() {
        let record = b"14 size=1024\n";
        let mut stream = header(b'x', record.len() as u64);
        stream.extend(record);
        stream.resize(stream.len().next_multiple_of(512), 0);
        stream.extend(header(b'0', 0));
        stream.extend([0; 512]);
        stream.extend(header(b'L', 1 << 40));
        assert_eq!(run(&stream, u64::MAX, 100), None);
        stream.extend(header(b'L', 1 << 40));
        assert_eq!(run(&stream, u64::MAX, 100), Some("header_bytes"));
    }
}
