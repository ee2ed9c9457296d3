//! Whether the blocks of a connection are compressed: while that is faster than to send them as they are.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{delta, pack::Level};

/// Bytes on a connection during which compression is tried whatever the link, to learn what it costs.
const LEARNING: u64 = 8 << 20;
/// Bytes that are sent as they are after some could not be compressed, at first; each time twice as many.
const SKIP_FIRST: u64 = 1 << 20;
/// The maximum of these bytes.
const SKIP_MOST: u64 = 64 << 20;
/// The time that the slow level takes, in times of the fast one.
const EFFORT: u64 = 4;
/// The weight of what was measured is halved after so many bytes.
const MEMORY: u64 = 16 << 20;

/// When blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pack {
    /// While it saves time.
    #[default]
    Auto,
    /// Whenever it makes them smaller.
    Always,
    /// Not at all.
    Never,
}

/// The figures of a connection's link and of compression, from which it follows whether compression is worthwhile.
#[derive(Debug)]
pub struct Packing {
    when: Pack,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    link: Cost,
    work: Cost,
    seen: u64,
    /// Bytes still to be sent as they are, and how many the next time.
    skip: u64,
    skip_next: u64,
}

/// The time that bytes take.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    bytes: u64,
    time: Duration,
}

impl Cost {
    fn add(&mut self, bytes: u64, time: Duration) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.time = self.time.saturating_add(time);
        if self.bytes > MEMORY {
            (self.bytes, self.time) = (self.bytes / 2, self.time / 2);
        }
    }

    /// Nanoseconds for each byte.
    fn each(self) -> u64 {
        let time = u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX);
        // In thousandths, because fast links take less than one.
        time.saturating_mul(1000) / self.bytes.max(1)
    }
}

impl Packing {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(when: Pack) -> Self {
        Self { when, state: Mutex::default() }
    }

    /// Whether to compress a block of `length` bytes.
    #[must_use]
    pub fn is_worthwhile(&self, length: usize) -> bool {
        let mut state = self.state.lock();
        let length = length as u64;
        if state.skip >= length {
            state.skip -= length;
            return false;
        }
        match self.when {
            Pack::Never => false,
            Pack::Always => true,
            // Work that takes as long as the sending would keep a core busy for nothing.
            Pack::Auto => state.seen < LEARNING || state.work.each().saturating_mul(2) < state.link.each(),
        }
    }

    /// Appends a step of a delta with `bytes` compressed, if that makes them smaller; returns whether it did.
    pub fn put(&self, out: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let (begun, level) = (Instant::now(), self.level());
        let is_smaller = delta::put_packed(out, bytes, level);
        // The cost of the fast level decides, also while the other one is used.
        let time = if level == Level::Fast { begun.elapsed() } else { Duration::ZERO };
        let length = if level == Level::Fast { bytes.len() } else { 0 };
        self.tried(length, time, is_smaller);
        is_smaller
    }

    /// The level at which to compress: the slow one where it takes at most half of the link's time for a byte.
    fn level(&self) -> Level {
        let state = self.state.lock();
        let is_slow = state.work.bytes > 0 && state.work.each().saturating_mul(2 * EFFORT) < state.link.each();
        if is_slow { Level::Small } else { Level::Fast }
    }

    /// Takes note of an attempt to compress `length` bytes.
    pub fn tried(&self, length: usize, time: Duration, is_smaller: bool) {
        let mut state = self.state.lock();
        state.work.add(length as u64, time);
        if is_smaller {
            (state.skip, state.skip_next) = (0, 0);
        } else {
            state.skip = state.skip_next.clamp(SKIP_FIRST, SKIP_MOST);
            state.skip_next = state.skip.saturating_mul(2);
        }
    }

    /// Takes note of bytes that were written to the link.
    pub fn sent(&self, bytes: usize, time: Duration) {
        let mut state = self.state.lock();
        state.seen = state.seen.saturating_add(bytes as u64);
        state.link.add(bytes as u64, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// A connection on which everything was learned: microseconds for each MiB to send and to compress.
    fn learned(when: Pack, link: u64, work: u64) -> Packing {
        let packing = Packing::new(when);
        for _ in 0..8 {
            packing.tried(MIB, Duration::from_micros(work), true);
            packing.sent(MIB, Duration::from_micros(link));
        }
        packing
    }

    #[test]
    fn blocks_are_compressed_while_that_is_faster_than_the_link() {
        assert!(Packing::new(Pack::Auto).is_worthwhile(MIB));
        // 5 Mbit/s and 10 Gbit/s.
        assert!(learned(Pack::Auto, 1_600_000, 3000).is_worthwhile(MIB));
        assert!(!learned(Pack::Auto, 800, 3000).is_worthwhile(MIB));
        assert!(learned(Pack::Always, 800, 3000).is_worthwhile(MIB));
        assert!(!learned(Pack::Never, 1_600_000, 3000).is_worthwhile(MIB));
    }

    #[test]
    fn more_effort_is_spent_on_slow_links() {
        assert_eq!(Packing::new(Pack::Auto).level(), Level::Fast);
        assert_eq!(learned(Pack::Auto, 1_600_000, 3000).level(), Level::Small);
        assert_eq!(learned(Pack::Auto, 20_000, 3000).level(), Level::Fast);
    }

    #[test]
    fn a_link_that_becomes_slow_is_noticed() {
        let packing = learned(Pack::Auto, 800, 3000);
        assert!(!packing.is_worthwhile(MIB));
        for _ in 0..4 {
            packing.sent(MIB, Duration::from_secs(1));
        }
        assert!(packing.is_worthwhile(MIB));
    }

    #[test]
    fn data_that_cannot_be_compressed_is_tried_ever_more_rarely() {
        let packing = Packing::new(Pack::Always);
        let mut tried = Vec::new();
        for block in 0..200 {
            if packing.is_worthwhile(MIB) {
                packing.tried(MIB, Duration::from_millis(1), false);
                tried.push(block);
            }
        }
        assert_eq!(tried, [0, 2, 5, 10, 19, 36, 69, 134, 199]);
        packing.tried(MIB, Duration::from_millis(1), true);
        assert!(packing.is_worthwhile(MIB));
    }
}
