//! `Put` of a file of several blocks or of unknown size: reserved, staged, resumed, verified.

use std::{io, ops::ControlFlow, sync::Arc, time::Instant};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, chaining_value},
    limits::{BLOCK_LEN, BLOCK_SIZE, FILE_SIZE_MAX, HAVE_MAX, RESERVE_STEP, block_count},
    message::{
        Reply,
        request::{Basis, IfExists, Put},
    },
    path::RemotePath,
};

use super::{upload_small::overwrite, usage};
use crate::{
    audit::event::{Event, shown},
    context::Context,
    figures::Figures,
    files::{
        Act, Error, Files,
        publish::{self, Payment, Ready},
    },
    outbox::Outbox,
    quota::Tally,
    storage::{FileMeta, Part, PartInfo, PartMeta, Prospect, Staged, StorageError},
    user_state::UserState,
};

/// Digests told in one step: enough to keep the client busy, few enough to begin soon.
const TOLD_AT_ONCE: u64 = 64;

/// An upload under way. Dropping it leaves the part and what it holds for a resume, unless its
/// size is unknown: nobody can say what such a part should become.
#[derive(Debug)]
pub(super) struct Upload {
    user: Arc<UserState>,
    put: Put,
    part: Part,
    /// After `part`, which it looks at once that is let go.
    stream: Option<StreamEnd>,
    basis: Basis,
    /// Whole leading blocks the part held at the start.
    had: u64,
    /// Their digests, 32 bytes for each MiB, as far as they are computed.
    have: Vec<Digest>,
    announced: bool,
    /// The block expected next at the earliest.
    next: u64,
    root: RootBuilder,
    /// Bytes received of an upload of unknown size, and the plain digest of its first block.
    streamed: u64,
    first_plain: Option<Digest>,
    buffer: Vec<u8>,
    act: Act,
}

/// Checks, reserves and opens the part. An error here comes before any data.
pub(super) fn start(files: &Files, context: &Context, put: Put) -> Result<Upload, Error> {
    let user = files.user();
    if put.size.is_some_and(|size| size > FILE_SIZE_MAX) {
        return Err(Error::TooLarge);
    }
    let prospect = user.home.prospect(&put.path)?;
    check_target(&put, &prospect)?;
    let size = put.size.unwrap_or(0);
    let growth = Tally::from(prospect.new_file(size)).growth_from(prospect.old().into());
    user.hold(&put.path, growth)?;
    let opened = fits_the_disk(user, &put).and_then(|()| Ok(open_part(user, context, &put, &prospect)?));
    let changes = user.ledger.lock_changes();
    let (part, basis) = opened.inspect_err(|_| user.hold_again(&changes, &put.path))?;
    if let Err(error) = user.hold_opened(&changes, &put.path) {
        drop(changes);
        if basis != Basis::Staged {
            user.discard(&put.path)?;
        }
        return Err(error.into());
    }
    drop(changes);
    let had = match put.size {
        Some(size) if basis != Basis::None => blocks::held_blocks(size, part.length()),
        _ => 0,
    };
    tracing::debug!(user = %user.name, path = %put.path.display(), size = ?put.size, had, "upload begins");
    Ok(Upload {
        act: files.act(Event::Upload { path: shown(&put.path), size: 0, digest: None }),
        user: Arc::clone(user),
        stream: put.size.is_none().then(|| StreamEnd { user: Arc::clone(user), path: put.path.clone() }),
        put,
        part,
        basis,
        had,
        have: Vec::new(),
        announced: false,
        next: 0,
        root: RootBuilder::new(),
        streamed: 0,
        first_plain: None,
        buffer: Vec::new(),
    })
}

/// Refuses what the disk has no room for before any data comes. What of it is there already has its room.
fn fits_the_disk(user: &UserState, put: &Put) -> Result<(), Error> {
    let staged = user.home.part_info(&put.path).filter(|_| put.basis != Basis::None);
    // The file it replaces takes its room until the very end.
    let needed = put.size.map_or(1, |size| size.saturating_sub(staged.map_or(0, |part| part.length)));
    let free = user.home.volume_free()?;
    if needed <= free { Ok(()) } else { Err(Error::NoRoom { needed, free }) }
}

fn check_target(put: &Put, prospect: &Prospect) -> Result<(), Error> {
    let target = || put.path.clone();
    if prospect.missing_folders > 0 && !put.parents {
        return Err(StorageError::NotFound(put.path.parent().unwrap_or_default()).into());
    }
    match (prospect.kind(), &put.if_exists) {
        (Some(ferry_shared::entry::Kind::Folder), _) => Err(StorageError::IsDirectory(target()).into()),
        (Some(_), IfExists::Refuse) => Err(StorageError::Exists(target()).into()),
        (_, IfExists::ReplaceVersion(version)) if prospect.version().as_ref() != Some(version) => {
            Err(StorageError::Changed(target()).into())
        }
        _ => Ok(()),
    }
}

/// The part to go on with, and what it really begins from.
fn open_part(
    user: &UserState,
    context: &Context,
    put: &Put,
    prospect: &Prospect,
) -> Result<(Part, Basis), StorageError> {
    let meta = PartMeta { path: put.path.clone(), size: put.size, file: FileMeta { mtime: put.mtime, mode: put.mode } };
    if put.size.is_some() && put.basis != Basis::None {
        if let Some(part) = user.home.open_part(meta.clone())? {
            return Ok((part, Basis::Staged));
        }
        if put.basis == Basis::Current && prospect.version().is_some() {
            let mut go_on = |_| match context.stop.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let part = user.home.seed_part(meta, &mut go_on)?;
            user.waste.begun(&put.path, part.length());
            return Ok((part, Basis::Current));
        }
    }
    Ok((user.home.create_part(meta)?, Basis::None))
}

