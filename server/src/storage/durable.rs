//! Small files of the server's own that are replaced atomically.

use std::{fs::File, io::Write as _};

use rustix::{
    fd::AsFd,
    fs::{AtFlags, Mode, OFlags, openat},
};

use super::{Durability, StorageError, disk, flush};

/// Flags for opening the server's own files: never through a symlink.
pub(super) const OWN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NOCTTY);

/// Replaces file `name` with `bytes`: writes a temporary file, flushes it, renames it, and flushes the folder.
pub(super) fn write_whole(
    folder: impl AsFd,
    name: &str,
    bytes: &[u8],
    durability: Durability,
) -> Result<(), StorageError> {
    let own = |error: std::io::Error| StorageError::own("write a file of the server's own", error).making(&folder);
    let temporary = format!("{name}.new");
    let write = || -> std::io::Result<()> {
        let flags = OWN | OFlags::WRONLY | OFlags::TRUNC;
        let mut file = File::from(disk::create(&folder, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
        disk::write()?;
        file.write_all(bytes)?;
        if durability == Durability::Full {
            flush::file(&file)?;
        }
        disk::rename_own(&folder, &temporary, name)?;
        if durability == Durability::Full {
            flush::folder(&folder)?;
        }
        Ok(())
    };
    write().map_err(|error| {
        // The next start would remove a leftover, so removing it here may fail.
        let _ = disk::unlink(&folder, &temporary, AtFlags::empty());
        own(error)
    })
}

/// The contents of file `name`, at most `max` bytes; `None` if it does not exist.
pub(super) fn read_whole(folder: impl AsFd, name: &str, max: u64) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let file = match openat(folder, name, OWN | OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
