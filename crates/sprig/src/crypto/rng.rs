//! Entropy, a release and a place in the templates to a stream of bytes: unpredictable without the entropy, else stable.

use hmac::{Hmac, Mac};
use masthead_gotmpl::function::Place;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};

/// The bytes of one call. HMAC-SHA256 makes the key, SHA-256 over key and counter makes the stream.
pub struct Derived {
    key: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Derived {
    /// The stream of a call: other purposes and other places give other streams.
    pub fn new(entropy: &[u8; 32], release: &str, purpose: &str, place: &Place) -> Self {
        let mut mac = keyed(entropy);
        // Lengths in front keep fields apart.
        for field in [release.as_bytes(), purpose.as_bytes(), place.template.as_bytes()] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        for number in [place.line, place.column, place.count] {
            mac.update(&number.to_be_bytes());
        }
        Self { key: mac.finalize().into_bytes().into(), counter: 0, block: [0; 32], used: 32 }
    }

    /// A number below a bound, each as likely; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Numbers in the incomplete last round would favour small results.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.next_u64();
            if number < limit {
                return number % bound;
            }
        }
    }

    /// That many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out = vec![0; count];
        self.fill_bytes(&mut out);
        out
    }
}

fn keyed(entropy: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(entropy).expect("HMAC takes keys of every length")
}

impl RngCore for Derived {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == self.block.len() {
                let mut hash = Sha256::new();
                hash.update(self.key);
                hash.update(self.counter.to_be_bytes());
                self.block = hash.finalize().into();
                self.counter += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Derived {}

#[cfg(test)]
mod tests {
    use super::Derived;
    use masthead_gotmpl::function::Place;

    #[test]
    fn each_place_release_and_key_has_its_own_stream() {
        let place = Place { template: "a/templates/b.yaml".into(), line: 3, column: 4, count: 0 };
        let stream = |key: u8, release: &str, purpose: &str, place: &Place| {
            Derived::new(&[key; 32], release, purpose, place).bytes(40)
        };
        let base = stream(1, "r", "p", &place);
        assert_eq!(base, stream(1, "r", "p", &place));
        let again = Place { count: 1, ..place.clone() };
        let next = Place { line: 4, ..place.clone() };
        let others = [
            stream(2, "r", "p", &place),
            stream(1, "rp", "", &place),
            stream(1, "r", "p", &again),
            stream(1, "r", "p", &next),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(&base, other, "{index}");
        }
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all() {
        let place = Place { template: "".into(), line: 1, column: 0, count: 0 };
        let mut stream = Derived::new(&[0; 32], "", "", &place);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[usize::try_from(stream.below(7)).unwrap()] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(stream.below(0), 0);
    }
}
