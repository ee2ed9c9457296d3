//! Locations: the files and folders of a job, as the engine names them to a site.

use std::{
    any::Any,
    fmt, io,
    sync::{Arc, OnceLock},
};

use ferry_shared::path::RemotePath;

use super::path::{SitePath, UnusablePath};

/// The path that the user chose for one end of a job. The site may attach data to it for the duration of the job,
/// such as an open folder, so that renaming the path meanwhile does not redirect the job.
pub struct Root {
    path: SitePath,
    kept: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Root {
    /// Creates the root at `path`.
    #[must_use]
    pub fn new(path: SitePath) -> Arc<Self> {
        Arc::new(Self { path, kept: OnceLock::new() })
    }

    /// The chosen path.
    #[must_use]
    pub fn path(&self) -> &SitePath {
        &self.path
    }

    /// The site's data for this root, created on first use.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn kept<T: Any + Send + Sync>(&self, make: impl FnOnce() -> io::Result<T>) -> io::Result<Arc<T>> {
        let kept = match self.kept.get() {
            Some(kept) => Arc::clone(kept),
            None => {
                let made: Arc<dyn Any + Send + Sync> = Arc::new(make()?);
                Arc::clone(self.kept.get_or_init(|| made))
            }
        };
        kept.downcast().map_err(|_| io::Error::other("two kinds of sites use the same root"))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// The treatment of symbolic links on the path to a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// For reading; a link in the last place is followed.
    Follow,
    /// For reading; a link in the last place is not followed.
    NoFollow,
    /// For writing; no link is followed from the root's last name on.
    Contained,
}

/// A file or folder at one end of a job: names below a root.
#[derive(Clone)]
pub struct Location {
    root: Arc<Root>,
    below: RemotePath,
    reach: Reach,
}

impl Location {
    /// The location `below` the root, or the root itself if `below` is empty.
    #[must_use]
    pub fn new(root: &Arc<Root>, below: RemotePath, reach: Reach) -> Self {
        Self { root: Arc::clone(root), below, reach }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// The names below the root.
    #[must_use]
    pub fn below(&self) -> &RemotePath {
        &self.below
    }

    /// The treatment of links.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The whole path.
    ///
    /// # Errors
    /// [`UnusablePath`] if this kind of site cannot have the path.
    pub fn path(&self) -> Result<SitePath, UnusablePath> {
        if self.below.is_home() { Ok(self.root.path.clone()) } else { self.root.path.join_path(&self.below) }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} + {:?}", self.root, self.below)
    }
}
