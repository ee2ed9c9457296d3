//! Downloads: sends the digests of the target's blocks, and receives the blocks that differ.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

use ferry_shared::{
    chunks::{Described, Describer},
    delta::{self, BadDelta},
    digest::Digest,
    entry::{self, Kind},
    feature::Feature,
    frame::{Payload, put_chunks, put_have, put_message},
    limits::{BLOCK_SIZE, HAVE_MAX, block_count, block_len},
    message::Request,
    path::RemotePath,
    pool::{Buffer, BufferPool},
};
use tokio::sync::mpsc;

use super::{batch::unsendable, look};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    remote::{Call, Chunk, More, Observed, Part, ReadWaiter, Remote, Waiter, block},
    site::{End, Get, Opened, Phase, Piece, Reach, Version, Watch},
};

/// The number of have-frames queued for the connection.
const HAVES_AHEAD: usize = 4;
/// The number of received blocks queued for the target. Few, because an interrupted transfer loses them.
const BLOCKS_AHEAD: usize = 1;
/// The maximum number of bytes of have-frames sent together with the request.
const AT_ONCE: usize = 64 << 10;

pub(super) async fn run(
    remote: &Remote,
    pool: &BufferPool,
    path: RemotePath,
    get: &Get,
    held: mpsc::Receiver<Vec<Digest>>,
    pieces: &mpsc::Sender<Piece>,
    watch: &Arc<dyn Watch>,
) -> Result<End, ClientError> {
    tokio::select! {
        biased;
        result = read(remote, pool, path, get, held, pieces, watch) => result,
        () = pieces.closed() => Err(ClientError::Cancelled),
    }
}

async fn read(
    remote: &Remote,
    pool: &BufferPool,
    path: RemotePath,
    get: &Get,
    mut held: mpsc::Receiver<Vec<Digest>>,
    pieces: &mpsc::Sender<Piece>,
    watch: &Arc<dyn Watch>,
) -> Result<End, ClientError> {
    let haves = Haves::default();
    let mut frames = pool.take();
    let mut more = true;
    let mut told = None;
    put_message(&mut frames, &Request::Get { path: path.clone(), blocks: None }).map_err(unsendable)?;
    let basis = get.basis.as_ref().filter(|_| remote.features().has(Feature::Chunks));
    if let Some(described) = described(basis, get.expected.size, pool).await? {
        put_chunks(&mut frames, described).map_err(unsendable)?;
    }
    if get.opened_first {
        told = Some(tell_opened(remote, &path, get, pieces, watch).await?);
        // The target may take long. Without any bytes meanwhile, the server would consider the client to hang.
        match held.recv().await {
            Some(digests) => haves.put(&mut frames, &digests)?,
            None => more = false,
        }
    }
    while more && frames.len() < AT_ONCE {
        match held.try_recv() {
            Ok(digests) => haves.put(&mut frames, &digests)?,
            Err(mpsc::error::TryRecvError::Empty) => break,
            Err(mpsc::error::TryRecvError::Disconnected) => more = false,
        }
    }
    if !more {
        haves.put_end(&mut frames)?;
    }
    let (chunks, _sent, rest) = More::new(HAVES_AHEAD);
    let (parts, answer) = mpsc::channel(BLOCKS_AHEAD);
    let observed = Observed { watch: Arc::clone(watch), arriving: Arc::default() };
    let arriving = Arc::clone(&observed.arriving);
    let waiter = Waiter::Read(ReadWaiter::new(parts, None).observed(observed));
    remote.send(Call { more: more.then_some(rest), ..Call::new(Chunk::new(frames), waiter) }).await?;

    let (watch, haves) = (&**watch, &haves);
    let taking = Taking { remote, pieces, watch, haves, arriving: &arriving, basis, told };
    let mut taking = std::pin::pin!(taking.run(answer));
    let result = tokio::select! {
        biased;
        result = &mut taking => result,
        forwarded = haves.forward(&mut held, &chunks, pool) => match forwarded {
            Ok(()) => taking.await,
            Err(error) => Err(error),
        },
    };
    // The server needs no more digests, but accepts no other request before their end.
    if matches!(result, Ok(_) | Err(ClientError::Refused(_))) && !haves.ended.load(Acquire) {
        let mut frames = pool.take();
        haves.put_end(&mut frames)?;
        drop(chunks.send(Chunk::new(frames).last()).await);
    }
    result
}

