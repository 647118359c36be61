//! An HTTP request of a probe → whether the answer is good, as the kubelet judges it.

use std::sync::OnceLock;
use std::time::Duration;

use crate::pods::probe::target::Http;
use crate::pods::probe::words;

/// Bytes of an answer that are read (the kubelet's `maxRespBodyLength`).
const BODY_BYTES_MAX: usize = 10 << 10;
/// Redirects that are followed (Go's default).
const REDIRECTS_MAX: usize = 10;

/// Why a probe failed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed(pub String);

/// Asks; an answer from 200 to 399 is good.
///
/// # Errors
/// No answer, or another one.
pub async fn get(request: &Http, timeout: Duration) -> Result<(), Failed> {
    match ask(request, timeout).await? {
        200..400 => Ok(()),
        status => Err(Failed(format!("HTTP probe failed with statuscode: {status}"))),
    }
}

/// Asks, and gives the answer's status, whatever it is.
///
/// # Errors
/// No answer.
pub async fn ask(request: &Http, timeout: Duration) -> Result<u16, Failed> {
    let client = client()?;
    let mut asking = client.get(&request.url).timeout(timeout);
    for (name, value) in &request.headers {
        asking = asking.header(name, value);
    }
    let failed =
        |error: reqwest::Error| Failed(format!("Get {:?}: {}", request.url, words::http(&request.address, &error)));
    let mut answer = asking.send().await.map_err(failed)?;
    let status = answer.status().as_u16();
    let mut read = 0;
    // The connection is closed, not drained: an endless answer is none of ours.
    while read < BODY_BYTES_MAX {
        match answer.chunk().await.map_err(failed)? {
            Some(bytes) => read += bytes.len(),
            None => break,
        }
    }
    Ok(status)
}

/// One client for all probes: it keeps no connection and trusts any certificate, as the kubelet's.
///
/// # Errors
/// It can't be made.
pub fn client() -> Result<&'static reqwest::Client, Failed> {
    static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            let first = attempt.previous().first().and_then(|url| url.host_str()).map(str::to_owned);
            if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error("stopped after 10 redirects")
            } else if attempt.url().host_str() == first.as_deref() {
                attempt.follow()
            } else {
                // An answer that points elsewhere is an answer.
                attempt.stop()
            }
        });
        // Another part of the program may have set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .redirect(redirects)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .tls_certs_only([])
            .tls_danger_accept_invalid_certs(true)
            .build()
            .map_err(|error| error.to_string())
    });
    made.as_ref().map_err(|error| Failed(error.clone()))
}
