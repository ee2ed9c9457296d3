//! Batches of short requests: encoded together, sent without waiting, and answered with their numbers.

use std::sync::Arc;

use ferry_shared::{
    entry,
    frame::{FrameError, put_block_head, put_delta, put_have, put_message},
    limits::BLOCK_SIZE,
    link::LinkError,
    message::{
        self,
        request::{Algorithm, Basis, IfExists},
    },
    path::RemotePath,
    pool::{Buffer, BufferPool},
};
use tokio::sync::{Semaphore, mpsc};

use super::{look::path, pack::packed};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    remote::{Batch, Call, Chunk, Expected, Remote, Waiter},
    site::{Answer, Content, OnlyIf, Op, Opened, Over, Put, Request, Version, Watch},
};

/// The maximum number of bytes of frames passed on together.
const ENOUGH: usize = 256 << 10;
/// The maximum number of requests passed on together.
const MANY: usize = 256;
/// The number of full calls queued for the connection.
const CALLS_AHEAD: usize = 2;
/// Blocks of at least this length are sent without copying.
const OWN_CHUNK: usize = 64 << 10;

pub(super) async fn run(
    remote: &Remote,
    pool: &BufferPool,
    mut requests: mpsc::Receiver<Request>,
    answers: mpsc::Sender<Answer>,
) -> Result<(), ClientError> {
    let batch = Batch::new(answers);
    let ahead = Arc::new(Semaphore::new(CALLS_AHEAD));
    let mut frames = Frames::new(pool);
    let (mut waiters, mut asked) = (Vec::new(), Vec::new());
    loop {
        let count = tokio::select! {
            biased;
            count = requests.recv_many(&mut asked, MANY) => count,
            why = remote.closed() => return Err(why),
        };
        for Request { id, op, watch } in asked.drain(..) {
            let (op, packed) = pack(remote, op).await?;
            match frames.ask(op, packed, watch.as_ref()) {
                Ok(expected) => waiters.push(batch.waiter(id, expected, watch)),
                Err(error) => batch.answer(id, Err(error)).await,
            }
            if frames.bytes >= ENOUGH || waiters.len() >= MANY {
                hand_over(remote, &ahead, &mut frames, &mut waiters).await?;
            }
        }
        if requests.is_empty() && !waiters.is_empty() {
            hand_over(remote, &ahead, &mut frames, &mut waiters).await?;
        }
        if count == 0 {
            break;
        }
    }
    tokio::select! {
        biased;
        () = batch.all_answered() => Ok(()),
        why = remote.closed() => if batch.unanswered() == 0 { Ok(()) } else { Err(why) },
    }
}

/// Compresses the content of an upload, if that is worthwhile.
async fn pack(remote: &Remote, op: Op) -> Result<(Op, Option<Vec<u8>>), ClientError> {
    let Op::Put { put, content } = op else { return Ok((op, None)) };
    let Content { bytes, .. } = *content;
    let (bytes, packed) = packed(remote, bytes).await?;
    Ok((Op::Put { put, content: Box::new(Content { bytes, ..*content }) }, packed))
}

async fn hand_over(
    remote: &Remote,
    ahead: &Arc<Semaphore>,
    frames: &mut Frames<'_>,
    waiters: &mut Vec<Waiter>,
) -> Result<(), ClientError> {
    // More requests arrive while this waits, and are then sent together.
    let permit = Arc::clone(ahead).acquire_owned().await.map_err(|_| ClientError::Cancelled)?;
    let (frames, waiters) = (frames.take(), std::mem::take(waiters));
    remote.send(Call { frames, waiters, more: None, permit: Some(permit) }).await
}

/// Encoded requests.
pub(super) struct Frames<'a> {
    pool: &'a BufferPool,
    full: Vec<Chunk>,
    filling: Buffer,
    /// The total number of bytes.
    bytes: usize,
}

impl<'a> Frames<'a> {
    pub(super) fn new(pool: &'a BufferPool) -> Self {
        Self { pool, full: Vec::new(), filling: pool.take(), bytes: 0 }
    }

    /// Takes the requests encoded so far.
    pub(super) fn take(&mut self) -> Vec<Chunk> {
        self.bytes = 0;
        self.cut();
        std::mem::take(&mut self.full)
    }

    fn cut(&mut self) {
        if !self.filling.is_empty() {
            self.full.push(Chunk::new(std::mem::replace(&mut self.filling, self.pool.take())));
        }
    }

    /// Encodes a request, or nothing if that fails.
    fn ask(
        &mut self,
        op: Op,
        packed: Option<Vec<u8>>,
        watch: Option<&Arc<dyn Watch>>,
    ) -> Result<Expected, ClientError> {
        let (start, chunks) = (self.filling.len(), self.full.len());
        let expected = self.encode(op, packed, watch);
        if expected.is_err() {
            self.filling.truncate(start);
        } else {
            let longer = self.full[chunks..].iter().map(|chunk| chunk.len()).sum::<usize>() + self.filling.len();
            self.bytes += longer.saturating_sub(start);
        }
        expected
    }

