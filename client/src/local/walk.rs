//! Walks a local tree. The pages of a folder precede those of its subfolders.

#[cfg(test)]
mod tests;

use std::{
    fs::{DirEntry, Metadata},
    io,
    path::PathBuf,
};

use ferry_shared::{
    digest::Digest,
    entry::Kind,
    name::{Escaped, Name},
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::{ancestors::Ancestors, place, remembered::Remembered, threads::Stop};
use crate::{
    error::ClientError,
    os_name::remote_name,
    site::{LeftOut, Location, Page, Walk},
};

/// The maximum number of entries per page.
const PAGE: usize = 256;

/// A folder to read.
struct Open {
    path: PathBuf,
    under: RemotePath,
    /// The folder and its ancestors, if links are followed; without links there are no loops.
    ancestors: Option<Ancestors>,
}

/// The receiver of the pages was dropped.
struct ReceiverGone;

struct Walker {
    walk: Walk,
    remembered: Option<Remembered>,
    pages: mpsc::Sender<Page>,
    stop: Stop,
    /// The folders still to read; the next one is the last.
    folders: Vec<Open>,
}

/// Sends pages of everything below a folder.
pub(super) fn run(
    at: &Location,
    walk: Walk,
    remembered: Option<Remembered>,
    pages: mpsc::Sender<Page>,
    stop: Stop,
) -> Result<(), ClientError> {
    let failed = |error| place::failed(at, error);
    let path = place::source_path(at).map_err(failed)?;
    if !std::fs::metadata(&path).map_err(failed)?.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    let ancestors = if walk.follow { Ancestors::default().enter(&path).map_err(failed)? } else { None };
    let folders = vec![Open { path, under: RemotePath::home(), ancestors }];
    // A dropped receiver is not an error.
    let _ = Walker { walk, remembered, pages, stop, folders }.run();
    Ok(())
}

impl Walker {
    fn run(mut self) -> Result<(), ReceiverGone> {
        while let Some(folder) = self.folders.pop() {
            let begun = self.folders.len();
            self.folder(&folder)?;
            // Keep the order of the folder.
            self.folders[begun..].reverse();
        }
        Ok(())
    }

    fn folder(&mut self, open: &Open) -> Result<(), ReceiverGone> {
        let page = || Page { under: open.under.clone(), ..Page::default() };
        let mut filling = page();
        let unreadable = |error| (open.under.clone(), ClientError::local(&open.path, error));
        match std::fs::read_dir(&open.path) {
            Err(error) => filling.unreadable.push(unreadable(error)),
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => self.entry(open, &entry, &mut filling),
                        Err(error) => {
                            filling.unreadable.push(unreadable(error));
                            break;
                        }
                    }
                    if filling.entries.len() + filling.left_out.len() >= PAGE {
                        self.hand_over(std::mem::replace(&mut filling, page()))?;
                    }
                }
            }
        }
        self.hand_over(filling)
    }

    fn entry(&mut self, open: &Open, entry: &DirEntry, page: &mut Page) {
        let local_name = entry.file_name();
        let place = remote_name(&local_name).ok().and_then(|name| Some((open.under.join(&name).ok()?, name)));
        let Some((below, name)) = place else {
            let shown = Escaped(local_name.as_encoded_bytes()).to_string();
            return page.left_out.push(LeftOut::UnusableName(shown));
        };
        self.look(open, entry, name, below, page);
    }

    /// Adds an entry to the page, and a folder to those still to read if the walk enters it.
    fn look(&mut self, open: &Open, entry: &DirEntry, name: Name, below: RemotePath, page: &mut Page) {
        let path = entry.path();
        // The metadata of the entry is that of a link itself.
        let metadata = if self.walk.follow { std::fs::metadata(&path) } else { entry.metadata() };
        let (found, digest) = match metadata {
            Ok(metadata) => (place::entry(name.clone(), &metadata), self.recall(&metadata)),
            Err(error) => return page.left_out.push(LeftOut::Failed(name, ClientError::local(path, error))),
        };
        if found.kind == Kind::Folder && (self.walk.enters)(&below) {
            let ancestors = match open.ancestors.as_ref().map(|above| above.enter(&path)) {
                None => None,
                Some(Ok(Some(within))) => Some(within),
                Some(Ok(None)) => return page.left_out.push(LeftOut::LinkLoop(name)),
                Some(Err(error)) => {
                    return page.left_out.push(LeftOut::Failed(name, ClientError::local(path, error)));
                }
            };
            self.folders.push(Open { path, under: below, ancestors });
        }
        if let Some(digest) = digest {
            page.digests.insert(found.name.clone(), digest);
        }
        page.entries.push(found);
    }

    /// The remembered digest of a file with this metadata.
    fn recall(&self, metadata: &Metadata) -> Option<Digest> {
        let remembered = self.remembered.as_ref().filter(|_| metadata.is_file())?;
        remembered.recall(&place::identity(metadata)?)
    }

    fn hand_over(&self, page: Page) -> Result<(), ReceiverGone> {
        self.stop.send(&self.pages, page).map_err(|_| ReceiverGone)
    }
}
