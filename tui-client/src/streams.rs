//! Standard input and output as they were when the program began.
//!
//! Rust's runtime opens `/dev/null` for descriptors that are closed at start. Without a look before
//! that, an input that nobody gave would be an empty file, and an output that nobody gets a success.

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
/// When it was closed when the program began.
pub(crate) fn input() -> io::Result<io::Stdin> {
    if NO_INPUT.load(Relaxed) { Err(io::Error::other("standard input is closed")) } else { Ok(io::stdin()) }
}

/// Makes sure that there is a standard output.
///
/// # Errors
/// When it was closed when the program began.
pub(crate) fn check_output() -> io::Result<()> {
    if NO_OUTPUT.load(Relaxed) { Err(io::Error::other("standard output is closed")) } else { Ok(()) }
}
