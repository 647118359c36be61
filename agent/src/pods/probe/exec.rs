//! A command in a container → whether it ends well in time.

use std::time::Duration;

use crate::pods::probe::http::Failed;
use crate::runtime::contract::Runtime;
use crate::runtime::error::Error;

/// Bytes of output in a failure's text (the kubelet's `maxReadLength`).
const OUTPUT_BYTES_MAX: usize = 10 << 10;

/// Runs the command; exit code 0 is good. `Ok(Err)` is a bad end, `Err` means that nothing is known.
///
/// # Errors
/// The runtime can't run it.
pub async fn run(
    runtime: &dyn Runtime,
    id: &str,
    command: &[String],
    timeout: Duration,
) -> Result<Result<(), Failed>, Failed> {
    match runtime.exec_sync(id, command.to_vec(), Some(timeout)).await {
        Ok(output) if output.exit_code == 0 => Ok(Ok(())),
        Ok(output) => {
            let mut text = output.stdout;
            text.extend_from_slice(&output.stderr);
            text.truncate(OUTPUT_BYTES_MAX);
            Ok(Err(Failed(String::from_utf8_lossy(&text).into_owned())))
        }
        Err(Error::DeadlineExceeded(_)) => {
            let command = command.join(" ");
            Ok(Err(Failed(format!("command timed out: {command:?} timed out after {}s", timeout.as_secs()))))
        }
        // A program that is not there is a bad end too.
        Err(Error::Start(why)) => Ok(Err(Failed(why))),
        Err(error) => Err(Failed(error.to_string())),
    }
}
