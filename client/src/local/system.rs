//! Operations that depend on the operating system: opening without blocking, permission bits, flushing whole file
//! systems, renaming without replacing, and copies that share their disk space.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use cap_std::fs::Dir;
use ferry_shared::disk;

/// Opens a local file for reading. It may turn out not to be a regular file; opening a FIFO or device does not block.
///
/// # Errors
/// Any I/O error; with `follow` unset, also if `path` is a symlink.
pub(crate) fn open_source(path: &Path, follow: bool) -> io::Result<File> {
    native::open_source(path, follow)
}

/// How reliable the metadata of a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Every change is visible in the times of a file, and sizes are correct.
    Local,
    /// Other computers may change the files, or times are coarse, or metadata is generated. A change may be
    /// invisible, and a file may be shorter than its size.
    Far,
}

/// The kind of disk that an open file or folder is on.
pub(crate) fn disk_of(open: &impl disk::Open) -> Disk {
    if disk::is_local(open) { Disk::Local } else { Disk::Far }
}

/// The permission bits of a file, as far as the system has them.
pub(crate) fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    native::mode_of(metadata) & 0o777
}

/// The permission bits of an entry of an open folder, as far as the system has them.
pub(super) fn permission_bits(metadata: &cap_std::fs::Metadata) -> u32 {
    native::permission_bits(metadata) & 0o777
}

/// Sets the permission bits of a file, as far as the system has them.
///
/// # Errors
/// Any I/O error.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    native::set_mode(file, mode & 0o777)
}

/// Creates a folder in `folder`. Only its owner has access to a `private` one.
///
/// # Errors
/// Any I/O error.
pub(crate) fn make_folder(folder: &Dir, name: &OsStr, private: bool) -> io::Result<()> {
    native::make_folder(folder, name.as_ref(), private)
}

/// Sets the permission bits of an open folder, as far as the system has them.
///
/// # Errors
/// Any I/O error.
pub(crate) fn set_folder_mode(folder: &Dir, mode: u32) -> io::Result<()> {
    native::set_folder_mode(folder, mode)
}

/// Sets the date of an open folder.
///
/// # Errors
/// Any I/O error.
pub(crate) fn set_folder_date(folder: &Dir, time: SystemTime) -> io::Result<()> {
    native::set_folder_date(folder, time)
}

