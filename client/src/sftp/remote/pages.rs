//! Listings in pages, as the front ends take them.

use std::sync::Arc;

use ferry_shared::{message::reply, path::RemotePath, refusal::Code};
use globset::{GlobBuilder, GlobMatcher};
use tokio::{sync::mpsc, task::JoinSet};

use super::super::{calls::Calls, fault, walk};
use crate::{
    error::ClientError,
    site::{Page, Walk},
};

/// Pages that wait for their reader.
const PAGES: usize = 4;

/// Pages of entries.
#[derive(Debug)]
pub struct PageStream {
    pages: mpsc::Receiver<Result<reply::Page, ClientError>>,
    /// Ends with the stream.
    _task: JoinSet<()>,
}

impl PageStream {
    /// The next page; `None` after the last one. This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<reply::Page, ClientError>> {
        self.pages.recv().await
    }
}

/// The entries that are wanted.
pub(super) enum Picks {
    All,
    /// Some, by their names.
    Some {
        pattern: Pattern,
        left: u64,
    },
}

/// A part of a name, or a glob; case matters only if the pattern has capitals.
pub(super) enum Pattern {
    Glob(GlobMatcher),
    Part { part: String, any_case: bool },
}

impl Picks {
    /// At most `limit` entries whose names match `pattern`.
    ///
    /// # Errors
    /// The pattern is not valid.
    pub(super) fn new(pattern: &str, limit: u64) -> Result<Self, ClientError> {
        let any_case = !pattern.chars().any(char::is_uppercase);
        let pattern = if pattern.contains(['*', '?', '[']) {
            let glob = GlobBuilder::new(pattern).case_insensitive(any_case).build();
            let glob = glob.map_err(|error| fault::refused(Code::BadPath, error.to_string()))?;
            Pattern::Glob(glob.compile_matcher())
        } else {
            Pattern::Part { part: if any_case { pattern.to_lowercase() } else { pattern.to_owned() }, any_case }
        };
        Ok(Self::Some { pattern, left: limit })
    }

    /// Leaves only wanted entries in a page; returns whether more are wanted.
    fn choose(&mut self, page: &mut reply::Page) -> bool {
        let Self::Some { pattern, left } = self else { return true };
        page.entries.retain(|entry| {
            let name = String::from_utf8_lossy(entry.name.as_bytes());
            let picked = match pattern {
                Pattern::Glob(glob) => glob.is_match(&*name),
                Pattern::Part { part, any_case: true } => name.to_lowercase().contains(&**part),
                Pattern::Part { part, any_case: false } => name.contains(&**part),
            };
            let taken = picked && *left > 0;
            *left -= u64::from(taken);
            taken
        });
        *left > 0
    }
}

/// Lists the folder `path`, and the folders in it that are to be entered. Returns once its first page is there.
///
/// # Errors
/// The folder cannot be read.
pub(super) async fn run(
    calls: Calls,
    path: RemotePath,
    enters: fn(&RemotePath) -> bool,
    mut picks: Picks,
) -> Result<PageStream, ClientError> {
    let (walked, mut told) = mpsc::channel::<Page>(PAGES);
    let (sender, mut pages) = mpsc::channel(PAGES);
    let mut task = JoinSet::new();
    task.spawn(async move {
        let walk = Walk { follow: false, digests: false, enters: Arc::new(enters) };
        let walking = async move { walk::run(&calls, calls.wire(&path), &walk, &walked).await };
        let out = sender.clone();
        let telling = async move {
            while let Some(Page { under, entries, unreadable, .. }) = told.recv().await {
                let unreadable = unreadable.into_iter().map(|(path, _)| path).collect();
                let mut page = reply::Page { under, entries, unreadable, digests: Vec::new(), more: true };
                let goes_on = picks.choose(&mut page);
                if out.send(Ok(page)).await.is_err() || !goes_on {
                    return;
                }
            }
        };
        let (walked, ()) = tokio::join!(walking, telling);
        let last = walked.map(|()| reply::Page {
            under: RemotePath::home(),
            entries: Vec::new(),
            unreadable: Vec::new(),
            digests: Vec::new(),
            more: false,
        });
        // Nobody may be left to take it.
        drop(sender.send(last).await);
    });
    // An error of the folder itself is one of the call.
    let first = match pages.recv().await {
        Some(Ok(page)) => page,
        Some(Err(error)) => return Err(error),
        None => return Err(ClientError::Cancelled),
    };
    let (again, joined) = mpsc::channel(PAGES);
    task.spawn(async move {
        if again.send(Ok(first)).await.is_err() {
            return;
        }
        while let Some(page) = pages.recv().await {
            if again.send(page).await.is_err() {
                return;
            }
        }
    });
    Ok(PageStream { pages: joined, _task: task })
}
