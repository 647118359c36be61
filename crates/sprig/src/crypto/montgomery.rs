//! Products and powers modulo an odd number of fixed width, without a division: Montgomery's way.

/// A modulus of `N` limbs, an even number of them, least first, with its top bit set. Numbers are in Montgomery's form: times `2^(64 N)`.
pub struct Montgomery<const N: usize> {
    modulus: [u64; N],
    /// `-1 / modulus` modulo `2^64`.
    inverse: u64,
    one: [u64; N],
}

/// Bits of an exponent that one multiplication takes.
const WINDOW_BITS: usize = 4;

/// `slot + a * b + carry`, and what it carries.
#[inline(always)]
fn mac(slot: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = u128::from(slot) + u128::from(a) * u128::from(b) + u128::from(carry);
    (sum as u64, (sum >> 64) as u64)
}

/// `a - b`, and whether it borrowed.
fn subtract<const N: usize>(a: &[u64; N], b: &[u64; N]) -> ([u64; N], bool) {
    let (mut out, mut borrow) = ([0; N], false);
    for ((slot, a), b) in out.iter_mut().zip(a).zip(b) {
        let (rest, first) = a.overflowing_sub(*b);
        let (rest, second) = rest.overflowing_sub(u64::from(borrow));
        *slot = rest;
        borrow = first | second;
    }
    (out, borrow)
}

impl<const N: usize> Montgomery<N> {
    /// For an odd modulus with its top bit set; none for any other.
    pub fn new(modulus: [u64; N]) -> Option<Self> {
        let (first, last) = (*modulus.first()?, *modulus.last()?);
        if first & 1 == 0 || last >> 63 == 0 || !N.is_multiple_of(2) {
            return None;
        }
        // Newton's iteration: each step doubles the bits that are right; an odd number is its own inverse in three.
        let inverse = (0..5).fold(first, |x, _| x.wrapping_mul(2u64.wrapping_sub(first.wrapping_mul(x))));
        let (one, _) = subtract(&[0; N], &modulus);
        Some(Self { modulus, inverse: inverse.wrapping_neg(), one })
    }

    /// One.
    pub fn one(&self) -> [u64; N] {
        self.one
    }

    /// Minus one.
    pub fn minus_one(&self) -> [u64; N] {
        subtract(&self.modulus, &self.one).0
    }

    /// A number of up to one bit more than the modulus has, made smaller than it.
    #[inline]
    fn fit(&self, number: [u64; N], top: u64) -> [u64; N] {
        let (less, borrow) = subtract(&number, &self.modulus);
        if top == 0 && borrow { number } else { less }
    }

    /// Twice a number.
    pub fn double(&self, a: &[u64; N]) -> [u64; N] {
        let (mut out, mut top) = ([0; N], 0);
        for (slot, limb) in out.iter_mut().zip(a) {
            *slot = limb << 1 | top;
            top = limb >> 63;
        }
        self.fit(out, top)
    }

    /// The product of two numbers.
    pub fn multiply(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut wide = [[0; N]; 2];
        let product = wide.as_flattened_mut();
        for (at, factor) in b.iter().enumerate() {
            let mut carry = 0;
            for (slot, limb) in product[at..at + N].iter_mut().zip(a) {
                (*slot, carry) = mac(*slot, *factor, *limb, carry);
            }
            product[at + N] = carry;
        }
        self.reduce(product)
    }

    /// The square of a number. Two rows are summed up at once, so that one's carry need not wait for the other's.
    pub fn square(&self, a: &[u64; N]) -> [u64; N] {
        let mut wide = [[0; N]; 2];
        let product = wide.as_flattened_mut();
        for at in (0..N).step_by(2) {
            let (one, two) = (a[at], a[at + 1]);
            let (mut carry, mut second) = (0, 0);
            (product[2 * at + 1], carry) = mac(product[2 * at + 1], one, two, carry);
            if at + 2 == N {
                product[at + N] = carry;
                break;
            }
            (product[2 * at + 2], carry) = mac(product[2 * at + 2], one, a[at + 2], carry);
            let limbs = a[at + 3..].iter().zip(&a[at + 2..N - 1]);
            for (slot, (limb, before)) in product[2 * at + 3..at + N].iter_mut().zip(limbs) {
                let sum;
                (sum, carry) = mac(*slot, one, *limb, carry);
                (*slot, second) = mac(sum, two, *before, second);
            }
            (product[at + N], product[at + N + 1]) = mac(carry, two, a[N - 1], second);
        }
        let (mut bit, mut carry) = (0, 0);
        for (pair, limb) in product.chunks_exact_mut(2).zip(a) {
            let (low, high) = (pair[0] << 1 | bit, pair[1] << 1 | pair[0] >> 63);
            bit = pair[1] >> 63;
            (pair[0], carry) = mac(low, *limb, *limb, carry);
            let (sum, over) = high.overflowing_add(carry);
            (pair[1], carry) = (sum, u64::from(over));
        }
        self.reduce(product)
    }

