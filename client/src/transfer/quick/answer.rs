//! Matches answers with requests, in order, and sends each item on its way.

use std::{pin::pin, sync::atomic::AtomicU64, task::Poll};

use ferry_shared::{
    digest::Digest,
    entry::{Mtime, Version},
    frame::Payload,
    limits::BLOCK_SIZE,
    message::Reply,
    refusal::{Code, Refusal},
};

use super::{
    Asked, Expected, Pending,
    disk::{Arrival, Disk},
};
use crate::{
    connection::FrameReader,
    error::ClientError,
    reconnect::Patience,
    transfer::{
        conflict::FileFacts,
        core::{Core, Shared},
        flow::{self, Next},
        item::Item,
        link::{Incoming, out_of_step},
        local::folder::Found,
        window::Window,
    },
};

pub(super) struct Answers<'a> {
    core: &'a Shared,
    pending: &'a Pending,
    window: &'a Window,
    /// What came so far of the file that is being received.
    receiving: Option<Receiving>,
    disk: Disk,
    /// The last refusal that may pass.
    hiccup: Option<ClientError>,
}

struct Receiving {
    size: u64,
    mtime: Mtime,
    mode: u32,
    version: Version,
    bytes: Option<Payload>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(core: &'a Shared, pending: &'a Pending, window: &'a Window) -> Self {
        Self { core, pending, window, receiving: None, disk: Disk::new(core), hiccup: None }
    }

    /// Reads until all requests are answered.
    pub(super) async fn read(&mut self, reader: &mut FrameReader, sent: &AtomicU64) -> Result<(), ClientError> {
        let pending = self.pending;
        while !pending.is_finished() {
            let mut next = pin!(self.core.incoming_in_time(reader, sent, || pending.is_due()));
            let incoming = match std::future::poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
                Poll::Ready(incoming) => incoming?,
                Poll::Pending => {
                    // Nothing more is here: what is goes to disk while we wait.
                    self.disk.hand_over().await?;
                    tokio::select! {
                        biased;
                        incoming = next => incoming?,
                        () = self.pending.finished() => return Ok(()),
                    }
                }
            };
            self.take(incoming).await?;
        }
        Ok(())
    }

    /// Waits for the disk; the last refusal that may pass, if there was one.
    pub(super) async fn finish(self) -> Option<ClientError> {
        self.disk.finish().await.err().or(self.hiccup)
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), ClientError> {
        match incoming {
            Incoming::Reply(Reply::Opened { size, mtime, mode, version }) => {
                self.opened(Receiving { size, mtime, mode, version, bytes: None })
            }
            Incoming::Block { index: 0, bytes } => self.block(bytes),
            Incoming::Reply(Reply::Sent { root: Some(root), .. }) => self.sent(root).await,
            Incoming::Reply(reply) => {
                self.receiving = None;
                // Stays where it is unless it is answered, so that it is not lost with the connection.
                let asked = self.pending.asked.lock().pop_front_if(|asked| asked.answer.fits(&reply));
                let Some(asked) = asked else { return Err(out_of_step(&Incoming::Reply(reply))) };
                self.window.leave(asked.bytes);
                let Some(item) = asked.item else { return Ok(()) };
                let next = match reply {
                    Reply::Refused(refusal) => {
                        self.note_hiccup(&refusal);
                        refused(item, &asked.answer, refusal, self.core.patience)
                    }
                    reply => answered(item, asked.answer, reply, self.core),
                };
                self.core.apply(next).await;
                Ok(())
            }
            other => Err(out_of_step(&other)),
        }
    }

    fn note_hiccup(&mut self, refusal: &Refusal) {
        let error = ClientError::from(refusal.clone());
        if error.is_transient() {
            self.hiccup = Some(error);
        }
    }

    fn opened(&mut self, opened: Receiving) -> Result<(), ClientError> {
        let expected = self.pending.asked.lock().front().is_some_and(|asked| matches!(asked.answer, Expected::Content));
        if !expected || self.receiving.is_some() {
            return Err(ClientError::Protocol("a file that nobody asked for".into()));
        }
        if opened.size > BLOCK_SIZE {
            // It has grown: what comes now is for a connection of its own. Ours is given
            // up, which is rare and costs less than taking all of it for nothing.
            if let Some(item) = self.pending.asked.lock().front_mut().and_then(|asked| asked.item.as_mut()) {
                item.set_size(opened.size);
            }
            return Err(ClientError::SourceChanged);
        }
        self.receiving = Some(opened);
        Ok(())
    }

    fn block(&mut self, bytes: Payload) -> Result<(), ClientError> {
        let mut pending = self.pending.asked.lock();
        let asked = pending.front_mut().and_then(|asked| asked.item.as_mut());
        let (Some(receiving), Some(item)) = (&mut self.receiving, asked) else {
            return Err(ClientError::Protocol("a block that nobody asked for".into()));
        };
        if receiving.bytes.is_some() {
            return Err(ClientError::Protocol("a second block of a file of one".into()));
        }
        item.count(receiving.size);
        receiving.bytes = Some(bytes);
        Ok(())
    }

    async fn sent(&mut self, root: Digest) -> Result<(), ClientError> {
        let asked = self.pending.asked.lock().pop_front();
        let (Some(receiving), Some(Asked { item: Some(mut item), bytes, .. })) = (self.receiving.take(), asked) else {
            return Err(ClientError::Protocol("the end of a file that nobody asked for".into()));
        };
        self.window.leave(bytes);
        let Receiving { size, mtime, mode, version, bytes } = receiving;
        item.version = Some(version);
        item.set_size(size);
        self.disk.put(Arrival { item, size, mtime, mode, bytes, root }).await
    }
}

