//! Where an item is on both sides, kept small: thousands of items share their folders.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_shared::{
    name::Name,
    path::{PathError, RemotePath},
};

/// An item's place on both sides. Cheap to clone.
#[derive(Clone)]
pub struct ItemPath(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    folder: Arc<FolderPair>,
    local_name: OsString,
    remote: RemotePath,
}

/// A folder on both sides; the job's items in it share it.
#[derive(Debug)]
pub(super) struct FolderPair {
    /// The local folder; `None` where the local side is a stream.
    pub(super) local: Option<PathBuf>,
    /// The remote folder.
    pub(super) remote: RemotePath,
    /// How many leading names of `remote` lie above the job's root.
    pub(super) above: usize,
    /// Whether its items are what the user named.
    pub(super) named: bool,
    /// Whether a symlink is meant as what it leads to.
    pub(super) follows: bool,
}

impl ItemPath {
    /// What is named `name` in a folder on both sides, `above` of whose remote names lie above
    /// the job's root. The engine makes its own; this is for who tells of items without one.
    ///
    /// # Errors
    /// [`PathError`] where the remote path would be too long or too deep.
    pub fn in_folders(
        local: Option<PathBuf>,
        remote: RemotePath,
        above: usize,
        name: &Name,
    ) -> Result<Self, PathError> {
        let local_name = name.display().to_string().into();
        Self::new(Arc::new(FolderPair { local, remote, above, named: false, follows: false }), local_name, name)
    }

    /// A file or folder in `folder`, by its name on either side.
    pub(super) fn new(folder: Arc<FolderPair>, local_name: OsString, remote_name: &Name) -> Result<Self, PathError> {
        let remote = folder.remote.join(remote_name)?;
        Ok(Self(Arc::new(Parts { folder, local_name, remote })))
    }

    /// Something in `folder` that the other side cannot have: its remote path is the folder's.
    pub(super) fn local_only(folder: Arc<FolderPair>, local_name: OsString) -> Self {
        let remote = folder.remote.clone();
        Self(Arc::new(Parts { folder, local_name, remote }))
    }

    /// The same item under another remote name.
    pub(super) fn with_remote_name(&self, name: &Name) -> Result<Self, PathError> {
        Self::new(Arc::clone(&self.0.folder), self.0.local_name.clone(), name)
    }

    /// The same item under another local name.
    pub(super) fn with_local_name(&self, name: OsString) -> Self {
        Self(Arc::new(Parts { local_name: name, ..Parts::clone(&self.0) }))
    }

    pub(super) fn folder(&self) -> &Arc<FolderPair> {
        &self.0.folder
    }

    pub(super) fn local_name(&self) -> &OsStr {
        &self.0.local_name
    }

    pub(super) fn local_folder(&self) -> Option<&Path> {
        self.0.folder.local.as_deref()
    }

    /// The local path; `None` where the local side is a stream.
    #[must_use]
    pub fn local(&self) -> Option<PathBuf> {
        self.local_folder().map(|folder| folder.join(&self.0.local_name))
    }

    /// The remote path.
    #[must_use]
    pub fn remote(&self) -> &RemotePath {
        &self.0.remote
    }

    /// Whether it is what the user named, and not inside that.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.0.folder.named
    }

    /// The path below the job's root, the root's own name included; empty for the home.
    #[must_use]
    pub fn relative(&self) -> RemotePath {
        let names: Vec<&[u8]> = self.0.remote.names().skip(self.0.folder.above).collect();
        RemotePath::from_wire(&names.join(&b'/')).unwrap_or_default()
    }
}

impl fmt::Debug for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(remote: &[u8], above: usize) -> Arc<FolderPair> {
        let remote = RemotePath::from_wire(remote).unwrap();
        Arc::new(FolderPair {
            local: Some(PathBuf::from("/src/photos/a")),
            remote,
            above,
            named: false,
            follows: false,
        })
    }

    #[test]
    fn an_item_knows_both_sides_and_its_place_in_the_job() {
        let name = Name::new(*b"x.jpg").unwrap();
        let path = ItemPath::new(folder(b"backup/photos/a", 1), "x.jpg".into(), &name).unwrap();
        assert_eq!(path.local().unwrap(), Path::new("/src/photos/a/x.jpg"));
        assert_eq!(path.remote().as_bytes(), b"backup/photos/a/x.jpg");
        assert_eq!(path.relative().as_bytes(), b"photos/a/x.jpg");
    }

    #[test]
    fn another_name_on_one_side_leaves_the_other() {
        let name = Name::new(*b"x.jpg").unwrap();
        let path = ItemPath::new(folder(b"up", 1), "x.jpg".into(), &name).unwrap();
        let remote = path.with_remote_name(&Name::new(*b"y").unwrap()).unwrap();
        assert_eq!((remote.local(), remote.remote().as_bytes()), (path.local(), &b"up/y"[..]));
        let local = path.with_local_name("z".into());
        assert_eq!((local.local_name(), local.remote()), (OsStr::new("z"), path.remote()));
    }
}
