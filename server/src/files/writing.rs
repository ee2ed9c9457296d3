//! A file that is being written: staged, resumed, verified, and ended in one of three ways.
//!
//! [`Writing::commit`] verifies the file and publishes it under its name. [`Writing::park`] keeps the part and its
//! reservation, to be resumed; dropping a [`Writing`] does the same. [`Writing::abort`] discards the part. A file
//! of unknown size cannot be parked, because the rest of it is unknown: it is aborted instead.

use std::{io, sync::Arc, time::Instant};

use ferry_shared::{
    blocks,
    chunks::{Described, Describer},
    delta,
    digest::{Digest, RootBuilder, chaining_value},
    limits::{BLOCK_LEN, BLOCK_SIZE, RESERVE_STEP, block_count},
    path::RemotePath,
};

use super::{
    Act, Basis, Error, NewFile, Stored,
    publish::{self, Payment, Ready},
};
use crate::{
    counters::Counters,
    storage::{OpenFile, Part, PartInfo, Staged, StorageError},
    user_state::{UserState, growth},
};

/// The existing file that deltas refer to, and what describes its chunks.
#[derive(Debug)]
struct Seed {
    file: OpenFile,
    describer: Describer,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writing {
    user: Arc<UserState>,
    counters: Arc<Counters>,
    new: NewFile,
    part: Part,
    /// Dropped after `part`: it inspects the part once the handle is closed.
    stream: Option<StreamEnd>,
    basis: Basis,
    seed: Option<Seed>,
    /// The number of complete leading blocks that the part held at the start.
    held: u64,
    /// The digests of those blocks that are computed so far: 32 bytes for each MiB.
    have: Vec<Digest>,
    /// The lowest index that the next block may have.
    next: u64,
    root: RootBuilder,
    /// Bytes received of a file of unknown size, and the plain digest of its first block.
    streamed: u64,
    first_plain: Option<Digest>,
    buffer: Vec<u8>,
    act: Act,
}

impl Writing {
    pub(super) fn new(
        user: Arc<UserState>,
        counters: Arc<Counters>,
        act: Act,
        new: NewFile,
        part: Part,
        basis: Basis,
        held: u64,
    ) -> Self {
        Self {
            stream: new.size.is_none().then(|| StreamEnd { user: Arc::clone(&user), path: new.path.clone() }),
            user,
            counters,
            new,
            part,
            basis,
            seed: None,
            held,
            have: Vec::new(),
            next: 0,
            root: RootBuilder::new(),
            streamed: 0,
            first_plain: None,
            buffer: Vec::new(),
            act,
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.new.path
    }

    /// The basis that it really starts from.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The number of complete leading blocks that were present at the start: the caller may leave them out.
    #[must_use]
    pub fn held_blocks(&self) -> u64 {
        self.held
    }

    /// The number of leading blocks whose digests are computed.
    #[must_use]
    pub fn digested(&self) -> u64 {
        self.have.len() as u64
    }

    /// Computes and returns the digests of up to `most` further blocks that were present at the start.
    ///
    /// # Errors
    /// [`Error`].
    pub fn digest_held(&mut self, most: u64) -> Result<&[Digest], Error> {
        let known = self.have.len();
        let Some(size) = self.new.size else { return Ok(&[]) };
        let end = self.held.min((known as u64).saturating_add(most));
        for index in known as u64..end {
            let digest = blocks::held_digest(self.part.file(), size, index, &mut self.buffer);
            self.have.push(digest.map_err(|error| self.disk(error))?);
        }
        Ok(self.have.get(known..).unwrap_or_default())
    }

    /// Opens the existing file, so that deltas may refer to it, and describes the chunks of its next blocks, at most this
    /// many at a time; `None` once all are described. A file that cannot be opened or read is not described.
    pub fn describe(&mut self, most: u64) -> Option<Described> {
        if self.seed.is_none() {
            let file = self.user.home.open_file(&self.new.path).ok()?;
            self.seed = Some(Seed { describer: Describer::new(file.size, self.new.size.unwrap_or(0)), file });
        }
        let Seed { file, describer } = self.seed.as_mut()?;
        describer.read(&file.file, most, &mut self.buffer)
    }

    /// Bytes of the file that are present.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.new.size.map_or(self.streamed, |size| self.next.saturating_mul(BLOCK_SIZE).min(size))
    }

