//! Header blocks of SPDY/3 ↔ names and values (draft-mbelshe-httpbis-spdy-00, 2.6.10).
//!
//! All blocks of one direction are one zlib stream, which begins with a dictionary that both sides know. Ours are not
//! compressed: they are stored blocks of deflate.

use std::collections::BTreeMap;

use flate2::{Decompress, FlushDecompress, Status};

/// What a zlib stream of SPDY/3 begins with: deflate, "a dictionary", and the dictionary's Adler-32.
const ZLIB_HEADER: [u8; 6] = [0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2];
/// Bytes of one block, unpacked. Kubernetes' have about a hundred.
const BLOCK_BYTES_MAX: usize = 16 << 10;

/// The dictionary's words, each of which has its length in four bytes before it (2.6.10.1).
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade \
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie \
    keep-alive origin";
/// What follows them.
const TAIL: &str = "1001012012022052063003023033043053063074024054064074084094104114124134144154164175025045052\
    03 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
    Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
    chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
    publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// Why a block can't be read. There is no going on after it: the blocks depend on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as it must, or is no deflate.
    #[error("a header block is not compressed as SPDY/3 says")]
    Compression,
    /// Larger than is taken.
    #[error("a header block has more than {BLOCK_BYTES_MAX} bytes")]
    TooLarge,
    /// Lengths that lead out of it, or text that is none.
    #[error("a header block is torn")]
    Torn,
}

/// Headers by their names, in lower case.
pub type Headers = BTreeMap<String, String>;

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in WORDS.split_whitespace() {
        let word = word.replace('_', " ");
        bytes.extend_from_slice(&(word.len() as u32).to_be_bytes());
        bytes.extend_from_slice(word.as_bytes());
    }
    bytes.extend_from_slice(TAIL.as_bytes());
    bytes
}

/// A stored block of deflate that is not the last.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let size = bytes.len() as u16;
    let mut block = vec![0];
    block.extend_from_slice(&size.to_le_bytes());
    block.extend_from_slice(&(!size).to_le_bytes());
    block.extend_from_slice(bytes);
    block
}

/// Writes the blocks of one direction.
#[derive(Debug, Default)]
pub struct Writer {
    is_begun: bool,
}

impl Writer {
    /// The next block; 64 KiB at the most.
    pub fn block(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        let mut block = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            block.extend_from_slice(&ZLIB_HEADER);
        }
        block.extend(stored(&plain));
        // An empty block flushes: without it Go's reader waits for the next one.
        block.extend(stored(&[]));
        block
    }
}

/// Reads the blocks of one direction.
#[derive(Debug)]
pub struct Reader {
    inflate: Decompress,
    is_begun: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self { inflate: Decompress::new(false), is_begun: false }
    }
}

impl Reader {
    /// The headers of the next block.
    ///
    /// # Errors
    /// Each is the end of the connection.
    pub fn block(&mut self, block: &[u8]) -> Result<Headers, Error> {
        let mut rest = block;
        if !std::mem::replace(&mut self.is_begun, true) {
            rest = self.begin(block)?;
        }
        parse(&self.unpack(rest)?)
    }

    /// Reads the stream's own head, and puts the dictionary where deflate looks back to: in front of the first block.
    fn begin<'b>(&mut self, block: &'b [u8]) -> Result<&'b [u8], Error> {
        let ([method, flags, sum @ ..], rest) = block.split_first_chunk::<6>().ok_or(Error::Compression)?;
        let is_zlib = method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0;
        if !is_zlib || flags & 0x20 == 0 || sum[..] != ZLIB_HEADER[2..] {
            return Err(Error::Compression);
        }
        self.unpack(&stored(&dictionary()))?;
        Ok(rest)
    }

    fn unpack(&mut self, mut packed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(packed, &mut buffer, FlushDecompress::Sync);
            let (read, written) = (self.inflate.total_in() - before_in, self.inflate.total_out() - before_out);
            let (read, written) = (read as usize, written as usize);
            match status {
                Ok(Status::Ok) | Ok(Status::BufError) => {}
                // The stream of a connection does not end.
                Ok(Status::StreamEnd) | Err(_) => return Err(Error::Compression),
            }
            plain.extend_from_slice(&buffer[..written]);
            packed = &packed[read..];
            if plain.len() > BLOCK_BYTES_MAX {
                return Err(Error::TooLarge);
            }
            if written < buffer.len() && (packed.is_empty() || read == 0) {
                return if packed.is_empty() { Ok(plain) } else { Err(Error::Compression) };
            }
        }
    }
}

