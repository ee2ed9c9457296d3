//! The path of an item at both ends. Kept small: thousands of items share their folder.

use std::{fmt, sync::Arc};

use ferry_shared::{
    name::Name,
    path::{PathError, RemotePath},
};

use crate::site::{Location, Reach, Root, SitePath, UnusablePath};

/// An item's path at both ends of its job. Cheap to clone.
#[derive(Clone)]
pub struct ItemPath(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    folder: Arc<FolderPath>,
    /// Its name in the folder; `None` for the piece itself.
    name: Option<Name>,
    /// Its name at the target, if that differs.
    becomes: Option<Name>,
}

/// A folder at both ends; its items share it.
#[derive(Debug)]
pub(super) struct FolderPath {
    pub(super) ends: Arc<Ends>,
    /// The folder's path below the piece.
    pub(super) below: RemotePath,
    /// Whether symbolic links in it are followed.
    pub(super) follows: bool,
}

/// A piece of a job, at both ends.
#[derive(Debug)]
pub(super) struct Ends {
    /// The piece's index in the job.
    pub(super) piece: usize,
    /// The source; `None` for a stream.
    pub(super) from: Option<Arc<Root>>,
    /// The target; `None` for a stream.
    pub(super) to: Option<Arc<Root>>,
}

impl Ends {
    /// The ends at these paths.
    pub(super) fn new(piece: usize, from: Option<SitePath>, to: Option<SitePath>) -> Arc<Self> {
        Arc::new(Self { piece, from: from.map(Root::new), to: to.map(Root::new) })
    }

    /// The piece as a folder.
    pub(super) fn folder(self: &Arc<Self>, follows: bool) -> Arc<FolderPath> {
        Arc::new(FolderPath { ends: Arc::clone(self), below: RemotePath::home(), follows })
    }

    /// The piece as an item. If it is a link, it is followed.
    pub(super) fn top(self: &Arc<Self>) -> ItemPath {
        ItemPath(Arc::new(Parts { folder: self.folder(true), name: None, becomes: None }))
    }
}

impl FolderPath {
    /// The folder `name` in this one.
    pub(super) fn subfolder(&self, name: &Name) -> Result<Arc<Self>, PathError> {
        let below = self.below.join(name)?;
        Ok(Arc::new(Self { ends: Arc::clone(&self.ends), below, follows: self.follows }))
    }

    /// The folder at `below` in the same piece.
    pub(super) fn at(&self, below: RemotePath) -> Arc<Self> {
        Arc::new(Self { ends: Arc::clone(&self.ends), below, follows: self.follows })
    }

    /// The folder as an item of its parent.
    pub(super) fn as_item(&self) -> ItemPath {
        match (self.below.parent(), self.below.name()) {
            (Some(parent), Some(name)) => {
                ItemPath(Arc::new(Parts { folder: self.at(parent), name: Some(name), becomes: None }))
            }
            _ => self.ends.top(),
        }
    }
}

impl ItemPath {
    /// The item `name` in `folder`.
    ///
    /// # Errors
    /// [`PathError`] if the path would be too long or too deep.
    pub(super) fn new(folder: &Arc<FolderPath>, name: &Name) -> Result<Self, PathError> {
        folder.below.join(name)?;
        Ok(Self(Arc::new(Parts { folder: Arc::clone(folder), name: Some(name.clone()), becomes: None })))
    }

    /// An item outside a job, from `from` to `to`.
    #[must_use]
    pub fn of(from: Option<SitePath>, to: Option<SitePath>) -> Self {
        Ends::new(0, from, to).top()
    }

    /// An item outside a job, at `below` in the folder `from`; its target has the same path below `to`.
    #[must_use]
    pub fn below(from: SitePath, to: SitePath, below: RemotePath) -> Self {
        Ends::new(0, Some(from), Some(to)).folder(false).at(below).as_item()
    }

    /// The same item under another name at its target.
    pub(super) fn with_target_name(&self, name: Name) -> Result<Self, UnusablePath> {
        if self.0.name.is_some() {
            // The name may be longer than the item's own.
            self.0.folder.below.join(&name).map_err(|error| UnusablePath(error.to_string()))?;
            return Ok(Self(Arc::new(Parts { becomes: Some(name), ..Parts::clone(&self.0) })));
        }
        let ends = &self.0.folder.ends;
        let to = ends.to.as_ref().map(|root| root.path().with_name(&name)).transpose()?;
        let ends = Ends { piece: ends.piece, from: ends.from.clone(), to: to.map(Root::new) };
        Ok(Arc::new(ends).top())
    }

    /// The folder it is in.
    pub(super) fn folder(&self) -> &Arc<FolderPath> {
        &self.0.folder
    }

    /// The index of its piece in the job.
    #[must_use]
    pub fn piece(&self) -> usize {
        self.0.folder.ends.piece
    }

