//! Changing this computer's files: folders made, names changed, entries removed.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use ferry_shared::path::RemotePath;
use tokio_util::sync::CancellationToken;

#[cfg(unix)]
use crate::os_bytes::os_string_of;
use crate::tui::{
    effects::reply::Reply,
    event::Answer,
    state::{listing::Amount, place::Place},
};

/// Makes a folder, and those above it.
pub(in crate::tui::effects) fn make_folder(path: PathBuf, _stop: CancellationToken, reply: Reply) {
    let above = path.parent().map_or(Ok(()), fs::create_dir_all);
    match above.and_then(|()| fs::create_dir(&path)) {
        Ok(()) => reply.post(Answer::Done),
        Err(error) => reply.post_error(&path, error),
    }
}

/// Makes a symbolic link that leads to `text`.
pub(in crate::tui::effects) fn make_link(path: PathBuf, text: &[u8], reply: &Reply) {
    match link(text, &path) {
        Ok(()) => reply.post(Answer::Done),
        Err(error) => reply.post_error(&path, error),
    }
}

#[cfg(unix)]
fn link(text: &[u8], path: &Path) -> io::Result<()> {
    let text = os_string_of(text.to_vec()).ok_or(io::ErrorKind::InvalidInput)?;
    std::os::unix::fs::symlink(text, path)
}

#[cfg(not(unix))]
fn link(_: &[u8], _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a text to a file that does not exist yet.
pub(in crate::tui::effects) fn write(place: &Place, text: &str, reply: &Reply) {
    let Some(path) = place.path.local() else { return };
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => reply.post(Answer::Done),
        Err(error) => reply.post_error(path, error),
    }
}

/// Renames one after the other; existing entries are not replaced.
pub(in crate::tui::effects) fn rename(steps: &[(Place, Place)], reply: &Reply) {
    for step in steps {
        let (Some(from), Some(to)) = (step.0.path.local(), step.1.path.local()) else { continue };
        if let Err(error) = rename_one(from, to) {
            return reply.post_error(to, error);
        }
    }
    reply.post(Answer::Done);
}

fn rename_one(from: &Path, to: &Path) -> io::Result<()> {
    // On a case-insensitive disk the new name may be the old entry.
    let same = || matches!((fs::canonicalize(from), fs::canonicalize(to)), (Ok(a), Ok(b)) if a == b);
    if fs::symlink_metadata(to).is_ok() && !same() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Removes entries below a folder; folders with everything below them.
pub(in crate::tui::effects) fn remove(
    folder: PathBuf,
    what: &[(RemotePath, bool)],
    stop: &CancellationToken,
    reply: &Reply,
) {
    let mut amount = Amount::default();
    for (below, _) in what {
        if stop.is_cancelled() {
            return;
        }
        let Some(place) = Place::local(&*folder).join_path(below) else { continue };
        let Some(path) = place.path.local() else { continue };
        if let Err((path, error)) = remove_one(path, stop, &mut amount) {
            return reply.post_error(&path, error);
        }
        reply.post(Answer::Gone(below.clone()));
    }
    reply.post(Answer::Removed(amount));
}

/// Removes a file, or a folder with everything below it. Symlinks are removed, not their targets.
fn remove_one(path: &Path, stop: &CancellationToken, amount: &mut Amount) -> Result<(), (PathBuf, io::Error)> {
    let at = |error| (path.to_owned(), error);
    if stop.is_cancelled() {
        return Ok(());
    }
    let metadata = fs::symlink_metadata(path).map_err(at)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path).map_err(at)? {
            remove_one(&entry.map_err(at)?.path(), stop, amount)?;
        }
        fs::remove_dir(path).map_err(at)?;
        amount.folders += 1;
    } else {
        fs::remove_file(path).map_err(at)?;
        amount.files += 1;
        amount.bytes = amount.bytes.saturating_add(if metadata.is_file() { metadata.len() } else { 0 });
    }
    Ok(())
}

/// Removes the copy of an edited file, and the folder it has to itself.
pub(in crate::tui::effects) fn remove_copy(path: PathBuf) {
    tokio::task::spawn_blocking(move || {
        // A copy that cannot be removed now goes at the next start, with the whole folder of copies.
        let _ = fs::remove_file(&path);
        let _ = path.parent().map(fs::remove_dir);
    });
}
