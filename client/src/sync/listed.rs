//! The trees of a sync as the transfer engine takes them: of the source only what is planned, of the target what was
//! listed.

use std::{collections::BTreeMap, sync::Arc};

use ferry_shared::{entry::Entry, path::RemotePath};

use super::listing::Listing;
use crate::{
    error::ClientError,
    site::{Existing, FileFacts, Found},
    transfer::Trees,
};

/// The trees of a job.
#[derive(Debug)]
pub(super) struct Listed {
    /// The entries to transfer, by their folders.
    chosen: BTreeMap<RemotePath, Vec<Entry>>,
    /// The listing of the target, if it is as it was listed.
    target: Option<Arc<Listing>>,
}

impl Listed {
    /// Chooses entries of `source`, with the folders above them.
    pub(super) fn new<'a>(
        entries: impl IntoIterator<Item = (&'a RemotePath, &'a Entry)>,
        source: &Listing,
        target: Option<Arc<Listing>>,
    ) -> Arc<Self> {
        let mut all: BTreeMap<RemotePath, Entry> = BTreeMap::new();
        for (path, entry) in entries {
            all.insert(path.clone(), entry.clone());
            let mut above = path.parent();
            while let Some(folder) = above.filter(|folder| !folder.is_home() && !all.contains_key(folder)) {
                if let Some(entry) = source.entry(&folder) {
                    all.insert(folder.clone(), entry.clone());
                }
                above = folder.parent();
            }
        }
        let mut chosen: BTreeMap<RemotePath, Vec<Entry>> = BTreeMap::new();
        for (path, entry) in all {
            chosen.entry(path.parent().unwrap_or_default()).or_default().push(entry);
        }
        Arc::new(Self { chosen, target })
    }
}

impl Trees for Listed {
    fn source(&self) -> &BTreeMap<RemotePath, Vec<Entry>> {
        &self.chosen
    }

    fn target(&self) -> Option<Box<dyn Existing>> {
        let listing = self.target.as_ref().filter(|listing| listing.exists)?;
        Some(Box::new(Content(Arc::clone(listing))))
    }
}

/// The content of a target as it was listed.
struct Content(Arc<Listing>);

impl Existing for Content {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        Ok(self.0.entry(below).map(|entry| Found {
            kind: entry.kind,
            facts: FileFacts { size: entry.size, mtime: entry.mtime },
            mode: entry.mode,
            version: None,
        }))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}
