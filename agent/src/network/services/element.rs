//! One entry of the service table → in which set it is, its key and its value, as bytes the kernel compares.

use std::net::IpAddr;

use crate::network::rules::contents::{Key, Value};
use crate::network::services::model::Net;
use crate::network::services::select::Target;
use crate::network::services::want::{Lead, PoolId, Scope, Spot};

/// Which chain a packet goes to; a number that the map next to the spots turns into a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(pub u32);

/// Before a list's name in what a spot maps to. `nft` 1.0.6 ends itself when it lists a rule that looks up by the first
/// register of what another lookup found; it says that it can't show a rule that looks up by a later one.
const PAD: [u8; 4] = [0; 4];
/// Bits of the endpoints' count in a shape; the seconds are above.
const SIZE_BITS: u32 = 15;

impl Shape {
    /// The sender is told that nobody is there.
    pub const REJECT: Self = Self(0);
    /// Dropped.
    pub const DROP: Self = Self(1 << SIZE_BITS);

    /// Of a lead.
    pub fn of(lead: &Lead) -> Self {
        match lead {
            Lead::Reject => Self::REJECT,
            Lead::Drop => Self::DROP,
            Lead::Pool { size, affinity_s, .. } => Self(u32::from(*size) | affinity_s << SIZE_BITS),
        }
    }

    /// How many endpoints, and for how many seconds a client stays.
    pub fn parts(self) -> (u32, u32) {
        (self.0 & ((1 << SIZE_BITS) - 1), self.0 >> SIZE_BITS)
    }

    /// The chain for it.
    pub fn chain(self, scope: Scope) -> String {
        let scope = match scope {
            Scope::Inner => "in",
            Scope::Outer => "out",
        };
        match self.parts() {
            (0, 0) => "reject".to_owned(),
            (0, _) => "drop".to_owned(),
            (size, 0) => format!("{scope}-{size}"),
            (size, affinity_s) => format!("{scope}-{size}-{affinity_s}"),
        }
    }
}

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A spot leads somewhere.
    Lead(Spot, Lead),
    /// The endpoint at a place of a list.
    Slot(PoolId, u32, Target),
    /// An endpoint is still in a list whose clients stay.
    Alive(PoolId, Target),
    /// A spot is only for some.
    Guarded(Spot, PoolId),
    /// Who may.
    Range(PoolId, Net),
    /// An endpoint of this node.
    Near(IpAddr),
    /// A shape has its chain.
    Shape(Scope, Shape),
}

/// A set by its kind and family.
pub fn family(is_v6: bool, v4: &'static str, v6: &'static str) -> &'static str {
    if is_v6 { v6 } else { v4 }
}

/// The map of spots.
pub fn spots(scope: Scope, at: bool, is_v6: bool) -> &'static str {
    match (scope, at, is_v6) {
        (Scope::Inner, true, false) => "inner-v4",
        (Scope::Inner, true, true) => "inner-v6",
        (Scope::Inner, false, false) => "inner-ports-v4",
        (Scope::Inner, false, true) => "inner-ports-v6",
        (Scope::Outer, true, false) => "outer-v4",
        (Scope::Outer, true, true) => "outer-v6",
        (Scope::Outer, false, false) => "outer-ports-v4",
        (Scope::Outer, false, true) => "outer-ports-v6",
    }
}

/// The map of shapes.
pub fn shapes(scope: Scope) -> &'static str {
    match scope {
        Scope::Inner => "inner-shapes",
        Scope::Outer => "outer-shapes",
    }
}

impl Element {
    /// In which set it is, its key and its value.
    pub fn parts(&self) -> (&'static str, Key, Value) {
        match self {
            Self::Lead(spot, lead) => {
                let id = match lead {
                    Lead::Pool { id, .. } => id.digest,
                    Lead::Reject | Lead::Drop => [0; 8],
                };
                let value = [&PAD[..], &id, &Shape::of(lead).0.to_ne_bytes()].concat();
                (spots(spot.scope, spot.ip.is_some(), spot.is_v6), (spot_key(spot), None), Value::Bytes(value))
            }
            Self::Slot(id, index, target) => {
                let key = [&id.digest[..], &index.to_ne_bytes()].concat();
                let set = family(id.is_v6, "endpoints-v4", "endpoints-v6");
                (set, (key, None), Value::Bytes(target_bytes(target)))
            }
            Self::Alive(id, target) => {
                let key = [&id.digest[..], &target_bytes(target)].concat();
                (family(id.is_v6, "alive-v4", "alive-v6"), (key, None), Value::None)
            }
            Self::Guarded(spot, id) => {
                let set = family(spot.is_v6, "guarded-v4", "guarded-v6");
                (set, (spot_key(spot), None), Value::Bytes([&PAD[..], &id.digest].concat()))
            }
            Self::Range(id, net) => {
                let (first, last) = bounds(net);
                let key = |ip: &[u8]| [&id.digest[..], ip].concat();
                let end = (first != last).then(|| key(&last));
                (family(id.is_v6, "ranges-v4", "ranges-v6"), (key(&first), end), Value::None)
            }
            Self::Near(ip) => {
                let own = octets(*ip);
                (family(ip.is_ipv6(), "near-v4", "near-v6"), ([&own[..], &own].concat(), None), Value::None)
            }
            Self::Shape(scope, shape) => {
                let key = shape.0.to_ne_bytes().to_vec();
                (shapes(*scope), (key, None), Value::Goto(shape.chain(*scope)))
            }
        }
    }
}

fn spot_key(spot: &Spot) -> Vec<u8> {
    let mut key = spot.ip.map(octets).unwrap_or_default();
    key.extend([spot.protocol.number(), 0, 0, 0]);
    key.extend(spot.port.to_be_bytes());
    key.extend([0, 0]);
    key
}

fn target_bytes((ip, port): &Target) -> Vec<u8> {
    let mut bytes = octets(*ip);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// An address as it is in packets.
pub fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The first and the last address of a range.
pub fn bounds(net: &Net) -> (Vec<u8>, Vec<u8>) {
    let first = octets(net.base);
    let last = first
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            let bits = usize::from(net.bits).saturating_sub(at * 8).min(8);
            byte | u8::try_from(0xff_u32 >> bits).unwrap_or(0)
        })
        .collect();
    (first, last)
}
