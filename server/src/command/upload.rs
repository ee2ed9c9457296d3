//! `Put` of a file of several blocks or of unknown size, in the terms of the protocol: `Ready`, the digests of the
//! part's blocks, blocks, `Commit`.

use ferry_shared::{
    digest::Digest,
    feature::{Feature, Features},
    limits::HAVE_MAX,
    message::{
        Reply,
        reply::Usage,
        request::{self, IfExists, Put},
    },
    path::RemotePath,
};

use crate::{
    files::{Basis, Error, Files, NewFile, Replace, Stored, Writing},
    outbox::Outbox,
};

/// Digests sent in one step: enough to keep the client busy, few enough to start soon.
const TOLD_AT_ONCE: u64 = 64;
/// Blocks whose chunks are described in one step.
const DESCRIBED_AT_ONCE: u64 = 16;

/// An upload in progress. Dropping it parks it.
#[derive(Debug)]
pub(super) struct Upload {
    writing: Writing,
    announced: bool,
    /// Whether the chunks of the existing file are still to be described.
    describes: bool,
}

/// Checks, reserves and opens the part. Errors are returned before any data is requested.
pub(super) fn start(files: &Files, put: Put, features: Features) -> Result<Upload, Error> {
    let describes = features.has(Feature::Chunks) && put.size.is_some() && put.basis == request::Basis::Current;
    Ok(Upload { writing: files.write(new_file(put))?, announced: false, describes })
}

/// The file that a `Put` describes.
pub(super) fn new_file(put: Put) -> NewFile {
    let Put { path, size, mtime, mode, if_exists, parents, basis, .. } = put;
    let replace = match if_exists {
        IfExists::Refuse => Replace::Never,
        IfExists::Replace => Replace::Always,
        IfExists::ReplaceVersion(version) => Replace::IfVersion(version),
    };
    let from = match basis {
        request::Basis::None => Basis::Nothing,
        request::Basis::Staged => Basis::Staged,
        request::Basis::Current => Basis::Current,
    };
    NewFile { path, size, replace, parents, mtime, mode, from }
}

/// The reply for a stored file.
pub(super) fn stored(file: Stored, usage: Usage) -> Reply {
    let Stored { version, size, digest: root, .. } = file;
    Reply::Stored { root, size, version, usage }
}

impl Upload {
    /// Sends `Ready`, then the chunks of the existing file, then the digests of the blocks that the part holds, some at a time. Returns `false` once the
    /// client is to send blocks.
    pub(super) fn prepare(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        if !self.announced {
            self.announced = true;
            let basis = match self.writing.basis() {
                Basis::Nothing => request::Basis::None,
                Basis::Staged => request::Basis::Staged,
                Basis::Current => request::Basis::Current,
            };
            out.reply(&Reply::Ready { basis, have_blocks: self.writing.held_blocks() });
            return Ok(true);
        }
        if self.describes {
            match self.writing.describe(DESCRIBED_AT_ONCE) {
                Some(described) => out.chunks(described).map_err(Error::fault)?,
                None => self.describes = false,
            }
            return Ok(true);
        }
        if !self.is_preparing() {
            return Ok(false);
        }
        let first = self.writing.digested();
        let told = self.writing.digest_held(TOLD_AT_ONCE.min(HAVE_MAX as u64))?;
        out.have(first, told).map_err(Error::fault)?;
        out.finish();
        Ok(true)
    }

    /// Whether the client waits for the digests of the part.
    pub(super) fn is_preparing(&self) -> bool {
        !self.announced || self.describes || self.writing.digested() < self.writing.held_blocks()
    }

    /// Bytes of the file that are present.
    pub(super) fn position(&self) -> u64 {
        self.writing.position()
    }

    /// Whether the upload is for this path.
    pub(super) fn is_of(&self, path: &RemotePath) -> bool {
        self.writing.path() == path
    }

    /// Writes one block.
    pub(super) fn block(&mut self, index: u64, bytes: &[u8]) -> Result<(), Error> {
        self.writing.write_block(index, bytes)
    }

    /// Writes one block that is described by a delta.
    pub(super) fn delta(&mut self, index: u64, steps: &[u8]) -> Result<(), Error> {
        self.writing.write_delta(index, steps)
    }

    /// Verifies the file, makes it durable and publishes it.
    pub(super) fn commit(self: Box<Self>, size: u64, root: Digest) -> Result<Stored, Error> {
        self.writing.commit(Some((size, root)))
    }
}
