//! Prints how many requests a second the Ingress passes on, beside nginx as a reverse proxy in the same run.
//!
//! `cargo bench -p masthead-agent --bench ingress [-- SECONDS [CONNECTIONS [CASE…]]]`, with cases such as
//! `http-1k`, `https-64k`, `http-1k+logs`, `http-1k+debian`. It needs root, two cores and nginx (Debian's `nginx-light` does).
//!
//! Each proxy is a process of its own with one worker, pinned to the first core; the client and the pods are one process on
//! the second, which must need less for a request than a proxy does, or it would be what is measured: a proxy whose core
//! has time left (`busy` well below 100 %) could do more than is shown, and the time it needs for a request tells how much.
//!
//! nginx is tuned: it keeps connections to the pods, as ours does, and sets the same headers. Neither writes an access log,
//! but with `+logs` both do, each into a file and many lines at a time. With `+debian` nginx is as Debian ships it: the
//! values of its `nginx.conf` and `proxy_params`, a log that is written line by line, HTTP/1.0 to the pods and a connection
//! for each request; ours is the one that writes its log.
//!
//! Rounds are short and take turns, so that what else the machine does falls on both; ratios are medians of each round's.
//! All is on the loopback of a network namespace of its own, so that no rule of the machine's firewall has a part in it;
//! nginx has a configuration of its own in a directory that goes with it.

mod client;
mod load;
mod masthead;
mod nginx;
mod pod;
mod process;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nlink::netlink::{Connection, Route};

use load::Ask;
use nginx::Nginx;
use process::{Part, cpu_us, pin};

/// Rounds that take turns.
const ROUNDS: usize = 7;
const PODS: usize = 2;
const PROXY_CORE: usize = 0;
const OTHER_CORE: usize = 1;
const CASES: &[&str] = &["http-0", "http-1k", "http-64k", "https-1k", "http-1k+logs", "http-1k+debian"];

/// How the proxies are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// nginx is tuned, nobody logs.
    Tuned,
    /// nginx is tuned, both log.
    Logs,
    /// nginx as Debian ships it, both log.
    Debian,
}

