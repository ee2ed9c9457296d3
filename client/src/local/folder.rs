//! An open local folder. Names are resolved through its handle, one at a time and never through a symlink, so that a
//! symlink planted below the destination cannot lead out of it.

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
use crate::site::{self, FileFacts, Version};

/// A folder at or below the destination given by the user.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: Dir,
    device: u64,
    disk: Disk,
    fresh: bool,
}

/// The kind and state of an entry of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) facts: FileFacts,
    /// The identity of the file.
    pub(crate) identity: Option<Identity>,
}

impl Folder {
    /// Opens the folder given by the user; follows symlinks in its path.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Self::held(Dir::open_ambient_dir(path, ambient_authority())?)
    }

    fn held(dir: Dir) -> io::Result<Self> {
        let device = dir.dir_metadata()?.dev();
        let disk = system::disk_of(&dir);
        Ok(Self { dir, device, disk, fresh: false })
    }

    /// Opens the folder `name` in this one, and creates it first if `create` is set; `None` if it does not exist.
    ///
    /// # Errors
    /// Any I/O error; also if `name` is a symlink or not a folder.
    pub(crate) fn enter(&self, name: &OsStr, create: bool) -> io::Result<Option<Self>> {
        check_single_name(name)?;
        match self.dir.open_dir_nofollow(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => self.make(name, None).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) if self.look(name)?.is_some_and(|found| found.kind == Kind::Symlink) => Err(is_a_symlink()),
            opened => Self::held(opened?).map(Some),
        }
    }

    /// Creates the folder `name` in this one, or opens it if it exists by now.
    ///
    /// A new folder has the permission bits `mode` and those of its owner, and never has more before that. Without a
    /// `mode` the system's default applies.
    ///
    /// # Errors
    /// Any I/O error; also if `name` is a symlink or not a folder.
    pub(crate) fn make(&self, name: &OsStr, mode: Option<u32>) -> io::Result<Self> {
        check_single_name(name)?;
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

    /// Returns the entry `name` without following a symlink; `None` if it does not exist.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<Option<Found>> {
        check_single_name(name)?;
        match self.dir.symlink_metadata(name) {
            Ok(metadata) => Ok(Some(self.found(&metadata)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same in the form that all kinds of sites share.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Option<site::Found>> {
        check_single_name(name)?;
        match self.dir.symlink_metadata(name) {
            Ok(metadata) => self.to_site(&metadata).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the folder itself.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn stat_itself(&self) -> io::Result<site::Found> {
        self.to_site(&self.dir.dir_metadata()?)
    }

    fn to_site(&self, metadata: &Metadata) -> io::Result<site::Found> {
        let Found { kind, facts, identity } = self.found(metadata)?;
        let mode = system::permission_bits(metadata);
        Ok(site::Found { kind, facts, mode, version: identity.map(Version::new) })
    }

    /// Opens the regular file `name` for reading.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::InvalidInput`] if it is not a regular file.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let file = self.open_with(name, OpenOptions::new().read(true))?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
    }

    pub(super) fn open_with(&self, name: &OsStr, options: &mut OpenOptions) -> io::Result<File> {
        check_single_name(name)?;
        set_nonblocking(options);
        Ok(self.dir.open_with(name, options.follow(FollowSymlinks::No))?.into_std())
    }

    /// Whether `name` refers to `file` now.
    pub(super) fn is_named(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let here = match self.dir.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            here => here?,
        };
        let open = Metadata::from_file(file)?;
        Ok((here.dev(), here.ino()) == (open.dev(), open.ino()))
    }

    /// Renames within the folder; with `replace` unset, an existing `to` is [`io::ErrorKind::AlreadyExists`].
    pub(super) fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        check_single_name(from).and(check_single_name(to))?;
        if replace {
            self.dir.rename(from, &self.dir, to)?;
        } else {
            system::rename_new(&self.dir, from.as_ref(), to.as_ref())?;
        }
        flush::note(flush::Done::Name);
        Ok(())
    }

    /// The text of the symlink `name`.
    ///
    /// # Errors
    /// Any I/O error; also if it is not a symlink.
    pub(super) fn read_link(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        check_single_name(name)?;
        system::read_link(&self.dir, name.as_ref())
    }

    /// Makes the symlink `name`.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::AlreadyExists`] if the name is taken.
    pub(super) fn make_link(&self, name: &OsStr, text: &[u8]) -> io::Result<()> {
        check_single_name(name)?;
        system::make_link(&self.dir, name.as_ref(), text)
    }

    /// Removes the file or symlink `name`.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        check_single_name(name)?;
        self.dir.remove_file_or_symlink(name)
    }

    /// Removes the folder `name` if it is empty.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        check_single_name(name)?;
        self.dir.remove_dir(name)
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// Any I/O error.
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

    /// Sets the date of the folder itself, unless it is equal.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn set_date(&self, mtime: Mtime) -> io::Result<()> {
        match mtime.to_system() {
            Some(time) if self.dir.dir_metadata()?.modified()?.into_std() != time => {
                system::set_folder_date(&self.dir, time)
            }
            _ => Ok(()),
        }
    }

    /// Sets the permission bits of the folder itself, unless they are equal. The owner always keeps access.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mode = mode & 0o777 | 0o700;
        if system::permission_bits(&self.dir.dir_metadata()?) == mode {
            return Ok(());
        }
        system::set_folder_mode(&self.dir, mode)
    }

    /// Whether [`make`](Self::make) created the folder, so that it has no older content.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The free bytes on its file system; `None` if the system does not report them.
    pub(crate) fn free(&self) -> Option<u64> {
        system::free(&self.dir)
    }

    /// The device number of the folder's file system.
    pub(crate) fn device(&self) -> u64 {
        self.device
    }
}

/// Rejects anything but a single name, as a second line of defence.
fn check_single_name(name: &OsStr) -> io::Result<()> {
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
fn set_nonblocking(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt as _;
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
}

#[cfg(not(unix))]
fn set_nonblocking(_options: &mut OpenOptions) {}

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
    fn a_fifo_is_distinguished_from_a_file_without_blocking() {
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