/// Reports the file's facts before the target has sent its digests.
async fn tell_opened(
    remote: &Remote,
    path: &RemotePath,
    get: &Get,
    pieces: &mpsc::Sender<Piece>,
    watch: &Arc<dyn Watch>,
) -> Result<Opened, ClientError> {
    let found = look::look(remote, path, get.at.reach() == Reach::Follow, None).await?;
    match found.kind {
        Kind::File => {}
        Kind::Folder => return Err(ClientError::obstructed(Obstacle::IsFolder, "it is a folder")),
        _ => return Err(ClientError::obstructed(Obstacle::BadPath, "it is neither a file nor a folder")),
    }
    let opened =
        Opened { size: Some(found.facts.size), mtime: found.facts.mtime, mode: found.mode, version: found.version };
    watch.opened(&opened);
    hand_over(pieces, Piece::Opened(opened.clone())).await?;
    Ok(opened)
}

/// The chunks of a file that one of `new` bytes replaces, all of them at once: nine bytes for each 8 KiB or more, and no more than fit two megabytes.
async fn described(basis: Option<&Arc<File>>, new: u64, pool: &BufferPool) -> Result<Option<Described>, ClientError> {
    let Some(basis) = basis.cloned() else { return Ok(None) };
    let mut block = pool.take();
    let describe = move || {
        let size = basis.metadata().map_or(0, |metadata| metadata.len());
        Describer::new(size, new).read(&basis, u64::MAX, &mut block)
    };
    tokio::task::spawn_blocking(describe).await.map_err(|_| ClientError::Cancelled)
}

async fn hand_over(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), ClientError> {
    pieces.send(piece).await.map_err(|_| ClientError::Cancelled)
}

/// The progress of sending the target's digests to the server.
#[derive(Default)]
struct Haves {
    /// The number of blocks, starting with the first.
    told: AtomicU64,
    ended: AtomicBool,
}

impl Haves {
    fn put(&self, frames: &mut Buffer, digests: &[Digest]) -> Result<(), ClientError> {
        for digests in digests.chunks(HAVE_MAX) {
            // Store the digests before sending them, so that they are known when the server omits their blocks.
            let first = self.told.fetch_add(digests.len() as u64, AcqRel);
            put_have(frames, first, digests).map_err(unsendable)?;
        }
        Ok(())
    }

    fn put_end(&self, frames: &mut Buffer) -> Result<(), ClientError> {
        self.ended.store(true, Release);
        put_have(frames, 0, &[]).map_err(unsendable)
    }

    /// Sends the target's digests to the server, up to their end.
    async fn forward(
        &self,
        held: &mut mpsc::Receiver<Vec<Digest>>,
        chunks: &mpsc::Sender<Chunk>,
        pool: &BufferPool,
    ) -> Result<(), ClientError> {
        while !self.ended.load(Relaxed) {
            let digests = held.recv().await;
            let mut frames = pool.take();
            // Mark the end only after the connection has accepted it, because this future may be dropped while the
            // queue is full.
            let Ok(room) = chunks.reserve().await else { return Ok(()) };
            match digests {
                Some(digests) => {
                    self.put(&mut frames, &digests)?;
                    room.send(Chunk::new(frames));
                }
                None => {
                    self.put_end(&mut frames)?;
                    room.send(Chunk::new(frames).last());
                }
            }
        }
        Ok(())
    }
}

/// Receives the blocks from the server, checks them and passes them on.
struct Taking<'a> {
    remote: &'a Remote,
    pieces: &'a mpsc::Sender<Piece>,
    watch: &'a dyn Watch,
    haves: &'a Haves,
    arriving: &'a AtomicBool,
    /// The file that deltas refer to.
    basis: Option<&'a Arc<File>>,
    /// The facts that were already reported to the target.
    told: Option<Opened>,
}

/// A file that is being downloaded.
struct Incoming {
    size: u64,
    version: entry::Version,
    /// The lowest index that the next block may have; blocks in between were omitted.
    next: u64,
    transferred: u64,
    reused: u64,
}

