//! What the contract's own functions answer.

use super::*;

#[test]
fn the_end_of_a_prefix() {
    let check = |prefix: &[u8], expect: Option<&[u8]>| {
        assert_eq!(prefix_end(prefix).as_deref(), expect, "{prefix:?}");
    };
    check(b"a/", Some(b"a0"));
    check(b"a\xff\xff", Some(b"b"));
    check(b"\xff", None);
    check(b"", None);
}

#[test]
fn a_range_contains_what_its_bounds_say() {
    let check = |range: KeyRange, key: &str, expect: bool| {
        assert_eq!(range.contains(key.as_bytes()), expect, "{range:?} {key}");
    };
    check(KeyRange::key("a"), "a", true);
    check(KeyRange::key("a"), "aa", false);
    check(KeyRange::prefix("a/"), "a/x", true);
    check(KeyRange::prefix("a/"), "a", false);
    check(KeyRange::prefix("a/"), "a0", false);
    check(KeyRange::between("b", "d"), "d", false);
    check(KeyRange::between("b", "d"), "c", true);
    check(KeyRange::between("d", "b"), "c", false);
    check(KeyRange::all(), "a", true);
    assert!(KeyRange::between("d", "b").bounds().is_none());
}

#[test]
fn an_absent_key_compares_as_zeros_and_its_value_with_nothing() {
    let check = |relation, target, expect| {
        assert_eq!(Compare::new("k", relation, target).holds(None), expect);
    };
    check(Relation::Equal, Target::ModRevision(Revision::ZERO), true);
    check(Relation::Less, Target::Version(1), true);
    check(Relation::Equal, Target::Value(Bytes::new()), false);
    check(Relation::NotEqual, Target::Value(Bytes::from_static(b"x")), false);
    check(Relation::NotEqual, Target::Lease(LeaseId(7)), true);
}
