//! Reusable buffers: page faults on newly allocated megabytes cost more than copying into them.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::limits::BLOCK_FRAME_MAX;

/// The maximum capacity of a spare buffer; a larger one is freed.
const KEEP_CAPACITY: usize = BLOCK_FRAME_MAX + (256 << 10);

/// A bounded store of spare buffers; clones share it.
#[derive(Clone)]
pub struct BufferPool {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

impl BufferPool {
    /// A pool that keeps at most `most` spare buffers (each up to about 1 MiB).
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { spare: Arc::default(), most }
    }

    /// An empty buffer: a spare one, or a new one without capacity.
    #[must_use]
    pub fn take(&self) -> Buffer {
        let bytes = self.spare.lock().pop().unwrap_or_default();
        Buffer { bytes, home: Some(self.clone()) }
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        if bytes.capacity() == 0 || bytes.capacity() > KEEP_CAPACITY {
            return;
        }
        bytes.clear();
        let mut spare = self.spare.lock();
        if spare.len() < self.most {
            spare.push(bytes);
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool").field("most", &self.most).finish_non_exhaustive()
    }
}

/// A byte buffer that returns to its pool when dropped.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: Option<BufferPool>,
}

impl Deref for Buffer {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes.len())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.give_back(mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = BufferPool::new(1);
        let mut first = pool.take();
        first.extend_from_slice(&[1; 1000]);
        let place = first.as_ptr();
        drop(first);
        let again = pool.take();
        assert!(again.is_empty());
        assert_eq!(again.as_ptr(), place);
    }

    #[test]
    fn no_more_than_the_bound_are_kept() {
        let pool = BufferPool::new(2);
        let many: Vec<_> = (0..5)
            .map(|_| {
                let mut buffer = pool.take();
                buffer.push(0);
                buffer
            })
            .collect();
        drop(many);
        assert_eq!(pool.spare.lock().len(), 2);
    }
}
