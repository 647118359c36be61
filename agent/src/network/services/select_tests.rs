//! Which endpoints are chosen, as kube-proxy chooses them.

use super::*;

/// `r` ready, `s` serves, `t` ends, `l` on this node, `z`/`Z` a zone hint for here/elsewhere, `n`/`N` a node hint.
fn endpoint(last: u8, text: &str) -> (Endpoint, u16) {
    let has = |c: char| text.contains(c);
    let hint = |here, elsewhere| match (has(here), has(elsewhere)) {
        (true, _) => Hint::Here,
        (_, true) => Hint::Elsewhere,
        _ => Hint::None,
    };
    let endpoint = Endpoint {
        ip: [10, 0, 0, last].into(),
        is_ready: has('r'),
        is_serving: has('r') || has('s'),
        is_terminating: has('t'),
        is_local: has('l'),
        zone: hint('z', 'Z'),
        node: hint('n', 'N'),
    };
    (endpoint, 80)
}

fn check(endpoints: &[&str], cluster: &[u8], local: &[u8]) {
    let all: Vec<_> = endpoints.iter().zip(0..).map(|(text, last)| endpoint(last, text)).collect();
    let chosen = choose(&all);
    let last = |targets: &[Target]| -> Vec<u8> {
        let octet = |ip: &IpAddr| match ip {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(_) => 255,
        };
        targets.iter().map(|(ip, _)| octet(ip)).collect()
    };
    assert_eq!((last(&chosen.cluster), last(&chosen.local)), (cluster.to_vec(), local.to_vec()), "{endpoints:?}");
}

#[test]
fn ready_ones_else_those_that_still_serve() {
    check(&[], &[], &[]);
    check(&["r", "rl", ""], &[0, 1], &[1]);
    check(&["st", "", "stl"], &[0, 2], &[2]);
    check(&["r", "stl"], &[0], &[1]);
    check(&["t", "tl"], &[], &[]);
}

#[test]
fn hints_count_when_all_have_one_and_one_is_for_here() {
    check(&["rz", "rZ"], &[0], &[]);
    check(&["rz", "r"], &[0, 1], &[]);
    check(&["rZ", "rZ"], &[0, 1], &[]);
    check(&["rz", "rZ", "st"], &[0], &[]);
    check(&["rnz", "rNz"], &[0], &[]);
    check(&["rNz", "rNZ"], &[0], &[]);
    check(&["rZl"], &[0], &[0]);
}
