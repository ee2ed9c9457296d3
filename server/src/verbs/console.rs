//! The output that a command has written and its door has not taken yet: a few chunks at most.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem::{discriminant, replace},
    sync::Arc,
    task::Poll,
};

use ferry_shared::name::Escaped;
use parking_lot::Mutex;

/// Bytes in a chunk.
const CHUNK: usize = 32 << 10;

/// A part of what a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Bytes of its results, at most 32 KiB.
    Out(Vec<u8>),
    /// Bytes of its messages about failures, at most 32 KiB.
    Err(Vec<u8>),
    /// It ended with this status.
    Exited(u8),
}

/// Where a verb writes; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Console(Arc<Mutex<VecDeque<Said>>>);

impl Console {
    /// Writes results, and waits until the door has taken most of what was written before.
    pub(super) async fn print(&self, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            self.write(piece, Said::Out);
            while self.0.lock().len() > 1 {
                pause().await;
            }
        }
    }

    /// Writes a message about a failure as one or more lines. Hostile characters in it are escaped.
    pub(super) fn error(&self, message: &str) {
        for line in message.lines() {
            let line = format!("{}\n", Escaped(line.as_bytes()));
            line.as_bytes().chunks(CHUNK).for_each(|piece| self.write(piece, Said::Err));
        }
    }

    fn write(&self, piece: &[u8], stream: fn(Vec<u8>) -> Said) {
        let mut chunks = self.0.lock();
        let new = stream(Vec::new());
        let last = chunks.back_mut().filter(|last| discriminant(*last) == discriminant(&new));
        match last {
            Some(Said::Out(bytes) | Said::Err(bytes)) if bytes.len() + piece.len() <= CHUNK => {
                bytes.extend_from_slice(piece);
            }
            _ => chunks.push_back(stream(piece.to_vec())),
        }
    }

    /// Takes the oldest chunk, if it is complete or `is_due`.
    pub(super) fn take(&self, is_due: bool) -> Option<Said> {
        let mut chunks = self.0.lock();
        if chunks.len() > 1 || is_due { chunks.pop_front() } else { None }
    }

    /// Bytes that are kept.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let bytes = |said: &Said| match said {
            Said::Out(bytes) | Said::Err(bytes) => bytes.len(),
            Said::Exited(_) => 0,
        };
        self.0.lock().iter().map(bytes).sum()
    }

    /// Drops what was written and not taken.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// Ends a step: others get their turn.
pub(super) async fn pause() {
    let mut paused = false;
    poll_fn(|_| if replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