/// Makes everything on the file system of `any` durable; `false` if the system has no call for that and each file needs
/// its own flush.
///
/// # Errors
/// Any I/O error.
pub(crate) fn sync_file_system(any: &File) -> io::Result<bool> {
    native::sync_file_system(any)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// Any I/O error.
pub(crate) fn sync_folder(folder: &Dir) -> io::Result<()> {
    native::sync_folder(folder)
}

/// The free bytes for this user on the file system of a folder; `None` if the system does not report them.
pub(crate) fn free(folder: &Dir) -> Option<u64> {
    native::free(folder)
}

/// Renames within a folder; fails with [`io::ErrorKind::AlreadyExists`] instead of replacing.
///
/// # Errors
/// Any I/O error.
pub(crate) fn rename_new(folder: &Dir, from: &Path, to: &Path) -> io::Result<()> {
    match native::rename_new(folder, from, to) {
        Some(result) => result,
        // A hard link is atomic too. Without hard links, only a check before the rename remains.
        None => match folder.hard_link(from, folder, to) {
            Ok(()) => folder.remove_file(from),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if folder.symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => folder.rename(from, folder, to),
        },
    }
}

/// The text of the symlink `name` in `folder`.
///
/// # Errors
/// Any I/O error.
pub(super) fn read_link(folder: &Dir, name: &Path) -> io::Result<Vec<u8>> {
    native::link_text(folder.read_link_contents(name)?)
}

/// The text of a symlink as it is sent to other sites.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] on systems whose links are not carried to others.
pub(super) fn link_text(text: PathBuf) -> io::Result<Vec<u8>> {
    native::link_text(text)
}

/// Makes the symlink `name` in `folder`; its text is not interpreted.
///
/// # Errors
/// Any I/O error.
pub(super) fn make_link(folder: &Dir, name: &Path, text: &[u8]) -> io::Result<()> {
    native::make_link(folder, name, text)
}

/// Copies the content of `from` to the empty file `to`. Shares the blocks if the file system can; keeps holes.
///
/// # Errors
/// Any I/O error.
pub(crate) fn copy_content(from: &File, to: &File) -> io::Result<()> {
    if native::share_content(from, to) { Ok(()) } else { copy_data(from, to) }
}

fn copy_data(mut from: &File, mut to: &File) -> io::Result<()> {
    let length = from.metadata()?.len();
    let mut at = 0;
    while let Some(data) = native::next_data(from, at, length)? {
        from.seek(SeekFrom::Start(data.start))?;
        to.seek(SeekFrom::Start(data.start))?;
        io::copy(&mut from.take(data.end - data.start), &mut to)?;
        at = data.end;
    }
    to.set_len(length)
}

#[cfg(unix)]
mod native {
    use std::{
        fs::{File, Metadata, OpenOptions, Permissions},
        io,
        ops::Range,
        os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
        path::{Path, PathBuf},
        time::SystemTime,
    };

    use cap_std::fs::Dir;
    use ferry_shared::entry::Mtime;
    use rustix::fs::{Mode, OFlags};

    pub(super) fn open_source(path: &Path, follow: bool) -> io::Result<File> {
        let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | nofollow).bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    }

    pub(super) fn mode_of(metadata: &Metadata) -> u32 {
        metadata.permissions().mode()
    }

    pub(super) fn permission_bits(metadata: &cap_std::fs::Metadata) -> u32 {
        use cap_std::fs::PermissionsExt as _;
        metadata.permissions().mode()
    }

    pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))
    }

    pub(super) fn make_folder(folder: &Dir, name: &Path, private: bool) -> io::Result<()> {
        use cap_std::fs::{DirBuilder, DirBuilderExt as _};
        let mut builder = DirBuilder::new();
        if private {
            builder.mode(0o700);
        }
        folder.create_dir_with(name, &builder)
    }

    pub(super) fn set_folder_mode(folder: &Dir, mode: u32) -> io::Result<()> {
        use cap_std::fs::PermissionsExt as _;
        folder.set_permissions(".", cap_std::fs::Permissions::from_mode(mode))
    }

    pub(super) fn set_folder_date(folder: &Dir, time: SystemTime) -> io::Result<()> {
        use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
        let Mtime(tv_sec, nanos) = Mtime::from(time);
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec, tv_nsec: nanos.into() },
        };
        // By name, because nothing can be set through an `O_PATH` handle.
        Ok(rustix::fs::utimensat(folder, ".", &times, AtFlags::empty())?)
    }

    pub(super) fn sync_folder(folder: &Dir) -> io::Result<()> {
        // Reopen the folder, because an `O_PATH` handle cannot be flushed.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::openat(folder, ".", flags, Mode::empty())?;
        match rustix::fs::fsync(&open) {
            // Some file systems cannot flush folders.
            Err(rustix::io::Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    pub(super) fn free(folder: &Dir) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(folder).ok()?;
        // A file system that reports no blocks has no limit.
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn sync_file_system(any: &File) -> io::Result<bool> {
        rustix::fs::syncfs(any)?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn sync_file_system(_any: &File) -> io::Result<bool> {
        Ok(false)
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    pub(super) fn rename_new(folder: &Dir, from: &Path, to: &Path) -> Option<io::Result<()>> {
        use rustix::{fs::RenameFlags, io::Errno};
        match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => None,
            result => Some(result.map_err(io::Error::from)),
        }
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    pub(super) fn rename_new(_folder: &Dir, _from: &Path, _to: &Path) -> Option<io::Result<()>> {
        None
    }

    pub(super) fn link_text(text: PathBuf) -> io::Result<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt as _;
        Ok(text.into_os_string().into_vec())
    }

    pub(super) fn make_link(folder: &Dir, name: &Path, text: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(text, folder, name)?)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn share_content(from: &File, to: &File) -> bool {
        rustix::fs::ioctl_ficlone(to, from).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn share_content(_from: &File, _to: &File) -> bool {
        false
    }

    /// Returns the next range of data, not a hole, from `at` on in a file of `length` bytes.
    #[cfg(target_os = "linux")]
    pub(super) fn next_data(file: &File, at: u64, length: u64) -> io::Result<Option<Range<u64>>> {
        use rustix::{
            fs::{SeekFrom, seek},
            io::Errno,
        };
        if at >= length {
            return Ok(None);
        }
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            // The file system does not report holes.
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(Some(at..length)),
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(length);
        Ok((start < end).then_some(start..end))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn next_data(_file: &File, at: u64, length: u64) -> io::Result<Option<Range<u64>>> {
        Ok((at < length).then_some(at..length))
    }
}

#[cfg(not(unix))]
mod native {
    use std::{
        fs::{File, Metadata},
        io,
        ops::Range,
        path::{Path, PathBuf},
        time::SystemTime,
    };

    use cap_std::fs::Dir;

    pub(super) fn open_source(path: &Path, follow: bool) -> io::Result<File> {
        if !follow && std::fs::symlink_metadata(path)?.is_symlink() {
            return Err(io::Error::other("it is a symlink"));
        }
        File::open(path)
    }

    pub(super) fn mode_of(metadata: &Metadata) -> u32 {
        if metadata.permissions().readonly() { 0o444 } else { 0o644 }
    }

    pub(super) fn permission_bits(metadata: &cap_std::fs::Metadata) -> u32 {
        if metadata.permissions().readonly() { 0o444 } else { 0o644 }
    }

    pub(super) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn make_folder(folder: &Dir, name: &Path, _private: bool) -> io::Result<()> {
        folder.create_dir(name)
    }

    pub(super) fn set_folder_mode(_folder: &Dir, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn sync_folder(_folder: &Dir) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn set_folder_date(folder: &Dir, time: SystemTime) -> io::Result<()> {
        use cap_fs_ext::{DirExt as _, SystemTimeSpec};
        folder.set_mtime(".", SystemTimeSpec::Absolute(cap_std::time::SystemTime::from_std(time)))
    }

    pub(super) fn sync_file_system(_any: &File) -> io::Result<bool> {
        Ok(false)
    }

    pub(super) fn free(_folder: &Dir) -> Option<u64> {
        None
    }

    pub(super) fn rename_new(_folder: &Dir, _from: &Path, _to: &Path) -> Option<io::Result<()>> {
        None
    }

    pub(super) fn link_text(_text: PathBuf) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn make_link(_folder: &Dir, _name: &Path, _text: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn share_content(_from: &File, _to: &File) -> bool {
        false
    }

    pub(super) fn next_data(_file: &File, at: u64, length: u64) -> io::Result<Option<Range<u64>>> {
        Ok((at < length).then_some(at..length))
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use super::*;

    #[test]
    fn a_copy_has_the_same_content_and_the_same_holes() {
        const MIB: u64 = 1 << 20;
        for (length, islands) in [(0, &[][..]), (5, &[0]), (64 * MIB, &[]), (64 * MIB + 3, &[0, 9 * MIB + 1, 64 * MIB])]
        {
            let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
            from.set_len(length).unwrap();
            for at in islands {
                from.write_all_at(b"abc", *at).unwrap();
            }
            copy_data(&from, &to).unwrap();
            let read = |mut file: &File| {
                let mut content = Vec::new();
                file.seek(SeekFrom::Start(0)).unwrap();
                file.read_to_end(&mut content).unwrap();
                content
            };
            assert!(read(&from) == read(&to), "{length} with {islands:?}");
            let allocated = to.metadata().unwrap().blocks() * 512;
            assert!(allocated <= MIB, "{length} with {islands:?}: {allocated} bytes on disk");
        }
    }
}
