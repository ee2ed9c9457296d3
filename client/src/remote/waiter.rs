//! The waiters for answers, which pass on each frame.

mod each;
mod upload;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Release},
    },
};

use ferry_shared::{
    chunks::Described,
    digest::Digest,
    entry::{Mtime, Version},
    frame::Payload,
    limits::{BLOCK_SIZE, block_count},
    link::LinkError,
    message::{
        Reply,
        reply::{Page, Stream, UnfinishedUpload},
        request::BlockRange,
    },
    refusal::Refusal,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::running::Said;
use crate::{connection, error::ClientError, site::Watch};
use each::EachWaiter;
pub(crate) use each::{Batch, Expected, block, found};
pub(crate) use upload::{UploadPart, UploadWaiter};

/// The number of pages kept for a slow reader.
pub(super) const PAGES: usize = 4;
/// The number of parts of a file kept for a slow reader. A file of one block has three, so that of many files that are
/// read one after the other only the first ones are in memory.
pub(super) const PARTS: usize = 2;
/// The maximum number of bytes that are skipped after a read was dropped. Beyond this, closing the connection is
/// faster.
const LET_PASS: u64 = 16 * BLOCK_SIZE;

/// A frame from the server.
#[derive(Debug)]
pub(super) enum Incoming {
    Reply(Reply),
    Block { index: u64, bytes: Payload },
    Have { digests: Vec<Digest> },
    Delta { index: u64, steps: Payload },
    Chunks(Described),
}

/// A part of the answer to a `Get`.
#[derive(Debug)]
pub(crate) enum Part {
    Opened { size: u64, mtime: Mtime, mode: u32, version: Version },
    Block { index: u64, bytes: Payload },
    Delta { index: u64, steps: Payload },
    Sent { root: Option<Digest> },
    Refused(Refusal),
}

/// The receiver of the answer to a request.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// One message.
    One(OneWaiter),
    /// Pages, up to one without `more`.
    Pages(PagesWaiter),
    /// Unfinished uploads, up to a page without `more`.
    Uploads(UploadsWaiter),
    /// Blocks, up to `Sent`.
    Read(ReadWaiter),
    /// The output of a command, up to its end.
    Run(RunWaiter),
    /// An upload: the digests of the server's blocks, and the result.
    Upload(UploadWaiter),
    /// One request of a batch.
    Each(EachWaiter),
    /// The task itself, for a ping.
    Pong(oneshot::Sender<()>),
}

/// The waiter for one message.
#[derive(Debug)]
pub(crate) struct OneWaiter {
    answer: oneshot::Sender<Result<Reply, Refusal>>,
    /// Whether the server can answer immediately.
    prompt: bool,
}

/// The waiter for the pages of a listing.
#[derive(Debug)]
pub(crate) struct PagesWaiter {
    pub(super) pages: mpsc::Sender<Result<Page, Refusal>>,
    /// Whether the server can send the next page immediately.
    pub(super) prompt: bool,
}

/// The waiter that collects the pages of unfinished uploads.
#[derive(Debug)]
pub(crate) struct UploadsWaiter {
    uploads: Vec<UnfinishedUpload>,
    answer: oneshot::Sender<Result<Vec<UnfinishedUpload>, Refusal>>,
    paged: bool,
}

/// The waiter for what a command says.
#[derive(Debug)]
pub(crate) struct RunWaiter {
    pub(super) said: mpsc::Sender<Result<Said, Refusal>>,
}

/// The waiter for the blocks of a `Get`.
#[derive(Debug)]
pub(crate) struct ReadWaiter {
    parts: mpsc::Sender<Part>,
    range: Option<BlockRange>,
    /// The blocks still to come.
    left: u64,
    /// The index of the first block that has not begun to arrive and was not omitted.
    next: u64,
    observed: Option<Observed>,
}

/// An observer of a file that is read.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) watch: Arc<dyn Watch>,
    /// Whether a large block is arriving, or has arrived and was not passed on yet.
    pub(crate) arriving: Arc<AtomicBool>,
}

impl Waiter {
    /// Whether the server can answer immediately, without reading a large file or flushing.
    pub(super) fn is_due(&self) -> bool {
        match self {
            Self::One(waiter) => waiter.prompt,
            Self::Pages(waiter) => waiter.prompt,
            Self::Each(waiter) => waiter.is_due(),
            Self::Read(_) | Self::Pong(_) => true,
            Self::Uploads(_) | Self::Upload(_) | Self::Run(_) => false,
        }
    }

