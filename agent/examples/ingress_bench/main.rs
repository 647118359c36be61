//! Prints how many requests a second the Ingress passes on, beside nginx as a reverse proxy in the same run.
//!
//! `cargo run --release -p masthead-agent --example ingress_bench [SECONDS] [CONNECTIONS] [CASE…]`, with cases such as
//! `http-0 http-1k http-64k https-1k`. It needs two cores and nginx (Debian's `nginx-light` does). Each proxy is a process
//! of its own with one worker, both pinned to the first core; client and pods are processes of their own on the second, so
//! that they take nothing from the proxy. Both proxies keep connections to the pods, set the same headers, and write no
//! access log. A proxy whose core has time left (`busy` below 100 %) could do more than is shown: the time it needs for a
//! request tells how much. Only the loopback is used; nginx has a configuration of its own in a directory that goes with it.

mod client;
mod masthead;
mod nginx;
mod pod;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use process::{Part, cpu_us, pin};

/// Rounds that take turns, so that what else the machine does falls on both.
const ROUNDS: usize = 5;
const PODS: usize = 2;
const PROXY_CORE: usize = 0;
const OTHER_CORE: usize = 1;
const CASES: &[&str] = &["http-0", "http-1k", "http-64k", "https-1k"];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Case {
    /// As it was named.
    pub name: String,
    /// By TLS.
    pub is_tls: bool,
    /// Of an answer's body.
    pub bytes: usize,
}

impl Case {
    fn parse(name: &str) -> Result<Self> {
        let (scheme, size) = name.split_once('-').context("a case is such as http-1k")?;
        let bytes = match size.strip_suffix('k') {
            Some(kilo) => kilo.parse::<usize>()? << 10,
            None => size.parse()?,
        };
        Ok(Self { name: name.into(), is_tls: scheme == "https", bytes })
    }
}

/// What one round came to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Requests a second.
    pub rate: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// The proxy's time on a core for one request.
    pub cpu_us: f64,
    /// The share of the time that the proxy had its core.
    pub busy: f64,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.get(1) {
        Some(&"pod") => return pod::run(),
        Some(&"masthead") => return masthead::run(&words[2..]),
        Some(&"client") => return client::run(&words[2..]),
        _ => {}
    }
    let number = |at: usize, default: usize| -> Result<usize> {
        words.get(at).map_or(Ok(default), |text| text.parse()).context("no number")
    };
    let (seconds, connections) = (number(1, 3)?, number(2, 64)?);
    let named = words.get(3..).filter(|names| !names.is_empty()).unwrap_or(CASES);
    let cases: Vec<Case> = named.iter().map(|name| Case::parse(name)).collect::<Result<_>>()?;
    pin(OTHER_CORE)?;
    let pods: Vec<Part> = (0..PODS).map(|_| Part::start(&["pod"])).collect::<Result<_>>()?;
    let places: Vec<SocketAddr> = pods.iter().map(|pod| pod.places[0]).collect();
    pin(PROXY_CORE)?;
    let certificate = rcgen::generate_simple_self_signed(vec!["bench.test".to_owned()])?;
    let ours = masthead::start(&places, &certificate)?;
    let theirs = nginx::Nginx::start(&places, &certificate)?;
    pin(OTHER_CORE)?;
    println!("1 worker each, {connections} connections, {PODS} pods, {ROUNDS} rounds of {seconds} s each");
    for case in &cases {
        compare(case, seconds, connections, (&ours, &theirs))?;
    }
    Ok(())
}

fn compare(case: &Case, seconds: usize, connections: usize, proxies: (&Part, &nginx::Nginx)) -> Result<()> {
    let (ours, theirs) = proxies;
    let at = usize::from(case.is_tls);
    let (mut mine, mut other) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        mine.push(round(case, seconds, connections, ours.places[at], &[ours.pid()])?);
        other.push(round(case, seconds, connections, theirs.places[at], &theirs.pids()?)?);
    }
    let median = |all: &[Figures], of: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (name, all) in [("masthead", &mine), ("nginx", &other)] {
        println!(
            "{:9} {name:9} {:8.0} requests/s  p50 {:6.2} ms  p99 {:6.2} ms  {:5.1} us of CPU a request  busy {:3.0} %",
            case.name,
            median(all, |f| f.rate),
            median(all, |f| f.p50_ms),
            median(all, |f| f.p99_ms),
            median(all, |f| f.cpu_us),
            median(all, |f| f.busy * 100.0)
        );
    }
    let ratio = |of: fn(&Figures) -> f64| median(&mine, of) / median(&other, of);
    println!(
        "{:9} masthead to nginx: requests/s {:.2} x, p50 {:.2} x, p99 {:.2} x; requests a second of CPU {:.2} x",
        case.name,
        ratio(|f| f.rate),
        ratio(|f| f.p50_ms),
        ratio(|f| f.p99_ms),
        1.0 / ratio(|f| f.cpu_us)
    );
    Ok(())
}

/// One round: a client of its own, and what the proxy's processes needed for it.
fn round(case: &Case, seconds: usize, connections: usize, place: SocketAddr, proxy: &[u32]) -> Result<Figures> {
    let before = cpu_us(proxy)?;
    let begin = std::time::Instant::now();
    let args = [
        "client".to_owned(),
        place.to_string(),
        case.is_tls.to_string(),
        case.bytes.to_string(),
        connections.to_string(),
        Duration::from_secs(seconds as u64).as_millis().to_string(),
    ];
    let output = std::process::Command::new(std::env::current_exe()?).args(&args).output()?;
    let (took, cpu) = (begin.elapsed(), cpu_us(proxy)? - before);
    if !output.status.success() {
        bail!("the client failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let values: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [all, rate, p50_ms, p99_ms] = values[..] else { bail!("no figures: {text:?}") };
    Ok(Figures { rate, p50_ms, p99_ms, cpu_us: cpu / all, busy: cpu / took.as_secs_f64() / 1e6 })
}
