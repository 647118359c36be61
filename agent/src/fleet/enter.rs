//! Starts a program inside a network namespace, without the caller leaving its own.

use std::io;
use std::path::Path;
use std::process::{Child, Command};

use nix::sched::{CloneFlags, setns};

use crate::network::error::{Error, IoContext, Result};
use crate::network::netns;

/// Starts `command` in the pinned namespace.
///
/// A child has the namespaces of the thread that starts it; one that has entered another's must run nothing else, so it
/// is one that ends.
pub fn spawn(mut command: Command, pin: &Path) -> Result<Child> {
    let ns = netns::open(pin)?;
    let what = || format!("start {} in {}", Path::new(command.get_program()).display(), pin.display());
    let shown = what();
    let thread = std::thread::Builder::new().name("fleet".to_owned()).spawn(move || {
        setns(&ns, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
        command.spawn()
    });
    match thread.doing(|| shown.clone())?.join() {
        Ok(started) => started.doing(|| shown),
        Err(_) => Err(Error::Ended),
    }
}