    /// Writes block `index`. Blocks have 1 MiB, except the last one. If the size is known, an empty slice stands
    /// for a block of zeros.
    ///
    /// # Errors
    /// [`Error::Sequence`] for blocks out of order or of a wrong length, or another [`Error`].
    pub fn write_block(&mut self, index: u64, bytes: &[u8]) -> Result<(), Error> {
        super::may_change(&self.user)?;
        match self.new.size {
            Some(size) => self.declared_block(size, index, bytes),
            None => self.streamed_block(index, bytes),
        }
    }

    /// Writes block `index`, which is described by a delta; it may refer to the file that [`describe`](Self::describe) opened.
    ///
    /// # Errors
    /// [`Error::Sequence`] if it is no valid delta, or those of [`write_block`](Self::write_block).
    pub fn write_delta(&mut self, index: u64, steps: &[u8]) -> Result<(), Error> {
        let mut block = std::mem::take(&mut self.buffer);
        block.clear();
        let basis = self.seed.as_ref().map(|seed| &seed.file.file);
        let applied = delta::apply(steps, basis, &mut block).map_err(|_| Error::Sequence("an invalid delta"));
        let written = applied.and_then(|_| self.write_block(index, &block));
        self.buffer = block;
        written
    }

    fn declared_block(&mut self, size: u64, index: u64, bytes: &[u8]) -> Result<(), Error> {
        if index < self.next || index >= block_count(size) {
            return Err(Error::Sequence("a block out of order or past the end"));
        }
        self.keep_up_to(index)?;
        // Blocks of the part that are overwritten already have their space.
        let more = if index < self.held { 0 } else { bytes.len() as u64 };
        let written = self.part.write(more, |file, length| blocks::write_block(file, size, index, bytes, length));
        let digest = written.map_err(unwritten)?;
        self.root.push(digest);
        self.next = index + 1;
        Ok(())
    }

    fn streamed_block(&mut self, index: u64, bytes: &[u8]) -> Result<(), Error> {
        let in_order = index == self.next && self.streamed == index * BLOCK_SIZE;
        if !in_order || bytes.is_empty() || bytes.len() > BLOCK_LEN {
            return Err(Error::Sequence("a block out of order or after a short one"));
        }
        let end = self.streamed + bytes.len() as u64;
        // Check each time: the file to replace may be gone. Near the limit a single block may fit where a whole
        // step does not.
        let step = end.div_ceil(RESERVE_STEP) * RESERVE_STEP;
        self.hold_for(step).or_else(|_| self.hold_for(end))?;
        let written = self.part.write(bytes.len() as u64, |file, length| {
            blocks::write_all_at(file, bytes, index * BLOCK_SIZE)?;
            *length = end.max(*length);
            Ok(())
        });
        written.map_err(unwritten)?;
        if index == 0 {
            self.first_plain = Some(Digest::of(bytes));
        }
        self.root.push(chaining_value(index, bytes));
        self.next = index + 1;
        self.streamed = end;
        Ok(())
    }

    /// Reserves the growth of the target for a file of `size` bytes.
    fn hold_for(&self, size: u64) -> Result<(), Error> {
        if self.part.is_superseded() {
            return Err(self.superseded());
        }
        let _nothing_moves = self.user.ledger.lock_changes();
        let target_state = self.user.home.target_state(&self.new.path)?;
        Ok(self.user.reserve(&self.new.path, growth(&target_state, size))?)
    }

    /// Adds the digests of blocks that were left out because the part holds them.
    fn keep_up_to(&mut self, end: u64) -> Result<(), Error> {
        for index in self.next..end {
            let kept = usize::try_from(index).ok().and_then(|index| self.have.get(index));
            self.root.push(*kept.ok_or_else(|| Error::Sequence("a block was left out that is not held"))?);
        }
        self.next = end;
        Ok(())
    }

