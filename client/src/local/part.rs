//! The temporary file of an unfinished download: next to its target, locked, and found again by its name.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, FileTimes, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use cap_std::fs::OpenOptions;
use ferry_shared::{
    digest::Digest,
    entry::{Kind, Mtime},
    limits::NAME_MAX,
    name::Escaped,
};

use super::{
    folder::{Folder, not_a_file},
    system,
};
use crate::os_name::{PART_AFTER as AFTER, PART_BEFORE as BEFORE, bytes_of, cut, text_of};

/// Permission bits that allow the owner to read and write.
const OWNER_WRITES: u32 = 0o600;
/// The number of hexadecimal digits that distinguish long names with equal beginnings.
const HASH_DIGITS: usize = 8;

/// An unfinished download. Stays on disk when dropped, so that it can be resumed.
#[derive(Debug)]
pub(crate) struct Part {
    folder: Arc<Folder>,
    name: OsString,
    /// The open file, for reading and writing.
    pub(crate) file: File,
    /// The permission bits to set when the part is published. The owner can write the part until then, so that it stays
    /// usable after a crash.
    mode: OnceLock<u32>,
}

/// The treatment of an earlier attempt's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Resume from it.
    Keep,
    /// Empty it.
    Empty,
}

impl Part {
    /// Opens or creates the part of `target` and locks it. Only the owner can read a `private` one until its attributes
    /// are set.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::ResourceBusy`] if another transfer uses it.
    pub(crate) fn open(folder: &Arc<Folder>, target: &OsStr, earlier: Earlier, private: bool) -> io::Result<Self> {
        let name = part_name(target)?;
        // Another process may publish or remove the part between two steps.
        for _ in 0..16 {
            let (file, made) = match folder.open_with(&name, read_write(OpenOptions::new().create_new(true), private)) {
                Ok(file) => (file, true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match open_earlier(folder, &name)? {
                    Some(file) => (file, false),
                    None => continue,
                },
                Err(error) => return Err(error),
            };
            lock(&file)?;
            if !made {
                if !folder.is_named(&name, &file)? {
                    continue;
                }
                if earlier == Earlier::Empty {
                    file.set_len(0)?;
                }
            }
            return Ok(Self { folder: Arc::clone(folder), name, file, mode: OnceLock::new() });
        }
        Err(busy())
    }

    /// The size of the part of `target` in bytes; 0 if it cannot be determined.
    pub(crate) fn length(folder: &Folder, target: &OsStr) -> u64 {
        let found = part_name(target).and_then(|name| folder.look(&name)).ok().flatten();
        found.filter(|found| found.kind == Kind::File).map_or(0, |found| found.facts.size)
    }

    /// Sets the date and permission bits. Bits that deny its owner writing are set only when the part is published.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn set_attributes(&self, mtime: Mtime, mode: u32) -> io::Result<()> {
        if let Some(time) = mtime.to_system() {
            self.file.set_times(FileTimes::new().set_modified(time))?;
        }
        if mode & OWNER_WRITES == OWNER_WRITES {
            return system::set_mode(&self.file, mode);
        }
        // Set once for each part.
        let _ = self.mode.set(mode);
        system::set_mode(&self.file, OWNER_WRITES)
    }

    /// Renames the finished part to its target. The part must be durable already; the name becomes durable only with
    /// [`Folder::sync`].
    ///
    /// # Errors
    /// Any I/O error; with `replace` unset, [`io::ErrorKind::AlreadyExists`] if the target exists.
    pub(crate) fn publish(&self, target: &OsStr, replace: bool) -> io::Result<()> {
        if let Some(mode) = self.mode.get() {
            system::set_mode(&self.file, *mode)?;
        }
        self.folder.rename(&self.name, target, replace)
    }

    /// Removes the part.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn discard(&self) -> io::Result<()> {
        self.folder.remove(&self.name)
    }

    /// The folder that contains it.
    pub(crate) fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }
}

/// Opens an earlier part; `None` if it is gone. Removes a symlink of that name.
fn open_earlier(folder: &Folder, name: &OsStr) -> io::Result<Option<File>> {
    let options = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options
    };
    match folder.open_with(name, &mut options()) {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Err(not_a_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => match folder.look(name)? {
            Some(found) if found.kind == Kind::Symlink => folder.remove(name).map(|()| None),
            Some(found) if found.kind == Kind::File && error.kind() == io::ErrorKind::PermissionDenied => {
                let again = make_writable(folder, name).and_then(|()| folder.open_with(name, &mut options()));
                again.map(Some).map_err(|_| unusable_part(name, &error))
            }
            _ => Err(error),
        },
    }
}

/// Gives the owner of a read-only part write permission again.
fn make_writable(folder: &Folder, name: &OsStr) -> io::Result<()> {
    let file = folder.open_with(name, OpenOptions::new().read(true))?;
    system::set_mode(&file, OWNER_WRITES)
}

fn unusable_part(name: &OsStr, error: &io::Error) -> io::Error {
    let shown = Escaped(name.as_encoded_bytes());
    io::Error::new(
        error.kind(),
        format!("the unfinished download {shown} next to it cannot be used ({error}); remove it"),
    )
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(busy()),
        // The file system has no locks. Digests detect the damage that two programs could do.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "another transfer is writing this file")
}

