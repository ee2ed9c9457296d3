//! Uploads: small files at once, others block by block with a journal of what the server confirmed.

mod block;

use std::{collections::VecDeque, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder},
    limits::{BLOCK_SIZE, block_count, block_len},
    refusal::Code,
    sftp::{Attributes, OpenFlags},
};
use tokio::sync::mpsc;

use self::block::{chunks, digested};
use super::{
    calls::{self, Calls, Open},
    fault,
    link::{Answer, IN_FLIGHT},
    parts::{Parts, Record, Sent},
    target::{Hidden, Target, Writing, hidden_beside},
};
use crate::{
    error::ClientError,
    site::{BlockBytes, Content, End, Opened, Phase, Piece, Put, Stored, Watch},
};

/// The number of digests per message.
const DIGESTS_PER_MESSAGE: usize = 256;
/// The number of blocks between entries of the journal.
const BLOCKS_PER_ENTRY: usize = 4;

/// Stores a small file.
///
/// # Errors
/// The content is not the declared one, something else is at the target, or the server's refusal.
pub(super) async fn small(
    calls: &Calls,
    put: &Put,
    content: Content,
    watch: Option<&dyn Watch>,
) -> Result<Stored, ClientError> {
    let Content { opened, bytes, root, .. } = content;
    let size = bytes.len() as u64;
    if opened.size != Some(size) || size > BLOCK_SIZE {
        return Err(ClientError::SourceChanged);
    }
    let (found, bytes, _) = digested(size, 0, bytes, None).await?;
    if found != root {
        return Err(ClientError::Mismatch { expected: root, found });
    }
    let target = Target::find(calls, put, &opened).await?;
    let writing = target.begin(calls, put, hidden_beside(&target.path, "part")).await?;
    let mut written = Vec::new();
    for (at, chunk) in chunks(calls, &bytes) {
        written.push((calls.write(writing.file(), at, chunk).await?, chunk.len() as u64));
    }
    for (answer, length) in written {
        calls::succeeded(answer).await?;
        if let Some(watch) = watch {
            watch.moved(length);
        }
    }
    if let Some(hidden) = target.complete(calls, writing, size).await? {
        target.publish(calls, hidden).await?;
    }
    Ok(Stored { root: None, size, reused: 0 })
}

/// Stores a streamed file.
///
/// # Errors
/// The source ended early or changed, something else is at the target, or the server's refusal.
pub(super) async fn run(
    calls: &Calls,
    parts: &Parts,
    put: &Put,
    mut pieces: mpsc::Receiver<Piece>,
    held: mpsc::Sender<Vec<Digest>>,
    watch: Arc<dyn Watch>,
) -> Result<Stored, ClientError> {
    watch.phase(Phase::Checking);
    let opened = match pieces.recv().await {
        Some(Piece::Opened(opened)) => opened,
        Some(_) => return Err(out_of_order()),
        None => return Err(ClientError::Cancelled),
    };
    let target = Target::find(calls, put, &opened).await?;
    let mut upload = Upload::begin(calls, parts, put, &target, &opened).await?;
    let digests: Vec<Digest> = upload.sent.iter().map(|sent| sent.digest).collect();
    for digests in digests.chunks(DIGESTS_PER_MESSAGE) {
        // The source may need no more.
        if held.send(digests.to_vec()).await.is_err() {
            break;
        }
    }
    drop(held);
    watch.phase(Phase::Sending);
    let written = upload.write_all(&mut pieces, &*watch).await;
    let end = match written {
        Ok(end) => end,
        Err(error) => {
            upload.leave().await;
            return Err(error);
        }
    };
    watch.phase(Phase::Flushing);
    upload.finish(&target, &end, &*watch).await
}

fn out_of_order() -> ClientError {
    ClientError::Protocol("the pieces of a file are out of order".into())
}

