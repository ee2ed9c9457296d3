//! The listing of a tree: what was found, and where the listing is not complete.

use std::collections::BTreeMap;

use ferry_shared::{entry::Entry, name::Name, path::RemotePath};

use crate::{
    error::ClientError,
    site::{LeftOut, Page},
};

/// A tree as it was listed. Paths are relative to its top.
#[derive(Debug, Default)]
pub struct Listing {
    pub(super) folders: BTreeMap<RemotePath, Folder>,
    /// Whether the top exists; nothing is in a tree without one.
    pub(super) exists: bool,
}

/// A listed folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) entries: BTreeMap<Name, Entry>,
    /// The names that are not regular entries.
    pub(super) odd: BTreeMap<Name, Odd>,
    /// Whether any page of the folder arrived.
    pub(super) listed: bool,
    /// The reason why the folder may have more contents.
    pub(super) hole: Option<Hole>,
}

/// A name that is not a regular entry.
#[derive(Debug, Clone)]
pub(super) enum Odd {
    /// The query failed.
    Failed(ClientError),
    /// A link to a folder that contains it.
    LinkLoop,
    /// A link to a folder, which the site does not follow.
    LinkToFolder,
}

/// The reason why a folder's listing is not complete.
#[derive(Debug, Clone)]
pub(super) enum Hole {
    /// It could not be read, or not to its end.
    Failed(ClientError),
    /// It contains a name, shown here, that is not possible at other sites.
    UnusableName(String),
    /// The listing ended before the folder.
    Cut,
}

impl Listing {
    /// The listing of a tree that does not exist.
    #[must_use]
    pub fn missing() -> Self {
        let top = Folder { listed: true, ..Folder::default() };
        Self { folders: BTreeMap::from([(RemotePath::home(), top)]), exists: false }
    }

    /// An empty listing, to which pages are added.
    #[must_use]
    pub fn new() -> Self {
        Self { exists: true, ..Self::default() }
    }

    /// Adds a page of a walk.
    pub fn add(&mut self, page: Page) {
        let folder = self.folders.entry(page.under).or_default();
        folder.listed = true;
        folder.entries.extend(page.entries.into_iter().map(|entry| (entry.name.clone(), entry)));
        for left_out in page.left_out {
            match left_out {
                LeftOut::Failed(name, error) => drop(folder.odd.insert(name, Odd::Failed(error))),
                LeftOut::LinkLoop(name) => drop(folder.odd.insert(name, Odd::LinkLoop)),
                LeftOut::LinkToFolder(name) => drop(folder.odd.insert(name, Odd::LinkToFolder)),
                LeftOut::UnusableName(shown) => drop(folder.hole.get_or_insert(Hole::UnusableName(shown))),
            }
        }
        for (path, error) in page.unreadable {
            self.folders.entry(path).or_default().hole = Some(Hole::Failed(error));
        }
    }

    /// Records that the walk failed before its end, so that any folder may have more contents.
    pub fn failed(&mut self, error: ClientError) {
        self.folders.entry(RemotePath::home()).or_default().hole = Some(Hole::Failed(error));
    }

    /// The entry at a path.
    #[must_use]
    pub fn entry(&self, path: &RemotePath) -> Option<&Entry> {
        self.folders.get(&path.parent()?)?.entries.get(&path.name()?)
    }

    /// The number of entries.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.folders.values().map(|folder| folder.entries.len() as u64).sum()
    }

    /// Whether the listing is complete, as far as it says itself.
    pub(super) fn is_complete(&self) -> bool {
        self.folders.values().all(|folder| folder.listed && folder.hole.is_none() && folder.odd.is_empty())
    }

    /// The folder at a path, and why its listing is not complete.
    pub(super) fn folder(&self, path: &RemotePath) -> (Option<&Folder>, Option<Hole>) {
        match self.folders.get(path) {
            None => (None, Some(Hole::Cut)),
            Some(folder) if folder.hole.is_some() => (Some(folder), folder.hole.clone()),
            Some(folder) if !folder.listed => (Some(folder), Some(Hole::Cut)),
            Some(folder) => (Some(folder), None),
        }
    }
}
