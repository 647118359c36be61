//! The program `masthead`: control plane, node agent and command line in one.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_ref().and_then(|first| first.to_str()) {
        // These two run as children, many times, and must be small: they come before the runtime and the parser.
        Some("shim") => masthead_agent::shim::main(args),
        Some("hook") => masthead::git::hook::main(&args.next().unwrap_or_default().to_string_lossy()),
        // Renders as one types: in a few milliseconds.
        Some("chart") => masthead::cli::chart::main(args),
        _ => masthead::cli::main(),
    }
}
