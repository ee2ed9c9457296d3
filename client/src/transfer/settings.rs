//! The settings of an engine, which apply to all its jobs.

use std::time::Duration;

use crate::reconnect::Patience;
pub use crate::traffic::Bandwidth;

/// The settings of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The most bulk connections at a time, at least 1.
    pub transfers: usize,
    /// The most bytes per second, over all connections.
    pub bandwidth: Bandwidth,
    /// How long an item or a connection is retried during an outage.
    pub retry_for: Duration,
    /// The most retries of an item, or of a connection that cannot be opened, within that time. 0 means none,
    /// [`u32::MAX`] no limit.
    pub retries: u32,
    /// How long a server may be silent when it can answer at once or send the next block. After that, the connection
    /// counts as lost.
    pub silence: Duration,
}

impl Settings {
    /// The limits for retries during an outage.
    pub(super) fn patience(&self) -> Patience {
        Patience { time: self.retry_for, retries: self.retries }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let Patience { time: retry_for, retries } = Patience::default();
        Self { transfers: 4, bandwidth: Bandwidth::default(), retry_for, retries, silence: Duration::from_secs(90) }
    }
}
