//! The requests of SFTP as calls.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use ferry_shared::{
    entry::{Kind, Mtime},
    path::RemotePath,
    refusal::Code,
    sftp::{
        Attributes, Extended, Extension, NameEntry, OpenFlags, Owner, Reply, Request, ServerLimits, StatVfs, Status,
        Times,
    },
};
use parking_lot::Mutex;

use super::{
    fault,
    link::{Answer, Link},
    server_digest::Programs,
};
use crate::{
    error::ClientError,
    site::{FileFacts, Found},
};

/// Bytes of a read or write that every server accepts.
const USUAL_CHUNK: usize = 32 << 10;
/// Bytes of a read or write, at most: a block is a multiple of it.
const CHUNK: usize = 128 << 10;
/// The most hidden files that are remembered to be removed.
const MOST_ORPHANS: usize = 10_000;

/// The facts about a server that are known after the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) posix_rename: bool,
    pub(super) fsync: bool,
    pub(super) statvfs: bool,
    /// Bytes in a read.
    pub(super) read: usize,
    /// Bytes in a write.
    pub(super) write: usize,
}

/// The calls; clones share the conversation.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) link: Link,
    pub(super) facts: Facts,
    /// The folder that relative paths start at.
    pub(super) home: Arc<[u8]>,
    /// Folders that were seen to be folders, not links.
    pub(super) checked: Arc<Mutex<HashSet<RemotePath>>>,
    /// Programs that the user may run there.
    pub(super) programs: Arc<Programs>,
    /// Hidden files of the account that could not be removed, because their conversation had ended.
    pub(super) orphans: Arc<Orphans>,
}

/// Hidden files to be removed by the next conversation with the account.
#[derive(Default)]
pub(super) struct Orphans(Mutex<Vec<Bytes>>);

impl Orphans {
    pub(super) fn add(&self, path: Bytes) {
        let mut paths = self.0.lock();
        if paths.len() < MOST_ORPHANS {
            paths.push(path);
        }
    }
}

/// An open file, closed when it is dropped.
pub(super) struct Open {
    link: Link,
    handle: Bytes,
}

impl Open {
    pub(super) fn handle(&self) -> Bytes {
        self.handle.clone()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.handle.is_empty() {
            self.link.post(Request::Close { handle: self.handle.clone() });
        }
    }
}

impl Calls {
    /// Asks the server for its limits and the home, and removes what an earlier conversation had to leave.
    ///
    /// # Errors
    /// The connection was lost, or the server has no home for the user.
    pub(super) async fn start(link: Link, programs: Arc<Programs>, orphans: Arc<Orphans>) -> Result<Self, ClientError> {
        let offers = |extension| link.hello().offers(extension);
        let mut facts = Facts {
            posix_rename: offers(Extension::PosixRename),
            fsync: offers(Extension::Fsync),
            statvfs: offers(Extension::StatVfs),
            read: USUAL_CHUNK,
            write: USUAL_CHUNK,
        };
        if offers(Extension::Limits)
            && let Reply::Extended(body) = link.ask(Request::Extended(Extended::Limits)).await?
            && let Ok(limits) = ServerLimits::decode(body)
        {
            facts.read = chunk(limits.read);
            facts.write = chunk(limits.write);
        }
        let calls = Self { link, facts, home: Arc::from(&b"/"[..]), checked: Arc::default(), programs, orphans };
        let home = calls.real_path(b".".as_slice().into()).await?;
        for path in std::mem::take(&mut *calls.orphans.0.lock()) {
            calls.link.post(Request::Remove { path });
        }
        Ok(Self { home: Arc::from(&home[..]), ..calls })
    }

    pub(super) async fn real_path(&self, path: Bytes) -> Result<Bytes, ClientError> {
        self.one_path(Request::RealPath { path: path.clone() }, &path).await
    }

    /// The one path that answers a request about `path`.
    pub(super) async fn one_path(&self, request: Request, path: &[u8]) -> Result<Bytes, ClientError> {
        match self.link.ask(request).await? {
            Reply::Name(names) => match <[NameEntry; 1]>::try_from(names) {
                Ok([entry]) => Ok(entry.name),
                Err(_) => Err(ClientError::Protocol("several paths where one is required".into())),
            },
            reply => Err(refusal(reply, path)),
        }
    }

