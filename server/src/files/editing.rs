//! A file that is written at any offset and whose size only its end tells, as protocols without digests write files.
//!
//! Bytes that arrive front to back are digested as they come, and a file that stays smaller than a block never gets a
//! part of its own. Any other order is written to the part as it comes, and digested by reading it at the commit.
//!
//! [`Editing::commit`] publishes the file. Dropping an [`Editing`] parks it: a later [`Files::edit`] of the same path
//! continues it if it was written front to back. A write that fails for lack of room aborts it.

mod commit;
mod front;
mod open;

use ferry_shared::{
    blocks,
    entry::Mtime,
    limits::{FILE_SIZE_MAX, RESERVE_STEP},
    path::RemotePath,
};

use self::front::Front;
pub(crate) use self::open::Existing;
use super::{Error, Files, PathFault, Reading, Replace};
use crate::{
    quota::Reservation,
    storage::{FileMeta, Lasting, Part, StorageError},
    user_state::growth,
};

/// A file that is being written.
#[derive(Debug)]
pub struct Editing {
    files: Files,
    path: RemotePath,
    replace: Replace,
    attributes: FileMeta,
    size: u64,
    body: Body,
    /// Bytes for which there is a reservation, as of the last time it was needed.
    held: u64,
    is_resumed: bool,
    /// An earlier change failed, so that a commit would not store what the peer wrote.
    is_spoiled: bool,
}

/// The bytes so far.
#[derive(Debug)]
enum Body {
    /// Those of the present file at the path.
    Present(Box<Reading>),
    /// Written front to back. Without a part everything is in memory, and this reservation pays for it.
    Front(Option<Part>, Front, Option<Reservation>),
    /// Written in any order.
    Anywhere(Part),
    /// None: the file was given up.
    Nothing,
}

impl Editing {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its permission bits, if they are known.
    #[must_use]
    pub fn mode(&self) -> Option<u32> {
        match &self.body {
            Body::Present(reading) => Some(reading.mode()),
            _ => self.attributes.mode,
        }
    }

    /// Its modification time, if it has one yet.
    #[must_use]
    pub fn mtime(&self) -> Option<Mtime> {
        match &self.body {
            Body::Present(reading) => Some(reading.mtime()),
            _ => self.attributes.mtime,
        }
    }

