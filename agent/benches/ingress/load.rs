//! Pods, and a client that asks on all connections at once, each the next as soon as it has its answer: one thread, so that
//! as little as can be is spent on what is not measured.

use std::io::BufRead;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::{Events, Poll};

use crate::client::Conn;
use crate::pod::Pods;

/// What is not measured, at the begin.
const WARM: Duration = Duration::from_millis(300);
/// Tokens from here on are the client's.
const CLIENT: usize = 1 << 20;
const EVENTS: usize = 1024;

/// What a client does.
pub struct Ask {
    /// The proxy.
    pub place: SocketAddr,
    /// By TLS.
    pub is_tls: bool,
    /// Of an answer's body.
    pub bytes: usize,
    /// At a time.
    pub connections: usize,
    /// How long.
    pub time: Duration,
}

impl Ask {
    /// As one line.
    pub fn line(&self) -> String {
        let Self { place, is_tls, bytes, connections, time } = self;
        format!("{place} {is_tls} {bytes} {connections} {}", time.as_millis())
    }

    fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [place, is_tls, bytes, connections, time_ms] = words[..] else { anyhow::bail!("five words") };
        Ok(Self {
            place: place.parse()?,
            is_tls: is_tls.parse()?,
            bytes: bytes.parse()?,
            connections: connections.parse()?,
            time: Duration::from_millis(time_ms.parse()?),
        })
    }
}

/// Says where so many pods are; then each line of input is a round, and its answer: requests in all, their rate, p50 and
/// p99 in milliseconds.
pub fn run(pods: usize) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut pods = Pods::new(pods, poll.registry())?;
    let places = pods.places()?.iter().map(ToString::to_string).collect::<Vec<_>>();
    println!("{}", places.join(" "));
    for line in std::io::stdin().lock().lines() {
        round(&mut poll, &mut pods, &Ask::parse(&line?)?)?;
    }
    Ok(())
}

fn round(poll: &mut Poll, pods: &mut Pods, ask: &Ask) -> Result<()> {
    let Ask { place, is_tls, bytes, connections, time } = *ask;
    let request = format!(
        "GET /some/path/{bytes} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\
        Accept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n"
    );
    let open = |at: usize, poll: &Poll| Conn::open(place, is_tls, CLIENT + at, poll.registry());
    let mut conns: Vec<Conn> = (0..connections).map(|at| open(at, poll)).collect::<Result<_>>()?;
    conns.iter_mut().try_for_each(|conn| conn.ask(request.as_bytes()))?;
    let (mut events, mut room) = (Events::with_capacity(EVENTS), vec![0; 256 << 10]);
    let (begin, mut all, mut took) = (Instant::now(), 0_u64, Vec::<u32>::new());
    loop {
        poll.poll(&mut events, Some(Duration::from_secs(5)))?;
        ensure!(!events.is_empty(), "no answer within 5 s");
        if begin.elapsed() > WARM + time {
            break;
        }
        for event in &events {
            let Some(at) = event.token().0.checked_sub(CLIENT) else {
                pods.ready(event.token().0, poll.registry(), &mut room)?;
                continue;
            };
            let conn = conns.get_mut(at).context("a connection that is none")?;
            if !event.is_readable() || !conn.read(&mut room)? {
                continue;
            }
            all += 1;
            if conn.begin > begin + WARM {
                took.push(u32::try_from(conn.begin.elapsed().as_micros())?);
            }
            if conn.is_last {
                *conn = open(at, poll)?;
            }
            conn.ask(request.as_bytes())?;
        }
    }
    took.sort_unstable();
    let at = |share: usize| f64::from(took[(took.len() - 1) * share / 100]) / 1e3;
    println!("{all} {} {} {}", took.len() as f64 / time.as_secs_f64(), at(50), at(99));
    Ok(())
}
