//! Prepares a target, and lists its content.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use ferry_shared::{entry::Kind, path::RemotePath, refusal::Code};
use tokio::sync::mpsc;

use super::{
    calls::{self, Calls},
    fault,
    parts::Parts,
    place::{below, not_folder, parent},
    walk,
};
use crate::{
    error::ClientError,
    site::{Existing, FileFacts, Found, Location, Make, Page, Prepared, TargetKind, Walk},
};

/// The most entries that are remembered; beyond this, each upload queries its own target.
const MOST_REMEMBERED: usize = 1_000_000;
/// The number of pages between the walk and the memory.
const PAGES: usize = 4;

/// The content of a target, by the bytes of the path below it.
struct Entries {
    found: HashMap<Box<[u8]>, (Kind, FileFacts, u32)>,
    partial: bool,
    path: Bytes,
    parts: Parts,
}

impl Existing for Entries {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        let found = self.found.get(below.as_bytes());
        Ok(found.map(|&(kind, facts, mode)| Found { kind, facts, mode, version: None }))
    }

    fn begun(&mut self, under: &RemotePath) -> u64 {
        match under.is_home() {
            true => self.parts.begun(&self.path),
            false => self.parts.begun(&below(&self.path, under.as_bytes())),
        }
    }

    fn is_complete(&self) -> bool {
        !self.partial
    }
}

/// Prepares the target at a location.
///
/// # Errors
/// A file is in the way, or the server's refusal.
pub(super) async fn prepare(
    calls: &Calls,
    parts: &Parts,
    at: &Location,
    target: TargetKind,
    make: Make,
) -> Result<Prepared, ClientError> {
    let path = calls.place(at).await?;
    let mut entries = Entries { found: HashMap::new(), partial: false, path: path.clone(), parts: parts.clone() };
    let there = match target {
        TargetKind::File => {
            if make != Make::Nothing
                && let Some(folder) = parent(&path)
            {
                folder_there(calls, &folder, make == Make::WithParents).await?;
            }
            let found = calls.look_if_there(path).await?;
            if let Some(found) = &found {
                let it = (calls::kind(found), calls::facts(found), calls::mode(found));
                entries.found.insert(Box::default(), it);
            }
            found.is_some()
        }
        TargetKind::Folder => {
            let made = match make {
                Make::Nothing => match calls.follow(path.clone()).await {
                    Ok(found) if calls::kind(&found) == Kind::Folder => false,
                    Ok(_) => return Err(not_folder(&path)),
                    Err(error) if fault::is(&error, Code::NotFound) => true,
                    Err(error) => return Err(error),
                },
                make => calls.make(&path, make == Make::WithParents, None).await?,
            };
            if !made {
                list(calls, path, &mut entries).await?;
            }
            !made
        }
    };
    Ok(Prepared { there, existing: Box::new(entries) })
}

/// The folder of a file must be there, or is made.
async fn folder_there(calls: &Calls, folder: &Bytes, makes: bool) -> Result<(), ClientError> {
    match calls.follow(folder.clone()).await {
        Ok(found) if calls::kind(&found) == Kind::Folder => Ok(()),
        Ok(_) => Err(not_folder(folder)),
        Err(error) if fault::is(&error, Code::NotFound) && makes => calls.make(folder, true, None).await.map(drop),
        Err(error) => Err(calls.why_missing(folder, error).await),
    }
}

async fn list(calls: &Calls, path: Bytes, entries: &mut Entries) -> Result<(), ClientError> {
    let (pages, mut told) = mpsc::channel(PAGES);
    let everything = Walk { follow: false, digests: false, enters: Arc::new(|_| true) };
    // The pages end with the walk.
    let walking = async move { walk::run(calls, path, &everything, &pages).await };
    let taking = async {
        while let Some(page) = told.recv().await {
            remember(entries, page);
        }
    };
    let (walked, ()) = tokio::join!(walking, taking);
    walked
}

fn remember(entries: &mut Entries, page: Page) {
    // An unreadable folder may have content.
    entries.partial |= !page.unreadable.is_empty();
    for entry in page.entries {
        let Ok(path) = page.under.join(&entry.name) else { continue };
        if entries.found.len() >= MOST_REMEMBERED {
            entries.partial = true;
            return;
        }
        let facts = FileFacts { size: entry.size, mtime: entry.mtime };
        entries.found.insert(path.as_bytes().into(), (entry.kind, facts, entry.mode));
    }
}
