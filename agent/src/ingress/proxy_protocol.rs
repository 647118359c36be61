//! The first bytes of a connection → the client a load balancer says it is for, by the PROXY protocol, version 1 or 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, with its line end (the protocol's 2.1).
const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken: TLVs beyond are nothing that is used.
pub const BYTES_MAX: usize = 16 + 2048;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header that can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a PROXY header: {0}")]
pub struct Error(&'static str);

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes.
    pub len: usize,
    /// The client; nothing when the connection is the balancer's own.
    pub client: Option<SocketAddr>,
}

/// Reads a header; nothing when more bytes must come.
///
/// # Errors
/// There is none.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let is_v2 = bytes.iter().zip(V2_SIGNATURE).all(|(a, b)| a == b);
    let is_v1 = bytes.iter().zip(b"PROXY ").all(|(a, b)| a == b);
    match (is_v2, is_v1) {
        _ if bytes.is_empty() => Ok(None),
        (true, _) => v2(bytes),
        (_, true) => v1(bytes),
        _ => Err(Error("neither version's signature")),
    }
}

fn v1(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let window = bytes.get(..V1_BYTES_MAX.min(bytes.len())).unwrap_or_default();
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() >= V1_BYTES_MAX { Err(Error("the line is too long")) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&window[..end]).map_err(|_| Error("the line is no text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family @ ("TCP4" | "TCP6"), source, _, port, _] => {
            let ip: IpAddr = source.parse().map_err(|_| Error("the client is no address"))?;
            let port: u16 = port.parse().map_err(|_| Error("the client's port is no number"))?;
            if ip.is_ipv4() != (family == "TCP4") {
                return Err(Error("the client's address is of another family"));
            }
            Some(SocketAddr::new(ip, port))
        }
        _ => return Err(Error("the line has not the words it should have")),
    };
    Ok(Some(Header { len: end + 2, client }))
}

fn v2(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let Some(head) = bytes.get(..16) else { return Ok(None) };
    let size = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if head[12] >> 4 != 2 {
        return Err(Error("the version is not 2"));
    }
    let len = 16 + size;
    if len > BYTES_MAX {
        return Err(Error("the header is too long"));
    }
    let Some(rest) = bytes.get(16..len) else { return Ok(None) };
    let client = match (head[12] & 0xf, head[13]) {
        // LOCAL: the balancer itself looks whether we live.
        (0, _) => None,
        (1, 0x11 | 0x12) => {
            let part = rest.get(..12).ok_or(Error("the addresses are cut"))?;
            let ip = Ipv4Addr::new(part[0], part[1], part[2], part[3]);
            Some(SocketAddr::new(ip.into(), u16::from_be_bytes([part[8], part[9]])))
        }
        (1, 0x21 | 0x22) => {
            let part = rest.get(..36).ok_or(Error("the addresses are cut"))?;
            let ip: [u8; 16] = part[..16].try_into().map_err(|_| Error("the addresses are cut"))?;
            Some(SocketAddr::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes([part[32], part[33]])))
        }
        (1, _) => None,
        _ => return Err(Error("the command is not known")),
    };
    Ok(Some(Header { len, client }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let size = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[0x20 | command, family], &size[..], rest].concat()
    }

    #[test]
    fn headers_of_both_versions() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0, 9, 0, 80], b"tlv"].concat();
        let check = |bytes: &[u8], expect: Result<Option<&str>, ()>| {
            let padded = [bytes, b"GET /"].concat();
            let got = parse(&padded);
            match expect {
                Ok(client) => {
                    let header = got.unwrap().unwrap();
                    assert_eq!((header.len, header.client), (bytes.len(), client.map(|c| c.parse().unwrap())));
                    for cut in 0..bytes.len() {
                        assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut} of {bytes:?}");
                    }
                }
                Err(()) => assert!(got.is_err(), "{bytes:?}"),
            }
        };
        check(b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n", Ok(Some("192.0.2.7:8080")));
        check(b"PROXY TCP6 ::1 ::2 9 80\r\n", Ok(Some("[::1]:9")));
        check(b"PROXY UNKNOWN\r\n", Ok(None));
        check(b"PROXY UNKNOWN what ever\r\n", Ok(None));
        check(b"PROXY TCP4 ::1 ::2 9 80\r\n", Err(()));
        check(b"PROXY TCP4 192.0.2.7 10.0.0.1 70000 80\r\n", Err(()));
        check(b"PROXY TCP4 192.0.2.7\r\n", Err(()));
        check(format!("PROXY TCP4 {}\r\n", "1".repeat(100)).as_bytes(), Err(()));
        check(b"GET / HTTP/1.1\r\n", Err(()));
        check(&v2(1, 0x11, &four), Ok(Some("192.0.2.7:8080")));
        check(&v2(1, 0x21, &six), Ok(Some("[::1]:9")));
        check(&v2(0, 0, &[]), Ok(None));
        check(&v2(1, 0x11, &four[..5]), Err(()));
        check(&v2(5, 0x11, &four), Err(()));
    }
}
