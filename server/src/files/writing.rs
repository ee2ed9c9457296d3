//! A file that is being written: staged, resumed, verified, and ended in one of three ways.
//!
//! [`Writing::commit`] verifies it and gives it its name. [`Writing::park`] keeps the part and the room it holds, to
//! be resumed; to drop a [`Writing`] is the same. [`Writing::abort`] discards it. A file of unknown size cannot be
//! parked, for nobody can say what its part should become: it is aborted instead.

use std::{io, sync::Arc, time::Instant};

use ferry_shared::{
    blocks,
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
    storage::{Part, PartInfo, Staged, StorageError},
    user_state::{UserState, growth},
};

/// A file that is being written.
#[derive(Debug)]
pub struct Writing {
    user: Arc<UserState>,
    counters: Arc<Counters>,
    new: NewFile,
    part: Part,
    /// After `part`, which must be let go when this is dropped.
    stream: Option<StreamEnd>,
    basis: Basis,
    /// Whole leading blocks the part held at the start.
    held: u64,
    /// Their digests, 32 bytes for each MiB, as far as they are computed.
    have: Vec<Digest>,
    /// The block expected next at the earliest.
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

    /// The basis that it really begins from.
    #[must_use]
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Whole leading blocks that were there at the start: they may be left out.
    #[must_use]
    pub fn held_blocks(&self) -> u64 {
        self.held
    }

    /// Leading blocks whose digests are computed.
    #[must_use]
    pub fn digested(&self) -> u64 {
        self.have.len() as u64
    }

    /// Computes the digests of up to `most` further blocks that were there at the start, and returns them.
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

    /// Bytes of the file that are there.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.new.size.map_or(self.streamed, |size| self.next.saturating_mul(BLOCK_SIZE).min(size))
    }

    /// Writes block `index`, of 1 MiB but for the last one. No bytes stand for a block of zeros where the size is
    /// known.
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

    fn declared_block(&mut self, size: u64, index: u64, bytes: &[u8]) -> Result<(), Error> {
        if index < self.next || index >= block_count(size) {
            return Err(Error::Sequence("a block out of order or past the end"));
        }
        self.keep_up_to(index)?;
        // Blocks of the part that are written again have their room.
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
        // Each time: the file it replaces may have gone. Near the limit the whole step may not fit
        // while the block does.
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

    /// Reserves what the target would grow by at `size` bytes.
    fn hold_for(&self, size: u64) -> Result<(), Error> {
        if self.part.is_superseded() {
            return Err(self.superseded());
        }
        let _nothing_moves = self.user.ledger.lock_changes();
        let target_state = self.user.home.target_state(&self.new.path)?;
        Ok(self.user.reserve(&self.new.path, growth(&target_state, size))?)
    }

    /// Counts blocks that were left out because the part holds them.
    fn keep_up_to(&mut self, end: u64) -> Result<(), Error> {
        for index in self.next..end {
            let kept = usize::try_from(index).ok().and_then(|index| self.have.get(index));
            self.root.push(*kept.ok_or_else(|| Error::Sequence("a block was left out that is not held"))?);
        }
        self.next = end;
        Ok(())
    }

    /// Verifies it, makes it durable and gives it its name. Where the caller expects no size and digest, it is what
    /// arrived; a declared size has to be reached nevertheless.
    ///
    /// # Errors
    /// [`Error::Mismatch`], or another [`Error`]. It is parked then.
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

    /// Ends it for now: what arrived stays, with the room it holds, and can be gone on with by a [`NewFile`] from
    /// [`Basis::Staged`]. A file of unknown size is discarded.
    pub fn park(self) {}

    /// Ends it for good: nothing of it stays, and its room is given back. What a newer upload of the same path took
    /// over stays with that one.
    ///
    /// # Errors
    /// The disk's; the part is parked then.
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
        // The upload that took the part over may have cut it.
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

/// Discards the part of a file of unknown size when it is not written any further.
#[derive(Debug)]
struct StreamEnd {
    user: Arc<UserState>,
    path: RemotePath,
}

impl Drop for StreamEnd {
    fn drop(&mut self) {
        // A stored part is gone by now; one in use belongs to an upload that took over.
        let left = |part: &PartInfo| part.meta.path == self.path && part.meta.size.is_none() && !part.active;
        if self.user.home.parts().iter().any(left)
            && let Err(error) = self.user.discard(&self.path)
        {
            tracing::warn!(user = %self.user.name, %error, "cannot discard a cut stream");
        }
    }
}
