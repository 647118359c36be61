//! Turns command-line arguments into a shim, for tests and benches; the product's own binary does the same on `shim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    masthead_agent::shim::main(std::env::args_os().skip(1))
}
