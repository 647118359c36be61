//! The words of a user → one command; each has a file of its own with its arguments and its run.

pub mod agent;
pub mod attach;
pub mod blame;
pub mod chart;
pub mod columns;
pub mod completion;
pub mod cri;
pub mod delete;
pub mod demo;
pub mod demo_app;
pub mod describe;
pub mod down;
pub mod events;
pub mod example;
pub mod exec;
pub mod exit;
pub mod get;
pub mod image;
pub mod init;
pub mod install;
pub mod jsonpath;
pub mod log;
pub mod logging;
pub mod logs;
pub mod node;
pub mod output;
pub mod paint;
pub mod plan;
pub mod port_forward;
pub mod revert;
pub mod rollout;
pub mod serve;
pub mod session;
pub mod sort;
pub mod start;
pub mod status;
pub mod tabular;
pub mod target;
pub mod test;
pub mod token;
pub mod up;
pub mod version;
pub mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A container orchestrator whose API is a git repository.
#[derive(Parser)]
#[command(name = "masthead", version, about, max_term_width = 100)]
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
    /// List, add, remove, stop and start the nodes of `up --nodes`.
    Node(node::Args),
    /// Make a token with which nodes join.
    Token(token::Args),
    /// Write the skeleton of a repository of desired state.
    Init(init::Args),
    /// Install a chart: write a Release into the repository as one commit.
    Install(install::Args),
    /// Upgrade a release: change its Release in the repository as one commit.
    Upgrade(install::Args),
    /// Import, list and remove images of this node.
    Image(image::Args),
    /// Show the repository, the newest commit and what became of it, and the nodes.
    Status(status::Args),
    /// List commits with their outcome.
    Log(log::Args),
    /// Show which commit, author, file and line each field of a live object comes from.
    Blame(blame::Args),
    /// Run the tests of an installed release.
    Test(Box<test::Args>),
    /// Show what a branch, tag or commit would change.
    Plan(plan::Args),
    /// Take a commit back: make the revert, push it, and follow it.
    Revert(revert::Args),
    /// Print objects.
    Get(Box<get::Args>),
    /// Describe objects and what belongs to them.
    Describe(describe::Args),
    /// Print what containers wrote.
    Logs(Box<logs::Args>),
    /// Run a command in a container.
    Exec(exec::Args),
    /// Join the process of a container.
    Attach(attach::Args),
    /// Delete a pod; its controller makes another.
    Delete(Box<delete::Args>),
    /// Render, lint, show, pack and create Helm charts, without a daemon.
    Chart(chart::Args),
    /// Forward local ports to a pod.
    PortForward(port_forward::Args),
    /// List what happened.
    Events(events::Args),
    /// Follow a rollout.
    #[command(subcommand)]
    Rollout(rollout::Rollout),
    /// Wait until objects are as wished.
    Wait(rollout::WaitArgs),
    /// Print versions.
    Version(version::Args),
    /// Print shell completions.
    Completion(completion::Args),
    /// Serve the embedded runtime as a CRI socket, for CRI's own tools.
    #[command(hide = true)]
    Cri(cri::Args),
    /// The demo application: answers HTTP with its version.
    #[command(hide = true)]
    DemoApp(demo_app::Args),
}

/// Runs the command line to its end.
pub fn main() -> ExitCode {
    exit::end_with_output();
    let line = Masthead::parse();
    // A provider can only be set once, and this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    logging::start(&line.log);
    let done = match line.command {
        Command::Up(args) => up::run(args),
        Command::Down(args) => down::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Node(args) => node::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Install(args) => install::run(&args, install::Verb::Install),
        Command::Upgrade(args) => install::run(&args, install::Verb::Upgrade),
        Command::Image(args) => image::run(args),
        Command::Status(args) => status::run(args),
        Command::Log(args) => log::run(args),
        Command::Blame(args) => blame::run(args),
        Command::Test(args) => test::run(*args),
        Command::Plan(args) => plan::run(args),
        Command::Revert(args) => revert::run(args),
        Command::Get(args) => get::run(*args),
        Command::Describe(args) => describe::run(args),
        Command::Logs(args) => logs::run(*args),
        Command::Exec(args) => exec::run(args),
        Command::Attach(args) => attach::run(args),
        Command::Delete(args) => delete::run(*args),
        Command::Chart(args) => Ok(chart::main(args.rest.into_iter().map(Into::into))),
        Command::PortForward(args) => port_forward::run(args),
        Command::Events(args) => events::run(args),
        Command::Rollout(args) => rollout::run(args),
        Command::Wait(args) => rollout::wait(args),
        Command::Version(args) => version::run(args),
        Command::Completion(args) => completion::run(&args),
        Command::Cri(args) => cri::run(args),
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
