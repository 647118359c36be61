//! A probe of a running container → its verdicts, one after the other, in the probe's rhythm.

use std::time::Duration;

use masthead_api::core::container::Container;
use masthead_api::core::probe::Probe;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::pods::apply::Cx;
use crate::pods::events::Note;
use crate::pods::probe::http::Failed;
use crate::pods::probe::threshold::Threshold;
use crate::pods::probe::{exec, grpc, http, target, tcp};
use crate::pods::signal::{ProbeKind, Signal};

/// Waits, in milliseconds, between attempts after the first failure of a container that was never
/// well; the first stands for the first tick.
const EARLY_MS: [u64; 7] = [0, 25, 50, 100, 200, 300, 300];

/// What is probed.
pub struct Probed {
    /// What a step works with; its address is the pod's.
    pub cx: Cx,
    /// The container.
    pub container: Container,
    /// Its id.
    pub id: String,
    /// When it started; milliseconds since 1970.
    pub started_ms: i64,
    /// Which probe.
    pub kind: ProbeKind,
    /// The probe.
    pub probe: Probe,
    /// The verdict so far.
    pub verdict: bool,
    /// Whether the container is started; only a startup probe does not wait for it.
    pub started: watch::Receiver<bool>,
}

fn seconds(value: i32, least: u64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0).max(least))
}

/// Probes until it is dropped, or nothing is left to find out: whether a pod that ends is alive is no question any more.
pub async fn run(probed: Probed) {
    let (ending, kind) = (probed.cx.ending.clone(), probed.kind);
    tokio::select! {
        () = rounds(probed) => {}
        () = ending.cancelled(), if kind != ProbeKind::Readiness => {}
    }
}

async fn rounds(mut probed: Probed) {
    let probe = probed.probe.clone();
    if probed.kind != ProbeKind::Startup && probed.started.wait_for(|started| *started).await.is_err() {
        return;
    }
    let clock = probed.cx.shared.clock;
    let delay_ms = i64::from(probe.initial_delay_seconds.max(0)) * 1000;
    // A clock that was set back since the start must not make the probe wait for the difference.
    let due_ms = (probed.started_ms + delay_ms).min(clock.now_ms() + delay_ms);
    tokio::time::sleep_until(clock.instant(due_ms)).await;
    let period = seconds(if probe.period_seconds == 0 { 10 } else { probe.period_seconds }, 1);
    let mut ticks = interval_at(tokio::time::Instant::now(), clock.duration(period));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failures = if probe.failure_threshold == 0 { 3 } else { probe.failure_threshold };
    let mut threshold = Threshold::new(probed.verdict, probe.success_threshold, failures);
    let mut told: Option<bool> = None;
    let mut early = EARLY_MS.iter();
    loop {
        let Some(ok) = next(&probed, &mut ticks, &mut early).await else { continue };
        // Whoever has succeeded once is asked in the probe's own rhythm from then on.
        if ok {
            early = [].iter();
        }
        let Some(verdict) = threshold.take(ok) else { continue };
        if told == Some(verdict) {
            continue;
        }
        told = Some(verdict);
        let (container, id) = (probed.container.name.clone(), probed.id.clone());
        probed.cx.send(Signal::Probe { container, id, kind: probed.kind, ok: verdict }).await;
        match (probed.kind, verdict) {
            // Started is started, and what fails now is being killed.
            (ProbeKind::Startup, _) | (ProbeKind::Liveness, false) => return,
            _ => {}
        }
    }
}

/// The next outcome: at the next tick, or a success between the first two of them. A program that
/// needs a moment to listen is then ready after that moment, not after a whole period more;
/// failures count in the probe's rhythm only.
async fn next(probed: &Probed, ticks: &mut Interval, early: &mut std::slice::Iter<'_, u64>) -> Option<bool> {
    let mut is_first = early.len() == EARLY_MS.len();
    loop {
        let wait = if is_first || probed.kind == ProbeKind::Liveness { None } else { early.next() };
        let Some(wait_ms) = wait else {
            ticks.tick().await;
            if is_first {
                // One is used up by the first tick itself.
                early.next();
            }
            return once(probed).await;
        };
        is_first = false;
        tokio::select! {
            _ = ticks.tick() => return once(probed).await,
            () = tokio::time::sleep(Duration::from_millis(*wait_ms)) => {
                if let Ok(Ok(())) = ask(probed).await {
                    return Some(true);
                }
            }
        }
    }
}

/// Probes once; nothing when nothing is known.
async fn once(probed: &Probed) -> Option<bool> {
    let what = match probed.kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    };
    let note = match ask(probed).await {
        Ok(Ok(())) => return Some(true),
        Ok(Err(Failed(why))) => (format!("{what} probe failed: {why}"), Some(false)),
        Err(Failed(why)) => (format!("{what} probe errored and resulted in unknown state: {why}"), None),
    };
    probed.cx.note(Note::warning("Unhealthy", note.0).of(&probed.container.name)).await;
    note.1
}

async fn ask(probed: &Probed) -> Result<Result<(), Failed>, Failed> {
    let (probe, container) = (&probed.probe, &probed.container);
    let timeout = seconds(probe.timeout_seconds, 1);
    let ip = probed.cx.ips.first().map(String::as_str).unwrap_or("127.0.0.1");
    let bad = |error: target::Error| Failed(error.to_string());
    if let Some(action) = &probe.exec {
        return exec::run(&*probed.cx.shared.runtime, &probed.id, &action.command, timeout).await;
    }
    if let Some(get) = &probe.http_get {
        let request = target::http(get, container, ip).map_err(bad)?;
        return Ok(http::get(&request, timeout).await);
    }
    if let Some(socket) = &probe.tcp_socket {
        let port = target::port(&socket.port, container).map_err(bad)?;
        let host = if socket.host.is_empty() { ip } else { &socket.host };
        return Ok(tcp::connect(&target::host_port(host, port), timeout).await);
    }
    if let Some(call) = &probe.grpc {
        let port = u16::try_from(call.port).map_err(|_| bad(target::Error::BadPort(call.port)))?;
        let service = call.service.as_deref().unwrap_or_default();
        return Ok(grpc::check(&target::host_port(ip, port), service, timeout).await);
    }
    Err(Failed("missing probe handler".to_owned()))
}
