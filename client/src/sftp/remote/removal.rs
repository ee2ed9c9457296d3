//! Removes a folder with everything below it.

use bytes::Bytes;
use ferry_shared::{
    entry::{Entry, Kind},
    limits::DEPTH_MAX,
    refusal::Code,
};
use tokio::task::JoinSet;

use super::super::{
    calls::{self, Calls},
    fault,
    listing::Listing,
    place::below,
};
use crate::{error::ClientError, remote::Removed};

/// Files that are removed at a time.
const AT_ONCE: usize = 32;

/// Removes what is at `path`. Links are removed, never entered.
///
/// # Errors
/// The first refusal; what was removed before stays removed.
pub(super) async fn remove(calls: &Calls, path: Bytes, recursive: bool) -> Result<Removed, ClientError> {
    let found = match calls.look(path.clone()).await {
        Ok(found) => found,
        Err(error) => return Err(calls.why_missing(&path, error).await),
    };
    let mut removed = Removed { files: 0, dirs: 0, bytes: 0 };
    let kind = calls::kind(&found);
    if kind != Kind::Folder || !recursive {
        calls.remove(&path, kind).await?;
        match kind {
            Kind::Folder => removed.dirs = 1,
            _ => (removed.files, removed.bytes) = (1, calls::facts(&found).size),
        }
        return Ok(removed);
    }
    let (mut open, mut folders) = (vec![(path, 0)], Vec::new());
    while let Some((folder, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            return Err(fault::refused(Code::BadPath, "the folders are too deep"));
        }
        // Read to the end first: a server may skip entries if others go meanwhile.
        for entry in entries(calls, folder.clone(), &mut removed).await? {
            open.push((below(&folder, entry.name.as_bytes()), depth + 1));
        }
        folders.push(folder);
    }
    for folder in folders.into_iter().rev() {
        calls.remove(&folder, Kind::Folder).await?;
        removed.dirs += 1;
    }
    Ok(removed)
}

/// Removes the files of a folder; returns the folders in it.
async fn entries(calls: &Calls, folder: Bytes, removed: &mut Removed) -> Result<Vec<Entry>, ClientError> {
    let mut listing = Listing::open(calls, folder.clone()).await?;
    let mut all = Vec::new();
    while let Some(some) = listing.next().await? {
        all.extend(some.entries);
    }
    drop(listing);
    let (folders, files): (Vec<_>, Vec<_>) = all.into_iter().partition(|entry| entry.kind == Kind::Folder);
    let mut running = JoinSet::new();
    let mut files = files.into_iter();
    loop {
        while running.len() < AT_ONCE
            && let Some(file) = files.next()
        {
            let (calls, path) = (calls.clone(), below(&folder, file.name.as_bytes()));
            running.spawn(async move { calls.remove_file(path).await.map(|()| file.size) });
        }
        let Some(done) = running.join_next().await else { return Ok(folders) };
        let size = done.map_err(|_| ClientError::Cancelled)??;
        removed.files += 1;
        removed.bytes = removed.bytes.saturating_add(size);
    }
}
