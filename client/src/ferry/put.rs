//! Uploads: declares the file, passes on the digests of the server's blocks, sends the blocks that differ, and
//! commits.

mod encode;
mod last;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ferry_shared::{
    chunks::Known,
    digest::Digest,
    frame::put_message,
    limits::{BLOCK_SIZE, block_count, block_len},
    message::{Reply, Request, request::Basis},
    path::RemotePath,
    pool::BufferPool,
};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use self::{
    encode::{Block, Encoder},
    last::Last,
};
use super::{
    batch::{Frames, declaration, unsendable},
    pack::packed,
};
use crate::{
    error::ClientError,
    remote::{Call, Chunk, More, Remote, UploadPart, UploadWaiter, Waiter},
    site::{BlockBytes, Content, End, Opened, Over, Phase, Piece, Put, Stored, Watch},
};

/// The number of blocks queued for the connection.
const BLOCKS_AHEAD: usize = 2;
/// The number of have-frames queued for the source.
const HAVES_AHEAD: usize = 4;
/// The time that the connection may be silent while the source has nothing to send.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The number of last blocks that are held back until the source is known to be consistent. Meanwhile a few of their
/// bytes now and then keep the connection alive.
const HELD_BACK: u64 = 2;

/// The result, and whether the conversation is still in step.
type Outcome = (Result<Stored, ClientError>, bool);

pub(super) async fn run(
    remote: &Remote,
    pool: &BufferPool,
    path: RemotePath,
    put: &Put,
    mut pieces: mpsc::Receiver<Piece>,
    held: mpsc::Sender<Vec<Digest>>,
    watch: Arc<dyn Watch>,
) -> Outcome {
    // Nothing has been sent to the server yet.
    let opened = match pieces.recv().await {
        Some(Piece::Opened(opened)) => opened,
        Some(_) => return (Err(out_of_order()), true),
        None => return (Err(ClientError::Cancelled), true),
    };
    if opened.size.is_some_and(|size| size <= BLOCK_SIZE) {
        // The server sends no digests for a file of one block.
        drop(held);
        return small(remote, pool, path, put, opened, pieces, &watch).await;
    }
    let declared = match declaration(path, put, &opened, basis(put, &opened)) {
        Ok(declared) => declared,
        Err(error) => return (Err(error), true),
    };
    let (chunks, sent, more) = More::new(BLOCKS_AHEAD);
    let [begun, committed, left] = [(); 3].map(|()| AtomicBool::new(false));
    let encoder = Encoder::new(remote, pool);
    let upload = Upload { remote, pool, size: opened.size, watch, chunks, encoder, begun, committed, left };
    let result = upload.run(&declared, more, sent, pieces, held).await;
    let in_step = match &result {
        Ok(_) => true,
        Err(ClientError::Refused(_)) => !upload.begun.load(Relaxed),
        Err(_) => upload.left.load(Relaxed),
    };
    (result, in_step)
}

fn out_of_order() -> ClientError {
    ClientError::Protocol("the pieces of a file are out of order".into())
}

fn basis(put: &Put, opened: &Opened) -> Basis {
    let is_file = opened.size.is_some();
    match put.resume {
        true if is_file && !matches!(put.over, Over::Nothing) => Basis::Current,
        true if is_file => Basis::Staged,
        // A part staged by this job is verified like any other.
        false if is_file && put.begun => Basis::Staged,
        _ => Basis::None,
    }
}

/// Uploads a file of at most one block with one request.
async fn small(
    remote: &Remote,
    pool: &BufferPool,
    path: RemotePath,
    put: &Put,
    opened: Opened,
    mut pieces: mpsc::Receiver<Piece>,
    watch: &Arc<dyn Watch>,
) -> Outcome {
    let mut bytes = BlockBytes::Zeros(0);
    // Until the file is complete, the connection is idle, and is kept alive like any other.
    let end = loop {
        match pieces.recv().await {
            Some(Piece::Block { index: 0, bytes: block, .. }) if bytes.is_empty() => bytes = block,
            Some(Piece::End(end)) => break end,
            Some(_) => return (Err(out_of_order()), true),
            None => return (Err(ClientError::Cancelled), true),
        }
    };
    if watch.is_stopped() {
        return (Err(ClientError::Cancelled), true);
    }
    let (bytes, packed) = match packed(remote, bytes).await {
        Ok(packed) => packed,
        Err(error) => return (Err(error), true),
    };
    let mut frames = Frames::new(pool);
    watch.phase(Phase::Sending);
    let content = Content { opened, bytes, root: end.root, grown: end.grown };
    if let Err(error) = frames.put(path, put, content, packed, Some(watch)) {
        return (Err(error), true);
    }
    watch.phase(Phase::Flushing);
    let take = |reply| match reply {
        Reply::Stored { root, size, .. } => Some(Stored { root: Some(root), size, reused: 0 }),
        _ => None,
    };
    let result = remote.ask(frames.take(), "put", take).await;
    let in_step = matches!(result, Ok(_) | Err(ClientError::Refused(_)));
    (result, in_step)
}

