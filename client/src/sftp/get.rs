//! Downloads: reads ahead, and cuts the content into blocks.

use std::{collections::VecDeque, time::SystemTime};

use bytes::Bytes;
use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    entry::Kind,
    limits::{BLOCK_LEN, BLOCK_SIZE, block_len},
    name::Escaped,
    pool::{Buffer, BufferPool},
    refusal::Code,
    sftp::{Attributes, OpenFlags},
};
use tokio::sync::mpsc;

use super::{
    calls::{self, Calls, Open},
    fault,
    link::{Answer, IN_FLIGHT},
};
use crate::{
    error::ClientError,
    site::{BlockBytes, Content, Done, End, Get, Grown, HEADROOM, Location, Opened, Phase, Piece, Reach, Watch},
};

/// A file that is open for reading, in its state at that time.
pub(super) struct Source {
    calls: Calls,
    file: Open,
    attributes: Attributes,
    pub(super) opened: Opened,
    size: u64,
}

impl Source {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there, or is not a file.
    pub(super) async fn open(calls: &Calls, at: &Location) -> Result<Self, ClientError> {
        let path = calls.place(at).await?;
        Self::open_at(calls, path, at.reach() == Reach::Follow).await
    }

    /// Opens the file at `path`. Looks first what it is, because opening a FIFO could hold up the server.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(super) async fn open_at(calls: &Calls, path: Bytes, follow: bool) -> Result<Self, ClientError> {
        let found = if follow { calls.follow(path.clone()).await } else { calls.look(path.clone()).await };
        match found {
            Ok(found) => is_file(&found, &path)?,
            Err(error) => return Err(calls.why_missing(&path, error).await),
        }
        let file = calls.open(path.clone(), OpenFlags::READ, None).await?;
        let attributes = calls.look_at(&file).await?;
        is_file(&attributes, &path)?;
        let (facts, mode) = (calls::facts(&attributes), calls::mode(&attributes));
        let Some(size) = attributes.size else {
            return Err(ClientError::Protocol("a file without a size".into()));
        };
        let opened = Opened { size: Some(size), mtime: facts.mtime, mode, version: None };
        Ok(Self { calls: calls.clone(), file, attributes, opened, size })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The content from block `first` up to block `end`.
    pub(super) fn blocks<'a>(&'a self, pool: &'a BufferPool, first: u64, end: u64) -> Blocks<'a> {
        let start = first.saturating_mul(BLOCK_SIZE).min(self.size);
        let end = end.saturating_mul(BLOCK_SIZE).min(self.size);
        Blocks { source: self, pool, next: start, end, index: first, ahead: VecDeque::new(), watch: None }
    }

    /// Whether the file is as it was when it was opened.
    ///
    /// # Errors
    /// [`ClientError::SourceChanged`].
    pub(super) async fn is_unchanged(&self) -> Result<(), ClientError> {
        let now = self.calls.look_at(&self.file).await?;
        if self.is_same(&now) { Ok(()) } else { Err(ClientError::SourceChanged) }
    }

    fn is_same(&self, now: &Attributes) -> bool {
        let date = |attributes: &Attributes| attributes.times.map(|times| times.mtime);
        now.size == self.attributes.size && date(now) == date(&self.attributes)
    }

    /// Whether the file is still as it was when it was opened, after content with the digest `root` was read from it.
    ///
    /// # Errors
    /// [`ClientError::SourceChanged`].
    async fn settle(&self, pool: &BufferPool, root: Digest, growing: bool) -> Result<Option<Grown>, ClientError> {
        let now = self.calls.look_at(&self.file).await?;
        if self.is_same(&now) {
            return Ok(None);
        }
        if now.size.is_none_or(|now| now <= self.size) {
            return Err(ClientError::SourceChanged);
        }
        let at = SystemTime::now();
        if growing {
            return Ok(Some(Grown { at, proven: false }));
        }
        let mut again = RootBuilder::new();
        let mut blocks = self.blocks(pool, 0, u64::MAX);
        while let Some((_, digest, _)) = blocks.next().await? {
            again.push(digest);
        }
        if again.root() == root { Ok(Some(Grown { at, proven: true })) } else { Err(ClientError::SourceChanged) }
    }
}

