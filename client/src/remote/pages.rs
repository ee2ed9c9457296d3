//! The pages of a listing, as they come.

use std::sync::Arc;

use ferry_shared::{message::reply::Page, refusal::Refusal};
use tokio::sync::mpsc;

use super::Shared;
use crate::error::ClientError;

/// Pages of entries. The server is slowed down to how fast they are taken; dropping the
/// stream early lets the rest pass unseen.
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

    /// The next page; `None` after the last one. Cancel-safe.
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