fn parse(plain: &[u8]) -> Result<Headers, Error> {
    let mut rest = plain;
    let count = number(&mut rest)?;
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = text(&mut rest)?;
        headers.insert(name.to_ascii_lowercase(), text(&mut rest)?);
    }
    Ok(headers)
}

fn number(rest: &mut &[u8]) -> Result<usize, Error> {
    let (bytes, left) = rest.split_first_chunk::<4>().ok_or(Error::Torn)?;
    *rest = left;
    Ok(u32::from_be_bytes(*bytes) as usize)
}

fn text(rest: &mut &[u8]) -> Result<String, Error> {
    let length = number(rest)?;
    let (bytes, left) = rest.split_at_checked(length).ok_or(Error::Torn)?;
    *rest = left;
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Torn)
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn adler32(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        b << 16 | a
    }

    #[test]
    fn the_dictionary_is_the_drafts() {
        assert_eq!(dictionary().len(), 1423);
        assert_eq!(adler32(&dictionary()).to_be_bytes(), ZLIB_HEADER[2..]);
    }

    #[test]
    fn blocks_come_back() {
        let (mut writer, mut reader) = (Writer::default(), Reader::default());
        for headers in [&[("streamtype", "error"), ("port", "80")][..], &[], &[("streamtype", "data")]] {
            let read = reader.block(&writer.block(headers)).unwrap();
            assert_eq!(read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>().len(), headers.len());
            headers.iter().for_each(|(name, value)| assert_eq!(read[*name], *value));
        }
    }

    /// What a client that compresses sends: it looks back into the dictionary and into its own earlier blocks.
    #[test]
    fn compressed_blocks_are_read() {
        let mut deflate = Compress::new(Compression::best(), false);
        let mut pack = |plain: &[u8]| {
            let mut out = Vec::with_capacity(4096);
            deflate.compress_vec(plain, &mut out, FlushCompress::Sync).unwrap();
            out
        };
        // Its own encoder begins with the dictionary, too; what that packs to is thrown away.
        pack(&dictionary());
        let plain = |headers: &[(&str, &str)]| {
            let mut block = Writer { is_begun: true }.block(headers);
            block.truncate(block.len() - 5);
            block.split_off(5)
        };
        let (first, second) = ([("content-type", "application/xml"), ("streamtype", "data")], [("streamtype", "data")]);
        let mut packed = ZLIB_HEADER.to_vec();
        packed.extend(pack(&plain(&first)));
        assert!(packed.len() < 50, "{} bytes: the dictionary is used", packed.len());
        let mut reader = Reader::default();
        assert_eq!(reader.block(&packed).unwrap()["content-type"], "application/xml");
        assert_eq!(reader.block(&pack(&plain(&second))).unwrap()["streamtype"], "data");
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let whole = Writer::default().block(&[("a", "b")]);
        let check = |block: &[u8], expect: Error| assert_eq!(Reader::default().block(block), Err(expect), "{block:?}");
        check(b"", Error::Compression);
        check(&whole[..5], Error::Compression);
        check(&[&[0x78, 0x9c], &whole[2..]].concat(), Error::Compression);
        check(&[&whole[..6], &[0xff; 20][..]].concat(), Error::Compression);
        check(&[&whole[..6], &stored(&[0, 0, 0, 9])].concat(), Error::Torn);
        check(&[&whole[..6], &stored(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff])].concat(), Error::Torn);
        // Some hundred bytes that would be a megabyte.
        let mut deflate = Compress::new(Compression::best(), false);
        let mut bomb = Vec::with_capacity(1 << 16);
        deflate.compress_vec(&vec![0; 1 << 20], &mut bomb, FlushCompress::Sync).unwrap();
        check(&[&whole[..6], &bomb].concat(), Error::TooLarge);
        // Any torn or changed block gives an answer.
        let mut seed = 11_u64;
        for _ in 0..2000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut odd = whole.clone();
            let at = (seed >> 33) as usize % odd.len();
            odd[at] ^= (seed >> 20) as u8;
            odd.truncate((seed >> 40) as usize % (odd.len() + 1));
            let _ = Reader::default().block(&odd);
        }
    }
}
