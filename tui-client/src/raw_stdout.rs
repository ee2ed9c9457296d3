//! Standard output as a file: written without the lock and the buffer of the library's handle,
//! so that a thread stuck in a full pipe keeps nobody else from ending.

use std::{fs::File, io};

/// A handle of its own to standard output.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub(crate) fn open() -> io::Result<File> {
    crate::streams::check_output()?;
    use std::os::fd::AsFd as _;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// A handle of its own to standard output.
///
/// # Errors
/// The system's.
#[cfg(windows)]
pub(crate) fn open() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}
