//! Archives as bytes: taken apart without the code that is under test, and made with names and sizes that nobody should.

use std::io::{Read, Write};

const BLOCK: usize = 512;

/// The names and texts in a `.tgz`, in their order.
pub fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut tar).expect("an archive");
    let mut out = Vec::new();
    let mut rest = tar.as_slice();
    while rest.len() >= BLOCK && rest[0] != 0 {
        let text = |from: usize, to: usize| {
            let field = &rest[from..to];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124, 136), 8).expect("a size");
        out.push((text(0, 100), rest[BLOCK..BLOCK + size].to_vec()));
        rest = &rest[BLOCK + size.next_multiple_of(BLOCK)..];
    }
    out
}

/// A header that says what it is told to.
pub fn header(name: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{size:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A `.tgz` with one file.
pub fn of_one(name: &str, data: &[u8]) -> Vec<u8> {
    let mut tar = header(name, data.len() as u64);
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    packed(&[&tar])
}

/// Pieces behind each other, packed.
pub fn packed(pieces: &[&[u8]]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    pieces.iter().try_for_each(|piece| encoder.write_all(piece)).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
