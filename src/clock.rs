//! The system's clock and randomness → the context that decisions take as an argument; the only place that reads either.

use std::time::{SystemTime, UNIX_EPOCH};

use masthead_plan::context::Context;

/// Milliseconds since 1970; 0 on a machine whose clock stands before.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub fn now_s() -> i64 {
    i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX)
}

/// A context of this moment with names nobody has drawn before.
pub fn context() -> Context {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut context = Context::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), rand::random());
    context.micros = since.subsec_micros();
    context
}
