//! A stream of bytes to primes of fixed width: a window sieved by small primes, then Miller-Rabin's test.

use num_bigint_dig::BigUint;
use rand_core::RngCore;

use super::montgomery::Montgomery;
use super::rng::Derived;

/// The public exponent of RSA keys; primes are chosen so that it has an inverse.
pub const EXPONENT: u32 = 65_537;
/// Small primes are below this.
const SMALL_MAX: usize = 1 << 16;
/// Odd numbers that are sieved at once: a prime of 2,048 bits is among them but for one time in 300.
const WINDOW: usize = 1 << 12;
/// Tests with random bases after the one with base two: FIPS 186-5, table B.1, asks for 5 and 4 at these widths.
const ROUNDS: usize = 5;

/// Limbs of a number, least first, as a number.
pub fn number<const N: usize>(limbs: &[u64; N]) -> BigUint {
    let bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    BigUint::from_bytes_le(&bytes)
}

/// Odd primes below a bound.
fn small_primes(bound: usize) -> Vec<u32> {
    let mut composite = vec![false; bound];
    let mut primes = Vec::with_capacity(bound / 8);
    for at in (3..bound).step_by(2) {
        if !composite[at] {
            primes.push(at as u32);
            (at * at..bound).step_by(2 * at).for_each(|multiple| composite[multiple] = true);
        }
    }
    primes
}

/// The primes that big numbers are divided by, by products of neighbours that fit a word.
pub struct Small {
    groups: Vec<(u64, Vec<u32>)>,
}

impl Small {
    /// Those below a bound.
    fn below(bound: usize) -> Self {
        let mut groups: Vec<(u64, Vec<u32>)> = Vec::new();
        for prime in small_primes(bound) {
            match groups.last_mut() {
                Some((product, primes)) if product.checked_mul(u64::from(prime)).is_some() => {
                    *product *= u64::from(prime);
                    primes.push(prime);
                }
                _ => groups.push((u64::from(prime), vec![prime])),
            }
        }
        Self { groups }
    }

    /// Enough to pass over most numbers that are no primes.
    pub fn few() -> Self {
        Self::below(SMALL_MAX >> 4)
    }

    /// Each prime with the number's remainder by it.
    fn remainders<const N: usize>(&self, number: &[u64; N]) -> impl Iterator<Item = (u32, u32)> {
        self.groups.iter().flat_map(move |(product, primes)| {
            let rest = remainder(number, *product);
            primes.iter().map(move |prime| (*prime, (rest % u64::from(*prime)) as u32))
        })
    }
}

fn remainder<const N: usize>(number: &[u64; N], divisor: u64) -> u64 {
    let step = |rest: u64, limb: &u64| (u128::from(rest) << 64 | u128::from(*limb)) % u128::from(divisor);
    number.iter().rev().fold(0, |rest, limb| step(rest, limb) as u64)
}

fn draw<const N: usize>(rng: &mut Derived) -> [u64; N] {
    let mut limbs = [0; N];
    limbs.iter_mut().for_each(|limb| *limb = rng.next_u64());
    limbs
}

/// A prime of `64 N` bits whose two highest are set, one above a number that `EXPONENT` does not divide.
pub fn generate<const N: usize>(rng: &mut Derived) -> BigUint {
    let small = Small::below(SMALL_MAX);
    loop {
        let mut start = draw::<N>(rng);
        start[0] |= 1;
        start[N - 1] |= 3 << 62;
        if let Some(prime) = first_prime(&start, &small, rng) {
            return number(&prime);
        }
    }
}

/// The first fit prime of a window of odd numbers.
fn first_prime<const N: usize>(start: &[u64; N], small: &Small, rng: &mut Derived) -> Option<[u64; N]> {
    let mut composite = vec![false; WINDOW];
    for (prime, rest) in small.remainders(start) {
        // `start + 2 first` is the first multiple.
        let first = if rest == 0 { 0 } else { (prime - rest + prime * (1 - rest % 2)) / 2 };
        (first as usize..WINDOW).step_by(prime as usize).for_each(|at| composite[at] = true);
    }
    let rest = remainder(start, u64::from(EXPONENT));
    for (at, _) in composite.iter().enumerate().filter(|(_, composite)| !**composite) {
        let mut candidate = *start;
        let (low, mut carry) = candidate[0].overflowing_add(2 * at as u64);
        candidate[0] = low;
        for limb in &mut candidate[1..] {
            (*limb, carry) = limb.overflowing_add(u64::from(carry));
        }
        // A window that reaches beyond the width is given up.
        if carry {
            return None;
        }
        if (rest + 2 * at as u64) % u64::from(EXPONENT) != 1 && passes(&candidate, rng) {
            return Some(candidate);
        }
    }
    None
}

