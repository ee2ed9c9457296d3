//! Frames to be written to the server, with an observer of their progress.

use std::{fmt, ops::Deref, sync::Arc};

use ferry_shared::{
    frame::{FrameError, put_block_head, put_delta},
    limits::{HEADER_LEN, INDEX_LEN},
    pool::{Buffer, BufferPool},
};
use zeroize::Zeroizing;

use crate::site::{BlockBytes, Watch};

/// The length of the header of a block's frame.
const BLOCK_HEAD: usize = HEADER_LEN + INDEX_LEN;

/// Frames, or a part of a frame, to be written together.
pub(crate) struct Chunk {
    bytes: Held,
    start: usize,
    /// The number of file bytes that the chunk represents, and the observer to notify when they are written.
    counts: Option<(u64, Arc<dyn Watch>)>,
    /// Whether it begins with the beginning of a frame.
    begins: bool,
    is_last: bool,
}

enum Held {
    Secret(Zeroizing<Vec<u8>>),
    Pooled(Buffer),
}

impl Chunk {
    /// The bytes of `buffer`.
    pub(crate) fn new(buffer: Buffer) -> Self {
        Self { bytes: Held::Pooled(buffer), start: 0, counts: None, begins: true, is_last: false }
    }

    /// Bytes that are erased after they are written.
    pub(super) fn secret(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes: Held::Secret(bytes), start: 0, counts: None, begins: true, is_last: false }
    }

    /// The frame of a block. Its header is written into the space before the bytes if there is enough, otherwise the
    /// bytes are copied behind it: a separate header would become a separate TLS record.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if there are more bytes than a block can have.
    pub(crate) fn block(index: u64, bytes: BlockBytes, pool: &BufferPool) -> Result<Self, FrameError> {
        let mut head = Vec::with_capacity(BLOCK_HEAD);
        put_block_head(&mut head, index, if bytes.is_zeros() { 0 } else { bytes.len() })?;
        match bytes {
            BlockBytes::Pooled { mut buffer, start } if start >= BLOCK_HEAD && start <= buffer.len() => {
                let from = start - BLOCK_HEAD;
                buffer[from..start].copy_from_slice(&head);
                Ok(Self { bytes: Held::Pooled(buffer), start: from, counts: None, begins: true, is_last: false })
            }
            bytes => {
                let mut buffer = pool.take();
                buffer.extend_from_slice(&head);
                if !bytes.is_zeros() {
                    buffer.extend_from_slice(&bytes);
                }
                Ok(Self::new(buffer))
            }
        }
    }

    /// The frame of a block that is described by the steps of a delta.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if they are longer than a block.
    pub(crate) fn delta(index: u64, steps: &[u8], pool: &BufferPool) -> Result<Self, FrameError> {
        let mut frame = pool.take();
        put_delta(&mut frame, index, steps)?;
        Ok(Self::new(frame))
    }

    /// Reports `bytes` of a file to `watch` as the chunk is written.
    pub(crate) fn counted(mut self, bytes: u64, watch: Arc<dyn Watch>) -> Self {
        self.counts = Some((bytes, watch));
        self
    }

    /// Marks the chunk as the last one of its call.
    pub(crate) fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether it begins a frame of a file whose transfer is to end, so that it need not be sent.
    pub(super) fn is_unwanted(&self) -> bool {
        self.begins && self.counts.as_ref().is_some_and(|(_, watch)| watch.pausing().is_cancelled())
    }

    /// Splits off the first bytes, at most `most`. The rest is empty if all bytes were taken.
    pub(crate) fn cut(&mut self, most: usize, pool: &BufferPool) -> Self {
        let length = self.len();
        let taken = most.min(length);
        let mut buffer = pool.take();
        buffer.extend_from_slice(&self[..taken]);
        let counts = self.counts.as_mut().map(|(left, watch)| {
            let share = share(*left, taken, length);
            *left -= share;
            (share, Arc::clone(watch))
        });
        self.start += taken;
        let begins = std::mem::take(&mut self.begins);
        Self { bytes: Held::Pooled(buffer), start: 0, counts, begins, is_last: false }
    }

    /// Reports that the bytes from `from` to `to` have been written.
    pub(super) fn written(&self, from: usize, to: usize) {
        if let Some((bytes, watch)) = &self.counts {
            let length = self.len();
            watch.moved(share(*bytes, to, length) - share(*bytes, from, length));
        }
    }
}

