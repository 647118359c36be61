//! `--log-format` and `--log` → where and how traces are written.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// What is logged unless told otherwise. The netlink library warns of each refusal that we ask for, such as that
/// of removing what is not there.
const DEFAULT: &str = "warn,nlink=error";

/// How traces look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// How the program logs.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// How log lines look.
    #[arg(long = "log-format", value_enum, default_value = "text", global = true, help_heading = "Logging")]
    pub format: Format,
    /// What is logged: a level, or `target=level` pairs.
    #[arg(long = "log", env = "MASTHEAD_LOG", default_value = DEFAULT, global = true, help_heading = "Logging")]
    pub filter: String,
}

/// Tells whoever started something that runs for long; it goes on where that can't be written.
pub fn tell(text: &str) {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Writes traces to standard error from now on.
pub fn start(args: &Args) {
    let filter = EnvFilter::try_new(&args.filter).unwrap_or_else(|error| {
        eprintln!("--log {:?} is not understood ({error}); logging warnings", args.filter);
        EnvFilter::new(DEFAULT)
    });
    // A log that takes no more, such as a file on a full disk, is no reason to end: its errors would be printed there too,
    // and printing panics.
    let to = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // The one subscriber of the process; a second start would be a fault of ours, and changes nothing.
    let _ = match args.format {
        Format::Text => to.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => to.json().with_current_span(true).with_span_list(false).try_init(),
    };
}