/// Passes on the digests and the chunks of the server's file, and then returns its answer.
async fn answer(
    remote: &Remote,
    mut told: mpsc::Receiver<UploadPart>,
    held: mpsc::Sender<Vec<Digest>>,
    known: &Mutex<Known>,
    mut left: u64,
) -> Result<Stored, ClientError> {
    let mut held = Some(held).filter(|_| left > 0);
    loop {
        match told.recv().await {
            Some(UploadPart::Have(digests)) => {
                left = left.saturating_sub(digests.len() as u64);
                if let Some(held) = &held {
                    // The source may have finished: it needs no digests beyond the end of the file.
                    drop(held.send(digests).await);
                }
                if left == 0 {
                    held = None;
                }
            }
            Some(UploadPart::Chunks(described)) => known.lock().take(&described),
            Some(UploadPart::Stored { root, size }) => return Ok(Stored { root: Some(root), size, reused: 0 }),
            Some(UploadPart::Refused(refusal)) => return Err(refusal.into()),
            Some(UploadPart::Ready { .. }) => return Err(remote.broken("put")),
            None => return Err(remote.closed().await),
        }
    }
}

/// The upload of a file of several blocks, or of a stream.
struct Upload<'a> {
    remote: &'a Remote,
    pool: &'a BufferPool,
    size: Option<u64>,
    watch: Arc<dyn Watch>,
    chunks: mpsc::Sender<Chunk>,
    encoder: Encoder<'a>,
    /// Whether something was sent after the declaration.
    begun: AtomicBool,
    /// Whether the commit was sent, so that the server may answer that the file is stored.
    committed: AtomicBool,
    /// Whether it was given up in order: the server has stored the blocks that were sent, and answered.
    left: AtomicBool,
}

