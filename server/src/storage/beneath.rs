//! Resolves paths to open handles below the home: the only place that follows symlinks.
//!
//! `cap-std` resolves folders (`openat2` with `RESOLVE_BENEATH`), so no symlink leads out. The last name is then
//! handled by one system call on that handle with a single name, which no symlink can divert.

use std::{ffi::OsStr, fs::File, os::unix::ffi::OsStrExt as _, path::Path};

use cap_fs_ext::{OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use ferry_shared::path::RemotePath;
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, openat},
};

use super::{FOLDER, StorageError, metadata::Metadata};

/// The path in the form the system takes, relative to the home.
pub(super) fn system_path(path: &RemotePath) -> &Path {
    let bytes = if path.is_home() { b"." } else { path.as_bytes() };
    Path::new(OsStr::from_bytes(bytes))
}

/// Opens a handle on a folder for `*at` calls; its entries cannot be read through it.
pub(super) fn folder(home: &Dir, path: &RemotePath) -> Result<Dir, StorageError> {
    home.open_dir(system_path(path)).map_err(|error| StorageError::at(path, "open a folder", error))
}

/// Opens a folder for reading its entries and for flushing it.
pub(super) fn readable_folder(home: &Dir, path: &RemotePath) -> Result<OwnedFd, StorageError> {
    let folder = folder(home, path)?;
    openat(&folder, c".", FOLDER, Mode::empty()).map_err(|error| StorageError::at(path, "open a folder", error))
}

/// Opens the parent folder of a path, and returns the name in it. The home itself has neither: `BadPath`.
pub(super) fn parent<'a>(home: &Dir, path: &'a RemotePath) -> Result<(Dir, &'a OsStr), StorageError> {
    let (above, name) = split(path)?;
    Ok((folder(home, &above)?, name))
}

/// Splits a path into the path of its parent folder and its name there.
pub(super) fn split(path: &RemotePath) -> Result<(RemotePath, &OsStr), StorageError> {
    match (path.parent(), path.names().next_back()) {
        (Some(above), Some(name)) => Ok((above, OsStr::from_bytes(name))),
        _ => Err(StorageError::BadPath(path.clone())),
    }
}

/// Opens a regular file for reading. Symlinks that stay inside the home are followed.
///
/// Anything but a regular file is not opened, not even for a moment: opening a FIFO blocks, and opening a device
/// may act on it. If one appears between the check and the open, `O_NONBLOCK` and a second check catch it.
pub(super) fn file_to_read(home: &Dir, path: &RemotePath) -> Result<(File, Metadata), StorageError> {
    let at = |error: std::io::Error| StorageError::at(path, "open a file", error);
    let (parent, name) = parent(home, path).map_err(|error| match error {
        StorageError::BadPath(path) => StorageError::IsDirectory(path),
        error => error,
    })?;
    let mut seen = Metadata::at(&parent, name).map_err(|error| at(error.into()))?;
    let linked = seen.is_link();
    if linked {
        seen = Metadata::of(&anything(home, path)?).map_err(|error| at(error.into()))?;
    }
    seen.require_file(path)?;
    let file = if linked {
        let mut options = OpenOptions::new();
        home.open_with(system_path(path), options.read(true).nonblock(true)).map_err(at)?.into_std()
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        openat(&parent, name, flags, Mode::empty()).map_err(|error| at(error.into()))?.into()
    };
    let metadata = Metadata::of(&file).map_err(|error| at(error.into()))?;
    metadata.require_file(path)?;
    Ok((file, metadata))
}

/// Opens a handle (`O_PATH`) on whatever the symlinks lead to: it can be inspected, not read.
pub(super) fn anything(home: &Dir, path: &RemotePath) -> Result<File, StorageError> {
    let mut options = OpenOptions::new();
    options.read(true).follow(cap_fs_ext::FollowSymlinks::Yes).custom_flags(OFlags::PATH.bits().cast_signed());
    match home.open_with(system_path(path), &options) {
        Ok(file) => Ok(file.into_std()),
        Err(error) => Err(StorageError::at(path, "look at the end of a link", error)),
    }
}
