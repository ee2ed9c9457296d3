//! The stream of the pages of a listing.

use std::sync::Arc;

use ferry_shared::{message::reply::Page, refusal::Refusal};
use tokio::sync::mpsc;

use super::Shared;
use crate::error::ClientError;

/// Pages of entries. The server waits for the reader of the stream; the rest is discarded if the stream is dropped
/// early.
#[derive(Debug)]
pub struct PageStream {
    pages: mpsc::Receiver<Result<Page, Refusal>>,
    shared: Arc<Shared>,
    finished: bool,
}

impl PageStream {
    pub(super) fn new(pages: mpsc::Receiver<Result<Page, Refusal>>, shared: Arc<Shared>) -> Self {
        Self { pages, shared, finished: false }
    }

    /// Returns the next page; `None` after the last one. This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Page, ClientError>> {
        if self.finished {
            return None;
        }
        let page = match self.pages.recv().await {
            Some(page) => page.map_err(ClientError::from),
            None => Err(self.shared.end().await),
        };
        self.finished = page.as_ref().map_or(true, |page| !page.more);
        Some(page)
    }
}