/// Is an odd number with its top bit set prime, as far as division and Miller-Rabin's test tell?
pub fn is_prime<const N: usize>(candidate: &[u64; N], small: &Small, rng: &mut Derived) -> bool {
    small.remainders(candidate).all(|(_, rest)| rest != 0) && passes(candidate, rng)
}

/// Miller-Rabin's test with base two, which costs no multiplications, and then with random bases.
fn passes<const N: usize>(candidate: &[u64; N], rng: &mut Derived) -> bool {
    let Some(field) = Montgomery::new(*candidate) else { return false };
    let (odd, halvings) = odd_part(candidate);
    let is_witness = |power: [u64; N]| {
        let (one, minus_one) = (field.one(), field.minus_one());
        let mut power = power;
        if power == one {
            return false;
        }
        for _ in 1..halvings {
            if power == minus_one {
                return false;
            }
            power = field.square(&power);
        }
        power != minus_one
    };
    if is_witness(field.power_of_two(&odd)) {
        return false;
    }
    (0..ROUNDS).all(|_| {
        // Any number below the candidate is the form of some base.
        let mut base = draw::<N>(rng);
        base[N - 1] >>= 1;
        !is_witness(field.power(&base, &odd))
    })
}

/// The odd number that is left of a candidate less one, and how often it was halved.
fn odd_part<const N: usize>(candidate: &[u64; N]) -> ([u64; N], u32) {
    let mut rest = *candidate;
    rest[0] &= !1;
    let mut halvings = 0;
    while rest[0] & 1 == 0 {
        // The top bit of a candidate is set, so this ends.
        let shift = rest[0].trailing_zeros().clamp(1, 63);
        for at in 0..N {
            let above = rest.get(at + 1).copied().unwrap_or_default();
            rest[at] = rest[at] >> shift | above << (64 - shift);
        }
        halvings += shift;
    }
    (rest, halvings)
}

#[cfg(test)]
mod tests {
    use masthead_gotmpl::function::Place;
    use num_bigint_dig::BigUint;
    use num_bigint_dig::prime::probably_prime;

    use super::{Small, generate, is_prime, number, odd_part, passes, small_primes};
    use crate::crypto::rng::Derived;

    fn stream(count: u32) -> Derived {
        Derived::new(&[3; 32], "r", "prime", &Place { template: "t".into(), line: 1, column: 0, count })
    }

    #[test]
    fn what_is_made_is_prime_and_of_full_width() {
        for count in 0..20 {
            let prime = generate::<4>(&mut stream(count));
            assert_eq!(prime, generate::<4>(&mut stream(count)));
            assert_eq!(prime.bits(), 256);
            assert!(probably_prime(&prime, 20), "{prime}");
            assert!(&prime % 65_537u32 != 1u8.into());
        }
        assert!(probably_prime(&generate::<16>(&mut stream(0)), 5));
    }

    #[test]
    fn composites_are_told_from_primes() {
        let (few, mut seed) = (Small::few(), 1u64 << 63 | 1);
        for _ in 0..3_000 {
            let candidate = [seed, seed.rotate_left(17) | 1 << 63];
            assert_eq!(is_prime(&candidate, &few, &mut stream(0)), probably_prime(&number(&candidate), 20));
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) | 1;
        }
        // Products of primes p and 2p - 1 are what many bases take for primes.
        let wide = |number: BigUint| {
            let mut limbs = [0u64; 2];
            for (at, byte) in number.to_bytes_le().into_iter().enumerate() {
                limbs[at / 8] |= u64::from(byte) << (8 * (at % 8));
            }
            limbs
        };
        let is_word_prime = |n: u128| probably_prime(&number(&[n as u64, (n >> 64) as u64]), 20);
        let pairs = ((1u128 << 63 | 1)..).step_by(2).filter(|p| is_word_prime(*p) && is_word_prime(2 * p - 1));
        for first in pairs.take(5) {
            let product = BigUint::from(first as u64) * (BigUint::from(first as u64) * 2u8 - 1u8);
            assert!(!passes(&wide(product), &mut stream(0)), "{first}");
        }
        let greatest = (BigUint::from(1u8) << 128usize) - 159u8;
        assert!(passes(&wide(greatest), &mut stream(0)), "the greatest prime of 128 bits");
    }

    #[test]
    fn halves_are_counted() {
        assert_eq!(odd_part(&[0b1_1001]), ([0b11], 3));
        assert_eq!(odd_part(&[1, 1 << 63]), ([1, 0], 127));
        assert_eq!(small_primes(30), [3, 5, 7, 11, 13, 17, 19, 23, 29]);
    }
}
