//! The families of a cluster's service ranges → what admission asks of them.

/// IPv4 as services name it.
pub const V4: &str = "IPv4";
/// IPv6 as services name it.
pub const V6: &str = "IPv6";

/// The families of addresses that a cluster gives to services, the preferred one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// Both, IPv4 unless a service says otherwise.
    V4V6,
    /// Both, IPv6 unless a service says otherwise.
    V6V4,
    /// Whatever the cluster has: nothing that depends on it is filled in or refused.
    Unknown,
}

impl Families {
    /// From the families of ranges in their order; [`Families::V4`] when there is none.
    pub fn of<'f>(families: impl IntoIterator<Item = &'f str>) -> Families {
        let mut families = families.into_iter();
        match (families.next(), families.next()) {
            (Some(V6), Some(V4)) => Families::V6V4,
            (Some(V6), _) => Families::V6,
            (Some(_), Some(V6)) => Families::V4V6,
            _ => Families::V4,
        }
    }

    /// Their names; none of [`Families::Unknown`].
    pub fn list(self) -> &'static [&'static str] {
        match self {
            Families::V4 => &[V4],
            Families::V6 => &[V6],
            Families::V4V6 => &[V4, V6],
            Families::V6V4 => &[V6, V4],
            Families::Unknown => &[],
        }
    }

    /// Whether services may have addresses of a family.
    pub fn has(self, family: &str) -> bool {
        self == Families::Unknown || self.list().contains(&family)
    }

    /// Whether there are two.
    pub fn is_dual(self) -> bool {
        self.list().len() == 2
    }

    /// Whether it is known that there is one.
    pub fn is_single(self) -> bool {
        self.list().len() == 1
    }

    /// The family of services that ask for none.
    pub fn preferred(self) -> Option<&'static str> {
        self.list().first().copied()
    }
}

/// The family of an address, as services name it.
pub fn family_of(is_v6: bool) -> &'static str {
    if is_v6 { V6 } else { V4 }
}

/// The other family.
pub fn other(family: &str) -> &'static str {
    family_of(family == V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_tell_their_families() {
        for (ranges, families) in [
            (vec![], Families::V4),
            (vec![V4], Families::V4),
            (vec![V6], Families::V6),
            (vec![V4, V6], Families::V4V6),
            (vec![V6, V4], Families::V6V4),
        ] {
            assert_eq!(Families::of(ranges.iter().copied()), families);
            if !ranges.is_empty() {
                assert_eq!(families.list(), ranges);
            }
        }
        assert!(Families::Unknown.has(V6) && !Families::V4.has(V6) && Families::Unknown.preferred().is_none());
    }
}
