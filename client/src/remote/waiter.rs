//! Who waits for an answer, and how each frame of it is handed over.

use std::io;

use ferry_shared::{
    digest::Digest,
    entry::{Mtime, Version},
    frame::Payload,
    limits::BLOCK_SIZE,
    link::LinkError,
    message::{
        Reply,
        reply::{Page, UnfinishedUpload},
        request::BlockRange,
    },
    refusal::Refusal,
};
use tokio::sync::{mpsc, oneshot};

use super::reading::span;
use crate::{connection, error::ClientError};

/// Pages kept for a reader that is slow.
pub(super) const PAGES: usize = 4;
/// Blocks kept for a reader that is slow.
pub(super) const BLOCKS: usize = 4;
/// What is left of a read nobody wants any more is let pass up to this; more is not worth
/// the wait, and the connection is given up.
const LET_PASS: u64 = 16 * BLOCK_SIZE;

/// One message or block from the server.
#[derive(Debug)]
pub(super) enum Incoming {
    Reply(Reply),
    Block { index: u64, bytes: Payload },
}

/// A piece of the answer to a `Get`.
#[derive(Debug)]
pub(super) enum Part {
    Opened { size: u64, mtime: Mtime, mode: u32, version: Version },
    Block { index: u64, bytes: Payload },
    Sent { root: Option<Digest> },
    Refused(Refusal),
}

/// Who waits for the answer to a request.
#[derive(Debug)]
pub(super) enum Waiter {
    /// One message.
    One(oneshot::Sender<Result<Reply, Refusal>>),
    /// Pages up to one without `more`.
    Pages(mpsc::Sender<Result<Page, Refusal>>),
    /// Unfinished uploads up to a page without `more`.
    Uploads(UploadsWaiter),
    /// Blocks up to `Sent`.
    Read(ReadWaiter),
    /// The task itself.
    Pong(oneshot::Sender<()>),
}

/// Gathers the pages of unfinished uploads.
#[derive(Debug)]
pub(super) struct UploadsWaiter {
    uploads: Vec<UnfinishedUpload>,
    answer: oneshot::Sender<Result<Vec<UnfinishedUpload>, Refusal>>,
    paged: bool,
}

/// Waits for the blocks of a `Get`.
#[derive(Debug)]
pub(super) struct ReadWaiter {
    parts: mpsc::Sender<Part>,
    range: Option<BlockRange>,
    /// Blocks still to come.
    left: u64,
}

impl Waiter {
    /// Hands `incoming` over, waiting for a slow reader; gives itself back when more is to come.
    ///
    /// A reader that is gone changes nothing: what it asked for still has to pass.
    ///
    /// # Errors
    /// [`ClientError`] ends the connection.
    pub(super) async fn take(self, incoming: Incoming) -> Result<Option<Self>, ClientError> {
        match (self, incoming) {
            (Self::One(sender), Incoming::Reply(reply)) => {
                let _gone = sender.send(refused(reply));
                Ok(None)
            }
            (Self::Pages(sender), Incoming::Reply(reply)) => take_page(sender, reply).await,
            (Self::Uploads(waiter), Incoming::Reply(reply)) => waiter.take(reply),
            (Self::Read(waiter), incoming) => waiter.take(incoming).await,
            (Self::Pong(sender), Incoming::Reply(Reply::Pong)) => {
                let _gone = sender.send(());
                Ok(None)
            }
            (Self::Pong(_), Incoming::Reply(Reply::Refused(refusal))) => Err(refusal.into()),
            (Self::Pong(_), Incoming::Reply(_)) => Err(connection::unexpected("ping")),
            (_, Incoming::Block { .. }) => Err(ClientError::Protocol("a block nobody asked for".into())),
        }
    }
}

fn refused(reply: Reply) -> Result<Reply, Refusal> {
    match reply {
        Reply::Refused(refusal) => Err(refusal),
        reply => Ok(reply),
    }
}

async fn take_page(sender: mpsc::Sender<Result<Page, Refusal>>, reply: Reply) -> Result<Option<Waiter>, ClientError> {
    let page = match reply {
        Reply::Entries(page) => Ok(page),
        Reply::Refused(refusal) => Err(refusal),
        _ => return Err(connection::unexpected("a listing")),
    };
    let more = page.as_ref().is_ok_and(|page| page.more);
    let _gone = sender.send(page).await;
    Ok(more.then_some(Waiter::Pages(sender)))
}

impl UploadsWaiter {
    /// `paged`: the server may answer in more than one message.
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
    pub(super) fn new(parts: mpsc::Sender<Part>, range: Option<BlockRange>) -> Self {
        Self { parts, range, left: 0 }
    }

    async fn take(mut self, incoming: Incoming) -> Result<Option<Waiter>, ClientError> {
        let part = match incoming {
            Incoming::Block { index, bytes } => {
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
            Incoming::Reply(_) => return Err(connection::unexpected("get")),
        };
        let last = matches!(part, Part::Sent { .. } | Part::Refused(_));
        let gone = self.parts.send(part).await.is_err();
        if last {
            Ok(None)
        } else if gone && self.left.saturating_mul(BLOCK_SIZE) > LET_PASS {
            Err(given_up())
        } else {
            Ok(Some(Waiter::Read(self)))
        }
    }
}

/// A fresh connection is cheaper than the rest of a read that nobody wants.
fn given_up() -> ClientError {
    LinkError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, "a read was given up")).into()
}