/// A file that is being written.
struct Upload<'a> {
    calls: &'a Calls,
    writing: Writing,
    record: Option<Record>,
    size: Option<u64>,
    /// The blocks up to the present one: written, or found in the part.
    sent: Vec<Sent>,
    /// The number of these that the part had at the beginning.
    reused: usize,
    /// The next block.
    next: u64,
    /// The end of what was written.
    extent: u64,
    /// Bytes of the blocks so far.
    length: u64,
    /// The writes without an answer; the last one of a block has the number of blocks that are then complete.
    under_way: VecDeque<(Answer, Option<usize>)>,
    /// The number of blocks that the server confirmed.
    confirmed: usize,
    /// Whether the server is asked for a digest at the end.
    verify: bool,
    /// The digest of all content so far, if it is wanted and no block was left out.
    sha256: Option<Context>,
}

impl<'a> Upload<'a> {
    async fn begin(
        calls: &'a Calls,
        parts: &Parts,
        put: &Put,
        target: &Target,
        opened: &Opened,
    ) -> Result<Self, ClientError> {
        let fresh = hidden_beside(&target.path, "part");
        let mut record = match opened.size {
            Some(size) if size > BLOCK_SIZE => {
                let (parts, path, part) = (parts.clone(), target.path.clone(), fresh.clone());
                let resumes = put.resume || put.begun;
                on_disk(move || parts.open(&path, size, &part, resumes)).await?
            }
            _ => None,
        };
        if let Some(stale) = record.as_mut().and_then(|record| record.stale.take()) {
            // It may be gone already.
            drop(calls.remove_file(stale).await);
        }
        let mut sent = Vec::new();
        let mut writing = None;
        if let Some(record) = &record
            && !record.blocks.is_empty()
            && let Some(again) = reopen(calls, record, opened.size.unwrap_or(0)).await?
        {
            sent.clone_from(&record.blocks);
            writing = Some(again);
        }
        let writing = match writing {
            Some(writing) => writing,
            None => {
                let mut part = fresh;
                if let Some(mut earlier) = record.take() {
                    part = earlier.part();
                    record = Some(on_disk(move || earlier.restart().map(|()| earlier)).await?);
                }
                match record.is_some() {
                    true => target.begin_anew(calls, put, part).await?,
                    false => target.begin(calls, put, part).await?,
                }
            }
        };
        if matches!(writing, Writing::InPlace(_))
            && let Some(record) = record.take()
        {
            record.remove();
        }
        let (reused, confirmed) = (sent.len(), sent.len());
        let extent = extent(&sent, opened.size.unwrap_or(0));
        let under_way = VecDeque::new();
        Ok(Self {
            calls,
            writing,
            record,
            size: opened.size,
            sent,
            reused,
            next: 0,
            extent,
            length: 0,
            under_way,
            confirmed,
            verify: put.verify,
            sha256: (put.verify && reused == 0).then(|| Context::new(&SHA256)),
        })
    }

    /// Writes the blocks up to the end of the file.
    async fn write_all(&mut self, pieces: &mut mpsc::Receiver<Piece>, watch: &dyn Watch) -> Result<End, ClientError> {
        let pausing = watch.pausing();
        loop {
            let piece = tokio::select! {
                biased;
                // The writes under way are then waited for and noted.
                () = pausing.cancelled() => None,
                piece = pieces.recv() => piece,
            };
            match piece {
                Some(Piece::Block { index, equal: true, .. }) => self.skip(index.saturating_add(1))?,
                Some(Piece::Block { index, bytes, equal: false }) => {
                    self.skip(index)?;
                    self.block(index, bytes, watch).await?;
                }
                Some(Piece::End(end)) => {
                    self.skip(block_count(end.size))?;
                    if self.size.is_some_and(|size| size != end.size) || self.length != end.size {
                        return Err(ClientError::SourceChanged);
                    }
                    while self.settle().await? {}
                    return Ok(end);
                }
                Some(Piece::Opened(_)) => return Err(out_of_order()),
                None => return Err(ClientError::Cancelled),
            }
        }
    }

    /// The source omitted the blocks before `until`, which the part has.
    fn skip(&mut self, until: u64) -> Result<(), ClientError> {
        if until < self.next {
            return Err(out_of_order());
        }
        while self.next < until {
            let length = self.size.and_then(|size| block_len(size, self.next));
            match length {
                Some(length) if self.next < self.reused as u64 => self.length += length as u64,
                // Nothing is omitted that is not there.
                _ => return Err(ClientError::Protocol(format!("block {} is missing", self.next))),
            }
            self.next += 1;
        }
        Ok(())
    }

