//! The identity and state of a file, used to check whether a file is still the one that was seen.

use std::{
    fs::File,
    io,
    time::{Duration, SystemTime},
};

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::Metadata;
use ferry_shared::{
    digest_cache::{Key, is_settled},
    entry::Mtime,
};

use super::system::{self, Disk};

/// A write within this time after a change may leave all times unchanged, because the clock of a file system advances
/// in steps of up to 10 ms.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// The state of a local file.
///
/// Equal states mean the same, unchanged file if the earlier one [proves](Self::proves) it. Different states do not
/// imply different content: changed permission bits, names and links change the state too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime: Mtime,
    /// The time of the last change of any kind, which programs cannot set. The creation time if the system has none.
    ctime: Mtime,
    /// Whether any later change is visible in the fields above.
    tells: bool,
    /// Whether the same holds if they are compared much later, even by another process.
    settled: bool,
    disk: Disk,
}

impl Identity {
    /// Returns the state of an open file.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?, system::disk_of(file))
    }

    /// Returns the current state of an open file, for a comparison with this earlier state. Does not determine the disk
    /// again, because a comparison needs only that of the earlier state.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn now(&self, file: &File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?, self.disk)
    }

    /// Returns the state of a file on `disk` from its metadata.
    ///
    /// # Errors
    /// The system has no file times.
    pub(super) fn new(metadata: &Metadata, disk: Disk) -> io::Result<Self> {
        let (ctime, now) = (ctime(metadata)?, SystemTime::now());
        let age = ctime.to_system().and_then(|time| now.duration_since(time).ok());
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime: Mtime::from(metadata.modified()?.into_std()),
            ctime,
            tells: disk == Disk::Local && age.is_some_and(|age| age >= CLOCK_STEP),
            settled: cfg!(unix) && disk == Disk::Local && is_settled(ctime, now),
            disk,
        })
    }

    /// The key under which the digest of the file is remembered; `None` on a system that does not record changes of any
    /// kind.
    pub(super) fn key(&self) -> Option<Key> {
        cfg!(unix).then(|| Key::new(self.device, self.inode, self.size, self.mtime, self.ctime))
    }

    /// Whether the digest of a file with this identity may be remembered if the file is read from now on.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether the later state `now` proves that the file is unchanged. If not, only a comparison of the content can.
    pub(crate) fn proves(&self, now: &Self) -> bool {
        self.tells && self == now
    }

    /// The kind of disk that the file is on.
    pub(crate) fn disk(&self) -> Disk {
        self.disk
    }

    /// The size in bytes that the system reports.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        let figures = |of: &Self| (of.device, of.inode, of.size, of.mtime, of.ctime);
        figures(self) == figures(other)
    }
}

impl Eq for Identity {}

#[cfg(unix)]
fn ctime(metadata: &Metadata) -> io::Result<Mtime> {
    use cap_std::fs::MetadataExt as _;
    Ok(Mtime(metadata.ctime(), u32::try_from(metadata.ctime_nsec()).unwrap_or(0)))
}

#[cfg(not(unix))]
fn ctime(metadata: &Metadata) -> io::Result<Mtime> {
    Ok(Mtime::from(metadata.created()?.into_std()))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{
        fs::{self, FileTimes, OpenOptions, Permissions},
        io::Write as _,
        os::unix::fs::PermissionsExt as _,
        path::Path,
    };

    use super::*;

    /// Creates a file, waits until its state can prove something, and returns that state.
    fn file(path: &Path) -> Identity {
        fs::write(path, "content").unwrap();
        loop {
            let seen = Identity::of(&File::open(path).unwrap()).unwrap();
            if seen.tells {
                return seen;
            }
            std::thread::yield_now();
        }
    }

    fn now(path: &Path) -> Identity {
        Identity::of(&File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn a_write_that_keeps_size_and_time_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let seen = file(&path);
        assert!(seen.proves(&now(&path)));
        let mut open = OpenOptions::new().write(true).open(&path).unwrap();
        open.write_all(b"CONTENT").unwrap();
        open.set_times(FileTimes::new().set_modified(seen.mtime.to_system().unwrap())).unwrap();
        let changed = now(&path);
        assert_eq!((changed.size, changed.mtime, changed.inode), (seen.size, seen.mtime, seen.inode));
        assert!(!seen.proves(&changed) && seen != changed);
    }

    #[test]
    fn another_file_of_that_name_and_other_permission_bits_are_another_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let seen = file(&path);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(!seen.proves(&now(&path)));
        let seen = now(&path);
        let other = dir.path().join("y");
        file(&other);
        fs::rename(&other, &path).unwrap();
        assert_ne!(seen, now(&path));
    }

    #[test]
    fn a_state_that_may_change_within_the_same_tick_proves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let seen = Identity { tells: false, ..file(&path) };
        assert!(seen == now(&path) && !seen.proves(&now(&path)));
        let metadata = Metadata::from_file(&File::open(&path).unwrap()).unwrap();
        assert!(Identity::new(&metadata, Disk::Local).unwrap().tells);
        assert!(!Identity::new(&metadata, Disk::Far).unwrap().tells, "another computer may write it");
    }
}