    /// Verifies the file, makes it durable and publishes it under its name. If the caller expects no size and
    /// digest, the received bytes are accepted, but a declared size must still be reached.
    ///
    /// # Errors
    /// [`Error::Mismatch`], or another [`Error`]. The file is then parked.
    pub fn commit(mut self, expected: Option<(u64, Digest)>) -> Result<Stored, Error> {
        super::may_change(&self.user)?;
        let size = self.new.size.unwrap_or(self.streamed);
        if expected.is_some_and(|(expected, _)| expected != size) {
            return Err(self.mismatch("the size is not the declared one"));
        }
        if self.new.size.is_some() && self.keep_up_to(block_count(size)).is_err() {
            return Err(self.mismatch("blocks are missing"));
        }
        let found = match self.first_plain {
            Some(plain) if size <= BLOCK_SIZE => plain,
            _ => self.root.root(),
        };
        if expected.is_some_and(|(_, expected)| expected != found) {
            return Err(self.mismatch("the bytes that arrived have another digest"));
        }
        self.part.finish(size)?;
        let start = Instant::now();
        let counters = Arc::clone(&self.counters);
        let stored = self.publish(size, found);
        counters.flushed(start);
        stored
    }

    fn publish(self, size: u64, digest: Digest) -> Result<Stored, Error> {
        let Self { user, counters, new, part, stream: _at_the_end, mut act, .. } = self;
        let NewFile { path, replace, parents, .. } = new;
        let (staged, overwrite) = (Staged::Part(part), replace.into());
        let ready = Ready { staged, target: path.clone(), size, digest, overwrite, parents, payment: Payment::Part };
        let placed = publish::publish_one(&user, ready)?;
        counters.uploads.one();
        act.transferred(size, Some(digest));
        user.waste.kept(&path);
        tracing::debug!(user = %user.name, path = %path.display(), size, "stored");
        Ok(placed)
    }

    /// Ends the writing for now: the received bytes and their reservation stay, and a [`NewFile`] with
    /// [`Basis::Staged`] can continue from them. A file of unknown size is discarded.
    pub fn park(self) {}

    /// Ends the writing for good: discards the part and releases its reservation. A part that a newer upload of the
    /// same path took over stays with that upload.
    ///
    /// # Errors
    /// An error of the disk; the part is then parked.
    pub fn abort(self) -> Result<(), Error> {
        let Self { user, new, part, .. } = self;
        if part.is_superseded() {
            return Ok(());
        }
        drop(part);
        user.discard(&new.path)?;
        Ok(())
    }

    fn mismatch(&self, reason: &'static str) -> Error {
        Error::Mismatch { reason, kept: self.new.size.is_some() }
    }

    fn superseded(&self) -> Error {
        StorageError::Superseded(self.new.path.clone()).into()
    }

    fn disk(&self, error: io::Error) -> Error {
        // The upload that took the part over may have truncated it.
        if self.part.is_superseded() { self.superseded() } else { Error::fault(error) }
    }
}

fn unwritten(error: StorageError) -> Error {
    match error {
        StorageError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
            Error::Sequence("a block of the wrong length")
        }
        other => other.into(),
    }
}

/// Discards the part of a file of unknown size once nobody writes to it any more.
#[derive(Debug)]
struct StreamEnd {
    user: Arc<UserState>,
    path: RemotePath,
}

impl Drop for StreamEnd {
    fn drop(&mut self) {
        // A stored part is gone by now, and an active one belongs to an upload that took it over.
        let left = |part: &PartInfo| part.meta.path == self.path && part.meta.size.is_none() && !part.active;
        if self.user.home.parts().iter().any(left)
            && let Err(error) = self.user.discard(&self.path)
        {
            tracing::warn!(user = %self.user.name, %error, "cannot discard an interrupted stream");
        }
    }
}
