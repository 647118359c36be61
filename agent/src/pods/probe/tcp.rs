//! A TCP address → whether somebody accepts there.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::pods::probe::http::Failed;
use crate::pods::probe::words;

/// Connects and hangs up.
///
/// # Errors
/// Nobody accepts in time.
pub async fn connect(address: &str, timeout: Duration) -> Result<(), Failed> {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failed(words::dial(address, &error))),
        Err(_) => Err(Failed(format!("dial tcp {address}: i/o timeout"))),
    }
}