impl Upload<'_> {
    async fn run(
        &self,
        declared: &Request,
        more: More,
        sent: oneshot::Receiver<bool>,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
    ) -> Result<Stored, ClientError> {
        let mut frames = self.pool.take();
        put_message(&mut frames, declared).map_err(unsendable)?;
        let (parts, mut told) = mpsc::channel(HAVES_AHEAD);
        let waiter = Waiter::Upload(UploadWaiter::new(parts));
        self.remote.send(Call { more: Some(more), ..Call::new(Chunk::new(frames), waiter) }).await?;
        let have_blocks = match told.recv().await {
            Some(UploadPart::Ready { have_blocks }) => have_blocks,
            Some(UploadPart::Refused(refusal)) => return Err(refusal.into()),
            Some(_) => return Err(self.remote.broken("put")),
            None => return Err(self.remote.closed().await),
        };
        self.watch.phase(if have_blocks > 0 { Phase::Checking } else { Phase::Sending });
        let mut answering = pin!(answer(self.remote, told, held, &self.encoder.known, have_blocks));
        let early = tokio::select! {
            biased;
            answer = &mut answering => Some(answer?),
            whole = self.send_all(pieces, sent) => match whole? {
                true => None,
                false => return Err(self.leave(answering).await),
            },
        };
        let stored = match early {
            Some(_) if !self.committed.load(Relaxed) => return Err(self.remote.broken("put")),
            Some(stored) => stored,
            None => {
                self.watch.phase(Phase::Flushing);
                answering.await?
            }
        };
        Ok(Stored { reused: self.encoder.reused.load(Relaxed), ..stored })
    }

    /// Gives up the upload between two blocks, and waits until the server has stored those before. A request in place of a
    /// block does this: the upload is refused, and the request answered.
    async fn leave(&self, answering: impl Future<Output = Result<Stored, ClientError>>) -> ClientError {
        match tokio::join!(answering, self.remote.ping()) {
            (Ok(_), _) => self.remote.broken("put"),
            (Err(ClientError::Refused(_)), Ok(())) => {
                self.left.store(true, Relaxed);
                ClientError::Cancelled
            }
            (Err(ClientError::Refused(_)), Err(error)) | (Err(error), _) => error,
        }
    }

    /// Sends all pieces and the commit, and waits until they have been written; `false` if only those that were begun
    /// were, because the transfer is to end.
    async fn send_all(
        &self,
        mut pieces: mpsc::Receiver<Piece>,
        sent: oneshot::Receiver<bool>,
    ) -> Result<bool, ClientError> {
        let mut last = Vec::new();
        let Some(end) = self.blocks(&mut pieces, &mut last).await? else {
            if !self.begun.load(Relaxed) {
                return Err(ClientError::Cancelled);
            }
            if let Some(Ok(rest)) = last.into_iter().find(Last::is_begun).map(Last::into_rest) {
                self.send(rest).await?;
            }
            self.send(Chunk::new(self.pool.take()).last()).await?;
            return self.sent(sent).await.map(|_| false);
        };
        for block in last {
            match block.into_rest() {
                Ok(rest) => self.send_block(rest).await?,
                Err(length) => self.watch.kept(length),
            }
        }
        if self.watch.is_stopped() {
            return Err(ClientError::Cancelled);
        }
        let mut frames = self.pool.take();
        put_message(&mut frames, &Request::Commit { size: end.size, root: end.root }).map_err(unsendable)?;
        self.committed.store(true, Relaxed);
        self.send(Chunk::new(frames).counted(0, Arc::clone(&self.watch)).last()).await?;
        self.sent(sent).await
    }

    /// Waits until everything was written; returns whether nothing was left out.
    async fn sent(&self, sent: oneshot::Receiver<bool>) -> Result<bool, ClientError> {
        match sent.await {
            Ok(whole) => Ok(whole),
            Err(_) => Err(self.remote.closed().await),
        }
    }

    /// Sends the blocks up to the end, except the last ones, which are stored in `last`; `None` if the transfer is to end
    /// before.
    async fn blocks(
        &self,
        pieces: &mut mpsc::Receiver<Piece>,
        last: &mut Vec<Last>,
    ) -> Result<Option<End>, ClientError> {
        let pausing = self.watch.pausing();
        // A block whose delta needs the one after it.
        let mut waiting: Option<Block> = None;
        loop {
            let waits = last.iter_mut().find(|block| !block.is_sent());
            let piece = tokio::select! {
                biased;
                () = pausing.cancelled() => return Ok(None),
                piece = pieces.recv() => piece,
                () = time::sleep(KEEP_ALIVE), if waits.is_some() => {
                    if let Some(block) = waits {
                        self.send_block(block.take(self.pool)).await?;
                    }
                    continue;
                }
            };
            let block = match piece {
                Some(Piece::Block { index, bytes, equal }) => Block { index, bytes, equal },
                Some(Piece::End(end)) => {
                    if let Some(block) = waiting {
                        self.pass(block, None, last).await?;
                    }
                    return Ok(Some(end));
                }
                Some(Piece::Opened(_)) => return Err(out_of_order()),
                None if pausing.is_cancelled() => return Ok(None),
                None => return Err(ClientError::Cancelled),
            };
            if self.size.is_some_and(|size| block_len(size, block.index) != Some(block.bytes.len())) {
                return Err(ClientError::SourceChanged);
            }
            if let Some(before) = waiting.take() {
                self.pass(before, Some(&block), last).await?;
            }
            match self.encoder.has_chunks() {
                true => waiting = Some(block),
                false => self.pass(block, None, last).await?,
            }
        }
    }

    /// Sends a block, or stores it in `last`; `behind` is the block that was read after it.
    async fn pass(&self, block: Block, behind: Option<&Block>, last: &mut Vec<Last>) -> Result<(), ClientError> {
        let (index, length, equal) = (block.index, block.bytes.len() as u64, block.equal);
        let is_last = self.size.is_some_and(|size| index >= block_count(size).saturating_sub(HELD_BACK));
        if equal && !is_last {
            self.encoder.skip(&block);
            return Ok(());
        }
        let (chunk, reused) = self.encoder.encode(block, behind).await?;
        let chunk = chunk.counted(length - reused, Arc::clone(&self.watch));
        self.watch.kept(reused);
        if is_last {
            last.push(Last::new(chunk, length, equal));
            return Ok(());
        }
        self.send_block(chunk).await
    }

    async fn send_block(&self, block: Chunk) -> Result<(), ClientError> {
        if !self.begun.swap(true, Relaxed) {
            self.watch.phase(Phase::Sending);
        }
        self.send(block).await
    }

    async fn send(&self, chunk: Chunk) -> Result<(), ClientError> {
        self.begun.store(true, Relaxed);
        match self.chunks.send(chunk).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.remote.closed().await),
        }
    }
}
