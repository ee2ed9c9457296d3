//! Counts the weight of everything in a home, for a recount of the user's usage.

use std::{collections::HashMap, ffi::CString, fmt};

use ferry_shared::{
    limits::{DEPTH_MAX, PAGE_MAX},
    path::RemotePath,
};
use rustix::{fd::OwnedFd, io::Errno};

use super::{
    Home, StorageError, Weight,
    listing::Stream,
    metadata::{FileId, Metadata},
    walk::open_child,
};

/// The depth down to which a count or a removal goes. Nothing that the server makes is deeper than [`DEPTH_MAX`];
/// an operator may have made deeper folders, but each level costs a handle.
pub(super) const LEVELS_MAX: usize = 4 * DEPTH_MAX;

/// A running count: an iterator over the weights of pages of entries, each page from one folder.
///
/// Bytes are counted as `du --apparent-size` counts regular files: an inode with several names in the home counts
/// once. Unlike `du`, folders have no size of their own.
pub struct Counter {
    home: Home,
    levels: Vec<Level>,
    /// The number of names seen for each inode that has several names.
    shared: HashMap<FileId, u64>,
    unreadable: u64,
}

struct Level {
    stream: Stream,
    /// Folders of the last page that are still to be counted.
    pending: Vec<CString>,
}

impl Level {
    fn new(folder: OwnedFd) -> Result<Self, StorageError> {
        // The path is used in errors only, and below the home errors are counted, not reported.
        Ok(Self { stream: Stream::new(folder, RemotePath::home())?, pending: Vec::new() })
    }
}

impl Counter {
    pub(super) fn new(home: Home, folder: OwnedFd) -> Result<Self, StorageError> {
        let levels = vec![Level::new(folder)?];
        Ok(Self { home, levels, shared: HashMap::new(), unreadable: 0 })
    }

    /// The number of folders and entries that could not be read and are missing from the count.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Makes later removals rely on the names this count saw for files with several names. Call it after the end of
    /// the count, with the user's lock, if nothing changed meanwhile.
    pub fn believe(self) {
        self.home.shared_files().set(self.shared);
    }

    fn count_page(&mut self) -> Result<Option<Weight>, StorageError> {
        let mut weight = Weight::default();
        let mut read = false;
        let at_home = self.levels.len() == 1;
        for _ in 0..PAGE_MAX {
            let Some(level) = self.levels.last_mut() else { break };
            let Some(found) = level.stream.next() else { break };
            read = true;
            match found {
                Ok((name, metadata)) => {
                    if metadata.is_folder() {
                        level.pending.push(name);
                    }
                    weight.files += 1;
                    weight.bytes = weight.bytes.saturating_add(self.bytes(&metadata));
                }
                Err(error) if at_home => return Err(error),
                Err(_) => self.unreadable += 1,
            }
        }
        Ok(read.then_some(weight))
    }

    fn bytes(&mut self, metadata: &Metadata) -> u64 {
        if !metadata.is_file() {
            return 0;
        }
        if metadata.names > 1 {
            let names = self.shared.entry(metadata.id).or_default();
            *names += 1;
            if *names > 1 {
                return 0;
            }
        }
        metadata.size
    }

    fn descend(&mut self, name: &CString) {
        let Some(above) = self.levels.last() else { return };
        let folder = match above.stream.folder() {
            Ok(folder) if self.levels.len() < LEVELS_MAX => open_child(folder, name.to_bytes()),
            _ => Err(Errno::NAMETOOLONG),
        };
        match folder.map(|folder| folder.map(Level::new)) {
            Ok(Some(Ok(level))) => self.levels.push(level),
            Ok(None) => {}
            Ok(Some(Err(_))) | Err(_) => self.unreadable += 1,
        }
    }
}

impl Iterator for Counter {
    type Item = Result<Weight, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.pending.pop() {
                self.descend(&name);
                continue;
            }
            match self.count_page() {
                Ok(Some(weight)) => return Some(Ok(weight)),
                Ok(None) => {
                    self.levels.pop();
                }
                Err(error) => {
                    self.levels.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({:?})", self.home)
    }
}
