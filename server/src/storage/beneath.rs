//! From a path to an open handle below the home: the only place links are followed.
//!
//! Folders are resolved by `cap-std` (`openat2` with `RESOLVE_BENEATH`), so no link leads
//! out. What is then done to the last name is one system call on that handle with one
//! name, which no link can divert.

use std::{ffi::OsStr, fs::File, os::unix::ffi::OsStrExt as _, path::Path};

use cap_fs_ext::{OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use ferry_shared::path::RemotePath;
use rustix::{
    fd::OwnedFd,
    fs::{Mode, OFlags, openat},
};

use super::{FOLDER, StorageError, metadata::Metadata};

/// The path as the system takes it, relative to the home.
pub(super) fn system_path(path: &RemotePath) -> &Path {
    let bytes = if path.is_home() { b"." } else { path.as_bytes() };
    Path::new(OsStr::from_bytes(bytes))
}

/// A handle on a folder, good for `*at` calls but not for reading it.
pub(super) fn folder(home: &Dir, path: &RemotePath) -> Result<Dir, StorageError> {
    home.open_dir(system_path(path)).map_err(|error| StorageError::at(path, "open a folder", error))
}

/// A folder opened for reading its entries and for flushing it.
pub(super) fn readable_folder(home: &Dir, path: &RemotePath) -> Result<OwnedFd, StorageError> {
    let folder = folder(home, path)?;
    openat(&folder, c".", FOLDER, Mode::empty()).map_err(|error| StorageError::at(path, "open a folder", error))
}

/// The folder a path is in, and its name there. The home itself has neither: `BadPath`.
pub(super) fn parent<'a>(home: &Dir, path: &'a RemotePath) -> Result<(Dir, &'a OsStr), StorageError> {
    let (above, name) = split(path)?;
    Ok((folder(home, &above)?, name))
}

/// The path of the folder a path is in, and its name there.
pub(super) fn split(path: &RemotePath) -> Result<(RemotePath, &OsStr), StorageError> {
    match (path.parent(), path.names().next_back()) {
        (Some(above), Some(name)) => Ok((above, OsStr::from_bytes(name))),
        _ => Err(StorageError::BadPath(path.clone())),
    }
}

/// A regular file opened for reading. Links that stay inside are followed.
///
/// What is no regular file is not opened, not even for a moment: opening a FIFO blocks and
/// opening a device may act on it. Should one be put there between look and open,
/// `O_NONBLOCK` and a second look catch it.
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

/// A handle (`O_PATH`) on whatever is at the end of the links: it can be looked at, not read.
pub(super) fn anything(home: &Dir, path: &RemotePath) -> Result<File, StorageError> {
    let mut options = OpenOptions::new();
    options.read(true).follow(cap_fs_ext::FollowSymlinks::Yes).custom_flags(OFlags::PATH.bits().cast_signed());
    match home.open_with(system_path(path), &options) {
        Ok(file) => Ok(file.into_std()),
        Err(error) => Err(StorageError::at(path, "look at the end of a link", error)),
    }
}
