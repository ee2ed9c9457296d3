//! Walks a tree, several folders at a time.

use std::collections::VecDeque;

use bytes::Bytes;
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
    refusal::Code,
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    calls::{self, Calls},
    fault,
    listing::{self, Listing},
    place::below,
};
use crate::{
    error::ClientError,
    site::{LeftOut, Page, Walk},
};

/// The number of folders that are read at a time.
const AT_ONCE: usize = 16;
/// The most folders that wait to be read.
const MOST_FOLDERS: usize = 1_000_000;

/// A folder to read.
struct Folder {
    path: Bytes,
    under: RemotePath,
}

/// The result of reading a folder.
enum Read {
    /// It was read; these are the folders in it.
    Whole(Vec<Folder>),
    /// It cannot be read.
    Not(RemotePath, ClientError),
    /// Nobody takes the pages any more.
    Unwanted,
}

/// Sends the tree below the folder `path` to `pages`. A folder that cannot be read is reported, except the first.
///
/// # Errors
/// The first folder cannot be read, or the connection was lost.
pub(super) async fn run(
    calls: &Calls,
    path: Bytes,
    walk: &Walk,
    pages: &mpsc::Sender<Page>,
) -> Result<(), ClientError> {
    let first = Folder { path, under: RemotePath::home() };
    let mut waiting = match read(calls.clone(), first, walk.clone(), pages.clone()).await? {
        Read::Whole(folders) => VecDeque::from(folders),
        Read::Not(_, error) => return Err(error),
        Read::Unwanted => return Ok(()),
    };
    let mut reading = JoinSet::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some(folder) = waiting.pop_front()
        {
            reading.spawn(read(calls.clone(), folder, walk.clone(), pages.clone()));
        }
        let Some(done) = reading.join_next().await else { return Ok(()) };
        match done.map_err(|_| ClientError::Cancelled)?? {
            Read::Whole(folders) => waiting.extend(folders),
            Read::Not(under, error) => {
                let page = Page { unreadable: vec![(under, error)], ..Page::default() };
                if pages.send(page).await.is_err() {
                    return Ok(());
                }
            }
            Read::Unwanted => return Ok(()),
        }
        if waiting.len() > MOST_FOLDERS {
            return Err(ClientError::Protocol("the tree has more folders than can be real".into()));
        }
    }
}

async fn read(calls: Calls, folder: Folder, walk: Walk, pages: mpsc::Sender<Page>) -> Result<Read, ClientError> {
    let Folder { path, under } = folder;
    let mut listing = match Listing::open(&calls, path.clone()).await {
        Ok(listing) => listing,
        Err(error @ ClientError::Refused(_)) => return Ok(Read::Not(under, error)),
        Err(error) => return Err(error),
    };
    let (mut folders, mut told) = (Vec::new(), false);
    loop {
        let some = match listing.next().await {
            Ok(Some(some)) => some,
            Ok(None) => break,
            Err(error @ ClientError::Refused(_)) => return Ok(Read::Not(under, error)),
            Err(error) => return Err(error),
        };
        let mut page = Page { under: under.clone(), ..Page::default() };
        page.left_out.extend(some.unusable.into_iter().map(LeftOut::UnusableName));
        for entry in some.entries {
            let Ok(below_it) = under.join(&entry.name) else {
                page.left_out.push(LeftOut::UnusableName(entry.name.display().to_string()));
                continue;
            };
            if entry.kind == Kind::Symlink && walk.follow {
                follow(&calls, &path, entry, &mut page).await?;
                continue;
            }
            if entry.kind == Kind::Folder && (walk.enters)(&below_it) {
                folders.push(Folder { path: below(&path, entry.name.as_bytes()), under: below_it });
            }
            page.entries.push(entry);
        }
        told = true;
        if pages.send(page).await.is_err() {
            return Ok(Read::Unwanted);
        }
    }
    // Every folder has a page.
    if !told && pages.send(Page { under, ..Page::default() }).await.is_err() {
        return Ok(Read::Unwanted);
    }
    Ok(Read::Whole(folders))
}

/// Replaces a link by what it leads to.
async fn follow(calls: &Calls, folder: &Bytes, link: Entry, page: &mut Page) -> Result<(), ClientError> {
    match calls.follow(below(folder, link.name.as_bytes())).await {
        Ok(found) if calls::kind(&found) == Kind::Folder => page.left_out.push(LeftOut::LinkToFolder(link.name)),
        Ok(found) if calls::kind(&found) == Kind::Symlink => {
            let error = fault::refused(Code::BadPath, "the server does not say what the link leads to");
            page.left_out.push(LeftOut::Failed(link.name, error));
        }
        Ok(found) => page.entries.push(listing::entry(link.name, &found)),
        Err(error @ ClientError::Refused(_)) => page.left_out.push(LeftOut::Failed(link.name, error)),
        Err(error) => return Err(error),
    }
    Ok(())
}