/// Returns the path of the unfinished download of `target`, if it exists.
#[must_use]
pub fn part_of(target: &Path) -> Option<PathBuf> {
    let part = target.with_file_name(part_name(target.file_name()?).ok()?);
    part.symlink_metadata().is_ok().then_some(part)
}

/// `.NAME.ferry-part`; a long name is cut and distinguished by a few digits of its hash.
pub(super) fn part_name(target: &OsStr) -> io::Result<OsString> {
    let unusable = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
    let name = bytes_of(target).map_err(unusable)?;
    let whole = [BEFORE, &name, AFTER].concat();
    if whole.len() <= NAME_MAX {
        return text_of(&whole).map_err(unusable);
    }
    let hash = Digest::of(&name).to_string();
    let hash = &hash.as_bytes()[..HASH_DIGITS];
    let start = cut(&name, NAME_MAX - BEFORE.len() - AFTER.len() - HASH_DIGITS - 1);
    text_of(&[BEFORE, start, b"~", hash, AFTER].concat()).map_err(unusable)
}

#[cfg(unix)]
fn read_write(options: &mut OpenOptions, private: bool) -> &mut OpenOptions {
    use cap_std::fs::OpenOptionsExt as _;
    options.read(true).write(true).mode(if private { 0o600 } else { 0o666 })
}

#[cfg(not(unix))]
fn read_write(options: &mut OpenOptions, _private: bool) -> &mut OpenOptions {
    options.read(true).write(true)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;
    use crate::os_name::is_part_name;

    fn folder(path: &Path) -> Arc<Folder> {
        Arc::new(Folder::open(path).unwrap())
    }

    fn open(path: &Path, target: &str, earlier: Earlier) -> io::Result<Part> {
        Part::open(&folder(path), target.as_ref(), earlier, true)
    }

    #[test]
    fn a_part_is_found_again_and_kept_or_emptied() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(part_of(&dir.path().join("x")), None);
        open(dir.path(), "x", Earlier::Keep).unwrap().file.write_all(b"half").unwrap();
        assert!(dir.path().join(".x.ferry-part").exists());
        assert_eq!(part_of(&dir.path().join("x")), Some(dir.path().join(".x.ferry-part")));
        let mut text = String::new();
        open(dir.path(), "x", Earlier::Keep).unwrap().file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "half");
        assert_eq!(open(dir.path(), "x", Earlier::Empty).unwrap().file.metadata().unwrap().len(), 0);
    }

    #[test]
    fn two_transfers_never_share_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), "x", Earlier::Keep).unwrap();
        let busy = open(dir.path(), "x", Earlier::Empty).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        first.publish("x".as_ref(), false).unwrap();
        let second = open(dir.path(), "x", Earlier::Empty).unwrap();
        second.publish("x".as_ref(), true).unwrap();
    }

    #[test]
    fn a_symlink_planted_under_the_parts_name_is_not_written_through() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let precious = outside.path().join("precious");
        std::fs::write(&precious, "old").unwrap();
        symlink(&precious, dir.path().join(".x.ferry-part")).unwrap();
        let mut part = open(dir.path(), "x", Earlier::Empty).unwrap();
        part.file.write_all(b"new").unwrap();
        part.publish("x".as_ref(), false).unwrap();
        assert_eq!(std::fs::read(&precious).unwrap(), b"old");
        assert_eq!(std::fs::read(dir.path().join("x")).unwrap(), b"new");
    }

    #[test]
    fn time_and_permission_bits_are_the_sources_and_nothing_more() {
        let dir = tempfile::tempdir().unwrap();
        let part = open(dir.path(), "x", Earlier::Keep).unwrap();
        assert_eq!(part.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        part.set_attributes(Mtime(1_000_000_007, 5), 0o7755).unwrap();
        part.publish("x".as_ref(), false).unwrap();
        let metadata = std::fs::metadata(dir.path().join("x")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o755);
        assert_eq!(Mtime::from(metadata.modified().unwrap()), Mtime(1_000_000_007, 5));
    }

    #[test]
    fn a_part_of_a_file_that_nobody_may_change_can_be_written_until_it_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o7777;
        for bits in [0o444, 0o400, 0o000] {
            let part = open(dir.path(), "x", Earlier::Keep).unwrap();
            part.set_attributes(Mtime(1, 0), bits).unwrap();
            assert_eq!(mode(".x.ferry-part"), 0o600);
            part.publish("x".as_ref(), true).unwrap();
            assert_eq!(mode("x"), bits);
        }
    }

    #[test]
    fn a_part_that_was_left_read_only_is_made_writable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".x.ferry-part");
        std::fs::write(&path, "half").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        // Root can open the part as it is; other users only after it was made writable.
        let mut part = open(dir.path(), "x", Earlier::Keep).unwrap();
        part.file.write_all(b"more").unwrap();
        make_writable(&folder(dir.path()), ".x.ferry-part".as_ref()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_of_parts_fit_and_stay_apart() {
        let one = "n".repeat(255);
        let two = "n".repeat(254) + "m";
        let (first, second) = (part_name(one.as_ref()).unwrap(), part_name(two.as_ref()).unwrap());
        assert_ne!(first, second);
        for name in [&first, &second] {
            assert!(name.len() <= NAME_MAX && is_part_name(name.as_encoded_bytes()), "{name:?}");
        }
        assert!(part_name("ä".repeat(127).as_ref()).unwrap().to_str().is_some());
        assert!(!is_part_name(b".ferry-part") && !is_part_name(b"x.ferry-part"));
    }
}
