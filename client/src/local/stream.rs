//! Standard input and output as the ends of a job. They are read and written by detached threads, which may block
//! forever.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{Read, Write},
    sync::Arc,
    time::SystemTime,
};

use ferry_shared::{
    digest::{Digest, merge},
    entry::Mtime,
    limits::{BLOCK_LEN, BLOCK_SIZE, block_count},
    pool::BufferPool,
};
use tokio::sync::{mpsc, oneshot};

use super::root::{Blocks, is_block_len};
use crate::{
    error::ClientError,
    site::{BlockBytes, End, HEADROOM, Opened, Phase, Piece, Stored, Watch},
};

/// The number of digests per message.
const DIGESTS_PER_MESSAGE: usize = 64;
/// The number of blocks buffered for writing.
const BLOCKS_AHEAD: usize = 3;

/// Runs work that may block forever on a detached thread, and returns a receiver for its result.
fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<oneshot::Receiver<T>, ClientError> {
    let (tell, told) = oneshot::channel();
    // The receiver is gone if the transfer has ended.
    let thread = std::thread::Builder::new().name("ferry stream".into()).spawn(move || drop(tell.send(work())));
    thread.map(|_| told).map_err(|error| ClientError::local("-", error))
}

/// Reads a stream to its end, as [`Session::get`](crate::site::Session::get) reads a file. Digests of an earlier
/// attempt are ignored.
///
/// Nothing is read before the target has accepted the file, which `is_taken` reports once `held` has ended. A refused
/// stream stays in `from` and can be offered again.
///
/// # Errors
/// Any read error; [`ClientError::Cancelled`] if the receiver of the pieces was dropped.
pub(crate) async fn get(
    pool: &BufferPool,
    from: &mut Option<Box<dyn Read + Send>>,
    mut held: mpsc::Receiver<Vec<Digest>>,
    pieces: mpsc::Sender<Piece>,
    watch: Arc<dyn Watch>,
    is_taken: impl Fn() -> bool,
) -> Result<End, ClientError> {
    let opened = Opened { size: None, mtime: Mtime::from(SystemTime::now()), mode: 0o644, version: None };
    watch.opened(&opened);
    pieces.send(Piece::Opened(opened)).await.map_err(|_| ClientError::Cancelled)?;
    while held.recv().await.is_some() {}
    let Some(from) = from.take_if(|_| is_taken()) else { return Err(ClientError::Cancelled) };
    let pool = pool.clone();
    let read = spawn(move || read(&pool, from, &pieces))?;
    read.await.unwrap_or(Err(ClientError::Cancelled))
}

/// Reads and passes on blocks until the stream ends.
fn read(pool: &BufferPool, mut from: Box<dyn Read + Send>, pieces: &mpsc::Sender<Piece>) -> Result<End, ClientError> {
    let hand_over = |piece| pieces.blocking_send(piece).map_err(|_| ClientError::Cancelled);
    let (mut blocks, mut size) = (Blocks::new(None), 0);
    loop {
        let mut buffer = pool.take();
        buffer.resize(HEADROOM, 0);
        let read = from.by_ref().take(BLOCK_SIZE).read_to_end(&mut buffer);
        let length = read.map_err(|error| ClientError::local("-", error))?;
        if length > 0 {
            let index = blocks.count();
            blocks.push(&buffer[HEADROOM..]);
            size += length as u64;
            let bytes = BlockBytes::Pooled { buffer, start: HEADROOM };
            hand_over(Piece::Block { index, bytes, equal: false })?;
        }
        if length < BLOCK_LEN {
            break;
        }
    }
    let end = End { root: blocks.root(), size, transferred: size, reused: 0, grown: None, version: None };
    hand_over(Piece::End(end.clone()))?;
    Ok(end)
}

/// An output that is written in order. Written bytes cannot be withdrawn, so a retry continues after them.
pub(crate) struct Sink {
    to: Box<dyn Write + Send>,
    /// The digests of the written blocks.
    written: Vec<Digest>,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("written", &self.written.len()).finish_non_exhaustive()
    }
}

impl Sink {
    /// Creates a sink without written blocks.
    pub(crate) fn new(to: Box<dyn Write + Send>) -> Self {
        Self { to, written: Vec::new() }
    }
}

/// The result of writing a whole file.
struct Written {
    root: Digest,
    size: u64,
}

