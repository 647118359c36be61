//! A clock reading and a seed → all that a decision takes from outside: the time, new uids, new name suffixes.

use masthead_api::change::{Change, EventNote};
use masthead_api::meta::{MicroTime, Time};

/// What a decision may use besides the view; production sets it before each decision, tests fix it.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// Now, in whole seconds as the API writes times.
    pub now: Time,
    /// The microseconds of this second that are past, for events and leases; below 1,000,000.
    pub micros: u32,
    /// Where new names come from.
    pub ids: Ids,
}

impl Context {
    /// A context at Unix second `now_s` whose names follow from `seed`.
    pub fn new(now_s: i64, seed: u64) -> Context {
        Context { now: Time(now_s), micros: 0, ids: Ids::new(seed) }
    }

    /// Now to the microsecond, as leases write times.
    pub fn micro_time(&self) -> MicroTime {
        MicroTime(self.now.0 * 1_000_000 + i64::from(self.micros))
    }
}

/// What a decision wants: writes in the order in which they must be done, events, and when to look again.
///
/// The writes of one reaction are applied in order; when one is refused, the later ones are not tried and the object is
/// decided anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// The writes, in order.
    pub changes: Vec<Change>,
    /// What to tell users.
    pub events: Vec<EventNote>,
    /// Look again after this time even when nothing changes; `None` when only a change can matter.
    pub recheck_after_ms: Option<u64>,
}

impl Reaction {
    /// Whether nothing is to be written and nothing to be told.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.events.is_empty()
    }

    /// Takes in another reaction, after this one; the earlier recheck counts.
    pub fn append(&mut self, mut other: Reaction) {
        self.changes.append(&mut other.changes);
        self.events.append(&mut other.events);
        self.recheck_in_ms(other.recheck_after_ms);
    }

    /// Looks again after `after_ms` or earlier.
    pub fn recheck_in_ms(&mut self, after_ms: Option<u64>) {
        self.recheck_after_ms = [self.recheck_after_ms, after_ms].into_iter().flatten().min();
    }
}

/// The letters of generated names: no vowels, so that no words arise, and none that look alike (Kubernetes'
/// `apimachinery/pkg/util/rand`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Letters of a generated name's end.
const SUFFIX_LEN: usize = 5;

/// A stream of uids and name suffixes that one seed determines (xoshiro256++ of Blackman and Vigna).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    state: [u64; 4],
}

impl Ids {
    /// The stream of a seed; production takes the seed from the system's randomness.
    pub fn new(seed: u64) -> Ids {
        // splitmix64 spreads the seed, as the generator's authors advise.
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Ids { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let out = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c2, d2) = (c ^ a, d ^ b);
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        out
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias of a bound this small against 64 bits is below one in a billion billions.
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A new uid, in the form of a random UUID (version 4).
    pub fn uid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        let version = (high & !0xf000) | 0x4000;
        let variant = (low & !(3 << 62)) | (2 << 62);
        let (a, b, c) = (version >> 32, (version >> 16) & 0xffff, version & 0xffff);
        let (d, e) = (variant >> 48, variant & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }

    /// Five letters that end a generated name.
    pub fn suffix(&mut self) -> String {
        (0..SUFFIX_LEN).map(|_| char::from(ALPHABET[self.below(ALPHABET.len() as u64) as usize])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_seed_and_have_kubernetes_form() {
        let mut a = Ids::new(7);
        let mut b = Ids::new(7);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let uid = a.uid();
            assert_eq!(uid, b.uid());
            assert_eq!(uid.len(), 36, "{uid}");
            let parts: Vec<&str> = uid.split('-').collect();
            assert_eq!(parts.iter().map(|p| p.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4') && "89ab".contains(&parts[3][..1]), "{uid}");
            assert!(seen.insert(uid));
            let suffix = a.suffix();
            assert_eq!(suffix, b.suffix());
            assert!(suffix.len() == 5 && suffix.bytes().all(|c| ALPHABET.contains(&c)), "{suffix}");
        }
        assert_ne!(Ids::new(8).uid(), Ids::new(7).uid());
    }

    #[test]
    fn the_earlier_recheck_counts() {
        let mut reaction = Reaction::default();
        reaction.recheck_in_ms(None);
        assert_eq!(reaction.recheck_after_ms, None);
        reaction.append(Reaction { recheck_after_ms: Some(5), ..Reaction::default() });
        reaction.append(Reaction { recheck_after_ms: Some(9), ..Reaction::default() });
        assert_eq!(reaction.recheck_after_ms, Some(5));
    }
}
