//! `masthead demo-app`: an HTTP server that says its version and its pod, for the demonstration and the tests.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::serve::stopped;

/// The port it listens on unless told otherwise.
const PORT: u16 = 8080;

/// Arguments of `demo-app`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where it listens [default: port 8080 on all addresses].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// What it says it is.
    #[arg(long, env = "VERSION", default_value = "v1")]
    pub app_version: String,
    /// What it greets with.
    #[arg(long, env = "GREETING", default_value = "Hello from Masthead")]
    pub greeting: String,
    /// Seconds it goes on answering after SIGTERM, until whoever sends requests has noticed.
    #[arg(long, default_value_t = 2)]
    pub drain_s: u64,
    /// Seconds until it says that it is ready.
    #[arg(long, default_value_t = 0)]
    pub warmup_s: u64,
}

/// Serves until SIGTERM and the drain are over.
///
/// # Errors
/// The address is taken.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: &Args) -> anyhow::Result<ExitCode> {
    let listener = match args.listen {
        Some(listen) => TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?,
        // Of IPv4 alone where the kernel has no other.
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
                .await
                .with_context(|| format!("listening on port {PORT}"))?,
        },
    };
    let pod = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = Arc::new(format!("{} {} from {pod}\n", args.greeting, args.app_version));
    let (ready, is_ready) = watch::channel(args.warmup_s == 0);
    println!("listening on {}", listener.local_addr()?);
    let warmup = Duration::from_secs(args.warmup_s);
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (text, is_ready) = (text.clone(), is_ready.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| answer(request, text.clone(), *is_ready.borrow()));
                // A client that goes away is no fault of ours.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    };
    let life = async {
        if !warmup.is_zero() {
            tokio::time::sleep(warmup).await;
            ready.send_replace(true);
        }
        stopped().await;
        ready.send_replace(false);
        tokio::time::sleep(Duration::from_secs(args.drain_s)).await;
    };
    tokio::select! {
        () = accept => {}
        () = life => println!("stopped"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer(
    request: Request<Incoming>,
    text: Arc<String>,
    ready: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (code, body) = match request.uri().path() {
        "/readyz" if !ready => (503, "not ready\n".to_owned()),
        "/readyz" | "/healthz" => (200, "ok\n".to_owned()),
        _ => (200, text.to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    // The codes above are valid.
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    Ok(response)
}
