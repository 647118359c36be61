//! The words of a user → one command; each has a file of its own with its arguments and its run.

pub mod agent;
pub mod columns;
pub mod completion;
pub mod demo;
pub mod demo_app;
pub mod down;
pub mod exit;
pub mod image;
pub mod init;
pub mod logging;
pub mod serve;
pub mod start;
pub mod token;
pub mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A container orchestrator whose API is a git repository.
#[derive(Parser)]
#[command(name = "masthead", version, about, propagate_version = true)]
pub struct Masthead {
    /// How the program logs.
    #[command(flatten)]
    pub log: logging::Args,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Start a control plane and one node on this machine, with a repository to push to.
    Up(up::Args),
    /// Remove everything that `up` made: containers, networks, mounts, data.
    Down(down::Args),
    /// Run a control plane.
    Serve(serve::Args),
    /// Run a node agent.
    Agent(agent::Args),
    /// Make a token with which nodes join.
    Token(token::Args),
    /// Write the skeleton of a repository of desired state.
    Init(init::Args),
    /// Import, list and remove images of this node.
    Image(image::Args),
    /// Print shell completions.
    Completion(completion::Args),
    /// The demo application: answers HTTP with its version.
    #[command(hide = true)]
    DemoApp(demo_app::Args),
}

/// Runs the command line to its end.
pub fn main() -> ExitCode {
    let line = Masthead::parse();
    // A provider can only be set once, and this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    logging::start(&line.log);
    let done = match line.command {
        Command::Up(args) => up::run(args),
        Command::Down(args) => down::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Token(args) => token::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Image(args) => image::run(args),
        Command::Completion(args) => completion::run(&args),
        Command::DemoApp(args) => demo_app::run(&args),
    };
    done.unwrap_or_else(|error| exit::report(&error))
}

/// Runs a command that waits for many things at once.
///
/// # Errors
/// The command's own, or the system gives no threads.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Masthead;

    #[test]
    fn the_command_line_is_consistent() {
        Masthead::command().debug_assert();
    }
}
