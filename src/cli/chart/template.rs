//! `masthead chart template`: a chart's templates rendered to standard output.

use masthead_chart::command::{self, Outcome, Surroundings};
use masthead_sprig::time::moment::Moment;
use rand::RngCore;

use super::disk::Real;

/// Runs it.
pub fn run(args: &[String]) -> Outcome {
    command::template(args, &mut Real, &surroundings("masthead chart template"))
}

/// What a command takes from this process: time, entropy and the namespace that the environment names.
pub fn surroundings(name: &str) -> Surroundings {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut entropy = [0; 32];
    rand::rng().fill_bytes(&mut entropy);
    let namespace = std::env::var("HELM_NAMESPACE").ok().filter(|name| !name.is_empty());
    Surroundings {
        name: name.to_owned(),
        namespace: namespace.unwrap_or_else(|| "default".to_owned()),
        entropy,
        now: Moment::from_unix(since.as_secs() as i64, since.subsec_nanos()),
        limits: Default::default(),
    }
}
