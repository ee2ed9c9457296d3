//! Every call that changes a name, a file or its metadata, except flushes.
//!
//! They are in one place so that a test can make each of them fail, or stop the process before it.

use std::{fs::File, io};

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, Mode, OFlags, RenameFlags, Timestamps, XattrFlags},
    io::Result,
    path::Arg,
};

use crate::{failpoint, private_file};

/// Creates or empties a file of the server's own, according to `flags`. It belongs to the owner of the folder, even
/// if root creates it.
pub(super) fn create(folder: impl AsFd, name: impl Arg, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    failpoint::step("create")?;
    let file = fs::openat(&folder, name, flags | OFlags::CREATE, mode)?;
    give(&file, &folder);
    Ok(file)
}

/// Gives a file or folder that root has created to the owner of the folder it is in. If that fails, for example in
/// a container that does not map the owner, it stays root's: 'ferryd check' reports it.
pub(super) fn give(made: impl AsFd, folder: impl AsFd) {
    let given = private_file::give(made, folder);
    if let Err(error) = given {
        tracing::debug!(%error, "a file stays root's");
    }
}

/// Call this before writing bytes to a file.
pub(super) fn write() -> Result<()> {
    failpoint::step("write")
}

/// Changes the length of a file.
pub(super) fn set_length(file: &File, length: u64) -> io::Result<()> {
    failpoint::step("length")?;
    file.set_len(length)
}

pub(super) fn set_mode(file: impl AsFd, mode: Mode) -> Result<()> {
    failpoint::step("mode")?;
    fs::fchmod(file, mode)
}

pub(super) fn set_mode_at(folder: impl AsFd, name: impl Arg, mode: Mode) -> Result<()> {
    failpoint::step("mode")?;
    fs::chmodat(folder, name, mode, AtFlags::empty())
}

/// Stores an extended attribute on an open file.
pub(super) fn set_attribute(file: impl AsFd, name: &str, value: &[u8]) -> Result<()> {
    failpoint::step("attribute")?;
    fs::fsetxattr(file, name, value, XattrFlags::empty())
}

pub(super) fn remove_attribute(file: impl AsFd, name: &str) -> Result<()> {
    failpoint::step("attribute")?;
    fs::fremovexattr(file, name)
}

pub(super) fn set_times(file: impl AsFd, times: &Timestamps) -> Result<()> {
    failpoint::step("times")?;
    fs::futimens(file, times)
}

pub(super) fn set_times_at(folder: impl AsFd, name: impl Arg, times: &Timestamps, flags: AtFlags) -> Result<()> {
    failpoint::step("times")?;
    fs::utimensat(folder, name, times, flags)
}

/// Renames a file or folder, replacing an existing target.
pub(super) fn rename(from: impl AsFd, name: impl Arg, to: impl AsFd, new: impl Arg) -> Result<()> {
    failpoint::step("rename")?;
    fs::renameat(from, name, to, new)
}

/// Replaces an older file of the server's own.
pub(super) fn rename_own(folder: impl AsFd, name: impl Arg, new: impl Arg) -> Result<()> {
    failpoint::step("rename own")?;
    fs::renameat(&folder, name, &folder, new)
}

/// Renames a file or folder if the target does not exist; not every filesystem supports this.
pub(super) fn rename_unless_there(from: impl AsFd, name: impl Arg, to: impl AsFd, new: impl Arg) -> Result<()> {
    failpoint::step("rename")?;
    fs::renameat_with(from, name, to, new, RenameFlags::NOREPLACE)
}

/// Removes a name; with `REMOVEDIR`, an empty folder.
pub(super) fn unlink(folder: impl AsFd, name: impl Arg, flags: AtFlags) -> Result<()> {
    failpoint::step("unlink")?;
    fs::unlinkat(folder, name, flags)
}

pub(super) fn make_folder(folder: impl AsFd, name: impl Arg, mode: Mode) -> Result<()> {
    failpoint::step("make folder")?;
    fs::mkdirat(folder, name, mode)
}
