//! Every flush of a download goes through here, and every name it gets is told here: a test sees their order.

use std::{fs::File, io};

use cap_std::fs::Dir;

use super::system;

/// What was done; the promise that a download is durable before it is told is an order of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// A file's bytes, time and permission bits are on the disk.
    File,
    /// A part got its target's name.
    Name,
    /// A folder's names are on the disk.
    Folder,
    /// All of a file system is on the disk.
    FileSystem,
}

/// Makes a file durable.
///
/// # Errors
/// The disk's.
pub(crate) fn file(file: &File) -> io::Result<()> {
    file.sync_all()?;
    note(Done::File);
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The disk's.
pub(super) fn folder(folder: &Dir) -> io::Result<()> {
    system::sync_folder(folder)?;
    note(Done::Folder);
    Ok(())
}

/// Makes everything on the file system of `any` durable; `false` where the system cannot do that at once.
///
/// # Errors
/// The disk's.
pub(crate) fn file_system(any: &File) -> io::Result<bool> {
    let done = system::sync_file_system(any)?;
    if done {
        note(Done::FileSystem);
    }
    Ok(done)
}

#[cfg(not(test))]
pub(super) fn note(_: Done) {}

#[cfg(test)]
thread_local! {
    static SEEN: std::cell::RefCell<Vec<Done>> = const { std::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
pub(super) fn note(done: Done) {
    SEEN.with_borrow_mut(|seen| seen.push(done));
}

/// What this thread did since it last asked.
#[cfg(test)]
pub(crate) fn take_seen() -> Vec<Done> {
    SEEN.take()
}