    /// Whether it is a piece itself, not an item inside one.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.0.name.is_none()
    }

    /// Its path at the source, below the piece; empty for the piece itself.
    pub(super) fn source_below(&self) -> RemotePath {
        self.below_with(self.0.name.as_ref())
    }

    /// Its path at the target, below the piece; empty for the piece itself.
    pub(super) fn target_below(&self) -> RemotePath {
        self.below_with(self.0.becomes.as_ref().or(self.0.name.as_ref()))
    }

    fn below_with(&self, name: Option<&Name>) -> RemotePath {
        let below = &self.0.folder.below;
        // Both names were checked when they were set.
        name.map_or_else(|| below.clone(), |name| below.join(name).unwrap_or_else(|_| below.clone()))
    }

    /// Its location at the source; `None` for a stream.
    pub(super) fn source(&self) -> Option<Location> {
        let reach = if self.0.folder.follows { Reach::Follow } else { Reach::NoFollow };
        self.0.folder.ends.from.as_ref().map(|root| Location::new(root, self.source_below(), reach))
    }

    /// Its location at the target; `None` for a stream.
    pub(super) fn target(&self) -> Option<Location> {
        self.0.folder.ends.to.as_ref().map(|root| Location::new(root, self.target_below(), Reach::Contained))
    }

    /// Its path at the source; `None` for a stream.
    #[must_use]
    pub fn from(&self) -> Option<SitePath> {
        self.source()?.path().ok()
    }

    /// Its path at the target; if both files are kept, with its new name. `None` for a stream, or if the path is not
    /// possible there.
    #[must_use]
    pub fn to(&self) -> Option<SitePath> {
        self.target()?.path().ok()
    }

    /// Its path at the remote end, or at the source if both ends are remote, or [`Self::relative`] if none is.
    #[must_use]
    pub fn remote(&self) -> RemotePath {
        let ends = [self.from(), self.to()];
        let remote = ends.iter().flatten().find_map(|path| path.remote());
        remote.cloned().unwrap_or_else(|| self.relative())
    }

    /// Its name at the target.
    pub(super) fn target_name(&self) -> Option<Name> {
        let named = || self.0.folder.ends.to.as_ref()?.path().name();
        self.0.becomes.clone().or_else(|| self.0.name.clone()).or_else(named)
    }

    /// The path below the piece, after the piece's own name: its name at the remote end, or at the target if both or
    /// none are remote.
    #[must_use]
    pub fn relative(&self) -> RemotePath {
        let ends = &self.0.folder.ends;
        let elsewhere = |root: &&Arc<Root>| root.path().remote().is_some();
        let root = ends.to.as_ref().filter(elsewhere).or(ends.from.as_ref().filter(elsewhere));
        let root = root.or(ends.to.as_ref()).or(ends.from.as_ref());
        let top = root.and_then(|root| root.path().name()).and_then(|name| RemotePath::home().join(&name).ok());
        let below = self.target_below();
        top.and_then(|top| top.join_path(&below).ok()).unwrap_or(below)
    }
}

impl fmt::Debug for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.relative())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ferry_shared::limits::NAME_MAX;

    use super::*;

    fn wire(path: &[u8]) -> RemotePath {
        RemotePath::from_wire(path).unwrap()
    }

    fn item(from: &str, to: &[u8], below: &[u8], name: &str) -> ItemPath {
        let ends = Ends::new(0, Some(Path::new(from).into()), Some(wire(to).into()));
        let folder = ends.folder(false).at(wire(below));
        ItemPath::new(&folder, &Name::try_from(name).unwrap()).unwrap()
    }

    #[test]
    fn an_item_knows_both_ends_and_its_place_in_the_piece() {
        let path = item("/src/photos", b"backup/photos", b"a", "x.jpg");
        assert_eq!(path.from().unwrap(), Path::new("/src/photos/a/x.jpg").into());
        assert_eq!(path.to().unwrap(), wire(b"backup/photos/a/x.jpg").into());
        assert_eq!(path.relative().as_bytes(), b"photos/a/x.jpg");
        assert_eq!(path.folder().as_item().to().unwrap(), wire(b"backup/photos/a").into());
        assert!(!path.is_named() && path.folder().ends.top().is_named());
    }

    #[test]
    fn a_name_at_the_target_that_makes_the_path_too_long_is_refused() {
        let folder = [vec!["d".repeat(NAME_MAX); 15], vec!["d".repeat(250)]].concat().join("/");
        let path = item("/src", b"up", folder.as_bytes(), "x");
        let long = Name::try_from("y".repeat(NAME_MAX).as_str()).unwrap();
        path.with_target_name(Name::try_from("y").unwrap()).unwrap();
        path.with_target_name(long).unwrap_err();
    }

    #[test]
    fn another_name_at_the_target_leaves_the_source() {
        let y = Name::try_from("y").unwrap();
        let path = item("/src", b"up", b"", "x.jpg");
        let other = path.with_target_name(y.clone()).unwrap();
        assert_eq!((other.from(), other.to().unwrap()), (path.from(), wire(b"up/y").into()));
        let top = path.folder().ends.top().with_target_name(y).unwrap();
        assert_eq!((top.from().unwrap(), top.to().unwrap()), (Path::new("/src").into(), wire(b"y").into()));
    }

    #[test]
    fn a_piece_without_a_name_is_relative_to_itself() {
        let ends = Ends::new(0, Some(Path::new("/src/photos").into()), Some(wire(b"").into()));
        assert_eq!(ends.top().relative(), wire(b""));
        assert_eq!(ends.folder(false).at(wire(b"a")).as_item().relative(), wire(b"a"));
    }
}
