//! Work that takes many steps. Other requests are answered meanwhile, except those for the same files.

use bytes::Bytes;
use ferry_shared::{
    limits::BLOCK_LEN,
    path::RemotePath,
    sftp::{Extended, Request},
};

use super::{
    opened::{Open, Opened},
    status::{self, Failure},
};
use crate::files::{Existing, Files, Step, Stored, Work};

/// Tasks at a time; further requests wait.
pub(super) const TASKS: usize = 8;

/// A request that is being carried out in steps.
#[derive(Debug)]
pub(super) struct Task {
    /// The id of the request.
    pub(super) id: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A file gets its name. Other handles may share the upload of this number.
    Commit { work: Box<dyn Work<Item = Option<Stored>>>, path: RemotePath, shared: Option<u64> },
    /// Bytes are copied from one open file to another.
    Copy(Copy),
}

/// The progress of a copy between open files.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) from: Bytes,
    pub(super) from_offset: u64,
    /// The bytes that are left; `None` means up to the end.
    pub(super) left: Option<u64>,
    pub(super) to: Bytes,
    pub(super) to_offset: u64,
    pub(super) buffer: Vec<u8>,
}

impl Task {
    pub(super) fn commit(
        id: u32,
        work: Box<dyn Work<Item = Option<Stored>>>,
        path: RemotePath,
        shared: Option<u64>,
    ) -> Self {
        Self { id, kind: Kind::Commit { work, path, shared } }
    }

    pub(super) fn copy(id: u32, copy: Copy) -> Self {
        Self { id, kind: Kind::Copy(copy) }
    }

    /// Whether it must wait for a turn first.
    pub(super) fn is_heavy(&self) -> bool {
        match &self.kind {
            Kind::Commit { work, .. } => work.is_heavy(),
            Kind::Copy(_) => true,
        }
    }

    /// Does one step; returns `true` once it is done.
    pub(super) fn step(&mut self, files: &Files, opened: &mut Opened) -> Result<bool, Failure> {
        match &mut self.kind {
            Kind::Commit { work, path, shared } => {
                let stepped = work.step();
                if matches!(stepped, Ok(Step::Busy)) {
                    return Ok(false);
                }
                if let Some(number) = *shared {
                    let again = stepped.is_ok().then(|| files.edit(path, Existing::Keep, false, None));
                    opened.give_back(number, again.and_then(Result::ok));
                }
                stepped?;
                Ok(true)
            }
            Kind::Copy(copy) => copy.step(opened),
        }
    }

    /// Whether a request has to wait until this task is done.
    pub(super) fn holds(&self, request: &Request, opened: &Opened) -> bool {
        match &self.kind {
            Kind::Commit { path, .. } => {
                handles(request).into_iter().flatten().any(|handle| opened.path_of(handle) == Some(path))
                    || paths(request).into_iter().flatten().any(|named| is_related(named, path))
            }
            Kind::Copy(Copy { from, to, .. }) => handles(request).into_iter().flatten().any(|handle| {
                let is_same = |other| {
                    handle == other || opened.path_of(handle).is_some_and(|path| opened.path_of(other) == Some(path))
                };
                is_same(from) || is_same(to)
            }),
        }
    }
}

impl Copy {
    fn step(&mut self, opened: &mut Opened) -> Result<bool, Failure> {
        let most = self.left.map_or(BLOCK_LEN, |left| BLOCK_LEN.min(usize::try_from(left).unwrap_or(usize::MAX)));
        self.buffer.clear();
        let count = match opened.get(&self.from)? {
            Open::File(reading, _) => reading.read_at(self.from_offset, most, &mut self.buffer)?,
            Open::Upload(writer) if writer.reads => {
                let number = writer.upload;
                opened.upload(number)?.read_at(self.from_offset, most, &mut self.buffer)?
            }
            Open::Upload(_) | Open::Folder(_) => return Err(Failure::Handle),
        };
        if count == 0 {
            return Ok(true);
        }
        opened.writer(&self.to)?.1.write_at(self.to_offset, &self.buffer)?;
        self.from_offset = self.from_offset.saturating_add(count as u64);
        self.to_offset = self.to_offset.saturating_add(count as u64);
        self.left = self.left.map(|left| left.saturating_sub(count as u64));
        Ok(self.left == Some(0))
    }
}

/// The handles that a request uses.
fn handles(request: &Request) -> [Option<&Bytes>; 2] {
    use Request as R;
    match request {
        R::Close { handle }
        | R::Read { handle, .. }
        | R::Write { handle, .. }
        | R::FStat { handle }
        | R::FSetStat { handle, .. }
        | R::ReadDir { handle }
        | R::Extended(Extended::Fsync { handle } | Extended::FStatVfs { handle }) => [Some(handle), None],
        R::Extended(Extended::CopyData { from, to, .. }) => [Some(from), Some(to)],
        _ => [None, None],
    }
}

/// The paths that a request names.
fn paths(request: &Request) -> [Option<&Bytes>; 2] {
    use Request as R;
    match request {
        R::Open { path, .. }
        | R::LStat { path }
        | R::SetStat { path, .. }
        | R::OpenDir { path }
        | R::Remove { path }
        | R::MakeDir { path, .. }
        | R::RemoveDir { path }
        | R::Stat { path }
        | R::ReadLink { path }
        | R::Extended(Extended::LSetStat { path, .. } | Extended::StatVfs { path }) => [Some(path), None],
        R::Rename { from, to } | R::Extended(Extended::PosixRename { from, to }) => [Some(from), Some(to)],
        _ => [None, None],
    }
}

/// Whether one path is the other, or above it.
fn is_related(named: &Bytes, path: &RemotePath) -> bool {
    status::path(named).is_ok_and(|named| named.starts_with(path) || path.starts_with(&named))
}
