//! The state of standard input and output at the start of the program.
//!
//! Rust's runtime opens `/dev/null` for descriptors that are closed at the start. Without an earlier check, a missing
//! input would be an empty file, and output to nowhere a success.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

static NO_INPUT: AtomicBool = AtomicBool::new(false);
static NO_OUTPUT: AtomicBool = AtomicBool::new(false);

/// Runs before the runtime.
#[cfg(unix)]
#[ctor::ctor]
fn look() {
    use rustix::{io::fcntl_getfd, stdio};
    NO_INPUT.store(fcntl_getfd(stdio::stdin()).is_err(), Relaxed);
    NO_OUTPUT.store(fcntl_getfd(stdio::stdout()).is_err(), Relaxed);
}

/// Standard input.
///
/// # Errors
/// If it was closed when the program started.
pub(crate) fn input() -> io::Result<io::Stdin> {
    if NO_INPUT.load(Relaxed) { Err(io::Error::other("standard input is closed")) } else { Ok(io::stdin()) }
}

/// Makes sure that there is a standard output.
///
/// # Errors
/// If it was closed when the program started.
pub(crate) fn check_output() -> io::Result<()> {
    if NO_OUTPUT.load(Relaxed) { Err(io::Error::other("standard output is closed")) } else { Ok(()) }
}
