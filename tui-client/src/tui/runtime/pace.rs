//! The pace of drawing: keys at once, everything else at most 60 times a second.

use std::time::{Duration, Instant};

/// The least time between two drawings of the same cause.
pub(super) const FRAME: Duration = Duration::from_millis(16);

/// The pending redraw, and the earliest time for it.
#[derive(Debug)]
pub(super) struct Pace {
    /// Something changed since it was drawn.
    changed: bool,
    /// A key is among the changes.
    key: bool,
    drawn: Option<Instant>,
    /// When a key was drawn last. Figures that were drawn a moment ago do not hold up a key.
    key_drawn: Option<Instant>,
}

impl Pace {
    /// Nothing was drawn yet, and all is to be.
    pub(super) fn new() -> Self {
        Self { changed: true, key: false, drawn: None, key_drawn: None }
    }

    /// Something changed.
    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    /// A key came: draw its change at once.
    pub(super) fn key(&mut self) {
        self.key = true;
    }

    /// When to draw; `None` when there is nothing to draw. May be past.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let last = if self.key { self.key_drawn } else { self.drawn };
        self.changed.then(|| last.map_or(now, |last| last + FRAME))
    }

    /// All was drawn.
    pub(super) fn drew(&mut self, now: Instant) {
        if self.key {
            self.key_drawn = Some(now);
        }
        self.drawn = Some(now);
        self.changed = false;
        self.key = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_until_something_changes() {
        let now = Instant::now();
        let mut pace = Pace::new();
        assert_eq!(pace.due(now), Some(now));
        pace.drew(now);
        assert_eq!(pace.due(now + FRAME), None);
    }

    #[test]
    fn changes_are_drawn_once_a_frame() {
        let now = Instant::now();
        let mut pace = Pace::new();
        pace.drew(now);
        pace.change();
        pace.change();
        assert_eq!(pace.due(now), Some(now + FRAME));
    }

    #[test]
    fn a_key_does_not_wait_for_the_frame_of_the_figures() {
        let now = Instant::now();
        let mut pace = Pace::new();
        pace.drew(now);
        pace.key();
        pace.change();
        assert_eq!(pace.due(now), Some(now));
    }

    #[test]
    fn keys_that_come_faster_than_frames_are_drawn_once_a_frame() {
        let now = Instant::now();
        let mut pace = Pace::new();
        pace.key();
        pace.drew(now);
        pace.key();
        pace.change();
        assert_eq!(pace.due(now), Some(now + FRAME));
    }
}
