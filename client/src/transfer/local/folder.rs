//! A local folder held open: names in it are reached through the handle, one at a time and
//! never through a symlink, so nothing planted below the destination leads out of it.

use std::{ffi::OsStr, fs::File, io, path::Path};

use cap_fs_ext::{DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _};
use cap_std::{
    ambient_authority,
    fs::{Dir, Metadata, OpenOptions},
};
use ferry_shared::entry::{Kind, Mtime};

use super::{
    flush,
    identity::Identity,
    system::{self, Disk},
};
use crate::transfer::conflict::FileFacts;

/// A folder below, or at, the destination the user named.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: Dir,
    device: u64,
    disk: Disk,
    fresh: bool,
}

/// What a name in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) facts: FileFacts,
    /// Which file it is, where it is one of this computer.
    pub(crate) identity: Option<Identity>,
}

impl Folder {
    /// Opens the folder the user named, through whatever symlinks lead to it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self::held(Dir::open_ambient_dir(path, ambient_authority())?)
    }

    fn held(dir: Dir) -> io::Result<Self> {
        let device = dir.dir_metadata()?.dev();
        let disk = system::disk_of(&dir);
        Ok(Self { dir, device, disk, fresh: false })
    }

    /// The folder `name` in this one, made if `create`; `None` when it is not there.
    ///
    /// # Errors
    /// The disk's; also when `name` is a symlink or no folder.
    pub(crate) fn enter(&self, name: &OsStr, create: bool) -> io::Result<Option<Self>> {
        one_name(name)?;
        match self.dir.open_dir_nofollow(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => self.make(name, None).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) if self.look(name)?.is_some_and(|found| found.kind == Kind::Symlink) => Err(is_a_symlink()),
            opened => Self::held(opened?).map(Some),
        }
    }

    /// Makes the folder `name` in this one, or enters it where it is there by now. A new one has the
    /// permission bits `mode`, its owner's always, and never more on the way; without a `mode` the system's.
    ///
    /// # Errors
    /// The disk's; also when `name` is a symlink or no folder.
    pub(crate) fn make(&self, name: &OsStr, mode: Option<u32>) -> io::Result<Self> {
        one_name(name)?;
        match system::make_folder(&self.dir, name, mode.is_some()) {
            Ok(()) => {
                let made = self.dir.open_dir_nofollow(name)?;
                if let Some(mode) = mode {
                    system::set_folder_mode(&made, mode & 0o777 | 0o700)?;
                }
                Ok(Self { fresh: true, ..Self::held(made)? })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.enter(name, false)?.ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Err(error) => Err(error),
        }
    }

    /// What `name` is, a symlink being itself; `None` when it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Option<Found>> {
        one_name(name)?;
        match self.dir.symlink_metadata(name) {
            Ok(metadata) => Ok(Some(self.found(&metadata)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the regular file `name` to be read.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::InvalidInput`] when it is no regular file.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let file = self.open_with(name, OpenOptions::new().read(true))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
    }

    pub(super) fn open_with(&self, name: &OsStr, options: &mut OpenOptions) -> io::Result<File> {
        one_name(name)?;
        never_wait(options);
        Ok(self.dir.open_with(name, options.follow(FollowSymlinks::No))?.into_std())
    }

    /// Whether `file` is what `name` stands for now.
    pub(super) fn is_named(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let here = match self.dir.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            here => here?,
        };
        let open = Metadata::from_file(file)?;
        Ok((here.dev(), here.ino()) == (open.dev(), open.ino()))
    }

    /// Renames in the folder; with `replace` unset, an existing `to` is [`io::ErrorKind::AlreadyExists`].
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        one_name(from).and(one_name(to))?;
        if replace {
            self.dir.rename(from, &self.dir, to)?;
        } else {
            system::rename_new(&self.dir, from.as_ref(), to.as_ref())?;
        }
        flush::note(flush::Done::Name);
        Ok(())
    }

    /// Removes the file or symlink `name`.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        one_name(name)?;
        self.dir.remove_file_or_symlink(name)
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn sync(&self) -> io::Result<()> {
        flush::folder(&self.dir)
    }

    fn found(&self, metadata: &Metadata) -> io::Result<Found> {
        let kind = metadata.file_type();
        let kind = match () {
            () if kind.is_file() => Kind::File,
            () if kind.is_dir() => Kind::Folder,
            () if kind.is_symlink() => Kind::Symlink,
            () => Kind::Other,
        };
        let size = if kind == Kind::File { metadata.len() } else { 0 };
        let mtime = Mtime::from(metadata.modified()?.into_std());
        // Another disk may be mounted on a name.
        let disk = if metadata.dev() == self.device { self.disk } else { Disk::Far };
        let identity = Some(Identity::new(metadata, disk)?);
        Ok(Found { kind, facts: FileFacts { size, mtime }, identity })
    }

    /// Gives the folder itself a date, where it has another.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn set_date(&self, mtime: Mtime) -> io::Result<()> {
        match mtime.to_system() {
            Some(time) if self.dir.dir_metadata()?.modified()?.into_std() != time => {
                system::set_folder_date(&self.dir, time)
            }
            _ => Ok(()),
        }
    }

    /// Whether it was made just now, so that nothing of others is in it.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Bytes that are free where it is, where the system says so.
    pub(crate) fn free(&self) -> Option<u64> {
        system::free(&self.dir)
    }

    /// Names the file system the folder is on.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }
}

/// Belt and braces: a name that is more than a name never reaches the disk.
fn one_name(name: &OsStr) -> io::Result<()> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(std::path::Component::Normal(only)), None) if only == name => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a single name")),
    }
}

fn is_a_symlink() -> io::Error {
    io::Error::new(io::ErrorKind::NotADirectory, "it is a symlink, which is not followed; name the folder it leads to")
}

pub(super) fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(unix)]
fn never_wait(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt as _;
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
}

#[cfg(not(unix))]
fn never_wait(_options: &mut OpenOptions) {}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::fs::symlink};

    use super::*;

    fn name(text: &str) -> OsString {
        text.into()
    }

    #[test]
    fn a_planted_symlink_is_never_entered_opened_or_written_through() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        symlink(outside.path(), inside.path().join("way_out")).unwrap();
        symlink(outside.path().join("secret"), inside.path().join("file")).unwrap();
        symlink(outside.path().join("new"), inside.path().join("dangling")).unwrap();
        std::fs::create_dir(inside.path().join("sub")).unwrap();
        symlink("sub", inside.path().join("aside")).unwrap();
        let folder = Folder::open(inside.path()).unwrap();
        assert!(folder.enter(&name("way_out"), true).is_err());
        assert!(folder.enter(&name("aside"), true).is_err());
        assert!(folder.open_file(&name("file")).is_err());
        let mut write = OpenOptions::new();
        assert!(folder.open_with(&name("dangling"), write.write(true).create(true)).is_err());
        assert_eq!(folder.look(&name("file")).unwrap().unwrap().kind, Kind::Symlink);
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_rename_replaces_a_symlink_and_not_what_it_points_to() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("precious"), "old").unwrap();
        symlink(outside.path().join("precious"), inside.path().join("target")).unwrap();
        std::fs::write(inside.path().join("part"), "new").unwrap();
        let folder = Folder::open(inside.path()).unwrap();
        let kept = folder.rename(&name("part"), &name("target"), false).unwrap_err();
        assert_eq!(kept.kind(), io::ErrorKind::AlreadyExists);
        folder.rename(&name("part"), &name("target"), true).unwrap();
        assert_eq!(std::fs::read(outside.path().join("precious")).unwrap(), b"old");
        assert_eq!(std::fs::read(inside.path().join("target")).unwrap(), b"new");
    }

    #[test]
    fn more_than_one_name_is_refused_before_the_disk_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let folder = Folder::open(&dir.path().join("a")).unwrap();
        for bad in ["..", ".", "", "b/", "b/c", "/etc", "../a"] {
            assert!(folder.look(&name(bad)).is_err(), "{bad:?}");
            assert!(folder.enter(&name(bad), true).is_err(), "{bad:?}");
            assert!(folder.remove(&name(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_fifo_is_told_from_a_file_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.look(&name("fifo")).unwrap().unwrap().kind, Kind::Other);
        assert!(folder.open_file(&name("fifo")).is_err());
        assert!(!system::open_source(&fifo, false).unwrap().metadata().unwrap().is_file());
    }

    #[test]
    fn folders_are_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert!(folder.enter(&name("new"), false).unwrap().is_none());
        assert!(folder.enter(&name("new"), true).unwrap().is_some());
        let again = folder.enter(&name("new"), true).unwrap().unwrap();
        assert_eq!(again.device(), folder.device());
        again.sync().unwrap();
    }
}