/// Writes a file, as [`Session::put`](crate::site::Session::put) stores one. `sink` is empty afterwards if no retry can
/// continue it.
///
/// # Errors
/// The reason why the file was not completely written; [`ClientError::Cancelled`] if the pieces end early or there is
/// no sink.
pub(crate) async fn put(
    sink: &mut Option<Sink>,
    mut pieces: mpsc::Receiver<Piece>,
    held: mpsc::Sender<Vec<Digest>>,
    watch: Arc<dyn Watch>,
) -> Result<Stored, ClientError> {
    let Some(mut to) = sink.take() else { return Err(ClientError::Cancelled) };
    let earlier: Vec<Vec<Digest>> = to.written.chunks(DIGESTS_PER_MESSAGE).map(<[_]>::to_vec).collect();
    let (forward, inbox) = mpsc::channel(BLOCKS_AHEAD);
    let writing = spawn(move || {
        let written = write(&mut to, inbox, &*watch);
        (to, written)
    })?;
    let telling = async {
        for digests in earlier {
            if held.send(digests).await.is_err() {
                break;
            }
        }
        drop(held);
    };
    let forwarding = async {
        while let Some(piece) = pieces.recv().await {
            if forward.send(piece).await.is_err() {
                break;
            }
        }
        drop(forward);
    };
    let (writing, (), ()) = tokio::join!(writing, telling, forwarding);
    let Ok((to, written)) = writing else { return Err(ClientError::Cancelled) };
    match written {
        Ok(Some(Written { root, size })) => Ok(Stored { root: Some(root), size, reused: 0 }),
        // Only whole blocks were written: a retry can continue.
        Ok(None) => {
            *sink = Some(to);
            Err(ClientError::Cancelled)
        }
        Err(error) => Err(error),
    }
}

/// Writes blocks; `None` if they end before the file does.
fn write(
    sink: &mut Sink,
    mut pieces: mpsc::Receiver<Piece>,
    watch: &dyn Watch,
) -> Result<Option<Written>, ClientError> {
    let failed = |error| ClientError::local("-", error);
    let Some(Piece::Opened(opened)) = pieces.blocking_recv() else { return Ok(None) };
    watch.phase(Phase::Receiving);
    let mut blocks = Blocks::new(opened.size);
    let mut length = 0;
    while let Some(piece) = pieces.blocking_recv() {
        let (index, bytes, equal) = match piece {
            Piece::Block { index, bytes, equal } => (index, bytes, equal),
            Piece::End(end) => {
                sink.to.flush().map_err(failed)?;
                return conclude(sink, &opened, &blocks, length, &end).map(Some);
            }
            Piece::Opened(_) => return Err(ClientError::Protocol("a file has two beginnings".into())),
        };
        let written = usize::try_from(index).ok().and_then(|index| sink.written.get(index));
        if let Some(digest) = written {
            if equal || *digest == blocks.digest(index, &bytes) {
                // Sent only to keep the connection busy.
                continue;
            }
            // The written block differs and cannot be withdrawn.
            return Err(ClientError::SourceChanged);
        }
        if index > sink.written.len() as u64 || !is_block_len(opened.size, index, bytes.len()) {
            return Err(ClientError::Protocol(format!("block {index} is not the next")));
        }
        sink.to.write_all(&bytes).map_err(failed)?;
        let digest = if blocks.count() == index { blocks.push(&bytes) } else { blocks.digest(index, &bytes) };
        sink.written.push(digest);
        length += bytes.len() as u64;
        watch.moved(bytes.len() as u64);
    }
    // Do not leave bytes in a buffer: a retry may never come.
    sink.to.flush().map_err(failed)?;
    Ok(None)
}

/// Compares the digest of the written blocks with that of the source.
fn conclude(sink: &Sink, opened: &Opened, blocks: &Blocks, length: u64, end: &End) -> Result<Written, ClientError> {
    let count = sink.written.len() as u64;
    let (found, size) = match opened.size {
        Some(size) => (merge(size, &sink.written), size),
        // If the size is unknown, blocks of an earlier attempt cannot be compared.
        None => (Some(blocks.root()).filter(|_| blocks.count() == count), length),
    };
    match found {
        Some(root) if root == end.root && size == end.size => Ok(Written { root, size }),
        Some(found) => Err(ClientError::Mismatch { expected: end.root, found }),
        // The file is shorter by now, and written bytes cannot be withdrawn.
        None if block_count(size) < count || opened.size.is_none() => Err(ClientError::SourceChanged),
        None => Err(ClientError::Protocol(format!("the file ends after {count} blocks"))),
    }
}
