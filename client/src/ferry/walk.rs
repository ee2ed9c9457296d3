//! Walks a tree, and resolves the links in it.

use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::look;
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    remote::Remote,
    site::{LeftOut, Page, Walk},
};

/// The maximum number of links that are followed; further ones fail.
const MOST_LINKS: usize = 1_000_000;
/// The maximum number of links per page.
const LINKS: usize = 256;

/// Sends the tree below `folder` to `pages`; returns whether all of it was accepted.
pub(super) async fn run(
    remote: &Remote,
    folder: &RemotePath,
    walk: &Walk,
    pages: &mpsc::Sender<Page>,
) -> Result<bool, ClientError> {
    let mut told = remote.walk_as(folder.clone(), walk.digests).await?;
    let (mut links, mut count) = (Vec::new(), 0);
    while let Some(page) = told.next().await {
        let page = page?;
        let named = page.entries.iter().map(|entry| entry.name.clone()).zip(page.digests);
        let digests = named.filter_map(|(name, digest)| Some((name, digest?))).collect();
        let mut out = Page { under: page.under, digests, ..Page::default() };
        let is_followed = |entry: &Entry| walk.follow && entry.kind == Kind::Symlink;
        let (here, entries): (Vec<_>, _) = page.entries.into_iter().partition(is_followed);
        out.entries = entries;
        out.unreadable = page.unreadable.into_iter().map(|folder| (folder, unreadable())).collect();
        if count + here.len() > MOST_LINKS {
            out.left_out = here.into_iter().map(|link| LeftOut::Failed(link.name, too_many())).collect();
        } else if !here.is_empty() {
            // The answers to new requests would arrive only after all pages.
            count += here.len();
            links.push((out.under.clone(), here));
        }
        if pages.send(out).await.is_err() {
            return Ok(!page.more);
        }
    }
    for (under, links) in links {
        for links in links.chunks(LINKS) {
            let page = follow(remote, folder, under.clone(), links).await?;
            if pages.send(page).await.is_err() {
                return Ok(true);
            }
        }
    }
    Ok(true)
}

/// Resolves the links in the folder `under`.
async fn follow(remote: &Remote, folder: &RemotePath, under: RemotePath, links: &[Entry]) -> Result<Page, ClientError> {
    let mut page = Page { under, ..Page::default() };
    for link in links {
        let path = folder.join_path(&page.under).and_then(|folder| folder.join(&link.name));
        let target = match &path {
            Ok(path) => look::target(remote, path).await,
            Err(error) => Err(ClientError::obstructed(Obstacle::BadPath, error.to_string())),
        };
        match target {
            Ok(Some(found)) => page.entries.push(Entry {
                name: link.name.clone(),
                kind: found.kind,
                size: found.facts.size,
                mtime: found.facts.mtime,
                mode: found.mode,
            }),
            Ok(None) => page.left_out.push(LeftOut::LinkToFolder(link.name.clone())),
            Err(error @ (ClientError::Refused(_) | ClientError::Obstructed { .. })) if !remote.is_closed() => {
                page.left_out.push(LeftOut::Failed(link.name.clone(), error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

fn unreadable() -> ClientError {
    ClientError::obstructed(Obstacle::Fault, "the server cannot read this folder")
}

fn too_many() -> ClientError {
    ClientError::obstructed(Obstacle::Fault, "there are too many links to follow")
}
