//! The last step inside a container: seccomp, then capabilities, then the program.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use libcontainer::capabilities;
use libcontainer::oci_spec::runtime::{LinuxCapabilities, Spec};
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use nix::errno::Errno;
use nix::unistd;

use crate::shim::seccomp;

/// Spec annotation: the capabilities the program gets, as JSON. There when libcontainer leaves
/// more than that, because a filter without no_new_privs takes CAP_SYS_ADMIN to install.
pub const CAPABILITIES: &str = "dev.masthead.capabilities";
/// Spec annotation: `default` for the default seccomp profile.
pub const SECCOMP: &str = "dev.masthead.seccomp";

/// Executes the program and says why when that fails.
#[derive(Clone, Debug)]
pub struct Launch {
    report: Rc<OwnedFd>,
}

impl Launch {
    /// `report` gets the error's text; it closes without one when the program is executed.
    pub fn new(report: OwnedFd) -> Self {
        Self { report: Rc::new(report) }
    }
}

impl Executor for Launch {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let Err(text) = launch(spec);
        let _ = unistd::write(&*self.report, text.as_bytes());
        Err(ExecutorError::Other(text))
    }

    /// Nothing: execve itself knows best, and its error comes back through the report.
    fn validate(&self, _spec: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }
}

fn launch(spec: &Spec) -> Result<std::convert::Infallible, String> {
    let process = spec.process().as_ref().ok_or("no process in the spec")?;
    let args: Vec<CString> = process
        .args()
        .iter()
        .flatten()
        .map(|arg| CString::new(arg.as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|_| "an argument holds a zero byte")?;
    let program = args.first().ok_or("no command specified")?;
    confine(spec)?;
    let error = match unistd::execvp(program, &args) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let name = program.to_string_lossy();
    Err(match error {
        Errno::ENOENT if !name.contains('/') => {
            format!("exec: {name:?}: executable file not found in $PATH")
        }
        Errno::ENOENT => format!("exec: {name:?}: stat {name}: no such file or directory"),
        Errno::EACCES => format!("exec: {name:?}: permission denied"),
        Errno::ENOEXEC => format!("exec {name}: exec format error"),
        other => format!("exec: {name:?}: {}", other.desc()),
    })
}

fn confine(spec: &Spec) -> Result<(), String> {
    let annotation = |key: &str| spec.annotations().as_ref().and_then(|all| all.get(key));
    let kept: Option<LinuxCapabilities> = annotation(CAPABILITIES)
        .map(|json| serde_json::from_str(json))
        .transpose()
        .map_err(|error| format!("capabilities: {error}"))?;
    if annotation(SECCOMP).is_some() {
        let process = spec.process().as_ref();
        let own = process.and_then(|process| process.capabilities().as_ref());
        seccomp::install(kept.as_ref().or(own)).map_err(|error| format!("seccomp: {error}"))?;
    }
    if let Some(kept) = kept {
        capabilities::drop_privileges(&kept, create_syscall().as_ref())
            .map_err(|error| format!("capabilities: {error}"))?;
    }
    Ok(())
}
