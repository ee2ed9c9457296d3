//! The trees of a job that its owner has listed already, so that the engine does not list them again.

use std::{collections::BTreeMap, fmt, sync::Arc};

use ferry_shared::{entry::Entry, path::RemotePath};
use tokio::sync::mpsc;

use crate::{
    error::ClientError,
    site::{Existing, Page},
};

/// The maximum number of entries per page.
const PAGE: usize = 1024;

/// The trees of a job with one piece, which is a folder. Paths are relative to it.
pub trait Trees: fmt::Debug + Send + Sync {
    /// The entries to transfer, by their folders; the folders above each entry are among them.
    fn source(&self) -> &BTreeMap<RemotePath, Vec<Entry>>;

    /// The content of the target, if it exists and is as it was listed.
    fn target(&self) -> Option<Box<dyn Existing>>;
}

/// Sends the entries of a source in pages, like a walk.
pub(super) async fn walk(trees: Arc<dyn Trees>, pages: mpsc::Sender<Page>) -> Result<(), ClientError> {
    for (under, entries) in trees.source() {
        for entries in entries.chunks(PAGE) {
            let page = Page { under: under.clone(), entries: entries.to_vec(), ..Page::default() };
            if pages.send(page).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}
