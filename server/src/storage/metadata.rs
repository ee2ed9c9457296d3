//! The metadata of one file or folder, in types that are the same on every platform.

use std::{ffi::OsStr, time::SystemTime};

use ferry_shared::{
    digest_cache::{self, Key},
    entry::{Entry, Kind, Mtime, Version},
    name::Name,
    path::RemotePath,
};
use rustix::{
    fd::AsFd,
    fs::{AtFlags, FileType, RawMode, Statx, StatxFlags, statx},
    io::Result,
    path::Arg,
};

use super::{StorageError, mode};

/// A device and the mount through which it was reached.
pub(super) type Place = (u64, u64);

/// A device and an inode on it.
pub(super) type FileId = (u64, u64);

/// The fields that are requested.
const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// A snapshot of the metadata of one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metadata {
    pub(super) kind: Kind,
    /// Size in bytes; meaningful for files only.
    pub(super) size: u64,
    pub(super) mtime: Mtime,
    /// Permission bits on the disk; the bits shown to users may differ.
    pub(super) mode: u32,
    pub(super) id: FileId,
    /// The number of names of the inode, wherever they are.
    pub(super) names: u32,
    /// The mount through which it was reached; 0 if the kernel does not tell.
    mount: u64,
    ctime: Mtime,
}

impl Metadata {
    /// The metadata of `name` in a folder, without following a symlink.
    pub(super) fn at(folder: impl AsFd, name: impl Arg) -> Result<Self> {
        statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED).map(|found| Self::from(&found))
    }

    /// The metadata of an open file or folder.
    pub(super) fn of(open: impl AsFd) -> Result<Self> {
        statx(open, c"", AtFlags::EMPTY_PATH, WANTED).map(|found| Self::from(&found))
    }

    /// The metadata of `name` in a folder, or `None` if nothing is there.
    pub(super) fn if_there(folder: impl AsFd, name: &OsStr) -> Result<Option<Self>> {
        match Self::at(folder, name) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The filesystem that a folder is on.
    pub(super) fn place(&self) -> Place {
        (self.id.0, self.mount)
    }

    /// Whether the entry is on the filesystem and mount `place`. The device is compared for folders only, because an
    /// overlay may report another device for a file.
    pub(super) fn is_at(&self, place: Place) -> bool {
        self.mount == place.1 && (!self.is_folder() || self.id.0 == place.0)
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    pub(super) fn is_link(&self) -> bool {
        self.kind == Kind::Symlink
    }

    /// Refuses anything that cannot be read as a file.
    pub(super) fn require_file(&self, path: &RemotePath) -> std::result::Result<(), StorageError> {
        match self.kind {
            Kind::File => Ok(()),
            Kind::Folder => Err(StorageError::IsDirectory(path.clone())),
            Kind::Symlink | Kind::Other => Err(StorageError::NotAFile(path.clone())),
        }
    }

    /// The entry for a listing of `folder`, in which it has the name `name`.
    pub(super) fn entry(&self, folder: impl AsFd, name: Name) -> Entry {
        let size = if self.is_file() { self.size } else { 0 };
        let mode = if self.is_file() { mode::shown_at(folder, name.as_bytes(), self.mode) } else { self.mode };
        Entry { name, kind: self.kind, size, mtime: self.mtime, mode }
    }

    /// The version of the file: it changes with its inode, its size and either of its times.
    ///
    /// Nobody can set `ctime`, so content replaced under the same `mtime` is detected too; the drawback is that a
    /// change of mode or name also makes a new version.
    pub(super) fn version(&self) -> Version {
        Version(self.key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The key under which the digest of the file is remembered.
    pub(super) fn key(&self) -> Key {
        Key::new(self.id.0, self.id.1, self.size, self.mtime, self.ctime)
    }

    /// Whether the digest of the file may be remembered if it is read from now on.
    pub(super) fn is_settled(&self) -> bool {
        self.is_file() && digest_cache::is_settled(self.ctime, SystemTime::now())
    }

    /// A stamp that differs between any two folders, including restored copies, and changes whenever a name
    /// directly in the folder does. The device is left out because its number may change when the machine restarts.
    pub(super) fn stamp(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.id.1.to_le_bytes());
        for Mtime(seconds, nanos) in [self.mtime, self.ctime] {
            hasher.update(&seconds.to_le_bytes()).update(&nanos.to_le_bytes());
        }
        hasher.finalize().to_hex().chars().take(32).collect()
    }

    /// When content or metadata last changed, according to the disk's own record.
    pub(super) fn touched(&self) -> Mtime {
        self.ctime
    }
}

impl From<&Statx> for Metadata {
    fn from(found: &Statx) -> Self {
        let raw = RawMode::from(found.stx_mode);
        let kind = match FileType::from_raw_mode(raw) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        let device = (u64::from(found.stx_dev_major) << 32) | u64::from(found.stx_dev_minor);
        Self {
            kind,
            size: found.stx_size,
            mtime: Mtime(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
            mode: u32::from(found.stx_mode) & 0o777,
            id: (device, found.stx_ino),
            names: found.stx_nlink,
            mount: if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 { found.stx_mnt_id } else { 0 },
            ctime: Mtime(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::SystemTime};

    use super::*;

    #[test]
    fn a_version_stays_while_nothing_changes_and_changes_with_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let version = || Metadata::at(rustix::fs::CWD, path.as_path()).unwrap().version();
        fs::write(&path, "one").unwrap();
        let first = version();
        assert_eq!(first, version());
        assert_eq!(first.0.len(), 32);
        fs::write(&path, "three").unwrap();
        assert_ne!(first, version());
    }

    #[test]
    fn content_changed_under_a_kept_mtime_and_size_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            Metadata::of(&file).unwrap()
        };
        let first = write("one");
        // The kernel's clock for timestamps may tick coarsely; write until it has moved on.
        let second = loop {
            let metadata = write("two");
            if metadata.ctime != first.ctime {
                break metadata;
            }
        };
        assert_eq!((first.mtime, first.size, first.id), (second.mtime, second.size, second.id));
        assert_ne!(first.version(), second.version());
    }

    #[test]
    fn only_permission_bits_show() {
        let file = tempfile::tempfile().unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o6755)).unwrap();
        assert_eq!(Metadata::of(&file).unwrap().mode, 0o755);
    }
}