    /// Takes note that `bytes` of the block `index` have arrived.
    pub(super) fn arriving(&mut self, index: u64, bytes: usize) {
        match self {
            Self::Read(waiter) => {
                waiter.begins(index);
                if let Some(Observed { watch, arriving }) = &waiter.observed {
                    arriving.store(true, Release);
                    watch.arriving(bytes as u64);
                }
            }
            Self::Each(waiter) => waiter.arriving(bytes),
            _ => {}
        }
    }

    /// The token that is cancelled when the transfer that it belongs to is to end.
    pub(super) fn pausing(&self) -> Option<CancellationToken> {
        match self {
            Self::Read(waiter) => waiter.observed.as_ref().map(|observed| observed.watch.pausing()),
            _ => None,
        }
    }

    /// Passes on `incoming`, waiting for a slow reader; returns itself if more is to come.
    ///
    /// A dropped reader makes no difference: its answer must be consumed anyway.
    ///
    /// # Errors
    /// A [`ClientError`] that ends the connection.
    pub(super) async fn take(self, incoming: Incoming) -> Result<Option<Self>, ClientError> {
        match (self, incoming) {
            (Self::One(waiter), Incoming::Reply(reply)) => {
                let _gone = waiter.answer.send(refused(reply));
                Ok(None)
            }
            (Self::Pages(waiter), Incoming::Reply(reply)) => waiter.take(reply).await,
            (Self::Uploads(waiter), Incoming::Reply(reply)) => waiter.take(reply),
            (Self::Run(waiter), Incoming::Reply(reply)) => waiter.take(reply).await,
            (Self::Read(waiter), incoming) => waiter.take(incoming).await,
            (Self::Upload(waiter), incoming) => waiter.take(incoming).await,
            (Self::Each(waiter), incoming) => waiter.take(incoming).await,
            (Self::Pong(sender), Incoming::Reply(Reply::Pong)) => {
                let _gone = sender.send(());
                Ok(None)
            }
            (Self::Pong(_), Incoming::Reply(Reply::Refused(refusal))) => Err(refusal.into()),
            (Self::Pong(_), Incoming::Reply(_)) => Err(connection::unexpected("ping")),
            (_, Incoming::Block { .. } | Incoming::Delta { .. }) => {
                Err(ClientError::Protocol("a block without a request".into()))
            }
            (_, Incoming::Have { .. } | Incoming::Chunks(_)) => {
                Err(ClientError::Protocol("digests without a request".into()))
            }
        }
    }
}

fn refused(reply: Reply) -> Result<Reply, Refusal> {
    match reply {
        Reply::Refused(refusal) => Err(refusal),
        reply => Ok(reply),
    }
}

impl OneWaiter {
    pub(super) fn waiter(prompt: bool) -> (Waiter, oneshot::Receiver<Result<Reply, Refusal>>) {
        let (answer, told) = oneshot::channel();
        (Waiter::One(Self { answer, prompt }), told)
    }
}

impl PagesWaiter {
    async fn take(self, reply: Reply) -> Result<Option<Waiter>, ClientError> {
        let page = match reply {
            Reply::Entries(page) => Ok(page),
            Reply::Refused(refusal) => Err(refusal),
            _ => return Err(connection::unexpected("a listing")),
        };
        let more = page.as_ref().is_ok_and(|page| page.more);
        let _gone = self.pages.send(page).await;
        Ok(more.then_some(Waiter::Pages(self)))
    }
}

impl RunWaiter {
    async fn take(self, reply: Reply) -> Result<Option<Waiter>, ClientError> {
        let said = match reply {
            Reply::Output { stream: Stream::Out, bytes } => Ok(Said::Out(bytes)),
            Reply::Output { stream: Stream::Err, bytes } => Ok(Said::Err(bytes)),
            Reply::Exited { status } => Ok(Said::Exited(status)),
            Reply::Refused(refusal) => Err(refusal),
            _ => return Err(connection::unexpected("run")),
        };
        let is_last = !matches!(said, Ok(Said::Out(_) | Said::Err(_)));
        // A dropped stream ends the connection, because only that stops the command.
        let _gone = self.said.send(said).await;
        Ok((!is_last).then_some(Waiter::Run(self)))
    }
}