impl Taking<'_> {
    async fn run(mut self, mut parts: mpsc::Receiver<Part>) -> Result<End, ClientError> {
        let pausing = self.watch.pausing();
        let mut file = None;
        loop {
            let part = tokio::select! {
                biased;
                () = pausing.cancelled() => break,
                part = parts.recv() => part,
            };
            if let Some(end) = self.part(&mut file, part).await? {
                return Ok(end);
            }
        }
        // The transfer is to end, but what has arrived is not lost, nor is the block that is arriving now.
        let mut arriving = self.arriving.load(Acquire);
        for _ in 0..BLOCKS_AHEAD + usize::from(arriving) {
            let part = match parts.try_recv() {
                Ok(part) => Some(part),
                Err(_) if std::mem::take(&mut arriving) => parts.recv().await,
                Err(_) => break,
            };
            if let Some(end) = self.part(&mut file, part).await? {
                return Ok(end);
            }
        }
        Err(ClientError::Cancelled)
    }

    /// Takes the next part of a file, which begins with the first one; returns its end.
    async fn part(&mut self, file: &mut Option<Incoming>, part: Option<Part>) -> Result<Option<End>, ClientError> {
        match (part, file.as_mut()) {
            (Some(Part::Opened { size, mtime, mode, version }), None) => {
                let opened = Opened { size: Some(size), mtime, mode, version: Some(Version::new(version.clone())) };
                self.opened(opened, &version).await?;
                *file = Some(Incoming { size, version, next: 0, transferred: 0, reused: 0 });
                self.watch.phase(Phase::Receiving);
                Ok(None)
            }
            (Some(Part::Block { index, bytes }), Some(file)) => self.block(file, index, bytes, 0).await.map(|()| None),
            (Some(Part::Delta { index, steps }), Some(file)) => self.delta(file, index, steps).await.map(|()| None),
            (Some(Part::Sent { root: Some(root) }), Some(file)) => self.end(file, root).await.map(Some),
            (Some(Part::Refused(refusal)), _) => Err(refusal.into()),
            (Some(_), _) => Err(self.remote.broken("get")),
            (None, _) => Err(self.remote.closed().await),
        }
    }

    async fn opened(&mut self, opened: Opened, version: &entry::Version) -> Result<(), ClientError> {
        if let Some(told) = self.told.take() {
            let same = told.version.as_ref().and_then(Version::get) == Some(version) && told.size == opened.size;
            return if same { Ok(()) } else { Err(ClientError::SourceChanged) };
        }
        self.watch.opened(&opened);
        hand_over(self.pieces, Piece::Opened(opened)).await
    }

    async fn delta(&self, file: &mut Incoming, index: u64, steps: Payload) -> Result<(), ClientError> {
        let Some(basis) = self.basis.cloned() else { return Err(self.remote.broken("get")) };
        let apply = move || {
            let mut block = Vec::new();
            let reused = delta::apply(&steps, Some(&basis), &mut block)?;
            Ok::<_, BadDelta>((Payload::Shared(block.into()), reused))
        };
        let applied = tokio::task::spawn_blocking(apply).await.map_err(|_| ClientError::Cancelled)?;
        let (bytes, reused) = applied.map_err(|error| self.hostile(error.to_string()))?;
        self.block(file, index, bytes, reused).await
    }

    /// Passes on a block, of which so many bytes were not sent.
    async fn block(&self, file: &mut Incoming, index: u64, bytes: Payload, reused: u64) -> Result<(), ClientError> {
        let length = block_len(file.size, index);
        let Some((length, bytes)) = length.and_then(|length| Some((length, block(bytes, length)?))) else {
            return Err(self.hostile(format!("block {index} is not one of the file's")));
        };
        if index < file.next {
            return Err(self.hostile(format!("block {index} again")));
        }
        // All blocks except the last one are full.
        self.keep(file, index, (index - file.next).saturating_mul(BLOCK_SIZE))?;
        file.next = index + 1;
        file.transferred += (length as u64).saturating_sub(reused);
        file.reused += reused;
        hand_over(self.pieces, Piece::Block { index, bytes, equal: false }).await
    }

    async fn end(&self, file: &mut Incoming, root: Digest) -> Result<End, ClientError> {
        let rest = file.size.saturating_sub(file.next.saturating_mul(BLOCK_SIZE));
        let count = block_count(file.size);
        self.keep(file, count, rest)?;
        self.watch.kept(rest);
        let Incoming { size, ref version, transferred, reused, .. } = *file;
        let version = Some(Version::new(version.clone()));
        let end = End { root, size, transferred, reused, grown: None, version };
        hand_over(self.pieces, Piece::End(end.clone())).await?;
        Ok(end)
    }

    /// The blocks before `until` were omitted, so the target must have them.
    fn keep(&self, file: &mut Incoming, until: u64, bytes: u64) -> Result<(), ClientError> {
        let told = self.haves.told.load(Acquire);
        if file.next >= until {
            return Ok(());
        }
        if until > told {
            return Err(self.hostile(format!("block {} is missing", told.max(file.next))));
        }
        file.reused += bytes;
        Ok(())
    }

    fn hostile(&self, message: String) -> ClientError {
        self.remote.abort();
        ClientError::Protocol(message)
    }
}
