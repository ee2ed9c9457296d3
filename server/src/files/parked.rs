//! Unfinished uploads as protocols without digests see them: as shorter files, so that their clients continue.

use ferry_shared::{name::Name, path::RemotePath};

use super::{Error, Files, PathFault};
use crate::storage::PartInfo;

/// Permission bits of an unfinished upload that declared none.
const MODE: u32 = 0o644;

/// An unfinished upload, where no file has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parked {
    /// Bytes from which a client continues: durable, and always less than what arrived.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
}

impl Parked {
    fn of(part: &PartInfo) -> Option<Self> {
        Some(Self { size: part.shown_size()?, mode: part.meta.file.mode.unwrap_or(MODE) })
    }
}

impl Files {
    /// The unfinished upload to `path` that [`Files::edit`] continues. There is none where a file has that name, nor
    /// while somebody writes to it.
    #[must_use]
    pub fn parked(&self, path: &RemotePath) -> Option<Parked> {
        let parked = Parked::of(&self.user.home.part_info(path)?)?;
        self.user.home.stat(path).is_err_and(|error| Error::from(error).is_not_found()).then_some(parked)
    }

    /// Those directly in a folder, by name.
    #[must_use]
    pub fn parked_in(&self, folder: &RemotePath) -> Vec<(Name, Parked)> {
        let parts = self.user.home.parts_below(folder);
        let inside = parts.iter().filter(|part| part.meta.path.parent().as_ref() == Some(folder));
        inside.filter_map(|part| Some((part.meta.path.name()?, self.parked(&part.meta.path)?))).collect()
    }

    /// Whether an upload to `path` failed a moment ago, so that a client which removes the path now probably means that
    /// upload, and not the file that was to be replaced. Told once.
    #[must_use]
    pub fn failed_lately(&self, path: &RemotePath) -> bool {
        self.user.failed.take(path)
    }

    /// The error of an operation on `path` that is not offered for unfinished uploads: if it found nothing because of
    /// one, the error says so.
    #[must_use]
    pub fn if_unfinished(&self, error: Error, path: &RemotePath) -> Error {
        if error.is_not_found() && self.parked(path).is_some() {
            return Error::path(PathFault::Denied, format!("{} is an unfinished upload", path.display()));
        }
        error
    }
}