fn is_file(attributes: &Attributes, path: &[u8]) -> Result<(), ClientError> {
    match calls::kind(attributes) {
        Kind::File => Ok(()),
        Kind::Folder => Err(fault::refused(Code::IsDirectory, format!("{} is a folder", Escaped(path)))),
        Kind::Symlink | Kind::Other => {
            Err(fault::bad_path(&format!("{} is neither a file nor a folder", Escaped(path))))
        }
    }
}

/// The blocks of a file, in order, with reads ahead.
pub(super) struct Blocks<'a> {
    source: &'a Source,
    pool: &'a BufferPool,
    /// The offset of the next read.
    next: u64,
    end: u64,
    /// The index of the block that is being filled.
    index: u64,
    ahead: VecDeque<(u64, usize, Answer)>,
    watch: Option<&'a dyn Watch>,
}

impl<'a> Blocks<'a> {
    /// Lets `watch` follow the bytes as they arrive.
    fn observed(self, watch: Option<&'a dyn Watch>) -> Self {
        Self { watch, ..self }
    }

    /// The next block with its digest; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::SourceChanged`] if the file is shorter than it was, or the server's refusal.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Digest, BlockBytes)>, ClientError> {
        let size = self.source.size;
        let start = self.index.saturating_mul(BLOCK_SIZE);
        if start >= self.end {
            return Ok(None);
        }
        let Some(length) = block_len(size, self.index) else { return Ok(None) };
        let mut block = self.pool.take();
        block.clear();
        block.resize(HEADROOM, 0);
        while block.len() < HEADROOM + length {
            self.ask().await?;
            let Some((offset, wanted, answer)) = self.ahead.pop_front() else { break };
            self.take(&mut block, offset, wanted, answer).await?;
        }
        let index = self.index;
        self.index += 1;
        let work = tokio::task::spawn_blocking(move || {
            let bytes = block.get(HEADROOM..).unwrap_or_default();
            let digest = block_digest(size, index, bytes);
            match blocks::is_zero(bytes) {
                true => (digest, BlockBytes::Zeros(bytes.len())),
                false => (digest, BlockBytes::Pooled { buffer: block, start: HEADROOM }),
            }
        });
        let (digest, bytes) = work.await.map_err(|_| ClientError::Cancelled)?;
        Ok(Some((index, digest, bytes)))
    }

    /// Asks for more, as far as there may be requests without an answer.
    async fn ask(&mut self) -> Result<(), ClientError> {
        while self.ahead.len() < IN_FLIGHT && self.next < self.end {
            // Never beyond a block, so that each answer belongs to one.
            let in_block = BLOCK_SIZE - self.next % BLOCK_SIZE;
            let left = in_block.min(self.end - self.next);
            let length = usize::try_from(left).unwrap_or(BLOCK_LEN).min(self.source.calls.facts.read);
            let answer = self.source.calls.read(&self.source.file, self.next, length).await?;
            self.ahead.push_back((self.next, length, answer));
            self.next += length as u64;
        }
        Ok(())
    }

    /// Adds an answer to the block. A server may answer with less than it was asked for.
    async fn take(
        &self,
        block: &mut Buffer,
        mut offset: u64,
        mut wanted: usize,
        mut answer: Answer,
    ) -> Result<(), ClientError> {
        loop {
            let data = calls::data(answer).await?.ok_or(ClientError::SourceChanged)?;
            if data.len() > wanted || data.is_empty() {
                return Err(ClientError::Protocol(format!("{} bytes where {wanted} were asked for", data.len())));
            }
            block.extend_from_slice(&data);
            if let Some(watch) = self.watch {
                watch.arriving(data.len() as u64);
            }
            offset += data.len() as u64;
            wanted -= data.len();
            if wanted == 0 {
                return Ok(());
            }
            answer = self.source.calls.read(&self.source.file, offset, wanted).await?;
        }
    }
}

