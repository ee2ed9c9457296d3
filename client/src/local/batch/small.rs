//! Stores small files: writes many, flushes them together, renames them, and answers for each only after its name was
//! flushed too.

use std::{collections::BTreeMap, io, sync::Arc};

use ferry_shared::{blocks, digest::Digest};

use crate::{
    error::ClientError,
    local::{
        flush,
        folder::Folder,
        landing::{Target, Targets},
        part::{Earlier, Part},
        place::{failed, source_path},
        publish::{Published, in_the_way, publish},
        put::create,
    },
    site::{Answer, Content, Done, Put, Stored},
};

/// The maximum number of files flushed together; each has an open handle until then.
pub(super) const GROUP: usize = 64;
/// Up to this number of files, flushing each is cheaper than flushing the file system.
pub(super) const FEW: usize = 4;

/// Small files that are being stored.
#[derive(Debug, Default)]
pub(super) struct Small {
    /// Files that are written, but not flushed.
    written: Vec<Placed>,
    /// Files that are flushed and renamed; their names are not flushed.
    named: Vec<Placed>,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Placed {
    id: u64,
    put: Put,
    target: Target,
    part: Part,
    stored: Stored,
}

impl Small {
    /// Writes a file to its part.
    pub(super) fn place(&mut self, id: u64, put: Put, content: &Content, targets: &mut Targets) {
        match write(&put, content, targets) {
            Ok((target, part, stored)) => self.written.push(Placed { id, put, target, part, stored }),
            Err(error) => self.answers.push(Answer { id, result: Err(error) }),
        }
        if self.written.len() >= GROUP {
            self.flush();
        }
    }

    /// Whether every written file is durable under its name.
    pub(super) fn is_idle(&self) -> bool {
        self.written.is_empty() && self.named.is_empty()
    }

    /// Takes the answers that are due.
    pub(super) fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    /// Flushes the files in `written` and the names in `named`. On success, those in `named` are answered as stored, and
    /// those in `written` are renamed and become `named`; on failure, all are answered with the error.
    pub(super) fn flush(&mut self) {
        if self.is_idle() {
            return;
        }
        if let Err(error) = make_durable(&self.written, &self.named) {
            let error = Arc::new(error);
            let failed = self.written.drain(..).chain(self.named.drain(..)).map(|placed| {
                let path = source_path(&placed.put.at).unwrap_or_default();
                Answer { id: placed.id, result: Err(ClientError::Local { path, error: Arc::clone(&error) }) }
            });
            self.answers.extend(failed);
            return;
        }
        let stored = std::mem::take(&mut self.named).into_iter();
        self.answers.extend(stored.map(|placed| Answer { id: placed.id, result: Ok(Done::Stored(placed.stored)) }));
        for placed in std::mem::take(&mut self.written) {
            match name(&placed) {
                Ok(()) => self.named.push(placed),
                Err(error) => self.answers.push(Answer { id: placed.id, result: Err(error) }),
            }
        }
    }
}

fn write(put: &Put, content: &Content, targets: &mut Targets) -> Result<(Target, Part, Stored), ClientError> {
    let Content { opened, bytes, root, .. } = content;
    let found = Digest::of(bytes);
    if opened.size != Some(bytes.len() as u64) || found != *root {
        return Err(ClientError::Mismatch { expected: *root, found });
    }
    let mut place = || {
        let target = targets.get(&put.at, create(put))?;
        let part = Part::open(&target.folder, target.name()?, Earlier::Empty, put.keep_attributes)?;
        let written = blocks::write_all_at(&part.file, bytes, 0).and_then(|()| {
            match (put.mtime_for(opened.mtime), put.mode_for(opened.mode)) {
                (Some(mtime), Some(mode)) => part.set_attributes(mtime, mode),
                _ => Ok(()),
            }
        });
        match written {
            Ok(()) => Ok((target, part)),
            Err(error) => {
                // A later attempt starts again. Only the first error is reported.
                let _ = part.discard();
                Err(error)
            }
        }
    };
    let (target, part) = place().map_err(|error| failed(&put.at, error))?;
    Ok((target, part, Stored { root: Some(found), size: bytes.len() as u64, reused: 0 }))
}

/// Renames a written file to its target.
fn name(placed: &Placed) -> Result<(), ClientError> {
    let Placed { put, target, part, .. } = placed;
    let name = || match publish(part, target, &put.over)? {
        Published::InTheWay => part.discard().map(|()| Published::InTheWay),
        Published::Named => Ok(Published::Named),
    };
    match name().map_err(|error| failed(&put.at, error))? {
        Published::Named => Ok(()),
        Published::InTheWay => Err(in_the_way(&put.at, &put.over)),
    }
}

/// Flushes the files of `written` and the names of `named`.
fn make_durable(written: &[Placed], named: &[Placed]) -> io::Result<()> {
    let mut folders: BTreeMap<*const Folder, &Placed> =
        named.iter().map(|placed| (Arc::as_ptr(placed.part.folder()), placed)).collect();
    let mut left_files: Vec<&Placed> = written.iter().collect();
    let made_folders = named.iter().any(|placed| placed.target.landing.has_made_folders());
    if made_folders || written.len() + folders.len() > FEW {
        // Flush each affected file system through any file on it.
        let touched = written.iter().chain(named).map(|placed| (placed.part.folder().device(), placed));
        for (device, placed) in touched.collect::<BTreeMap<_, _>>() {
            if flush::file_system(&placed.part.file)? {
                left_files.retain(|placed| placed.part.folder().device() != device);
                folders.retain(|_, placed| placed.part.folder().device() != device);
            }
        }
    }
    left_files.iter().try_for_each(|placed| flush::file(&placed.part.file))?;
    folders.values().try_for_each(|placed| placed.target.landing.sync_names(placed.put.at.below(), &placed.part))
}
