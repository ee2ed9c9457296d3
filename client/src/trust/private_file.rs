//! A file that only its owner may read; how that is said differs by system.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Opens `path` to read and append; a file made by this is its owner's alone.
///
/// # Errors
/// The system's.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // Elsewhere the user's own folder keeps others out.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
