//! The ancestors of a folder, to detect a symbolic link that leads back to one of them.

use std::{io, path::Path, sync::Arc};

/// A folder and its ancestors.
#[derive(Debug, Clone, Default)]
pub struct Ancestors(Option<Arc<Node>>);

#[derive(Debug)]
struct Node {
    id: Id,
    above: Ancestors,
}

impl Ancestors {
    /// Returns the ancestors extended by the folder at `path`; `None` if the folder is one of them already.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn enter(&self, path: &Path) -> io::Result<Option<Self>> {
        let id = id(path)?;
        let mut place = self;
        while let Some(node) = &place.0 {
            if node.id == id {
                return Ok(None);
            }
            place = &node.above;
        }
        Ok(Some(Self(Some(Arc::new(Node { id, above: self.clone() })))))
    }
}

/// Device and inode, which identify a folder under every path.
#[cfg(unix)]
type Id = (u64, u64);

#[cfg(unix)]
fn id(path: &Path) -> io::Result<Id> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The canonical path: the standard library offers nothing better on this system.
#[cfg(not(unix))]
type Id = std::path::PathBuf;

#[cfg(not(unix))]
fn id(path: &Path) -> io::Result<Id> {
    std::fs::canonicalize(path)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_link_back_is_known_under_every_path_and_one_beside_is_not() {
        let top = tempfile::tempdir().unwrap();
        let path = |below: &str| top.path().join(below);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::create_dir(path("c")).unwrap();
        symlink("../..", path("a/b/up")).unwrap();
        symlink("../../c", path("a/b/aside")).unwrap();
        let enter = |from: &Ancestors, below: &str| from.enter(&path(below)).unwrap();
        let a = enter(&enter(&Ancestors::default(), "").unwrap(), "a").unwrap();
        let b = enter(&a, "a/b").unwrap();
        assert!(enter(&b, "a/b/up").is_none() && enter(&b, "a/b/up/a").is_none());
        assert!(enter(&b, "a/b/aside").is_some() && enter(&a, "a/b/aside/../c").is_some());
        assert!(b.enter(&path("a/gone")).is_err());
    }
}
