//! Standard output as a file, without the lock and the buffer of the standard library, so that a thread blocked by a
//! full pipe does not prevent the process from ending.

use std::{fs::File, io};

/// A separate handle to standard output.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub(crate) fn open() -> io::Result<File> {
    crate::streams::check_output()?;
    use std::os::fd::AsFd as _;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// A separate handle to standard output.
///
/// # Errors
/// The system's.
#[cfg(windows)]
pub(crate) fn open() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}