impl UploadsWaiter {
    /// With `paged`, the server may answer with several messages.
    pub(super) fn new(answer: oneshot::Sender<Result<Vec<UnfinishedUpload>, Refusal>>, paged: bool) -> Self {
        Self { uploads: Vec::new(), answer, paged }
    }

    fn take(mut self, reply: Reply) -> Result<Option<Waiter>, ClientError> {
        let answer = match reply {
            Reply::Uploads { mut uploads, more } => {
                self.uploads.append(&mut uploads);
                if more && self.paged {
                    return Ok(Some(Waiter::Uploads(self)));
                }
                Ok(self.uploads)
            }
            Reply::Refused(refusal) => Err(refusal),
            _ => return Err(connection::unexpected("uploads")),
        };
        let _gone = self.answer.send(answer);
        Ok(None)
    }
}

impl ReadWaiter {
    pub(crate) fn new(parts: mpsc::Sender<Part>, range: Option<BlockRange>) -> Self {
        Self { parts, range, left: 0, next: 0, observed: None }
    }

    /// Lets `observed` follow the bytes as they arrive.
    pub(crate) fn observed(self, observed: Observed) -> Self {
        Self { observed: Some(observed), ..self }
    }

    /// Takes note that a block arrives: those before it were omitted, because they are there already.
    fn begins(&mut self, index: u64) {
        let omitted = index.saturating_sub(self.next);
        self.next = self.next.max(index.saturating_add(1));
        if let Some(Observed { watch, .. }) = self.observed.as_ref().filter(|_| omitted > 0) {
            // All blocks except the last one are full.
            watch.kept(omitted.saturating_mul(BLOCK_SIZE));
        }
    }

    async fn take(mut self, incoming: Incoming) -> Result<Option<Waiter>, ClientError> {
        let part = match incoming {
            Incoming::Block { index, bytes } => {
                self.begins(index);
                self.left = self.left.saturating_sub(1);
                Part::Block { index, bytes }
            }
            Incoming::Reply(Reply::Opened { size, mtime, mode, version }) => {
                let (first, end) = span(size, self.range);
                self.left = end - first;
                Part::Opened { size, mtime, mode, version }
            }
            Incoming::Reply(Reply::Sent { root, .. }) => Part::Sent { root },
            Incoming::Reply(Reply::Refused(refusal)) => Part::Refused(refusal),
            Incoming::Delta { index, steps } => {
                self.begins(index);
                self.left = self.left.saturating_sub(1);
                Part::Delta { index, steps }
            }
            Incoming::Reply(_) | Incoming::Have { .. } | Incoming::Chunks(_) => {
                return Err(connection::unexpected("get"));
            }
        };
        let last = matches!(part, Part::Sent { .. } | Part::Refused(_));
        let gone = self.parts.send(part).await.is_err();
        if let Some(Observed { arriving, .. }) = &self.observed {
            arriving.store(false, Release);
        }
        if last {
            Ok(None)
        } else if gone {
            let_pass(self.left)?;
            Ok(Some(Waiter::Read(self)))
        } else {
            Ok(Some(Waiter::Read(self)))
        }
    }
}

/// Decides whether to skip this number of unwanted blocks, or to open a new connection instead.
///
/// # Errors
/// [`ClientError::Lost`] if a new connection is faster.
fn let_pass(blocks: u64) -> Result<(), ClientError> {
    if blocks.saturating_mul(BLOCK_SIZE) <= LET_PASS {
        return Ok(());
    }
    Err(LinkError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, "a read was cancelled")).into())
}

/// The blocks of an answer, as the first index and the one after the last.
pub(super) fn span(size: u64, range: Option<BlockRange>) -> (u64, u64) {
    let count = block_count(size);
    match range {
        None => (0, count),
        Some(range) => {
            let first = range.first.min(count);
            (first, range.first.saturating_add(range.count).min(count).max(first))
        }
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::limits::BLOCK_SIZE;

    use super::*;

    #[test]
    fn a_range_is_cut_at_the_end_of_the_file() {
        let size = 3 * BLOCK_SIZE + 1;
        let range = |first, count| span(size, Some(BlockRange { first, count }));
        assert_eq!(span(size, None), (0, 4));
        assert_eq!(range(1, 2), (1, 3));
        assert_eq!(range(3, u64::MAX), (3, 4));
        assert_eq!(range(9, 1), (4, 4));
        assert_eq!(span(0, None), (0, 0));
    }
}