    /// Whether it continues an unfinished upload.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Whether nothing was changed since it was opened.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        matches!(self.body, Body::Present(_))
    }

    /// Bytes of it in memory.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match &self.body {
            Body::Front(_, front, _) => front.buffered(),
            Body::Present(_) | Body::Anywhere(_) | Body::Nothing => 0,
        }
    }

    /// Writes `bytes` at `offset`. Bytes between the end of the file and `offset` are zeros.
    ///
    /// # Errors
    /// [`Error`]; the file can then no longer be committed.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = self.may_go_on().and_then(|()| self.write(offset, bytes));
        self.judge(written)
    }

    /// Changes its size; bytes that are added are zeros.
    ///
    /// # Errors
    /// [`Error`]; the file can then no longer be committed.
    pub fn truncate(&mut self, size: u64) -> Result<(), Error> {
        let cut = self.may_go_on().and_then(|()| self.cut(size));
        self.judge(cut)
    }

    /// Sets the attributes that are given. They apply at the commit; those of a file that is unchanged, at once.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_attributes(&mut self, mtime: Option<Mtime>, mode: Option<u32>) -> Result<(), Error> {
        super::may_change(&self.files.user)?;
        if let Body::Present(_) = self.body {
            self.files.set_attributes(&self.path, mtime, mode)?;
            let again = self.files.open(&self.path)?;
            self.body = Body::Present(Box::new(again));
            return Ok(());
        }
        self.attributes.mtime = mtime.or(self.attributes.mtime);
        self.attributes.mode = mode.or(self.attributes.mode);
        Ok(())
    }

    /// Appends up to `length` bytes from `offset` on to `out`; fewer at the end of the file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read_at(&mut self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<usize, Error> {
        if let Body::Front(_, front, _) = &self.body
            && !front.is_gapless()
        {
            let left = self.leave_order();
            self.judge(left)?;
        }
        let length = length.min(usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        if let Body::Present(reading) = &mut self.body {
            return reading.read_at(offset, length, out);
        }
        let (file, in_memory) = match &self.body {
            Body::Front(part, front, _) => (part.as_ref(), Some(front)),
            Body::Anywhere(part) => (Some(part), None),
            Body::Present(_) | Body::Nothing => return Err(self.given_up()),
        };
        let on_disk = in_memory.map_or(u64::MAX, |front| front.start()).saturating_sub(offset);
        let on_disk = length.min(usize::try_from(on_disk).unwrap_or(usize::MAX));
        let begin = out.len();
        if let Some(part) = file.filter(|_| on_disk > 0) {
            out.resize(begin + on_disk, 0);
            let read = blocks::read_exact_at(part.file(), &mut out[begin..], offset);
            // An upload that took the part over may have cut it.
            read.map_err(|error| if part.is_superseded() { self.superseded() } else { Error::fault(error) })?;
        }
        if let Some(front) = in_memory.filter(|_| on_disk < length) {
            let skip = usize::try_from((offset + on_disk as u64).saturating_sub(front.start())).unwrap_or(usize::MAX);
            let rest = front.tail().get(skip..).unwrap_or_default();
            out.extend_from_slice(&rest[..rest.len().min(length - on_disk)]);
        }
        Ok(out.len() - begin)
    }

    /// Makes the bytes so far durable in staging. They get their name at the commit.
    ///
    /// # Errors
    /// [`Error`]; the file can then no longer be committed.
    pub fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.may_go_on().and_then(|()| self.settle());
        self.judge(flushed)
    }

    /// Moves everything from memory to the disk. Bytes that arrive later are no longer digested as they come.
    ///
    /// # Errors
    /// [`Error`]; the file can then no longer be committed.
    pub fn unburden(&mut self) -> Result<(), Error> {
        let left = self.may_go_on().and_then(|()| self.leave_order());
        self.judge(left)
    }

    fn may_go_on(&self) -> Result<(), Error> {
        super::may_change(&self.files.user)?;
        if self.is_spoiled { Err(self.given_up()) } else { Ok(()) }
    }

    /// Notes a failed change. Without room the file can never be completed, so what arrived gives its room back.
    fn judge<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &done {
            self.is_spoiled = true;
            self.files.user.failed.note(&self.path);
            if error.is_lack_of_room() {
                self.discard();
            }
        }
        done
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= FILE_SIZE_MAX);
        let end = end.ok_or_else(|| Error::path(PathFault::TooLarge, "no file can be that large"))?;
        self.leave_present()?;
        self.attributes.mtime = None;
        let size = self.size.max(end);
        if size > self.held {
            self.hold_for(size)?;
        }
        if let Body::Front(_, front, _) = &mut self.body {
            if front.put(offset, bytes) {
                self.size = size;
                return self.write_blocks();
            }
            self.leave_order()?;
        }
        self.write_part(offset, bytes)?;
        self.size = size;
        Ok(())
    }

    /// Writes the whole blocks of the front to the part, which begins with the first of them.
    fn write_blocks(&mut self) -> Result<(), Error> {
        loop {
            let Body::Front(part, front, _) = &mut self.body else { return Ok(()) };
            let Some((offset, block)) = front.block() else { break };
            if part.is_none() {
                self.begin_part(true)?;
                continue;
            }
            let end = offset + block.len() as u64;
            // Each time: the file to replace may be gone.
            self.hold_for(self.size)?;
            let Body::Front(Some(part), front, _) = &mut self.body else { return Ok(()) };
            let Some((_, block)) = front.block() else { break };
            write(part, offset, block)?;
            front.advance();
            if part.flushed_to() == end {
                part.record(Lasting { in_order: true, durable: end })?;
            }
        }
        Ok(())
    }

    /// Writes bytes to the part, in any order.
    fn write_part(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = offset + bytes.len() as u64;
        match &self.body {
            Body::Anywhere(part) if end > part.length() => self.hold_for(self.size.max(end))?,
            _ => {}
        }
        match &self.body {
            Body::Anywhere(part) => write(part, offset, bytes),
            _ => Err(self.given_up()),
        }
    }

    fn cut(&mut self, size: u64) -> Result<(), Error> {
        if size == self.size {
            return Ok(());
        }
        if size > FILE_SIZE_MAX {
            return Err(Error::path(PathFault::TooLarge, "no file can be that large"));
        }
        if !self.cut_front(size)? {
            self.leave_present()?;
            if size > self.held {
                self.hold_for(size)?;
            }
            self.leave_order()?;
            let Body::Anywhere(part) = &self.body else { return Err(self.given_up()) };
            part.set_length(size)?;
        }
        self.attributes.mtime = None;
        self.size = size;
        Ok(())
    }

    /// Cuts the file without leaving the order in which it is written; `false` if that is not possible.
    fn cut_front(&mut self, size: u64) -> Result<bool, Error> {
        match &mut self.body {
            Body::Present(_) if size == 0 => self.begin_anew()?,
            Body::Front(part, front, _) => {
                if size == 0 {
                    *front = Front::new();
                } else if !front.cut(size) {
                    return Ok(false);
                }
                if let Some(part) = part.as_ref().filter(|part| part.length() > size) {
                    part.set_length(size)?;
                }
            }
            Body::Present(_) | Body::Anywhere(_) | Body::Nothing => return Ok(false),
        }
        Ok(true)
    }

    /// Flushes the part and records how far it can be continued.
    fn settle(&mut self) -> Result<(), Error> {
        if let Body::Front(None, front, _) = &self.body
            && front.buffered() > 0
        {
            self.begin_part(true)?;
        }
        match &mut self.body {
            Body::Front(Some(part), front, _) => {
                if let Some((offset, bytes)) = front.pieces().next().filter(|(offset, _)| *offset == front.start()) {
                    write(part, offset, bytes)?;
                }
                part.flush_bytes()?;
                Ok(part.record(Lasting { in_order: true, durable: part.length() })?)
            }
            Body::Anywhere(part) => Ok(part.flush_bytes()?),
            Body::Front(None, ..) | Body::Present(_) | Body::Nothing => Ok(()),
        }
    }

    /// From now on bytes may be written in any order.
    fn leave_order(&mut self) -> Result<(), Error> {
        match &mut self.body {
            Body::Front(None, ..) => self.begin_part(false)?,
            Body::Front(Some(part), ..) => part.record(Lasting { in_order: false, durable: 0 })?,
            Body::Present(_) | Body::Anywhere(_) | Body::Nothing => return Ok(()),
        }
        self.hold_for(self.size)?;
        let Body::Front(Some(part), front, _) = &self.body else { return Ok(()) };
        front.pieces().try_for_each(|(offset, bytes)| write(part, offset, bytes))?;
        if part.length() != self.size {
            part.set_length(self.size)?;
        }
        if let Body::Front(Some(part), ..) = std::mem::replace(&mut self.body, Body::Nothing) {
            self.body = Body::Anywhere(part);
        }
        Ok(())
    }

    /// Reserves the growth of the target for a file of `size` bytes; more than that at a time where it fits.
    fn hold_for(&mut self, size: u64) -> Result<(), Error> {
        let user = &self.files.user;
        let _nothing_moves = user.ledger.lock_changes();
        let target_state = user.home.target_state(&self.path)?;
        let (part, room) = match &mut self.body {
            Body::Front(part, _, room) => (part.as_ref(), room.as_mut()),
            Body::Anywhere(part) => (Some(&*part), None),
            Body::Present(_) | Body::Nothing => return Ok(()),
        };
        let Some(part) = part else {
            let Some(room) = room else { return Ok(()) };
            room.grow(growth(&target_state, size).growth_from(room.amount()))?;
            self.held = size;
            return Ok(());
        };
        if part.is_superseded() {
            return Err(StorageError::Superseded(self.path.clone()).into());
        }
        let more = size.saturating_sub(part.length());
        if more > RESERVE_STEP {
            let free = user.home.volume_free()?;
            if more > free {
                return Err(Error::NoRoom { needed: more, free });
            }
        }
        let step = size.div_ceil(RESERVE_STEP).saturating_mul(RESERVE_STEP);
        // Near the limit the file may fit where a whole step does not.
        self.held = match user.reserve(&self.path, growth(&target_state, step)) {
            Ok(()) => step,
            Err(_) => user.reserve(&self.path, growth(&target_state, size)).map(|()| size)?,
        };
        Ok(())
    }

    /// Discards everything that arrived, unless another upload took it over.
    fn discard(&mut self) {
        let part = match std::mem::replace(&mut self.body, Body::Nothing) {
            Body::Front(Some(part), ..) | Body::Anywhere(part) => part,
            Body::Front(None, ..) | Body::Present(_) | Body::Nothing => return,
        };
        let is_ours = !part.is_superseded();
        drop(part);
        if is_ours && let Err(error) = self.files.user.discard(&self.path) {
            tracing::warn!(user = %self.files.user.name, %error, "cannot discard an upload that was given up");
        }
    }

    /// Ends the writing for good: discards everything that arrived.
    pub fn abort(mut self) {
        self.discard();
    }

    /// Keeps what arrived, to be continued later.
    fn park(&mut self) {
        let is_in_order = matches!(self.body, Body::Front(Some(_), ..));
        let (Body::Front(Some(part), ..) | Body::Anywhere(part)) = &self.body else { return };
        if part.is_superseded() {
            return;
        }
        if part.length() == 0 && self.size == 0 {
            return self.discard();
        }
        // Bytes that cannot be flushed or recorded are lost, but not more.
        if is_in_order && let Err(error) = self.settle() {
            tracing::warn!(user = %self.files.user.name, %error, "the end of an unfinished upload is lost");
        }
        self.body = Body::Nothing;
        let user = &self.files.user;
        user.refit(&user.ledger.lock_changes(), &self.path);
    }

    fn given_up(&self) -> Error {
        let kept = !matches!(self.body, Body::Nothing);
        Error::Mismatch { reason: "a part of this file could not be written", kept }
    }

    fn superseded(&self) -> Error {
        StorageError::Superseded(self.path.clone()).into()
    }
}

impl Drop for Editing {
    fn drop(&mut self) {
        self.park();
    }
}

fn write(part: &Part, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    let end = offset + bytes.len() as u64;
    let more = end.saturating_sub(part.length().max(offset));
    let written = part.write(more, |file, length| {
        blocks::write_all_at(file, bytes, offset)?;
        *length = end.max(*length);
        Ok(())
    });
    Ok(written?)
}
