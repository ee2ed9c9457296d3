//! Small files of the server's own: replaced whole or not at all, readable by nobody else.
#![expect(clippy::disallowed_methods, reason = "writes the server's own small files")]

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::failpoint;

/// Puts `bytes` at `path`: a crash leaves the old file or the new one. Mode 0600.
///
/// A symlink is followed, so that a file kept elsewhere (a repository, say) stays there.
///
/// # Errors
/// [`io::Error`]; the old file is then untouched.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&target);
    failpoint::step("create")?;
    let mut file = tempfile::Builder::new().prefix(&temporary_prefix(&target)).tempfile_in(folder)?;
    failpoint::step("write")?;
    file.write_all(bytes)?;
    give_to_owner(file.as_file(), folder)?;
    failpoint::step("flush file")?;
    file.as_file().sync_all()?;
    failpoint::step("rename")?;
    file.persist(&target).map_err(|failed| failed.error)?;
    failpoint::step("flush folder")?;
    File::open(folder)?.sync_all()
}

/// What a writer of `target` that was killed has left begins so.
fn temporary_prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".new-");
    prefix
}

/// Removes what writers of `path` that were killed have left. Nobody else may be writing it: hold its [`lock`].
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

/// Makes `folder` with mode 0700 if it is not there, and the folders above it.
///
/// # Errors
/// [`io::Error`].
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    give_to_owner(&File::open(folder)?, folder_of(folder))
}

/// Opens the lock file beside `path` and waits until nobody else holds it; dropping the file
/// releases it. The file itself cannot carry the lock: it is replaced by another one.
///
/// # Errors
/// [`io::Error`].
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = lock_file(path)?;
    file.lock()?;
    Ok(file)
}

/// As [`lock`], and no longer than this.
///
/// # Errors
/// [`io::Error`]; `WouldBlock` when somebody else holds it all the time.
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
    let file = File::options().create(true).append(true).mode(0o600).open(&beside)?;
    give_to_owner(&file, folder_of(&beside))?;
    Ok(file)
}

/// The folder a path lies in.
#[must_use]
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What to say of a folder that belongs to somebody else than who runs this, and not to root.
#[must_use]
pub(crate) fn other_owner(folder: &Path) -> Option<String> {
    let (owner, own) = (rustix::fs::stat(folder).ok()?.st_uid, rustix::process::geteuid());
    let is_other = !own.is_root() && owner != own.as_raw();
    let (folder, own) = (folder.display(), own.as_raw());
    is_other.then(|| format!("{folder} belongs to user {owner}, and this runs as user {own}; chown -R {own} {folder}?"))
}

/// What root makes in another account's folder belongs to that account: else a server that
/// runs as `ferryd` could not read what `sudo ferryd user add` wrote.
fn give_to_owner(file: &File, folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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
    fn what_a_killed_writer_left_goes_and_nothing_else() {
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
}
