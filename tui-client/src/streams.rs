//! The state of standard input and output at the start of the program.
//!
//! Rust's runtime opens `/dev/null` for descriptors that are closed at the start. Without an earlier check, a missing
//! input would be an empty file, and output to nowhere a success.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

static NO_INPUT: AtomicBool = AtomicBool::new(false);
/// Whether standard input belongs to somebody else in this process.
static RESERVED: AtomicBool = AtomicBool::new(false);
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
/// If it was closed when the program started, or is reserved.
pub(crate) fn input() -> io::Result<io::Stdin> {
    if RESERVED.load(Relaxed) {
        return Err(io::Error::other("standard input has the lines of the batch"));
    }
    if NO_INPUT.load(Relaxed) { Err(io::Error::other("standard input is closed")) } else { Ok(io::stdin()) }
}

/// Standard input for the caller alone; from now on [`input`] fails.
///
/// # Errors
/// If it was closed when the program started.
pub(crate) fn reserve_input() -> io::Result<io::Stdin> {
    let input = input()?;
    RESERVED.store(true, Relaxed);
    Ok(input)
}

/// Makes sure that there is a standard output.
///
/// # Errors
/// If it was closed when the program started.
pub(crate) fn check_output() -> io::Result<()> {
    if NO_OUTPUT.load(Relaxed) { Err(io::Error::other("standard output is closed")) } else { Ok(()) }
}