    async fn block(&mut self, index: u64, bytes: BlockBytes, watch: &dyn Watch) -> Result<(), ClientError> {
        if self.size.is_some_and(|size| block_len(size, index) != Some(bytes.len())) {
            return Err(ClientError::SourceChanged);
        }
        let at = usize::try_from(index).map_err(|_| out_of_order())?;
        let (digest, bytes) = match self.size {
            Some(size) => {
                let (digest, bytes, sha256) = digested(size, index, bytes, self.sha256.take()).await?;
                self.sha256 = sha256;
                (digest, bytes)
            }
            None => (Digest([0; 32]), bytes),
        };
        let is_there = at < self.sent.len();
        // Bytes that are there already must be written over.
        let hole = !is_there && (bytes.is_zeros() || blocks::is_zero(&bytes));
        match is_there {
            true => self.replace(at, Sent { digest, hole }).await?,
            false => self.sent.push(Sent { digest, hole }),
        }
        let (start, length) = (index.saturating_mul(BLOCK_SIZE), bytes.len() as u64);
        if !hole {
            let last = bytes.len().div_ceil(self.calls.facts.write).saturating_sub(1);
            for (number, (offset, chunk)) in chunks(self.calls, &bytes).enumerate() {
                while self.under_way.len() >= IN_FLIGHT {
                    self.settle().await?;
                }
                let answer = self.calls.write(self.writing.file(), start + offset, chunk).await?;
                let complete = (number == last).then_some(at + 1);
                self.under_way.push_back((answer, complete));
                watch.moved(chunk.len() as u64);
            }
            self.extent = self.extent.max(start + length);
        }
        self.next = index + 1;
        self.length += length;
        if hole {
            watch.moved(length);
        }
        watch.grown_to(start + length);
        if self.record.is_some() && self.confirmed >= self.recorded() + BLOCKS_PER_ENTRY {
            self.note().await?;
        }
        Ok(())
    }

    /// Waits for the answer to the oldest write; returns whether there was one.
    async fn settle(&mut self) -> Result<bool, ClientError> {
        let Some((answer, complete)) = self.under_way.pop_front() else {
            self.confirmed = self.sent.len();
            return Ok(false);
        };
        if let Err(error) = calls::succeeded(answer).await {
            return Err(self.why(error).await);
        }
        if let Some(complete) = complete {
            self.confirmed = complete;
        }
        Ok(true)
    }

    /// A better reason for a failed write: SFTP has none for a full disk.
    async fn why(&self, error: ClientError) -> ClientError {
        let path = match &self.writing {
            Writing::Part(hidden, _) => hidden.path.clone(),
            Writing::InPlace(_) => return error,
        };
        match (&error, self.calls.volume(path).await) {
            (ClientError::Refused(refusal), Ok(Some(volume)))
                if refusal.code == Code::Internal && volume.blocks_available == 0 =>
            {
                fault::refused(Code::DiskFull, "the server's disk is full")
            }
            _ => error,
        }
    }