    fn encode(
        &mut self,
        op: Op,
        packed: Option<Vec<u8>>,
        watch: Option<&Arc<dyn Watch>>,
    ) -> Result<Expected, ClientError> {
        let (request, expected) = match op {
            Op::Stat { at } => (message::Request::Stat { path: path(&at)? }, Expected::Entry),
            Op::MakeFolder { at, .. } => {
                (message::Request::MakeDir { path: path(&at)?, parents: true }, Expected::Done)
            }
            Op::SetAttributes { at, mtime, mode, .. } => {
                (message::Request::SetAttributes { path: path(&at)?, mtime, mode }, Expected::Done)
            }
            Op::Hash { at } => {
                (message::Request::Hash { path: path(&at)?, algorithm: Algorithm::Blake3 }, Expected::Hashed)
            }
            Op::Remove { at, only } => {
                let version = only.map(known).transpose()?;
                (message::Request::Remove { path: path(&at)?, recursive: false, version }, Expected::Removed)
            }
            Op::ReadLink { .. } | Op::MakeLink { .. } => {
                let text = "the server neither reads nor makes symlinks";
                return Err(ClientError::obstructed(Obstacle::Unsupported, text));
            }
            Op::Discard { at } => (message::Request::Discard { path: path(&at)? }, Expected::Done),
            Op::Get { at, .. } => (message::Request::Get { path: path(&at)?, blocks: None }, Expected::Content),
            Op::Put { put, content } => {
                self.put(path(&put.at)?, &put, *content, packed, watch)?;
                return Ok(Expected::Stored);
            }
        };
        put_message(&mut self.filling, &request).map_err(unsendable)?;
        if matches!(expected, Expected::Content) {
            put_have(&mut self.filling, 0, &[]).map_err(unsendable)?;
        }
        Ok(expected)
    }

    /// Uploads a file of at most one block: declares, sends and commits it at once. Its bytes are sent as the delta `packed` if
    /// there is one. They are reported to `watch` as they are written, or at once if they are few.
    pub(super) fn put(
        &mut self,
        path: RemotePath,
        put: &Put,
        content: Content,
        packed: Option<Vec<u8>>,
        watch: Option<&Arc<dyn Watch>>,
    ) -> Result<(), ClientError> {
        let Content { opened, bytes, root, .. } = content;
        let size = bytes.len() as u64;
        if opened.size != Some(size) || size > BLOCK_SIZE {
            return Err(ClientError::SourceChanged);
        }
        let declared = declaration(path, put, &opened, Basis::None)?;
        put_message(&mut self.filling, &declared).map_err(unsendable)?;
        let commit = message::Request::Commit { size, root };
        if bytes.len() >= OWN_CHUNK && !bytes.is_zeros() {
            let mut last = self.pool.take();
            put_message(&mut last, &commit).map_err(unsendable)?;
            let block = match packed {
                Some(steps) => Chunk::delta(0, &steps, self.pool),
                None => Chunk::block(0, bytes, self.pool),
            };
            let block = block.map_err(unsendable)?;
            self.cut();
            self.full.push(match watch {
                Some(watch) => block.counted(size, Arc::clone(watch)),
                None => block,
            });
            self.filling = last;
            return Ok(());
        }
        if let Some(watch) = watch {
            watch.moved(size);
        }
        if let Some(steps) = packed {
            put_delta(&mut self.filling, 0, &steps).map_err(unsendable)?;
        } else if size > 0 {
            let travelling: &[u8] = if bytes.is_zeros() { &[] } else { &bytes };
            put_block_head(&mut self.filling, 0, travelling.len()).map_err(unsendable)?;
            self.filling.extend_from_slice(travelling);
        }
        put_message(&mut self.filling, &commit).map_err(unsendable)
    }
}

/// The first message of an upload.
pub(super) fn declaration(
    path: RemotePath,
    put: &Put,
    opened: &Opened,
    basis: Basis,
) -> Result<message::Request, ClientError> {
    let is_file = opened.size.is_some();
    Ok(message::Request::Put(message::request::Put {
        path,
        size: opened.size,
        mtime: put.mtime_for(opened.mtime).filter(|_| is_file),
        mode: put.mode_for(opened.mode).filter(|_| is_file),
        if_exists: match &put.over {
            Over::Nothing => IfExists::Refuse,
            Over::Anything | Over::This(None) => IfExists::Replace,
            Over::This(Some(version)) => IfExists::ReplaceVersion(ours(version)?),
        },
        parents: put.parents,
        basis,
    }))
}

/// The version of the file to be removed.
fn known(only: OnlyIf) -> Result<entry::Version, ClientError> {
    only.version.as_ref().map_or_else(|| Err(not_seen()), ours)
}

fn ours(version: &Version) -> Result<entry::Version, ClientError> {
    version.get::<entry::Version>().cloned().ok_or_else(not_seen)
}

fn not_seen() -> ClientError {
    ClientError::obstructed(Obstacle::Changed, "the version of the file is not known")
}

pub(super) fn unsendable(error: FrameError) -> ClientError {
    LinkError::Frame(error).into()
}
