//! The kernel's list of sockets, and the node ports of services → node ports that a process of the node listens on as well.
//!
//! A service's node port is led to its endpoints before any process sees it, so nobody refuses it; whoever runs the
//! process must be told that clients do not reach it any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use crate::network::rules::ports::Protocol;
use crate::network::services::model::Name;

/// `TCP_LISTEN` as the kernel prints it.
const LISTEN: &str = "0A";
/// A UDP socket that is connected to nobody (`TCP_CLOSE`).
const UNCONNECTED: &str = "07";

/// Ports that somebody listens on in the caller's network namespace.
///
/// # Errors
/// The kernel shows no sockets.
pub fn observe() -> io::Result<BTreeSet<(Protocol, u16)>> {
    let mut out = BTreeSet::new();
    for (file, protocol, state) in [
        ("tcp", Protocol::Tcp, LISTEN),
        ("tcp6", Protocol::Tcp, LISTEN),
        ("udp", Protocol::Udp, UNCONNECTED),
        ("udp6", Protocol::Udp, UNCONNECTED),
    ] {
        match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
            Ok(text) => out.extend(ports(&text, state).map(|port| (protocol, port))),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && file.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// Local ports of sockets in a state; lines that are none are passed over.
fn ports<'t>(text: &'t str, state: &'t str) -> impl Iterator<Item = u16> + 't {
    text.lines().skip(1).filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let (local, found) = (words.nth(1)?, words.nth(1)?);
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        (found == state && port > 0).then_some(port)
    })
}

/// Which services ask for ports that are taken.
pub fn clashes(
    asked: &BTreeMap<Name, Vec<(Protocol, u16)>>,
    taken: &BTreeSet<(Protocol, u16)>,
) -> Vec<(Name, Protocol, u16)> {
    let of = |(name, ports): (&Name, &Vec<(Protocol, u16)>)| {
        let clash = ports.iter().filter(|port| taken.contains(port));
        clash.map(|(protocol, port)| (name.clone(), *protocol, *port)).collect::<Vec<_>>()
    };
    asked.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:7531 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:0050 0100007F:7532 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 3 1 0 1";

    #[test]
    fn sockets_that_listen_are_found() {
        assert_eq!(ports(TCP, LISTEN).collect::<Vec<_>>(), [0x7531, 0x16]);
        for text in ["", "one\ntwo", "x\n a b", "x\n 0: q:zz w:0 0A", "x\n 0: q:0000 w:0 0A", "x\n 0: q:1FFFF w:0 0A"] {
            assert_eq!(ports(text, LISTEN).next(), None, "{text:?}");
        }
    }

    #[test]
    fn random_text_is_read_or_passed_over() {
        let mut seed = 7_u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..5000 {
            let mut bytes = TCP.as_bytes().to_vec();
            for _ in 0..1 + next() % 6 {
                let at = next() % bytes.len();
                bytes[at] = b" :0AF\nz"[next() % 7];
            }
            let text = String::from_utf8(bytes).unwrap();
            assert!(ports(&text, LISTEN).count() <= text.lines().count());
        }
    }

    #[test]
    fn a_socket_of_this_process_clashes_with_a_service_that_asks_for_its_port() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = BTreeMap::from([
            (Name::new("n", "a"), vec![(Protocol::Tcp, port), (Protocol::Udp, port)]),
            (Name::new("n", "b"), vec![(Protocol::Sctp, port)]),
        ]);
        let found = clashes(&asked, &observe().unwrap());
        assert!(found.contains(&(Name::new("n", "a"), Protocol::Tcp, port)), "{found:?}");
        assert!(found.iter().all(|(name, _, _)| name.name == "a"));
        drop(listener);
        assert!(!observe().unwrap().contains(&(Protocol::Tcp, port)));
    }
}
