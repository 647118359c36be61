//! `masthead chart`: Helm's commands on charts, without a daemon, with Helm's flags, output and messages.

pub mod create;
pub mod dependency;
pub mod disk;
pub mod help;
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
    masthead_heap::grow();
    // On this thread, so that the allocator stays in its main arena.
    stacker::grow(STACK_BYTES, || run(&args))
}

fn run(args: &[String]) -> ExitCode {
    let rest = args.get(1..).unwrap_or_default();
    let outcome = match args.first().map(String::as_str) {
        Some("template") => return template(rest),
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
        Some(other) => help::unknown("chart", other),
    };
    ExitCode::from(finish(&outcome, false, ""))
}

/// Runs `masthead chart template` on what follows it. Freeing what a chart was rendered with takes a tenth of the time of
/// all, so that the process ends before it.
fn template(args: &[String]) -> ExitCode {
    // Helm takes a fault of the disk for one of the chart.
    let is_debug = args.iter().any(|arg| arg == "--debug");
    let hint = if is_debug { "" } else { "\n\nUse --debug flag to render out invalid YAML" };
    template::run(args, |outcome| std::process::exit(finish(&outcome, true, hint).into()))
}

/// Writes files and output; gives the process's exit code.
fn finish(outcome: &Outcome, tells_files: bool, hint: &str) -> u8 {
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    // Where nobody hears of faults, there is nobody to tell that.
    let _ = stderr.write_all(outcome.stderr.as_bytes());
    for (at, write) in outcome.writes.iter().enumerate() {
        if let Err(why) = put(write) {
            let done = outcome.writes.iter().take(if tells_files { at } else { 0 });
            let done: String = done.map(|done| format!("wrote {}\n", done.path)).collect();
            let _ = tell(&mut stdout, done.as_bytes());
            let _ = writeln!(stderr, "Error: {why}{hint}");
            return 1;
        }
    }
    if let Err(why) = tell(&mut stdout, &outcome.stdout) {
        let _ = writeln!(stderr, "Error: {why}");
        return 1;
    }
    u8::from(outcome.failed)
}

/// Writes all of a text; whoever reads may stop reading, which is no fault of ours.
fn tell(out: &mut impl Write, text: &[u8]) -> Result<(), String> {
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(disk::words("write", "/dev/stdout", &error))
        }
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Result, Write};

    use super::tell;

    /// Takes nothing.
    struct Refuses(ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_text_that_is_cut_off_is_a_fault_unless_its_reader_is_gone() {
        assert_eq!(tell(&mut Vec::new(), b"x"), Ok(()));
        assert_eq!(tell(&mut Refuses(ErrorKind::BrokenPipe), b"x"), Ok(()));
        let why = tell(&mut Refuses(ErrorKind::StorageFull), b"x").expect_err("a disk is full");
        assert!(why.starts_with("write /dev/stdout: "), "{why}");
    }
}