/// Reads a file of at most one block.
///
/// # Errors
/// The file changed, or the server's refusal.
pub(super) async fn small(
    calls: &Calls,
    pool: &BufferPool,
    at: &Location,
    growing: bool,
    watch: Option<&dyn Watch>,
) -> Result<Done, ClientError> {
    let source = Source::open(calls, at).await?;
    if source.size > BLOCK_SIZE {
        return Ok(Done::Large(source.opened.clone()));
    }
    let (root, bytes) = match source.blocks(pool, 0, 1).observed(watch).next().await? {
        Some((_, root, bytes)) => (root, bytes),
        None => (Digest::of(b""), BlockBytes::Zeros(0)),
    };
    let grown = source.settle(pool, root, growing).await?;
    Ok(Done::Content(Box::new(Content { opened: source.opened.clone(), bytes, root, grown })))
}

/// Streams a file.
///
/// # Errors
/// The file changed, the receiver is gone, or the server's refusal.
pub(super) async fn run(
    calls: &Calls,
    pool: &BufferPool,
    get: &Get,
    held: mpsc::Receiver<Vec<Digest>>,
    pieces: &mpsc::Sender<Piece>,
    watch: &dyn Watch,
) -> Result<End, ClientError> {
    tokio::select! {
        biased;
        end = read(calls, pool, get, held, pieces, watch) => end,
        () = pieces.closed() => Err(ClientError::Cancelled),
    }
}

async fn read(
    calls: &Calls,
    pool: &BufferPool,
    get: &Get,
    held: mpsc::Receiver<Vec<Digest>>,
    pieces: &mpsc::Sender<Piece>,
    watch: &dyn Watch,
) -> Result<End, ClientError> {
    let source = Source::open(calls, &get.at).await?;
    watch.opened(&source.opened);
    hand_over(pieces, Piece::Opened(source.opened.clone())).await?;
    let mut held = Held { from: Some(held), digests: Vec::new().into_iter() };
    let (mut root, mut transferred, mut reused) = (RootBuilder::new(), 0, 0);
    watch.phase(Phase::Receiving);
    let pausing = watch.pausing();
    let mut blocks = source.blocks(pool, 0, u64::MAX);
    loop {
        // Of a block that the target may have, only the digest tells whether its bytes are of use.
        blocks = blocks.observed(Some(watch).filter(|_| held.is_over()));
        let Some((index, digest, bytes)) = blocks.next().await? else { break };
        root.push(digest);
        let length = bytes.len() as u64;
        if held.next().await == Some(digest) {
            reused += length;
            watch.kept(length);
            continue;
        }
        transferred += length;
        hand_over(pieces, Piece::Block { index, bytes, equal: false }).await?;
        if pausing.is_cancelled() {
            return Err(ClientError::Cancelled);
        }
    }
    drop(held);
    let root = root.root();
    let grown = source.settle(pool, root, get.growing).await?;
    let end = End { root, size: source.size, transferred, reused, grown, version: None };
    hand_over(pieces, Piece::End(end.clone())).await?;
    Ok(end)
}

async fn hand_over(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), ClientError> {
    pieces.send(piece).await.map_err(|_| ClientError::Cancelled)
}

/// The digests of the target's blocks, in order.
struct Held {
    from: Option<mpsc::Receiver<Vec<Digest>>>,
    digests: std::vec::IntoIter<Digest>,
}

impl Held {
    /// Whether the target is known to have no further blocks.
    fn is_over(&mut self) -> bool {
        if self.digests.as_slice().is_empty()
            && let Some(from) = &mut self.from
        {
            match from.try_recv() {
                Ok(digests) => self.digests = digests.into_iter(),
                Err(mpsc::error::TryRecvError::Empty) => {}
                Err(mpsc::error::TryRecvError::Disconnected) => self.from = None,
            }
        }
        self.from.is_none() && self.digests.as_slice().is_empty()
    }

    async fn next(&mut self) -> Option<Digest> {
        loop {
            if let Some(digest) = self.digests.next() {
                return Some(digest);
            }
            match self.from.as_mut()?.recv().await {
                Some(digests) => self.digests = digests.into_iter(),
                None => self.from = None,
            }
        }
    }
}
