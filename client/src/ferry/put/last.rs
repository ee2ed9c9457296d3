//! One of the last blocks of an upload, held back until the end of the file.

use ferry_shared::pool::BufferPool;

use crate::remote::Chunk;

/// The number of fragments of a block that is held back; they are sent one at a time to keep the connection alive.
const PIECES: usize = 1024;

/// A block that is held back.
pub(super) struct Last {
    rest: Chunk,
    /// The length of the whole frame.
    whole: usize,
    /// The length of the block.
    length: u64,
    /// Whether the server already has the block.
    equal: bool,
}

impl Last {
    pub(super) fn new(frame: Chunk, length: u64, equal: bool) -> Self {
        let whole = frame.len();
        Self { rest: frame, whole, length, equal }
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_sent(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether a part of it was sent, but not all.
    pub(super) fn is_begun(&self) -> bool {
        !self.rest.is_empty() && self.rest.len() < self.whole
    }

    /// The next few bytes of the block.
    pub(super) fn take(&mut self, pool: &BufferPool) -> Chunk {
        self.rest.cut(self.whole.div_ceil(PIECES), pool)
    }

    /// The rest, to be sent at the end.
    ///
    /// # Errors
    /// The length of the block, if it need not be sent.
    pub(super) fn into_rest(self) -> Result<Chunk, u64> {
        if self.equal && self.rest.len() == self.whole { Err(self.length) } else { Ok(self.rest) }
    }
}
