//! Batches: many requests whose answers go to one receiver, each with its number.

use std::sync::{
    Arc,
    atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

use ferry_shared::{
    entry,
    frame::Payload,
    limits::{BLOCK_SIZE, block_count},
    message::Reply,
};
use tokio::sync::{Notify, mpsc};

use super::{Incoming, Waiter, let_pass};
use crate::{
    connection,
    error::ClientError,
    site::{Answer, BlockBytes, Content, Done, FileFacts, Found, Opened, Stored, Version, Watch},
};

/// The expected answer to a request, unless it is refused.
#[derive(Debug)]
pub(crate) enum Expected {
    /// `Entry`.
    Entry,
    /// `Done`.
    Done,
    /// `Removed`.
    Removed,
    /// `Hashed`.
    Hashed,
    /// `Stored`.
    Stored,
    /// `Opened`, a block unless the file is empty, `Sent`.
    Content,
    /// The rest of a `Content` answer, after its block.
    Sent(Opened, BlockBytes),
    /// The rest of a `Content` answer with more than one block, to be skipped: at most this number of blocks.
    Nothing(u64),
}

/// The state that the waiters of a batch share.
#[derive(Debug)]
pub(crate) struct Batch {
    answers: mpsc::Sender<Answer>,
    unanswered: AtomicUsize,
    answered: Notify,
}

/// The waiter for the answer to one request of a batch.
#[derive(Debug)]
pub(crate) struct EachWaiter {
    id: u64,
    expected: Expected,
    batch: Arc<Batch>,
    watch: Option<Arc<dyn Watch>>,
}

impl Batch {
    /// Creates a batch that sends its answers to `answers`.
    pub(crate) fn new(answers: mpsc::Sender<Answer>) -> Arc<Self> {
        Arc::new(Self { answers, unanswered: AtomicUsize::new(0), answered: Notify::new() })
    }

    /// Creates the waiter for the answer to request `id`, whose progress `watch` observes.
    pub(crate) fn waiter(self: &Arc<Self>, id: u64, expected: Expected, watch: Option<Arc<dyn Watch>>) -> Waiter {
        self.unanswered.fetch_add(1, Relaxed);
        Waiter::Each(EachWaiter { id, expected, batch: Arc::clone(self), watch })
    }

    /// The number of requests without an answer.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Acquire)
    }

    /// Waits until every request has its answer.
    pub(crate) async fn all_answered(&self) {
        while self.unanswered() > 0 {
            self.answered.notified().await;
        }
    }

    /// Passes on the answer to a request that has a waiter.
    async fn answered(&self, id: u64, result: Result<Done, ClientError>) {
        self.answer(id, result).await;
        if self.unanswered.fetch_sub(1, AcqRel) == 1 {
            self.answered.notify_one();
        }
    }

    /// Passes on an answer.
    pub(crate) async fn answer(&self, id: u64, result: Result<Done, ClientError>) {
        // The receiver may be gone.
        let _gone = self.answers.send(Answer { id, result }).await;
    }
}

impl EachWaiter {
    pub(super) fn is_due(&self) -> bool {
        use Expected::{Content, Done, Entry, Hashed, Nothing, Removed, Sent, Stored};
        match self.expected {
            Entry | Content | Sent(..) | Nothing(_) => true,
            Done | Removed | Hashed | Stored => false,
        }
    }

    /// Takes note that `bytes` of a block have arrived.
    pub(super) fn arriving(&self, bytes: usize) {
        if let (Some(watch), Expected::Sent(..)) = (&self.watch, &self.expected) {
            watch.arriving(bytes as u64);
        }
    }

