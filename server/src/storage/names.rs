//! Changes of names and attributes in a home: new folders, renames, times, permissions.

use std::{
    ffi::OsStr,
    fs::Permissions,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
};

use cap_std::fs::Dir;
use ferry_shared::{
    entry::{Kind, Mtime},
    limits::{DEPTH_MAX, PATH_MAX},
    path::RemotePath,
};
use rustix::{
    fd::AsFd,
    fs::{AtFlags, Mode, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};

use super::{Durability, Home, StorageError, Weight, beneath, disk, flush, metadata::Metadata, mode};

/// Permissions of a new folder in a home, subject to the process's umask. The home itself has 0700.
const FOLDER_MODE: Mode = Mode::from_bits_retain(0o755);

impl Home {
    /// Makes a folder and adds the number of new folders to `made`. With `parents`, missing parents are made too
    /// and an existing folder is accepted.
    ///
    /// # Errors
    /// `Exists`; `NotFound` or `NotDirectory` for a parent; `Outside`; `OtherFilesystem`; `BadPath` for the home
    /// itself without `parents`; or an error of the disk. Folders made before the error remain, and are counted in
    /// `made`.
    pub fn make_dir(&self, path: &RemotePath, parents: bool, made: &mut u64) -> Result<(), StorageError> {
        if !parents {
            let (parent, name) = self.parent_to_change(path)?;
            self.staging().require_room(0, "make a folder")?;
            disk::make_folder(&parent, name, FOLDER_MODE)
                .map_err(|error| StorageError::at(path, "make a folder", error).making(&parent))?;
            self.folder_was_made();
            *made += 1;
            return Ok(());
        }
        self.make_dirs(path, made).map(|_| ())
    }

    /// Makes a folder and its missing parents, and adds the number of new folders to `made`; returns the open
    /// folder.
    pub(super) fn make_dirs(&self, path: &RemotePath, made: &mut u64) -> Result<Dir, StorageError> {
        let (mut folder, missing) = self.nearest(path)?;
        if missing > 0 {
            self.staging().require_room(0, "make a folder")?;
        }
        let first = path.depth().saturating_sub(usize::try_from(missing).unwrap_or(usize::MAX));
        for name in path.names().skip(first) {
            let name = OsStr::from_bytes(name);
            match disk::make_folder(&folder, name, FOLDER_MODE) {
                Ok(()) => {
                    *made += 1;
                    self.folder_was_made();
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(StorageError::at(path, "make a folder", error).making(&folder)),
            }
            folder = folder.open_dir(name).map_err(|error| StorageError::at(path, "open a new folder", error))?;
        }
        Ok(folder)
    }

    /// Renames or moves an entry atomically. Returns the weight of the replaced file; everything else keeps its
    /// weight.
    ///
    /// A folder is never replaced. If both names belong to the same file, the old name is removed.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `IsDirectory` (the target is a folder), `NotDirectory`, `Outside`, `OtherFilesystem`,
    /// `BadPath` (the home, or a folder into itself), `TooLong` (a path below would become too long), or an error
    /// of the disk.
    pub fn rename(&self, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<Weight, StorageError> {
        let (from_parent, from_name) = self.parent_to_change(from)?;
        let (to_parent, to_name) = self.parent_to_change(to)?;
        let source = Metadata::at(&from_parent, from_name).map_err(|error| StorageError::at(from, "rename", error))?;
        self.require_at(&source, from)?;
        let at = |error: Errno| StorageError::at(to, "rename", error);
        let target = Metadata::if_there(&to_parent, to_name).map_err(at)?;
        self.require_replaceable(target.as_ref(), to)?;
        if source.is_folder() {
            self.require_short(from, to)?;
        }
        let gone = match target {
            None => {
                rename_to_nothing((&from_parent, from_name), (&to_parent, to_name)).map_err(at)?;
                Weight::default()
            }
            Some(_) if !replace => return Err(StorageError::Exists(to.clone())),
            Some(target) if target.id == source.id => self.rename_to_itself(from, to, &target)?,
            Some(target) if target.is_folder() => return Err(StorageError::IsDirectory(to.clone())),
            Some(_) if source.is_folder() => return Err(StorageError::Exists(to.clone())),
            Some(target) => {
                disk::rename(&from_parent, from_name, &to_parent, to_name).map_err(at)?;
                Weight { bytes: self.shared_files().removed(&target), files: 1 }
            }
        };
        if source.is_folder() {
            self.names_changed();
        }
        Ok(gone)
    }

    /// Makes the name at `path` durable, if the server is configured to do so. Call it after a rename, without the
    /// user's lock.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn flush_name(&self, path: &RemotePath) -> Result<(), StorageError> {
        if self.inner().durability != Durability::Full {
            return Ok(());
        }
        if self.has_unflushed_folders() {
            return self.flush_filesystem();
        }
        let (parent, _) = beneath::parent(self.dir(), path)?;
        flush::folder(&parent).map_err(|error| StorageError::at(path, "flush a folder", error))
    }

    /// `rename(2)` does nothing if both names belong to one inode; `mv` then removes the first name, and so does
    /// this.
    fn rename_to_itself(
        &self,
        from: &RemotePath,
        to: &RemotePath,
        metadata: &Metadata,
    ) -> Result<Weight, StorageError> {
        let (parent, name) = beneath::parent(self.dir(), from)?;
        let (other_parent, other) = beneath::parent(self.dir(), to)?;
        let of = |folder: &Dir| Metadata::of(folder).map_err(|error| StorageError::at(from, "rename", error));
        if name == other && of(&parent)?.id == of(&other_parent)?.id {
            return Ok(Weight::default());
        }
        disk::unlink(&parent, name, AtFlags::empty()).map_err(|error| StorageError::at(from, "rename", error))?;
        Ok(Weight { bytes: self.shared_files().removed(metadata), files: 1 })
    }

    /// Refuses to move a folder if a path below it would become too long.
    fn require_short(&self, from: &RemotePath, to: &RemotePath) -> Result<(), StorageError> {
        let (from_length, to_length) = (from.as_bytes().len(), to.as_bytes().len());
        if to.depth() <= from.depth() && to_length <= from_length {
            return Ok(());
        }
        let mut walker = self.walker(from)?;
        while let Some(page) = walker.next_page()? {
            // The page of an empty folder has no names to check; its own name was on its parent's page.
            if page.entries.is_empty() && page.unreadable.is_empty() {
                continue;
            }
            let under = page.under.as_bytes().len();
            let longest = page.entries.iter().map(|entry| entry.name.as_bytes().len()).max().unwrap_or(0);
            let deep = to.depth() + page.under.depth() + 1 > DEPTH_MAX;
            if deep || to_length + 1 + under + 1 + longest > PATH_MAX {
                return Err(StorageError::TooLong(to.clone()));
            }
        }
        Ok(())
    }

    /// Sets the modification time and the permission bits of a file or folder. Symlinks inside the home are
    /// followed.
    ///
    /// A folder keeps its owner's bits; otherwise the server could neither list nor count its contents.
    ///
    /// # Errors
    /// `NotFound`, `NotAFile`, `Outside`, `OtherFilesystem`, `Denied`, or an error of the disk.
    pub fn set_attributes(
        &self,
        path: &RemotePath,
        mtime: Option<Mtime>,
        mode: Option<u32>,
    ) -> Result<(), StorageError> {
        let at = |error: Errno| StorageError::at(path, "set attributes", error);
        let open = beneath::anything(self.dir(), path)?;
        let metadata = Metadata::of(&open).map_err(at)?;
        if !matches!(metadata.kind, Kind::File | Kind::Folder) {
            return Err(StorageError::NotAFile(path.clone()));
        }
        self.require_at(&metadata, path)?;
        // Setting what is set already would change the file's version.
        if let Some(mode) = mode.map(|mode| mode & 0o777).filter(|mode| !has_mode(&metadata, *mode)) {
            disk::write().map_err(at)?;
            self.set_mode(path, &metadata, mode)?;
        }
        if let Some(mtime) = mtime.filter(|mtime| *mtime != metadata.mtime) {
            disk::set_times_at(&open, c"", &times(mtime), AtFlags::EMPTY_PATH).map_err(at)?;
        }
        Ok(())
    }

    fn set_mode(&self, path: &RemotePath, metadata: &Metadata, mode: u32) -> Result<(), StorageError> {
        let set = |mode: u32| {
            let permissions = cap_std::fs::Permissions::from_std(Permissions::from_mode(mode));
            let set = self.dir().set_permissions(beneath::system_path(path), permissions);
            set.map_err(|error| StorageError::at(path, "set permissions", error))
        };
        if metadata.is_folder() {
            return set(mode | 0o700);
        }
        if mode::is_plain(mode) && mode::is_plain(metadata.mode) {
            return set(mode);
        }
        // Set the mode by path first: the permissions of a file that was put there by hand may deny opening it.
        set(mode::OWN_MODE.bits())?;
        let (file, _) = beneath::file_to_read(self.dir(), path)?;
        mode::change(file, mode).map_err(|error| StorageError::at(path, "set permissions", error))
    }
}

/// Whether the permission bits `mode` are set as they are.
fn has_mode(metadata: &Metadata, mode: u32) -> bool {
    match metadata.is_folder() {
        true => metadata.mode == mode | 0o700,
        false => metadata.mode == mode && mode::is_plain(mode),
    }
}

/// The times that set `mtime` and leave the access time unchanged.
pub(super) fn times(Mtime(seconds, nanos): Mtime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanos.min(999_999_999).into() },
    }
}

/// Renames an entry if the target does not exist; atomic if the filesystem supports it, else checked beforehand.
pub(super) fn rename_to_nothing(from: (impl AsFd, &OsStr), to: (impl AsFd, &OsStr)) -> rustix::io::Result<()> {
    let ((from, name), (to, new)) = (from, to);
    match disk::rename_unless_there(&from, name, &to, new) {
        // EINVAL also means that a folder would move into itself; the plain rename then reports the same error.
        Err(Errno::INVAL | Errno::NOSYS) => match Metadata::if_there(&to, new)? {
            Some(_) => Err(Errno::EXIST),
            None => disk::rename(from, name, to, new),
        },
        result => result,
    }
}
