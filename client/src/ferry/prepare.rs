//! Prepares a target folder, and lists its content.

use std::collections::HashMap;

use ferry_shared::{digest::Digest, entry::Kind, path::RemotePath, refusal::Code};

use crate::{
    error::ClientError,
    remote::Remote,
    site::{Existing, FileFacts, Found, Make, Prepared},
};

/// The maximum number of entries that are remembered; beyond this, each upload queries its own target.
const MOST_REMEMBERED: usize = 1_000_000;

/// The content of a folder, by the bytes of the path.
#[derive(Debug, Default)]
struct Entries {
    found: HashMap<Box<[u8]>, Here>,
    partial: bool,
}

#[derive(Debug)]
struct Here {
    kind: Kind,
    facts: FileFacts,
    mode: u32,
    digest: Option<Box<Digest>>,
}

impl Existing for Entries {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        let found = self.found.get(below.as_bytes());
        Ok(found.map(|&Here { kind, facts, mode, .. }| Found { kind, facts, mode, version: None }))
    }

    fn digest(&mut self, below: &RemotePath, _found: &Found) -> Option<Digest> {
        self.found.get(below.as_bytes())?.digest.as_deref().copied()
    }

    fn is_complete(&self) -> bool {
        !self.partial
    }
}

/// Nothing is known about the content.
pub(super) fn unknown() -> Prepared {
    Prepared { there: true, existing: Box::new(Entries { partial: true, ..Entries::default() }) }
}

/// Creates the folder `to`, unless it exists.
pub(super) async fn folder(
    remote: &Remote,
    to: &RemotePath,
    make: Make,
    digests: bool,
) -> Result<Prepared, ClientError> {
    let is = |error: &ClientError, code| matches!(error, ClientError::Refused(refusal) if refusal.code == code);
    let new = || Prepared { there: false, existing: Box::<Entries>::default() };
    if make != Make::Nothing && !to.is_home() {
        let mut made = remote.make_dir(to.clone(), false).await;
        if make == Make::WithParents && matches!(&made, Err(error) if is(error, Code::NotFound)) {
            made = remote.make_dir(to.clone(), true).await;
        }
        match made {
            Ok(()) => return Ok(new()),
            Err(error) if is(&error, Code::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    match entries(remote, to, digests).await {
        Ok(entries) => Ok(Prepared { there: true, existing: Box::new(entries) }),
        Err(error) if make == Make::Nothing && is(&error, Code::NotFound) => Ok(new()),
        Err(error) => Err(error),
    }
}

async fn entries(remote: &Remote, folder: &RemotePath, digests: bool) -> Result<Entries, ClientError> {
    let mut entries = Entries::default();
    let mut pages = remote.walk_as(folder.clone(), digests).await?;
    while let Some(page) = pages.next().await {
        let page = page?;
        let digests = page.digests.into_iter().chain(std::iter::repeat(None));
        for (entry, digest) in page.entries.into_iter().zip(digests) {
            let Ok(path) = page.under.join(&entry.name) else { continue };
            if entries.found.len() >= MOST_REMEMBERED {
                entries.partial = true;
                break;
            }
            let facts = FileFacts { size: entry.size, mtime: entry.mtime };
            let (kind, mode, digest) = (entry.kind, entry.mode, digest.map(Box::new));
            entries.found.insert(path.as_bytes().into(), Here { kind, facts, mode, digest });
        }
        // An unreadable folder may have content.
        entries.partial |= !page.unreadable.is_empty();
    }
    Ok(entries)
}
