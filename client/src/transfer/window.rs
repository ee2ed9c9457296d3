//! How many requests may be unanswered at a time: entered by the thread that asks, left
//! by the task that reads the answers.

use parking_lot::{Condvar, Mutex};

/// Requests unanswered on a connection, at most.
const MOST_REQUESTS: usize = 512;
/// Bytes of files in them, at most.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Window {
    held: Mutex<Held>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    requests: usize,
    bytes: u64,
    closed: bool,
}

impl Held {
    /// A single request always fits, whatever its size.
    fn fits(&self, bytes: u64) -> bool {
        self.requests == 0 || (self.requests < MOST_REQUESTS && self.bytes.saturating_add(bytes) <= MOST_BYTES)
    }

    fn enter(&mut self, bytes: u64) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Window {
    /// Enters if there is room right now.
    pub(super) fn try_enter(&self, bytes: u64) -> bool {
        let mut held = self.held.lock();
        let fits = held.fits(bytes) && !held.closed;
        if fits {
            held.enter(bytes);
        }
        fits
    }

    /// Waits for room and enters; `false` when the window was closed.
    pub(super) fn enter(&self, bytes: u64) -> bool {
        let full = |held: &mut Held| !held.closed && !held.fits(bytes);
        let mut held = self.held.lock();
        self.room.wait_while(&mut held, full);
        if !held.closed {
            held.enter(bytes);
        }
        !held.closed
    }

    /// One request was answered.
    pub(super) fn leave(&self, bytes: u64) {
        let mut held = self.held.lock();
        held.requests = held.requests.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(bytes);
        // Waking for each of hundreds of answers costs more than sending: wait for some room.
        if held.requests <= MOST_REQUESTS / 2 {
            self.room.notify_one();
        }
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.held.lock().closed = true;
        self.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn requests_and_bytes_are_both_bounded() {
        let window = Window::default();
        assert!((0..MOST_REQUESTS).all(|_| window.try_enter(1)));
        assert!(!window.try_enter(1));
        let window = Window::default();
        assert!(window.try_enter(MOST_BYTES * 2), "one always fits");
        assert!(!window.try_enter(0));
        window.leave(MOST_BYTES * 2);
        assert!(window.try_enter(MOST_BYTES));
        assert!(!window.try_enter(1));
    }

    #[test]
    fn who_waits_is_let_in_by_leaving_and_turned_away_by_closing() {
        let window = Arc::new(Window::default());
        assert!(window.enter(MOST_BYTES));
        let waiting = std::thread::spawn({
            let window = Arc::clone(&window);
            move || (window.enter(MOST_BYTES), window.enter(MOST_BYTES))
        });
        window.leave(MOST_BYTES);
        while window.try_enter(1) {
            window.leave(1);
        }
        window.close();
        assert_eq!(waiting.join().unwrap(), (true, false));
    }
}
