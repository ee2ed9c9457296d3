//! Opens files that only their owner may read, in the way of each system.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// Opens `path` for reading and appending; a new file is accessible only to its owner.
///
/// # Errors
/// The system's.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // On other systems the user's own folder is not accessible to others.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