impl Setting {
    fn shown(self) -> [&'static str; 2] {
        match self {
            Self::Tuned => ["masthead, no log", "nginx tuned, no log"],
            Self::Logs => ["masthead, log", "nginx tuned, log"],
            Self::Debian => ["masthead, log", "nginx as Debian's, log"],
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    is_tls: bool,
    /// Of an answer's body.
    bytes: usize,
    setting: Setting,
}

impl Case {
    fn parse(name: &str) -> Result<Self> {
        let (asked, setting) = match name.split_once('+') {
            None => (name, Setting::Tuned),
            Some((asked, "logs")) => (asked, Setting::Logs),
            Some((asked, "debian")) => (asked, Setting::Debian),
            Some((_, other)) => bail!("{other:?} is neither \"logs\" nor \"debian\""),
        };
        let (scheme, size) = asked.split_once('-').context("a case is such as http-1k")?;
        let bytes = match size.strip_suffix('k') {
            Some(kilo) => kilo.parse::<usize>()? << 10,
            None => size.parse()?,
        };
        Ok(Self { name: name.into(), is_tls: scheme == "https", bytes, setting })
    }
}

/// What one round came to.
#[derive(Clone, Debug)]
struct Figures {
    /// Requests a second.
    rate: f64,
    /// Half of them took no longer.
    p50_ms: f64,
    /// All but one in a hundred took no longer.
    p99_ms: f64,
    /// The proxy's time on a core for one request.
    cpu_us: f64,
    /// The share of the time that the proxy had its core.
    busy: f64,
}

/// A proxy: where it is without and with TLS, and its processes.
struct Proxy {
    places: Vec<SocketAddr>,
    pids: Vec<u32>,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.get(1) {
        Some(&"load") => return load::run(PODS),
        Some(&"masthead") => return masthead::run(&words[2..]),
        _ => {}
    }
    let number = |at: usize, default: usize| -> Result<usize> {
        words.get(at).map_or(Ok(default), |text| text.parse()).context("no number")
    };
    let (seconds, connections) = (number(1, 1)?, number(2, 64)?);
    let named = words.get(3..).filter(|names| !names.is_empty()).unwrap_or(CASES);
    let cases: Vec<Case> = named.iter().map(|name| Case::parse(name)).collect::<Result<_>>()?;
    own_network()?;
    println!("1 worker each, {connections} connections, {PODS} pods, {ROUNDS} rounds of {seconds} s each");
    pin(OTHER_CORE)?;
    let mut load = Part::start(&["load"])?;
    let certificate = rcgen::generate_simple_self_signed(vec!["bench.test".to_owned()])?;
    let dir = tempfile::tempdir()?;
    for setting in [Setting::Tuned, Setting::Logs, Setting::Debian] {
        let cases = cases.iter().filter(|case| case.setting == setting).collect::<Vec<_>>();
        if cases.is_empty() {
            continue;
        }
        pin(PROXY_CORE)?;
        let log = dir.path().join(format!("{setting:?}.log"));
        let ours = masthead::start(&load.places, &certificate, (setting != Setting::Tuned).then_some(&log))?;
        let theirs = Nginx::start(&load.places, &certificate, setting)?;
        pin(OTHER_CORE)?;
        let ours = (Proxy { places: ours.places.clone(), pids: vec![ours.pid()] }, ours);
        let theirs = (Proxy { places: theirs.places.clone(), pids: theirs.pids()? }, theirs);
        for case in cases {
            compare(case, (seconds, connections), &mut load, [&ours.0, &theirs.0])?;
        }
        // Its log is whole when it has ended; it was one only if it says so.
        drop(ours);
        if setting != Setting::Tuned {
            let bytes = [std::fs::metadata(&log)?.len(), theirs.1.log_bytes()?];
            println!("{setting:?}: bytes of log, masthead and nginx: {bytes:?}");
        }
    }
    Ok(())
}

/// Goes into a network namespace of its own, whose loopback is up.
fn own_network() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network of its own needs root")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(Connection::<Route>::new()?.set_link_up("lo").await?) })
}

fn compare(case: &Case, (seconds, connections): (usize, usize), load: &mut Part, proxies: [&Proxy; 2]) -> Result<()> {
    let mut rounds = Vec::new();
    for number in 0..ROUNDS {
        let mut round = |proxy: &Proxy| {
            let ask = Ask {
                place: proxy.places[usize::from(case.is_tls)],
                is_tls: case.is_tls,
                bytes: case.bytes,
                connections,
                time: Duration::from_secs(seconds as u64),
            };
            round(load, &ask, &proxy.pids)
        };
        // Who comes first changes, too.
        rounds.push(match number % 2 {
            0 => [round(proxies[0])?, round(proxies[1])?],
            _ => {
                let second = round(proxies[1])?;
                [round(proxies[0])?, second]
            }
        });
    }
    for (at, name) in case.setting.shown().into_iter().enumerate() {
        let of = |value: fn(&Figures) -> f64| median(rounds.iter().map(|round| value(&round[at])));
        println!(
            "{:14} {name:22} {:8.0} requests/s  p50 {:6.2} ms  p99 {:6.2} ms  {:5.1} us of CPU a request  busy {:3.0} %",
            case.name,
            of(|f| f.rate),
            of(|f| f.p50_ms),
            of(|f| f.p99_ms),
            of(|f| f.cpu_us),
            of(|f| f.busy * 100.0)
        );
    }
    let ratio = |of: fn(&Figures) -> f64| median(rounds.iter().map(|[ours, theirs]| of(ours) / of(theirs)));
    println!(
        "{:14} masthead to nginx: requests/s {:.2} x, p50 {:.2} x, p99 {:.2} x; requests a second of CPU {:.2} x",
        case.name,
        ratio(|f| f.rate),
        ratio(|f| f.p50_ms),
        ratio(|f| f.p99_ms),
        ratio(|f| 1.0 / f.cpu_us)
    );
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One round, and what the proxy's processes needed for it.
fn round(load: &mut Part, ask: &Ask, proxy: &[u32]) -> Result<Figures> {
    let (before, begin) = (cpu_us(proxy)?, std::time::Instant::now());
    let text = load.ask(&ask.line()).context("the client failed")?;
    let (took, cpu) = (begin.elapsed(), cpu_us(proxy)? - before);
    let values: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [all, rate, p50_ms, p99_ms] = values[..] else { bail!("no figures: {text:?}") };
    Ok(Figures { rate, p50_ms, p99_ms, cpu_us: cpu / all, busy: cpu / took.as_secs_f64() / 1e6 })
}
