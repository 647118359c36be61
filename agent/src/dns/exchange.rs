//! A question and a server → its answer, over UDP from a port of its own, over TCP when it is long or doubtful.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::dns::cache::Question;
use crate::dns::query::{EDNS_BYTES, HEADER_BYTES, kind};

/// Packets on one socket that are no answer to what was asked, before the server is given up.
const STRANGERS_MAX: usize = 8;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing came in time.
    #[error("{server} gave no answer within {ms} ms")]
    Timeout {
        /// Whom.
        server: SocketAddr,
        /// How long.
        ms: u128,
    },
    /// The network.
    #[error("{server}: {source}")]
    Io {
        /// Whom.
        server: SocketAddr,
        /// What.
        source: std::io::Error,
    },
    /// What came is no answer to what was asked.
    #[error("{server} answered what was not asked")]
    Strange {
        /// Whom.
        server: SocketAddr,
    },
    /// What came can't be read.
    #[error("{server} sent an answer that can't be read: {why}")]
    Malformed {
        /// Whom.
        server: SocketAddr,
        /// Why.
        why: String,
    },
}

/// An answer and how it came.
#[derive(Debug)]
pub struct Got {
    /// The answer.
    pub message: Message,
    /// The server gave the name back as it was spelled.
    pub keeps_case: bool,
}

/// Asks a server. With `mix_case` the name is spelled at random, which a forger must guess too.
///
/// # Errors
/// There is no answer that can be trusted.
pub async fn ask(server: SocketAddr, question: &Question, mix_case: bool, patience: Duration) -> Result<Got, Error> {
    let all = async {
        let packet = encode(question, mix_case);
        match over_udp(server, &packet).await? {
            Some(got) if !got.message.metadata.truncation => Ok(got),
            // Long, or spelled otherwise: a connection can't be forged from afar.
            first => {
                let message = over_tcp(server, &packet).await?;
                Ok(Got { message, keeps_case: first.is_some() })
            }
        }
    };
    timeout(patience, all).await.map_err(|_| Error::Timeout { server, ms: patience.as_millis() })?
}

