//! Uploads of one block: checked at their `Commit`, answered in groups.
//!
//! The uploads of a group share their disk flushes. A group ends when the connection has no more input, when it is
//! large enough, or when another kind of request arrives; its answers are sent in order.

use ferry_shared::{
    blocks, delta,
    digest::Digest,
    frame::Payload,
    message::{Reply, request::Put},
    refusal::Refusal,
};

use super::{
    upload::{new_file, stored},
    usage,
};
use crate::{
    config::Limits,
    connections::ConnectionInfo,
    context::Context,
    files::{Batch, Error, Files},
    outbox::Outbox,
};

/// A declared upload whose frames have not all arrived.
#[derive(Debug)]
pub(super) struct Arriving {
    put: Put,
    bytes: Option<Payload>,
}

impl Arriving {
    pub(super) fn new(put: Put) -> Self {
        Self { put, bytes: None }
    }

    /// Takes the only block, described by a delta without a basis.
    pub(super) fn delta(&mut self, index: u64, steps: &[u8]) -> Result<(), &'static str> {
        let mut block = Vec::new();
        delta::apply(steps, None, &mut block).map_err(|_| "an invalid delta")?;
        self.block(index, Payload::Shared(block.into()))
    }

    /// Takes the only block.
    pub(super) fn block(&mut self, index: u64, bytes: Payload) -> Result<(), &'static str> {
        if index != 0 || self.bytes.is_some() || self.put.size == Some(0) {
            return Err("a block past the end of the upload");
        }
        self.bytes = Some(bytes);
        Ok(())
    }
}

/// Small uploads that arrived completely, and the refused ones between them.
#[derive(Debug)]
pub(super) struct Group {
    batch: Batch,
    /// One entry for each upload, in order: `None` for an upload that is in the batch.
    refused: Vec<Option<Refusal>>,
    most: usize,
    most_bytes: u64,
}

impl Group {
    pub(super) fn new(files: &Files, limits: &Limits) -> Self {
        Self {
            batch: files.batch(),
            refused: Vec::new(),
            most: limits.group_commit_files.max(1) as usize,
            most_bytes: limits.group_commit_bytes.0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.refused.len() >= self.most || self.batch.bytes() >= self.most_bytes
    }

    /// Adds a refused upload, so that its answer keeps its place in the order.
    pub(super) fn add_refused(&mut self, refused: impl Into<Refusal>) {
        self.refused.push(Some(refused.into()));
    }

    /// Checks an upload and writes it to staging.
    pub(super) fn add(&mut self, arriving: Arriving, size: u64, root: Digest) {
        let Arriving { put, bytes } = arriving;
        let bytes = whole(put.size, size, bytes.as_deref());
        let added = bytes.and_then(|bytes| self.batch.add(new_file(put), bytes, root));
        self.refused.push(added.err().map(Refusal::from));
    }

    /// Makes all uploads durable and answers them, in order.
    pub(super) fn flush(&mut self, context: &Context, connection: &ConnectionInfo, out: &mut Outbox) {
        if self.refused.is_empty() {
            return;
        }
        let mut outcomes = self.batch.store().map(Vec::into_iter).map_err(Refusal::from);
        let usage = usage::now(&connection.session.user);
        usage::warn(&connection.session, usage, out);
        for refused in std::mem::take(&mut self.refused) {
            let outcome = match (refused, &mut outcomes) {
                (Some(refused), _) => Err(refused),
                (None, Err(refused)) => Err(refused.clone()),
                (None, Ok(outcomes)) => outcomes.next().unwrap_or(Err(Error::NotStored)).map_err(Refusal::from),
            };
            match outcome {
                Ok(file) => out.reply(&stored(file, usage)),
                Err(refused) => {
                    context.count_refusal(&refused, connection);
                    out.reply(&Reply::Refused(refused));
                }
            }
        }
    }
}

/// The bytes of an upload, if they match the declaration.
fn whole(declared: Option<u64>, size: u64, bytes: Option<&[u8]>) -> Result<&[u8], Error> {
    let cut = || Error::Mismatch { reason: "the size is not the declared one", kept: false };
    let length = usize::try_from(size).map_err(|_| cut())?;
    let bytes = match bytes {
        Some([]) => blocks::zeros(length),
        Some(bytes) => bytes,
        None => &[],
    };
    if declared == Some(size) && bytes.len() == length { Ok(bytes) } else { Err(cut()) }
}