    /// Twice as many limbs divided by `2^(64 N)`, two limbs at once.
    fn reduce(&self, wide: &mut [u64]) -> [u64; N] {
        let modulus = &self.modulus;
        let mut top = false;
        for at in (0..N).step_by(2) {
            let row = &mut wide[at..at + N + 2];
            let (mut carry, mut second) = (0, 0);
            let one = row[0].wrapping_mul(self.inverse);
            (row[0], carry) = mac(row[0], one, modulus[0], carry);
            (row[1], carry) = mac(row[1], one, modulus[1], carry);
            let two = row[1].wrapping_mul(self.inverse);
            (row[1], second) = mac(row[1], two, modulus[0], second);
            let limbs = modulus[2..].iter().zip(&modulus[1..N - 1]);
            for (slot, (limb, before)) in row[2..N].iter_mut().zip(limbs) {
                let sum;
                (sum, carry) = mac(*slot, one, *limb, carry);
                (*slot, second) = mac(sum, two, *before, second);
            }
            let (sum, over) = row[N].overflowing_add(carry);
            let (sum, above) = sum.overflowing_add(u64::from(top));
            (row[N], second) = mac(sum, two, modulus[N - 1], second);
            let (sum, first_over) = row[N + 1].overflowing_add(second);
            let (sum, second_over) = sum.overflowing_add(u64::from(over | above));
            row[N + 1] = sum;
            top = first_over | second_over;
        }
        let mut out = [0; N];
        out.copy_from_slice(&wide[N..]);
        self.fit(out, u64::from(top))
    }

    /// Two to the power of `exponent`.
    pub fn power_of_two(&self, exponent: &[u64; N]) -> [u64; N] {
        let mut out = self.one;
        for limb in exponent.iter().rev() {
            for bit in (0..64).rev() {
                out = self.square(&out);
                if limb >> bit & 1 == 1 {
                    out = self.double(&out);
                }
            }
        }
        out
    }

    /// A number to the power of `exponent`.
    pub fn power(&self, base: &[u64; N], exponent: &[u64; N]) -> [u64; N] {
        let mut powers = [self.one; 1 << WINDOW_BITS];
        for at in 1..powers.len() {
            powers[at] = self.multiply(&powers[at - 1], base);
        }
        let mut out = self.one;
        for limb in exponent.iter().rev() {
            for shift in (0..64).step_by(WINDOW_BITS).rev() {
                for _ in 0..WINDOW_BITS {
                    out = self.square(&out);
                }
                let digit = (limb >> shift) as usize & (powers.len() - 1);
                out = self.multiply(&out, &powers[digit]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Montgomery;
    use num_bigint_dig::BigUint;

    fn big(limbs: &[u64]) -> BigUint {
        BigUint::from_bytes_le(&limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect::<Vec<u8>>())
    }

    #[test]
    fn agrees_with_plain_arithmetic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..200 {
            let mut draw = || [next(), next(), next(), next()];
            let (mut modulus, mut a, mut b) = (draw(), draw(), draw());
            modulus[0] |= 1;
            modulus[3] |= 1 << 63;
            if round % 3 == 0 {
                modulus = [u64::MAX; 4];
            }
            a[3] &= (1 << 63) - 1;
            b[3] &= (1 << 63) - 1;
            let field = Montgomery::new(modulus).expect("it is odd and long");
            let (m, r) = (big(&modulus), big(&[0, 0, 0, 0, 1]));
            // Numbers are taken in Montgomery's form: x stands for x / r.
            let is_product = |out: [u64; 4], a: &[u64], b: &[u64]| (big(&out) * &r) % &m == (big(a) * big(b)) % &m;
            assert!(is_product(field.multiply(&a, &b), &a, &b));
            assert_eq!(field.multiply(&a, &a), field.square(&a));
            assert_eq!(big(&field.one()), &r % &m);
            assert_eq!((big(&field.minus_one()) + big(&field.one())) % &m, big(&[0]));
            assert_eq!(big(&field.double(&a)), (big(&a) * 2u8) % &m);
            let power = field.power_of_two(&b);
            assert_eq!(big(&power), (BigUint::from(2u8).modpow(&big(&b), &m) * &r) % &m);
            assert_eq!(power, field.power(&field.double(&field.one()), &b));
        }
        assert!(Montgomery::new([1u64, 2]).is_none() && Montgomery::new([2u64, 1 << 63]).is_none());
        assert!(Montgomery::new([1u64 << 63 | 1]).is_none());
    }
}
