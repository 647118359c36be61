//! The command line's own description → completions for a shell.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

/// Arguments of `completion`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Prints the completions.
///
/// # Errors
/// Standard output is closed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Masthead::command(), "masthead", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
