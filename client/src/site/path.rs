//! A path at a site.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use ferry_shared::{
    name::{Escaped, Name},
    path::RemotePath,
};

use crate::os_name::{local_name, remote_name};

/// A file or folder at a site, named as that kind of site names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SitePath {
    /// On this computer.
    Local(PathBuf),
    /// At any other site, relative to its topmost folder.
    Remote(RemotePath),
}

/// The site cannot have a file of this name, or the path is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusablePath(pub(crate) String);

impl SitePath {
    /// The path on this computer; `None` at any other site.
    #[must_use]
    pub fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Remote(_) => None,
        }
    }

    /// The path at another site; `None` on this computer.
    #[must_use]
    pub fn remote(&self) -> Option<&RemotePath> {
        match self {
            Self::Local(_) => None,
            Self::Remote(path) => Some(path),
        }
    }

    /// The path of `name` in this folder.
    ///
    /// # Errors
    /// [`UnusablePath`] if this kind of site cannot have the path.
    pub fn join(&self, name: &Name) -> Result<Self, UnusablePath> {
        match self {
            Self::Local(path) => {
                let name = local_name(name).map_err(|error| UnusablePath(error.to_string()))?;
                Ok(Self::Local(path.join(name)))
            }
            Self::Remote(path) => path.join(name).map(Self::Remote).map_err(|error| UnusablePath(error.to_string())),
        }
    }

    /// The path of `below` in this folder.
    ///
    /// # Errors
    /// [`UnusablePath`] if this kind of site cannot have the path.
    pub fn join_path(&self, below: &RemotePath) -> Result<Self, UnusablePath> {
        let unusable = |error: &dyn fmt::Display| UnusablePath(error.to_string());
        match self {
            Self::Local(path) => {
                let mut path = path.clone();
                for name in below.names() {
                    let name = Name::new(name).map_err(|error| unusable(&error))?;
                    path.push(local_name(&name).map_err(|error| unusable(&error))?);
                }
                Ok(Self::Local(path))
            }
            Self::Remote(path) => path.join_path(below).map(Self::Remote).map_err(|error| unusable(&error)),
        }
    }

    /// The parent folder; `None` at the top, and for a local path without one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Local(path) => path.parent().map(|parent| Self::Local(parent.to_owned())),
            Self::Remote(path) => path.parent().map(Self::Remote),
        }
    }

    /// The last name; `None` at the top, and for a local path that ends with `..` or has a name that is not possible
    /// at other sites.
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        match self {
            Self::Local(path) => remote_name(path.file_name()?).ok(),
            Self::Remote(path) => path.name(),
        }
    }

    /// The same path with a different last name.
    ///
    /// # Errors
    /// [`UnusablePath`] if this kind of site cannot have the path.
    pub fn with_name(&self, name: &Name) -> Result<Self, UnusablePath> {
        self.parent().ok_or_else(|| UnusablePath("the path has no name".to_owned()))?.join(name)
    }

    /// Whether the path is `folder` or below it.
    #[must_use]
    pub fn starts_with(&self, folder: &Self) -> bool {
        match (self, folder) {
            (Self::Local(path), Self::Local(folder)) => path.starts_with(folder),
            (Self::Remote(path), Self::Remote(folder)) => path.starts_with(folder),
            _ => false,
        }
    }
}

impl From<PathBuf> for SitePath {
    fn from(path: PathBuf) -> Self {
        Self::Local(path)
    }
}

impl From<&Path> for SitePath {
    fn from(path: &Path) -> Self {
        Self::Local(path.to_owned())
    }
}

impl From<RemotePath> for SitePath {
    fn from(path: RemotePath) -> Self {
        Self::Remote(path)
    }
}

impl fmt::Display for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => Escaped(path.as_os_str().as_encoded_bytes()).fmt(f),
            Self::Remote(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for SitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{path:?}"),
            Self::Remote(path) => write!(f, "{path:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_paths_join_and_split_alike() {
        let name = Name::try_from("x").unwrap();
        for top in [SitePath::Local("/a".into()), SitePath::Remote(RemotePath::from_wire(b"a").unwrap())] {
            let below = top.join(&name).unwrap();
            assert_eq!(below.parent().as_ref(), Some(&top));
            assert_eq!(below.name().as_ref(), Some(&name));
            assert!(below.starts_with(&top) && !top.starts_with(&below));
            let deep = top.join_path(&RemotePath::from_wire(b"b/c").unwrap()).unwrap();
            assert_eq!(deep.with_name(&name).unwrap(), top.join_path(&RemotePath::from_wire(b"b/x").unwrap()).unwrap());
        }
    }

    #[test]
    fn the_two_kinds_are_never_below_each_other() {
        let local = SitePath::Local("a".into());
        let remote = SitePath::Remote(RemotePath::from_wire(b"a").unwrap());
        assert!(!local.starts_with(&remote) && !remote.starts_with(&local));
    }
}
