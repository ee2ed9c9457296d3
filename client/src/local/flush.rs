//! All flushes of downloads. Flushes and renames are recorded in tests, which check their order.

use std::{fs::File, io};

use cap_std::fs::Dir;

use super::system;

/// A recorded step. A download is durable before it is reported only if these happen in the right order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// The content, date and permission bits of a file were flushed.
    File,
    /// A part was renamed to its target.
    Name,
    /// The names in a folder were flushed.
    Folder,
    /// A whole file system was flushed.
    FileSystem,
}

/// Makes a file durable.
///
/// # Errors
/// Any I/O error.
pub(crate) fn file(file: &File) -> io::Result<()> {
    file.sync_all()?;
    note(Done::File);
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Any I/O error.
pub(super) fn folder(folder: &Dir) -> io::Result<()> {
    system::sync_folder(folder)?;
    note(Done::Folder);
    Ok(())
}

/// Makes everything on the file system of `any` durable; `false` if the system has no call for that.
///
/// # Errors
/// Any I/O error.
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

/// Returns and clears the steps that this thread recorded.
#[cfg(test)]
pub(crate) fn take_seen() -> Vec<Done> {
    SEEN.take()
}