/// The packet: a random id, recursion, EDNS.
fn encode(question: &Question, mix_case: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + question.name.len() + 15);
    out.extend(rand::random::<u16>().to_be_bytes());
    let flags: u16 = 0x0100 | if question.checking_disabled { 0x10 } else { 0 };
    out.extend(flags.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 0, 0, 1]);
    let mut bits = [rand::random::<u128>(), rand::random::<u128>()];
    let mut left = 0;
    for byte in &question.name {
        // Length bytes are below the letters.
        let turn = mix_case && byte.is_ascii_lowercase() && bits[left / 128] & 1 == 1;
        out.push(if turn { byte.to_ascii_uppercase() } else { *byte });
        bits[left / 128] >>= 1;
        left = (left + 1).min(255);
    }
    out.extend(question.kind.to_be_bytes());
    out.extend(question.class.to_be_bytes());
    out.push(0);
    out.extend(kind::OPT.to_be_bytes());
    out.extend(EDNS_BYTES.to_be_bytes());
    out.extend([0, 0, if question.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
    out
}

/// How an answer's head compares with what was asked.
#[derive(Debug, PartialEq, Eq)]
enum Match {
    Same,
    OtherCase,
    Stranger,
}

fn compare(packet: &[u8], answer: &[u8]) -> Match {
    let question = HEADER_BYTES..packet.len().saturating_sub(11);
    let (Some(asked), Some(given)) = (packet.get(question.clone()), answer.get(question)) else {
        // A refusal may leave the question out; its id must do, and it is only believed over TCP.
        let is_bare = answer.len() >= HEADER_BYTES && answer[..2] == packet[..2] && answer[4..6] == [0, 0];
        return if is_bare { Match::OtherCase } else { Match::Stranger };
    };
    let is_answer = answer[2] & 0x80 != 0 && answer[..2] == packet[..2] && answer[4..6] == [0, 1];
    match (is_answer, asked == given, asked.eq_ignore_ascii_case(given)) {
        (true, true, _) => Match::Same,
        (true, false, true) => Match::OtherCase,
        _ => Match::Stranger,
    }
}

/// The answer; nothing when it must be asked again over TCP.
async fn over_udp(server: SocketAddr, packet: &[u8]) -> Result<Option<Got>, Error> {
    let io = |source| Error::Io { server, source };
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // A socket of its own for each question: the kernel draws the port at random, and takes packets of this server only.
    let socket = UdpSocket::bind((any, 0)).await.map_err(io)?;
    socket.connect(server).await.map_err(io)?;
    socket.send(packet).await.map_err(io)?;
    let mut buffer = vec![0; usize::from(EDNS_BYTES).max(4096)];
    for _ in 0..STRANGERS_MAX {
        let size = socket.recv(&mut buffer).await.map_err(io)?;
        let answer = &buffer[..size];
        match compare(packet, answer) {
            Match::Same => match Message::from_vec(answer) {
                Ok(message) => return Ok(Some(Got { message, keeps_case: true })),
                // Cut in the middle of a record, as some servers do.
                Err(_) if answer[2] & 0x02 != 0 => {
                    return over_tcp(server, packet).await.map(|message| Some(Got { message, keeps_case: true }));
                }
                Err(error) => return Err(Error::Malformed { server, why: error.to_string() }),
            },
            Match::OtherCase => return Ok(None),
            Match::Stranger => {}
        }
    }
    Err(Error::Strange { server })
}

async fn over_tcp(server: SocketAddr, packet: &[u8]) -> Result<Message, Error> {
    let io = |source| Error::Io { server, source };
    let mut stream = TcpStream::connect(server).await.map_err(io)?;
    let size = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let framed = [&size.to_be_bytes(), packet].concat();
    stream.write_all(&framed).await.map_err(io)?;
    let size = stream.read_u16().await.map_err(io)?;
    let mut answer = vec![0; usize::from(size)];
    stream.read_exact(&mut answer).await.map_err(io)?;
    if compare(packet, &answer) == Match::Stranger {
        return Err(Error::Strange { server });
    }
    Message::from_vec(&answer).map_err(|error| Error::Malformed { server, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::name::to_wire;

    #[test]
    fn what_is_an_answer_to_what_was_asked() {
        let question = Question {
            name: to_wire("www.example.com").unwrap().into(),
            kind: kind::A,
            class: 1,
            dnssec_ok: true,
            checking_disabled: true,
        };
        let packet = encode(&question, false);
        let read = Message::from_vec(&packet).unwrap();
        assert_eq!(read.queries[0].name().to_ascii(), "www.example.com.");
        assert!(read.metadata.checking_disabled && read.edns.as_ref().unwrap().flags().dnssec_ok);
        let with = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut answer = packet.clone();
            answer[2] |= 0x80;
            edit(&mut answer);
            compare(&packet, &answer)
        };
        assert_eq!(with(&|_| {}), Match::Same);
        assert_eq!(with(&|a| a[13] = b'W'), Match::OtherCase);
        assert_eq!(with(&|a| a[13] = b'x'), Match::Stranger);
        assert_eq!(with(&|a| a[0] ^= 1), Match::Stranger);
        assert_eq!(with(&|a| a[2] &= 0x7f), Match::Stranger);
        assert_eq!(with(&|a| a.truncate(5)), Match::Stranger);
        assert_eq!(
            with(&|a| {
                a.truncate(12);
                a[5] = 0;
            }),
            Match::OtherCase
        );
        let spelled = (0..64).map(|_| encode(&question, true)).filter(|mixed| mixed[12..] != packet[12..]).count();
        assert!(spelled > 32, "{spelled} of 64 were spelled otherwise");
    }
}
