//! Outgoing frames: encoded where they are created, then moved as whole buffers.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use ferry_shared::{
    blocks,
    chunks::Described,
    digest::Digest,
    frame::{self, FrameError},
    message::{Notice, Reply},
    packing::Packing,
    pool::{Buffer, BufferPool},
};

use crate::files::Error;

/// A buffer of this size is passed on.
const FULL: usize = 256 << 10;
/// Replies from this length on are compressed.
const LONG_REPLY: usize = 1 << 10;
/// Blocks from this length on start a separate buffer.
const OWN_BUFFER: usize = 64 << 10;

/// Whether to send a block that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Send it.
    Send,
    /// Skip it: the peer has it.
    Skip,
}

/// Encoded frames waiting for the writer.
#[derive(Debug)]
pub(crate) struct Outbox {
    pool: BufferPool,
    current: Buffer,
    full: VecDeque<Buffer>,
    /// Present if the peer takes compressed blocks and messages.
    packing: Option<Arc<Packing>>,
}

impl Outbox {
    /// An empty outbox whose buffers come from `pool`.
    #[must_use]
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self { current: Buffer::default(), full: VecDeque::new(), packing: None, pool }
    }

    /// Compresses what comes while that saves time.
    pub(crate) fn pack(&mut self, packing: Arc<Packing>) {
        self.packing = Some(packing);
    }

    /// The judge of whether something is compressed.
    pub(crate) fn packing(&self) -> Option<&Arc<Packing>> {
        self.packing.as_ref()
    }

    /// Appends a reply.
    pub(crate) fn reply(&mut self, reply: &Reply) {
        let start = self.current().len();
        if let Err(error) = frame::put_message(self.current(), reply) {
            // Only pages have a variable size, and they are cut well below the limit.
            tracing::error!(%error, "a reply does not fit its frame");
            let refusal = crate::refusal::internal(&error);
            if let Err(error) = frame::put_message(self.current(), &Reply::Refused(refusal)) {
                tracing::error!(%error, "a refusal does not fit its frame");
            }
        }
        let length = self.current.len() - start;
        if length >= LONG_REPLY
            && let Some(packing) = self.packing.as_ref().filter(|packing| packing.is_worthwhile(length))
        {
            let begun = Instant::now();
            if let Err(error) = frame::pack_message(&mut self.current, start) {
                tracing::error!(%error, "a compressed reply does not fit its frame");
            }
            packing.tried(length, begun.elapsed(), self.current.len() - start < length);
        }
        self.hand_on_if(FULL);
    }

    /// Appends a notice.
    pub(crate) fn notice(&mut self, notice: Notice) {
        self.reply(&Reply::Notice(notice));
    }

    /// Appends a have-frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] for too many digests.
    pub(crate) fn have(&mut self, first: u64, digests: &[Digest]) -> Result<(), FrameError> {
        frame::put_have(self.current(), first, digests)?;
        self.hand_on_if(FULL);
        Ok(())
    }

    /// Appends descriptions of chunks.
    ///
    /// # Errors
    /// Those of [`frame::put_chunks`].
    pub(crate) fn chunks(&mut self, described: Described) -> Result<(), FrameError> {
        frame::put_chunks(self.current(), described)?;
        self.hand_on_if(1);
        Ok(())
    }

    /// Appends a block that is described by a delta.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if it is longer than a block.
    pub(crate) fn delta(&mut self, index: u64, steps: &[u8]) -> Result<(), FrameError> {
        frame::put_delta(self.current(), index, steps)?;
        self.hand_on_if(FULL);
        Ok(())
    }

    /// Appends block `index` of `length` bytes: `read` appends the bytes and decides whether to send them. A block
    /// of zeros is sent without its bytes.
    ///
    /// # Errors
    /// The error of `read`; nothing is appended then.
    pub(crate) fn block(
        &mut self,
        index: u64,
        length: usize,
        read: impl FnOnce(&mut Vec<u8>) -> Result<Fate, Error>,
    ) -> Result<(), Error> {
        if length >= OWN_BUFFER {
            self.hand_on_if(1);
        }
        let start = self.current().len();
        frame::put_block_head(&mut self.current, index, length).map_err(Error::fault)?;
        let data = self.current.len();
        match read(&mut self.current) {
            Ok(Fate::Send) if length > 0 && blocks::is_zero(&self.current[data..]) => {
                self.current.truncate(start);
                frame::put_block_head(&mut self.current, index, 0).map_err(Error::fault)?;
            }
            Ok(Fate::Send) => self.pack_block(index, start, data)?,
            Ok(Fate::Skip) => self.current.truncate(start),
            Err(error) => {
                self.current.truncate(start);
                return Err(error);
            }
        }
        self.hand_on_if(FULL);
        Ok(())
    }

    /// Writes the block frame that begins at `start`, with its bytes from `data` on, as a compressed one if that is worthwhile.
    fn pack_block(&mut self, index: u64, start: usize, data: usize) -> Result<(), Error> {
        let length = self.current.len() - data;
        let Some(packing) = self.packing.as_ref().filter(|packing| packing.is_worthwhile(length)) else {
            return Ok(());
        };
        let mut steps = self.pool.take();
        if packing.put(&mut steps, &self.current[data..]) {
            self.current.truncate(start);
            frame::put_delta(&mut self.current, index, &steps).map_err(Error::fault)?;
        }
        Ok(())
    }

    /// Makes the buffered frames available, however few they are.
    pub(crate) fn finish(&mut self) {
        self.hand_on_if(1);
    }

    /// The next buffer to send.
    pub(crate) fn take(&mut self) -> Option<Buffer> {
        self.full.pop_front()
    }

    /// Puts a buffer back that could not be sent yet.
    pub(crate) fn put_back(&mut self, buffer: Buffer) {
        self.full.push_front(buffer);
    }

    /// Whether a buffer is available.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        !self.full.is_empty()
    }

    fn hand_on_if(&mut self, filled: usize) {
        if self.current.len() >= filled {
            self.full.push_back(std::mem::take(&mut self.current));
        }
    }

    /// The buffer that is being filled; taken from the pool at the first byte, so that an idle connection holds
    /// none.
    fn current(&mut self) -> &mut Buffer {
        if self.current.capacity() == 0 {
            self.current = self.pool.take();
        }
        &mut self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_or_failed_block_leaves_no_trace() {
        let mut out = Outbox::new(BufferPool::new(2));
        out.block(0, 3, |buffer| {
            buffer.extend_from_slice(b"abc");
            Ok(Fate::Skip)
        })
        .unwrap();
        let failed = out.block(1, 3, |buffer| {
            buffer.push(1);
            Err(Error::ReadOnly)
        });
        out.finish();
        assert!(failed.is_err() && !out.is_full());
    }

    #[test]
    fn a_block_of_zeros_travels_without_bytes() {
        let mut out = Outbox::new(BufferPool::new(2));
        out.block(5, 1000, |buffer| {
            buffer.resize(buffer.len() + 1000, 0);
            Ok(Fate::Send)
        })
        .unwrap();
        out.finish();
        assert_eq!(&out.take().unwrap()[..], [2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
    }
}
