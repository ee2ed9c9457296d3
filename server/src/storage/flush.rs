//! Every flush and every publishing rename, in one place so that a test can see their order.

use rustix::{
    fd::AsFd,
    fs::{Mode, fdatasync, fsync, openat, syncfs},
    io::Result,
};

use super::FOLDER;
use crate::failpoint;

/// A completed step; the promise of durability is an order of these steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// The data, size, time and mode of a file are on the disk.
    File,
    /// Some data of a file is on the disk, so that less is left to do later.
    SomeBytes,
    /// A staged file was renamed into a home.
    Name,
    /// The names in a folder are on the disk.
    Folder,
    /// Everything on the filesystem is on the disk.
    Filesystem,
}

/// Makes an open file durable, including its time and mode.
pub(super) fn file(open: impl AsFd) -> Result<()> {
    failpoint::step("flush file")?;
    fsync(open)?;
    note(Done::File);
    Ok(())
}

/// Makes the data written to an open file so far durable.
pub(super) fn some_bytes(open: impl AsFd) -> Result<()> {
    failpoint::step("flush bytes")?;
    fdatasync(open)?;
    note(Done::SomeBytes);
    Ok(())
}

/// Makes the names in a folder durable, whether or not its handle can be read.
pub(super) fn folder(open: impl AsFd) -> Result<()> {
    failpoint::step("flush folder")?;
    fsync(openat(open, c".", FOLDER, Mode::empty())?)?;
    note(Done::Folder);
    Ok(())
}

/// Makes everything on the filesystem of a readable handle durable.
pub(super) fn filesystem(open: impl AsFd) -> Result<()> {
    failpoint::step("flush filesystem")?;
    syncfs(open)?;
    note(Done::Filesystem);
    Ok(())
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

/// The steps of this thread since the last call.
#[cfg(test)]
pub(super) fn take_seen() -> Vec<Done> {
    SEEN.take()
}
