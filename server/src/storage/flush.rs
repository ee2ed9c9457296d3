//! Every flush and every publishing rename goes through here, so that a test can see their order.

use rustix::{
    fd::AsFd,
    fs::{Mode, fdatasync, fsync, openat, syncfs},
    io::Result,
};

use super::FOLDER;
use crate::failpoint;

/// What was done, in order; the promise about durability is an order of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// A file's bytes, size, time and mode are on the disk.
    File,
    /// A file's bytes are on the disk, to have less to do later.
    SomeBytes,
    /// A staged file got its name in a home.
    Name,
    /// A folder's names are on the disk.
    Folder,
    /// All of the filesystem is on the disk.
    Filesystem,
}

/// Makes an open file durable, its time and mode included.
pub(super) fn file(open: impl AsFd) -> Result<()> {
    failpoint::step("flush file")?;
    fsync(open)?;
    note(Done::File);
    Ok(())
}

/// Makes what was written to an open file so far durable.
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

/// What this thread did since it last asked.
#[cfg(test)]
pub(super) fn take_seen() -> Vec<Done> {
    SEEN.take()
}