    pub(super) async fn take(mut self, incoming: Incoming) -> Result<Option<Waiter>, ClientError> {
        let result = match (self.expected, incoming) {
            (Expected::Nothing(_), Incoming::Reply(Reply::Sent { .. } | Reply::Refused(_))) => return Ok(None),
            (Expected::Nothing(left), Incoming::Block { .. }) if left > 0 => {
                self.expected = Expected::Nothing(left - 1);
                return Ok(Some(Waiter::Each(self)));
            }
            (_, Incoming::Reply(Reply::Refused(refusal))) => Err(refusal.into()),
            (Expected::Entry, Incoming::Reply(Reply::Entry { entry, version })) => {
                Ok(Done::Found(found(&entry, version)))
            }
            (Expected::Done, Incoming::Reply(Reply::Done))
            | (Expected::Removed, Incoming::Reply(Reply::Removed { .. })) => Ok(Done::Done),
            (Expected::Hashed, Incoming::Reply(Reply::Hashed { digest, .. })) => match digest.parse() {
                Ok(root) => Ok(Done::Hashed { root, opened: None }),
                Err(_) => Err(ClientError::Protocol(format!("invalid digest {digest:?}"))),
            },
            (Expected::Stored, Incoming::Reply(Reply::Stored { root, size, .. })) => {
                Ok(Done::Stored(Stored { root: Some(root), size, reused: 0 }))
            }
            (Expected::Content, Incoming::Reply(Reply::Opened { size, mtime, mode, version })) => {
                let opened = Opened { size: Some(size), mtime, mode, version: Some(Version::new(version)) };
                if size <= BLOCK_SIZE {
                    self.expected = Expected::Sent(opened, BlockBytes::Zeros(0));
                    return Ok(Some(Waiter::Each(self)));
                }
                self.batch.answered(self.id, Ok(Done::Large(opened))).await;
                let blocks = block_count(size);
                let_pass(blocks)?;
                self.expected = Expected::Nothing(blocks);
                return Ok(Some(Waiter::Each(self)));
            }
            (Expected::Sent(opened, none), Incoming::Block { index: 0, bytes }) if none.is_empty() => {
                let length = opened.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
                let bytes = block(bytes, length).filter(|bytes| !bytes.is_empty()).ok_or_else(wrong_block)?;
                self.expected = Expected::Sent(opened, bytes);
                return Ok(Some(Waiter::Each(self)));
            }
            (Expected::Sent(opened, bytes), Incoming::Reply(Reply::Sent { root: Some(root), .. })) => {
                if opened.size != Some(bytes.len() as u64) {
                    return Err(wrong_block());
                }
                Ok(Done::Content(Box::new(Content { opened, bytes, root, grown: None })))
            }
            (_, Incoming::Reply(reply)) => {
                return Err(ClientError::Protocol(format!("an answer without a request: {reply:?}")));
            }
            (_, Incoming::Block { .. } | Incoming::Delta { .. }) => {
                return Err(ClientError::Protocol("a block without a request".into()));
            }
            (_, Incoming::Have { .. } | Incoming::Chunks(_)) => {
                return Err(connection::unexpected("a request of a batch"));
            }
        };
        self.batch.answered(self.id, result).await;
        Ok(None)
    }
}

fn wrong_block() -> ClientError {
    ClientError::Protocol("a file of one block without its data".into())
}

/// Converts a received block of `length` bytes; `None` if its length differs.
pub(crate) fn block(bytes: Payload, length: usize) -> Option<BlockBytes> {
    match bytes {
        bytes if bytes.is_empty() => Some(BlockBytes::Zeros(length)),
        bytes if bytes.len() != length => None,
        Payload::Shared(bytes) => Some(BlockBytes::Shared(bytes)),
        Payload::Pooled(buffer) => Some(BlockBytes::Pooled { buffer, start: 0 }),
    }
}

/// Converts an entry to the form that sites use.
pub(crate) fn found(entry: &entry::Entry, version: Option<entry::Version>) -> Found {
    let facts = FileFacts { size: entry.size, mtime: entry.mtime };
    Found { kind: entry.kind, facts, mode: entry.mode, version: version.map(Version::new) }
}
