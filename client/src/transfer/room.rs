//! The room at targets: the known free bytes, and the bytes that jobs will still add.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::site::Room;

/// The bytes that jobs will still add to one disk or account. Clones share the number.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(Arc<Mutex<i128>>);

/// Bytes that an item will still add to its place; dropping it releases them.
#[derive(Debug)]
pub(super) struct Growth {
    place: Place,
    /// The bytes that the whole item adds.
    whole: i128,
    left: Mutex<i128>,
}

/// The room at a place as it was last reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownRoom {
    pub(super) room: Room,
    /// The bytes that the engine had sent by then.
    pub(super) sent: u64,
}

impl KnownRoom {
    /// The free bytes, at least, after `sent` bytes have been sent.
    pub(super) fn left(&self, sent: u64) -> i128 {
        i128::from(self.room.free) - i128::from(sent.saturating_sub(self.sent))
    }
}

impl Place {
    /// Claims `left` more bytes.
    pub(super) fn claim(&self, whole: i128, left: i128) -> Growth {
        *self.0.lock() += left;
        Growth { place: self.clone(), whole, left: Mutex::new(left) }
    }

    pub(super) fn known(&self) -> i128 {
        *self.0.lock()
    }
}

impl Growth {
    /// Records that this many bytes of the item are at its place.
    pub(super) fn arrived(&self, bytes: u64) {
        self.set(self.whole - i128::from(bytes));
    }

    fn set(&self, now: i128) {
        let mut left = self.left.lock();
        *self.place.0.lock() += now - *left;
        *left = now;
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.set(0);
    }
}
