//! Setting permissions of this computer's files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ferry_client::ClientError;
use ferry_shared::path::RemotePath;
use tokio_util::sync::CancellationToken;

use crate::tui::{
    effects::reply::Reply,
    event::Answer,
    state::{permissions::Change, place::Place, problem::Problem},
};

/// Sets the permissions of entries below a folder, and of everything below those if so. Links are left alone, and what
/// fails does not keep the rest from being set.
pub(in crate::tui::effects) fn set_modes(
    folder: PathBuf,
    paths: &[RemotePath],
    (change, below): (&Change, bool),
    stop: &CancellationToken,
    reply: &Reply,
) {
    let mut setting = Setting { change, below, set: 0, failed: 0, why: None, stop };
    for path in paths {
        let Some(place) = Place::local(&*folder).join_path(path) else { continue };
        if let Some(path) = place.path.local() {
            setting.set(path, false);
        }
    }
    let Setting { set, failed, why, .. } = setting;
    reply.post(Answer::ModesSet { set, failed, why });
}

struct Setting<'a> {
    change: &'a Change,
    below: bool,
    set: u64,
    failed: u64,
    /// The first failure.
    why: Option<Problem>,
    stop: &'a CancellationToken,
}

impl Setting<'_> {
    fn set(&mut self, path: &Path, is_below: bool) {
        if self.stop.is_cancelled() {
            return;
        }
        let is_folder = match set_one(path, self.change, is_below) {
            Ok(None) => return,
            Ok(Some(is_folder)) => {
                self.set += 1;
                is_folder
            }
            Err(error) => return self.fail(path, error),
        };
        if !is_folder || !self.below {
            return;
        }
        match fs::read_dir(path) {
            Ok(entries) => entries.flatten().for_each(|entry| self.set(&entry.path(), true)),
            Err(error) => self.fail(path, error),
        }
    }

    fn fail(&mut self, path: &Path, error: io::Error) {
        self.failed += 1;
        self.why.get_or_insert_with(|| Problem::from(&ClientError::local(path, error)));
    }
}

/// Sets the permissions of one entry. Returns whether it is a folder; `None` if it is a link, which has none.
#[cfg(unix)]
fn set_one(path: &Path, change: &Change, is_below: bool) -> io::Result<Option<bool>> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(None);
    }
    let mode = change.apply(metadata.permissions().mode(), metadata.is_dir(), is_below);
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(Some(metadata.is_dir()))
}

#[cfg(not(unix))]
fn set_one(_: &Path, _: &Change, _: bool) -> io::Result<Option<bool>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::tui::{event::Event, state::ticket::Ticket};

    #[test]
    fn everything_below_is_set_but_links_and_what_they_lead_to() {
        let top = tempfile::tempdir().unwrap();
        let path = |below: &str| top.path().join(below);
        fs::create_dir_all(path("tree/in")).unwrap();
        for file in ["tree/in/a", "outside"] {
            fs::write(path(file), "").unwrap();
            fs::set_permissions(path(file), fs::Permissions::from_mode(0o666)).unwrap();
        }
        symlink("../outside", path("tree/link")).unwrap();
        let (events, mut told) = tokio::sync::mpsc::channel(8);
        let paths = [RemotePath::from_wire(b"tree").unwrap(), RemotePath::from_wire(b"none").unwrap()];
        let change = Change::parse("u=rwX,go=").unwrap();
        let reply = Reply::new(events, Ticket(1));
        set_modes(top.path().to_owned(), &paths, (&change, true), &CancellationToken::new(), &reply);
        let Ok(Event::Answer(_, Answer::ModesSet { set, failed, why })) = told.try_recv() else { panic!("no answer") };
        assert_eq!((set, failed), (3, 1));
        assert!(why.unwrap().text.contains("none"));
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(["tree", "tree/in", "tree/in/a", "outside"].map(mode), [0o700, 0o700, 0o600, 0o666]);
    }
}
