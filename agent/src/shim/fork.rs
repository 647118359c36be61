//! Forks this single-threaded process, and sets what signals do on either side.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signal::{pthread_sigmask, sigaction};
use nix::unistd::{ForkResult, fork};

/// Forks this process, which has one thread only.
#[expect(unsafe_code, reason = "fork is unsafe in a process with threads")]
pub fn split() -> nix::Result<ForkResult> {
    // SAFETY: zygote and shim never start a thread (`shim::main` is called before any), so no
    // lock can be held by a thread that the child does not have.
    unsafe { fork() }
}

/// Sets what a signal does.
#[expect(unsafe_code, reason = "a handler could run at any point")]
pub fn set_disposition(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: only SigIgn and SigDfl are passed in this crate; neither runs code of ours.
    let _ = unsafe { sigaction(signal, &action) };
}

/// Undoes the zygote's signal set-up, for a child that will execute a program.
pub fn default_signals() {
    set_disposition(Signal::SIGCHLD, SigHandler::SigDfl);
    set_disposition(Signal::SIGPIPE, SigHandler::SigDfl);
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}