    fn recorded(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.blocks.len())
    }

    /// Replaces a block of the part, because the source differs from what was sent. Those behind it may still be equal.
    async fn replace(&mut self, at: usize, block: Sent) -> Result<(), ClientError> {
        while self.settle().await? {}
        self.confirmed = at;
        if let Some(mut record) = self.record.take() {
            let before = self.sent.get(..at).unwrap_or_default().to_vec();
            let again = on_disk(move || {
                record.restart()?;
                record.add(&before)?;
                Ok(record)
            });
            self.record = Some(again.await?);
        }
        if let Some(present) = self.sent.get_mut(at) {
            *present = block;
        }
        Ok(())
    }

    /// Adds the confirmed blocks to the journal.
    async fn note(&mut self) -> Result<(), ClientError> {
        let Some(mut record) = self.record.take() else { return Ok(()) };
        let new = self.sent.get(record.blocks.len()..self.confirmed).unwrap_or_default().to_vec();
        self.record = Some(on_disk(move || record.add(&new).map(|()| record)).await?);
        self.keep_part(true);
        Ok(())
    }

    /// Whether the part stays when this upload ends, in whatever way.
    fn keep_part(&mut self, keep: bool) {
        if let Writing::Part(hidden, _) = &mut self.writing {
            hidden.keep = keep;
        }
    }

    /// Keeps the part of an upload that failed, if there is something to keep.
    async fn leave(mut self) {
        // The answers that are there already count.
        if !self.calls.link.is_closed() {
            while matches!(self.settle().await, Ok(true)) {}
        }
        if self.record.is_some() && self.confirmed > 0 {
            // Without an entry, the next attempt starts earlier.
            drop(self.note().await);
        } else {
            self.discard();
        }
    }

    /// Completes the file and gives it its name.
    async fn finish(mut self, target: &Target, end: &End, watch: &dyn Watch) -> Result<Stored, ClientError> {
        let result = self.checked(end, watch).await;
        if let Err(error) = result {
            match error {
                // The content is complete, and can be used by another attempt.
                ClientError::Cancelled | ClientError::Lost(_) | ClientError::Timeout(_) => self.leave().await,
                _ => self.discard(),
            }
            return Err(error);
        }
        self.keep_part(false);
        let Self { calls, writing, record, verify, sha256, size, .. } = self;
        let published = async {
            let hidden = target.complete(calls, writing, end.size).await?;
            let path = hidden.as_ref().map_or(&target.path, |hidden| &hidden.path);
            let root = match verify && size.is_some() {
                true => calls.prove(path, end.size, end.root, sha256).await?,
                false => None,
            };
            if let Some(hidden) = hidden {
                target.publish(calls, hidden).await?;
            }
            Ok(Stored { root, size: end.size, reused: 0 })
        };
        let published = published.await;
        if let Some(record) = record {
            record.remove();
        }
        published
    }

    async fn checked(&mut self, end: &End, watch: &dyn Watch) -> Result<(), ClientError> {
        if self.size.is_some() {
            let mut root = RootBuilder::new();
            self.sent.iter().for_each(|sent| root.push(sent.digest));
            let found = root.root();
            if found != end.root {
                return Err(ClientError::Mismatch { expected: end.root, found });
            }
        }
        if end.size > self.extent {
            // The file ends with a hole.
            let last = self.calls.write(self.writing.file(), end.size - 1, &[0]).await?;
            calls::succeeded(last).await?;
        }
        if watch.is_stopped() { Err(ClientError::Cancelled) } else { Ok(()) }
    }

    /// Gives up the part.
    fn discard(mut self) {
        self.keep_part(false);
        if let Some(record) = self.record {
            record.remove();
        }
    }
}

/// The end of the last block that is not a hole.
fn extent(sent: &[Sent], size: u64) -> u64 {
    let last = sent.iter().rposition(|sent| !sent.hole);
    last.map_or(0, |last| size.min((last as u64 + 1).saturating_mul(BLOCK_SIZE)))
}

/// Opens the part of an earlier attempt, cut to what was confirmed; `None` if it cannot be used.
async fn reopen(calls: &Calls, record: &Record, size: u64) -> Result<Option<Writing>, ClientError> {
    let unusable = |error| match error {
        ClientError::Refused(_) => Ok(None),
        lost => Err(lost),
    };
    let found = match calls.look(record.part()).await {
        Ok(found) => found,
        Err(error) => return unusable(error),
    };
    let extent = extent(&record.blocks, size);
    if found.kind() != Some(ferry_shared::entry::Kind::File) || found.size.is_none_or(|length| length < extent) {
        return Ok(None);
    }
    let file = match calls.open(record.part(), OpenFlags::WRITE, None).await {
        Ok(file) => file,
        Err(error) => return unusable(error),
    };
    if found.size != Some(extent)
        && let Err(error) = resize(calls, &file, extent).await
    {
        return unusable(error);
    }
    let mut hidden = Hidden::new(calls, record.part());
    hidden.keep = true;
    Ok(Some(Writing::Part(hidden, file)))
}

async fn resize(calls: &Calls, file: &Open, size: u64) -> Result<(), ClientError> {
    let attributes = Attributes { size: Some(size), ..Attributes::default() };
    calls::succeeded(calls.set_open(file, attributes).await?).await
}

/// Runs `work`, which accesses this computer's disk, on a blocking thread.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ClientError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| ClientError::Cancelled)?;
    done.map_err(|error| ClientError::local("the journal of unfinished uploads", error))
}
