//! Which file it is, and in which state: "is this still the file I saw?" is asked with this everywhere.

use std::{
    fs::File,
    io,
    time::{Duration, SystemTime},
};

use cap_fs_ext::MetadataExt as _;
use cap_std::fs::Metadata;
use ferry_shared::entry::Mtime;

use super::system::{self, Disk};

/// A write sooner than this after a look may leave all times as they were: the clock of a file
/// system moves in steps, of 10 ms at most.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// One state of one file of this computer. Two equal ones mean the same file, unchanged, if the earlier one
/// [proves](Self::proves) it. Two that differ mean only that something was done to the file: its permission
/// bits, names and links change its identity, too, and are no change of content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mtime: Mtime,
    /// When anything of it changed last; nobody can set it. Where the system has none: when it was made.
    ctime: Mtime,
    /// Whether any later change shows in the figures above.
    tells: bool,
    disk: Disk,
}

impl Identity {
    /// The state of an open file.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?, system::disk_of(file))
    }

    /// The state now of an open file whose state this is, or of one that is to be compared with it. Spares the
    /// question which disk it is on, which no comparison asks of the later state.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn now(&self, file: &File) -> io::Result<Self> {
        Self::new(&Metadata::from_file(file)?, self.disk)
    }

    /// The state that `metadata` shows of a file on `disk`.
    ///
    /// # Errors
    /// When the system has no times.
    pub(super) fn new(metadata: &Metadata, disk: Disk) -> io::Result<Self> {
        let ctime = ctime(metadata)?;
        let age = ctime.to_system().and_then(|time| SystemTime::now().duration_since(time).ok());
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime: Mtime::from(metadata.modified()?.into_std()),
            ctime,
            tells: disk == Disk::Local && age.is_some_and(|age| age >= CLOCK_STEP),
            disk,
        })
    }

    /// Whether `now`, taken later, proves that the file is unchanged since. If not, only its content can tell.
    pub(crate) fn proves(&self, now: &Self) -> bool {
        self.tells && self == now
    }

    /// Where the file is.
    pub(crate) fn disk(&self) -> Disk {
        self.disk
    }

    /// Bytes, as the system says.
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

    /// A file that was there for long enough; its state.
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
