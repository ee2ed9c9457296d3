//! Walks everything below a folder, without following symlinks and with bounded memory.
//!
//! The walk is depth-first: a page of a folder, then everything below the folders on that page, then the next page
//! of the folder. It keeps one page of names and one handle for each level.

use std::fmt;

use ferry_shared::{
    digest::Digest,
    entry::Entry,
    limits::{DEPTH_MAX, PAGE_MAX},
    name::Name,
    path::RemotePath,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Mode, openat},
    io::Errno,
};

use super::{FOLDER, StorageError, listing::Stream, memory::Memory, metadata::Place};

/// Some entries of one folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkPage {
    /// The folder, relative to the start of the walk.
    pub under: RemotePath,
    /// Some of its entries, at most [`PAGE_MAX`].
    pub entries: Vec<Entry>,
    /// The remembered digests of the entries, in their order, if they were asked for.
    pub digests: Vec<Option<Digest>>,
    /// Folders, relative likewise, that could not be read or whose contents are too deep for a path.
    pub unreadable: Vec<RemotePath>,
}

/// A running walk.
pub struct Walker {
    /// The start of the walk: the length of paths is limited from the home, not from here.
    base: RemotePath,
    levels: Vec<Level>,
    unreadable: Vec<RemotePath>,
    /// The remembered digests, if they are asked for, and the file system of the home.
    memory: Option<(Memory, Place)>,
}

/// One folder on the way down. Its stream's path is relative to the start of the walk.
struct Level {
    /// Whether a page of it was returned; even an empty folder gets one.
    told: bool,
    stream: Stream,
    /// Folders on the last page that are still to be walked, last first.
    pending: Vec<Name>,
}

impl Walker {
    pub(super) fn new(base: &RemotePath, folder: OwnedFd) -> Result<Self, StorageError> {
        let stream = Stream::new(folder, RemotePath::home())?;
        let levels = vec![Level { told: false, stream, pending: Vec::new() }];
        Ok(Self { base: base.clone(), levels, unreadable: Vec::new(), memory: None })
    }

    pub(super) fn with_digests(self, memory: Memory, place: Place) -> Self {
        Self { memory: Some((memory, place)), ..self }
    }

    /// The next page; `None` at the end. Every folder has at least one page, even an empty one. Between two pages
    /// of a large folder come the pages of the folders on the first of them.
    ///
    /// # Errors
    /// An error of the disk, if the folder at the start can no longer be read.
    pub fn next_page(&mut self) -> Result<Option<WalkPage>, StorageError> {
        loop {
            let at_base = self.levels.len() == 1;
            let Some(level) = self.levels.last_mut() else { return Ok(self.last_page()) };
            if let Some(name) = level.pending.pop() {
                self.descend(&name);
                continue;
            }
            match level.read_page(self.memory.as_ref()) {
                Ok((entries, _)) if entries.is_empty() && level.told => {
                    self.levels.pop();
                }
                Ok((entries, digests)) => {
                    level.told = true;
                    let (under, unreadable) = (level.stream.path().clone(), std::mem::take(&mut self.unreadable));
                    return Ok(Some(WalkPage { under, entries, digests, unreadable }));
                }
                Err(error) if at_base => {
                    self.levels.clear();
                    return Err(error);
                }
                Err(_) => {
                    self.unreadable.push(level.stream.path().clone());
                    self.levels.pop();
                }
            }
        }
    }

    /// The page that reports the folders that could not be read since the last one.
    fn last_page(&mut self) -> Option<WalkPage> {
        let unreadable = std::mem::take(&mut self.unreadable);
        (!unreadable.is_empty()).then(|| WalkPage { unreadable, ..WalkPage::default() })
    }

    fn descend(&mut self, name: &Name) {
        let Some(level) = self.levels.last() else { return };
        let above = level.stream.path();
        let Ok(path) = above.join(name) else {
            self.unreadable.push(above.clone());
            return;
        };
        match level.open(name, &path) {
            // The contents of a folder this deep have no valid path.
            Ok(Some(mut stream)) if self.base.depth() + path.depth() >= DEPTH_MAX => {
                if stream.next().is_some() {
                    self.unreadable.push(path);
                }
            }
            Ok(Some(stream)) => self.levels.push(Level { told: false, stream, pending: Vec::new() }),
            Ok(None) => {}
            Err(_) => self.unreadable.push(path),
        }
    }
}

impl fmt::Debug for Walker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Walker({:?}, at {:?})", self.base, self.levels.last().map(|level| level.stream.path()))
    }
}

impl Level {
    /// Opens a child folder; `None` if it is gone or no longer a folder.
    fn open(&self, name: &Name, path: &RemotePath) -> Result<Option<Stream>, StorageError> {
        let child = open_child(self.stream.folder()?, name.as_bytes());
        let child = child.map_err(|error| StorageError::at(path, "open a folder", error))?;
        child.map(|folder| Stream::new(folder, path.clone())).transpose()
    }

    /// The next entries, and their digests if there is a memory.
    fn read_page(
        &mut self,
        memory: Option<&(Memory, Place)>,
    ) -> Result<(Vec<Entry>, Vec<Option<Digest>>), StorageError> {
        let (mut page, mut digests) = (Vec::new(), Vec::new());
        while page.len() < PAGE_MAX {
            let Some(found) = self.stream.next() else { break };
            let (name, metadata) = found?;
            let Ok(name) = Name::new(name.into_bytes()) else { continue };
            if metadata.is_folder() {
                self.pending.push(name.clone());
            }
            if let Some((memory, place)) = memory {
                digests.push(memory.recall(&metadata, *place));
            }
            page.push(metadata.entry(self.stream.folder()?, name));
        }
        self.pending.reverse();
        Ok((page, digests))
    }
}

/// Opens a folder by its name in an open one; `None` if it is no longer a folder.
pub(super) fn open_child(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<Option<OwnedFd>> {
    match openat(folder, name, FOLDER, Mode::empty()) {
        Ok(child) => Ok(Some(child)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}