/// The share of `bytes` that corresponds to `part` of `whole`.
fn share(bytes: u64, part: usize, whole: usize) -> u64 {
    if part >= whole {
        return bytes;
    }
    u64::try_from(u128::from(bytes) * part as u128 / whole as u128).unwrap_or(bytes)
}

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        let bytes: &Vec<u8> = match &self.bytes {
            Held::Secret(bytes) => bytes,
            Held::Pooled(buffer) => buffer,
        };
        bytes.get(self.start..).unwrap_or_default()
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::site::{HEADROOM, Opened, Phase};

    #[derive(Debug, Default)]
    struct Moved(AtomicU64, CancellationToken);

    impl Watch for Moved {
        fn opened(&self, _: &Opened) {}
        fn phase(&self, _: Phase) {}
        fn moved(&self, bytes: u64) {
            self.0.fetch_add(bytes, Relaxed);
        }
        fn kept(&self, _: u64) {}
        fn pausing(&self) -> CancellationToken {
            self.1.clone()
        }
        fn is_stopped(&self) -> bool {
            false
        }
    }

    fn pooled(start: usize, bytes: &[u8], pool: &BufferPool) -> BlockBytes {
        let mut buffer = pool.take();
        buffer.resize(start, 9);
        buffer.extend_from_slice(bytes);
        BlockBytes::Pooled { buffer, start }
    }

    fn frame(index: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_block_head(&mut out, index, bytes.len()).unwrap();
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn a_block_with_headroom_is_sent_without_copying() {
        let pool = BufferPool::new(2);
        let bytes = pooled(HEADROOM, b"block", &pool);
        let place = bytes.as_ptr();
        let chunk = Chunk::block(3, bytes, &pool).unwrap();
        assert_eq!(&chunk[..], frame(3, b"block"));
        assert_eq!(chunk[BLOCK_HEAD..].as_ptr(), place);
    }

    #[test]
    fn all_kinds_of_blocks_give_the_same_frame() {
        let pool = BufferPool::new(2);
        for bytes in [pooled(0, b"block", &pool), pooled(11, b"block", &pool), BlockBytes::Shared("block".into())] {
            assert_eq!(&Chunk::block(1, bytes, &pool).unwrap()[..], frame(1, b"block"));
        }
        assert_eq!(&Chunk::block(2, BlockBytes::Zeros(1000), &pool).unwrap()[..], frame(2, b""));
        assert!(Chunk::block(0, BlockBytes::Shared(vec![1; (1 << 20) + 1].into()), &pool).is_err());
    }

    #[test]
    fn a_pause_leaves_out_frames_that_were_not_begun_and_nothing_else() {
        let (pool, moved) = (BufferPool::new(2), Arc::new(Moved::default()));
        let new = || {
            let whole = Chunk::block(0, BlockBytes::Shared("a block".into()), &pool).unwrap();
            whole.counted(7, Arc::clone(&moved) as Arc<dyn Watch>)
        };
        let (whole, mut rest) = (new(), new());
        let begun = rest.cut(3, &pool);
        assert!(!whole.is_unwanted() && !begun.is_unwanted());
        moved.1.cancel();
        assert!(whole.is_unwanted() && begun.is_unwanted());
        assert!(!rest.is_unwanted(), "its beginning was sent before");
        assert!(!Chunk::new(pool.take()).is_unwanted(), "it belongs to no file");
    }

    #[test]
    fn a_block_is_counted_once_however_it_is_split() {
        let pool = BufferPool::new(2);
        for most in [1, 2, 7, 100] {
            let moved = Arc::new(Moved::default());
            let whole = Chunk::block(0, BlockBytes::Shared("a block of text".into()), &pool).unwrap();
            let expected = whole.to_vec();
            let mut rest = whole.counted(15, Arc::clone(&moved) as Arc<dyn Watch>);
            let mut out = Vec::new();
            while !rest.is_empty() {
                let piece = rest.cut(most, &pool);
                let half = piece.len() / 2;
                piece.written(0, half);
                piece.written(half, piece.len());
                out.extend_from_slice(&piece);
            }
            assert_eq!(out, expected);
            assert_eq!(moved.0.load(Relaxed), 15);
        }
    }
}