fn refused(item: Item, expected: &Expected, refusal: Refusal, patience: Patience) -> Next {
    match (expected, refusal.code) {
        // Gone since somebody saw it: nothing is in the way any more.
        (Expected::Entry | Expected::Compared(_) | Expected::Attributes, Code::NotFound) if item.is_upload() => {
            flow::found(item, None, false)
        }
        // Filters left it empty, so that it was not made; or it is somebody else's.
        (Expected::FolderDate, Code::NotFound | Code::NotAllowed) => flow::folder_dated(item),
        // A file that is not there any more need not be removed.
        (Expected::SourceRemoved(done), Code::NotFound) => flow::verified(item, *done),
        (Expected::SourceRemoved(_), Code::Changed) => flow::failed(item, ClientError::SourceChanged, patience),
        _ => flow::refused(item, refusal, patience),
    }
}

/// What an answer that is no refusal, and fits, means for the item.
fn answered(mut item: Item, expected: Expected, reply: Reply, core: &Core) -> Next {
    let mismatch = |item, expected, found| flow::failed(item, ClientError::Mismatch { expected, found }, core.patience);
    let hashed = |digest: &str| digest.parse().map_err(|_| ClientError::Protocol(format!("{digest:?} is no digest")));
    match (expected, reply) {
        (Expected::Stored(done), Reply::Stored { root: stored, size, .. }) => {
            if stored != done.root || size != done.size {
                return mismatch(item, done.root, stored);
            }
            flow::arrived(item, done)
        }
        (Expected::Entry, Reply::Entry { entry, version }) => {
            item.version = version;
            let facts = FileFacts { size: entry.size, mtime: entry.mtime };
            flow::found(item, Some(Found { kind: entry.kind, facts, identity: None }), false)
        }
        (Expected::Source, Reply::Entry { version: Some(version), .. }) => {
            item.version = Some(version);
            Next::Again(item)
        }
        // It is no file any more.
        (Expected::Source, Reply::Entry { version: None, .. }) => {
            flow::failed(item, ClientError::SourceChanged, Patience::NONE)
        }
        (Expected::Compared(local), Reply::Hashed { digest, .. }) => match hashed(&digest) {
            Ok(remote) => flow::compared(item, local, remote),
            Err(error) => flow::failed(item, error, Patience::NONE),
        },
        (Expected::Confirmed(done), Reply::Hashed { digest, .. }) => match hashed(&digest) {
            Ok(found) if found == done.root => flow::confirmed(item, done),
            Ok(found) => mismatch(item, done.root, found),
            Err(error) => flow::failed(item, error, Patience::NONE),
        },
        (Expected::Folder, _) => flow::folder_made(item),
        (Expected::FolderDate, _) => flow::folder_dated(item),
        (Expected::Attributes, _) => flow::equal(item),
        (Expected::SourceRemoved(done), _) => flow::verified(item, done),
        (Expected::Discarded, _) => flow::discarded(item),
        (_, reply) => flow::failed(item, out_of_step(&Incoming::Reply(reply)), Patience::NONE),
    }
}

impl Expected {
    /// Whether `reply` answers what was asked.
    fn fits(&self, reply: &Reply) -> bool {
        match self {
            _ if matches!(reply, Reply::Refused(_)) => true,
            Self::Stored(_) => matches!(reply, Reply::Stored { .. }),
            Self::Content => false,
            Self::Entry | Self::Source => matches!(reply, Reply::Entry { .. }),
            Self::Compared(_) | Self::Confirmed(_) => matches!(reply, Reply::Hashed { .. }),
            Self::Folder | Self::FolderDate | Self::Attributes | Self::Discarded => matches!(reply, Reply::Done),
            Self::SourceRemoved(_) => matches!(reply, Reply::Removed { .. }),
            Self::Alive => matches!(reply, Reply::Pong),
        }
    }
}
