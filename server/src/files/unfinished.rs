//! The uploads that are started and not committed.

use ferry_shared::{entry::Mtime, path::RemotePath};

use super::{Error, Files, PathFault};
use crate::audit::event::{Event, shown};

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its target.
    pub path: RemotePath,
    /// Its declared size in bytes; none for a stream.
    pub size: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// Bytes of the quota that it has reserved.
    pub reserved: u64,
    /// When it was started.
    pub started: Mtime,
    /// When it was last written to.
    pub touched: Mtime,
    /// Whether a connection is writing to it now.
    pub active: bool,
}

impl Files {
    /// The user's unfinished uploads, by target.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let mut parts = self.user.home.parts();
        parts.sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
        let unfinished = parts.into_iter().map(|part| Unfinished {
            reserved: self.user.reserved_for(&part.meta.path).bytes,
            size: part.meta.size,
            received: part.length,
            started: part.started,
            touched: part.touched,
            active: part.active,
            path: part.meta.path,
        });
        unfinished.collect()
    }

    /// Discards an unfinished upload.
    ///
    /// # Errors
    /// [`PathFault::NotFound`] if there is none, or an error of the disk.
    pub fn discard(&self, path: &RemotePath) -> Result<(), Error> {
        super::may_change(&self.user)?;
        if !self.user.discard(path)? {
            return Err(Error::path(PathFault::NotFound, format!("no unfinished upload of {}", path.display())));
        }
        self.act(Event::Discard { path: shown(path) }).done();
        Ok(())
    }
}
