//! A lifecycle hook → its action in or towards the container.

use std::time::Duration;

use masthead_api::core::container::Container;
use masthead_api::core::probe::LifecycleHandler;

use crate::pods::apply::Cx;
use crate::pods::probe::{http, target};

/// How long a hook's HTTP request may take; the hook itself is bounded by its caller.
const HTTP: Duration = Duration::from_secs(30);

/// Runs a hook to its end.
///
/// # Errors
/// What went wrong, for the log and the event.
pub async fn run(cx: &Cx, hook: &LifecycleHandler, container: &Container, id: &str) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        let output =
            cx.shared.runtime.exec_sync(id, exec.command.clone(), None).await.map_err(|error| error.to_string())?;
        return match output.exit_code {
            0 => Ok(()),
            code => Err(format!("command exited with {code}: {}", String::from_utf8_lossy(&output.stderr).trim_end())),
        };
    }
    if let Some(get) = &hook.http_get {
        let ip = cx.ips.first().map(String::as_str).unwrap_or_default();
        let request = target::http(get, container, ip).map_err(|error| error.to_string())?;
        // Any answer will do, as it does for the kubelet.
        return http::ask(&request, HTTP).await.map(drop).map_err(|failed| failed.0);
    }
    if let Some(sleep) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        return Ok(());
    }
    Err("the hook has an action that is not supported: tcpSocket".to_owned())
}
