//! Symlinks: where they lead, as far as that is inside the home.

use ferry_shared::{
    entry::{Entry, Version},
    path::RemotePath,
};

use super::{Error, Files};
use crate::storage::StorageError;

impl Files {
    /// The entry at `path`, or what a symlink inside the home leads to, and its version if it is a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn stat_through(&self, path: &RemotePath) -> Result<(Entry, Option<Version>), Error> {
        let stat = self.user.home.stat_through(path)?;
        Ok((stat.entry, stat.version))
    }

    /// The text of a symlink. That of a link out of the home is refused: it may tell about the server.
    ///
    /// # Errors
    /// [`Error`].
    pub fn link_text(&self, path: &RemotePath) -> Result<Vec<u8>, Error> {
        let text = self.user.home.link_text(path)?;
        let above = path.parent().unwrap_or_default();
        let from_home = [above.as_bytes(), &text].join(&b'/');
        if text.starts_with(b"/") || RemotePath::from_typed(&from_home).is_err() {
            return Err(StorageError::Outside(path.clone()).into());
        }
        Ok(text)
    }
}