    /// Sends a request about `path` that has no value.
    pub(super) async fn do_it(&self, request: Request, path: &[u8]) -> Result<(), ClientError> {
        done(self.link.ask(request).await?, path)
    }

    /// The attributes of a path, without following a link in the last place.
    pub(super) async fn look(&self, path: Bytes) -> Result<Attributes, ClientError> {
        attributes(self.link.ask(Request::LStat { path: path.clone() }).await?, &path)
    }

    /// The same, or `None` if nothing is there.
    pub(super) async fn look_if_there(&self, path: Bytes) -> Result<Option<Attributes>, ClientError> {
        match self.look(path).await {
            Err(error) if fault::is(&error, Code::NotFound) => Ok(None),
            result => result.map(Some),
        }
    }

    /// The attributes of a path, following links.
    pub(super) async fn follow(&self, path: Bytes) -> Result<Attributes, ClientError> {
        attributes(self.link.ask(Request::Stat { path: path.clone() }).await?, &path)
    }

    pub(super) async fn look_at(&self, file: &Open) -> Result<Attributes, ClientError> {
        attributes(self.link.ask(Request::FStat { handle: file.handle() }).await?, b"the open file")
    }

    pub(super) async fn open(&self, path: Bytes, flags: OpenFlags, mode: Option<u32>) -> Result<Open, ClientError> {
        let attributes = Attributes { permissions: mode, ..Attributes::default() };
        let reply = self.link.ask(Request::Open { path: path.clone(), flags, attributes }).await?;
        self.opened(reply, &path)
    }

    pub(super) async fn open_folder(&self, path: Bytes) -> Result<Open, ClientError> {
        let reply = self.link.ask(Request::OpenDir { path: path.clone() }).await?;
        self.opened(reply, &path)
    }

    fn opened(&self, reply: Reply, path: &[u8]) -> Result<Open, ClientError> {
        match reply {
            Reply::Handle(handle) => Ok(Open { link: self.link.clone(), handle }),
            reply => Err(refusal(reply, path)),
        }
    }

    /// Closes a file, and reports what the server kept back until then.
    pub(super) async fn close(&self, mut file: Open) -> Result<(), ClientError> {
        let handle = std::mem::take(&mut file.handle);
        done(self.link.ask(Request::Close { handle }).await?, b"the open file")
    }

    /// The next entries of an open folder; `None` at the end.
    pub(super) async fn read_folder(&self, folder: &Open) -> Result<Option<Vec<NameEntry>>, ClientError> {
        match self.link.ask(Request::ReadDir { handle: folder.handle() }).await? {
            Reply::Name(names) => Ok(Some(names)),
            Reply::Status { status: Status::Eof, .. } => Ok(None),
            reply => Err(refusal(reply, b"the folder")),
        }
    }

    /// Starts to read; see [`data`] for the answer.
    pub(super) async fn read(&self, file: &Open, offset: u64, length: usize) -> Result<Answer, ClientError> {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.link.send(Request::Read { handle: file.handle(), offset, length }).await
    }

    /// Starts to write; see [`succeeded`] for the answer.
    pub(super) async fn write(&self, file: &Open, offset: u64, data: &[u8]) -> Result<Answer, ClientError> {
        self.link.send_data(&file.handle, offset, data).await
    }

    pub(super) async fn set_open(&self, file: &Open, attributes: Attributes) -> Result<Answer, ClientError> {
        self.link.send(Request::FSetStat { handle: file.handle(), attributes }).await
    }

    pub(super) async fn set(&self, path: Bytes, attributes: Attributes) -> Result<(), ClientError> {
        done(self.link.ask(Request::SetStat { path: path.clone(), attributes }).await?, &path)
    }

    pub(super) async fn flush(&self, file: &Open) -> Result<Option<Answer>, ClientError> {
        if !self.facts.fsync {
            return Ok(None);
        }
        self.link.send(Request::Extended(Extended::Fsync { handle: file.handle() })).await.map(Some)
    }

    pub(super) async fn remove_file(&self, path: Bytes) -> Result<(), ClientError> {
        done(self.link.ask(Request::Remove { path: path.clone() }).await?, &path)
    }

    pub(super) async fn remove_folder(&self, path: Bytes) -> Result<(), ClientError> {
        done(self.link.ask(Request::RemoveDir { path: path.clone() }).await?, &path)
    }

