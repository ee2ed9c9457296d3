//! Replies waiting for the writer, packed into buffers.

use std::collections::VecDeque;

use ferry_shared::{
    pool::{Buffer, BufferPool},
    sftp::{Reply, Status, TooLong},
};

/// A buffer of this size is passed on.
const FULL: usize = 256 << 10;

/// Encoded replies.
#[derive(Debug)]
pub(super) struct Answers {
    pool: BufferPool,
    current: Buffer,
    full: VecDeque<Buffer>,
}

impl Answers {
    pub(super) fn new(pool: BufferPool) -> Self {
        Self { pool, current: Buffer::default(), full: VecDeque::new() }
    }

    /// Appends a reply.
    pub(super) fn reply(&mut self, id: u32, reply: &Reply) {
        let put = reply.put(self.current(), id);
        self.check(id, put);
    }

    /// Appends a status.
    pub(super) fn status(&mut self, id: u32, status: Status, told: impl Into<String>) {
        self.reply(id, &Reply::status(status, told.into()));
    }

    /// Appends what `write` encodes.
    pub(super) fn write<E>(
        &mut self,
        id: u32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<Result<(), TooLong>, E>,
    ) -> Result<(), E> {
        let put = write(self.current())?;
        self.check(id, put);
        Ok(())
    }

    fn check(&mut self, id: u32, put: Result<(), TooLong>) {
        if let Err(error) = put {
            // Replies of variable size are cut well below the limit.
            tracing::error!(%error, "a reply does not fit its packet");
            let reply = Reply::status(Status::Failure, "the reply is too long");
            if let Err(error) = reply.put(self.current(), id) {
                tracing::error!(%error, "a status does not fit its packet");
            }
        }
        if self.current.len() >= FULL {
            self.finish();
        }
    }

    fn current(&mut self) -> &mut Vec<u8> {
        if self.current.capacity() == 0 {
            self.current = self.pool.take();
        }
        &mut self.current
    }

    /// Passes on what there is.
    pub(super) fn finish(&mut self) {
        if !self.current.is_empty() {
            self.full.push_back(std::mem::take(&mut self.current));
        }
    }

    /// The next buffer for the writer.
    pub(super) fn take(&mut self) -> Option<Buffer> {
        self.full.pop_front()
    }

    /// Returns a buffer that the writer has no room for.
    pub(super) fn put_back(&mut self, buffer: Buffer) {
        self.full.push_front(buffer);
    }

    /// Whether buffers wait for the writer.
    pub(super) fn is_full(&self) -> bool {
        !self.full.is_empty()
    }
}