impl Upload {
    /// Says `Ready`, then tells the digests of what the part holds, some at a time.
    /// `false` once the client's blocks are awaited.
    pub(super) fn prepare(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        if !self.announced {
            self.announced = true;
            out.reply(&Reply::Ready { basis: self.basis, have_blocks: self.had });
            return Ok(true);
        }
        let first = self.have.len() as u64;
        if first >= self.had {
            return Ok(false);
        }
        let Some(size) = self.put.size else { return Ok(false) };
        let end = self.had.min(first + TOLD_AT_ONCE.min(HAVE_MAX as u64));
        for index in first..end {
            let digest = blocks::held_digest(self.part.file(), size, index, &mut self.buffer);
            self.have.push(digest.map_err(|error| self.disk(error))?);
        }
        let told = usize::try_from(first).ok().and_then(|first| self.have.get(first..)).unwrap_or_default();
        out.have(first, told).map_err(Error::fault)?;
        out.finish();
        Ok(true)
    }

    /// Whether the client waits for what the part holds.
    pub(super) fn is_preparing(&self) -> bool {
        !self.announced || (self.have.len() as u64) < self.had
    }

    /// Bytes of the file that are there.
    pub(super) fn position(&self) -> u64 {
        self.put.size.map_or(self.streamed, |size| self.next.saturating_mul(BLOCK_SIZE).min(size))
    }

    /// Whether it is for this path.
    pub(super) fn is_of(&self, path: &RemotePath) -> bool {
        self.put.path == *path
    }

    /// Writes one block.
    pub(super) fn block(&mut self, index: u64, bytes: &[u8]) -> Result<(), Error> {
        match self.put.size {
            Some(size) => self.declared_block(size, index, bytes),
            None => self.streamed_block(index, bytes),
        }
    }

    fn declared_block(&mut self, size: u64, index: u64, bytes: &[u8]) -> Result<(), Error> {
        if index < self.next || index >= block_count(size) {
            return Err(Error::Sequence("a block out of order or past the end"));
        }
        self.keep_up_to(index)?;
        // What of the part is only written again has its room.
        let more = if index < self.had { 0 } else { bytes.len() as u64 };
        let written = self.part.write(more, |file, length| blocks::write_block(file, size, index, bytes, length));
        let digest = written.map_err(|error| self.unwritten(error))?;
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
        written.map_err(|error| self.unwritten(error))?;
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
        let prospect = self.user.home.prospect(&self.put.path)?;
        let growth = Tally::from(prospect.new_file(size)).growth_from(prospect.old().into());
        Ok(self.user.hold(&self.put.path, growth)?)
    }

    /// Counts blocks the client left out because the part holds them.
    fn keep_up_to(&mut self, end: u64) -> Result<(), Error> {
        for index in self.next..end {
            let kept = usize::try_from(index).ok().and_then(|index| self.have.get(index));
            self.root.push(*kept.ok_or_else(|| Error::Sequence("a block was left out that is not held"))?);
        }
        self.next = end;
        Ok(())
    }

    /// Verifies, makes durable, and puts the file in its place.
    pub(super) fn commit(mut self: Box<Self>, size: u64, root: Digest, figures: &Figures) -> Result<Reply, Error> {
        let total = self.put.size.unwrap_or(self.streamed);
        if size != total {
            return Err(self.mismatch("the size is not the declared one"));
        }
        if self.put.size.is_some() && self.keep_up_to(block_count(size)).is_err() {
            return Err(self.mismatch("blocks are missing"));
        }
        let found = match self.first_plain {
            Some(plain) if size <= BLOCK_SIZE => plain,
            _ => self.root.root(),
        };
        if found != root {
            return Err(self.mismatch("the bytes that arrived have another digest"));
        }
        self.part.finish(size)?;
        let start = Instant::now();
        let stored = self.publish(size, root);
        figures.flushed(start);
        stored
    }

    fn publish(self, size: u64, root: Digest) -> Result<Reply, Error> {
        let Self { user, put, part, stream: _at_the_end, mut act, .. } = self;
        let Put { path, if_exists, parents, .. } = put;
        let (staged, overwrite) = (Staged::Part(part), overwrite(&if_exists));
        let ready = Ready { staged, target: path.clone(), size, overwrite, parents, payment: Payment::Part };
        let placed = publish::publish_one(&user, ready)?;
        act.transferred(size, Some(root));
        user.waste.kept(&path);
        let usage = usage::now(&user);
        tracing::debug!(user = %user.name, path = %path.display(), size, "stored");
        Ok(Reply::Stored { root, size, version: placed.version, usage })
    }

    fn mismatch(&self, reason: &'static str) -> Error {
        Error::Mismatch { reason, kept: self.put.size.is_some() }
    }

    fn superseded(&self) -> Error {
        StorageError::Superseded(self.put.path.clone()).into()
    }

    fn unwritten(&self, error: StorageError) -> Error {
        match error {
            StorageError::Io { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Error::Sequence("a block of the wrong length")
            }
            other => other.into(),
        }
    }

    fn disk(&self, error: io::Error) -> Error {
        // The upload that took the part over may have cut it.
        if self.part.is_superseded() {
            return self.superseded();
        }
        Error::fault(error)
    }
}

/// Throws the part of an upload of unknown size away when the upload ends.
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
            tracing::warn!(user = %self.user.name, %error, "cannot throw a cut stream away");
        }
    }
}
