//! The commit of a file that was written at any offset.

use std::{sync::Arc, time::Instant};

use ferry_shared::{
    blocks,
    digest::{Digest, RootBuilder, block_digest},
    limits::block_count,
};

use super::{Body, Editing, write};
use crate::{
    audit::event::{Event, shown},
    files::{
        Error, PathFault, Step, Stored, Work,
        publish::{self, Payment, Ready},
    },
    quota::Reservation,
    storage::{Part, Staged},
};

/// Blocks digested in one step.
const STEP: u64 = 4;

impl Editing {
    /// Verifies the file as far as it can be, makes it durable and publishes it under its name. The result is `None`
    /// if nothing was changed.
    ///
    /// # Errors
    /// [`Error`]. The file is then parked, except where nobody could continue it.
    pub fn commit(mut self) -> Result<Box<dyn Work<Item = Option<Stored>>>, Error> {
        self.may_go_on()?;
        if let Body::Front(_, front, _) = &self.body
            && !front.is_gapless()
        {
            self.unburden()?;
        }
        let digest = match &self.body {
            Body::Front(Some(part), front, _) => {
                if let Some((offset, bytes)) = front.pieces().next() {
                    write(part, offset, bytes)?;
                }
                front.digest()
            }
            Body::Front(None, front, _) => front.digest(),
            Body::Present(_) | Body::Anywhere(_) | Body::Nothing => None,
        };
        Ok(Box::new(Committing { editing: self, digest, root: RootBuilder::new(), next: 0, buffer: Vec::new() }))
    }

    fn publish(&mut self, digest: Digest) -> Result<Option<Stored>, Error> {
        let (staged, payment) = match std::mem::replace(&mut self.body, Body::Nothing) {
            Body::Front(Some(mut part), ..) | Body::Anywhere(mut part) => {
                if let Err(error) = finish(&mut part, self) {
                    self.body = Body::Anywhere(part);
                    return Err(error);
                }
                (Staged::Part(part), Payment::Part)
            }
            Body::Front(None, front, Some(room)) => self.whole(front.tail(), room)?,
            Body::Present(reading) => {
                reading.close()?;
                return Ok(None);
            }
            Body::Front(None, _, None) | Body::Nothing => return Err(self.given_up()),
        };
        let user = Arc::clone(&self.files.user);
        let mut act = self.files.act(Event::Upload { path: shown(&self.path), size: 0, digest: None });
        let (target, overwrite, size) = (self.path.clone(), self.replace.clone().into(), self.size);
        let ready = Ready { staged, target, size, digest, overwrite, parents: false, payment };
        let start = Instant::now();
        let stored = publish::publish_one(&user, ready);
        self.files.counters.flushed(start);
        match stored {
            Ok(stored) => {
                self.files.counters.uploads.one();
                act.transferred(stored.size, Some(digest));
                user.waste.kept(&self.path);
                Ok(Some(stored))
            }
            Err(error) => {
                self.after(&error);
                Err(error)
            }
        }
    }

    /// A file that is wholly in memory, as a file in staging.
    fn whole(&self, bytes: &[u8], room: Reservation) -> Result<(Staged, Payment), Error> {
        let temp_file = self.files.user.home.temp_file(bytes, &self.attributes)?;
        Ok((Staged::TempFile(temp_file), Payment::Upload(room)))
    }

    /// After a refusal to publish: a part that could never be published is discarded.
    fn after(&self, error: &Error) {
        let user = &self.files.user;
        if !matches!(error, Error::Path { kind: PathFault::Exists | PathFault::Changed, .. }) {
            user.refit(&user.ledger.lock_changes(), &self.path);
        } else if let Err(error) = user.discard(&self.path) {
            tracing::warn!(user = %user.name, %error, "cannot discard an upload that was refused");
        }
    }
}

fn finish(part: &mut Part, editing: &Editing) -> Result<(), Error> {
    part.set_attributes(editing.attributes);
    Ok(part.finish(editing.size)?)
}

/// A commit in steps: what was not digested as it arrived is digested by reading it.
#[derive(Debug)]
struct Committing {
    editing: Editing,
    digest: Option<Digest>,
    root: RootBuilder,
    next: u64,
    buffer: Vec<u8>,
}

impl Committing {
    fn go_on(&mut self) -> Result<Step<Option<Stored>>, Error> {
        crate::files::may_change(&self.editing.files.user)?;
        if self.digest.is_none() && self.read()? {
            return Ok(Step::Busy);
        }
        let digest = self.digest.unwrap_or_else(|| self.root.root());
        self.editing.publish(digest).map(Step::Last)
    }

    /// Digests some blocks; returns whether there are more.
    fn read(&mut self) -> Result<bool, Error> {
        let (Body::Front(Some(part), ..) | Body::Anywhere(part)) = &self.editing.body else { return Ok(false) };
        let size = self.editing.size;
        let end = block_count(size).min(self.next + STEP);
        for index in self.next..end {
            self.buffer.clear();
            let read = blocks::read_block(part.file(), size, index, &mut self.buffer);
            read.map_err(|error| match part.is_superseded() {
                true => self.editing.superseded(),
                false => Error::fault(error),
            })?;
            self.root.push(block_digest(size, index, &self.buffer));
        }
        self.next = end;
        Ok(end < block_count(size))
    }
}

impl Work for Committing {
    type Item = Option<Stored>;

    fn step(&mut self) -> Result<Step<Self::Item>, Error> {
        self.go_on().inspect_err(|_| self.editing.files.user.failed.note(&self.editing.path))
    }

    fn is_heavy(&self) -> bool {
        self.digest.is_none() && !self.editing.is_unchanged()
    }
}