    pub(super) async fn make_folder(&self, path: Bytes, mode: Option<u32>) -> Result<(), ClientError> {
        let attributes = Attributes { permissions: mode, ..Attributes::default() };
        done(self.link.ask(Request::MakeDir { path: path.clone(), attributes }).await?, &path)
    }

    /// Renames; fails if the target exists, as far as the server keeps to the protocol.
    pub(super) async fn rename(&self, from: Bytes, to: Bytes) -> Result<(), ClientError> {
        done(self.link.ask(Request::Rename { from, to: to.clone() }).await?, &to)
    }

    /// Renames and replaces the target; only where [`Facts::posix_rename`] is set.
    pub(super) async fn replace(&self, from: Bytes, to: Bytes) -> Result<(), ClientError> {
        let request = Request::Extended(Extended::PosixRename { from, to: to.clone() });
        done(self.link.ask(request).await?, &to)
    }

    /// The figures of the volume of a path; `None` if the server does not tell them.
    pub(super) async fn volume(&self, path: Bytes) -> Result<Option<StatVfs>, ClientError> {
        if !self.facts.statvfs {
            return Ok(None);
        }
        match self.link.ask(Request::Extended(Extended::StatVfs { path })).await? {
            Reply::Extended(body) => Ok(StatVfs::decode(body).ok()),
            _ => Ok(None),
        }
    }
}

/// Bytes in a read or write of a server with this limit; 0 is no limit that is told.
fn chunk(limit: u64) -> usize {
    match usize::try_from(limit) {
        Ok(0) => USUAL_CHUNK,
        Ok(limit) if limit < USUAL_CHUNK => limit.max(1),
        // A divisor of a block.
        Ok(limit) if limit < CHUNK => USUAL_CHUNK,
        _ => CHUNK,
    }
}

/// The bytes that were read; `None` at the end of the file.
pub(super) async fn data(answer: Answer) -> Result<Option<Bytes>, ClientError> {
    match answer.get().await? {
        Reply::Data(data) => Ok(Some(data)),
        Reply::Status { status: Status::Eof, .. } => Ok(None),
        reply => Err(refusal(reply, b"the file")),
    }
}

/// Whether a request that has no value succeeded.
pub(super) async fn succeeded(answer: Answer) -> Result<(), ClientError> {
    done(answer.get().await?, b"the file")
}

fn done(reply: Reply, path: &[u8]) -> Result<(), ClientError> {
    match reply {
        Reply::Status { status: Status::Ok, .. } => Ok(()),
        reply => Err(refusal(reply, path)),
    }
}

fn attributes(reply: Reply, path: &[u8]) -> Result<Attributes, ClientError> {
    match reply {
        Reply::Attributes(attributes) => Ok(attributes),
        reply => Err(refusal(reply, path)),
    }
}

fn refusal(reply: Reply, path: &[u8]) -> ClientError {
    match reply {
        Reply::Status { status: Status::Ok, .. } => ClientError::Protocol("success without a value".into()),
        Reply::Status { status, message } => fault::failed(status, &message, path),
        reply => fault::unexpected(&reply),
    }
}

/// The kind of a file. A server that does not tell it has files only, as far as is known.
pub(super) fn kind(attributes: &Attributes) -> Kind {
    attributes.kind().unwrap_or(Kind::File)
}

/// The permission bits.
pub(super) fn mode(attributes: &Attributes) -> u32 {
    attributes.permissions.unwrap_or(0) & 0o777
}

pub(super) fn facts(attributes: &Attributes) -> FileFacts {
    let size = if kind(attributes) == Kind::File { attributes.size.unwrap_or(0) } else { 0 };
    let mtime = attributes.times.map_or(Mtime(0, 0), |times| Mtime(times.mtime.into(), 0));
    FileFacts { size, mtime }
}

pub(super) fn found(attributes: &Attributes) -> Found {
    Found { kind: kind(attributes), facts: facts(attributes), mode: mode(attributes), version: None }
}

/// Attributes with a date, which SFTP has in whole seconds from 1970 to 2106.
pub(super) fn dated(mtime: Mtime) -> Attributes {
    let seconds = u32::try_from(mtime.0.max(0)).unwrap_or(u32::MAX);
    Attributes { times: Some(Times { atime: seconds, mtime: seconds }), ..Attributes::default() }
}

/// The owner, if both tell it and it is the same.
pub(super) fn is_same_owner(one: Option<Owner>, other: Option<Owner>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        // Without owners there is nothing to keep.
        _ => true,
    }
}
