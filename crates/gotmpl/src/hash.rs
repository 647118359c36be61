//! Bytes to a hash, fast: for tables of names that live as long as a render.
use std::hash::{BuildHasherDefault, Hasher};

/// Makes the hashers of a `HashMap`.
pub type Hashing = BuildHasherDefault<Folding>;

/// Multiplies eight bytes at a time with what is there and folds the product, as wyhash does. Not against attacks: who
/// finds names that meet slows down a render of his own, whose steps are bounded.
#[derive(Clone, Copy, Default)]
pub struct Folding(u64);

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xe703_7ed1_a0b4_28db;

impl Folding {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ OTHER) * u128::from(FACTOR);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Folding {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(word) ^ (bytes.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // What is left of the state after one more product, so that all bits reach those a table looks at.
        let mut last = *self;
        last.mix(FACTOR);
        last.0
    }
}

#[cfg(test)]
mod tests {
    use super::Hashing;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn names_that_differ_little_have_other_hashes() {
        let hash = |text: &str| Hashing::default().hash_one(text.as_bytes());
        let names: Vec<String> = (0..10_000).map(|at| format!("common.labels.{at}")).collect();
        let low: HashSet<u64> = names.iter().map(|name| hash(name) & 0xffff).collect();
        assert!(low.len() > 8_500, "{}", low.len());
        let high: HashSet<u64> = names.iter().map(|name| hash(name) >> 57).collect();
        assert_eq!(high.len(), 128);
        assert_ne!(hash("a"), hash("a\0"));
    }
}
