//! Small files of the server's own: replaced atomically, and readable by nobody else.
#![expect(clippy::disallowed_methods, reason = "writes the server's own small files")]

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fd::AsFd,
    fs::{FileType, Gid, Uid, fchown, fstat},
};

use crate::failpoint;

/// Opens the last component of a path only if it is not a symlink.
pub(crate) const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Replaces the file at `path` with `bytes`: after a crash it is either the old file or the new one. Mode 0600.
///
/// A symlink is followed, so that a file kept elsewhere (for example in a repository) stays there.
///
/// # Errors
/// [`io::Error`]; the old file is then unchanged.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&target);
    failpoint::step("create")?;
    let mut file = tempfile::Builder::new().prefix(&temporary_prefix(&target)).tempfile_in(folder)?;
    failpoint::step("write")?;
    file.write_all(bytes)?;
    let opened = File::open(folder)?;
    give(&file, &opened)?;
    failpoint::step("flush file")?;
    file.as_file().sync_all()?;
    failpoint::step("rename")?;
    file.persist(&target).map_err(|failed| failed.error)?;
    failpoint::step("flush folder")?;
    opened.sync_all()
}

/// The prefix of temporary files that a killed writer of `target` leaves.
fn temporary_prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".new-");
    prefix
}

/// Removes temporary files that killed writers of `path` have left. Nobody else may be writing it: hold its
/// [`lock`].
///
/// # Errors
/// [`io::Error`].
pub(crate) fn remove_leftovers(path: &Path) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let prefix = temporary_prefix(&target);
    for entry in fs::read_dir(folder_of(&target))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            failpoint::step("unlink")?;
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes `folder` with mode 0700 if it does not exist, including its parents.
///
/// # Errors
/// [`io::Error`].
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let made = File::options().read(true).custom_flags(NO_FOLLOW).open(folder)?;
    Ok(give(made, File::open(folder_of(folder))?)?)
}

/// Opens the lock file beside `path` and waits until nobody else holds it; dropping the file releases the lock. The
/// file itself cannot be locked, because it is replaced by another one.
///
/// # Errors
/// [`io::Error`].
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = lock_file(path)?;
    file.lock()?;
    Ok(file)
}

/// Like [`lock`], but waits no longer than `patience`.
///
/// # Errors
/// [`io::Error`]; `WouldBlock` if somebody else holds the lock all the time.
pub(crate) fn lock_within(path: &Path, patience: Duration) -> io::Result<File> {
    let (file, end) = (lock_file(path)?, Instant::now() + patience);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The lock file of `path`.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    beside.into()
}

fn lock_file(path: &Path) -> io::Result<File> {
    let beside = lock_path(path);
    let file = File::options().create(true).append(true).mode(0o600).custom_flags(NO_FOLLOW).open(&beside)?;
    give(&file, File::open(folder_of(&beside))?)?;
    Ok(file)
}

/// The parent folder of a path.
#[must_use]
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The message about a folder that belongs neither to the current user nor to root.
#[must_use]
pub(crate) fn other_owner(folder: &Path) -> Option<String> {
    let (owner, own) = (rustix::fs::stat(folder).ok()?.st_uid, rustix::process::geteuid());
    let is_other = !own.is_root() && owner != own.as_raw();
    let (folder, own) = (folder.display(), own.as_raw());
    is_other.then(|| format!("{folder} belongs to user {owner}, and this runs as user {own}; chown -R {own} {folder}?"))
}

/// Gives a file that root has created to the owner of its folder: otherwise a server that runs as `ferryd` could
/// not open what `sudo ferryd user add` wrote. Only files of root are given away, and none with a second name,
/// which could belong to the system.
pub(crate) fn give(made: impl AsFd, folder: impl AsFd) -> rustix::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (made, owner, there) = (made.as_fd(), fstat(folder)?, fstat(&made)?);
    let is_ours = match FileType::from_raw_mode(there.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => there.st_nlink == 1,
        _ => false,
    };
    if !is_ours || owner.st_uid == 0 || there.st_uid != 0 {
        return Ok(());
    }
    fchown(made, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn replaces_whole_and_keeps_others_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"a longer first text").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn files_left_by_a_killed_writer_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".file.new-abc", ".other.new-abc", ".file", "file"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_leftovers(&folder.path().join("file")).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".file", ".other.new-abc", "file"]);
    }

    #[test]
    fn a_symlink_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        symlink(&real, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    fn a_lock_keeps_others_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let held = lock(&path).unwrap();
        let other = File::open(folder.path().join("file.lock")).unwrap();
        assert!(other.try_lock().is_err());
        assert_eq!(lock_within(&path, Duration::ZERO).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(other.try_lock().is_ok());
    }

    #[test]
    fn files_of_root_are_given_to_the_folders_owner_but_not_through_a_symlink_or_with_two_names() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let (folder, system) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        chown(folder.path(), Some(65534), Some(65534)).unwrap();
        replace(&at("file"), b"x").unwrap();
        drop(lock(&at("file")).unwrap());
        make_folder(&at("made")).unwrap();
        for name in ["file", "file.lock", "made"] {
            assert_eq!(owner(&at(name)), 65534, "{name}");
        }
        // The owner of the folder could put this there to gain a system file.
        let theirs = system.path().join("shadow");
        fs::write(&theirs, "").unwrap();
        symlink(&theirs, at("linked.lock")).unwrap();
        assert!(lock(&at("linked")).is_err());
        fs::hard_link(&theirs, at("second.lock")).unwrap();
        drop(lock(&at("second")).unwrap());
        assert_eq!(owner(&theirs), 0);
        // A file of another user is not given away.
        fs::write(at("third.lock"), "").unwrap();
        chown(at("third.lock"), Some(65533), None).unwrap();
        drop(lock(&at("third")).unwrap());
        assert_eq!(owner(&at("third.lock")), 65533);
    }
}
