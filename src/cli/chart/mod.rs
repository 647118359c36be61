//! `masthead chart`: Helm's commands on charts, without a daemon, with Helm's flags, output and messages.

pub mod create;
pub mod dependency;
pub mod disk;
pub mod help;
pub mod jsonpath;
pub mod line;
pub mod lint;
pub mod lock;
pub mod package;
pub mod pull;
pub mod push;
pub mod remote;
pub mod show;
pub mod spec;
pub mod template;
pub mod unpack;
pub mod update;
pub mod verify;

use std::io::Write;
use std::process::ExitCode;

use masthead_chart::command::Outcome;

/// Arguments of `chart`; Helm's own rules read them.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// template, lint, show, package, create, dependency, pull, push, verify or lock, and Helm's flags of each.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

/// Stack for charts that nest deeply; templates that include each other get more as they go. Only what is used takes memory.
const STACK_BYTES: usize = 256 << 20;

const USAGE: &str = "Work with Helm charts, without a daemon. Flags are Helm's.

Usage: masthead chart <COMMAND>

Commands:
  template         Render a chart's templates and print them
  lint             Look for faults in a chart
  show             Show all, chart, values, readme or crds of a chart
  package          Pack a chart into an archive
  create           Make a new chart
  dependency       List what a chart depends on, or bring it into charts/
  pull             Fetch a chart from a repository or a registry
  push             Push an archive to a registry
  verify           Check an archive against the signature beside it
  test             Run the tests of an installed release (needs the daemon)
  lock             Pin the charts that the Releases of a repository ask for

masthead chart <COMMAND> --help tells a command's flags.
";

/// Runs `masthead chart` on what follows it. Comes before the parser, the runtime and the logs: it is called for each key
/// that somebody types.
pub fn main(args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    // On this thread, so that the allocator stays in its main arena, which grows by few and large steps.
    stacker::grow(STACK_BYTES, || run(&args))
}

fn run(args: &[String]) -> ExitCode {
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match args.first().map(String::as_str) {
        Some("template") => template::run(rest),
        Some("lint") => lint::run(rest),
        Some("show" | "inspect") => show::run(rest),
        Some("package") => package::run(rest),
        Some("create") => create::run(rest),
        Some("pull" | "fetch") => pull::run(rest),
        Some("push") => push::run(rest),
        Some("verify") => verify::run(rest),
        Some("lock") => lock::run(rest),
        Some("test") => return crate::cli::test::main(rest),
        Some("dependency" | "dep" | "dependencies") => dependency::run(rest),
        None | Some("help" | "-h" | "--help") => Outcome { stdout: USAGE.into(), ..Outcome::default() },
        Some(other) => Outcome::fail(&format!("unknown command {other:?} for \"masthead chart\"\n\n{USAGE}")),
    };
    let is_template = args.first().is_some_and(|command| command == "template");
    let hint = match is_template && !args.iter().any(|arg| arg == "--debug") {
        // Helm takes a fault of the disk for one of the chart.
        true => "\n\nUse --debug flag to render out invalid YAML",
        false => "",
    };
    finish(&outcome, is_template, hint)
}

/// Writes files and output.
fn finish(outcome: &Outcome, tells_files: bool, hint: &str) -> ExitCode {
    eprint!("{}", outcome.stderr);
    for (at, write) in outcome.writes.iter().enumerate() {
        if let Err(why) = put(write) {
            let done = outcome.writes.iter().take(if tells_files { at } else { 0 });
            done.for_each(|done| println!("wrote {}", done.path));
            eprintln!("Error: {why}{hint}");
            return ExitCode::FAILURE;
        }
    }
    let mut stdout = std::io::stdout().lock();
    // Whoever reads may stop reading; that is no fault of ours.
    let _ = stdout.write_all(&outcome.stdout).and_then(|()| stdout.flush());
    if outcome.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn put(write: &masthead_chart::command::Write) -> Result<(), String> {
    if let Some((folder, _)) = write.path.rsplit_once('/') {
        match std::fs::metadata(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(disk::words("stat", folder, &error));
            }
            _ => std::fs::create_dir_all(folder).map_err(|error| disk::words("mkdir", folder, &error))?,
        }
    }
    let mut options = std::fs::OpenOptions::new();
    match write.append {
        true => options.append(true),
        false => options.write(true).create(true).truncate(true),
    };
    let mut file = options.open(&write.path).map_err(|error| disk::words("open", &write.path, &error))?;
    file.write_all(&write.text).map_err(|error| disk::words("write", &write.path, &error))
}
